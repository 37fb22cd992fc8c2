/*
 * Gathering reads: who has to wait, what is read, and who has to read for himself.
 */
#include "lib/cmocka_all.h"

#include <stdlib.h>

#include "lib/env_fault.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/cache/gather.h"

enum {
    FILE_LEN = 10000
};

static char *dir;
static struct env_fault *fault;
static struct env_reader *reader;
static struct gather gather;

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 256);
}

static int set_up(void **state)
{
    struct env *base;
    struct env_writer *w;
    uint8_t bytes[FILE_LEN] = {0};
    struct slice part = slice_of(bytes, sizeof(bytes));

    (void)state;
    dir = scratch_new();
    for (uint64_t i = 0; i < FILE_LEN; i++)
        bytes[i] = byte_at(i);
    if (env_uring_open(dir, ENV_CREATE, &base) || env_writer_create(base, "f", &w) ||
        env_writer_append(w, &part, 1) || env_writer_close(w) || env_fault_open(base, &fault))
        return -1;
    return env_reader_open(env_fault_env(fault), "f", &reader);
}

static int tear_down(void **state)
{
    (void)state;
    gather_done(&gather);
    env_reader_close(reader);
    env_fault_close(fault);
    scratch_free(dir);
    return 0;
}

static void assert_read(uint64_t offset, size_t len)
{
    struct cache_block *b;

    assert_int_equal(gather_get(&gather, reader, offset, len, &b), 1);
    assert_int_equal(b->len, len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(b->data[i], byte_at(offset + i));
    cache_block_unref(b);
}

static void what_is_missing_comes_with_the_next_read(void **state)
{
    struct cache_block *b;

    (void)state;
    assert_false(gather_waits(&gather));
    for (int again = 0; again < 2; again++)
        for (uint64_t i = 0; i < 50; i++)
            assert_int_equal(gather_get(&gather, reader, i * 150, 120, &b), GATHER_LATER);
    assert_true(gather_waits(&gather));
    gather_read(&gather);
    assert_false(gather_waits(&gather));
    assert_int_equal(env_fault_calls(fault, ENV_FAULT_READ), 50);
    for (uint64_t i = 0; i < 50; i++)
        assert_read(i * 150, 120);
    /* Another place, or another length, is another read. */
    assert_int_equal(gather_get(&gather, reader, 150, 121, &b), GATHER_LATER);
    assert_int_equal(gather_get(&gather, reader, 151, 120, &b), GATHER_LATER);
    gather_read(&gather);
    assert_read(150, 121);
    assert_read(151, 120);
}

static void a_read_that_failed_or_is_short_is_left_to_the_asker(void **state)
{
    struct cache_block *b;

    (void)state;
    assert_int_equal(gather_get(&gather, reader, 0, 10, &b), GATHER_LATER);
    assert_int_equal(gather_get(&gather, reader, 10, 10, &b), GATHER_LATER);
    assert_int_equal(gather_get(&gather, reader, FILE_LEN - 5, 10, &b), GATHER_LATER);
    env_fault_fail(fault, ENV_FAULT_READ, 2, EIO, false);
    gather_read(&gather);
    assert_read(0, 10);
    assert_int_equal(gather_get(&gather, reader, 10, 10, &b), 0);
    assert_int_equal(gather_get(&gather, reader, FILE_LEN - 5, 10, &b), 0);
}

static void a_full_gather_sends_nobody_away(void **state)
{
    struct cache_block *b;

    (void)state;
    for (uint64_t i = 0; i < GATHER_COUNT_MAX; i++)
        assert_int_equal(gather_get(&gather, reader, i, 1, &b), GATHER_LATER);
    assert_int_equal(gather_get(&gather, reader, GATHER_COUNT_MAX, 1, &b), 0);
    gather_read(&gather);
    for (uint64_t i = 0; i < GATHER_COUNT_MAX; i++)
        assert_read(i, 1);
    assert_int_equal(gather_get(&gather, reader, GATHER_COUNT_MAX, 1, &b), 0);
}

static void memory_is_bounded(void **state)
{
    struct cache_block *b;

    (void)state;
    assert_int_equal(gather_get(&gather, reader, 0, GATHER_LEN_MAX - 10, &b), GATHER_LATER);
    assert_int_equal(gather_get(&gather, reader, 1, 11, &b), 0);
    assert_int_equal(gather_get(&gather, reader, 2, 10, &b), GATHER_LATER);
    gather_read(&gather);
    assert_int_equal(gather_get(&gather, reader, 0, GATHER_LEN_MAX - 10, &b), 0);
    assert_read(2, 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_missing_comes_with_the_next_read),
        TEST(a_read_that_failed_or_is_short_is_left_to_the_asker),
        TEST(a_full_gather_sends_nobody_away),
        TEST(memory_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
