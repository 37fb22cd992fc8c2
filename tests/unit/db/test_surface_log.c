/*
 * The surface of a small engine, whole: a log that is created, opened, appended with insertions and
 * removals, iterated, and recovered from a directory of log files into a memtable, with a time in
 * each record; an ordered table in memory with insertion, removal, look-up, count, all records and
 * size. The store on disk on top of them is in test_surface_store.c.
 */
#include "unit/db/surface_fixture.h"

#include "lsm/base/err.h"
#include "lsm/mem/memtable.h"
#include "lsm/wal/batch.h"
#include "lsm/wal/wal.h"

enum {
    TIME_BASE = 1700000000,
    LOGS_MAX = 16
};

static struct env *env;

static int set_up_log(void **state)
{
    return set_up(state) || env_posix_open(dir, 0, &env);
}

static int tear_down_log(void **state)
{
    env_close(env);
    return tear_down(state);
}

/* --- The table in memory --- */

static void insert(struct memtable *mt, uint64_t seqno, const char *key, const char *value)
{
    assert_int_equal(memtable_add(mt, seqno, KIND_PUT, slice_str(key), slice_str(value)), 0);
}

static void take_out(struct memtable *mt, uint64_t seqno, const char *key)
{
    assert_int_equal(memtable_add(mt, seqno, KIND_DELETE, slice_str(key), slice_of(NULL, 0)), 0);
}

/* The key's value as of the sequence number, NULL for none; *ret_seqno is its version's. */
static void expect_version(struct memtable *mt, uint64_t snapshot, const char *key,
                           const char *value, uint64_t seqno)
{
    struct lookup l = {.key = slice_str(key), .snapshot = snapshot};
    struct slice found;

    assert_int_equal(memtable_lookup(mt, &l), 0);
    assert_int_equal(fold_value(&l.fold, &found), value != NULL);
    if (value)
        assert_true(slice_eq(found, slice_str(value)));
    assert_int_equal(l.fold.newest_seqno, seqno);
    fold_done(&l.fold);
}

static void a_removed_key_is_gone_and_its_tombstone_is_counted(void **state)
{
    struct memtable *mt;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    assert_true(memtable_empty(mt));
    insert(mt, 1, "lime", "green");
    insert(mt, 2, "apple", "red");
    insert(mt, 3, "lime", "yellow");
    take_out(mt, 4, "lime");
    take_out(mt, 5, "never there");
    expect_version(mt, SEQNO_MAX, "apple", "red", 2);
    expect_version(mt, SEQNO_MAX, "lime", NULL, 4);
    expect_version(mt, 3, "lime", "yellow", 3);
    expect_version(mt, 1, "lime", "green", 1);
    expect_version(mt, SEQNO_MAX, "never there", NULL, 5);
    expect_version(mt, SEQNO_MAX, "unheard of", NULL, 0);
    assert_int_equal(memtable_entry_count(mt), 5);
    memtable_unref(mt);
}

static void an_empty_value_is_no_removal(void **state)
{
    struct memtable *mt;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    insert(mt, 1, "key", "");
    expect_version(mt, SEQNO_MAX, "key", "", 1);
    take_out(mt, 2, "key");
    expect_version(mt, SEQNO_MAX, "key", NULL, 2);
    memtable_unref(mt);
}

static void all_records_come_in_the_order_of_their_keys(void **state)
{
    struct memtable *mt;
    struct iter *it;
    char key[16], last[16] = "";
    unsigned count = 0;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%03u", i * 7919 % 1000);
        insert(mt, i + 1, key, "value");
    }
    assert_int_equal(memtable_iter_new(mt, &it), 0);
    for (iter_seek_first(it); it->valid; iter_next(it), count++) {
        struct slice user = ikey_user(it->key);

        assert_int_equal(ikey_kind(it->key), KIND_PUT);
        assert_true(slice_cmp(user, slice_str(last)) > 0);
        snprintf(last, sizeof(last), "%.*s", (int)user.len, (const char *)user.data);
    }
    assert_int_equal(it->err, 0);
    assert_int_equal(count, 1000);
    iter_free(it);
    memtable_unref(mt);
}

static void the_size_grows_with_what_is_inserted(void **state)
{
    char value[1000] = {0};
    struct memtable *mt;
    size_t before;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    before = memtable_len(mt);
    for (uint64_t seqno = 1; seqno <= 1000; seqno++)
        assert_int_equal(
            memtable_add(mt, seqno, KIND_PUT, slice_str("key"), slice_of(value, sizeof(value))), 0);
    assert_in_range(memtable_len(mt) - before, 1000 * sizeof(value), 1300 * sizeof(value));
    memtable_unref(mt);
}

/* --- The log --- */

/* Append one record with one operation, at TIME_BASE + seqno seconds. */
static void append(struct wal_writer *w, uint64_t seqno, enum kind kind, struct slice key,
                   struct slice value)
{
    struct wal_record record = {
        .first_seqno = seqno, .op_count = 1, .time_ns = (TIME_BASE + seqno) * 1000000000u};
    struct buf batch = {0};

    assert_int_equal(batch_append(&batch, kind, key, value), 0);
    record.payload = buf_slice(&batch);
    assert_int_equal(wal_writer_append(w, &record, 1, false), 0);
    buf_free(&batch);
}

static void append_text(struct wal_writer *w, uint64_t seqno, const char *key, const char *value)
{
    append(w, seqno, value ? KIND_PUT : KIND_DELETE, slice_str(key),
           value ? slice_str(value) : slice_of(NULL, 0));
}

/* What a recovery has found. */
struct recovered {
    struct memtable *mt;
    uint64_t seqno;   /* of the last record */
    uint64_t time_ns; /* and its time */
    enum wal_end_kind end;
    uint64_t end_offset;
};

static void replay(uint64_t number, struct recovered *r)
{
    struct wal_reader *reader;
    struct wal_record record;
    struct batch_op op;
    struct wal_end end;

    assert_int_equal(wal_reader_open(env, number, &reader), 0);
    while (wal_reader_next(reader, &record) == 1) {
        uint64_t seqno = record.first_seqno;

        assert_int_equal(seqno, r->seqno + 1);
        while (batch_next(&record.payload, &op) == 1)
            assert_int_equal(memtable_add(r->mt, seqno++, op.kind, op.key, op.value), 0);
        assert_int_equal(record.payload.len, 0);
        r->seqno = seqno - 1;
        r->time_ns = record.time_ns;
    }
    assert_int_equal(wal_reader_end(reader, &end), 0);
    r->end = end.kind;
    r->end_offset = end.offset;
    wal_reader_close(reader);
}

struct log_numbers {
    uint64_t numbers[LOGS_MAX];
    unsigned count;
};

static int note_log(void *arg, const char *name)
{
    struct log_numbers *logs = arg;
    char *end;
    unsigned long long number = strtoull(name, &end, 10);

    if (end == name + 8 && !strcmp(end, ".wal") && logs->count < LOGS_MAX)
        logs->numbers[logs->count++] = number;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* All logs of the directory, the oldest first, into one memtable. */
static struct recovered recover(void)
{
    struct log_numbers logs = {.count = 0};
    struct recovered r = {.seqno = 0};

    assert_int_equal(memtable_new(1, &r.mt), 0);
    assert_int_equal(env_list(env, note_log, &logs), 0);
    qsort(logs.numbers, logs.count, sizeof(logs.numbers[0]), by_number);
    for (unsigned i = 0; i < logs.count; i++)
        replay(logs.numbers[i], &r);
    return r;
}

static struct wal_writer *create_log(uint64_t number, uint64_t last_seqno)
{
    struct wal_writer *w;

    assert_int_equal(wal_writer_create(env, number, last_seqno, &w), 0);
    return w;
}

static void insertions_and_removals_are_iterated_with_their_times(void **state)
{
    struct wal_writer *w = create_log(1, 0);
    struct wal_reader *reader;
    struct wal_record record;
    struct batch_op op;

    (void)state;
    append_text(w, 1, "apple", "red");
    append_text(w, 2, "apple", "");
    append_text(w, 3, "apple", NULL);
    assert_int_equal(wal_writer_close(w), 0);

    assert_int_equal(wal_reader_open(env, 1, &reader), 0);
    for (uint64_t seqno = 1; seqno <= 3; seqno++) {
        static const char *const values[] = {"red", "", ""};

        assert_int_equal(wal_reader_next(reader, &record), 1);
        assert_int_equal(record.first_seqno, seqno);
        assert_int_equal(record.time_ns, (TIME_BASE + seqno) * 1000000000u);
        assert_int_equal(batch_next(&record.payload, &op), 1);
        assert_int_equal(op.kind, seqno < 3 ? KIND_PUT : KIND_DELETE);
        assert_true(slice_eq(op.key, slice_str("apple")));
        assert_true(slice_eq(op.value, slice_str(values[seqno - 1])));
        assert_int_equal(batch_next(&record.payload, &op), 0);
    }
    assert_int_equal(wal_reader_next(reader, &record), 0);
    wal_reader_close(reader);
}

static void a_directory_of_logs_becomes_one_memtable(void **state)
{
    struct recovered r;
    struct wal_writer *w;
    uint64_t seqno = 0;

    (void)state;
    for (uint64_t number = 1; number <= 12; number++) {
        w = create_log(number, seqno);
        append_text(w, ++seqno, "counter", number % 2 ? "odd" : "even");
        if (number == 7)
            append_text(w, ++seqno, "seven", "here");
        if (number == 11)
            append_text(w, ++seqno, "counter", NULL);
        assert_int_equal(wal_writer_close(w), 0);
    }
    r = recover();
    assert_int_equal(r.seqno, seqno);
    assert_int_equal(r.time_ns, (TIME_BASE + seqno) * 1000000000u);
    assert_int_equal(r.end, WAL_END_CLEAN);
    assert_int_equal(memtable_entry_count(r.mt), seqno);
    expect_version(r.mt, SEQNO_MAX, "counter", "even", seqno);
    expect_version(r.mt, seqno - 1, "counter", NULL, seqno - 1);
    expect_version(r.mt, SEQNO_MAX, "seven", "here", 8);
    memtable_unref(r.mt);
}

static void a_stray_file_among_the_logs_is_no_log(void **state)
{
    static const char *const names[] = {"notes.txt", "1.wal", "00000002.wal.bak", ".hidden"};
    struct wal_writer *w = create_log(1, 0);
    struct recovered r;

    (void)state;
    append_text(w, 1, "apple", "red");
    assert_int_equal(wal_writer_close(w), 0);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        FILE *f = fopen(scratch_path(dir, names[i]), "w");

        assert_non_null(f);
        assert_true(fputs("not a log", f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    r = recover();
    assert_int_equal(r.seqno, 1);
    expect_version(r.mt, SEQNO_MAX, "apple", "red", 1);
    memtable_unref(r.mt);
}

static void many_megabytes_of_small_records_come_back(void **state)
{
    enum {
        COUNT = 300000
    };
    struct wal_writer *w = create_log(1, 0);
    struct recovered r;
    char key[32], value[64];

    (void)state;
    for (uint64_t seqno = 1; seqno <= COUNT; seqno++) {
        snprintf(key, sizeof(key), "key%08llu", (unsigned long long)(seqno * 7919 % COUNT));
        snprintf(value, sizeof(value), "value of %llu", (unsigned long long)seqno);
        append_text(w, seqno, key, seqno % 10 ? value : NULL);
    }
    assert_true(wal_writer_len(w) > 10 << 20);
    assert_int_equal(wal_writer_close(w), 0);
    r = recover();
    assert_int_equal(r.seqno, COUNT);
    assert_int_equal(r.end, WAL_END_CLEAN);
    assert_int_equal(memtable_entry_count(r.mt), COUNT);
    expect_version(r.mt, SEQNO_MAX, "key00007919", "value of 1", 1);
    snprintf(key, sizeof(key), "key%08u", 10 * 7919 % COUNT);
    expect_version(r.mt, SEQNO_MAX, key, NULL, 10);
    memtable_unref(r.mt);
}

static void a_torn_tail_ends_the_log_before_it(void **state)
{
    struct wal_writer *w = create_log(1, 0);
    struct recovered r;
    uint64_t whole;

    (void)state;
    append_text(w, 1, "apple", "red");
    append_text(w, 2, "lime", "green");
    whole = wal_writer_len(w);
    append_text(w, 3, "pear", "yellow");
    assert_int_equal(wal_writer_close(w), 0);
    assert_int_equal(truncate(scratch_path(dir, "00000001.wal"), (off_t)whole + 11), 0);
    r = recover();
    assert_int_equal(r.seqno, 2);
    assert_int_equal(r.end, WAL_END_TORN);
    assert_int_equal(r.end_offset, whole);
    expect_version(r.mt, SEQNO_MAX, "lime", "green", 2);
    expect_version(r.mt, SEQNO_MAX, "pear", NULL, 0);
    memtable_unref(r.mt);
}

static void a_flipped_byte_is_reported_and_no_record_of_it_given_out(void **state)
{
    struct wal_writer *w = create_log(1, 0);
    struct recovered r;
    uint64_t first;

    (void)state;
    append_text(w, 1, "apple", "red");
    first = wal_writer_len(w);
    append_text(w, 2, "lime", "green");
    append_text(w, 3, "pear", "yellow");
    assert_int_equal(wal_writer_close(w), 0);
    flip_bit("00000001.wal", (long)first + 20);
    r = recover();
    assert_int_equal(r.seqno, 1);
    assert_int_equal(r.end, WAL_END_TORN);
    assert_int_equal(r.end_offset, first);
    memtable_unref(r.mt);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_log, tear_down_log)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_removed_key_is_gone_and_its_tombstone_is_counted),
        cmocka_unit_test(an_empty_value_is_no_removal),
        cmocka_unit_test(all_records_come_in_the_order_of_their_keys),
        cmocka_unit_test(the_size_grows_with_what_is_inserted),
        TEST(insertions_and_removals_are_iterated_with_their_times),
        TEST(a_directory_of_logs_becomes_one_memtable),
        TEST(a_stray_file_among_the_logs_is_no_log),
        TEST(many_megabytes_of_small_records_come_back),
        TEST(a_torn_tail_ends_the_log_before_it),
        TEST(a_flipped_byte_is_reported_and_no_record_of_it_given_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
