/*
 * The surface of a small engine, through lsm.h: new(path), insert or update, a batch, get, delete,
 * scan of [start, end), full memtables that spill into tables, compaction, asynchronous I/O, one
 * pinned thread per core.
 */
#include "unit/db/surface_fixture.h"

#include <sched.h>
#include <time.h>

static void a_new_path_becomes_a_store_and_only_once(void **state)
{
    struct lsm_db *db, *second = NULL;
    char path[512];

    (void)state;
    snprintf(path, sizeof(path), "%s/new", dir);
    options.must_create = true;
    assert_int_equal(lsm_open(path, &options, &db), 0);
    put(db, "key", "value");
    close_store(db);
    assert_int_equal(lsm_errno(lsm_open(path, &options, &second)), EEXIST);
    options.must_create = options.create = false;
    assert_int_equal(lsm_open(path, &options, &db), 0);
    expect(db, "key", "value");
    close_store(db);
    snprintf(path, sizeof(path), "%s/other", dir);
    assert_int_equal(lsm_errno(lsm_open(path, &options, &second)), ENOENT);
    assert_null(second);
}

static void an_insert_of_a_key_that_is_there_updates_it(void **state)
{
    struct lsm_db *db = open_store();

    (void)state;
    put(db, "key", "one");
    expect(db, "key", "one");
    put(db, "key", "a longer two");
    expect(db, "key", "a longer two");
    put(db, "key", "3");
    expect(db, "key", "3");
    delete_key(db, "key");
    expect(db, "key", NULL);
    close_store(db);
}

static void fill_batch(struct lsm_batch *b)
{
    assert_int_equal(lsm_batch_put(b, "a", 1, "1", 1), 0);
    assert_int_equal(lsm_batch_put(b, "b", 1, "2", 1), 0);
    assert_int_equal(lsm_batch_delete(b, "a", 1), 0);
    assert_int_equal(lsm_batch_put(b, "c", 1, "3", 1), 0);
    assert_int_equal(lsm_batch_put(b, "c", 1, "4", 1), 0);
}

static void expect_batch(struct lsm_db *db)
{
    expect(db, "a", NULL);
    expect(db, "b", "2");
    expect(db, "c", "4");
}

static void a_batch_takes_effect_in_its_order_and_can_be_used_again(void **state)
{
    struct lsm_db *db = open_store();
    struct lsm_batch *b;

    (void)state;
    assert_int_equal(lsm_batch_new(&b), 0);
    fill_batch(b);
    assert_int_equal(lsm_batch_count(b), 5);
    expect(db, "b", NULL);
    assert_int_equal(lsm_write(db, b, 0), 0);
    expect_batch(db);
    lsm_batch_clear(b);
    assert_int_equal(lsm_batch_count(b), 0);
    assert_int_equal(lsm_write(db, b, LSM_WRITE_SYNC), 0);
    expect_batch(db);
    lsm_batch_free(b);
    close_store(db);
}

static void write_one_then_a_batch(struct lsm_db *db)
{
    struct lsm_batch *b;

    put(db, "before", "1");
    assert_int_equal(lsm_batch_new(&b), 0);
    fill_batch(b);
    assert_int_equal(lsm_write(db, b, 0), 0);
}

/* Wherever the log is cut, the batch is there whole or not at all. */
static void a_torn_batch_is_not_there_at_all(void **state)
{
    struct lsm_db *db;
    const char *log;

    (void)state;
    write_and_die(write_one_then_a_batch);
    log = newest(".wal");
    assert_int_equal(truncate(scratch_path(dir, log), log_end(log) - 3), 0);
    db = open_store();
    expect(db, "before", "1");
    expect(db, "a", NULL);
    expect(db, "b", NULL);
    expect(db, "c", NULL);
    close_store(db);
}

static void expect_scan(struct lsm_db *db, const char *start, const char *end, const char *keys)
{
    struct lsm_iter *it;
    char found[64] = "";
    int rc;

    assert_int_equal(
        lsm_iter_new(db, NULL, start, start ? strlen(start) : 0, end, end ? strlen(end) : 0, &it),
        0);
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it)) {
        size_t len;
        const char *key = lsm_iter_key(it, &len);

        strncat(found, key, len);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(found, keys);
    lsm_iter_free(it);
}

static void a_scan_begins_at_start_and_ends_before_end(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    struct lsm_db *db = open_store();

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        put(db, keys[i], "value");
        if (i == 2)
            assert_int_equal(lsm_flush(db), 0);
    }
    delete_key(db, "c");
    expect_scan(db, NULL, NULL, "abde");
    expect_scan(db, "b", "e", "bd");
    expect_scan(db, "bb", NULL, "de");
    expect_scan(db, NULL, "a", "");
    expect_scan(db, NULL, "aa", "a");
    expect_scan(db, "b", "b", "");
    expect_scan(db, "e", "b", "");
    expect_scan(db, "f", NULL, "");
    close_store(db);
}

enum {
    KEYS = 2000,
    ROUNDS = 10
};

/* Every key ROUNDS times; the last round's value is what counts. */
static void fill_rounds(struct lsm_db *db)
{
    char key[16], value[128];

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < KEYS; i++) {
            snprintf(key, sizeof(key), "%06u", i);
            snprintf(value, sizeof(value), "%0100u", i * ROUNDS + round);
            put(db, key, value);
        }
    }
}

static void expect_last_round(struct lsm_db *db)
{
    char key[16], value[128];

    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "%06u", i);
        snprintf(value, sizeof(value), "%0100u", i * ROUNDS + ROUNDS - 1);
        expect(db, key, value);
    }
}

static uint64_t table_count(const struct lsm_stats *s)
{
    uint64_t count = 0;

    for (int i = 0; i < 7; i++)
        count += s->table_count[i];
    return count;
}

static void full_memtables_spill_into_tables(void **state)
{
    struct lsm_stats s;
    struct lsm_db *db;

    (void)state;
    options.memtable_len = 64 << 10;
    db = open_store();
    fill_rounds(db);
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_true(s.memtable_len <= (options.memtable_count_max + 1) * options.memtable_len);
    assert_true(s.flush_count >= 10);
    assert_true(table_count(&s) > 0);
    expect_last_round(db);
    close_store(db);
    db = open_store();
    expect_last_round(db);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    close_store(db);
}

static void compaction_keeps_the_newest_and_gives_back_the_space(void **state)
{
    struct lsm_stats s;
    struct lsm_db *db;

    (void)state;
    options.memtable_len = 64 << 10;
    options.compress = false;
    db = open_store();
    fill_rounds(db);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_true(s.compact_count > 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(s.table_count[i], 0);
    assert_in_range(s.table_len[6], KEYS * 106, KEYS * 106 * 5 / 4);
    expect_last_round(db);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%06u", i);
        delete_key(db, key);
    }
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_int_equal(table_count(&s), 0);
    expect_scan(db, NULL, NULL, "");
    close_store(db);
}

static void io_is_asynchronous_or_the_reason_is_told(void **state)
{
    struct lsm_stats s;
    struct lsm_db *db = open_store();

    (void)state;
    put(db, "key", "value");
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_true(s.io_uring != (s.io_uring_text[0] != 0));
    close_store(db);
    options.io_uring = false;
    db = open_store();
    expect(db, "key", "value");
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_false(s.io_uring);
    assert_true(s.io_uring_text[0]);
    close_store(db);
}

/* The core that a thread of this process is bound to; -1 when it is not bound to one. */
static int core_of_thread(const char *tid)
{
    char path[64], line[256];
    int core = -1, len = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
    f = fopen(path, "r");
    if (!f)
        return -1; /* it has just ended */
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Cpus_allowed_list: %d%n", &core, &len) == 1)
            break;
    }
    fclose(f);
    return line[len] == '\n' ? core : -1;
}

/* On how many cores a thread stays that is not the program's first. */
static unsigned bound_core_count(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *e;
    cpu_set_t cores;

    assert_non_null(tasks);
    CPU_ZERO(&cores);
    while ((e = readdir(tasks))) {
        int core =
            e->d_name[0] == '.' || atol(e->d_name) == getpid() ? -1 : core_of_thread(e->d_name);

        if (core >= 0)
            CPU_SET((unsigned)core, &cores);
    }
    closedir(tasks);
    return (unsigned)CPU_COUNT(&cores);
}

static unsigned usable_core_count(void)
{
    cpu_set_t cores;

    assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
    return (unsigned)(CPU_COUNT(&cores) < 64 ? CPU_COUNT(&cores) : 64);
}

/* A thread binds itself as the first thing that it does, a moment after lsm_open has returned. */
static void one_thread_per_core_stays_on_it(void **state)
{
    unsigned core_count = usable_core_count();
    time_t give_up = time(NULL) + 60;
    struct lsm_stats s;
    struct lsm_db *db = open_store();

    (void)state;
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_int_equal(s.worker_count, core_count);
    while (bound_core_count() != core_count && time(NULL) < give_up)
        sched_yield();
    assert_int_equal(bound_core_count(), core_count);
    close_store(db);
    assert_int_equal(bound_core_count(), 0);
}

static void threads_that_are_not_to_be_pinned_go_where_they_like(void **state)
{
    struct lsm_stats s;
    struct lsm_db *db;

    (void)state;
    options.worker_count = 3;
    options.pin_workers = false;
    db = open_store();
    /* So that the threads have begun. */
    put(db, "key", "value");
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_int_equal(s.worker_count, 3);
    if (usable_core_count() > 1)
        assert_int_equal(bound_core_count(), 0);
    close_store(db);
}

static void an_iterator_outlives_the_snapshot_that_it_shows(void **state)
{
    struct lsm_db *db = open_store();
    struct lsm_snapshot *snapshot;
    struct lsm_iter *it;
    size_t len;

    (void)state;
    put(db, "key", "old");
    assert_int_equal(lsm_snapshot_open(db, &snapshot), 0);
    put(db, "key", "new");
    assert_int_equal(lsm_iter_new(db, snapshot, NULL, 0, NULL, 0, &it), 0);
    lsm_snapshot_close(db, snapshot);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_iter_first(it), 1);
    assert_memory_equal(lsm_iter_value(it, &len), "old", 3);
    assert_int_equal(len, 3);
    lsm_iter_free(it);
    close_store(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_new_path_becomes_a_store_and_only_once),
        TEST(an_insert_of_a_key_that_is_there_updates_it),
        TEST(a_batch_takes_effect_in_its_order_and_can_be_used_again),
        TEST(a_torn_batch_is_not_there_at_all),
        TEST(a_scan_begins_at_start_and_ends_before_end),
        TEST(full_memtables_spill_into_tables),
        TEST(compaction_keeps_the_newest_and_gives_back_the_space),
        TEST(io_is_asynchronous_or_the_reason_is_told),
        TEST(one_thread_per_core_stays_on_it),
        TEST(threads_that_are_not_to_be_pinned_go_where_they_like),
        TEST(an_iterator_outlives_the_snapshot_that_it_shows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
