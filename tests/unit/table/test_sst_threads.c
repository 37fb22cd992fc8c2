/*
 * One open table, many threads: look-ups and iterators at once, with a cache that is too small, so
 * that blocks are evicted while others still read them.
 */
#include "table_fixture.h"

#include <pthread.h>

enum {
    THREAD_COUNT = 4,
    KEY_COUNT = 4000
};

static struct sst *table;

static void key_of(uint64_t n, char key[16])
{
    snprintf(key, 16, "key%06u", (unsigned)n);
}

/* cmocka's assertions are for the main thread: the answer is the number of wrong results. */
static uintptr_t look_up(struct rng *r)
{
    struct buf is = {0};
    uint64_t n = rng_below(r, KEY_COUNT);
    uintptr_t wrong;
    char key[16];

    key_of(n, key);
    wrong = table_get(table, slice_str(key), SEQNO_MAX, &is) != 1 ||
            !slice_eq(buf_slice(&is), slice_str(key));
    buf_free(&is);
    return wrong;
}

static uintptr_t scan(struct rng *r)
{
    uint64_t n = rng_below(r, KEY_COUNT);
    struct buf target = {0};
    uintptr_t wrong = 0;
    struct iter *it;
    char key[16];

    key_of(n, key);
    if (ikey_make(&target, slice_str(key), SEQNO_MAX, IKEY_SEEK_KIND) ||
        sst_iter_new(table, (unsigned)rng_below(r, 4), &it)) {
        buf_free(&target);
        return 1;
    }
    for (iter_seek(it, buf_slice(&target)); it->valid && n % 64; iter_next(it), n++) {
        key_of(n, key);
        wrong += !slice_eq(it->value, slice_str(key));
    }
    wrong += it->err != 0;
    iter_free(it);
    buf_free(&target);
    return wrong;
}

static void *read_on(void *arg)
{
    struct rng r = {(uint64_t)(uintptr_t)arg};
    uintptr_t wrong = 0;

    for (int i = 0; i < 2000; i++)
        wrong += i % 8 ? look_up(&r) : scan(&r);
    return (void *)wrong;
}

static void threads_share_a_table(void **state)
{
    struct sst_builder_options o = {512, 256, 16, 10, true};
    struct block_cache *cache;
    pthread_t threads[THREAD_COUNT];
    struct model m = {0};
    struct sst_stats stats;
    struct env *env;
    char *dir = scratch_new();

    (void)state;
    for (uint64_t n = 0; n < KEY_COUNT; n++) {
        char key[16];

        key_of(n, key);
        model_add(&m, slice_str(key), n + 1, KIND_PUT, slice_str(key));
    }
    assert_int_equal(env_posix_open(dir, ENV_CREATE, &env), 0);
    model_write(&m, env, 1, &o, &stats);
    assert_int_equal(block_cache_new(32 << 10, &cache), 0);
    assert_int_equal(sst_open(env, cache, 1, &table), 0);
    for (uintptr_t i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    sst_unref(table);
    block_cache_free(cache);
    env_close(env);
    model_free(&m);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
