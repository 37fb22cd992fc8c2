/*
 * What every environment on a directory of the host promises, as test cases. The includer defines
 * open_env.
 */
#ifndef TESTS_UNIT_ENV_ENV_CONTRACT_H
#define TESTS_UNIT_ENV_ENV_CONTRACT_H

#include "lib/cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/env/env.h"

static int open_env(const char *path, struct env **ret);

static char *dir;
static struct env *env;

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    return open_env(dir, &env);
}

static int tear_down(void **state)
{
    (void)state;
    env_close(env);
    env = NULL;
    scratch_free(dir);
    return 0;
}

static uint64_t size_of(const char *name)
{
    struct stat st;

    assert_int_equal(stat(scratch_path(dir, name), &st), 0);
    return (uint64_t)st.st_size;
}

static uint64_t allocated(const char *name)
{
    struct stat st;

    assert_int_equal(stat(scratch_path(dir, name), &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Not every file system keeps blocks ready: those that never overwrite in place (ZFS, FluxFS
 * itself) do not. */
static bool host_reserves(void)
{
    int fd = open(scratch_path(dir, "probe"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool reserves;

    assert_true(fd >= 0);
    reserves = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 << 20) == 0 && allocated("probe") >= 4 << 20;
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(scratch_path(dir, "probe")), 0);
    return reserves;
}

static int append_str(struct env_writer *w, const char *s)
{
    struct slice part = slice_str(s);

    return env_writer_append(w, &part, 1);
}

static void assert_contents(const char *name, const char *want)
{
    struct buf b = {0};

    assert_int_equal(env_read_small(env, name, 1 << 20, &b), 0);
    assert_true(slice_eq(buf_slice(&b), slice_str(want)));
    buf_free(&b);
}

static void appended_parts_follow_each_other(void **state)
{
    struct slice parts[] = {slice_str("one"), slice_of(NULL, 0), slice_str(" two"), slice_str("")};
    struct env_writer *w;
    struct stat st;

    (void)state;
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, parts, 4), 0);
    assert_int_equal(w->len, 7);
    assert_int_equal(env_writer_append(w, parts, 0), 0);
    assert_int_equal(append_str(w, " three"), 0);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_sync_dir(env), 0);
    assert_contents("f", "one two three");
    assert_int_equal(stat(scratch_path(dir, "f"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void an_append_of_very_many_parts_is_whole(void **state)
{
    enum {
        COUNT = 5000
    };
    struct slice *parts = calloc(COUNT, sizeof(*parts));
    struct env_writer *w;
    struct buf b = {0};

    (void)state;
    assert_non_null(parts);
    for (unsigned i = 0; i < COUNT; i++)
        parts[i] = slice_of("abcdefg", i % 8);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, parts, COUNT), 0);
    assert_int_equal(w->len, COUNT / 8 * 28);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_read_small(env, "f", 1 << 20, &b), 0);
    for (size_t i = 0, at = 0; i < COUNT; at += i++ % 8)
        assert_int_equal(memcmp(b.data + at, "abcdefg", i % 8), 0);
    buf_free(&b);
    free(parts);
}

static void creating_empties_what_was_there(void **state)
{
    struct env_writer *w;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(env_writer_create(env, "f", &w), 0);
        assert_int_equal(append_str(w, i ? "b" : "aaaa"), 0);
        assert_int_equal(env_writer_close(w), 0);
    }
    assert_contents("f", "b");
}

static void reserved_space_is_zeros_beyond_the_end_and_given_back(void **state)
{
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "x"), 0);
    assert_int_equal(env_writer_reserve(w, 4 << 20), 0);
    assert_int_equal(env_writer_reserve(w, 1 << 20), 0);
    if (host_reserves()) {
        assert_int_equal(size_of("f"), 4 << 20);
        assert_true(allocated("f") >= 4 << 20);
    }
    assert_int_equal(append_str(w, "y"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(size_of("f"), 2);
    assert_true(allocated("f") < 1 << 20);
}

static void zeros_ahead_change_nothing_that_is_read(void **state)
{
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "abc"), 0);
    env_writer_zero(w, 1 << 20); /* not reserved: of no use */
    assert_int_equal(size_of("f"), 3);
    assert_int_equal(env_writer_reserve(w, 1 << 20), 0);
    env_writer_zero(w, 200 << 10);
    env_writer_zero(w, 2);
    assert_int_equal(w->len, 3);
    assert_int_equal(append_str(w, "def"), 0);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "abcdef");
}

static void truncating_cuts_and_appending_goes_on_from_there(void **state)
{
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "abcdef"), 0);
    assert_int_equal(env_writer_reserve(w, 4 << 20), 0);
    assert_int_equal(env_writer_truncate(w, 7), -EINVAL);
    assert_int_equal(env_writer_truncate(w, 2), 0);
    assert_true(allocated("f") < 1 << 20);
    assert_int_equal(append_str(w, "X"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "abX");
}

static void a_failed_append_leaves_the_old_length(void **state)
{
    struct rlimit old, small;
    struct env_writer *w;
    char *big = calloc(1, 20000);
    struct slice part = slice_of(big, 20000);

    (void)state;
    assert_non_null(big);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "before"), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(env_writer_append(w, &part, 1), -EFBIG);
    assert_non_null(strstr(err_detail(), "/f: cannot write: "));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(w->len, 6);
    assert_int_equal(size_of("f"), 6);
    assert_int_equal(append_str(w, " after"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_contents("f", "before after");
    free(big);
}

static void reads_stop_at_the_end(void **state)
{
    struct env_writer *w;
    struct env_reader *r;
    char got[16];
    size_t len;
    uint64_t file_len;

    (void)state;
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "0123456789"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_reader_open(env, "f", &r), 0);
    env_reader_prefetch(r, 0, UINT64_MAX);
    env_reader_prefetch(r, 0, 10);
    assert_int_equal(env_reader_len(r, &file_len), 0);
    assert_int_equal(file_len, 10);
    assert_int_equal(env_reader_read(r, 3, 4, got, &len), 0);
    assert_int_equal(len, 4);
    assert_memory_equal(got, "3456", 4);
    assert_int_equal(env_reader_read(r, 8, 16, got, &len), 0);
    assert_int_equal(len, 2);
    assert_int_equal(env_reader_read(r, 11, 16, got, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(env_reader_read(r, UINT64_MAX - 3, 16, got, &len), 0);
    assert_int_equal(len, 0);
    env_reader_close(r);
}

/* Read pieces of a file of ten digits that follow each other, with gaps or without. */
static void assert_pieces(const uint64_t (*pieces)[2], size_t count)
{
    static const char digits[] = "0123456789";
    struct env_read reads[8];
    char got[8][16];
    struct env_reader *r;

    assert_int_equal(env_reader_open(env, "f", &r), 0);
    for (size_t i = 0; i < count; i++) {
        memset(got[i], 'x', sizeof(got[i]));
        reads[i] = (struct env_read){r, pieces[i][0], (size_t)pieces[i][1], got[i], 77, 77};
    }
    assert_int_equal(env_read_many(env, reads, count), 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t at = pieces[i][0], left = at < 10 ? 10 - at : 0;
        size_t len = (size_t)(pieces[i][1] < left ? pieces[i][1] : left);

        assert_int_equal(reads[i].ret_err, 0);
        assert_int_equal(reads[i].ret_len, len);
        if (len)
            assert_memory_equal(got[i], digits + at, len);
    }
    env_reader_close(r);
}

static void many_reads_may_touch_or_not_and_end_anywhere(void **state)
{
    static const uint64_t touching[][2] = {{0, 3}, {3, 1}, {4, 6}};
    static const uint64_t with_gaps[][2] = {{1, 2}, {4, 2}, {6, 0}, {9, 1}};
    static const uint64_t beyond[][2] = {{0, 4}, {4, 4}, {8, 4}, {12, 3}};
    static const uint64_t back[][2] = {{5, 2}, {0, 5}, {5, 5}};
    static const uint64_t nothing[][2] = {{0, 0}, {0, 0}};
    static const uint64_t far[][2] = {{0, 1}, {UINT64_MAX - 8, 8}};
    struct env_writer *w;

    (void)state;
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(append_str(w, "0123456789"), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_pieces(touching, 3);
    assert_pieces(with_gaps, 4);
    assert_pieces(beyond, 4);
    assert_pieces(back, 3);
    assert_pieces(nothing, 2);
    assert_pieces(far, 2);
}

static void a_small_file_has_a_largest_length(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_int_equal(env_replace_small(env, "s", slice_str("12345")), 0);
    assert_int_equal(buf_append(&b, "kept", 4), 0);
    assert_int_equal(env_read_small(env, "s", 4, &b), -EFBIG);
    assert_int_equal(env_read_small(env, "t", 4, &b), -ENOENT);
    assert_true(slice_eq(buf_slice(&b), slice_str("kept")));
    assert_int_equal(env_read_small(env, "s", 5, &b), 0);
    assert_true(slice_eq(buf_slice(&b), slice_str("12345")));
    buf_free(&b);
}

static void a_missing_file_is_not_described(void **state)
{
    struct env_reader *r;

    (void)state;
    err_clear();
    assert_int_equal(env_reader_open(env, "none", &r), -ENOENT);
    assert_int_equal(env_remove(env, "none"), -ENOENT);
    assert_string_equal(err_detail(), "");
}

static void replacing_is_whole_and_leaves_no_other_file(void **state)
{
    (void)state;
    assert_int_equal(env_replace_small(env, "CURRENT", slice_str("a long first text")), 0);
    assert_int_equal(env_replace_small(env, "CURRENT", slice_str("second")), 0);
    assert_contents("CURRENT", "second");
    assert_int_equal(env_replace_small(env, "CURRENT", slice_of(NULL, 0)), 0);
    assert_contents("CURRENT", "");
    assert_int_equal(access(scratch_path(dir, "CURRENT.tmp"), F_OK), -1);
    assert_int_equal(mkdir(scratch_path(dir, "d"), 0700), 0);
    assert_int_equal(env_replace_small(env, "d", slice_str("x")), -EISDIR);
    assert_int_equal(access(scratch_path(dir, "d.tmp"), F_OK), -1);
}

static void link_tmp(void)
{
    char tmp[4096];

    snprintf(tmp, sizeof(tmp), "%s", scratch_path(dir, "CURRENT.tmp"));
    assert_int_equal(link(scratch_path(dir, "CURRENT"), tmp), 0);
}

/* As a loss of power can leave it on a disk whose renames are no single change. */
static void replacing_never_writes_to_a_second_name_of_the_file(void **state)
{
    struct rlimit old, small;
    int err;

    (void)state;
    assert_int_equal(env_replace_small(env, "CURRENT", slice_str("first")), 0);
    link_tmp();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    err = env_replace_small(env, "CURRENT", slice_str("a longer second text"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, -EFBIG);
    assert_contents("CURRENT", "first");
    link_tmp();
    assert_int_equal(env_replace_small(env, "CURRENT", slice_str("third")), 0);
    assert_contents("CURRENT", "third");
    assert_int_equal(access(scratch_path(dir, "CURRENT.tmp"), F_OK), -1);
}

static void names_stay_in_the_directory(void **state)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "/tmp/x"};
    struct env_writer *w;
    struct env_reader *r;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(env_writer_create(env, bad[i], &w), -EINVAL);
        assert_int_equal(env_reader_open(env, bad[i], &r), -EINVAL);
        assert_int_equal(env_remove(env, bad[i]), -EINVAL);
        assert_int_equal(env_replace_small(env, bad[i], slice_str("x")), -EINVAL);
    }
}

static void only_plain_files_are_opened(void **state)
{
    struct env_reader *r;
    struct env_writer *w;

    (void)state;
    assert_int_equal(mkdir(scratch_path(dir, "d"), 0700), 0);
    assert_int_equal(mkfifo(scratch_path(dir, "p"), 0600), 0);
    assert_int_equal(symlink("/etc/passwd", scratch_path(dir, "l")), 0);
    assert_int_equal(env_reader_open(env, "d", &r), -EINVAL);
    assert_int_equal(env_reader_open(env, "p", &r), -EINVAL);
    assert_int_equal(env_reader_open(env, "l", &r), -ELOOP);
    assert_int_equal(env_writer_create(env, "l", &w), -ELOOP);
    assert_int_equal(env_writer_create(env, "p", &w), -ENXIO);
}

struct listing {
    unsigned count;
    bool lock, f;
    int answer;
};

static int note(void *arg, const char *name)
{
    struct listing *l = arg;

    l->count++;
    l->lock |= strcmp(name, "LOCK") == 0;
    l->f |= strcmp(name, "f") == 0;
    return l->answer;
}

static void only_plain_files_are_listed(void **state)
{
    struct listing all = {0}, first = {.answer = -EXDEV};

    (void)state;
    assert_int_equal(env_replace_small(env, "f", slice_str("x")), 0);
    assert_int_equal(mkdir(scratch_path(dir, "d"), 0700), 0);
    assert_int_equal(symlink("f", scratch_path(dir, "l")), 0);
    assert_int_equal(env_list(env, note, &all), 0);
    assert_int_equal(all.count, 2);
    assert_true(all.lock && all.f);
    assert_int_equal(env_list(env, note, &first), -EXDEV);
    assert_int_equal(first.count, 1);
}

static void the_disk_has_space(void **state)
{
    uint64_t total = 0, free_len = 0;

    (void)state;
    assert_int_equal(env_space(env, &total, &free_len), 0);
    assert_true(total > 0 && free_len <= total);
}

static void what_files_take_is_counted(void **state)
{
    static const uint8_t bytes[100000] = {1};
    struct env_writer *w;
    struct slice part = slice_of(bytes, sizeof(bytes));
    uint64_t before = 0, with = 0, after = 0;
    struct env_growth growth, later;

    (void)state;
    env_growth(env, &growth);
    assert_int_equal(env_used(env, &before), 0);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, &part, 1), 0);
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_used(env, &with), 0);
    assert_true(with >= before + sizeof(bytes) && with < before + 2 * sizeof(bytes));
    env_growth(env, &later);
    assert_true(later.len >= growth.len + sizeof(bytes));
    assert_int_equal(later.shrunk_count, growth.shrunk_count);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_remove(env, "f"), 0);
    assert_int_equal(env_used(env, &after), 0);
    assert_int_equal(after, before);
    env_growth(env, &later);
    assert_true(later.shrunk_count > growth.shrunk_count);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#define ENV_CONTRACT_TESTS                                                                         \
    TEST(appended_parts_follow_each_other), TEST(an_append_of_very_many_parts_is_whole),           \
        TEST(creating_empties_what_was_there),                                                     \
        TEST(reserved_space_is_zeros_beyond_the_end_and_given_back),                               \
        TEST(zeros_ahead_change_nothing_that_is_read),                                             \
        TEST(truncating_cuts_and_appending_goes_on_from_there),                                    \
        TEST(a_failed_append_leaves_the_old_length), TEST(reads_stop_at_the_end),                  \
        TEST(many_reads_may_touch_or_not_and_end_anywhere),                                        \
        TEST(a_small_file_has_a_largest_length), TEST(a_missing_file_is_not_described),            \
        TEST(replacing_is_whole_and_leaves_no_other_file),                                         \
        TEST(replacing_never_writes_to_a_second_name_of_the_file),                                 \
        TEST(names_stay_in_the_directory), TEST(only_plain_files_are_opened),                      \
        TEST(only_plain_files_are_listed), TEST(the_disk_has_space),                               \
        TEST(what_files_take_is_counted)

#endif
