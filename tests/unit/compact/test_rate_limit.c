/*
 * The rate limit, with a clock of the test's own.
 */
#include "lib/cmocka_all.h"

#include "lsm/compact/rate_limit.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

static void without_a_limit_nobody_waits(void **state)
{
    struct rate_limit r;

    (void)state;
    rate_limit_init(&r, 0, 5 * S);
    assert_int_equal(rate_limit_take(&r, UINT64_C(1) << 60, 5 * S), 5 * S);
}

/* Whoever waits as told has written, after ten seconds, what ten seconds allow. */
static void over_time_the_rate_is_kept(void **state)
{
    struct rate_limit r;
    uint64_t now = 100 * S, begin = now, written = 0;

    (void)state;
    rate_limit_init(&r, 10 << 20, now);
    while (now < begin + 10 * S) {
        written += 64 << 10;
        now = rate_limit_take(&r, 64 << 10, now);
    }
    assert_in_range(written, 100 << 20, 102 << 20);
}

static void a_short_burst_is_free(void **state)
{
    struct rate_limit r;

    (void)state;
    rate_limit_init(&r, 10 << 20, 100 * S);
    assert_int_equal(rate_limit_take(&r, 1 << 20, 100 * S), 100 * S);
    assert_int_equal(rate_limit_take(&r, 10 << 20, 100 * S), 101 * S);
}

static void idle_time_is_not_saved_up(void **state)
{
    struct rate_limit r;

    (void)state;
    rate_limit_init(&r, 10 << 20, 0);
    rate_limit_take(&r, 1 << 20, 1 * S);
    /* After an hour the first tenth of a second is free, not more. */
    assert_int_equal(rate_limit_take(&r, 11 << 20, 3600 * S), 3601 * S);
}

static void a_huge_write_does_not_wrap_around(void **state)
{
    struct rate_limit r;

    (void)state;
    rate_limit_init(&r, 1, 1 * S);
    for (int i = 0; i < 10; i++)
        assert_true(rate_limit_take(&r, UINT64_MAX, 1 * S) > 1000 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_nobody_waits),
        cmocka_unit_test(over_time_the_rate_is_kept),
        cmocka_unit_test(a_short_burst_is_free),
        cmocka_unit_test(idle_time_is_not_saved_up),
        cmocka_unit_test(a_huge_write_does_not_wrap_around),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
