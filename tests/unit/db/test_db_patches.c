/*
 * Keys that are patched very often: they stay quick to read, and nothing that readers see changes
 * by it.
 */
#include "lib/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    VALUE_LEN = 5000,
    PATCH_COUNT = 3000,
};

static char *dir;
static struct lsm_db *db;
static struct lsm_batch *batch;

static void open_store(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    assert_int_equal(lsm_open(dir, &o, &db), 0);
}

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    open_store();
    return lsm_batch_new(&batch);
}

static int tear_down(void **state)
{
    (void)state;
    lsm_batch_free(batch);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
    return 0;
}

static void patch(uint64_t offset, const void *bytes, size_t len)
{
    lsm_batch_clear(batch);
    assert_int_equal(lsm_batch_patch(batch, "key", 3, offset, bytes, len), 0);
    assert_int_equal(lsm_write(db, batch, 0), 0);
}

/* Versions that a look-up meets in the memtable before it knows the value. */
static size_t layers(void)
{
    struct superversion *sv = sv_get(db);
    struct lookup l = {.key = slice_str("key"), .snapshot = SEQNO_MAX};
    size_t count;

    assert_int_equal(memtable_lookup(sv->mem, &l), 0);
    count = l.fold.layer_count;
    fold_done(&l.fold);
    sv_put(sv);
    return count;
}

static void expect(const struct lsm_snapshot *snapshot, const uint8_t *want, size_t len)
{
    struct lsm_value v;

    assert_int_equal(lsm_get(db, snapshot, "key", 3, &v), 0);
    assert_int_equal(v.len, len);
    assert_memory_equal(v.data, want, len);
    lsm_value_done(&v);
}

/* By iterators both ways. */
static void expect_scan(const uint8_t *want, size_t len)
{
    struct lsm_iter *it;
    const void *value;
    size_t got;

    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (int backward = 0; backward < 2; backward++) {
        assert_int_equal(backward ? lsm_iter_last(it) : lsm_iter_first(it), 1);
        value = lsm_iter_value(it, &got);
        assert_int_equal(got, len);
        assert_memory_equal(value, want, len);
        assert_int_equal(backward ? lsm_iter_prev(it) : lsm_iter_next(it), 0);
    }
    lsm_iter_free(it);
}

static void a_key_that_is_only_patched_never_has_many_layers(void **state)
{
    struct rng rng = {1};
    uint8_t want[VALUE_LEN] = {0};

    (void)state;
    patch(VALUE_LEN - 1, "", 1);
    for (unsigned i = 0; i < PATCH_COUNT; i++) {
        uint64_t x = rng_next(&rng), offset = x % (VALUE_LEN - 8);

        memcpy(want + offset, &x, sizeof(x));
        patch(offset, &x, sizeof(x));
        assert_true(layers() <= 32 + 64 + 1);
    }
    expect(NULL, want, VALUE_LEN);
    expect_scan(want, VALUE_LEN);
    assert_int_equal(lsm_flush(db), 0);
    expect(NULL, want, VALUE_LEN);
    expect_scan(want, VALUE_LEN);
}

static void snapshots_restarts_and_range_deletes_see_what_was_patched(void **state)
{
    struct lsm_snapshot *snapshots[8];
    static uint8_t then[8][VALUE_LEN];
    uint8_t want[VALUE_LEN];

    (void)state;
    memset(want, 'b', sizeof(want));
    assert_int_equal(lsm_put(db, "key", 3, want, sizeof(want), 0), 0);
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 200; j++) {
            uint8_t byte = (uint8_t)(i * 31 + j);

            want[j * 7] = byte;
            patch(j * 7, &byte, 1);
            if (j == 150)
                expect(NULL, want, VALUE_LEN);
        }
        memcpy(then[i], want, sizeof(want));
        assert_int_equal(lsm_snapshot_open(db, &snapshots[i]), 0);
        expect(snapshots[i], want, VALUE_LEN);
        if (i == 5)
            assert_int_equal(lsm_flush(db), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        expect(snapshots[i], then[i], VALUE_LEN);
        lsm_snapshot_close(db, snapshots[i]);
    }
    assert_int_equal(lsm_close(db), 0);
    open_store();
    expect(NULL, want, VALUE_LEN);
    lsm_batch_clear(batch);
    assert_int_equal(lsm_batch_delete_range(batch, "a", 1, "z", 1), 0);
    assert_int_equal(lsm_write(db, batch, 0), 0);
    for (unsigned j = 0; j < 100; j++)
        patch(j, "c", 1);
    memset(want, 'c', 100);
    expect(NULL, want, 100);
    expect_scan(want, 100);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    expect(NULL, want, 100);
}

static atomic_bool stop;

/* Each patch writes one number into all of the value, so every value read has one number. */
static void *read_whole_values(void *arg)
{
    while (!atomic_load(&stop)) {
        struct lsm_value v;

        if (lsm_get(db, NULL, "key", 3, &v))
            return arg;
        for (size_t i = 1; i < v.len; i++) {
            if (v.data[i] != v.data[0])
                return arg;
        }
        lsm_value_done(&v);
    }
    return NULL;
}

static void readers_beside_a_writer_see_whole_patches(void **state)
{
    pthread_t threads[3];
    uint8_t bytes[64];

    (void)state;
    atomic_store(&stop, false);
    memset(bytes, 0, sizeof(bytes));
    patch(0, bytes, sizeof(bytes));
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_whole_values, bytes), 0);
    for (unsigned i = 0; i < 5 * PATCH_COUNT; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        patch(0, bytes, sizeof(bytes));
        if (i % PATCH_COUNT == PATCH_COUNT / 2)
            assert_int_equal(lsm_flush(db), 0);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 3; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    expect(NULL, bytes, sizeof(bytes));
    assert_int_equal(lsm_flush(db), 0);
    expect(NULL, bytes, sizeof(bytes));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_is_only_patched_never_has_many_layers),
        TEST(snapshots_restarts_and_range_deletes_see_what_was_patched),
        TEST(readers_beside_a_writer_see_whole_patches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
