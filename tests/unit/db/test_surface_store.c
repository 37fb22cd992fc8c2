/*
 * The surface of a small store on disk, through lsm.h: set, get and delete, where a value comes
 * with the number of its write; and where such stores go wrong: a get after a delete, an empty
 * value, a file that is none of the store's, a byte that was flipped, many megabytes of log, a torn
 * tail.
 */
#include "unit/db/surface_fixture.h"

#include <time.h>

static void a_value_is_what_was_set_last_with_the_number_of_its_write(void **state)
{
    struct lsm_db *db = open_store();
    uint64_t first, second;

    (void)state;
    put(db, "apple", "green");
    first = expect(db, "apple", "green");
    put(db, "lime", "green");
    put(db, "apple", "red");
    second = expect(db, "apple", "red");
    assert_true(first > 0 && second == first + 2);
    close_store(db);
    db = open_store();
    assert_int_equal(expect(db, "apple", "red"), second);
    assert_int_equal(expect(db, "lime", "green"), first + 1);
    close_store(db);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t time_of(struct lsm_db *db, const char *key, const char *value)
{
    uint64_t time_ns;

    assert_int_equal(lsm_seqno_time(db, expect(db, key, value), &time_ns), 0);
    return time_ns;
}

static void a_value_has_the_time_of_its_write_also_after_a_restart(void **state)
{
    enum {
        STEP_NS = 2000000 /* points of time lie at least a millisecond apart */
    };
    uint64_t begin, middle, first, second, end;
    struct lsm_db *db = open_store();

    (void)state;
    begin = now_ns();
    put(db, "apple", "red");
    middle = now_ns();
    /* Time has to pass between two writes; there is no event to wait for. */
    while (now_ns() < middle + STEP_NS)
        continue;
    put(db, "lime", "green");
    end = now_ns();
    first = time_of(db, "apple", "red");
    second = time_of(db, "lime", "green");
    assert_in_range(first, begin, middle);
    assert_in_range(second, middle + STEP_NS, end);
    close_store(db);
    db = open_store();
    assert_int_equal(time_of(db, "apple", "red"), first);
    assert_int_equal(time_of(db, "lime", "green"), second);
    close_store(db);
}

static void a_get_after_a_delete_finds_nothing_wherever_the_value_was(void **state)
{
    struct lsm_db *db = open_store();

    (void)state;
    put(db, "in memory", "value");
    delete_key(db, "in memory");
    expect(db, "in memory", NULL);
    put(db, "in a table", "value");
    assert_int_equal(lsm_flush(db), 0);
    delete_key(db, "in a table");
    expect(db, "in a table", NULL);
    assert_int_equal(lsm_flush(db), 0);
    expect(db, "in a table", NULL);
    close_store(db);
    db = open_store();
    expect(db, "in memory", NULL);
    expect(db, "in a table", NULL);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    expect(db, "in a table", NULL);
    delete_key(db, "never there");
    expect(db, "never there", NULL);
    put(db, "in a table", "again");
    expect(db, "in a table", "again");
    close_store(db);
}

static void write_empty_and_deleted(struct lsm_db *db)
{
    put(db, "empty", "");
    put(db, "deleted", "value");
    delete_key(db, "deleted");
}

static void an_empty_value_is_not_a_delete(void **state)
{
    struct lsm_db *db;

    (void)state;
    write_and_die(write_empty_and_deleted);
    db = open_store();
    expect(db, "empty", "");
    expect(db, "deleted", NULL);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    expect(db, "empty", "");
    expect(db, "deleted", NULL);
    close_store(db);
}

static void a_stray_file_is_neither_read_nor_removed(void **state)
{
    static const char *const names[] = {"notes.txt", "1.wal",  "00000001.wal~", ".hidden",
                                        "core",      "x.sst",  "MANIFEST",      "CURRENT.bak",
                                        "99.sst",    "99.wal", "-1.wal"};
    struct lsm_db *db = open_store();

    (void)state;
    put(db, "apple", "red");
    close_store(db);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        FILE *f = fopen(scratch_path(dir, names[i]), "w");

        assert_non_null(f);
        assert_true(fputs("not the store's", f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(mkdir(scratch_path(dir, "directory"), 0700), 0);
    db = open_store();
    expect(db, "apple", "red");
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    close_store(db);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(file_len(names[i]), strlen("not the store's"));
}

enum {
    SMALL_COUNT = 200000
};

static void write_many_small(struct lsm_db *db)
{
    char key[32], value[48];

    for (unsigned i = 0; i < SMALL_COUNT; i++) {
        int key_len = snprintf(key, sizeof(key), "key%08u", i * 7919u % SMALL_COUNT);
        int value_len = snprintf(value, sizeof(value), "the value number %u", i);

        if (lsm_put(db, key, (size_t)key_len, value, (size_t)value_len, 0))
            _exit(2);
    }
}

static void many_megabytes_of_small_records_are_recovered(void **state)
{
    struct lsm_iter *it;
    struct lsm_db *db;
    unsigned count = 0;
    int rc;

    (void)state;
    write_and_die(write_many_small);
    assert_true(file_len(newest(".wal")) > 10 << 20);
    db = open_store();
    expect(db, "key00000000", "the value number 0");
    expect(db, "key00007919", "the value number 1");
    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it))
        count++;
    assert_int_equal(rc, 0);
    assert_int_equal(count, SMALL_COUNT);
    lsm_iter_free(it);
    close_store(db);
}

static void write_three(struct lsm_db *db)
{
    put(db, "one", "1");
    put(db, "two", "2");
    put(db, "three", "3");
}

static void a_store_that_is_only_read_tells_how_long_its_logs_are(void **state)
{
    struct lsm_stats s;
    struct lsm_db *db;
    off_t len;

    (void)state;
    write_and_die(write_three);
    len = file_len(newest(".wal"));
    options.create = false;
    options.read_only = true;
    db = open_store();
    assert_int_equal(lsm_stats(db, &s), 0);
    assert_int_equal(s.wal_len, len);
    close_store(db);
    assert_int_equal(file_len(newest(".wal")), len);
}

static void a_torn_tail_loses_what_was_torn_and_nothing_else(void **state)
{
    struct lsm_db *db;
    const char *log;

    (void)state;
    write_and_die(write_three);
    log = newest(".wal");
    assert_int_equal(truncate(scratch_path(dir, log), log_end(log) - 1), 0);
    db = open_store();
    expect(db, "one", "1");
    expect(db, "two", "2");
    expect(db, "three", NULL);
    put(db, "three", "again");
    close_store(db);
    db = open_store();
    expect(db, "three", "again");
    close_store(db);
}

static void write_synced(struct lsm_db *db)
{
    put(db, "one", "1");
    if (lsm_sync(db))
        _exit(2);
    put(db, "two", "2");
}

static void a_flipped_byte_in_what_was_synced_refuses_to_open(void **state)
{
    enum {
        INSIDE_FIRST = 32 + 20 /* in the record behind the log's header */
    };
    struct lsm_db *db = NULL;
    char log[64];
    int err;

    (void)state;
    write_and_die(write_synced);
    snprintf(log, sizeof(log), "%s", newest(".wal"));
    flip_bit(log, INSIDE_FIRST);
    err = lsm_open(dir, &options, &db);
    assert_true(lsm_is_damage(err));
    assert_int_equal(lsm_errno(err), EIO);
    assert_null(db);
    assert_non_null(strstr(lsm_detail(), log));
    assert_non_null(strstr(lsm_detail(), "offset 32"));
    flip_bit(log, INSIDE_FIRST);
    db = open_store();
    expect(db, "one", "1");
    expect(db, "two", "2");
    close_store(db);
}

struct damage {
    unsigned count;
    char file[64];
};

static int note_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct damage *d = arg;

    (void)offset;
    assert_true(text[0]);
    d->count++;
    snprintf(d->file, sizeof(d->file), "%s", file);
    return 0;
}

enum {
    TABLE_COUNT = 5000
};

static void fill_table(void)
{
    struct lsm_db *db = open_store();
    char key[16], value[32];

    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        snprintf(key, sizeof(key), "%06u", i);
        snprintf(value, sizeof(value), "value %u", i * 2654435761u);
        put(db, key, value);
    }
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    close_store(db);
}

/* Get every key: each is right, or an error that says damage. Returns how many were damaged. */
static unsigned get_all(struct lsm_db *db, const char *table)
{
    unsigned damaged = 0;
    char key[16], value[32];
    struct lsm_value v;

    for (unsigned i = 0; i < TABLE_COUNT; i++) {
        int err;

        snprintf(key, sizeof(key), "%06u", i);
        snprintf(value, sizeof(value), "value %u", i * 2654435761u);
        err = lsm_get(db, NULL, key, strlen(key), &v);
        if (!err) {
            assert_int_equal(v.len, strlen(value));
            assert_memory_equal(v.data, value, v.len);
            lsm_value_done(&v);
            continue;
        }
        assert_true(lsm_is_damage(err));
        assert_non_null(strstr(lsm_detail(), table));
        damaged++;
    }
    return damaged;
}

static void a_flipped_byte_in_a_table_is_reported_and_never_read_as_data(void **state)
{
    struct damage d = {0};
    struct lsm_iter *it;
    struct lsm_db *db;
    char table[64];
    unsigned damaged;
    int rc;

    (void)state;
    fill_table();
    snprintf(table, sizeof(table), "%s", newest(".sst"));
    flip_bit(table, file_len(table) / 3);
    db = open_store();
    damaged = get_all(db, table);
    assert_in_range(damaged, 1, TABLE_COUNT - 1);
    assert_int_equal(lsm_verify(db, note_damage, NULL, &d), 1);
    assert_int_equal(d.count, 1);
    assert_string_equal(d.file, table);
    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (rc = lsm_iter_first(it); rc == 1;)
        rc = lsm_iter_next(it);
    assert_true(lsm_is_damage(rc));
    lsm_iter_free(it);
    close_store(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_what_was_set_last_with_the_number_of_its_write),
        TEST(a_value_has_the_time_of_its_write_also_after_a_restart),
        TEST(a_get_after_a_delete_finds_nothing_wherever_the_value_was),
        TEST(an_empty_value_is_not_a_delete),
        TEST(a_stray_file_is_neither_read_nor_removed),
        TEST(many_megabytes_of_small_records_are_recovered),
        TEST(a_store_that_is_only_read_tells_how_long_its_logs_are),
        TEST(a_torn_tail_loses_what_was_torn_and_nothing_else),
        TEST(a_flipped_byte_in_what_was_synced_refuses_to_open),
        TEST(a_flipped_byte_in_a_table_is_reported_and_never_read_as_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
