/*
 * The price of writing: nothing in comfort, smooth above, and enough that memory stays within its
 * bounds whatever the speeds; with a clock of the test's own.
 */
#include "lib/cmocka_all.h"

#include <string.h>

#include "lsm/db/pace.h"

#define MIB UINT64_C(1048576)

static struct pace_debt comfort(void)
{
    return (struct pace_debt){.memtable_len = 32 * MIB,
                              .mem_len = 20 * MIB,
                              .imm_count_max = 2,
                              .l0_runs = 12,
                              .l0_compact_count = 4,
                              .debt_len = 500 * MIB,
                              .level_base_len = 128 * MIB,
                              .flush_ps_per_b = 10000};
}

static void in_comfort_writing_is_free(void **state)
{
    struct pace_debt d = comfort();

    (void)state;
    assert_int_equal(pace_ps_per_b(&d), 0);
    d.imm_count = 1;
    d.unflushed_len = 10 * MIB;
    assert_true(pace_ps_per_b(&d) < d.flush_ps_per_b / 50);
}

/* Each kind of debt raises the price step by step, from nothing, without a jump. */
static void prices_grow_smoothly(void **state)
{
    uint64_t last = 0;
    struct pace_debt d;

    (void)state;
    d = comfort();
    d.imm_count = 2;
    for (d.unflushed_len = 32 * MIB; d.unflushed_len <= 64 * MIB; d.unflushed_len += MIB / 4) {
        uint64_t price = pace_ps_per_b(&d);

        assert_in_range(price, last, last + (last ? 6000 : 12000));
        last = price;
    }
    assert_true(last > 4 * d.flush_ps_per_b);
    d = comfort();
    last = 0;
    for (d.l0_runs = 12; d.l0_runs <= 40; d.l0_runs++) {
        uint64_t price = pace_ps_per_b(&d);

        assert_in_range(price, last, last + 10000);
        last = price;
    }
    assert_true(last > 4 * d.flush_ps_per_b);
    d = comfort();
    last = 0;
    for (d.debt_len = 0; d.debt_len <= 8192 * MIB; d.debt_len += 16 * MIB) {
        uint64_t price = pace_ps_per_b(&d);

        assert_in_range(price, last, last + 2000);
        last = price;
    }
    assert_true(last > 4 * d.flush_ps_per_b);
}

/* Whatever there is room for is written as fast as it is flushed, neither faster nor slower. */
static void where_room_equals_what_is_left_writing_costs_what_flushing_costs(void **state)
{
    struct pace_debt d = comfort();

    (void)state;
    d.imm_count = 2;
    d.mem_len = 16 * MIB;
    d.unflushed_len = 52 * MIB; /* 20 MiB of the oldest; room for 16 and an eighth of 32 */
    assert_in_range(pace_ps_per_b(&d), d.flush_ps_per_b * 99 / 100, d.flush_ps_per_b * 101 / 100);
    d.flush_ps_per_b = 0; /* not measured yet */
    assert_true(pace_ps_per_b(&d) > 0);
}

/*
 * Memtables of 32 MiB, flushed at 80 MB/s, and a writer that could do much more: it is slowed down
 * to what is flushed, in small sleeps, and never has to stop.
 */
static void check_fast_writer(unsigned imm_count_max, uint64_t ps_per_b_alone)
{
    const uint64_t step = 64 << 10, table = 32 * MIB;
    uint64_t now = 0, mem_len = 0, full[16] = {0}, flushed = 0, written = 0, slept_max = 0;
    unsigned count = 0, number = 1;
    struct pace p = {0};

    while (written < 3000 * MIB) {
        struct pace_debt d = comfort();
        uint64_t before = now, ns, all = 0;

        for (unsigned i = 0; i < count; i++)
            all += full[i];
        d.mem_len = mem_len;
        d.imm_count = count;
        d.imm_count_max = imm_count_max;
        d.unflushed_len = all - flushed;
        d.flush_ps_per_b = 12500;
        mem_len += step;
        written += step;
        now += step * ps_per_b_alone / 1000;
        ns = pace_take(&p, (const void *)(uintptr_t)number, mem_len, pace_ps_per_b(&d), now);
        now += ns;
        slept_max = ns > slept_max ? ns : slept_max;
        flushed += (now - before) * 80 / 1000;
        while (count && flushed >= full[0]) {
            flushed -= full[0];
            memmove(full, full + 1, --count * sizeof(full[0]));
        }
        flushed = count ? flushed : 0;
        if (mem_len >= table && count < imm_count_max) {
            full[count++] = mem_len;
            mem_len = 0;
            number++;
        }
        assert_true(mem_len < table + table / PACE_STRETCH_PART);
    }
    assert_true(slept_max <= PACE_SLEEP_NS_MAX);
    assert_in_range(written * 1000 / now, 70, 90);
}

static void a_fast_writer_is_slowed_down_to_the_flushes(void **state)
{
    (void)state;
    for (unsigned imm_count_max = 1; imm_count_max < 8; imm_count_max++) {
        check_fast_writer(imm_count_max, 2500);
        check_fast_writer(imm_count_max, 500);
        check_fast_writer(imm_count_max, 10000);
    }
}

static void small_writes_do_not_sleep_each(void **state)
{
    struct pace p = {0};
    unsigned sleeps = 0;
    uint64_t now = 0;

    (void)state;
    for (uint64_t len = 0; len < MIB; len += 128) {
        uint64_t ns = pace_take(&p, &p, len, 100000, now);

        assert_false(ns && ns < PACE_SLEEP_NS_MIN);
        sleeps += ns > 0;
        now += 1000 + ns;
    }
    assert_in_range(sleeps, 50, 110); /* 105 ms at 1 ms and more each */
    assert_in_range(now, 100 * 1000 * 1000, 110 * 1000 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_comfort_writing_is_free),
        cmocka_unit_test(prices_grow_smoothly),
        cmocka_unit_test(where_room_equals_what_is_left_writing_costs_what_flushing_costs),
        cmocka_unit_test(a_fast_writer_is_slowed_down_to_the_flushes),
        cmocka_unit_test(small_writes_do_not_sleep_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
