/*
 * The fault-injecting environment does what the tests that use it rely on.
 */
#include "lib/cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/env_fault.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"

static char *dir;
static struct env_fault *fault;
static struct env *env;

static int set_up(void **state)
{
    struct env *base;

    (void)state;
    dir = scratch_new();
    if (env_posix_open(dir, 0, &base) || env_fault_open(base, &fault))
        return -1;
    env = env_fault_env(fault);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    env_fault_close(fault);
    scratch_free(dir);
    return 0;
}

static int append_str(struct env_writer *w, const char *s)
{
    struct slice part = slice_str(s);

    return env_writer_append(w, &part, 1);
}

static struct env_writer *create(const char *name, const char *contents)
{
    struct env_writer *w;

    assert_int_equal(env_writer_create(env, name, &w), 0);
    assert_int_equal(append_str(w, contents), 0);
    return w;
}

static void assert_contents(const char *name, const char *want)
{
    struct buf b = {0};

    assert_int_equal(env_read_small(env, name, 1 << 20, &b), 0);
    assert_true(slice_eq(buf_slice(&b), slice_str(want)));
    buf_free(&b);
}

static void assert_missing(const char *name)
{
    struct env_reader *r;

    assert_int_equal(env_reader_open(env, name, &r), -ENOENT);
}

static void the_chosen_call_fails_once(void **state)
{
    struct env_writer *w = create("f", "a");

    (void)state;
    env_fault_fail(fault, ENV_FAULT_APPEND, 2, EIO, false);
    assert_int_equal(append_str(w, "b"), 0);
    assert_false(env_fault_happened(fault));
    assert_int_equal(append_str(w, "c"), -EIO);
    assert_true(env_fault_happened(fault));
    assert_int_equal(append_str(w, "d"), 0);
    assert_int_equal(env_fault_calls(fault, ENV_FAULT_APPEND), 4);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "abd");
}

static void all_calls_fail_after_the_power_was_cut(void **state)
{
    struct env_writer *w = create("f", "a");
    uint64_t total, free_len;

    (void)state;
    env_fault_cut_power(fault);
    assert_int_equal(append_str(w, "b"), -EIO);
    assert_int_equal(env_writer_sync(w), -EIO);
    assert_int_equal(env_sync_dir(env), -EIO);
    assert_int_equal(env_remove(env, "f"), -EIO);
    assert_int_equal(env_replace_small(env, "g", slice_str("x")), -EIO);
    assert_int_equal(env_space(env, &total, &free_len), -EIO);
    assert_int_equal(env_fault_crash(fault, 0, 1), -EBUSY);
    (void)env_writer_close(w);
    assert_int_equal(env_fault_crash(fault, 0, 1), 0);
    assert_missing("f");
}

static void a_failed_sync_is_sticky(void **state)
{
    struct env_writer *w = create("f", "a");

    (void)state;
    env_fault_fail(fault, ENV_FAULT_SYNC, 1, EIO, false);
    assert_int_equal(env_writer_sync(w), -EIO);
    assert_int_equal(env_writer_sync(w), -EIO);
    assert_int_equal(append_str(w, "b"), -EIO);
    assert_int_equal(env_writer_close(w), -EIO);
}

static void a_crash_keeps_what_was_synced(void **state)
{
    struct env_writer *w = create("f", "synced"), *g = create("g", "no name"), *h;

    (void)state;
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(append_str(w, " lost"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    assert_int_equal(env_writer_sync(g), 0);
    assert_int_equal(env_writer_close(g), 0);
    h = create("h", "no name");
    assert_int_equal(env_writer_sync(h), 0);
    assert_int_equal(env_writer_close(h), 0);
    assert_int_equal(env_replace_small(env, "c", slice_str("whole")), 0);
    assert_int_equal(env_fault_crash(fault, 0, 1), 0);
    assert_contents("f", "synced");
    assert_contents("g", "no name");
    assert_missing("h");
    assert_contents("c", "whole");
    assert_int_equal(env_fault_crash(fault, 0, 1), 0);
    assert_contents("f", "synced");
}

static void a_crash_may_keep_a_prefix_or_zeros(void **state)
{
    bool prefix = false, zeros = false, all = false, none = false;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct env_writer *w = create("f", "syn");
        struct buf b = {0};

        assert_int_equal(env_writer_sync(w), 0);
        assert_int_equal(env_sync_dir(env), 0);
        assert_int_equal(append_str(w, "more"), 0);
        assert_int_equal(env_writer_close(w), 0);
        assert_int_equal(env_fault_crash(fault, ENV_FAULT_KEEP_BYTES | ENV_FAULT_KEEP_LEN, seed),
                         0);
        assert_int_equal(env_read_small(env, "f", 7, &b), 0);
        assert_true(b.len >= 3);
        assert_memory_equal(b.data, "synmore", strnlen((const char *)b.data, b.len));
        all |= b.len == 7 && b.data[6];
        none |= b.len == 3;
        prefix |= b.len > 3 && b.len < 7;
        zeros |= b.len == 7 && !b.data[6];
        buf_free(&b);
    }
    assert_true(prefix && zeros && all && none);
}

static void removed_files_can_come_back_until_the_directory_is_synced(void **state)
{
    unsigned back = 0;

    (void)state;
    env_fault_remember_removed(fault);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct env_reader *r;

        assert_int_equal(env_replace_small(env, "a", slice_str("a")), 0);
        assert_int_equal(env_replace_small(env, "b", slice_str("b")), 0);
        assert_int_equal(env_remove(env, "a"), 0);
        assert_int_equal(env_sync_dir(env), 0);
        assert_int_equal(env_remove(env, "b"), 0);
        assert_int_equal(env_fault_crash(fault, ENV_FAULT_RESURRECT, seed), 0);
        assert_missing("a");
        if (env_reader_open(env, "b", &r) == 0) {
            env_reader_close(r);
            assert_contents("b", "b");
            back++;
        }
    }
    assert_true(back > 0 && back < 20);
}

static void the_disk_is_full_until_something_is_removed(void **state)
{
    struct env_writer *a = create("a", "12345678"), *b = create("b", "1");
    uint64_t total, free_len, before = env_fault_used(fault) - 9;

    (void)state;
    env_fault_limit(fault, before + 10);
    assert_int_equal(append_str(b, "22"), -ENOSPC);
    assert_int_equal(b->len, 1);
    assert_int_equal(append_str(b, "2"), 0);
    assert_int_equal(env_writer_reserve(b, 3), -ENOSPC);
    assert_int_equal(env_replace_small(env, "c", slice_str("3")), -ENOSPC);
    assert_int_equal(env_space(env, &total, &free_len), 0);
    assert_int_equal(free_len, 0);
    assert_int_equal(env_writer_close(a), 0);
    assert_int_equal(env_remove(env, "a"), 0);
    assert_int_equal(env_writer_reserve(b, 10), 0);
    assert_int_equal(env_fault_used(fault), before + 10);
    assert_int_equal(append_str(b, "34567890"), 0);
    assert_int_equal(env_writer_truncate(b, 4), 0);
    assert_int_equal(env_fault_used(fault), before + 4);
    assert_int_equal(env_writer_close(b), 0);
}

static void *use_a_file(void *arg)
{
    for (unsigned i = 0; i < 100; i++) {
        struct env_writer *w = create(arg, "x");

        assert_int_equal(env_writer_close(w), 0);
        assert_int_equal(env_remove(env, arg), 0);
    }
    return NULL;
}

static void threads_may_share_it(void **state)
{
    char names[4][2] = {"a", "b", "c", "d"};
    uint64_t before = env_fault_used(fault);
    pthread_t threads[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_a_file, names[i]), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(env_fault_calls(fault, ENV_FAULT_CREATE | ENV_FAULT_REMOVE), 800);
    assert_int_equal(env_fault_used(fault), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_chosen_call_fails_once),
        TEST(all_calls_fail_after_the_power_was_cut),
        TEST(a_failed_sync_is_sticky),
        TEST(a_crash_keeps_what_was_synced),
        TEST(a_crash_may_keep_a_prefix_or_zeros),
        TEST(removed_files_can_come_back_until_the_directory_is_synced),
        TEST(the_disk_is_full_until_something_is_removed),
        TEST(threads_may_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
