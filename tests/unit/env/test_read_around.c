/*
 * Reading around: each piece of a file is asked for once, by small reads only, and only while the
 * files together are small beside the memory.
 */
#include "lib/cmocka_all.h"

#include <pthread.h>

#include "lsm/env/read_around.h"

enum {
    PIECE = 128 << 10,
    FILE_LEN = 10 * PIECE + 1000, /* eleven pieces */
    THREADS = 4,
    PIECES_MANY = 1000,
};

static struct around_budget budget;
static struct read_around around;

static int set_up(void **state)
{
    (void)state;
    around_budget_init(&budget);
    read_around_init(&around, &budget, FILE_LEN);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    read_around_done(&around);
    assert_int_equal(budget.files_len, 0);
    return 0;
}

static bool wants(uint64_t offset, size_t len)
{
    uint64_t around_offset, around_len;

    return read_around_wants(&around, offset, len, &around_offset, &around_len);
}

static void a_piece_is_asked_for_once(void **state)
{
    uint64_t offset = 0, len = 0;

    (void)state;
    assert_true(read_around_wants(&around, 3 * PIECE + 77, 8192, &offset, &len));
    assert_int_equal(offset, 3 * PIECE);
    assert_int_equal(len, PIECE);
    assert_false(wants(3 * PIECE, 8192));
    assert_false(wants(4 * PIECE - 1, 8192));
    assert_true(wants(4 * PIECE, 8192));
    assert_true(wants(0, 1));
}

static void the_last_piece_ends_with_the_file(void **state)
{
    uint64_t offset = 0, len = 0;

    (void)state;
    assert_true(read_around_wants(&around, FILE_LEN - 1, 1, &offset, &len));
    assert_int_equal(offset, 10 * PIECE);
    assert_int_equal(len, 1000);
    assert_false(wants(FILE_LEN, 1));
    assert_false(wants(UINT64_MAX, 1));
}

static void large_reads_need_no_help(void **state)
{
    (void)state;
    assert_false(wants(0, PIECE));
    assert_true(wants(0, 4096));
}

static void files_of_one_piece_are_read_as_they_are(void **state)
{
    struct read_around small;
    uint64_t offset, len;

    (void)state;
    read_around_init(&small, &budget, PIECE);
    assert_false(read_around_wants(&small, 0, 4096, &offset, &len));
    read_around_done(&small);
}

static void nothing_is_read_around_in_a_store_that_is_large_for_the_machine(void **state)
{
    struct read_around large;

    (void)state;
    assert_true(budget.len_max > FILE_LEN);
    read_around_init(&large, &budget, budget.len_max);
    assert_false(wants(0, 4096));
    read_around_done(&large);
    assert_true(wants(0, 4096));
}

struct asker {
    struct read_around *around;
    unsigned count;
};

static void *ask_all(void *arg)
{
    struct asker *a = arg;
    uint64_t offset, len;

    for (uint64_t i = 0; i < PIECES_MANY; i++)
        a->count += read_around_wants(a->around, i * PIECE, 100, &offset, &len);
    return NULL;
}

static void of_threads_that_come_to_a_piece_one_asks(void **state)
{
    struct asker askers[THREADS];
    struct read_around shared;
    pthread_t threads[THREADS];
    unsigned count = 0;

    (void)state;
    read_around_init(&shared, &budget, (uint64_t)PIECES_MANY * PIECE);
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){&shared, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_all, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        count += askers[i].count;
    }
    assert_int_equal(count, PIECES_MANY);
    read_around_done(&shared);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_piece_is_asked_for_once),
        TEST(the_last_piece_ends_with_the_file),
        TEST(large_reads_need_no_help),
        TEST(files_of_one_piece_are_read_as_they_are),
        TEST(nothing_is_read_around_in_a_store_that_is_large_for_the_machine),
        TEST(of_threads_that_come_to_a_piece_one_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
