/*
 * The engine through its public header: what every user relies on, and what it says when it
 * refuses.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/lsm.h"

static struct lsm_options default_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    return o;
}

static struct lsm_db *open_or_fail(const char *dir, const struct lsm_options *o)
{
    struct lsm_db *db = NULL;
    int err = lsm_open(dir, o, &db);

    if (err)
        fail_msg("open: %d %s", err, lsm_detail());
    return db;
}

static void put(struct lsm_db *db, const char *key, const char *value)
{
    assert_int_equal(lsm_put(db, key, strlen(key), value, strlen(value), 0), 0);
}

static void expect(struct lsm_db *db, const struct lsm_snapshot *s, const char *key,
                   const char *value)
{
    struct lsm_value v;
    int err = lsm_get(db, s, key, strlen(key), &v);

    if (!value) {
        assert_int_equal(err, -ENOENT);
        return;
    }
    assert_int_equal(err, 0);
    assert_int_equal(v.len, strlen(value));
    assert_memory_equal(v.data, value, v.len);
    lsm_value_done(&v);
}

static void values_survive_closing(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    put(db, "a", "1");
    put(db, "b", "");
    put(db, "c", "3");
    assert_int_equal(lsm_delete(db, "c", 1, 0), 0);
    assert_int_equal(lsm_close(db), 0);
    db = open_or_fail(dir, &o);
    expect(db, NULL, "a", "1");
    expect(db, NULL, "b", ""); /* an empty value is not a deletion */
    expect(db, NULL, "c", NULL);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void snapshot_keeps_what_later_writes_change(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);
    struct lsm_snapshot *s;
    struct lsm_batch *b;

    (void)state;
    put(db, "a", "old");
    put(db, "b", "old");
    put(db, "c", "old");
    assert_int_equal(lsm_snapshot_open(db, &s), 0);
    put(db, "a", "new");
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, "b", 1, "d", 1), 0);
    assert_int_equal(lsm_batch_patch(b, "a", 1, 1, "XY", 2), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    for (int round = 0; round < 2; round++) {
        expect(db, s, "a", "old");
        expect(db, s, "b", "old");
        expect(db, s, "c", "old");
        expect(db, NULL, "a", "nXY");
        expect(db, NULL, "b", NULL);
        expect(db, NULL, "c", NULL);
        assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    }
    lsm_snapshot_close(db, s);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void patch_makes_zeros_before_it(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);
    struct lsm_batch *b;
    struct lsm_value v;

    (void)state;
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_patch(b, "k", 1, 3, "ab", 2), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(lsm_get(db, NULL, "k", 1, &v), 0);
        assert_int_equal(v.len, 5);
        assert_memory_equal(v.data, "\0\0\0ab", 5);
        lsm_value_done(&v);
        assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    }
    lsm_batch_free(b);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void illegal_keys_are_refused(void **state)
{
    static const char key[LSM_KEY_LEN_MAX + 1];
    struct lsm_batch *b;

    (void)state;
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_put(b, "", 0, "v", 1), -EINVAL);
    assert_int_equal(lsm_batch_put(b, key, sizeof(key), "v", 1), -EINVAL);
    assert_int_equal(lsm_batch_put(b, key, LSM_KEY_LEN_MAX, "v", 1), 0);
    assert_int_equal(lsm_batch_patch(b, "k", 1, LSM_VALUE_LEN_MAX, "v", 1), -EINVAL);
    assert_int_equal(lsm_batch_count(b), 1);
    lsm_batch_free(b);
}

static void missing_store_is_named(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db;

    (void)state;
    o.create = false;
    assert_int_equal(lsm_open(scratch_path(dir, "nowhere"), &o, &db), -ERR_STORE_MISSING);
    assert_non_null(strstr(lsm_detail(), "nowhere"));
    assert_int_equal(lsm_open(dir, &o, &db), -ERR_STORE_NOT_ONE);
    scratch_free(dir);
}

static void directory_with_other_files_does_not_become_a_store(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db;
    FILE *f = fopen(scratch_path(dir, "thesis.tex"), "w");

    (void)state;
    assert_non_null(f);
    fclose(f);
    assert_int_equal(lsm_open(dir, &o, &db), -ERR_STORE_NOT_ONE);
    assert_non_null(strstr(lsm_detail(), "thesis.tex"));
    scratch_free(dir);
}

static void directory_with_a_directory_does_not_become_a_store(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db;

    (void)state;
    assert_int_equal(mkdir(scratch_path(dir, "chapters"), 0700), 0);
    assert_int_equal(lsm_open(dir, &o, &db), -ERR_STORE_NOT_ONE);
    assert_non_null(strstr(lsm_detail(), "chapters"));
    assert_int_equal(rmdir(scratch_path(dir, "chapters")), 0);
    db = open_or_fail(dir, &o);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void stray_file_in_a_store_is_left_alone(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);
    FILE *f = fopen(scratch_path(dir, "notes.txt"), "w");

    (void)state;
    assert_non_null(f);
    fclose(f);
    put(db, "a", "1");
    assert_int_equal(lsm_close(db), 0);
    db = open_or_fail(dir, &o);
    expect(db, NULL, "a", "1");
    assert_int_equal(access(scratch_path(dir, "notes.txt"), F_OK), 0);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void second_opener_is_told_the_pid(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new(), pid[32];
    struct lsm_db *db = open_or_fail(dir, &o), *other;

    (void)state;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_int_equal(lsm_open(dir, &o, &other), -ERR_STORE_LOCKED);
    assert_non_null(strstr(lsm_detail(), pid));
    o.create = false;
    o.read_only = true;
    assert_int_equal(lsm_open(dir, &o, &other), -ERR_STORE_LOCKED);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void read_only_store_reads_the_log_and_writes_nothing(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    put(db, "a", "1");
    assert_int_equal(lsm_close(db), 0);
    o.create = false;
    o.read_only = true;
    db = open_or_fail(dir, &o);
    expect(db, NULL, "a", "1");
    assert_int_equal(lsm_put(db, "b", 1, "2", 1, 0), -ERR_READ_ONLY);
    assert_int_equal(lsm_errno(-ERR_READ_ONLY), EROFS);
    assert_int_equal(lsm_sync(db), 0);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

/* A child writes and is killed without a chance to close anything. */
static void killed_process_loses_nothing_acknowledged(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new(), key[32];
    int status;
    pid_t child;

    (void)state;
    o.memtable_len = 64 << 10;
    for (int round = 0; round < 5; round++) {
        struct lsm_db *db;

        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            char value[500];

            memset(value, 'v', sizeof(value));
            if (lsm_open(dir, &o, &db))
                _exit(1);
            for (int i = 0; i < 1000; i++) {
                snprintf(key, sizeof(key), "%d/%d", round, i);
                if (lsm_put(db, key, strlen(key), value, sizeof(value), 0))
                    _exit(2);
            }
            raise(SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        db = open_or_fail(dir, &o);
        for (int i = 0; i < 1000 * (round + 1); i++) {
            struct lsm_value v;

            snprintf(key, sizeof(key), "%d/%d", i / 1000, i % 1000);
            assert_int_equal(lsm_get(db, NULL, key, strlen(key), &v), 0);
            assert_int_equal(v.len, 500);
            lsm_value_done(&v);
        }
        assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
        assert_int_equal(lsm_close(db), 0);
    }
    scratch_free(dir);
}

static int count_line(void *arg, const char *line)
{
    assert_non_null(line);
    ++*(int *)arg;
    return 0;
}

static void every_kind_of_file_can_be_dumped(void **state)
{
    struct lsm_options o = default_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);
    const char *fixed[] = {"SUPERBLOCK", "CURRENT"};
    int lines;

    (void)state;
    put(db, "a", "1");
    assert_int_equal(lsm_flush(db), 0);
    put(db, "b", "2");
    for (unsigned i = 0; i < 2; i++) {
        lines = 0;
        assert_int_equal(lsm_dump_file(dir, fixed[i], false, count_line, &lines), 0);
        assert_true(lines > 0);
    }
    lines = 0;
    for (unsigned number = 1; number < 20; number++) {
        for (unsigned i = 0; i < 3; i++) {
            char name[64];
            int one = 0;

            snprintf(name, sizeof(name), "%s%08u%s", i == 2 ? "MANIFEST-" : "", number,
                     i == 2 ? ""
                     : i    ? ".sst"
                            : ".wal");
            if (access(scratch_path(dir, name), F_OK))
                continue;
            assert_int_equal(lsm_dump_file(dir, name, false, count_line, &one), 0);
            assert_true(one > 0);
            lines |= 1 << i;
        }
    }
    assert_int_equal(lines, 7);
    assert_int_equal(lsm_dump_file(dir, "../x", false, count_line, &lines), -EINVAL);
    assert_int_equal(lsm_dump_file(dir, "00009999.sst", false, count_line, &lines), -ENOENT);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_survive_closing),
        cmocka_unit_test(snapshot_keeps_what_later_writes_change),
        cmocka_unit_test(patch_makes_zeros_before_it),
        cmocka_unit_test(illegal_keys_are_refused),
        cmocka_unit_test(missing_store_is_named),
        cmocka_unit_test(directory_with_other_files_does_not_become_a_store),
        cmocka_unit_test(directory_with_a_directory_does_not_become_a_store),
        cmocka_unit_test(stray_file_in_a_store_is_left_alone),
        cmocka_unit_test(second_opener_is_told_the_pid),
        cmocka_unit_test(read_only_store_reads_the_log_and_writes_nothing),
        cmocka_unit_test(killed_process_loses_nothing_acknowledged),
        cmocka_unit_test(every_kind_of_file_can_be_dumped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
