/*
 * Range deletions nested in one another, as cutting a file shorter step by step leaves them: what
 * is written of them must stay in proportion to their number, not to its square.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    STEP_COUNT = 3000
};

static size_t make_key(char buf[32], unsigned n)
{
    return (size_t)snprintf(buf, 32, "block%06u", n);
}

static void delete_from(struct lsm_db *db, unsigned n)
{
    struct lsm_batch *b;
    char key[32];
    size_t len = make_key(key, n);

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, key, len, "c", 1), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
}

/* Tombstones of all tables. */
static uint64_t tombstone_count(struct lsm_db *db)
{
    struct superversion *sv = sv_get(db);
    uint64_t count = 0;

    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; i < sv->version->levels[n].count; i++)
            count += sv->version->levels[n].tables[i]->stats.rangedel_count;
    }
    sv_put(sv);
    return count;
}

static void expect(struct lsm_db *db, const struct lsm_snapshot *s, unsigned n, bool there)
{
    struct lsm_value v;
    char key[32];
    size_t len = make_key(key, n);

    assert_int_equal(lsm_get(db, s, key, len, &v), there ? 0 : -ENOENT);
    lsm_value_done(&v);
}

static void nested_range_deletions_take_space_for_each_once(void **state)
{
    struct lsm_snapshot *half = NULL;
    struct lsm_options o;
    struct lsm_db *db;
    char *dir = scratch_new();

    (void)state;
    lsm_options_default(&o);
    o.create = true;
    assert_int_equal(lsm_open(dir, &o, &db), 0);
    for (unsigned n = 0; n < STEP_COUNT; n++) {
        char key[32];
        size_t len = make_key(key, n);

        assert_int_equal(lsm_put(db, key, len, "x", 1, 0), 0);
    }
    assert_int_equal(lsm_flush(db), 0);
    for (unsigned n = STEP_COUNT; n-- > 1;) {
        delete_from(db, n);
        if (n == STEP_COUNT / 2)
            assert_int_equal(lsm_snapshot_open(db, &half), 0);
    }
    assert_int_equal(lsm_flush(db), 0);
    assert_in_range(tombstone_count(db), 1, 2 * STEP_COUNT);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_in_range(tombstone_count(db), 1, 2 * STEP_COUNT);
    expect(db, NULL, 0, true);
    expect(db, NULL, 1, false);
    expect(db, half, STEP_COUNT / 2 - 1, true);
    expect(db, half, STEP_COUNT / 2, false);
    lsm_snapshot_close(db, half);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_range_deletions_take_space_for_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
