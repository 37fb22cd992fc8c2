/*
 * The partitions of an open table, from its top index: their last keys in an array for a binary
 * search, and their index and filter blocks, which are kept for good when there is memory for it.
 *
 * A look-up needs a filter and an index of almost every table that it asks, so going through the
 * cache for them costs more than what they are for. The first use of such a block keeps it, with
 * the table, as long as all that is kept this way is not more than half of the cache's budget;
 * beyond that they come and go through the cache like data. A kept block is set once and never
 * taken back before the table is closed, so whoever has the table may use it without a reference.
 */
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/table/sst_impl.h"

/*
 * Copy the key of the entry at hand behind those before it. A key is no longer than what its
 * partition begins with, so all of them take no more memory than the table has bytes, decompressed.
 */
static int add(struct sst *t, const struct block_iter *top, size_t *cap, struct buf *keys)
{
    struct sst_partition *p;

    if (t->partition_count == *cap) {
        size_t grown_cap = *cap ? *cap * 2 : 16;
        struct sst_partition *grown = realloc(t->partitions, grown_cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        t->partitions = grown;
        *cap = grown_cap;
    }
    p = &t->partitions[t->partition_count];
    *p = (struct sst_partition){.last = slice_of(NULL, top->key.len)};
    atomic_init(&p->index.kept, NULL);
    atomic_init(&p->filter.kept, NULL);
    if (!top_value_decode(top->value, &p->index.handle, &p->filter.handle))
        return sst_raise_format(&t->src, t->footer.top, "a top index entry has no valid address");
    if (t->partition_count && p->index.handle.offset < block_end(p[-1].index.handle))
        return sst_raise_format(&t->src, t->footer.top, "its blocks are not in order");
    if (keys->len / LZ4_RATIO_MAX > t->src.blocks_end)
        return sst_raise_format(&t->src, t->footer.top, "its keys are longer than the table");
    t->partition_count++;
    return buf_append(keys, top->key.data, top->key.len);
}

/* The keys lie one after another in one piece of memory, which has its final place only now. */
static void place_keys(struct sst *t, struct buf *keys)
{
    const uint8_t *at = keys->data;

    t->partition_keys = keys->data;
    t->kept_len += keys->cap + t->partition_count * sizeof(*t->partitions);
    for (size_t i = 0; i < t->partition_count; i++) {
        t->partitions[i].last.data = at;
        at += t->partitions[i].last.len;
    }
}

int sst_partitions_open(struct sst *t)
{
    struct block_iter top;
    struct buf keys = {0};
    size_t cap = 0;
    int err;

    block_iter_init(&top);
    err = block_iter_set(&top, block_contents(t->top));
    if (!err)
        block_iter_seek_first(&top);
    for (; !err && top.valid; block_iter_next(&top))
        err = add(t, &top, &cap, &keys);
    err = err ? err : top.err;
    block_iter_done(&top);
    place_keys(t, &keys);
    return block_raise(&t->src, t->footer.top, err);
}

static void release(struct sst *t, struct sst_kept *k)
{
    struct cache_block *b = atomic_load_explicit(&k->kept, memory_order_relaxed);

    if (!b)
        return;
    block_cache_unkeep(t->src.cache, b->len);
    cache_block_unref(b);
}

void sst_partitions_close(struct sst *t)
{
    for (size_t i = 0; i < t->partition_count; i++) {
        release(t, &t->partitions[i].index);
        release(t, &t->partitions[i].filter);
    }
    free(t->partitions);
    free(t->partition_keys);
}

size_t sst_partition_find(const struct sst *t, struct slice ikey)
{
    size_t lo = 0, hi = t->partition_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (ikey_cmp(t->partitions[mid].last, ikey) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Keep b, of which the caller has a reference, unless there is no room or another was first. */
static bool keep(struct sst *t, struct sst_kept *k, struct cache_block *b)
{
    struct cache_block *none = NULL;

    if (!block_cache_keep(t->src.cache, b->len))
        return false;
    if (atomic_compare_exchange_strong_explicit(&k->kept, &none, b, memory_order_acq_rel,
                                                memory_order_acquire))
        return true;
    block_cache_unkeep(t->src.cache, b->len);
    return false;
}

int sst_kept_read(struct sst *t, struct sst_kept *k, struct cache_block **ret, bool *ret_owned)
{
    int err;

    *ret = atomic_load_explicit(&k->kept, memory_order_acquire);
    *ret_owned = false;
    if (*ret)
        return 0;
    if (!t->src.cache || !block_cache_may_keep(t->src.cache)) {
        *ret_owned = true;
        return block_read(&t->src, k->handle, BLOCK_FILL, CACHE_HIGH, ret);
    }
    err = block_read(&t->src, k->handle, BLOCK_LOOK, CACHE_HIGH, ret);
    if (!err)
        *ret_owned = !keep(t, k, *ret);
    return err;
}
