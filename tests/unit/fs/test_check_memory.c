/*
 * The checker's memory does not grow with the file system: what is beyond its budget goes to a
 * temporary file, and it finds the same. Each check runs in a process of its own, whose largest
 * memory the kernel tells.
 *
 * TEST_INODES=1000000 TEST_MEMORY=64 (MiB) measures large ones.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/fsck.h"
#include "fs/super.h"
#include "lib/scratch.h"

enum {
    FILES_PER_DIR = 500,
};

struct answer {
    struct check_result result;
    uint64_t memory_kib; /* largest resident set */
    double seconds;
    int err;
};

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

static void must(int err)
{
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", lsm_strerror(err), lsm_detail());
        _exit(1);
    }
}

/* Directories lie in directories, and every third one is moved into a newer one. */
static void make_inodes(const char *path, uint64_t count)
{
    struct fs_options o = {.cache_len = 64 << 20};
    const struct fs_cred cred = {0};
    uint64_t dir = FS_ROOT_INO, before = FS_ROOT_INO, dirs = 0;
    struct fs_attr a;
    char name[32];
    struct fs *fs;

    must(fs_mkfs(path, NULL));
    must(fs_open(path, &o, &fs));
    for (uint64_t i = 1; i < count; i++) {
        if (i % FILES_PER_DIR == 1) {
            snprintf(name, sizeof(name), "d%llu", (unsigned long long)i);
            must(fs_mknod(fs, FS_ROOT_INO, name, S_IFDIR | 0755, 0, &cred, &a));
            before = dir;
            dir = a.ino;
            if (dirs++ % 3 == 1)
                must(fs_rename(fs, FS_ROOT_INO, name, before, name, 0));
            continue;
        }
        snprintf(name, sizeof(name), "f%llu", (unsigned long long)i);
        must(fs_mknod(fs, dir, name, S_IFREG | 0644, 0, &cred, &a));
    }
    must(fs_close(fs));
}

static uint64_t largest_memory(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long long kib = 0;
    char line[256];

    while (f && fgets(line, sizeof(line), f))
        sscanf(line, "VmHWM: %llu", &kib);
    if (f)
        fclose(f);
    return kib;
}

static void check_here(const char *path, size_t memory_len, struct answer *ret)
{
    struct check_options o = {.memory_len = memory_len};
    struct timespec begin, end;
    struct lsm_options lo;
    struct lsm_db *db;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    super_store_options(&lo);
    lo.read_only = true;
    lo.cache_bytes = 8 << 20;
    must(lsm_open(path, &lo, &db));
    ret->err = check_run(db, &o, &ret->result);
    lsm_close(db);
    clock_gettime(CLOCK_MONOTONIC, &end);
    ret->seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    ret->memory_kib = largest_memory();
}

/* In a child: with memory_len 0 the store is made, else it is checked. */
static void in_child(const char *path, uint64_t count, size_t memory_len, struct answer *ret)
{
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct answer a = {.err = 0};

        if (memory_len)
            check_here(path, memory_len, &a);
        else
            make_inodes(path, count);
        _exit(write(fds[1], &a, sizeof(a)) != (ssize_t)sizeof(a));
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], ret, sizeof(*ret)), sizeof(*ret));
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void the_same_is_found_with_little_memory(void **state)
{
    uint64_t count = env_number("TEST_INODES", 60000);
    size_t little = (size_t)env_number("TEST_MEMORY", 1) << 20;
    char *dir = scratch_new(), path[300];
    struct answer with_much, with_little;

    (void)state;
    snprintf(path, sizeof(path), "%s/store", dir);
    in_child(path, count, 0, &with_much);
    in_child(path, count, (size_t)1 << 30, &with_much);
    in_child(path, count, little, &with_little);
    assert_int_equal(with_much.err, 0);
    assert_int_equal(with_little.err, 0);
    assert_int_equal(with_much.result.problem_count, 0);
    assert_int_equal(with_much.result.inode_count, count);
    assert_memory_equal(&with_much.result, &with_little.result, sizeof(with_much.result));
    print_message("%llu inodes: with 1 GiB %llu KiB, %.1f s; with %llu MiB %llu KiB, %.1f s\n",
                  (unsigned long long)count, (unsigned long long)with_much.memory_kib,
                  with_much.seconds, (unsigned long long)little >> 20,
                  (unsigned long long)with_little.memory_kib, with_little.seconds);
    scratch_free(dir);
}

/* A full disk below the temporary file ends the check with its error. */
static void a_temporary_file_that_cannot_be_made_ends_the_check(void **state)
{
    char *dir = scratch_new(), path[300];
    struct answer a;

    (void)state;
    snprintf(path, sizeof(path), "%s/store", dir);
    in_child(path, 20000, 0, &a);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    in_child(path, 0, 1, &a);
    unsetenv("TMPDIR");
    assert_int_equal(lsm_errno(a.err), ENOENT);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_found_with_little_memory),
        cmocka_unit_test(a_temporary_file_that_cannot_be_made_ends_the_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
