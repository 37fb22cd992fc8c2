/*
 * Compacting a range of keys on request: flush, then push every table that touches the range down,
 * level by level. Automatic picking pauses meanwhile, so that tables do not get busy under it.
 */
#include "lsm/db/db.h"

static void wait_until_idle(struct lsm_db *db) REQUIRES(db->mu)
{
    while (db->compacting_count && !atomic_load(&db->sticky_err))
        cond_wait(&db->done_cond, &db->mu);
}

int compact_awaited(struct lsm_db *db, struct compaction *c)
{
    int err = compact_here(db, c);

    /* What failed may have failed in a worker, which had the words. */
    if (err == -ENOSPC)
        return err_raise(ENOSPC, "%s: the disk is full", db->env->path);
    return err && atomic_load(&db->sticky_err) ? db_writable(db) : err;
}

static int compact_level(struct lsm_db *db, unsigned level, const struct slice *start,
                         const struct slice *end)
{
    struct compaction c = {0};
    bool busy = false;
    int picked = 0, err = 0;

    mutex_lock(&db->mu);
    wait_until_idle(db);
    /* What failed may still hold its tables: finding nothing to do would look like success. */
    if (!atomic_load(&db->sticky_err))
        picked = pick_range(db->sv->version, &db->pick, level, start, end, &busy, &c);
    mutex_unlock(&db->mu);
    if (picked <= 0)
        return picked ? picked : db_writable(db);
    err = compact_awaited(db, &c);
    compaction_done(&c, &db->store);
    return err;
}

int lsm_compact_range(struct lsm_db *db, const void *start, size_t start_len, const void *end,
                      size_t end_len)
{
    struct slice s = slice_of(start, start_len), e = slice_of(end, end_len);
    int err = lsm_flush(db);

    if (err)
        return err;
    mutex_lock(&db->mu);
    /* One at a time: two would pick the same tables. */
    while (db->manual_count)
        cond_wait(&db->done_cond, &db->mu);
    db->manual_count++;
    mutex_unlock(&db->mu);
    for (unsigned level = 0; !err && level + 1 < LEVEL_COUNT; level++)
        err = compact_level(db, level, start ? &s : NULL, end ? &e : NULL);
    if (!err)
        err = collect_range(db, start ? &s : NULL, end ? &e : NULL);
    mutex_lock(&db->mu);
    db->manual_count--;
    cond_broadcast(&db->done_cond);
    cond_broadcast(&db->work_cond);
    mutex_unlock(&db->mu);
    return err;
}
