/*
 * When sequence numbers were committed. The leader of the queue, who has read the clock for the
 * log's records anyway, remembers a point when a millisecond has passed since the last one; all
 * other groups pay for one comparison.
 *
 * What is above flushed_seqno comes back from the times of the log's records; a flush puts some of
 * the points that it covers into the manifest, together with the tables. A point is never in the
 * manifest before what it speaks of is in tables: a crash may give the numbers of lost operations
 * to later ones.
 */
#include "lsm/db/db.h"

enum {
    POINTS_PER_FLUSH = 256
};

void db_note_time(struct lsm_db *db, uint64_t first_seqno, uint64_t time_ns)
{
    if (time_ns < db->time_due_ns)
        return;
    db->time_due_ns = time_ns + TIME_POINT_STEP_NS;
    mutex_lock(&db->times_mu);
    time_points_add(&db->times, (struct time_point){first_seqno, time_ns});
    mutex_unlock(&db->times_mu);
}

int db_flushed_times(struct lsm_db *db, uint64_t after, uint64_t last, struct time_points *ret)
{
    int err;

    mutex_lock(&db->times_mu);
    err = time_points_choose(&db->times, after, last, POINTS_PER_FLUSH, ret);
    mutex_unlock(&db->times_mu);
    return err;
}

int db_all_times(struct lsm_db *db, uint64_t last, struct time_points *ret)
{
    int err;

    mutex_lock(&db->times_mu);
    err = time_points_choose(&db->times, 0, last, TIME_POINTS_MAX, ret);
    mutex_unlock(&db->times_mu);
    return err;
}

int lsm_seqno_time(struct lsm_db *db, uint64_t seqno, uint64_t *ret_time_ns)
{
    bool found;

    err_clear();
    mutex_lock(&db->times_mu);
    found = time_points_find(&db->times, seqno, ret_time_ns);
    mutex_unlock(&db->times_mu);
    return found ? 0 : -ENOENT;
}
