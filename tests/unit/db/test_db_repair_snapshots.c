/*
 * Named snapshots and repair: kept, with what they show, as long as a manifest can be read.
 */
#include "repair_fixture.h"

static int count_snapshot(void *arg, const struct lsm_snapshot_info *info)
{
    (void)info;
    ++*(unsigned *)arg;
    return 0;
}

static unsigned count_snapshots(struct lsm_db *db)
{
    unsigned count = 0;

    assert_int_equal(lsm_snapshot_list(db, count_snapshot, &count), 0);
    return count;
}

/* A snapshot named "then" of the model *ret_then, and much written since. */
static void build_with_snapshot(struct store *s, uint64_t seed, struct kv_model *ret_then,
                                unsigned writes_since)
{
    struct lsm_db *db;

    store_build(s, seed, false);
    db = store_open(s);
    assert_int_equal(lsm_snapshot_create(db, "then", 4), 0);
    kv_copy(ret_then, &s->model);
    store_write(s, db, writes_since, false);
    assert_int_equal(lsm_close(db), 0);
}

/* How many keys the snapshot shows as they were. */
static size_t count_same(struct lsm_db *db, const struct kv_model *then)
{
    struct lsm_snapshot *snapshot;
    size_t same = 0;

    assert_int_equal(lsm_snapshot_find(db, "then", 4, &snapshot), 0);
    for (size_t i = 0; i < then->count; i++) {
        const struct kv_pair *p = &then->pairs[i];
        struct lsm_value v;

        if (lsm_get(db, snapshot, p->key.data, p->key.len, &v))
            continue;
        same += slice_eq(slice_of(v.data, v.len), buf_slice(&p->value));
        lsm_value_done(&v);
    }
    lsm_snapshot_close(db, snapshot);
    return same;
}

static void a_named_snapshot_outlives_the_salvage_of_a_log(void **state)
{
    struct kv_model then = {0};
    struct store s;
    struct lsm_db *db;
    char log[256];

    (void)state;
    build_with_snapshot(&s, 500, &then, 120);
    snprintf(log, sizeof(log), "%s", find_file(&s, ".wal", count_files(&s, ".wal") - 1));
    flip_byte(&s, log, file_len(&s, log) / 3);
    assert_int_equal(repair_all_ways(&s), 1);
    db = store_open(&s);
    assert_int_equal(count_snapshots(db), 1);
    assert_int_equal(count_same(db, &then), then.count);
    assert_int_equal(lsm_close(db), 0);
    kv_clear(&then);
    store_free(&s);
}

/* The log up to the snapshot is gone: the store opens, the snapshot shows what is left. */
static void a_log_that_a_named_snapshot_needs_may_be_lost(void **state)
{
    struct kv_model then = {0};
    struct store s;
    struct lsm_db *db;

    (void)state;
    build_with_snapshot(&s, 510, &then, 0);
    while (find_file(&s, ".wal", 0))
        remove_file(&s, find_file(&s, ".wal", 0));
    assert_int_equal(repair_all_ways(&s), 1);
    db = store_open(&s);
    assert_int_equal(count_snapshots(db), 1);
    assert_true(count_same(db, &then) >= then.count - 250);
    assert_int_equal(lsm_close(db), 0);
    kv_clear(&then);
    store_free(&s);
}

static void a_rebuild_loses_named_snapshots_and_says_so(void **state)
{
    struct kv_model then = {0};
    struct store s;
    struct lsm_db *db;
    char manifest[256];

    (void)state;
    build_with_snapshot(&s, 520, &then, 600);
    snprintf(manifest, sizeof(manifest), "%s", find_file(&s, "MANIFEST-", 0));
    flip_byte(&s, manifest, 3);
    assert_int_equal(repair_all_ways(&s), 1);
    assert_true(was_told(&s, "named snapshot \"then\" is lost"));
    db = store_open(&s);
    assert_int_equal(count_snapshots(db), 0);
    assert_int_equal(lsm_close(db), 0);
    expect_all_there(&s);
    kv_clear(&then);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_snapshot_outlives_the_salvage_of_a_log),
        cmocka_unit_test(a_log_that_a_named_snapshot_needs_may_be_lost),
        cmocka_unit_test(a_rebuild_loses_named_snapshots_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
