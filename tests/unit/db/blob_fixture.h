/*
 * A store with small limits whose large values are in blob files, for the tests of those.
 */
#ifndef TESTS_UNIT_BLOB_FIXTURE_H
#define TESTS_UNIT_BLOB_FIXTURE_H

#include "lib/cmocka_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/env_fault.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    LARGE_LEN = 20000,
    LEN_MIN = 4096
};

struct store {
    char *dir;
    struct env_fault *fault; /* NULL: straight on the disk */
    struct lsm_options options;
    struct lsm_db *db;
};

static inline void open_store(struct store *s)
{
    int err = s->fault ? db_open(env_fault_env(s->fault), &s->options, &s->db)
                       : lsm_open(s->dir, &s->options, &s->db);

    if (err)
        fail_msg("open: %s", lsm_detail());
}

static inline void close_store(struct store *s)
{
    assert_int_equal(lsm_close(s->db), 0);
    s->db = NULL;
}

static inline void store_init(struct store *s, bool fault)
{
    struct env *base;

    *s = (struct store){.dir = scratch_new()};
    lsm_options_default(&s->options);
    s->options.create = true;
    s->options.blob_len_min = LEN_MIN;
    s->options.blob_file_len = 1 << 20;
    s->options.memtable_len = 64 << 10;
    s->options.table_len = 64 << 10;
    s->options.level_base_len = 128 << 10;
    s->options.cache_bytes = 1 << 20;
    if (fault) {
        assert_int_equal(env_posix_open(s->dir, ENV_CREATE, &base), 0);
        assert_int_equal(env_fault_open(base, &s->fault), 0);
    }
    open_store(s);
}

static inline void store_done(struct store *s)
{
    if (s->db)
        close_store(s);
    env_fault_close(s->fault);
    scratch_free(s->dir);
}

/* A value that tells its key and its round, and does not compress. */
static inline void make_value(unsigned key, unsigned round, uint8_t *value, size_t len)
{
    struct rng rng = {key * 1000 + round};

    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)rng_next(&rng);
}

static inline int put(struct store *s, unsigned key, unsigned round, size_t len, unsigned flags)
{
    uint8_t *value = malloc(len);
    char name[16];
    int err;

    assert_non_null(value);
    make_value(key, round, value, len);
    sprintf(name, "k%06u", key);
    err = lsm_put(s->db, name, strlen(name), value, len, flags);
    free(value);
    return err;
}

static inline void check_at(struct store *s, const struct lsm_snapshot *snapshot, unsigned key,
                            unsigned round, size_t len)
{
    uint8_t *value = malloc(len);
    struct lsm_value v;
    char name[16];
    int err;

    assert_non_null(value);
    make_value(key, round, value, len);
    sprintf(name, "k%06u", key);
    err = lsm_get(s->db, snapshot, name, strlen(name), &v);
    if (err)
        fail_msg("key %u: %s", key, lsm_detail());
    assert_int_equal(v.len, len);
    assert_memory_equal(v.data, value, len);
    lsm_value_done(&v);
    free(value);
}

static inline void check(struct store *s, unsigned key, unsigned round, size_t len)
{
    check_at(s, NULL, key, round, len);
}

struct usage {
    unsigned count; /* files */
    uint64_t len;
};

static inline struct usage files(const struct store *s, const char *suffix)
{
    DIR *dir = opendir(s->dir);
    struct usage u = {0};
    struct dirent *d;

    assert_non_null(dir);
    while ((d = readdir(dir))) {
        size_t len = strlen(d->d_name), n = strlen(suffix);
        struct stat st;

        if (len < n || strcmp(d->d_name + len - n, suffix) != 0)
            continue;
        /* Removed in the background just now. */
        if (fstatat(dirfd(dir), d->d_name, &st, 0))
            continue;
        u.count++;
        u.len += (uint64_t)st.st_size;
    }
    closedir(dir);
    return u;
}

#endif
