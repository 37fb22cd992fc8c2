/*
 * Failures that leave it open what is on disk, or that end an opening half way: nothing that the
 * manifest may name is removed, and nothing that it cannot name stays behind.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/env_fault.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    VALUE_LEN = 4000,
    KEY_COUNT = 40
};

struct store {
    char *dir;
    struct env_fault *fault;
    struct lsm_db *db;
};

static int open_store(struct store *s)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.cache_bytes = 1 << 20;
    return db_open(env_fault_env(s->fault), &o, &s->db);
}

static void store_new(struct store *s)
{
    struct env *base;

    s->dir = scratch_new();
    assert_int_equal(env_posix_open(s->dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &s->fault), 0);
    assert_int_equal(open_store(s), 0);
}

static void store_free(struct store *s)
{
    env_fault_close(s->fault);
    scratch_free(s->dir);
}

static void put_keys(struct store *s, unsigned from, unsigned to)
{
    uint8_t value[VALUE_LEN];

    for (unsigned i = from; i < to; i++) {
        char key[16];
        size_t len = (size_t)snprintf(key, sizeof(key), "k%05u", i);

        memset(value, (int)i, sizeof(value));
        assert_int_equal(lsm_put(s->db, key, len, value, sizeof(value), 0), 0);
    }
}

static void expect_keys(struct store *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char key[16];
        size_t len = (size_t)snprintf(key, sizeof(key), "k%05u", i);
        struct lsm_value v;

        assert_int_equal(lsm_get(s->db, NULL, key, len, &v), 0);
        assert_int_equal(v.len, VALUE_LEN);
        assert_int_equal(v.data[0], i & 0xff);
        lsm_value_done(&v);
    }
}

/* --- A switch of CURRENT that happens and is reported as failed --- */

static const struct env_ops *real_ops;

/* The rename was done, the sync of the directory was not: as on a disk that is full. */
static int replace_and_report_full(struct env *env, const char *name, struct slice contents)
{
    int err = real_ops->replace_small(env, name, contents);

    return err ? err : err_raise(ENOSPC, "%s: injected after the rename", name);
}

static bool append_has_failed;

static int fail_one_append_to_a_manifest(struct env_writer *w, const struct slice *parts,
                                         unsigned part_count)
{
    if (append_has_failed || strncmp(w->name, "MANIFEST", 8) != 0)
        return real_ops->writer_append(w, parts, part_count);
    append_has_failed = true;
    return err_raise(ENOSPC, "%s: injected", w->name);
}

static void switch_fails_late(struct store *s, struct env_ops *ops)
{
    struct env *env = env_fault_env(s->fault);

    real_ops = env->ops;
    *ops = *real_ops;
    ops->replace_small = replace_and_report_full;
    env->ops = ops;
}

static void tables_stay_when_the_switch_of_the_manifest_is_in_doubt(void **state)
{
    struct store s = {0};
    struct env_ops ops;
    struct env *env;

    (void)state;
    store_new(&s);
    env = env_fault_env(s.fault);
    put_keys(&s, 0, 5);
    /* The edit's record can't be appended, so a new manifest is begun. */
    append_has_failed = false;
    switch_fails_late(&s, &ops);
    ops.writer_append = fail_one_append_to_a_manifest;
    assert_true(lsm_flush(s.db) < 0);
    assert_true(append_has_failed);
    (void)lsm_close(s.db);
    env->ops = real_ops;
    assert_int_equal(open_store(&s), 0);
    expect_keys(&s, 0, 5);
    assert_int_equal(lsm_close(s.db), 0);
    store_free(&s);
}

static void tables_stay_when_an_opening_leaves_the_switch_in_doubt(void **state)
{
    struct store s = {0};
    struct env_ops ops;
    struct env *env;

    (void)state;
    store_new(&s);
    env = env_fault_env(s.fault);
    put_keys(&s, 0, 5);
    assert_int_equal(lsm_close(s.db), 0);
    switch_fails_late(&s, &ops);
    assert_true(open_store(&s) < 0);
    env->ops = real_ops;
    assert_int_equal(open_store(&s), 0);
    expect_keys(&s, 0, 5);
    assert_int_equal(lsm_close(s.db), 0);
    store_free(&s);
}

/* --- Openings that fail --- */

static int count_table(void *arg, const char *name)
{
    unsigned *count = arg;

    *count += strstr(name, ".sst") != NULL;
    return 0;
}

static unsigned table_files(struct store *s)
{
    unsigned count = 0;

    assert_int_equal(env_list(env_fault_env(s->fault), count_table, &count), 0);
    return count;
}

/* On a full disk every try to open would make it fuller. */
static void openings_that_find_the_disk_full_leave_no_tables(void **state)
{
    struct store s = {0};
    struct lsm_options o;
    unsigned before;

    (void)state;
    store_new(&s);
    put_keys(&s, 0, 10);
    assert_int_equal(lsm_close(s.db), 0);
    /* A log with more than one memtable's worth. */
    lsm_options_default(&o);
    o.cache_bytes = 1 << 20;
    assert_int_equal(db_open(env_fault_env(s.fault), &o, &s.db), 0);
    put_keys(&s, 10, 10 + KEY_COUNT * 4);
    assert_int_equal(lsm_close(s.db), 0);
    before = table_files(&s);
    for (unsigned nth = 2; nth < 40; nth++) {
        env_fault_fail(s.fault, ENV_FAULT_CREATE, nth, ENOSPC, true);
        if (open_store(&s) == 0)
            break;
        assert_int_equal(table_files(&s), before);
        assert_true(nth < 39);
    }
    env_fault_fail(s.fault, 0, 0, 0, false);
    expect_keys(&s, 0, 10 + KEY_COUNT * 4);
    assert_int_equal(lsm_close(s.db), 0);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_stay_when_the_switch_of_the_manifest_is_in_doubt),
        cmocka_unit_test(tables_stay_when_an_opening_leaves_the_switch_in_doubt),
        cmocka_unit_test(openings_that_find_the_disk_full_leave_no_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
