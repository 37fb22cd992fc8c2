/*
 * Points of time: they stay in order whatever the clock does, are found by number, never grow
 * beyond the bound, and their bytes can be decoded or are refused.
 */
#include "lib/cmocka_all.h"

#include <stdlib.h>

#include "lib/rng.h"
#include "lsm/base/codec.h"
#include "lsm/version/time_points.h"

static const uint64_t ms = TIME_POINT_STEP_NS;

static void add(struct time_points *t, uint64_t seqno, uint64_t time_ns)
{
    time_points_add(t, (struct time_point){seqno, time_ns});
}

static uint64_t found(const struct time_points *t, uint64_t seqno)
{
    uint64_t time_ns = 0;

    return time_points_find(t, seqno, &time_ns) ? time_ns : 0;
}

static void the_newest_point_at_or_before_counts(void **state)
{
    struct time_points t = {0};
    uint64_t time_ns = 77;

    (void)state;
    assert_false(time_points_find(&t, 5, &time_ns));
    add(&t, 10, 5 * ms);
    add(&t, 20, 8 * ms);
    assert_false(time_points_find(&t, 9, &time_ns));
    assert_true(time_ns == 77);
    assert_true(found(&t, 10) == 5 * ms && found(&t, 19) == 5 * ms);
    assert_true(found(&t, 20) == 8 * ms && found(&t, UINT64_MAX) == 8 * ms);
    time_points_done(&t);
}

static void points_lie_a_millisecond_apart_and_never_go_back(void **state)
{
    struct time_points t = {0};

    (void)state;
    add(&t, 10, 5 * ms);
    add(&t, 11, 6 * ms - 1); /* too soon */
    add(&t, 10, 9 * ms);     /* the same number again */
    add(&t, 12, 1 * ms);     /* the clock was set back */
    add(&t, 13, 0);
    assert_int_equal(t.count, 1);
    add(&t, 14, 6 * ms);
    assert_int_equal(t.count, 2);
    assert_true(found(&t, 13) == 5 * ms && found(&t, 14) == 6 * ms);
    time_points_done(&t);
}

static void a_full_list_forgets_every_second_point_of_its_older_half(void **state)
{
    struct time_points t = {0};
    const uint64_t count = 20 * (uint64_t)TIME_POINTS_MAX;

    (void)state;
    for (uint64_t i = 1; i <= count; i++) {
        add(&t, i, i * ms);
        assert_true(t.count <= TIME_POINTS_MAX);
    }
    assert_true(t.count > TIME_POINTS_MAX / 2);
    assert_true(found(&t, 1) == ms); /* the oldest is never forgotten */
    assert_true(found(&t, count) == count * ms);
    for (size_t i = 1; i < t.count; i++) {
        assert_true(t.points[i].seqno > t.points[i - 1].seqno);
        /* The newer half is as dense as it was written. */
        if (i > TIME_POINTS_MAX / 2)
            assert_true(t.points[i].seqno == t.points[i - 1].seqno + 1);
    }
    time_points_done(&t);
}

static void the_chosen_are_spread_over_the_range(void **state)
{
    struct time_points t = {0}, some;

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        add(&t, 10 * i, i * ms);
    assert_int_equal(time_points_choose(&t, 100, 200, 256, &some), 0);
    assert_true(some.count == 10 && some.points[0].seqno == 110 && some.points[9].seqno == 200);
    time_points_done(&some);
    assert_int_equal(time_points_choose(&t, 0, 10000, 256, &some), 0);
    assert_int_equal(some.count, 256);
    for (size_t i = 1; i < some.count; i++)
        assert_in_range(some.points[i].seqno - some.points[i - 1].seqno, 30, 40);
    time_points_done(&some);
    assert_int_equal(time_points_choose(&t, 20000, 30000, 256, &some), 0);
    assert_int_equal(some.count, 0);
    assert_int_equal(time_points_choose(&t, 300, 200, 256, &some), 0);
    assert_int_equal(some.count, 0);
    time_points_done(&t);
}

static void what_was_encoded_is_decoded(void **state)
{
    struct time_points t = {0}, again = {0};
    struct rng rng = {3};
    struct buf b = {0};

    (void)state;
    for (uint64_t i = 0, seqno = 0, now = UINT64_C(1700000000) * 1000 * ms; i < 500; i++) {
        seqno += 1 + rng_below(&rng, 100000);
        now += ms + rng_below(&rng, 1000 * ms);
        add(&t, seqno, now);
    }
    assert_int_equal(time_points_encode(&t, &b), 0);
    assert_true(time_points_decode(buf_slice(&b), &again));
    assert_int_equal(again.count, 500);
    assert_memory_equal(again.points, t.points, 500 * sizeof(*t.points));
    time_points_done(&t);
    time_points_done(&again);
    buf_free(&b);
}

static void bytes_that_are_no_points_are_refused(void **state)
{
    static const uint64_t wrong[][4] = {
        {0, 5},                 /* number 0 */
        {1, 5, 0, 2000000},     /* the same number twice */
        {UINT64_C(1) << 56, 5}, /* number out of range */
        {UINT64_C(1) << 55, 5, UINT64_C(1) << 55, 2000000},
        {1, UINT64_MAX, 1, 2000000}, /* the time wraps */
    };
    struct time_points t = {0};
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        b.len = 0;
        for (unsigned k = 0; k < (wrong[i][3] ? 4 : 2); k++)
            assert_int_equal(buf_put_varint64(&b, wrong[i][k]), 0);
        assert_false(time_points_decode(buf_slice(&b), &t));
    }
    assert_false(time_points_decode(slice_of("\x01", 1), &t));
    assert_false(time_points_decode(slice_of("\x01\xff", 2), &t));
    time_points_done(&t);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_point_at_or_before_counts),
        cmocka_unit_test(points_lie_a_millisecond_apart_and_never_go_back),
        cmocka_unit_test(a_full_list_forgets_every_second_point_of_its_older_half),
        cmocka_unit_test(the_chosen_are_spread_over_the_range),
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(bytes_that_are_no_points_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
