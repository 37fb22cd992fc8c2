/*
 * When sequence numbers were committed: a bounded list of points, and the field of an edit that
 * keeps some of them. Format: lsm/FORMAT.md, "Manifest".
 */
#ifndef LSM_VERSION_TIME_POINTS_H
#define LSM_VERSION_TIME_POINTS_H

#include "lsm/base/slice.h"

enum {
    TIME_POINT_STEP_NS = 1000000, /* points lie at least so far apart */
    TIME_POINTS_MAX = 65536
};

struct time_point {
    uint64_t seqno;   /* at least 1 */
    uint64_t time_ns; /* CLOCK_REALTIME */
};

/* Ascending in both numbers. All zeros is an empty list. Whoever holds it guards it. */
struct time_points {
    struct time_point *points;
    size_t count, cap;
};

/*
 * Remember a point, if it lies behind the last one: by a number, and by TIME_POINT_STEP_NS. So a
 * clock that is set back adds none until it has caught up. In a full list every second point of the
 * older half is forgotten. Without memory the point is forgotten: the list only gets coarser.
 */
void time_points_add(struct time_points *t, struct time_point point);
/* The time of the newest point at or before seqno; false when there is none. */
bool time_points_find(const struct time_points *t, uint64_t seqno, uint64_t *ret_time_ns);
/*
 * At most `max` (> 0) of the points after seqno `after` and up to `last`, evenly chosen, the first
 * among them. *ret gets memory of its own; it need not be initialised.
 */
int time_points_choose(const struct time_points *t, uint64_t after, uint64_t last, size_t max,
                       struct time_points *ret);
void time_points_done(struct time_points *t); /* it is empty then */

/* The payload of the field; appended. */
int time_points_encode(const struct time_points *t, struct buf *ret);
/* Add the points of a payload to t; false when it cannot be decoded. */
bool time_points_decode(struct slice in, struct time_points *t);

#endif
