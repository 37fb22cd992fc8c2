/*
 * From one version to the next: the edit is made durable in the manifest first, then the version it
 * leads to becomes the current one. manifest_mu is held during the manifest's I/O, so edits follow
 * one another; readers and writers never take it.
 *
 * When appending fails, nobody knows how much of the record is on disk, so that manifest is given
 * up and the next edit starts a new one holding the whole state. A full disk is not the end: the
 * edit fails, and is tried again by whoever wanted it.
 */
#include "lsm/db/db.h"

enum {
    MANIFEST_LEN_MAX = 4 << 20, /* start a new manifest beyond this, if also twice a fresh one */
    LOG_NUMBERS = 1 << 10,      /* so many file numbers ahead logs may have after an edit */
};

/*
 * A loss of power may take the name of a log, and the store then knows nothing of it. Were its
 * number given to another one, whatever lay in the space of that one would pass for its records. So
 * a log's number must have been promised by an edit, and opening begins behind all that were.
 */
static uint64_t log_numbers_end(struct lsm_db *db)
{
    return atomic_load(&db->next_file) + LOG_NUMBERS;
}

/* Was CURRENT replaced, although that is said to have failed? Then it may be so on disk too. */
static bool may_be_current(struct lsm_db *db, uint64_t number)
{
    struct buf current = {0};
    char name[32];
    bool other;

    manifest_file_name(number, name);
    other = env_read_small(db->env, "CURRENT", 64, &current) == 0 &&
            (current.len < strlen(name) || memcmp(current.data, name, strlen(name)) != 0);
    buf_free(&current);
    return !other;
}

/* Write the whole state that `version` and the edit's numbers make into a new manifest. */
static int new_manifest(struct lsm_db *db, struct version *version,
                        const struct named_snapshots *named) REQUIRES(db->manifest_mu)
{
    struct manifest_state state = {.version = version,
                                   .log_number = db->log_number,
                                   .flushed_seqno = db->flushed_seqno,
                                   .snapshots = *named};
    uint64_t number = db_new_file(db), old = db->manifest_number;
    struct manifest *m;
    char name[32];
    int err;

    state.manifest_number = number;
    state.next_file = atomic_load(&db->next_file);
    state.log_numbers_end = log_numbers_end(db);
    err = db_all_times(db, db->flushed_seqno, &state.times);
    if (err)
        return err;
    err = manifest_create(db->env, number, &state, &m);
    time_points_done(&state.times);
    /* -ENOSPC would say that the edit is surely not done, and its tables would be removed. */
    if (err == -ENOSPC && may_be_current(db, number))
        err = err_raise(EIO, "%s: a new manifest may be the current one, or not: the disk is full",
                        db->env->path);
    if (err)
        return err;
    manifest_close(db->manifest);
    db->manifest = m;
    db->manifest_number = number;
    db->manifest_fresh_len = manifest_len(m);
    atomic_store(&db->log_numbers_end, state.log_numbers_end);
    if (old) {
        manifest_file_name(old, name);
        env_remove(db->env, name);
    }
    return 0;
}

static bool manifest_is_long(const struct lsm_db *db) REQUIRES(db->manifest_mu)
{
    uint64_t len = manifest_len(db->manifest);

    return len > MANIFEST_LEN_MAX && len > 2 * db->manifest_fresh_len;
}

static int append_edit(struct lsm_db *db, struct version_edit *edit, struct version *next,
                       const struct named_snapshots *named) REQUIRES(db->manifest_mu)
{
    uint64_t len;
    int err;

    if (!db->manifest || manifest_is_long(db))
        return new_manifest(db, next, named);
    edit->has_next_file = true;
    edit->next_file = atomic_load(&db->next_file);
    edit->has_log_numbers_end = true;
    edit->log_numbers_end = log_numbers_end(db);
    len = manifest_len(db->manifest);
    err = manifest_append(db->manifest, edit);
    if (!err)
        atomic_store(&db->log_numbers_end, edit->log_numbers_end);
    if (err) {
        bool in_doubt = manifest_len(db->manifest) != len;

        manifest_close(db->manifest);
        db->manifest = NULL;
        err = new_manifest(db, next, named);
        /* The record is in the old manifest, and whether it is on disk nobody knows. */
        if (err && in_doubt)
            err = db_fail(db, err, "sync of the manifest failed");
    }
    return err;
}

/*
 * Make next current, in sv, without the memtable that was flushed, and *named the list of
 * snapshots; the old list is left there.
 */
static void install(struct lsm_db *db, struct superversion *sv, struct version *next,
                    const struct memtable *flushed, struct named_snapshots *named)
    REQUIRES(db->manifest_mu)
{
    struct named_snapshots old_named;
    struct memtable *imms[IMM_COUNT_MAX];
    struct superversion *old;
    unsigned count = 0;

    mutex_lock(&db->mu);
    for (unsigned i = 0; i < db->sv->imm_count; i++) {
        if (db->sv->imms[i] != flushed)
            imms[count++] = db->sv->imms[i];
    }
    sv_fill(sv, db->sv->mem, imms, count, next);
    old_named = db->named;
    db->named = *named;
    *named = old_named;
    old = sv_install_locked(db, sv);
    background_note_version_locked(db);
    db->garbage_hint = true;
    mutex_unlock(&db->mu);
    sv_put(old);
}

/* The files of removed tables go when the last reader lets go of them. */
static void mark_obsolete(const struct version *base, const struct version_edit *edit)
{
    for (size_t i = 0; i < edit->removed_count; i++) {
        const struct level *level = &base->levels[edit->removed[i].level];
        bool moved = false;

        for (size_t k = 0; k < edit->added_count; k++)
            moved |= edit->added[k].meta->number == edit->removed[i].number;
        for (size_t k = 0; k < level->count && !moved; k++) {
            if (level->tables[k]->number == edit->removed[i].number)
                atomic_store(&level->tables[k]->obsolete, true);
        }
    }
}

/* Everything in memory that can be refused, before anything is written. */
static int prepare(struct lsm_db *db, struct version_edit *edit, const struct version *base,
                   struct named_snapshots *ret_named, struct version **ret_next)
    REQUIRES(db->manifest_mu)
{
    int err = named_snapshots_copy(&db->named, ret_named);

    if (!err)
        err = edit_apply_snapshots(edit, ret_named);
    time_points_done(&edit->times);
    if (!err && edit->has_flushed_seqno)
        err = db_flushed_times(db, db->flushed_seqno, edit->flushed_seqno, &edit->times);
    return err ? err : version_apply(&db->store, base, edit, ret_next);
}

int db_commit_edit(struct lsm_db *db, struct version_edit *edit, const struct memtable *flushed)
{
    struct named_snapshots named = {0};
    struct superversion *sv, *made = sv_new();
    struct version *next = NULL;
    uint64_t log_number, flushed_seqno;
    int err;

    if (!made)
        return -ENOMEM;
    mutex_lock(&db->manifest_mu);
    sv = sv_get(db);
    log_number = db->log_number;
    flushed_seqno = db->flushed_seqno;
    err = prepare(db, edit, sv->version, &named, &next);
    if (!err) {
        if (edit->has_log_number)
            db->log_number = edit->log_number;
        if (edit->has_flushed_seqno)
            db->flushed_seqno = edit->flushed_seqno;
        err = append_edit(db, edit, next, &named);
    }
    if (err) {
        db->log_number = log_number;
        db->flushed_seqno = flushed_seqno;
        free(made);
    } else {
        install(db, made, next, flushed, &named);
        mark_obsolete(sv->version, edit);
    }
    mutex_unlock(&db->manifest_mu);
    named_snapshots_done(&named);
    version_unref(next);
    sv_put(sv);
    return err;
}

int db_log_number(struct lsm_db *db, uint64_t *ret)
{
    uint64_t number = db_new_file(db);
    int err = 0;

    if (number >= atomic_load(&db->log_numbers_end)) {
        struct version_edit edit = {0};

        err = db_commit_edit(db, &edit, NULL);
        edit_done(&edit, &db->store);
    }
    *ret = number;
    return err;
}
