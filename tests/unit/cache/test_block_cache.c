/*
 * The block cache: budget, order of eviction, resistance to scans, lifetimes, threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/cache/block_cache.h"

enum {
    MIB = 1 << 20
};

static void put(struct block_cache *c, uint64_t file, uint64_t offset, size_t len,
                enum cache_priority priority)
{
    struct cache_block *b;

    assert_int_equal(cache_block_new(len, &b), 0);
    assert_int_equal(b->len, len);
    memset(b->data, (int)(file * 31 + offset) & 0xff, len);
    block_cache_put(c, file, offset, b, priority);
    cache_block_unref(b);
}

static bool has(struct block_cache *c, uint64_t file, uint64_t offset)
{
    struct cache_block *b = block_cache_get(c, file, offset);

    if (!b)
        return false;
    for (size_t i = 0; i < b->len; i++)
        assert_int_equal(b->data[i], (file * 31 + offset) & 0xff);
    cache_block_unref(b);
    return true;
}

static struct block_cache_stats stats_of(struct block_cache *c)
{
    struct block_cache_stats stats;

    block_cache_stats(c, &stats);
    return stats;
}

static void blocks_make_room_for_what_others_reserve(void **state)
{
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(8 * MIB, &c), 0);
    for (unsigned i = 0; i < 200; i++)
        put(c, 1, i, 64 << 10, CACHE_NORMAL);
    assert_in_range(stats_of(c).len, 6 * MIB, 8 * MIB);
    block_cache_reserve(c, 6 * MIB);
    assert_int_equal(stats_of(c).reserved_len, 6 * MIB);
    assert_in_range(stats_of(c).len, MIB, 2 * MIB);
    /* However much is taken, an eighth is left. */
    block_cache_reserve(c, 100 * MIB);
    for (unsigned i = 0; i < 200; i++)
        put(c, 2, i, 64 << 10, CACHE_NORMAL);
    assert_in_range(stats_of(c).len, MIB / 2, MIB);
    block_cache_reserve(c, -106 * (ptrdiff_t)MIB);
    assert_int_equal(stats_of(c).reserved_len, 0);
    for (unsigned i = 0; i < 200; i++)
        put(c, 3, i, 64 << 10, CACHE_NORMAL);
    assert_in_range(stats_of(c).len, 6 * MIB, 8 * MIB);
    block_cache_free(c);
}

static void kept_blocks_are_limited_and_counted(void **state)
{
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(8 * MIB, &c), 0);
    assert_true(block_cache_keep(c, 3 * MIB));
    assert_int_equal(stats_of(c).reserved_len, 3 * MIB);
    assert_false(block_cache_keep(c, MIB + 1));
    assert_true(block_cache_may_keep(c));
    assert_true(block_cache_keep(c, MIB));
    assert_false(block_cache_may_keep(c));
    block_cache_unkeep(c, 3 * MIB);
    assert_true(block_cache_may_keep(c));
    block_cache_unkeep(c, MIB);
    assert_int_equal(stats_of(c).reserved_len, 0);
    block_cache_set_keep_max(c, 100);
    assert_false(block_cache_keep(c, 101));
    block_cache_free(c);
}

static void what_was_put_is_found_by_file_and_offset(void **state)
{
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(64 * MIB, &c), 0);
    assert_false(has(c, 1, 0));
    put(c, 1, 0, 100, CACHE_NORMAL);
    put(c, 1, 4096, 0, CACHE_HIGH);
    assert_true(has(c, 1, 0));
    assert_true(has(c, 1, 4096));
    assert_false(has(c, 0, 1));
    assert_false(has(c, 2, 0));
    assert_int_equal(stats_of(c).hits, 2);
    assert_int_equal(stats_of(c).misses, 3);
    assert_int_equal(stats_of(c).block_count, 2);
    assert_int_equal(stats_of(c).capacity_len, 64 * MIB);
    block_cache_free(c);
    block_cache_free(NULL);
}

static void budget_is_kept_and_used(void **state)
{
    static const size_t capacities[] = {MIB, 5 * MIB, 33 * MIB, 64 * MIB};

    (void)state;
    srand(9);
    for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        struct block_cache *c;

        assert_int_equal(block_cache_new(capacities[i], &c), 0);
        for (uint64_t n = 0; n < 4000; n++) {
            put(c, n % 7, n * 4096, 1 + (size_t)rand() % 65536, n % 10 ? CACHE_NORMAL : CACHE_HIGH);
            if (n % 3 == 0)
                has(c, n / 2 % 7, n / 2 * 4096);
            assert_true(stats_of(c).len <= capacities[i]);
        }
        assert_true(stats_of(c).len > capacities[i] / 10 * 8);
        block_cache_free(c);
    }
}

static void smallest_cache_holds_blocks_of_64_kib(void **state)
{
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(MIB, &c), 0);
    for (uint64_t n = 0; n < 15; n++)
        put(c, 1, n << 16, 65536, CACHE_NORMAL);
    for (uint64_t n = 0; n < 15; n++)
        assert_true(has(c, 1, n << 16));
    block_cache_free(c);
}

static void block_of_more_than_half_a_shard_is_not_cached(void **state)
{
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(MIB, &c), 0);
    put(c, 1, 0, 1000, CACHE_NORMAL);
    put(c, 1, 1, MIB / 2, CACHE_NORMAL);
    put(c, 1, 2, 20 * MIB, CACHE_HIGH);
    put(c, 1, 3, MIB / 2 - (32 << 10), CACHE_HIGH);
    assert_true(has(c, 1, 0));
    assert_false(has(c, 1, 1));
    assert_false(has(c, 1, 2));
    assert_true(has(c, 1, 3));
    block_cache_free(c);
    assert_int_equal(block_cache_new(64 * MIB, &c), 0); /* the largest block of a table fits */
    put(c, 1, 0, MIB + 1000, CACHE_NORMAL);
    assert_true(has(c, 1, 0));
    block_cache_free(c);
    assert_int_equal(block_cache_new(0, &c), 0);
    put(c, 1, 0, 1, CACHE_NORMAL);
    assert_false(has(c, 1, 0));
    block_cache_free(c);
}

static void scan_does_not_push_out_what_is_used(void **state)
{
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(8 * MIB, &c), 0);
    for (uint64_t n = 0; n < 500; n++) { /* 4 MB, asked for twice */
        put(c, 1, n * 8192, 8192, CACHE_NORMAL);
        assert_true(has(c, 1, n * 8192));
    }
    for (uint64_t n = 0; n < 50; n++)
        put(c, 2, n * 8192, 8192, CACHE_HIGH);
    for (uint64_t n = 0; n < 20000; n++) /* a scan of 160 MB */
        put(c, 3, n * 8192, 8192, CACHE_NORMAL);
    for (uint64_t n = 0; n < 500; n++)
        assert_true(has(c, 1, n * 8192));
    for (uint64_t n = 0; n < 50; n++)
        assert_true(has(c, 2, n * 8192));
    block_cache_free(c);
}

static void protected_blocks_age_out_when_others_are_used(void **state)
{
    struct block_cache *c;
    unsigned left = 0;

    (void)state;
    assert_int_equal(block_cache_new(MIB, &c), 0);
    for (uint64_t file = 1; file <= 2; file++)
        for (uint64_t n = 0; n < 200; n++) {
            put(c, file, n * 8192, 8192, CACHE_NORMAL);
            has(c, file, n * 8192);
        }
    for (uint64_t n = 0; n < 200; n++)
        left += has(c, 1, n * 8192);
    assert_int_equal(left, 0);
    block_cache_free(c);
}

static void first_block_of_a_place_stays(void **state)
{
    struct block_cache *c, *other;
    struct cache_block *a, *b, *got;

    (void)state;
    assert_int_equal(block_cache_new(MIB, &c), 0);
    assert_int_equal(block_cache_new(MIB, &other), 0);
    assert_int_equal(cache_block_new(10, &a), 0);
    assert_int_equal(cache_block_new(10, &b), 0);
    block_cache_put(c, 1, 0, a, CACHE_NORMAL);
    block_cache_put(c, 1, 0, b, CACHE_NORMAL);
    block_cache_put(c, 1, 0, a, CACHE_NORMAL);
    block_cache_put(c, 2, 0, a, CACHE_NORMAL); /* one place for a block */
    block_cache_put(other, 1, 0, a, CACHE_NORMAL);
    assert_null(block_cache_get(c, 2, 0));
    assert_null(block_cache_get(other, 1, 0));
    got = block_cache_get(c, 1, 0);
    assert_ptr_equal(got, a);
    cache_block_unref(got);
    block_cache_put(other, 1, 0, b, CACHE_NORMAL); /* b is still free to be cached */
    got = block_cache_get(other, 1, 0);
    assert_ptr_equal(got, b);
    cache_block_unref(got);
    cache_block_unref(b);
    block_cache_free(c);
    block_cache_free(other);
    memset(a->data, 7, a->len); /* lives on */
    cache_block_release(a);
    cache_block_unref(NULL);
}

static void dropped_file_is_forgotten_and_others_are_not(void **state)
{
    struct cache_block *held;
    struct block_cache *c;

    (void)state;
    assert_int_equal(block_cache_new(64 * MIB, &c), 0);
    for (uint64_t n = 0; n < 300; n++) {
        put(c, n % 3, n, 100, n % 2 ? CACHE_NORMAL : CACHE_HIGH);
        if (n % 5 == 0)
            has(c, n % 3, n);
    }
    held = block_cache_get(c, 1, 1);
    assert_non_null(held);
    block_cache_drop_file(c, 1);
    for (uint64_t n = 0; n < 300; n++)
        assert_int_equal(has(c, n % 3, n), n % 3 != 1);
    assert_int_equal(stats_of(c).block_count, 200);
    assert_int_equal(held->data[0], 32);
    block_cache_put(c, 1, 1, held, CACHE_NORMAL);
    assert_true(has(c, 1, 1));
    cache_block_unref(held);
    block_cache_free(c);
}

static void impossible_length_is_refused(void **state)
{
    struct cache_block *b = NULL;

    (void)state;
    assert_true(cache_block_new(SIZE_MAX, &b) < 0);
    assert_null(b);
}

struct worker {
    struct block_cache *cache;
    unsigned seed;
};

/* Everything that is found must have the contents of its place. */
static void *use_cache(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < 20000; i++) {
        uint64_t file = (unsigned)rand_r(&w->seed) % 5, offset = (unsigned)rand_r(&w->seed) % 400;
        struct cache_block *b = block_cache_get(w->cache, file, offset);

        if (!b) {
            if (cache_block_new(8 + (file * 400 + offset) * 4, &b))
                abort();
            memset(b->data, (int)(file + offset) & 0xff, b->len);
            block_cache_put(w->cache, file, offset, b, offset % 9 ? CACHE_NORMAL : CACHE_HIGH);
        }
        if (b->len != 8 + (file * 400 + offset) * 4 || b->data[0] != ((file + offset) & 0xff) ||
            b->data[b->len - 1] != b->data[0])
            abort();
        if (i % 7 == 0)
            block_cache_put(w->cache, file, offset, b, CACHE_NORMAL);
        cache_block_unref(b);
        if (i % 500 == 0)
            block_cache_drop_file(w->cache, file);
    }
    return NULL;
}

static void threads_may_use_it_at_once(void **state)
{
    static const size_t capacities[] = {MIB, 16 * MIB};

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct worker workers[4];
        pthread_t threads[4];
        struct block_cache *c;

        assert_int_equal(block_cache_new(capacities[round], &c), 0);
        for (unsigned i = 0; i < 4; i++) {
            workers[i] = (struct worker){c, i};
            assert_int_equal(pthread_create(&threads[i], NULL, use_cache, &workers[i]), 0);
        }
        for (unsigned i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_true(stats_of(c).len <= capacities[round]);
        for (uint64_t file = 0; file < 5; file++)
            block_cache_drop_file(c, file);
        assert_int_equal(stats_of(c).len, 0);
        assert_int_equal(stats_of(c).block_count, 0);
        block_cache_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_make_room_for_what_others_reserve),
        cmocka_unit_test(kept_blocks_are_limited_and_counted),
        cmocka_unit_test(what_was_put_is_found_by_file_and_offset),
        cmocka_unit_test(budget_is_kept_and_used),
        cmocka_unit_test(smallest_cache_holds_blocks_of_64_kib),
        cmocka_unit_test(block_of_more_than_half_a_shard_is_not_cached),
        cmocka_unit_test(scan_does_not_push_out_what_is_used),
        cmocka_unit_test(protected_blocks_age_out_when_others_are_used),
        cmocka_unit_test(first_block_of_a_place_stays),
        cmocka_unit_test(dropped_file_is_forgotten_and_others_are_not),
        cmocka_unit_test(impossible_length_is_refused),
        cmocka_unit_test(threads_may_use_it_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
