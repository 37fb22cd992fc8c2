/*
 * The log when the disk is full, fails or loses power, and under threads.
 */
#include "unit/wal/small_log.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/rng.h"
#include "lsm/base/err.h"
#include "lsm/base/ikey.h"

static unsigned fill(struct wal_writer *w, uint64_t *seqno, bool urgent)
{
    static const uint8_t bytes[4000];
    unsigned count = 0;

    for (;; count++) {
        struct wal_record r = {*seqno, 1, 0, 0, slice_of(bytes, sizeof(bytes))};
        uint64_t len = wal_writer_len(w);
        int err = wal_writer_append(w, &r, 1, urgent);

        if (err) {
            assert_int_equal(err, -ENOSPC);
            assert_int_equal(wal_writer_len(w), len);
            return count;
        }
        ++*seqno;
    }
}

static void a_full_disk_leaves_room_for_what_is_urgent(void **state)
{
    struct wal_writer *w;
    struct wal_reader *r;
    struct wal_record got;
    uint64_t seqno = LAST_SEQNO + 1;
    unsigned count = 0, usual, urgent;

    (void)state;
    env_fault_limit(fault, env_fault_used(fault) + (3 << 20) + 1000);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    usual = fill(w, &seqno, false);
    assert_true(usual > 600);
    assert_int_equal(fill(w, &seqno, false), 0);
    urgent = fill(w, &seqno, true);
    assert_true(urgent >= (256 << 10) / 4030 - 1);
    env_fault_limit(fault, 0);
    assert_int_equal(wal_writer_sync(w), 0);
    assert_true(wal_writer_append(w, &(struct wal_record){.first_seqno = seqno, .op_count = 1}, 1,
                                  false) == 0);
    assert_int_equal(wal_writer_close(w), 0);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    while (wal_reader_next(r, &got) == 1)
        count++;
    assert_int_equal(count, usual + urgent + 1);
    wal_reader_close(r);
}

static void a_log_begins_on_a_disk_too_full_to_reserve(void **state)
{
    struct wal_record record = small_record(0);
    struct wal_writer *w;

    (void)state;
    env_fault_limit(fault, env_fault_used(fault) + 200);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    assert_int_equal(wal_writer_append(w, &record, 1, false), -ENOSPC);
    assert_int_equal(wal_writer_append(w, &record, 1, true), 0);
    assert_int_equal(wal_writer_close(w), 0);
    env_fault_limit(fault, env_fault_used(fault) + 10);
    assert_int_equal(wal_writer_create(env, NUMBER + 1, LAST_SEQNO, &w), -ENOSPC);
    assert_int_equal(env_remove(env, "00000008.wal"), -ENOENT);
}

static void a_failed_append_leaves_the_log_as_it_was(void **state)
{
    struct wal_record records[2] = {small_record(0), small_record(1)};
    struct wal_writer *w;
    struct wal_end end;

    (void)state;
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    env_fault_fail(fault, ENV_FAULT_APPEND, 1, EIO, false);
    assert_int_equal(wal_writer_append(w, records, 2, false), -EIO);
    assert_int_equal(wal_writer_len(w), WAL_HEADER_LEN);
    assert_int_equal(wal_writer_append(w, records, 2, false), 0);
    assert_int_equal(wal_writer_close(w), 0);
    assert_small(2, &end);
    assert_int_equal(end.kind, WAL_END_CLEAN);
}

static void nothing_follows_a_failed_sync(void **state)
{
    struct wal_record record = small_record(0);
    struct wal_writer *w;

    (void)state;
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    env_fault_fail(fault, ENV_FAULT_SYNC, 1, EIO, false);
    assert_int_equal(wal_writer_sync(w), -EIO);
    assert_int_equal(wal_writer_sync(w), -EIO);
    assert_int_equal(wal_writer_append(w, &record, 1, true), -EIO);
    (void)wal_writer_close(w);
    assert_int_equal(env_fault_calls(fault, ENV_FAULT_SYNC), 1);
}

static void a_failed_read_is_no_end(void **state)
{
    struct buf b = {0};
    struct wal_reader *r;
    struct wal_record record;

    (void)state;
    write_small(&b);
    for (uint64_t i = 1; i <= 2; i++) {
        env_fault_fail(fault, ENV_FAULT_READ, i, EIO, false);
        assert_int_equal(wal_reader_open(env, NUMBER, &r), -EIO);
    }
    assert_int_equal(buf_reserve(&b, 4 << 20), 0);
    memset(b.data + b.len, 0, 4 << 20);
    b.len += 4 << 20;
    put_log(NUMBER, buf_slice(&b));
    env_fault_fail(fault, 0, 0, 0, false);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    while (wal_reader_next(r, &record) == 1)
        ;
    env_fault_fail(fault, ENV_FAULT_READ, 1, EIO, false);
    assert_int_equal(wal_reader_end(r, &(struct wal_end){0}), -EIO);
    wal_reader_close(r);
    buf_free(&b);
}

static void crashes_lose_only_what_was_not_synced(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        unsigned synced = (unsigned)(seed % (SMALL_COUNT + 1)), count = 0;
        struct wal_record record;
        struct wal_writer *w;
        struct wal_reader *r;
        struct wal_end end;

        assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
        assert_int_equal(env_sync_dir(env), 0);
        for (unsigned i = 0; i < SMALL_COUNT; i++) {
            record = small_record(i);
            /* Only what was synced may be called so. */
            record.synced_seqno = i < synced ? LAST_SEQNO : small_record(synced).first_seqno - 1;
            if (i == synced)
                assert_int_equal(wal_writer_sync(w), 0);
            assert_int_equal(wal_writer_append(w, &record, 1, false), 0);
        }
        if (synced == SMALL_COUNT)
            assert_int_equal(wal_writer_sync(w), 0);
        assert_int_equal(wal_writer_close(w), 0);
        assert_int_equal(env_fault_crash(fault, ENV_FAULT_KEEP_BYTES | ENV_FAULT_KEEP_LEN, seed),
                         0);
        assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
        while (wal_reader_next(r, &record) == 1)
            assert_int_equal(record.first_seqno, small_record(count++).first_seqno);
        assert_true(count >= synced);
        assert_int_equal(wal_reader_end(r, &end), 0);
        assert_true(end.later_synced_seqno < small_record(count).first_seqno);
        wal_reader_close(r);
    }
}

struct syncer {
    struct wal_writer *w;
    atomic_bool stop;
    unsigned count;
};

static void *sync_until_told(void *arg)
{
    struct syncer *s = arg;
    uint64_t len = 0;

    do {
        uint64_t now = wal_writer_len(s->w);

        assert_true(now >= len);
        len = now;
        assert_int_equal(wal_writer_sync(s->w), 0);
        s->count++;
    } while (!atomic_load(&s->stop));
    return NULL;
}

/* On the host's directory itself, so that the thread sanitizer sees its writers and no lock. */
static void a_sync_may_run_beside_appends(void **state)
{
    struct syncer s = {0};
    struct env *host;
    pthread_t thread;
    char *path = scratch_new();

    (void)state;
    atomic_init(&s.stop, false);
    assert_int_equal(env_posix_open(path, 0, &host), 0);
    assert_int_equal(wal_writer_create(host, NUMBER, LAST_SEQNO, &s.w), 0);
    assert_int_equal(pthread_create(&thread, NULL, sync_until_told, &s), 0);
    for (unsigned i = 0; i < 3000; i++) {
        struct wal_record r = {LAST_SEQNO + 1 + i, 1, i, 0, slice_str("some payload")};

        assert_int_equal(wal_writer_append(s.w, &r, 1, false), 0);
    }
    atomic_store(&s.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(s.count > 0);
    assert_int_equal(wal_writer_close(s.w), 0);
    env_close(host);
    scratch_free(path);
}

/* Append records of 900 bytes that nothing shrinks, each synced or not. */
static uint64_t zeros_written_for(bool synced, unsigned record_count)
{
    uint8_t bytes[900];
    struct wal_writer *w;
    struct wal_reader *r;
    struct wal_record got;
    unsigned count = 0;
    struct rng rng = {1};

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    for (unsigned i = 0; i < record_count; i++) {
        struct wal_record record = {LAST_SEQNO + 1 + i, 1, i, 0, slice_of(bytes, sizeof(bytes))};

        assert_int_equal(wal_writer_append(w, &record, 1, false), 0);
        if (synced)
            assert_int_equal(wal_writer_sync(w), 0);
    }
    assert_int_equal(wal_writer_close(w), 0);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    while (wal_reader_next(r, &got) == 1)
        count++;
    assert_int_equal(count, record_count);
    wal_reader_close(r);
    return env_fault_calls(fault, ENV_FAULT_ZERO);
}

static void a_log_that_is_synced_often_has_zeros_ahead(void **state)
{
    uint64_t len = 2000 * 930, step = 256 << 10;

    (void)state;
    assert_true(zeros_written_for(true, 2000) >= len / step);
    assert_true(env_fault_calls(fault, ENV_FAULT_ZERO) <= len / step + 1);
}

static void a_log_that_nobody_syncs_has_no_zeros_ahead(void **state)
{
    (void)state;
    assert_int_equal(zeros_written_for(false, 2000), 0);
}

/* What is reserved is left to the records when the disk is full. */
static void a_full_disk_gets_no_zeros_ahead(void **state)
{
    size_t len = 300 << 10;
    uint8_t *bytes = calloc(1, len);
    struct wal_record record = {LAST_SEQNO + 1, 1, 0, 0, slice_of(bytes, len)};
    struct wal_writer *w;
    uint64_t before;

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    for (; wal_writer_len(w) < 2 * len; record.first_seqno++)
        assert_int_equal(wal_writer_append(w, &record, 1, false), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(wal_writer_sync(w), 0);
    before = env_fault_calls(fault, ENV_FAULT_ZERO);
    env_fault_fail(fault, ENV_FAULT_RESERVE, 1, ENOSPC, true);
    assert_int_equal(wal_writer_append(w, &record, 1, true), 0);
    assert_true(env_fault_happened(fault));
    assert_int_equal(env_fault_calls(fault, ENV_FAULT_ZERO), before);
    assert_int_equal(wal_writer_close(w), 0);
    free(bytes);
}

/*
 * A log of 64 KiB that begins with headers, each right and of a record up to the file's end that is
 * not valid, and ends with a record that is. Was that one found?
 */
static bool finds_record_behind(unsigned header_count)
{
    enum {
        LEN = 64 << 10,
        STEP = 64,
        PAYLOAD_LEN = 100
    };
    static uint8_t bytes[LEN];
    struct wal_record r = {
        .first_seqno = LAST_SEQNO + 50, .op_count = 1, .synced_seqno = LAST_SEQNO};
    uint64_t last;
    struct wal_end end;

    memset(bytes, 'x', LEN);
    wal_header_encode(NUMBER, LAST_SEQNO, bytes);
    for (unsigned i = 0; i < header_count; i++) {
        size_t at = WAL_HEADER_LEN + (size_t)i * STEP;

        r.payload = slice_of(bytes, LEN - at - WAL_RECORD_HEADER_LEN_MAX);
        wal_record_encode(&r, r.payload, false, NUMBER, at, bytes + at);
    }
    r.payload = slice_of(bytes, PAYLOAD_LEN);
    last = LEN - wal_record_plain_len(&r);
    r.payload = slice_of(bytes + LEN - PAYLOAD_LEN, PAYLOAD_LEN);
    wal_record_encode(&r, r.payload, false, NUMBER, last, bytes + last);
    put_log(NUMBER, slice_of(bytes, LEN));
    assert_small(0, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    if (end.later_record_offset == last)
        assert_int_equal(end.later_synced_seqno, LAST_SEQNO);
    else
        assert_int_equal(end.later_synced_seqno, SEQNO_MAX);
    return end.later_record_offset == last;
}

static void a_log_full_of_headers_without_records_is_not_read_once_for_each(void **state)
{
    (void)state;
    assert_true(finds_record_behind(4));
    assert_false(finds_record_behind(100));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_leaves_room_for_what_is_urgent),
        TEST(a_full_disk_gets_no_zeros_ahead),
        TEST(a_log_begins_on_a_disk_too_full_to_reserve),
        TEST(a_failed_append_leaves_the_log_as_it_was),
        TEST(nothing_follows_a_failed_sync),
        TEST(a_failed_read_is_no_end),
        TEST(crashes_lose_only_what_was_not_synced),
        TEST(a_sync_may_run_beside_appends),
        TEST(a_log_that_is_synced_often_has_zeros_ahead),
        TEST(a_log_that_nobody_syncs_has_no_zeros_ahead),
        TEST(a_log_full_of_headers_without_records_is_not_read_once_for_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
