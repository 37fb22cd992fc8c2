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

#include "fs/check/fsck.h"
#include "fs/inode.h"
#include "fs/key.h"
#include "fs/super.h"
#include "lib/scratch.h"

enum {
    FILES_PER_DIR = 500,
};

struct answer {
    struct check_result result;
    uint64_t memory_kib; /* largest resident set */
    uint64_t repaired_count, array_len_max;
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

/* --- Repair --- */

enum {
    GROUP = 1000,
    BUDGET_LEN = 256 << 10, /* the least that a list takes */
    CACHE_LEN = 8 << 20,
};

/* The longest array so far. The linker puts this before reallocarray (tests/CMakeLists.txt). */
static size_t array_len_max;

void *__real_reallocarray(void *items, size_t count, size_t len);
void *__wrap_reallocarray(void *items, size_t count, size_t len);

void *__wrap_reallocarray(void *items, size_t count, size_t len)
{
    array_len_max = count * len > array_len_max ? count * len : array_len_max;
    return __real_reallocarray(items, count, len);
}

/* In one directory: names that lead to nothing, and files whose link count is wrong, in turn. */
static void make_damage(const char *path, uint64_t count)
{
    struct super_facts facts;
    struct lsm_options lo;
    struct lsm_batch *b;
    struct lsm_db *db;

    must(fs_mkfs(path, NULL));
    super_store_options(&lo);
    must(lsm_open(path, &lo, &db));
    must(super_get(db, true, &facts));
    must(lsm_batch_new(&b));
    for (uint64_t i = 0; i < count; i++) {
        struct inode in = {.ino = ((uint64_t)GROUP << 16) + i, .mode = S_IFREG, .nlink = 7};
        uint8_t value[DIRENT_VALUE_LEN];
        char name[32];
        int len = snprintf(name, sizeof(name), "%llu", (unsigned long long)i);
        struct key k;

        key_dirent(&k, FS_ROOT_INO, dirent_hash(facts.secret, name, (size_t)len), name,
                   (size_t)len);
        put_le64(value, in.ino);
        value[8] = S_IFREG >> 12;
        must(lsm_batch_put(b, k.data, k.len, value, sizeof(value)));
        if (i % 2)
            must(inode_put(b, &in));
        if (lsm_batch_count(b) < 10000 && i + 1 < count)
            continue;
        must(lsm_write(db, b, 0));
        lsm_batch_clear(b);
    }
    lsm_batch_free(b);
    must(super_write_group_next(db, GROUP + (count >> 16) + 1));
    must(lsm_close(db));
}

static bool only_safe(void *arg, const struct check_problem *problem, bool safe, const char *what)
{
    (void)arg;
    (void)problem;
    (void)what;
    return safe;
}

static void repair_here(const char *path, size_t memory_len, bool all, struct answer *ret)
{
    struct repair_options o = {.check = {.memory_len = memory_len, .skip_store = true},
                               .decide = all ? NULL : only_safe};
    struct repair_result r;
    struct lsm_options lo;
    struct lsm_db *db;

    super_store_options(&lo);
    lo.cache_bytes = CACHE_LEN;
    must(lsm_open(path, &lo, &db));
    array_len_max = 0;
    ret->err = repair_run(db, &o, &r);
    ret->array_len_max = array_len_max;
    ret->result = r.last;
    ret->repaired_count = r.repaired_count;
    must(lsm_close(db));
}

/* --- Each in a process of its own --- */

enum child {
    CHILD_MAKE,
    CHILD_CHECK,
    CHILD_DAMAGE,
    CHILD_REPAIR_SAFE,
    CHILD_REPAIR_ALL,
};

static void act(enum child what, const char *path, uint64_t count, size_t memory_len,
                struct answer *ret)
{
    switch (what) {
    case CHILD_MAKE:
        make_inodes(path, count);
        break;
    case CHILD_CHECK:
        check_here(path, memory_len, ret);
        break;
    case CHILD_DAMAGE:
        make_damage(path, count);
        break;
    case CHILD_REPAIR_SAFE:
    case CHILD_REPAIR_ALL:
        repair_here(path, memory_len, what == CHILD_REPAIR_ALL, ret);
    }
}

static void in_child_do(enum child what, const char *path, uint64_t count, size_t memory_len,
                        struct answer *ret)
{
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct answer a = {.err = 0};

        act(what, path, count, memory_len, &a);
        _exit(write(fds[1], &a, sizeof(a)) != (ssize_t)sizeof(a));
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], ret, sizeof(*ret)), sizeof(*ret));
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* With memory_len 0 the store is made, else it is checked. */
static void in_child(const char *path, uint64_t count, size_t memory_len, struct answer *ret)
{
    in_child_do(memory_len ? CHILD_CHECK : CHILD_MAKE, path, count, memory_len, ret);
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

static void a_repair_keeps_to_its_budget(void **state)
{
    uint64_t count = env_number("TEST_INODES", 80000);
    char *dir = scratch_new(), path[300];
    struct answer safe, all;

    (void)state;
    snprintf(path, sizeof(path), "%s/store", dir);
    in_child_do(CHILD_DAMAGE, path, count, 0, &safe);
    in_child_do(CHILD_REPAIR_SAFE, path, 0, BUDGET_LEN, &safe);
    in_child_do(CHILD_REPAIR_ALL, path, 0, BUDGET_LEN, &all);
    assert_int_equal(safe.err, 0);
    assert_int_equal(safe.repaired_count, count / 2 + 1); /* and the root's size */
    assert_int_equal(safe.result.problems[CHECK_ENTRY_INODE], count / 2);
    assert_int_equal(all.err, 0);
    assert_int_equal(all.repaired_count, count / 2);
    assert_int_equal(all.result.problem_count, 0);
    assert_int_equal(all.result.inode_count, count / 2 + 1); /* and the root */
    assert_in_range(safe.array_len_max, 1, BUDGET_LEN);
    assert_in_range(all.array_len_max, 1, BUDGET_LEN);
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
        cmocka_unit_test(a_repair_keeps_to_its_budget),
        cmocka_unit_test(a_temporary_file_that_cannot_be_made_ends_the_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
