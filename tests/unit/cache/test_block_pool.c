/*
 * The pool of memory for blocks: reuse over threads and lengths, the limit, what is left behind.
 */
#include "lib/cmocka_all.h"

#include <pthread.h>
#include <string.h>

#include "lsm/cache/block_cache.h"
#include "lsm/cache/block_pool.h"

enum {
    KIB = 1 << 10,
    MIB = 1 << 20,
    PIECE_COUNT = 1000,
    THREAD_COUNT = 4,
};

static struct block_pool_stats stats_now(void)
{
    struct block_pool_stats s;

    block_pool_stats(&s);
    return s;
}

static void lengths_are_rounded_up_by_a_32nd_at_most(void **state)
{
    (void)state;
    for (size_t want = 1; want < 3 * MIB; want += want / 57 + 1) {
        size_t len = want;
        void *p = block_pool_get(&len);

        assert_non_null(p);
        assert_true(len >= want);
        if (want > 512)
            assert_true(len - want <= want / 32);
        memset(p, 1, len);
        block_pool_put(p, len);
    }
    assert_int_equal(stats_now().held_len, 0);
}

struct pieces {
    void *memory[PIECE_COUNT];
    size_t len[PIECE_COUNT];
};

static void get_pieces(struct pieces *p, size_t len)
{
    for (unsigned i = 0; i < PIECE_COUNT; i++) {
        p->len[i] = len + i % 7;
        p->memory[i] = block_pool_get(&p->len[i]);
        assert_non_null(p->memory[i]);
        memset(p->memory[i], (int)i, p->len[i]);
    }
}

static void put_pieces(struct pieces *p)
{
    for (unsigned i = 0; i < PIECE_COUNT; i++)
        block_pool_put(p->memory[i], p->len[i]);
}

static void *get_and_put(void *arg)
{
    static __thread struct pieces p;

    get_pieces(&p, 8 * KIB);
    put_pieces(&p);
    return arg;
}

static void in_other_thread(void *(*f)(void *))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, f, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void what_one_thread_leaves_another_takes(void **state)
{
    size_t held_len;

    (void)state;
    block_pool_change_limit(64 * MIB);
    in_other_thread(get_and_put);
    held_len = stats_now().held_len;
    assert_in_range(held_len, PIECE_COUNT * 8 * KIB, PIECE_COUNT * 9 * KIB);
    assert_int_equal(stats_now().idle_len, held_len);
    in_other_thread(get_and_put);
    get_and_put(NULL);
    assert_int_equal(stats_now().held_len, held_len);
    block_pool_change_limit(-64 * MIB);
    assert_int_equal(stats_now().held_len, 0);
}

static void what_is_no_longer_asked_for_goes_first(void **state)
{
    static struct pieces small, large;

    (void)state;
    block_pool_change_limit(12 * MIB);
    get_pieces(&large, 8 * KIB);
    put_pieces(&large);
    get_pieces(&small, 9 * KIB);
    /* 8 MiB idle and 9 in use are more than the limit. */
    assert_true(stats_now().held_len <= 12 * MIB);
    put_pieces(&small);
    assert_true(stats_now().held_len <= 12 * MIB);
    assert_true(stats_now().idle_len >= 9 * MIB / 10 * 9);
    block_pool_change_limit(-12 * MIB);
    assert_int_equal(stats_now().held_len, 0);
}

/* A cache that is full takes each new block's memory from the one that it evicts. */
static void a_full_cache_reuses_what_it_evicts(void **state)
{
    struct block_cache *c;
    struct block_pool_stats s;

    (void)state;
    assert_int_equal(block_cache_new(8 * MIB, &c), 0);
    assert_int_equal(stats_now().limit_len, 8 * MIB);
    for (uint64_t i = 0; i < 10000; i++) {
        struct cache_block *b;

        assert_int_equal(cache_block_new(8 * KIB + i % 100, &b), 0);
        memset(b->data, 1, b->len);
        block_cache_put(c, 1, i * 100, b, CACHE_NORMAL);
        cache_block_unref(b);
        assert_true(stats_now().held_len <= 8 * MIB + 64 * KIB);
    }
    block_cache_reserve(c, 4 * MIB);
    s = stats_now();
    assert_int_equal(s.limit_len, 4 * MIB);
    assert_true(s.held_len <= 4 * MIB + MIB);
    /* What a file leaves stays for the next one, within the limit. */
    block_cache_drop_file(c, 1);
    s = stats_now();
    assert_int_equal(s.idle_len, s.held_len);
    assert_in_range(s.held_len, 3 * MIB, 4 * MIB + MIB);
    block_cache_reserve(c, -4 * MIB);
    assert_int_equal(stats_now().limit_len, 8 * MIB);
    block_cache_free(c);
    s = stats_now();
    assert_int_equal(s.limit_len, 0);
    assert_int_equal(s.held_len, 0);
}

/* What is kept outside the lists is a block as well: the pool has the same limit as before. */
static void kept_blocks_count_once(void **state)
{
    struct block_cache *c;
    struct cache_block *b;

    (void)state;
    assert_int_equal(block_cache_new(8 * MIB, &c), 0);
    assert_int_equal(cache_block_new(MIB / 2, &b), 0);
    assert_true(block_cache_keep(c, b->len));
    assert_int_equal(stats_now().limit_len, 8 * MIB);
    block_cache_unkeep(c, b->len);
    assert_int_equal(stats_now().limit_len, 8 * MIB);
    block_cache_free(c);
    /* The block outlives its cache. */
    assert_in_range(stats_now().held_len, MIB / 2, MIB / 32 * 17);
    cache_block_unref(b);
    assert_int_equal(stats_now().held_len, 0);
}

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(size_t)arg;
    void *memory[64] = {NULL};
    size_t len[64];

    for (unsigned i = 0; i < 20000; i++) {
        unsigned slot = (seed = seed * 1103515245 + 12345) >> 16 & 63;

        if (memory[slot]) {
            assert_int_equal(((char *)memory[slot])[len[slot] - 1], (char)slot);
            block_pool_put(memory[slot], len[slot]);
        }
        len[slot] = 600 + (seed >> 8 & 0xffff);
        memory[slot] = block_pool_get(&len[slot]);
        assert_non_null(memory[slot]);
        memset(memory[slot], (int)slot, len[slot]);
    }
    for (unsigned i = 0; i < 64; i++)
        if (memory[i])
            block_pool_put(memory[i], len[i]);
    return NULL;
}

static void many_threads(void **state)
{
    pthread_t threads[THREAD_COUNT];

    (void)state;
    block_pool_change_limit(4 * MIB);
    for (size_t i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (unsigned i = 0; i < 100; i++) {
        block_pool_change_limit(-3 * MIB);
        block_pool_change_limit(3 * MIB);
    }
    for (unsigned i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(stats_now().held_len, stats_now().idle_len);
    assert_true(stats_now().held_len <= 4 * MIB);
    block_pool_change_limit(-4 * MIB);
    assert_int_equal(stats_now().held_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_rounded_up_by_a_32nd_at_most),
        cmocka_unit_test(what_one_thread_leaves_another_takes),
        cmocka_unit_test(what_is_no_longer_asked_for_goes_first),
        cmocka_unit_test(a_full_cache_reuses_what_it_evicts),
        cmocka_unit_test(kept_blocks_count_once),
        cmocka_unit_test(many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
