/*
 * How much space there is: what the disk has, within what the store may take of it.
 *
 * A store with a limit lives as on a disk of that size: everything that is decided by free space
 * (room.c, background.c) asks here. What its files take is read from the directory, so it can't be
 * wrong. That takes a microsecond or more for each file, too much for writers, who ask ten times a
 * second and again after every few MiB: for them the last listing counts, with all that was written
 * since on top, as long as that is little beside what was left. Files that were removed since give
 * writers nothing until the next listing; where they would be refused they have it made at once.
 *
 * Background work may pass the limit for a while, as it makes new files before it removes old ones;
 * the reserve is there for it.
 */
#include "lsm/db/db.h"

enum {
    GROWTH_PART = 16, /* list again when so much of what was left may be taken */
    ROOM_PART = 4, /* with less left than this part of the limit also when something was removed */
};

/* What the files take, listed now. */
static int list_files(struct lsm_db *db, uint64_t *ret_len)
{
    struct env_growth growth;
    uint64_t len;
    int err;

    env_growth(db->env, &growth);
    err = env_used(db->env, &len);
    if (err)
        return err;
    mutex_lock(&db->space_mu);
    db->files_len = len;
    db->files_growth = growth;
    db->files_listed = true;
    mutex_unlock(&db->space_mu);
    *ret_len = len;
    return 0;
}

/* What they take at most, by the last listing. False when that is too rough. */
static bool recall_files(struct lsm_db *db, uint64_t *ret_len)
{
    uint64_t grown, left, max = db->options.size_max;
    struct env_growth now;
    bool good;

    mutex_lock(&db->space_mu);
    env_growth(db->env, &now);
    grown = now.len - db->files_growth.len;
    left = max > db->files_len ? max - db->files_len : 0;
    good = db->files_listed && grown <= left / GROWTH_PART &&
           (left >= max / ROOM_PART || now.shrunk_count == db->files_growth.shrunk_count);
    *ret_len = db->files_len + grown;
    mutex_unlock(&db->space_mu);
    return good;
}

static int space_within(struct lsm_db *db, bool quick, uint64_t *ret_total, uint64_t *ret_free)
{
    uint64_t total, free_len, used, left, max = db->options.size_max;
    int err = env_space(db->env, &total, &free_len);

    if (!err && max) {
        if (!quick || !recall_files(db, &used))
            err = list_files(db, &used);
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

int db_space(struct lsm_db *db, uint64_t *ret_total, uint64_t *ret_free)
{
    return space_within(db, false, ret_total, ret_free);
}

int db_space_quick(struct lsm_db *db, uint64_t *ret_total, uint64_t *ret_free)
{
    return space_within(db, true, ret_total, ret_free);
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
