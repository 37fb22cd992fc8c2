/*
 * How much space there is: what the disk has, within what the store may take of it.
 *
 * A store with a limit lives as on a disk of that size: everything that is decided by free space
 * (room.c, background.c) asks here. What its files take is read from the directory each time: it
 * can't be wrong, and whoever asks often keeps the answer for a moment (room.c). Background work
 * may pass the limit for a while, as it makes new files before it removes old ones; the reserve is
 * there for it.
 */
#include "lsm/db/db.h"

int db_space(struct lsm_db *db, uint64_t *ret_total, uint64_t *ret_free)
{
    uint64_t total, free_len, used, left, max = db->options.size_max;
    int err = env_space(db->env, &total, &free_len);

    if (!err && max) {
        err = env_used(db->env, &used);
        if (err)
            return err;
        left = max > used ? max - used : 0;
        total = total < max ? total : max;
        free_len = free_len < left ? free_len : left;
        free_len = free_len < total ? free_len : total;
    }
    if (err)
        return err;
    *ret_total = total;
    *ret_free = free_len;
    return 0;
}

int lsm_disk_space(struct lsm_db *db, uint64_t *ret_total_len, uint64_t *ret_free_len,
                   uint64_t *ret_avail_len)
{
    uint64_t total, free_len, kept;
    int err;

    err_clear();
    err = db_space(db, &total, &free_len);
    if (err)
        return err;
    /* What memtables will need is not taken off: their logs, which it replaces, are on disk. */
    kept = db_space_reserve(total);
    *ret_total_len = total;
    *ret_free_len = free_len;
    *ret_avail_len = free_len > kept ? free_len - kept : 0;
    return 0;
}
