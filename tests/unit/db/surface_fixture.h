/*
 * What the tests of the library's surface share: a store in a scratch directory, looked at through
 * lsm.h and, where damage is the matter, through its files.
 */
#ifndef TESTS_UNIT_DB_SURFACE_FIXTURE_H
#define TESTS_UNIT_DB_SURFACE_FIXTURE_H

#include "lib/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lsm/lsm.h"

static char *dir;
static struct lsm_options options;

static inline int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    lsm_options_default(&options);
    options.create = true;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    scratch_free(dir);
    return 0;
}

static inline struct lsm_db *open_store(void)
{
    struct lsm_db *db = NULL;
    int err = lsm_open(dir, &options, &db);

    if (err)
        fail_msg("open: %d %s", err, lsm_detail());
    return db;
}

static inline void close_store(struct lsm_db *db)
{
    assert_int_equal(lsm_close(db), 0);
}

static inline void put(struct lsm_db *db, const char *key, const char *value)
{
    assert_int_equal(lsm_put(db, key, strlen(key), value, strlen(value), 0), 0);
}

static inline void delete_key(struct lsm_db *db, const char *key)
{
    assert_int_equal(lsm_delete(db, key, strlen(key), 0), 0);
}

/* NULL: there is no such key. Returns the sequence number of the value, 0 for none. */
static inline uint64_t expect(struct lsm_db *db, const char *key, const char *value)
{
    struct lsm_value v;
    uint64_t seqno = 0;
    int err = lsm_get(db, NULL, key, strlen(key), &v);

    if (!value) {
        assert_int_equal(err, -ENOENT);
        return 0;
    }
    assert_int_equal(err, 0);
    assert_int_equal(v.len, strlen(value));
    if (v.len)
        assert_memory_equal(v.data, value, v.len);
    seqno = v.seqno;
    lsm_value_done(&v);
    return seqno;
}

/* What is written by `write` is left behind by a process that ends without closing the store. */
static inline void write_and_die(void (*write)(struct lsm_db *db))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (!pid) {
        struct lsm_db *db = NULL;

        if (lsm_open(dir, &options, &db))
            _exit(1);
        write(db);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The newest file of the store whose name ends so, in static storage. */
static inline const char *newest(const char *suffix)
{
    static char found[64];
    DIR *d = opendir(dir);
    struct dirent *e;

    assert_non_null(d);
    found[0] = 0;
    while ((e = readdir(d))) {
        size_t len = strlen(e->d_name), suffix_len = strlen(suffix);

        if (len > suffix_len && len < sizeof(found) && strcmp(e->d_name, found) > 0 &&
            !strcmp(e->d_name + len - suffix_len, suffix))
            memcpy(found, e->d_name, len + 1);
    }
    closedir(d);
    assert_true(found[0]);
    return found;
}

static inline off_t file_len(const char *name)
{
    struct stat st;

    assert_int_equal(stat(scratch_path(dir, name), &st), 0);
    return st.st_size;
}

/* Where the last record of a log ends; behind it there may be zeros, space that was reserved. */
static inline off_t log_end(const char *name)
{
    FILE *f = fopen(scratch_path(dir, name), "r");
    off_t end = 0;
    int byte;

    assert_non_null(f);
    for (off_t at = 1; (byte = fgetc(f)) != EOF; at++)
        end = byte ? at : end;
    fclose(f);
    return end;
}

/* One bit of the file's byte at the offset is turned. */
static inline void flip_bit(const char *name, long offset)
{
    FILE *f = fopen(scratch_path(dir, name), "r+");
    int byte;

    assert_non_null(f);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    byte = fgetc(f);
    assert_true(byte >= 0);
    assert_int_equal(fseek(f, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 4, f), byte ^ 4);
    assert_int_equal(fclose(f), 0);
}

#endif
