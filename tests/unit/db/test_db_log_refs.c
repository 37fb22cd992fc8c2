/*
 * A log that refers to a large value of another key, as only a crafted one does: for recovery it
 * ends there, as it does for repair. Were recovery to go on, it could find what repair never sees.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    VALUE_LEN = 64 << 10
};

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_free(dir);
    return 0;
}

static void store_options(struct lsm_options *ret)
{
    lsm_options_default(ret);
    ret->create = true;
    ret->worker_count = 1;
}

/* The reference that the one entry of the memtable has. */
static void ref_of_a(struct lsm_db *db, struct buf *ret)
{
    struct iter *it;

    assert_int_equal(memtable_iter_new(db->lead_mem, &it), 0);
    iter_seek_first(it);
    assert_true(it->valid);
    assert_int_equal(ikey_kind(it->key), KIND_BLOB_REF);
    assert_int_equal(buf_append(ret, it->value.data, it->value.len), 0);
    iter_free(it);
}

/* Put "a", whose value is large, and "b" with a's value; take the store as a kill would leave it.
 */
static void craft(const char *store, const char *copy)
{
    static uint8_t value[VALUE_LEN] = {1};
    char command[9000];
    struct lsm_options o;
    struct lsm_batch *b;
    struct buf ref = {0};
    struct lsm_db *db;

    store_options(&o);
    assert_int_equal(lsm_open(store, &o, &db), 0);
    assert_int_equal(lsm_put(db, "a", 1, value, sizeof(value), 0), 0);
    ref_of_a(db, &ref);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(batch_add(b, KIND_BLOB_REF, slice_str("b"), buf_slice(&ref)), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    buf_free(&ref);
    assert_int_equal(lsm_put(db, "c", 1, "1", 1, 0), 0);
    snprintf(command, sizeof(command), "cp -r %s %s && rm -f %s/LOCK", store, copy, copy);
    assert_int_equal(system(command), 0);
    assert_int_equal(lsm_close(db), 0);
}

static bool has(struct lsm_db *db, const char *key)
{
    struct lsm_value v;
    int err = lsm_get(db, NULL, key, 1, &v);

    lsm_value_done(&v);
    assert_true(err == 0 || err == -ENOENT);
    return err == 0;
}

static int on_repair(void *arg, const char *file, const char *text)
{
    (void)arg;
    (void)file;
    (void)text;
    return 0;
}

static void a_value_of_another_key_ends_the_log(void **state)
{
    char copy[4200];
    struct lsm_options o;
    struct lsm_db *db;

    (void)state;
    snprintf(copy, sizeof(copy), "%s/copy", dir);
    craft(scratch_path(dir, "store"), copy);
    store_options(&o);
    assert_int_equal(lsm_repair(copy, &o, true, on_repair, NULL), 0);
    assert_int_equal(lsm_open(copy, &o, &db), 0);
    assert_true(has(db, "a"));
    assert_false(has(db, "b"));
    assert_false(has(db, "c"));
    assert_int_equal(lsm_close(db), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_value_of_another_key_ends_the_log, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
