/*
 * One budget for blocks, open tables and memtables.
 */
#include "lib/cmocka_all.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    BUDGET_LEN = 4 << 20,
    KEY_COUNT = 60000,
    VALUE_LEN = 200,
};

static struct lsm_db *open_small(const char *dir)
{
    struct lsm_options o;
    struct lsm_db *db;

    lsm_options_default(&o);
    o.create = true;
    o.compress = false;
    o.cache_bytes = BUDGET_LEN;
    o.table_len = 256 << 10;
    o.worker_count = 1;
    assert_int_equal(lsm_open(dir, &o, &db), 0);
    return db;
}

static void put_key(struct lsm_db *db, unsigned i)
{
    char key[16], value[VALUE_LEN];

    memset(value, 'a' + (int)(i % 26), sizeof(value));
    snprintf(key, sizeof(key), "%08u", i);
    assert_int_equal(lsm_put(db, key, 8, value, sizeof(value), 0), 0);
}

static void read_all(struct lsm_db *db)
{
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        struct lsm_value v;
        char key[16];

        snprintf(key, sizeof(key), "%08u", i);
        assert_int_equal(lsm_get(db, NULL, key, 8, &v), 0);
        assert_int_equal(v.len, VALUE_LEN);
        assert_int_equal(v.data[7], 'a' + i % 26);
        lsm_value_done(&v);
    }
}

static void memtables_and_blocks_stay_within_one_budget(void **state)
{
    char *dir = scratch_new();
    struct lsm_db *db = open_small(dir);
    struct block_cache_stats cache;
    struct lsm_stats s;

    (void)state;
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        put_key(db, i);
        if (i % 1000)
            continue;
        assert_int_equal(lsm_stats(db, &s), 0);
        /* A memtable may be passed by the write that fills it, and by a piece of its memory. */
        assert_true(s.memtable_len <= BUDGET_LEN / 8 * 7 + 3 * (1 << 20));
        block_cache_stats(db->cache, &cache);
        assert_true(s.cache_len <= BUDGET_LEN / 8 ||
                    s.cache_len + cache.reserved_len <= BUDGET_LEN);
    }
    assert_int_equal(lsm_flush(db), 0);
    read_all(db);
    assert_int_equal(lsm_stats(db, &s), 0);
    block_cache_stats(db->cache, &cache);
    /* What is left of the budget is used. */
    assert_true(s.cache_len + cache.reserved_len <= BUDGET_LEN);
    assert_true(s.cache_len + cache.reserved_len >= BUDGET_LEN / 2);
    assert_true(s.flush_count >= 3);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void open_tables_are_counted_and_given_back(void **state)
{
    char *dir = scratch_new();
    struct lsm_db *db = open_small(dir);
    struct block_cache_stats before, after;

    (void)state;
    for (unsigned i = 0; i < KEY_COUNT; i++)
        put_key(db, i);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_close(db), 0);
    db = open_small(dir);
    block_cache_stats(db->cache, &before);
    read_all(db);
    block_cache_stats(db->cache, &after);
    assert_true(after.reserved_len > before.reserved_len + 4096);
    /* Tables that were compacted away hold nothing any more. */
    assert_int_equal(lsm_put(db, "0", 1, "", 0, 0), 0);
    {
        struct lsm_batch *b;

        assert_int_equal(lsm_batch_new(&b), 0);
        assert_int_equal(lsm_batch_delete_range(b, "0", 1, "9", 1), 0);
        assert_int_equal(lsm_write(db, b, 0), 0);
        lsm_batch_free(b);
    }
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    /* The thread that compacted drops its tables just after it has said that it is done. */
    do {
        sched_yield();
        block_cache_stats(db->cache, &after);
    } while (after.reserved_len > before.reserved_len + 4096);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memtables_and_blocks_stay_within_one_budget),
        cmocka_unit_test(open_tables_are_counted_and_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
