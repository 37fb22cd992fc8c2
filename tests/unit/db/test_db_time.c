/*
 * The time of a sequence number, with a clock that the test owns: clock_gettime below stands before
 * libc's, and answers CLOCK_REALTIME with what the test wants.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/env_fault.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/db/db.h"

static const uint64_t ms = 1000000, start_ns = UINT64_C(1700000000) * 1000000000;
static atomic_uint_fast64_t clock_ns;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t now = atomic_load(&clock_ns);

    if (clock != CLOCK_REALTIME || now == 0)
        return (int)syscall(SYS_clock_gettime, clock, ret);
    ret->tv_sec = (time_t)(now / 1000000000);
    ret->tv_nsec = (long)(now % 1000000000);
    return 0;
}

static struct lsm_options small_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.cache_bytes = 1 << 20;
    return o;
}

static struct lsm_db *open_or_fail(const char *dir)
{
    struct lsm_options o = small_options();
    struct lsm_db *db = NULL;
    int err = lsm_open(dir, &o, &db);

    if (err)
        fail_msg("open: %d %s", err, lsm_detail());
    return db;
}

static void put_at(struct lsm_db *db, uint64_t time_ns)
{
    static const uint8_t value[500];

    atomic_store(&clock_ns, time_ns);
    assert_int_equal(lsm_put(db, "key", 3, value, sizeof(value), 0), 0);
}

/* 0 for none. */
static uint64_t time_of(struct lsm_db *db, uint64_t seqno)
{
    uint64_t time_ns = 0;
    int err = lsm_seqno_time(db, seqno, &time_ns);

    assert_true(err == 0 || err == -ENOENT);
    return err ? 0 : time_ns - start_ns;
}

static void each_write_has_its_time_also_after_reopening(void **state)
{
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir);
    struct lsm_value v;

    (void)state;
    assert_true(time_of(db, 0) == 0 && time_of(db, 1) == 0);
    put_at(db, start_ns + 10 * ms);
    put_at(db, start_ns + 10 * ms + 500); /* within the same millisecond */
    put_at(db, start_ns + 12 * ms);
    assert_int_equal(lsm_flush(db), 0);
    put_at(db, start_ns + 20 * ms);
    put_at(db, start_ns + 15 * ms); /* set back */
    put_at(db, start_ns + 30 * ms);
    for (unsigned round = 0; round < 3; round++) {
        static const uint64_t wanted[] = {0, 10, 10, 12, 20, 20, 30};

        for (unsigned i = 0; i < 7; i++)
            assert_true(time_of(db, i) == wanted[i] * ms);
        assert_int_equal(lsm_get(db, NULL, "key", 3, &v), 0);
        assert_true(time_of(db, v.seqno) == 30 * ms);
        lsm_value_done(&v);
        assert_int_equal(lsm_close(db), 0);
        db = open_or_fail(dir);
    }
    /* The clock of another boot is behind: times do not decrease. */
    put_at(db, start_ns + 1 * ms);
    assert_true(time_of(db, 7) == 30 * ms);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void old_points_are_thinned_and_stay_right(void **state)
{
    enum {
        COUNT = 3000
    };
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir);

    (void)state;
    for (unsigned i = 1; i <= COUNT; i++)
        put_at(db, start_ns + i * ms);
    assert_int_equal(lsm_flush(db), 0);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t last = 0;

        assert_true(time_of(db, 1) == ms);
        for (unsigned i = 1; i <= COUNT; i++) {
            uint64_t t = time_of(db, i);

            /* Never newer than the operation, never decreasing, and near. */
            assert_true(t <= i * ms && t >= last && i * ms - t <= 12 * ms);
            last = t;
        }
        assert_int_equal(lsm_close(db), 0);
        db = open_or_fail(dir);
    }
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static int note_times(void *arg, const char *line)
{
    bool *seen = arg;

    *seen = *seen || strstr(line, "times 2 points seqno 1 time 1700000000.010000000 .. seqno 2 ");
    return 0;
}

static void the_dump_of_a_manifest_tells_them(void **state)
{
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir);
    bool seen = false;

    (void)state;
    put_at(db, start_ns + 10 * ms);
    put_at(db, start_ns + 20 * ms);
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(lsm_dump_file(dir, "MANIFEST-00000003", false, note_times, &seen), 0);
    assert_true(seen);
    scratch_free(dir);
}

/*
 * A crash takes operations that were not synced, and others get their numbers, later. No number may
 * then have the time of the lost one.
 */
static void after_a_power_cut_the_times_are_of_what_survived(void **state)
{
    struct lsm_options o = small_options();
    struct rng rng = {rng_seed(23)};
    char *dir = scratch_new();
    uint64_t times[10000] = {0}, now = start_ns;
    struct env_fault *fault;
    struct env *base;

    (void)state;
    assert_int_equal(env_posix_open(dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &fault), 0);
    for (unsigned round = 0; round < 30; round++) {
        struct lsm_stats stats;
        struct lsm_db *db;

        assert_int_equal(db_open(env_fault_env(fault), &o, &db), 0);
        assert_int_equal(lsm_stats(db, &stats), 0);
        assert_true(stats.seqno < 9600);
        for (uint64_t i = 1; i <= stats.seqno; i++) {
            uint64_t found = 0;

            assert_int_equal(lsm_seqno_time(db, i, &found), 0);
            assert_true(found == times[i]); /* no flush has so many that some are left out */
        }
        (void)lsm_snapshot_remove(db, "s", 1); /* there if a flush met the failure below */
        assert_int_equal(lsm_snapshot_create(db, "s", 1), 0);
        for (uint64_t n = rng_below(&rng, 300); n; n--) {
            now += ms + rng_below(&rng, 2 * ms);
            put_at(db, now);
            times[++stats.seqno] = now;
            if (rng_below(&rng, 50) == 0)
                assert_int_equal(lsm_sync(db), 0);
        }
        /* The append fails, so all that the store knows goes into a new manifest. */
        env_fault_fail(fault, ENV_FAULT_APPEND, 1, EIO, false);
        (void)lsm_snapshot_remove(db, "s", 1);
        env_fault_cut_power(fault);
        lsm_close(db);
        assert_int_equal(env_fault_crash(fault, (unsigned)rng_below(&rng, 16), rng_next(&rng)), 0);
    }
    env_fault_close(fault);
    scratch_free(dir);
}

struct shared {
    struct lsm_db *db;
    atomic_bool stop;
};

static void *write_main(void *arg)
{
    struct shared *s = arg;

    while (!atomic_load(&s->stop)) {
        atomic_fetch_add(&clock_ns, 100000);
        CHECK(lsm_put(s->db, "key", 3, "value", 5, 0) == 0);
    }
    return NULL;
}

static void what_can_be_seen_has_a_time_while_others_write(void **state)
{
    char *dir = scratch_new();
    struct shared s = {.db = open_or_fail(dir)};
    pthread_t ids[3];

    (void)state;
    atomic_store(&clock_ns, start_ns);
    for (unsigned i = 0; i < 3; i++)
        CHECK(pthread_create(&ids[i], NULL, write_main, &s) == 0);
    for (uint64_t last = 0, reads = 0; reads < 5000;) {
        struct lsm_value v;
        uint64_t time_ns, now;

        if (lsm_get(s.db, NULL, "key", 3, &v))
            continue;
        assert_int_equal(lsm_seqno_time(s.db, v.seqno, &time_ns), 0);
        now = atomic_load(&clock_ns);
        assert_true(time_ns >= last && time_ns <= now);
        last = time_ns;
        lsm_value_done(&v);
        reads++;
    }
    atomic_store(&s.stop, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(lsm_close(s.db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_write_has_its_time_also_after_reopening),
        cmocka_unit_test(old_points_are_thinned_and_stay_right),
        cmocka_unit_test(the_dump_of_a_manifest_tells_them),
        cmocka_unit_test(after_a_power_cut_the_times_are_of_what_survived),
        cmocka_unit_test(what_can_be_seen_has_a_time_while_others_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
