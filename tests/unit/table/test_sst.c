/*
 * Tables against a sorted array: every way to iterate, look-ups at snapshots, all sizes of blocks.
 */
#include "table_directory.h"

static void assert_at(const struct model *m, const struct iter *it, size_t i)
{
    assert_int_equal(it->err, 0);
    assert_int_equal(it->valid, i < m->count);
    if (!it->valid)
        return;
    assert_true(slice_eq(it->key, buf_slice(&m->pairs[i].key)));
    assert_true(slice_eq(it->value, buf_slice(&m->pairs[i].value)));
}

static void check_scans(const struct model *m, struct sst *t, unsigned flags)
{
    struct iter *it;
    size_t i = 0;

    assert_int_equal(sst_iter_new(t, flags, &it), 0);
    for (iter_seek_first(it); it->valid; iter_next(it))
        assert_at(m, it, i++);
    assert_at(m, it, m->count);
    assert_int_equal(i, m->count);
    for (iter_seek_last(it); it->valid; iter_prev(it))
        assert_at(m, it, --i);
    assert_int_equal(it->err, 0);
    assert_int_equal(i, 0);
    iter_free(it);
}

/* A key of the table, or one near it, or any. */
static void random_target(struct rng *r, const struct model *m, struct buf *ret)
{
    uint8_t mem[32];

    if (m->count && rng_below(r, 4)) {
        struct slice key = buf_slice(&m->pairs[rng_below(r, m->count)].key);

        if (rng_below(r, 2))
            assert_int_equal(buf_assign(ret, key.data, key.len), 0);
        else
            assert_int_equal(ikey_make(ret, ikey_user(key), rng_below(r, 500), IKEY_SEEK_KIND), 0);
        return;
    }
    assert_int_equal(ikey_make(ret, random_key(r, mem, 8), rng_below(r, 500), IKEY_SEEK_KIND), 0);
}

/* Seek, perhaps with the steps before it. */
static void seek(struct rng *r, struct iter *it, struct slice target)
{
    if (rng_below(r, 2)) {
        for (unsigned step = 0; step < ITER_SEEK_STEPS; step++)
            iter_seek_step(it, target, step);
    }
    iter_seek(it, target);
}

static void check_moves(const struct model *m, struct sst *t, struct rng *r, unsigned flags)
{
    struct buf target = {0};
    struct iter *it;
    size_t i = m->count;

    assert_int_equal(sst_iter_new(t, flags, &it), 0);
    assert_false(it->valid);
    for (int n = 0; n < 600; n++) {
        uint64_t what = rng_below(r, 8);

        if (it->valid && what < 3) {
            iter_next(it);
            i++;
        } else if (it->valid && what < 6) {
            iter_prev(it);
            i = i ? i - 1 : m->count;
        } else {
            random_target(r, m, &target);
            i = model_find(m, buf_slice(&target));
            if (what == 7) {
                iter_seek_prev(it, buf_slice(&target));
                i = i ? i - 1 : m->count;
            } else if (it->valid && rng_below(r, 2)) {
                /* The key sought may be the iterator's own. */
                i = model_find(m, it->key);
                iter_seek(it, it->key);
            } else {
                seek(r, it, buf_slice(&target));
            }
        }
        assert_at(m, it, i);
    }
    iter_free(it);
    buf_free(&target);
}

static void check_lookup(const struct model *m, struct sst *t, struct slice key, uint64_t snapshot)
{
    struct buf want = {0}, is = {0};
    bool exists = model_get(m, key, snapshot, &want);
    int err = table_get(t, key, snapshot, &is);

    assert_int_equal(err, exists);
    if (exists)
        assert_true(slice_eq(buf_slice(&want), buf_slice(&is)));
    buf_free(&want);
    buf_free(&is);
}

static void check_lookups(const struct model *m, struct sst *t, struct rng *r, int count)
{
    uint8_t mem[32];

    for (int n = 0; n < count; n++) {
        struct slice key = random_key(r, mem, 8);
        uint64_t snapshot = rng_below(r, 4) ? rng_below(r, 500) : SEQNO_MAX;

        if (m->count && rng_below(r, 3))
            key = ikey_user(buf_slice(&m->pairs[rng_below(r, m->count)].key));
        check_lookup(m, t, key, snapshot);
    }
}

static void check_stats(const struct model *m, const struct sst_stats *s)
{
    uint64_t deletes = 0, patches = 0, raw = 0, min = UINT64_MAX, max = 0;

    for (size_t i = 0; i < m->count; i++) {
        struct slice key = buf_slice(&m->pairs[i].key);

        deletes += ikey_kind(key) == KIND_DELETE;
        patches += ikey_kind(key) == KIND_PATCH;
        raw += key.len + m->pairs[i].value.len;
        min = ikey_seqno(key) < min ? ikey_seqno(key) : min;
        max = ikey_seqno(key) > max ? ikey_seqno(key) : max;
    }
    for (size_t i = 0; i < m->del_count; i++) {
        raw += m->dels[i].start.len + 8 + m->dels[i].end.len;
        min = m->dels[i].seqno < min ? m->dels[i].seqno : min;
        max = m->dels[i].seqno > max ? m->dels[i].seqno : max;
    }
    assert_int_equal(s->entry_count, m->count);
    assert_int_equal(s->delete_count, deletes);
    assert_int_equal(s->patch_count, patches);
    assert_int_equal(s->rangedel_count, m->del_count);
    assert_int_equal(s->raw_len, raw);
    assert_int_equal(s->seqno_min, min == UINT64_MAX ? 0 : min);
    assert_int_equal(s->seqno_max, max);
}

static void check_table(const struct model *m, const struct sst_builder_options *o,
                        struct block_cache *cache, uint64_t number, struct rng *r)
{
    struct sst_stats written;
    struct sst *t;

    model_write(m, env, number, o, &written);
    assert_int_equal(sst_open(env, cache, number, &t), 0);
    assert_memory_equal(&written, sst_stats(t), sizeof(written));
    check_stats(m, &written);
    for (unsigned flags = 0; flags < 4; flags++)
        check_scans(m, t, flags);
    check_moves(m, t, r, 0);
    check_moves(m, t, r, SST_ITER_NO_CACHE | SST_ITER_READAHEAD);
    check_lookups(m, t, r, 300);
    assert_int_equal(sst_verify(t, VALUE_LEN_MAX, NULL, NULL), 0);
    sst_unref(t);
}

static void random_tables_equal_the_model(void **state)
{
    static const size_t lens[] = {1, 40, 300, 4096}, parts[] = {1, 60, 500, 8192};
    struct rng r = {rng_seed(20240601)};
    struct block_cache *cache, *tiny;

    (void)state;
    assert_int_equal(block_cache_new(8 << 20, &cache), 0);
    assert_int_equal(block_cache_new(1, &tiny), 0);
    for (uint64_t n = 1; n <= 48; n++) {
        struct sst_builder_options o = {.block_len = lens[rng_below(&r, 4)],
                                        .partition_len = parts[rng_below(&r, 4)],
                                        .restart_interval = (unsigned)rng_below(&r, 18),
                                        .filter_bits_per_key = rng_below(&r, 3) ? 10 : 0,
                                        .compress = rng_below(&r, 2)};
        struct block_cache *caches[] = {NULL, cache, tiny};
        struct model m = {0};

        random_model(&m, &r, (size_t)rng_below(&r, 250), 200);
        if (n % 3 == 0) {
            m.dels[m.del_count++] = (struct rangedel){slice_str("a"), slice_str("b"), 250};
            m.dels[m.del_count++] = (struct rangedel){slice_of("", 0), slice_str("aa"), 100};
            m.dels[m.del_count++] = (struct rangedel){slice_str("ab"), slice_str("\xff"), 490};
            m.dels[m.del_count++] = (struct rangedel){slice_str("b"), slice_str("a"), 300};
        }
        check_table(&m, &o, caches[n % 3], n, &r);
        model_free(&m);
    }
    block_cache_free(cache);
    block_cache_free(tiny);
}

static void large_values_come_back_whole(void **state)
{
    static const size_t lens[] = {0, 1, 65536, 1 << 20, 65536, 65536, 4095, 4096, 4097, 0};
    struct rng r = {rng_seed(5)};
    struct model m = {0};
    struct buf value = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        char key[8];

        value.len = 0;
        for (size_t k = 0; k < lens[i]; k += 8) {
            uint64_t word = rng_next(&r) & (i % 2 ? UINT64_MAX : 0xff);

            assert_int_equal(buf_append(&value, &word, 8), 0);
        }
        value.len = lens[i];
        snprintf(key, sizeof(key), "k%zu", i);
        model_add(&m, slice_str(key), 10 + i, KIND_PUT, buf_slice(&value));
    }
    check_table(&m, &usual, NULL, 100, &r);
    model_free(&m);
    buf_free(&value);
}

static void long_keys_share_long_prefixes(void **state)
{
    struct rng r = {rng_seed(6)};
    struct model m = {0};
    uint8_t key[USER_KEY_LEN_MAX];

    (void)state;
    memset(key, 'k', sizeof(key));
    for (size_t len = 240; len <= sizeof(key); len += 16) {
        model_add(&m, slice_of(key, len), len, KIND_PUT, slice_of(key, len % 7));
        key[len - 1] = (uint8_t)rng_next(&r);
    }
    model_sort(&m);
    check_table(&m, &usual, NULL, 102, &r);
    model_free(&m);
}

static void versions_straddle_blocks_and_partitions(void **state)
{
    struct sst_builder_options o = {64, 64, 4, 10, false};
    struct rng r = {rng_seed(7)};
    struct model m = {0};

    (void)state;
    for (uint64_t s = 1; s <= 400; s++) {
        uint8_t patch[] = {(uint8_t)(s % 90), (uint8_t)s};

        model_add(&m, slice_str("key"), s, s == 1 ? KIND_PUT : KIND_PATCH,
                  s == 1 ? slice_str("base") : slice_of(patch, 2));
    }
    model_add(&m, slice_str("ke"), 5, KIND_PUT, slice_str("before"));
    model_add(&m, slice_str("key1"), 6, KIND_PUT, slice_str("behind"));
    model_sort(&m);
    check_table(&m, &o, NULL, 103, &r);
    model_free(&m);
}

static void a_table_may_hold_only_range_tombstones(void **state)
{
    struct model m = {0};
    struct rng r = {rng_seed(8)};
    struct sst *t;
    struct lookup l = {.key = slice_str("m"), .snapshot = 8};

    (void)state;
    m.dels[m.del_count++] = (struct rangedel){slice_str("c"), slice_str("p"), 9};
    m.dels[m.del_count++] = (struct rangedel){slice_str("a"), slice_str("n"), 7};
    check_table(&m, &usual, NULL, 104, &r);
    assert_int_equal(sst_open(env, NULL, 104, &t), 0);
    assert_int_equal(rangedel_list_covering(sst_rangedels(t), slice_str("o"), SEQNO_MAX), 9);
    assert_int_equal(rangedel_list_covering(sst_rangedels(t), slice_str("p"), SEQNO_MAX), 0);
    assert_int_equal(sst_lookup(t, &l), 0);
    assert_int_equal(l.rangedel_seqno, 7);
    fold_done(&l.fold);
    sst_unref(t);
    model_free(&m);
}

static void an_empty_table_opens(void **state)
{
    struct model m = {0};
    struct rng r = {rng_seed(9)};
    struct sst *t;

    (void)state;
    check_table(&m, &usual, NULL, 105, &r);
    assert_int_equal(sst_open(env, NULL, 105, &t), 0);
    assert_null(sst_rangedels(t));
    sst_unref(t);
}

/* Values stay readable after the table is closed and the cache has forgotten the block. */
static void a_pinned_value_outlives_the_table(void **state)
{
    struct model m = {0};
    struct sst_stats stats;
    struct block_cache *cache;
    struct lookup l = {.key = slice_str("key"), .snapshot = SEQNO_MAX};
    struct slice value;
    struct sst *t;

    (void)state;
    model_add(&m, slice_str("key"), 3, KIND_PUT, slice_str("the value"));
    model_write(&m, env, 107, &usual, &stats);
    assert_int_equal(block_cache_new(1 << 20, &cache), 0);
    assert_int_equal(sst_open(env, cache, 107, &t), 0);
    assert_int_equal(sst_lookup(t, &l), 0);
    block_cache_drop_file(cache, 107);
    sst_unref(t);
    block_cache_free(cache);
    assert_int_equal(fold_value(&l.fold, &value), 1);
    assert_true(slice_eq(value, slice_str("the value")));
    fold_done(&l.fold);
    model_free(&m);
}

static void the_cache_is_filled_only_when_asked(void **state)
{
    struct rng r = {rng_seed(10)};
    struct model m = {0};
    struct sst_stats stats;
    struct block_cache_stats before, after;
    struct block_cache *cache;
    struct iter *it;
    struct sst *t;

    (void)state;
    random_model(&m, &r, 300, 100);
    model_write(&m, env, 108, &usual, &stats);
    assert_int_equal(block_cache_new(8 << 20, &cache), 0);
    assert_int_equal(sst_open(env, cache, 108, &t), 0);
    check_scans(&m, t, SST_ITER_NO_CACHE | SST_ITER_READAHEAD);
    block_cache_stats(cache, &before);
    assert_int_equal(before.block_count, 0);
    check_scans(&m, t, 0);
    block_cache_stats(cache, &before);
    assert_true(before.block_count > 2);
    assert_int_equal(sst_iter_new(t, SST_ITER_NO_CACHE, &it), 0);
    for (iter_seek_first(it); it->valid; iter_next(it))
        ;
    iter_free(it);
    block_cache_stats(cache, &after);
    assert_int_equal(after.misses, before.misses);
    assert_true(after.hits > before.hits);
    sst_unref(t);
    block_cache_free(cache);
    model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tables_equal_the_model),
        cmocka_unit_test(large_values_come_back_whole),
        cmocka_unit_test(long_keys_share_long_prefixes),
        cmocka_unit_test(versions_straddle_blocks_and_partitions),
        cmocka_unit_test(a_table_may_hold_only_range_tombstones),
        cmocka_unit_test(an_empty_table_opens),
        cmocka_unit_test(a_pinned_value_outlives_the_table),
        cmocka_unit_test(the_cache_is_filled_only_when_asked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
