/*
 * Several threads on one store. Each batch writes the same number under a group of keys; whoever
 * reads the group in one multi-get, or through an iterator, must find one number in all of them:
 * batches are atomic, and a read is of one moment, whatever flushes and compactions run meanwhile.
 * What a snapshot has shown once it shows until the end.
 *
 * TEST_SECONDS makes it longer.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/base/codec.h"
#include "lsm/lsm.h"

enum {
    GROUP_COUNT = 50,
    GROUP_LEN = 8,
    VALUE_LEN = 700,
    BIG_VALUE_LEN = 30000, /* a batch of these is inserted by its own thread */
    WRITER_COUNT = 3,
    READER_COUNT = 2
};

struct shared {
    struct lsm_db *db;
    atomic_bool stop;
    atomic_uint_fast64_t acknowledged[GROUP_COUNT]; /* the last number whose write returned */
    atomic_uint_fast64_t reads, writes;
};

struct thread {
    pthread_t id;
    struct shared *shared;
    unsigned number;
};

static size_t make_key(char buf[32], unsigned group, unsigned i)
{
    return (size_t)snprintf(buf, 32, "g%02u/%u", group, i);
}

/* The group's keys go and, as the same batch writes them again, nobody sees it. */
static void delete_group(struct lsm_batch *b, unsigned group)
{
    char start[32], end[32];
    size_t start_len = make_key(start, group, 0), end_len = make_key(end, group, 9);

    CHECK(lsm_batch_delete_range(b, start, start_len, end, end_len) == 0);
}

/* Writer w owns the groups that leave remainder w, so that numbers of a group only grow. */
static void *writer_main(void *arg)
{
    struct thread *t = arg;
    struct rng rng = {t->number + 1};
    static const uint8_t zeros[BIG_VALUE_LEN];
    uint8_t value[VALUE_LEN] = {0};
    uint64_t number = 0;

    while (!atomic_load(&t->shared->stop)) {
        unsigned group =
            (unsigned)rng_below(&rng, GROUP_COUNT / WRITER_COUNT) * WRITER_COUNT + t->number;
        struct lsm_batch *b;

        CHECK(lsm_batch_new(&b) == 0);
        put_le64(value, ++number);
        if (number % 5 == 0)
            delete_group(b, group);
        for (unsigned i = 0; i < GROUP_LEN; i++) {
            char key[32];
            size_t len = make_key(key, group, i);

            if (i % 2)
                CHECK(lsm_batch_patch(b, key, len, 0, value, 8) == 0);
            else
                CHECK(lsm_batch_put(b, key, len, value, VALUE_LEN) == 0);
        }
        if (number % 7 == t->number)
            CHECK(lsm_batch_put(b, "big", 3, zeros, sizeof(zeros)) == 0);
        CHECK(lsm_write(t->shared->db, b, number % 64 ? 0 : LSM_WRITE_SYNC) == 0);
        atomic_store(&t->shared->acknowledged[group], number);
        atomic_fetch_add(&t->shared->writes, 1);
        lsm_batch_free(b);
    }
    return NULL;
}

/* The number that all keys of the group have; 0 when there are none. */
static uint64_t group_number(struct shared *s, const struct lsm_snapshot *snapshot, unsigned group)
{
    char names[GROUP_LEN][32];
    struct lsm_key keys[GROUP_LEN];
    struct lsm_value values[GROUP_LEN];
    int errs[GROUP_LEN];
    uint64_t first = 0;

    for (unsigned i = 0; i < GROUP_LEN; i++)
        keys[i] = (struct lsm_key){names[i], make_key(names[i], group, i)};
    CHECK(lsm_multi_get(s->db, snapshot, keys, GROUP_LEN, values, errs) == 0);
    for (unsigned i = 0; i < GROUP_LEN; i++) {
        uint64_t number = errs[i] ? 0 : get_le64(values[i].data);

        if (i == 0)
            first = number;
        CHECK(number == first);
        lsm_value_done(&values[i]);
    }
    return first;
}

static void read_group(struct shared *s, unsigned group)
{
    uint64_t floor = atomic_load(&s->acknowledged[group]);

    CHECK(group_number(s, NULL, group) >= floor);
}

/* While a snapshot is open, writers, flushes and compactions go on. */
static void read_snapshot(struct shared *s, struct rng *rng)
{
    struct lsm_snapshot *snapshot;
    uint64_t numbers[GROUP_COUNT];

    CHECK(lsm_snapshot_open(s->db, &snapshot) == 0);
    for (unsigned group = 0; group < GROUP_COUNT; group++)
        numbers[group] = group_number(s, snapshot, group);
    for (uint64_t n = rng_below(rng, 8); n; n--) {
        for (unsigned group = 0; group < GROUP_COUNT; group++)
            CHECK(group_number(s, snapshot, group) == numbers[group]);
    }
    lsm_snapshot_close(s->db, snapshot);
}

static void scan_group(struct shared *s, unsigned group, bool backwards)
{
    char lower[32], upper[32];
    size_t lower_len = make_key(lower, group, 0), upper_len = make_key(upper, group, 9), len;
    uint64_t first = 0, floor = atomic_load(&s->acknowledged[group]);
    struct lsm_iter *it;
    unsigned count = 0;
    int at;

    CHECK(lsm_iter_new(s->db, NULL, lower, lower_len, upper, upper_len, &it) == 0);
    for (at = backwards ? lsm_iter_last(it) : lsm_iter_first(it); at > 0;
         at = backwards ? lsm_iter_prev(it) : lsm_iter_next(it)) {
        uint64_t number = get_le64(lsm_iter_value(it, &len));

        if (count++ == 0)
            first = number;
        CHECK(number == first && number >= floor);
    }
    CHECK(at == 0);
    CHECK(count == 0 || count == GROUP_LEN);
    CHECK(count || floor == 0);
    lsm_iter_free(it);
}

static void *reader_main(void *arg)
{
    struct thread *t = arg;
    struct rng rng = {t->number + 100};

    while (!atomic_load(&t->shared->stop)) {
        unsigned group = (unsigned)rng_below(&rng, GROUP_COUNT);

        if (rng_below(&rng, 50) == 0)
            read_snapshot(t->shared, &rng);
        else if (rng_below(&rng, 4))
            read_group(t->shared, group);
        else
            scan_group(t->shared, group, rng_below(&rng, 2));
        atomic_fetch_add(&t->shared->reads, 1);
    }
    return NULL;
}

static void run_threads(struct shared *s, unsigned seconds)
{
    struct thread threads[WRITER_COUNT + READER_COUNT];
    struct timespec nap = {seconds, 0};

    for (unsigned i = 0; i < WRITER_COUNT + READER_COUNT; i++) {
        bool writes = i < WRITER_COUNT;

        threads[i] = (struct thread){.shared = s, .number = writes ? i : i - WRITER_COUNT};
        CHECK(pthread_create(&threads[i].id, NULL, writes ? writer_main : reader_main,
                             &threads[i]) == 0);
    }
    /* The length of the run, not a wait for something to happen. */
    nanosleep(&nap, NULL);
    atomic_store(&s->stop, true);
    for (unsigned i = 0; i < WRITER_COUNT + READER_COUNT; i++)
        CHECK(pthread_join(threads[i].id, NULL) == 0);
}

static struct lsm_options small_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 256 << 10;
    o.table_len = 128 << 10;
    o.level_base_len = 256 << 10;
    o.cache_bytes = 1 << 20;
    o.worker_count = 2;
    return o;
}

static void run_with(const struct lsm_options *o, unsigned default_seconds)
{
    const char *seconds = getenv("TEST_SECONDS");
    struct shared *s = calloc(1, sizeof(*s));
    char *dir = scratch_new();

    assert_non_null(s);
    assert_int_equal(lsm_open(dir, o, &s->db), 0);
    run_threads(s, seconds ? (unsigned)strtoul(seconds, NULL, 0) : default_seconds);
    assert_true(s->writes > 0 && s->reads > 0);
    assert_int_equal(lsm_verify(s->db, NULL, NULL, NULL), 0);
    assert_int_equal(lsm_close(s->db), 0);
    assert_int_equal(lsm_open(dir, o, &s->db), 0);
    for (unsigned group = 0; group < GROUP_COUNT; group++) {
        read_group(s, group);
        scan_group(s, group, true);
    }
    assert_int_equal(lsm_close(s->db), 0);
    scratch_free(dir);
    free(s);
}

static void batches_are_atomic_for_concurrent_readers(void **state)
{
    struct lsm_options o = small_options();

    (void)state;
    run_with(&o, 4);
}

static void batches_are_atomic_with_few_memtables_and_many_compactions(void **state)
{
    struct lsm_options o = small_options();

    (void)state;
    o.memtable_len = o.table_len = o.level_base_len = 64 << 10;
    o.memtable_count_max = 2;
    o.l0_compact_count = 1;
    o.level_ratio = 2;
    o.worker_count = 4;
    run_with(&o, 2);
}

static void batches_are_atomic_with_many_memtables(void **state)
{
    struct lsm_options o = small_options();

    (void)state;
    o.memtable_len = 64 << 10;
    o.memtable_count_max = 8;
    o.worker_count = 4;
    run_with(&o, 2);
}

/* Values and their groups in blob files that are short and soon collected. */
static void batches_of_large_values_are_atomic(void **state)
{
    struct lsm_options o = small_options();

    (void)state;
    o.memtable_len = o.table_len = o.level_base_len = 64 << 10;
    o.memtable_count_max = 3;
    o.l0_compact_count = 1;
    o.level_ratio = 2;
    o.worker_count = 3;
    o.blob_len_min = 256;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 20;
    run_with(&o, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_atomic_for_concurrent_readers),
        cmocka_unit_test(batches_are_atomic_with_few_memtables_and_many_compactions),
        cmocka_unit_test(batches_are_atomic_with_many_memtables),
        cmocka_unit_test(batches_of_large_values_are_atomic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
