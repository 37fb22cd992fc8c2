/*
 * The bound for the length of a value. A store that was written with a high one is opened with a
 * low one: what passes it is damage of its key alone, on every way that leads to a value.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/lsm.h"

enum {
    BOUND = 4096,
    BLOB_LEN_MIN = 7000,
    LONG_PUT = 5000,  /* stays in the tree */
    LONG_BLOB = 8000, /* goes to a blob file */
    LONG_PATCH = 100000,
    TOLD_COUNT_MAX = 32
};

static struct lsm_options options;
static struct lsm_db *db;
static char *dir;
static uint8_t bytes[LONG_BLOB];

/* Ascending. What is wrong with a key at the low bound; 0: it reads "good". */
static const struct {
    const char *key;
    int err;
} keys[] = {
    {"a-good", 0},
    {"b-patch", -ERR_VALUE_LEN},
    {"c-put", -ERR_VALUE_LEN},
    {"d-hidden", 0},
    {"e-patched", -ERR_VALUE_LEN},
    {"f-blob", -ERR_VALUE_LEN},
    {"g-deleted", -ENOENT},
    {"h-covered", -ENOENT},
    {"i-good-over", -ERR_VALUE_LEN},
    {"j-gibibyte", -ERR_VALUE_LEN},
    {"k-covered-below", 0},
    {"z-good", 0},
};

enum {
    KEY_COUNT = sizeof(keys) / sizeof(keys[0])
};

static int reopen(size_t bound)
{
    int err = lsm_close(db);

    assert_int_equal(err, 0);
    db = NULL;
    options.value_len_max = bound;
    return lsm_open(dir, &options, &db);
}

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    lsm_options_default(&options);
    options.create = true;
    options.memtable_len = 8 << 20;
    options.blob_len_min = BLOB_LEN_MIN;
    options.worker_count = 1;
    memset(bytes, 'v', sizeof(bytes));
    db = NULL;
    return reopen(LSM_VALUE_LEN_MAX);
}

static int teardown(void **state)
{
    (void)state;
    lsm_close(db);
    scratch_free(dir);
    return 0;
}

static void put(const char *key, const void *value, size_t len)
{
    assert_int_equal(lsm_put(db, key, strlen(key), value, len, 0), 0);
}

static int try_patch(const char *key, uint64_t offset, const char *text)
{
    struct lsm_batch *b;
    int err;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_patch(b, key, strlen(key), offset, text, strlen(text)), 0);
    err = lsm_write(db, b, 0);
    lsm_batch_free(b);
    return err;
}

static void patch(const char *key, uint64_t offset, const char *text)
{
    assert_int_equal(try_patch(key, offset, text), 0);
}

static void delete_range(const char *start, const char *end)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, start, strlen(start), end, strlen(end)), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
}

static void fill(void)
{
    patch("g-deleted", LONG_PATCH, "x");
    patch("h-covered", LONG_PATCH, "x");
    patch("k-covered-below", LONG_PATCH, "x");
    delete_range("h", "i");
    delete_range("k", "l");
    put("a-good", "good", 4);
    patch("b-patch", LONG_PATCH, "x");
    put("c-put", bytes, LONG_PUT);
    patch("d-hidden", LONG_PATCH, "x");
    put("d-hidden", "good", 4);
    put("e-patched", "good", 4);
    patch("e-patched", LONG_PATCH, "x");
    put("f-blob", bytes, LONG_BLOB);
    assert_int_equal(lsm_delete(db, "g-deleted", 9, 0), 0);
    patch("i-good-over", LONG_PATCH, "x");
    patch("i-good-over", 0, "good");
    patch("j-gibibyte", LSM_VALUE_LEN_MAX - 1, "x");
    patch("k-covered-below", 2, "od");
    patch("k-covered-below", 0, "go");
    put("z-good", "good", 4);
}

static bool is_good(const struct lsm_value *v)
{
    return v->len == 4 && memcmp(v->data, "good", 4) == 0;
}

/* Every key by lsm_get, which is to name the table. */
static void expect_gets(void)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct lsm_value v;
        int err = lsm_get(db, NULL, keys[i].key, strlen(keys[i].key), &v);

        assert_int_equal(err, keys[i].err);
        if (err == -ERR_VALUE_LEN) {
            assert_true(lsm_is_damage(err));
            assert_non_null(strstr(lsm_detail(), ".sst: block at offset "));
        } else if (!err) {
            assert_true(is_good(&v));
        }
        lsm_value_done(&v);
    }
}

static void expect_multi_get(void)
{
    struct lsm_value values[KEY_COUNT];
    struct lsm_key wanted[KEY_COUNT];
    int errs[KEY_COUNT];

    for (size_t i = 0; i < KEY_COUNT; i++)
        wanted[i] = (struct lsm_key){keys[i].key, strlen(keys[i].key)};
    assert_int_equal(lsm_multi_get(db, NULL, wanted, KEY_COUNT, values, errs), -ERR_VALUE_LEN);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        assert_int_equal(errs[i], keys[i].err);
        lsm_value_done(&values[i]);
    }
}

static void expect_here(struct lsm_iter *it, const char *key)
{
    size_t len;
    const void *at = lsm_iter_key(it, &len);

    assert_int_equal(len, strlen(key));
    assert_memory_equal(at, key, len);
    at = lsm_iter_value(it, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(at, "good", 4);
}

/* A move that meets a bad value fails; a seek beyond it goes on. */
static void expect_scan(bool reverse)
{
    struct lsm_iter *it;
    bool sought = true;

    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (size_t n = 0; n < KEY_COUNT; n++) {
        size_t i = reverse ? KEY_COUNT - 1 - n : n;
        const char *key = keys[i].key;
        char bound[32];
        int rc;

        if (keys[i].err == -ENOENT)
            continue;
        snprintf(bound, sizeof(bound), "%s%s", key, reverse ? "~" : "");
        if (sought)
            rc = reverse ? lsm_iter_seek_prev(it, bound, strlen(bound))
                         : lsm_iter_seek(it, bound, strlen(bound));
        else
            rc = reverse ? lsm_iter_prev(it) : lsm_iter_next(it);
        assert_int_equal(rc, keys[i].err ? keys[i].err : 1);
        if (rc == 1) {
            expect_here(it, key);
            assert_string_equal(lsm_detail(), "");
        }
        sought = rc < 0;
    }
    lsm_iter_free(it);
}

static void expect_all(void)
{
    expect_gets();
    expect_multi_get();
    expect_scan(false);
    expect_scan(true);
}

static void writes_beyond_the_bound_are_refused(void **state)
{
    struct lsm_value v;
    struct lsm_batch *b;

    (void)state;
    assert_int_equal(reopen(BOUND), 0);
    assert_int_equal(lsm_put(db, "k", 1, bytes, BOUND + 1, 0), -EFBIG);
    assert_int_equal(lsm_put(db, "k", 1, bytes, LONG_BLOB, 0), -EFBIG);
    assert_non_null(strstr(lsm_detail(), "8000 bytes"));
    assert_int_equal(try_patch("k", BOUND, "x"), -EFBIG);
    assert_int_equal(try_patch("k", BOUND - 1, "xy"), -EFBIG);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_put(b, "k", 1, "v", 1), 0);
    assert_int_equal(lsm_batch_put(b, "l", 1, bytes, BOUND + 1), 0);
    assert_int_equal(lsm_write(db, b, 0), -EFBIG);
    assert_int_equal(lsm_get(db, NULL, "k", 1, &v), -ENOENT);
    lsm_batch_clear(b);
    assert_int_equal(lsm_batch_put(b, "k", 1, bytes, BOUND), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    assert_int_equal(try_patch("k", BOUND - 1, "x"), 0);
    assert_int_equal(lsm_get(db, NULL, "k", 1, &v), 0);
    assert_int_equal(v.len, BOUND);
    lsm_value_done(&v);
    options.value_len_max = 100;
    lsm_close(db);
    db = NULL;
    assert_int_equal(lsm_open(dir, &options, &db), -EINVAL);
    assert_int_equal(reopen(BOUND), 0);
}

static void what_is_too_long_is_an_error_of_its_key(void **state)
{
    struct lsm_batch *b;

    (void)state;
    fill();
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(reopen(BOUND), 0);
    expect_all();
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_copy(b, db, "f-blob", 6, "to", 2, NULL), -ERR_VALUE_LEN);
    assert_int_equal(lsm_batch_copy(b, db, "b-patch", 7, "to", 2, NULL), -ERR_VALUE_LEN);
    assert_int_equal(lsm_batch_count(b), 0);
    lsm_batch_free(b);
}

/* A patch above it in the memtable: what is put together is too long all the same. */
static void patches_over_what_is_too_long_do_not_help(void **state)
{
    struct lsm_value v;

    (void)state;
    fill();
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(reopen(BOUND), 0);
    patch("f-blob", 0, "x");
    assert_int_equal(lsm_get(db, NULL, "f-blob", 6, &v), -ERR_VALUE_LEN);
    put("b-patch", "good", 4);
    assert_int_equal(lsm_get(db, NULL, "b-patch", 7, &v), 0);
    assert_true(is_good(&v));
    lsm_value_done(&v);
}

static void expect_len(const char *key, size_t len)
{
    struct lsm_value v;

    assert_int_equal(lsm_get(db, NULL, key, strlen(key), &v), 0);
    assert_int_equal(v.len, len);
    lsm_value_done(&v);
}

static void compaction_leaves_it_as_it_is(void **state)
{
    struct lsm_snapshot *s;

    (void)state;
    fill();
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_snapshot_open(db, &s), 0);
    put("z-good", "good", 4);
    patch("e-patched", 1, "x");
    assert_int_equal(lsm_flush(db), 0);
    lsm_snapshot_close(db, s);
    assert_int_equal(reopen(BOUND), 0);
    for (unsigned i = 0; i < 2; i++) {
        put("m", "more", 4);
        assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
        put("m", "more", 4);
        assert_int_equal(lsm_delete(db, "m", 1, 0), 0);
        expect_all();
    }
    assert_int_equal(reopen(LSM_VALUE_LEN_MAX), 0);
    expect_len("b-patch", LONG_PATCH + 1);
    expect_len("c-put", LONG_PUT);
    expect_len("e-patched", LONG_PATCH + 1);
    expect_len("f-blob", LONG_BLOB);
    expect_len("i-good-over", LONG_PATCH + 1);
    expect_len("k-covered-below", 4);
}

/* --- Verification and repair --- */

static char told[TOLD_COUNT_MAX][32];
static unsigned told_count, damage_count;

static int on_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    (void)arg, (void)offset;
    damage_count++;
    if (strstr(file, ".sst"))
        assert_non_null(strstr(text, ".sst: block at offset "));
    assert_non_null(strstr(text, "the store takes 4096 at most"));
    return 0;
}

static int on_loss(void *arg, const struct lsm_loss *loss)
{
    (void)arg;
    assert_int_equal(loss->kind, LSM_LOSS_VALUE);
    assert_true(loss->first_len < sizeof(told[0]) && told_count < TOLD_COUNT_MAX);
    assert_true(loss->seqno_min && loss->seqno_min == loss->seqno_max);
    memcpy(told[told_count], loss->first, loss->first_len);
    told[told_count++][loss->first_len] = 0;
    return 0;
}

static bool was_told(const char *key)
{
    for (unsigned i = 0; i < told_count; i++) {
        if (strcmp(told[i], key) == 0)
            return true;
    }
    return false;
}

static void expect_told(void)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].err == -ERR_VALUE_LEN)
            assert_true(was_told(keys[i].key));
        else if (strstr(keys[i].key, "good"))
            assert_false(was_told(keys[i].key));
    }
}

static void expect_repaired(void)
{
    assert_int_equal(lsm_open(dir, &options, &db), 0);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct lsm_value v;
        int err = lsm_get(db, NULL, keys[i].key, strlen(keys[i].key), &v);

        /* A patch that was laid over what is gone is there still. */
        if (strcmp(keys[i].key, "i-good-over") == 0)
            assert_int_equal(err, 0);
        else
            assert_int_equal(err, keys[i].err ? -ENOENT : 0);
        if (!err)
            assert_true(is_good(&v));
        lsm_value_done(&v);
    }
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    told_count = 0;
    assert_true(lsm_losses(db, on_loss, NULL) > 0);
    expect_told();
}

static void repair_it(void)
{
    int dry;

    lsm_close(db);
    db = NULL;
    told_count = 0;
    dry = lsm_repair_losses(dir, &options, true, NULL, on_loss, NULL);
    assert_int_equal(dry, 1);
    expect_told();
    told_count = 0;
    assert_int_equal(lsm_repair_losses(dir, &options, false, NULL, on_loss, NULL), 1);
    expect_told();
    expect_repaired();
}

static void it_is_told_and_repaired_as_a_lost_value(void **state)
{
    (void)state;
    fill();
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(reopen(BOUND), 0);
    told_count = damage_count = 0;
    assert_true(lsm_verify_losses(db, on_damage, on_loss, NULL, NULL) > 0);
    assert_int_equal(damage_count, told_count);
    expect_told();
    repair_it();
}

static void a_log_with_it_is_damaged_and_keeps_the_rest(void **state)
{
    (void)state;
    fill();
    assert_int_equal(reopen(BOUND), -ERR_VALUE_LEN);
    assert_non_null(strstr(lsm_detail(), ".wal: the record that ends at offset "));
    options.create = false;
    options.read_only = true;
    assert_int_equal(lsm_open(dir, &options, &db), -ERR_VALUE_LEN);
    options.read_only = false;
    repair_it();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(writes_beyond_the_bound_are_refused),
        TEST(what_is_too_long_is_an_error_of_its_key),
        TEST(patches_over_what_is_too_long_do_not_help),
        TEST(compaction_leaves_it_as_it_is),
        TEST(it_is_told_and_repaired_as_a_lost_value),
        TEST(a_log_with_it_is_damaged_and_keeps_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
