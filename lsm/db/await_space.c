/*
 * Patience on a full disk. What was deleted gives its space back only after it has been flushed and
 * compacted, so a write that comes right after a deletion may find no space although there will be
 * some in a moment. It waits for that outside of the queue, where it stops nobody: the next
 * deletion must get through.
 *
 * It waits only while there is something to hope for: something was deleted a short while ago, and
 * lies in a memtable, or background work runs, or has ended so shortly ago that it may only be
 * about to try again. Where nothing was deleted, -ENOSPC comes at once; also after somebody has
 * waited in vain, until something is deleted again. A disk that shows space and refuses it all the
 * same has another reason, such as a quota: nobody waits for that, but for a moment, in which the
 * space may have come after the refusal.
 */
#include "lsm/db/db.h"

#include <time.h>

#include "lsm/base/waiting.h"

enum {
    WAIT_MS_MAX = 10000, /* of one write in all */
    HOPE_MS = 30000,     /* for what was deleted so long ago nobody waits */
    QUIET_MS_MAX = 400,  /* without background work, which tries again after half of it */
    LOOK_MS = 20,        /* look at the disk again after so long */
    REFUSED_MAX = 3,     /* refusals in spite of space */
};

#define NS_PER_MS UINT64_C(1000000)

static bool space_may_come_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    const struct background *bg = &db->background;

    return atomic_load(&db->delete_count) || db->sv->imm_count || db->compacting_count ||
           atomic_load(&bg->idle_count) < bg->worker_count;
}

/* True when there was something to wait for. */
static bool wait_a_moment(struct lsm_db *db)
{
    const char *before = waiting_begin("space that was deleted to come back");
    bool may_come;

    mutex_lock(&db->mu);
    may_come = space_may_come_locked(db);
    /* Workers flush a memtable that is not full only where the disk is. */
    db->disk_full = db->disk_full || atomic_load(&db->delete_count);
    cond_broadcast(&db->work_cond);
    cond_wait_ms(&db->done_cond, &db->mu, LOOK_MS);
    mutex_unlock(&db->mu);
    waiting_end(before);
    return may_come;
}

/*
 * There is space; whether it is worth another try. Others who wait, and background work, may take
 * it first, many times.
 */
static bool is_shown_and_given(struct lsm_db *db, struct patience *p)
{
    uint64_t full_count = atomic_load(&db->full_count);
    bool again = p->try_count++ > 0;

    /* Where we refused ourselves, somebody else took what had come: the disk has not lied. */
    if (again && full_count == p->seen_full_count && ++p->refused_count >= REFUSED_MAX)
        return false;
    p->seen_full_count = full_count;
    if (again)
        (void)wait_a_moment(db);
    return now_ns(CLOCK_MONOTONIC) < p->give_up_ns;
}

bool db_await_space(struct lsm_db *db, size_t len, struct patience *p)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC), deleted = atomic_load(&db->deleted_ns), busy = now;

    if (deleted <= atomic_load(&db->await_vain_ns) || now > deleted + HOPE_MS * NS_PER_MS)
        return false;
    if (p->give_up_ns == 0)
        p->give_up_ns = now + WAIT_MS_MAX * NS_PER_MS;
    if (db_has_space(db, len) && is_shown_and_given(db, p))
        return true;
    while (p->refused_count < REFUSED_MAX && now < p->give_up_ns &&
           now < busy + QUIET_MS_MAX * NS_PER_MS && !atomic_load(&db->sticky_err) &&
           !atomic_load(&db->closing)) {
        if (wait_a_moment(db))
            busy = now;
        if (db_has_space(db, len))
            return true;
        now = now_ns(CLOCK_MONOTONIC);
    }
    atomic_store(&db->await_vain_ns, deleted);
    return false;
}
