/*
 * A checkpoint: another directory that is a store of its own, with what this one holds now. Tables
 * never change, so they are hard links where the disk can; the origin may remove its names later.
 *
 * The memtables are flushed first, so no log has to be copied. Then the version, the number up to
 * which it is complete, named snapshots and points of time are taken together, under the lock under
 * which they change; the reference to the version keeps its files while they are linked, and
 * writing goes on meanwhile. A snapshot that was named since then is left out: what it shows need
 * not be there.
 *
 * The new store gets files, manifest, CURRENT and superblock in this order, each durable before the
 * next: so a crash leaves a whole store, or a directory that is none. It has an identity of its
 * own; no other file depends on the superblock's uuid.
 */
#include "lsm/db/losses.h"

enum {
    COPY_LEN = 1 << 20
};

static int copy_bytes(struct env_reader *r, struct env_writer *w, uint64_t len, uint8_t *buf)
{
    uint64_t done = 0;
    int err = 0;

    while (!err && done < len) {
        size_t want = len - done < COPY_LEN ? (size_t)(len - done) : COPY_LEN, got = 0;
        struct slice part;

        err = env_reader_read(r, done, want, buf, &got);
        if (!err && got < want)
            err = err_raise(ERR_FILE_LEN, "%s/%s: ends at %llu of %llu bytes", r->env->path,
                            r->name, (unsigned long long)(done + got), (unsigned long long)len);
        part = slice_of(buf, got);
        if (!err)
            err = env_writer_append(w, &part, 1);
        done += got;
    }
    return err ? err : env_writer_sync(w);
}

int checkpoint_copy_file(struct lsm_db *db, struct env *to, const char *name, uint64_t len)
{
    uint8_t *buf = malloc(COPY_LEN);
    struct env_reader *r = NULL;
    struct env_writer *w = NULL;
    uint64_t whole = 0;
    int err = buf ? env_reader_open(db->env, name, &r) : -ENOMEM, close_err;

    if (err == -ENOENT)
        err = err_raise(ERR_FILE_MISSING, "%s/%s: missing", db->env->path, name);
    if (!err)
        err = env_reader_len(r, &whole);
    if (!err)
        err = env_writer_create(to, name, &w);
    if (!err)
        err = copy_bytes(r, w, len < whole ? len : whole, buf);
    close_err = env_writer_close(w);
    env_reader_close(r);
    free(buf);
    return err ? err : close_err;
}

int checkpoint_add_file(struct lsm_db *db, struct env *to, const char *name)
{
    int err = env_link_out(db->env, name, to);

    return err == -ENOTSUP ? checkpoint_copy_file(db, to, name, UINT64_MAX) : err;
}

static int add_tables(struct lsm_db *db, struct env *to, const struct version *v)
{
    int err = 0;

    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; !err && i < v->levels[n].count; i++) {
            char name[32];

            sst_file_name(v->levels[n].tables[i]->number, name);
            err = checkpoint_add_file(db, to, name);
        }
    }
    return err;
}

/* What is appended to them after the link is nothing to the new store. */
static int add_blobs(struct lsm_db *db, struct env *to, const struct version *v)
{
    struct blob_uses uses = {0};
    int err = version_blob_uses(v, &uses);

    for (size_t i = 0; !err && i < uses.count; i++) {
        char name[32];

        blob_file_name(uses.uses[i].number, name);
        err = checkpoint_add_file(db, to, name);
    }
    blob_uses_done(&uses);
    return err;
}

static uint64_t flushed_seqno(struct lsm_db *db)
{
    uint64_t seqno;

    mutex_lock(&db->manifest_mu);
    seqno = db->flushed_seqno;
    mutex_unlock(&db->manifest_mu);
    return seqno;
}

/* Have everything that is visible now in tables. */
static int flush_all(struct lsm_db *db)
{
    uint64_t seqno = atomic_load(&db->visible_seqno);
    int err;

    do
        err = lsm_flush(db);
    while (!err && flushed_seqno(db) < seqno);
    return err;
}

/* A state that is consistent in itself; for manifest_state_done. */
static int take_state(struct lsm_db *db, struct manifest_state *ret, struct superblock *sb)
{
    struct superversion *sv;
    int err;

    mutex_lock(&db->manifest_mu);
    sv = sv_get(db);
    ret->version = sv->version;
    version_ref(ret->version);
    ret->flushed_seqno = db->flushed_seqno;
    sb->version = db->superblock.version;
    sb->compat = db->superblock.compat;
    sb->ro_compat = db->superblock.ro_compat;
    sb->incompat = db->superblock.incompat;
    err = named_snapshots_copy(&db->named, &ret->snapshots);
    mutex_unlock(&db->manifest_mu);
    sv_put(sv);
    if (err)
        return err;
    named_snapshots_cut(&ret->snapshots, ret->flushed_seqno);
    ret->manifest_number = atomic_load(&db->next_file);
    ret->next_file = ret->manifest_number + 1;
    return db_all_times(db, ret->flushed_seqno, &ret->times);
}

static int fill(struct lsm_db *db, struct env *to)
{
    struct manifest_state state = {0};
    struct superblock sb;
    struct manifest *m = NULL;
    int err = superblock_init(&sb);

    if (!err)
        err = flush_all(db);
    if (!err)
        err = take_state(db, &state, &sb);
    if (!err)
        err = add_tables(db, to, state.version);
    if (!err)
        err = add_blobs(db, to, state.version);
    /* What repairs have lost of these tables the new store must know as well. */
    if (!err)
        err = losses_copy(db->env, to);
    /* The manifest's creation syncs the directory before CURRENT names it. */
    if (!err)
        err = manifest_create(to, state.manifest_number, &state, &m);
    manifest_close(m);
    if (!err)
        err = superblock_write(to, &sb);
    manifest_state_done(&state);
    return err;
}

int lsm_checkpoint(struct lsm_db *db, const char *path)
{
    struct env *to;
    int err;

    err_clear();
    err = db_writable(db);
    if (!err)
        err = env_branch(db->env, path, &to);
    if (err)
        return err;
    err = fill(db, to);
    if (err)
        env_discard(to);
    else
        env_close(to);
    return err;
}
