/*
 * Readers of more files than may be open at once.
 */
#include "lib/cmocka_all.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/env/env_posix.h"
#include "lsm/env/env_uring.h"

enum {
    FILE_COUNT = 60,
    FD_MAX = 8,
    READ_COUNT = 4000,
    THREAD_COUNT = 4,
};

static char *dir;
static struct env *env;
static struct env_reader *readers[FILE_COUNT];

static unsigned open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(d);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void file_name(unsigned i, char name[16])
{
    snprintf(name, 16, "%u.x", i);
}

/* File i holds its own number, 100 times. */
static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    assert_int_equal(env_uring_open(dir, 0, &env), 0);
    fd_cache_done(&env_posix_of(env)->fds);
    fd_cache_init(&env_posix_of(env)->fds, FD_MAX);
    for (unsigned i = 0; i < FILE_COUNT; i++) {
        struct env_writer *w;
        uint8_t bytes[100];
        struct slice part = slice_of(bytes, sizeof(bytes));
        char name[16];

        memset(bytes, (int)i, sizeof(bytes));
        file_name(i, name);
        assert_int_equal(env_writer_create(env, name, &w), 0);
        assert_int_equal(env_writer_append(w, &part, 1), 0);
        assert_int_equal(env_writer_close(w), 0);
        assert_int_equal(env_reader_open(env, name, &readers[i]), 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FILE_COUNT; i++)
        env_reader_close(readers[i]);
    env_close(env);
    scratch_free(dir);
    return 0;
}

static bool reads_right(unsigned i, uint64_t offset)
{
    uint8_t bytes[16];
    size_t len;

    return env_reader_read(readers[i], offset, sizeof(bytes), bytes, &len) == 0 &&
           len == sizeof(bytes) && bytes[0] == i && bytes[15] == i;
}

static void a_few_descriptors_do_for_many_files(void **state)
{
    struct rng rng = {1};
    unsigned before = open_files();

    (void)state;
    assert_true(env_posix_of(env)->fds.count <= FD_MAX);
    for (unsigned i = 0; i < READ_COUNT; i++) {
        uint64_t len;
        unsigned which = (unsigned)(rng_next(&rng) % FILE_COUNT);

        assert_true(reads_right(which, i % 80));
        assert_int_equal(env_reader_len(readers[which], &len), 0);
        assert_int_equal(len, 100);
    }
    assert_int_equal(open_files(), before);
}

static void a_batch_may_need_more_than_the_limit(void **state)
{
    struct env_read reads[FILE_COUNT];
    uint8_t bytes[FILE_COUNT][20];
    unsigned before = open_files();

    (void)state;
    for (unsigned i = 0; i < FILE_COUNT; i++)
        reads[i] = (struct env_read){.reader = readers[i], .offset = 3, .len = 20, .buf = bytes[i]};
    env_read_many(env, reads, FILE_COUNT);
    for (unsigned i = 0; i < FILE_COUNT; i++) {
        assert_int_equal(reads[i].ret_err, 0);
        assert_int_equal(reads[i].ret_len, 20);
        assert_int_equal(bytes[i][19], i);
    }
    /* What was opened too much goes with the next ones that are opened. */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < FILE_COUNT; i++)
            assert_true(reads_right(i, 0));
    }
    assert_true(open_files() <= before + FILE_COUNT);
}

static void a_file_that_somebody_removed_is_an_error_and_not_another_file(void **state)
{
    uint8_t byte;
    size_t len;

    (void)state;
    assert_int_equal(unlink(scratch_path(dir, "0.x")), 0);
    for (unsigned i = 1; i < FILE_COUNT; i++)
        assert_true(reads_right(i, 0));
    assert_int_equal(env_reader_read(readers[0], 0, 1, &byte, &len), -ERR_FILE_MISSING);
    assert_non_null(strstr(err_detail(), "0.x"));
    assert_true(reads_right(1, 0));
}

static void *read_at_random(void *arg)
{
    struct rng rng = {(uint64_t)(uintptr_t)arg};

    for (unsigned i = 0; i < READ_COUNT; i++) {
        if (!reads_right((unsigned)(rng_next(&rng) % FILE_COUNT), i % 80))
            return arg;
    }
    return NULL;
}

static void threads_share_the_descriptors(void **state)
{
    pthread_t threads[THREAD_COUNT];

    (void)state;
    for (uintptr_t i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_at_random, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(env_posix_of(env)->fds.count <= FD_MAX + THREAD_COUNT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_few_descriptors_do_for_many_files),
        TEST(a_batch_may_need_more_than_the_limit),
        TEST(a_file_that_somebody_removed_is_an_error_and_not_another_file),
        TEST(threads_share_the_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
