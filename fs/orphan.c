/*
 * Orphans: inodes that have lost their last name, but not yet their contents, because somebody may
 * have them open. The store lists them as 'O' keys, written by the batch that removes the last
 * name and deleted by the one that removes the inode. Opening purges what the store lists: after
 * the end of a process nobody has anything open.
 *
 * The set in memory answers fs_is_orphan. Its count is read without a lock, as it is mostly zero.
 * A number is in the set before the batch that makes it an orphan is written, and until the one
 * that gives it a name has been; whoever holds the inode's lock sees set and store agree.
 *
 * O_TMPFILE makes orphans that may be given a name (tmpfile.c). Only the set knows which: without
 * the process nobody has them open.
 */
#include <inttypes.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "fs/op.h"

struct orphan {
    uint64_t ino;
    bool may_link; /* made without a name, and may be given one */
    UT_hash_handle hh;
};

struct orphan_set {
    atomic_size_t count; /* changed under mu */

    struct mutex mu;      /* order: leaf */
    struct orphan *table; /* [mu] uthash */
};

int orphans_new(struct orphan_set **ret)
{
    struct orphan_set *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    atomic_init(&o->count, 0);
    mutex_init(&o->mu);
    *ret = o;
    return 0;
}

void orphans_free(struct orphan_set *o)
{
    struct orphan *e, *next;

    if (!o)
        return;
    HASH_ITER (hh, o->table, e, next) {
        HASH_DEL(o->table, e);
        free(e);
    }
    mutex_done(&o->mu);
    free(o);
}

static struct orphan *find_locked(struct orphan_set *o, uint64_t ino) REQUIRES(o->mu)
{
    struct orphan *e;

    HASH_FIND(hh, o->table, &ino, sizeof(ino), e);
    return e;
}

int orphans_add(struct orphan_set *o, uint64_t ino, bool may_link)
{
    struct orphan *e = calloc(1, sizeof(*e));
    int err = 0;

    if (!e)
        return -ENOMEM;
    e->ino = ino;
    e->may_link = may_link;
    mutex_lock(&o->mu);
    if (!find_locked(o, ino)) {
        HASH_ADD(hh, o->table, ino, sizeof(e->ino), e);
        if (e->hh.tbl) {
            atomic_fetch_add(&o->count, 1);
            e = NULL;
        } else {
            err = -ENOMEM;
        }
    }
    mutex_unlock(&o->mu);
    free(e);
    return err;
}

void orphans_remove(struct orphan_set *o, uint64_t ino)
{
    struct orphan *e;

    mutex_lock(&o->mu);
    e = find_locked(o, ino);
    if (e) {
        HASH_DEL(o->table, e);
        atomic_fetch_sub(&o->count, 1);
    }
    mutex_unlock(&o->mu);
    free(e);
}

bool orphans_may_link(struct orphan_set *o, uint64_t ino)
{
    struct orphan *e;
    bool may;

    mutex_lock(&o->mu);
    e = find_locked(o, ino);
    may = e && e->may_link;
    mutex_unlock(&o->mu);
    return may;
}

bool orphans_any(const struct orphan_set *o)
{
    return atomic_load_explicit(&o->count, memory_order_acquire) != 0;
}

bool fs_is_orphan(struct fs *fs, uint64_t ino)
{
    struct orphan_set *o = fs->orphans;
    bool found;

    if (!orphans_any(o))
        return false;
    mutex_lock(&o->mu);
    found = find_locked(o, ino);
    mutex_unlock(&o->mu);
    return found;
}

/* Add the removal of the inode to the batch; its lock is held. */
static int purge_locked(struct op *op, uint64_t ino)
{
    struct inode in;
    struct key k;
    int err = inode_get(op->fs, ino, &in);

    if (!err && in.nlink)
        return err_raise(EBUSY,
                         "inode %" PRIu64 " is listed as an orphan, but has a link count of "
                         "%u",
                         ino, in.nlink);
    /* Only an empty directory can be deleted; nothing would lead to what this one holds. */
    if (!err && S_ISDIR(in.mode) && in.size)
        return err_raise(ENOTEMPTY,
                         "inode %" PRIu64
                         " is listed as an orphan, but is a directory with %" PRIu64 " entries",
                         ino, in.size);
    if (!err) {
        if (S_ISREG(in.mode))
            err = file_delete_blocks(op->batch, &in, op->fs->super.block_len);
        if (!err)
            err = xattr_delete_all(op->batch, &in);
        key_ino(&k, KEY_INODE, ino);
        if (!err)
            err = lsm_batch_delete(op->batch, k.data, k.len);
    } else if (err == -ESTALE) {
        err = 0; /* only the listing is left */
    }
    key_ino(&k, KEY_ORPHAN, ino);
    return err ? err : lsm_batch_delete(op->batch, k.data, k.len);
}

/* -EBUSY when the inode has names. */
static int purge(struct fs *fs, uint64_t ino)
{
    struct op op;
    int err = op_begin(&op, fs, &ino, 1);

    if (err)
        return err;
    op.urgent = true;
    err = op_end(&op, purge_locked(&op, ino));
    if (!err)
        orphans_remove(fs->orphans, ino);
    return err;
}

int fs_purge(struct fs *fs, uint64_t ino)
{
    int err;

    if (!fs_is_orphan(fs, ino))
        return 0;
    err = purge(fs, ino);
    /* The removal of its last name was still being written, and failed. */
    return err == -EBUSY ? 0 : err;
}

/* Purge the orphan that the iterator stands on. One that cannot be purged is logged. */
static int purge_listed(struct fs *fs, const struct lsm_iter *it)
{
    size_t len;
    const uint8_t *key = lsm_iter_key(it, &len);
    uint64_t ino = len == KEY_INODE_LEN ? get_be64(key + 1) : 0;
    int err = ino ? purge(fs, ino) : err_raise(EUCLEAN, "an orphan's key has %zu bytes", len);

    if (err && fs->options.log) {
        char text[300];

        snprintf(text, sizeof(text), "orphan %" PRIu64 " stays: %s; the checker can repair it", ino,
                 *lsm_detail() ? lsm_detail() : lsm_strerror(err));
        fs->options.log(fs->options.log_arg, LSM_LOG_WARN, text);
    }
    return err;
}

int orphans_purge_all(struct fs *fs)
{
    static const uint8_t lower[] = {KEY_ORPHAN}, upper[] = {KEY_ORPHAN + 1};
    struct lsm_iter *it;
    int first_err = 0, more;
    int err = lsm_iter_new(fs->db, NULL, lower, sizeof(lower), upper, sizeof(upper), &it);

    if (err)
        return err;
    /* The iterator sees the store as it was: the purges do not disturb it. */
    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it)) {
        err = purge_listed(fs, it);
        if (err && !first_err)
            first_err = err;
    }
    lsm_iter_free(it);
    return more < 0 ? more : first_err;
}
