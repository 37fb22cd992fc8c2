/*
 * The workers: flushes side by side, compactions in pieces, one worker that must do both, the rate
 * limit, and closing in the middle of it all.
 *
 * A gate in the environment holds back the creation of chosen tables, so that a test can look at
 * what the others do meanwhile. Tests wait until the store's own state says that it is so.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/env_fault.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/db/compact_job.h"
#include "quiet_fixture.h"

enum {
    VALUE_LEN = 1000,
    GATE_TABLES_MAX = 64
};

/* Tables are numbered from 1 in the order of their creation. */
static struct {
    const struct env_ops *real;
    struct env_ops ops;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    unsigned count;       /* tables created, or waiting at the gate */
    unsigned closed_from; /* tables from this one on wait; 0: none do */
    unsigned closed_end;  /* but not those from this one on */
    unsigned refused;     /* this table cannot be made: the disk is full; 0: all can */
    unsigned waiting;     /* at the gate now */
} gate = {.mu = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static int gate_create(struct env *env, const char *name, struct env_writer **ret)
{
    bool refuse = false;

    if (strstr(name, ".sst")) {
        unsigned n;

        pthread_mutex_lock(&gate.mu);
        n = ++gate.count;
        gate.waiting++;
        pthread_cond_broadcast(&gate.cond);
        while (gate.closed_from && n >= gate.closed_from && n < gate.closed_end)
            pthread_cond_wait(&gate.cond, &gate.mu);
        gate.waiting--;
        refuse = n == gate.refused;
        pthread_mutex_unlock(&gate.mu);
    }
    return refuse ? err_raise(ENOSPC, "%s: injected", name)
                  : gate.real->writer_create(env, name, ret);
}

/* Let tables [from, end), counted from the next one, wait; 0: open for all. */
static void gate_set(unsigned from, unsigned end)
{
    pthread_mutex_lock(&gate.mu);
    gate.closed_from = from ? gate.count + from : 0;
    gate.closed_end = gate.count + end;
    pthread_cond_broadcast(&gate.cond);
    pthread_mutex_unlock(&gate.mu);
}

static void gate_refuse(unsigned n)
{
    pthread_mutex_lock(&gate.mu);
    gate.refused = gate.count + n;
    pthread_mutex_unlock(&gate.mu);
}

static void gate_await(unsigned waiting)
{
    pthread_mutex_lock(&gate.mu);
    while (gate.waiting < waiting)
        pthread_cond_wait(&gate.cond, &gate.mu);
    pthread_mutex_unlock(&gate.mu);
}

static void gate_install(struct env *env)
{
    gate.real = env->ops;
    gate.ops = *env->ops;
    gate.ops.writer_create = gate_create;
    gate.ops.writer_create_behind = NULL;
    gate.count = gate.closed_from = gate.refused = 0;
    env->ops = &gate.ops;
}

static struct lsm_options small_options(unsigned worker_count)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.worker_count = worker_count;
    o.memtable_len = 64 << 10;
    o.memtable_count_max = 4;
    o.table_len = 64 << 10;
    o.block_len = 1 << 10;
    o.level_base_len = 256 << 10;
    o.l0_compact_count = 64; /* nothing is compacted unasked */
    o.cache_bytes = 1 << 20;
    o.compress = false;
    o.pin_workers = false;
    return o;
}

static struct lsm_db *open_gated(const char *dir, const struct lsm_options *o)
{
    struct lsm_db *db;
    struct env *env;

    assert_int_equal(env_posix_open(dir, ENV_CREATE, &env), 0);
    gate_install(env);
    assert_int_equal(db_open(env, o, &db), 0);
    return db;
}

static void put(struct lsm_db *db, unsigned key, unsigned value)
{
    uint8_t bytes[VALUE_LEN];
    char text[32];
    int len = snprintf(text, sizeof(text), "key%06u", key);

    memset(bytes, (int)(key * 7 + value), sizeof(bytes));
    put_le32(bytes, value);
    assert_int_equal(lsm_put(db, text, (size_t)len, bytes, sizeof(bytes), 0), 0);
}

/* The value's number, or -1 when there is none. */
static int64_t get(struct lsm_db *db, unsigned key)
{
    struct lsm_value v;
    char text[32];
    int len = snprintf(text, sizeof(text), "key%06u", key);
    int err = lsm_get(db, NULL, text, (size_t)len, &v);
    int64_t number;

    if (err == -ENOENT)
        return -1;
    assert_int_equal(err, 0);
    number = get_le32(v.data);
    lsm_value_done(&v);
    return number;
}

/* Have the memtable flushed without waiting for it. */
static void switch_memtable(struct lsm_db *db)
{
    struct memtable *mem;

    assert_int_equal(queue_switch_memtable(db, &mem), 0);
    memtable_unref(mem);
}

/* Flushes whose tables are on disk and whose elders are not committed. */
static unsigned written_flushes(struct lsm_db *db)
{
    unsigned count = 0;

    mutex_lock(&db->mu);
    for (unsigned i = 0; i < IMM_COUNT_MAX; i++)
        count += db->background.flushes[i].mt && db->background.flushes[i].written;
    mutex_unlock(&db->mu);
    return count;
}

static uint64_t flush_count(struct lsm_db *db)
{
    return atomic_load(&db->counters.flush_count);
}

/* Three memtables; the first one's table is held back until the others are written. */
static void flush_younger_first(struct lsm_db *db)
{
    gate_set(1, 2);
    for (unsigned i = 0; i < 3; i++) {
        put(db, 1, i);
        put(db, 10 + i, i);
        switch_memtable(db);
        if (i == 0)
            gate_await(1);
    }
    while (written_flushes(db) < 2)
        sched_yield();
}

static void await_flushes(struct lsm_db *db, uint64_t count)
{
    while (flush_count(db) < count)
        sched_yield();
}

static void flushes_side_by_side_are_committed_in_order(void **state)
{
    char *dir = scratch_new();
    struct lsm_options o = small_options(2);
    struct lsm_db *db = open_gated(dir, &o);

    (void)state;
    flush_younger_first(db);
    assert_int_equal(flush_count(db), 0);
    gate_set(0, 0);
    await_flushes(db, 3);
    assert_int_equal(get(db, 1), 2);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void a_crash_before_the_elder_is_committed_loses_nothing_that_was_synced(void **state)
{
    char *dir = scratch_new();
    struct lsm_options o = small_options(2);
    struct env_fault *fault;
    struct env *env;
    struct lsm_db *db;

    (void)state;
    assert_int_equal(env_posix_open(dir, ENV_CREATE, &env), 0);
    assert_int_equal(env_fault_open(env, &fault), 0);
    gate_install(env_fault_env(fault));
    assert_int_equal(db_open(env_fault_env(fault), &o, &db), 0);
    flush_younger_first(db);
    assert_int_equal(lsm_sync(db), 0);
    put(db, 1, 77);
    env_fault_cut_power(fault);
    gate_set(0, 0);
    assert_true(lsm_close(db) < 0);
    assert_int_equal(env_fault_crash(fault, ENV_FAULT_KEEP_NAMES, 3), 0);
    assert_int_equal(db_open(env_fault_env(fault), &o, &db), 0);
    assert_int_equal(get(db, 1), 2);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(get(db, 10 + i), i);
    assert_int_equal(lsm_close(db), 0);
    env_fault_close(fault);
    scratch_free(dir);
}

static bool is_compacting(struct lsm_db *db)
{
    bool answer;

    mutex_lock(&db->mu);
    answer = db->compacting_count > 0;
    mutex_unlock(&db->mu);
    return answer;
}

/* At one byte a second the compaction of this would take hours. */
static void begin_endless_compaction(struct lsm_db *db)
{
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned key = 0; key < 600; key++) {
            char text[16];
            int len = snprintf(text, sizeof(text), "k%04u", key);

            assert_int_equal(lsm_put(db, text, (size_t)len, &round, sizeof(round), 0), 0);
        }
        assert_int_equal(lsm_flush(db), 0);
    }
    pretend_quiet(db);
    while (!is_compacting(db))
        sched_yield();
}

static void one_worker_flushes_during_a_long_compaction(void **state)
{
    char *dir = scratch_new();
    struct lsm_options o = small_options(1);
    struct lsm_db *db;

    (void)state;
    o.l0_compact_count = 2;
    o.rate_limit_len = 1;
    db = open_gated(dir, &o);
    begin_endless_compaction(db);
    for (unsigned i = 0; i < 300; i++)
        put(db, i, i);
    assert_int_equal(lsm_flush(db), 0);
    assert_true(is_compacting(db));
    assert_int_equal(atomic_load(&db->counters.compact_count), 0);
    /* Closing does not wait for the rate limit either. */
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

/* Counts the store's tables on disk. */
static int count_table(void *arg, const char *name)
{
    *(size_t *)arg += strstr(name, ".sst") != NULL;
    return 0;
}

static void assert_no_stray_table(struct lsm_db *db)
{
    size_t on_disk = 0, named = 0;

    assert_int_equal(env_list(db->env, count_table, &on_disk), 0);
    mutex_lock(&db->mu);
    assert_int_equal(version_check(db->sv->version), 0);
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        named += db->sv->version->levels[i].count;
    mutex_unlock(&db->mu);
    assert_int_equal(on_disk, named);
}

/* Ascending keys, which make tables side by side, and then changes of all kinds over them. */
static void fill(struct lsm_db *db, struct lsm_snapshot **ret)
{
    struct rng rng = {4};

    for (unsigned key = 0; key < 700; key++)
        put(db, key, 0);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    for (unsigned i = 1; i < 900; i++) {
        unsigned key = (unsigned)rng_below(&rng, 700);
        char text[32], end[32];
        int len = snprintf(text, sizeof(text), "key%06u", key);
        int end_len = snprintf(end, sizeof(end), "key%06u", key + 20);
        struct lsm_batch *b;

        assert_int_equal(lsm_batch_new(&b), 0);
        if (i % 50 == 0)
            assert_int_equal(lsm_batch_delete_range(b, text, (size_t)len, end, (size_t)end_len), 0);
        else if (i % 3 == 0)
            assert_int_equal(lsm_batch_patch(b, text, (size_t)len, i % 900, "patched", 7), 0);
        else if (i % 7 == 0)
            assert_int_equal(lsm_batch_delete(b, text, (size_t)len), 0);
        assert_int_equal(lsm_write(db, b, 0), 0);
        lsm_batch_free(b);
        put(db, (unsigned)rng_below(&rng, 700), i);
        if (i == 450)
            assert_int_equal(lsm_snapshot_open(db, ret), 0);
    }
}

static void assert_same_contents(struct lsm_db *a, struct lsm_snapshot *sa, struct lsm_db *b,
                                 struct lsm_snapshot *sb)
{
    struct lsm_iter *x, *y;
    int more;

    assert_int_equal(lsm_iter_new(a, sa, NULL, 0, NULL, 0, &x), 0);
    assert_int_equal(lsm_iter_new(b, sb, NULL, 0, NULL, 0, &y), 0);
    more = lsm_iter_first(x);
    assert_int_equal(lsm_iter_first(y), more);
    assert_int_equal(more, 1);
    while (more > 0) {
        size_t xk, xv, yk, yv;
        const void *xkey = lsm_iter_key(x, &xk), *ykey = lsm_iter_key(y, &yk);
        const void *xvalue = lsm_iter_value(x, &xv), *yvalue = lsm_iter_value(y, &yv);

        assert_int_equal(xk, yk);
        assert_memory_equal(xkey, ykey, xk);
        assert_int_equal(xv, yv);
        assert_memory_equal(xvalue, yvalue, xv);
        more = lsm_iter_next(x);
        assert_int_equal(lsm_iter_next(y), more);
    }
    assert_int_equal(more, 0);
    lsm_iter_free(x);
    lsm_iter_free(y);
}

static void *compact_all(void *arg)
{
    static int answer;

    answer = lsm_compact_range(arg, NULL, 0, NULL, 0);
    return &answer;
}

static void a_compaction_in_pieces_makes_what_a_single_one_makes(void **state)
{
    char *dir = scratch_new(), *other_dir = scratch_new();
    struct lsm_options o = small_options(4), other = small_options(1);
    struct lsm_snapshot *snapshot, *other_snapshot;
    struct lsm_db *db, *other_db;
    pthread_t thread;
    void *answer;

    (void)state;
    assert_int_equal(lsm_open(other_dir, &other, &other_db), 0);
    fill(other_db, &other_snapshot);
    assert_int_equal(lsm_compact_range(other_db, NULL, 0, NULL, 0), 0);
    db = open_gated(dir, &o);
    fill(db, &snapshot);
    assert_int_equal(lsm_flush(db), 0);
    gate_set(1, GATE_TABLES_MAX);
    assert_int_equal(pthread_create(&thread, NULL, compact_all, db), 0);
    gate_await(4); /* four pieces are under way at once */
    gate_set(0, 0);
    assert_int_equal(pthread_join(thread, &answer), 0);
    assert_int_equal(*(int *)answer, 0);
    assert_no_stray_table(db);
    assert_same_contents(db, NULL, other_db, NULL);
    assert_same_contents(db, snapshot, other_db, other_snapshot);
    lsm_snapshot_close(db, snapshot);
    lsm_snapshot_close(other_db, other_snapshot);
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(lsm_close(other_db), 0);
    scratch_free(dir);
    scratch_free(other_dir);
}

static void a_piece_that_fails_takes_the_others_files_with_it(void **state)
{
    char *dir = scratch_new(), *other_dir = scratch_new();
    struct lsm_options o = small_options(4);
    struct lsm_snapshot *snapshot, *other_snapshot;
    struct lsm_db *db, *other_db;

    (void)state;
    assert_int_equal(lsm_open(other_dir, &o, &other_db), 0);
    fill(other_db, &other_snapshot);
    db = open_gated(dir, &o);
    fill(db, &snapshot);
    assert_int_equal(lsm_flush(db), 0);
    gate_refuse(6);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), -ENOSPC);
    assert_no_stray_table(db);
    assert_same_contents(db, snapshot, other_db, other_snapshot);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_no_stray_table(db);
    assert_same_contents(db, snapshot, other_db, other_snapshot);
    assert_same_contents(db, NULL, other_db, NULL);
    lsm_snapshot_close(db, snapshot);
    lsm_snapshot_close(other_db, other_snapshot);
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(lsm_close(other_db), 0);
    scratch_free(dir);
    scratch_free(other_dir);
}

static void closing_in_the_middle_of_everything_loses_nothing(void **state)
{
    char *dir = scratch_new();
    struct lsm_options o = small_options(3);
    unsigned written = 0;

    (void)state;
    o.l0_compact_count = 1;
    o.level_base_len = 64 << 10;
    for (unsigned round = 0; round < 12; round++) {
        struct lsm_db *db;

        o.rate_limit_len = round % 3 == 0 ? 1 << 20 : 0;
        assert_int_equal(lsm_open(dir, &o, &db), 0);
        for (unsigned i = 0; i < written; i += 97)
            assert_int_equal(get(db, i), i);
        for (unsigned i = 0; i < 400; i++, written++)
            put(db, written, written);
        assert_int_equal(lsm_close(db), 0);
    }
    scratch_free(dir);
}

/* A worker asks how full the disk is, and is not answered before the store is being closed. */
static struct {
    _Atomic(struct lsm_db *) db;
    pthread_t closer;
    atomic_bool asked;
} space;

static int space_hook(struct env *env, uint64_t *ret_total, uint64_t *ret_free)
{
    struct lsm_db *db = atomic_load(&space.db);

    if (db && !pthread_equal(pthread_self(), space.closer)) {
        atomic_store(&space.asked, true);
        while (!atomic_load(&db->closing))
            sched_yield();
    }
    return gate.real->space(env, ret_total, ret_free);
}

static void closing_is_noticed_by_a_worker_that_looks_at_the_disk(void **state)
{
    char *dir = scratch_new();
    struct lsm_options o = small_options(1);
    struct lsm_db *db;
    struct env *env;

    (void)state;
    assert_int_equal(env_posix_open(dir, ENV_CREATE, &env), 0);
    gate_install(env);
    gate.ops.space = space_hook; /* before there are workers */
    assert_int_equal(db_open(env, &o, &db), 0);
    space.closer = pthread_self();
    atomic_store(&space.db, db);
    mutex_lock(&db->mu);
    db->disk_full = true;
    background_wake_locked(db);
    mutex_unlock(&db->mu);
    while (!atomic_load(&space.asked))
        sched_yield();
    mutex_lock(&db->mu);
    background_has_space_locked(db);
    mutex_unlock(&db->mu);
    assert_int_equal(lsm_close(db), 0);
    atomic_store(&space.db, NULL);
    scratch_free(dir);
}

static void there_is_a_worker_for_each_core(void **state)
{
    char *dir = scratch_new();
    struct lsm_options o = small_options(0);
    struct lsm_stats stats;
    struct lsm_db *db;
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    o.pin_workers = true;
    assert_int_equal(lsm_open(dir, &o, &db), 0);
    assert_int_equal(lsm_stats(db, &stats), 0);
    assert_int_equal(stats.worker_count, CPU_COUNT(&set));
    for (unsigned i = 0; i < stats.worker_count; i++) {
        cpu_set_t own;

        do /* it pins itself when it begins to run */
            assert_int_equal(
                pthread_getaffinity_np(db->background.workers[i].thread, sizeof(own), &own), 0);
        while (CPU_COUNT(&own) != 1);
        assert_true(CPU_ISSET((unsigned)db->background.workers[i].core, &own));
    }
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flushes_side_by_side_are_committed_in_order),
        cmocka_unit_test(a_crash_before_the_elder_is_committed_loses_nothing_that_was_synced),
        cmocka_unit_test(one_worker_flushes_during_a_long_compaction),
        cmocka_unit_test(a_compaction_in_pieces_makes_what_a_single_one_makes),
        cmocka_unit_test(a_piece_that_fails_takes_the_others_files_with_it),
        cmocka_unit_test(closing_in_the_middle_of_everything_loses_nothing),
        cmocka_unit_test(closing_is_noticed_by_a_worker_that_looks_at_the_disk),
        cmocka_unit_test(there_is_a_worker_for_each_core),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
