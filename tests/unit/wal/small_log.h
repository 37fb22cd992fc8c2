/*
 * A small log for tests, whose records are known, in a fault-injecting environment.
 */
#ifndef TESTS_UNIT_WAL_SMALL_LOG_H
#define TESTS_UNIT_WAL_SMALL_LOG_H

#include "lib/cmocka_all.h"

#include "lib/env_fault.h"
#include "lib/scratch.h"
#include "lsm/wal/wal_format.h"

enum {
    NUMBER = 7,
    LAST_SEQNO = 1000,
    SMALL_COUNT = 6,
};

static char *dir;
static struct env_fault *fault;
static struct env *env;

static inline int set_up(void **state)
{
    struct env *base;

    (void)state;
    dir = scratch_new();
    if (env_posix_open(dir, 0, &base) || env_fault_open(base, &fault))
        return -1;
    env = env_fault_env(fault);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    env_fault_close(fault);
    scratch_free(dir);
    return 0;
}

/* Record i of the small log: payloads of 0, 7, 14, ... bytes, one to three operations each. */
static inline struct wal_record small_record(unsigned i)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    struct wal_record r = {.first_seqno = LAST_SEQNO + 1,
                           .op_count = i % 3 + 1,
                           .time_ns = 1700000000000000000u + i,
                           .synced_seqno = LAST_SEQNO + i,
                           .payload = slice_of(text + i, 7 * (size_t)i)};

    for (unsigned j = 0; j < i; j++)
        r.first_seqno += j % 3 + 1;
    return r;
}

static inline void assert_record(const struct wal_record *got, const struct wal_record *want)
{
    assert_int_equal(got->first_seqno, want->first_seqno);
    assert_int_equal(got->op_count, want->op_count);
    assert_int_equal(got->time_ns, want->time_ns);
    assert_int_equal(got->synced_seqno, want->synced_seqno);
    assert_true(slice_eq(got->payload, want->payload));
}

/* Where record i of the small log begins; payloads are too short to be compressed. */
static inline uint64_t small_offset(unsigned i)
{
    uint64_t offset = WAL_HEADER_LEN;

    for (unsigned j = 0; j < i; j++) {
        struct wal_record r = small_record(j);

        offset += wal_record_plain_len(&r);
    }
    return offset;
}

static inline void write_small(struct buf *ret)
{
    struct wal_record records[SMALL_COUNT];
    struct wal_writer *w;
    char name[32];

    for (unsigned i = 0; i < SMALL_COUNT; i++)
        records[i] = small_record(i);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    assert_int_equal(wal_writer_number(w), NUMBER);
    assert_int_equal(wal_writer_append(w, records, 1, false), 0);
    assert_int_equal(wal_writer_append(w, records, 0, false), 0);
    assert_int_equal(wal_writer_append(w, records + 1, SMALL_COUNT - 1, false), 0);
    assert_int_equal(wal_writer_len(w), small_offset(SMALL_COUNT));
    assert_int_equal(wal_writer_sync(w), 0);
    assert_int_equal(wal_writer_close(w), 0);
    wal_file_name(NUMBER, name);
    assert_string_equal(name, "00000007.wal");
    assert_int_equal(env_read_small(env, name, 1 << 20, ret), 0);
    assert_int_equal(ret->len, small_offset(SMALL_COUNT));
}

/* Put bytes in the place of a log. Not synced: the tests that ask for that do not come here. */
static inline void put_log(uint64_t number, struct slice bytes)
{
    struct env_writer *w;
    char name[32];

    wal_file_name(number, name);
    assert_int_equal(env_writer_create(env, name, &w), 0);
    assert_int_equal(env_writer_append(w, &bytes, 1), 0);
    assert_int_equal(env_writer_close(w), 0);
}

/* Read the log, which begins with `count` small records and no more; *ret says how it ends. */
static inline void assert_small(unsigned count, struct wal_end *ret)
{
    struct wal_reader *r;
    struct wal_record got;

    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    for (unsigned i = 0; i < count; i++) {
        struct wal_record want = small_record(i);

        assert_int_equal(wal_reader_next(r, &got), 1);
        assert_record(&got, &want);
    }
    assert_int_equal(wal_reader_next(r, &got), 0);
    assert_int_equal(wal_reader_next(r, &got), 0);
    assert_int_equal(wal_reader_end(r, ret), 0);
    wal_reader_close(r);
}

#endif
