/*
 * Patience on a full disk. What was deleted gives its space back only after it has been flushed and
 * compacted, so a write that comes right after a deletion may find no space although there will be
 * some in a moment. It waits for that outside of the queue, where it stops nobody: the next
 * deletion must get through.
 *
 * It waits only while there is something to hope for: something was deleted a short while ago, and
 * lies in a memtable, or background work runs. Where nothing was deleted, -ENOSPC comes at once;
 * and for a while after somebody has waited in vain, as others may fill the disk faster than this
 * store gives space back.
 */
#include "lsm/db/db.h"

#include <time.h>

enum {
    WAIT_MS_MAX = 10000, /* of one write in all */
    HOPE_MS = 30000,     /* for what was deleted so long ago nobody waits */
    VAIN_MS = 10000,     /* after waiting in vain nobody does for so long */
    LOOK_MS = 20         /* look at the disk again after so long */
};

#define NS_PER_MS UINT64_C(1000000)

static bool space_may_come_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    const struct background *bg = &db->background;

    if (atomic_load(&db->sticky_err) || atomic_load(&db->closing))
        return false;
    return atomic_load(&db->delete_count) || db->sv->imm_count || db->compacting_count ||
           atomic_load(&bg->idle_count) < bg->worker_count;
}

/* False when nothing is to be waited for. */
static bool wait_a_moment(struct lsm_db *db)
{
    bool may_come;

    mutex_lock(&db->mu);
    may_come = space_may_come_locked(db);
    if (may_come) {
        /* Workers flush a memtable that is not full only where the disk is. */
        db->disk_full = db->disk_full || atomic_load(&db->delete_count);
        cond_broadcast(&db->work_cond);
        cond_wait_ms(&db->done_cond, &db->mu, LOOK_MS);
    }
    mutex_unlock(&db->mu);
    return may_come;
}

bool db_await_space(struct lsm_db *db, size_t len, uint64_t *give_up_ns)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    bool has_space = false;

    if (now < atomic_load(&db->await_space_ns) ||
        now > atomic_load(&db->deleted_ns) + HOPE_MS * NS_PER_MS)
        return false;
    if (*give_up_ns == 0)
        *give_up_ns = now + WAIT_MS_MAX * NS_PER_MS;
    while (!has_space && now < *give_up_ns && wait_a_moment(db)) {
        has_space = db_has_space(db, len);
        now = now_ns(CLOCK_MONOTONIC);
    }
    if (now >= *give_up_ns)
        atomic_store(&db->await_space_ns, now + VAIN_MS * NS_PER_MS);
    return has_space;
}
