/*
 * Points of time, newest last. The list is bounded by forgetting every second point of its older
 * half whenever it is full: what is long ago is known less exactly, and the oldest point is never
 * forgotten.
 */
#include "lsm/version/time_points.h"

#include <errno.h>
#include <stdlib.h>

#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"

static void thin_out(struct time_points *t)
{
    size_t half = t->count / 2, kept = 0;

    for (size_t i = 0; i < half; i += 2)
        t->points[kept++] = t->points[i];
    memmove(&t->points[kept], &t->points[half], (t->count - half) * sizeof(*t->points));
    t->count -= half - kept;
}

/* Room for one more. */
static bool make_room(struct time_points *t)
{
    size_t cap = t->cap ? t->cap * 2 : 64;
    struct time_point *points;

    if (t->count >= TIME_POINTS_MAX)
        thin_out(t);
    if (t->count < t->cap)
        return true;
    points = realloc(t->points, cap * sizeof(*points));
    if (!points)
        return false;
    t->points = points;
    t->cap = cap;
    return true;
}

void time_points_add(struct time_points *t, struct time_point point)
{
    if (t->count) {
        const struct time_point *last = &t->points[t->count - 1];

        if (point.seqno <= last->seqno || point.time_ns < last->time_ns ||
            point.time_ns - last->time_ns < TIME_POINT_STEP_NS)
            return;
    }
    if (make_room(t))
        t->points[t->count++] = point;
}

/* Index of the first point after seqno. */
static size_t first_after(const struct time_points *t, uint64_t seqno)
{
    size_t low = 0, high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->points[middle].seqno <= seqno)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool time_points_find(const struct time_points *t, uint64_t seqno, uint64_t *ret_time_ns)
{
    size_t i = first_after(t, seqno);

    if (i == 0)
        return false;
    *ret_time_ns = t->points[i - 1].time_ns;
    return true;
}

int time_points_choose(const struct time_points *t, uint64_t after, uint64_t last, size_t max,
                       struct time_points *ret)
{
    size_t first = first_after(t, after), end = first_after(t, last);
    size_t count = end > first ? end - first : 0, chosen = count < max ? count : max;
    struct time_points some = {.count = chosen, .cap = chosen};

    if (chosen) {
        some.points = malloc(chosen * sizeof(*some.points));
        if (!some.points)
            return -ENOMEM;
    }
    for (size_t i = 0; i < chosen; i++)
        some.points[i] = t->points[first + i * count / chosen];
    *ret = some;
    return 0;
}

void time_points_done(struct time_points *t)
{
    free(t->points);
    *t = (struct time_points){0};
}

int time_points_encode(const struct time_points *t, struct buf *ret)
{
    struct time_point last = {0};
    size_t old_len = ret->len;
    int err = 0;

    for (size_t i = 0; i < t->count && !err; i++) {
        err = buf_put_varint64(ret, t->points[i].seqno - last.seqno);
        if (!err)
            err = buf_put_varint64(ret, t->points[i].time_ns - last.time_ns);
        last = t->points[i];
    }
    if (err)
        ret->len = old_len;
    return err;
}

bool time_points_decode(struct slice in, struct time_points *t)
{
    struct time_point last = {0};

    while (in.len) {
        struct time_point step;

        if (!take_varint64(&in, &step.seqno) || !take_varint64(&in, &step.time_ns) ||
            step.seqno == 0 || step.seqno > SEQNO_MAX - last.seqno ||
            step.time_ns > UINT64_MAX - last.time_ns)
            return false;
        last.seqno += step.seqno;
        last.time_ns += step.time_ns;
        time_points_add(t, last);
    }
    return true;
}
