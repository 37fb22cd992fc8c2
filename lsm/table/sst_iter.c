/*
 * The iterator over a table: the number of a partition, and a block_iter each for its index and for
 * the data block.
 *
 * Going to the next block moves the index's iterator, and where that ends, on to the next
 * partition. A block is loaded only when it is another than the one at hand, so seeks close to each
 * other cost no look-up in the cache. The sought key is copied first: it may borrow from this very
 * iterator, whose blocks change under it.
 */
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/table/readahead.h"
#include "lsm/table/sst_impl.h"

/* A level of the table: the block at hand and where we are in it. */
struct level_pos {
    struct block_iter it;
    struct cache_block *block; /* NULL: none */
    struct block_handle handle;
};

/* How far a seek is prepared. */
enum prepared {
    PREPARED_NOT,
    PREPARED_INDEX, /* the index is at the entry, the block at hand another */
    PREPARED_DATA,  /* the block is at hand */
    PREPARED_RESTART,
};

struct sst_iter {
    struct iter it;
    struct sst *t;
    unsigned flags;
    size_t part; /* the partition that index is in; partition_count: at neither */
    struct level_pos index, data;
    struct buf target;

    /* Between the steps before a seek and the seek. */
    enum prepared prepared;
    struct block_handle wanted;
    struct cache_block *incoming; /* the wanted block if it is not at hand; NULL: not yet read */
    struct readahead ahead;
};

static struct sst_iter *of(struct iter *it)
{
    return (struct sst_iter *)it;
}

static void fail(struct sst_iter *s, int err)
{
    s->it.valid = false;
    s->it.err = err;
}

/* The end of a block was reached: true if that is all, else the iterator has failed. */
static bool is_end(struct sst_iter *s, const struct level_pos *p)
{
    if (!p->it.err)
        return true;
    fail(s, block_raise(&s->t->src, p->handle, p->it.err));
    return false;
}

static void seek_edge(struct level_pos *p, bool backward)
{
    if (backward)
        block_iter_seek_last(&p->it);
    else
        block_iter_seek_first(&p->it);
}

static void step(struct level_pos *p, bool backward)
{
    if (backward)
        block_iter_prev(&p->it);
    else
        block_iter_next(&p->it);
}

/* With a reference for the caller, also to an index that the table keeps. */
static int read_index(struct sst_iter *s, struct cache_block **ret)
{
    struct sst_kept *k = &s->t->partitions[s->part].index;
    bool owned = true;
    int err;

    if (s->flags & SST_ITER_NO_CACHE && !atomic_load_explicit(&k->kept, memory_order_relaxed))
        return block_read(&s->t->src, k->handle, BLOCK_LOOK, CACHE_HIGH, ret);
    err = sst_kept_read(s->t, k, ret, &owned);
    if (!err && !owned)
        cache_block_ref(*ret);
    return err;
}

static int read_block(struct sst_iter *s, const struct level_pos *p, struct block_handle h,
                      bool backward, struct cache_block **ret)
{
    enum block_use use = s->flags & SST_ITER_NO_CACHE ? BLOCK_LOOK : BLOCK_FILL;

    if (p == &s->index)
        return read_index(s, ret);
    if (s->flags & SST_ITER_READAHEAD)
        return readahead_block(&s->ahead, &s->t->src, h, use, backward, ret);
    return block_read(&s->t->src, h, use, CACHE_NORMAL, ret);
}

static bool load(struct sst_iter *s, struct level_pos *p, struct block_handle h, bool backward)
{
    struct cache_block *block;
    int err;

    if (p->block && p->handle.offset == h.offset && p->handle.len == h.len)
        return true;
    block = p == &s->data ? s->incoming : NULL;
    s->incoming = p == &s->data ? NULL : s->incoming;
    err = block ? 0 : read_block(s, p, h, backward, &block);
    if (err) {
        fail(s, err);
        return false;
    }
    cache_block_unref(p->block);
    p->block = block;
    p->handle = h;
    err = block_iter_set(&p->it, block_contents(block));
    if (!err)
        return true;
    fail(s, block_raise(&s->t->src, h, err));
    /* Not to be taken for a block at hand by the next seek. */
    p->block = NULL;
    cache_block_unref(block);
    block_iter_done(&p->it);
    block_iter_init(&p->it);
    return false;
}

/* Load the index of partition s->part. */
static bool load_index(struct sst_iter *s, bool backward)
{
    return load(s, &s->index, s->t->partitions[s->part].index.handle, backward);
}

/* Load the data block that the partition is at. */
static bool load_data(struct sst_iter *s, bool backward)
{
    struct block_handle h;

    if (index_value_decode(s->index.it.value, &h))
        return load(s, &s->data, h, backward);
    fail(s, sst_raise_format(&s->t->src, s->index.handle, "an index entry has no valid address"));
    return false;
}

/* As load_data, of a block that lies behind the one at hand, or before it. */
static bool load_next_data(struct sst_iter *s, bool backward)
{
    struct block_handle h;

    if (!index_value_decode(s->index.it.value, &h) ||
        (backward ? block_end(h) <= s->data.handle.offset : h.offset >= block_end(s->data.handle)))
        return load_data(s, backward);
    fail(s, sst_raise_format(&s->t->src, s->index.handle, "its blocks are not in order"));
    return false;
}

/*
 * While there is no entry at hand, go on to the next block. The index must be at the block that was
 * exhausted, or at its own end.
 */
static void settle(struct sst_iter *s, bool backward)
{
    while (!s->data.it.valid) {
        if (!is_end(s, &s->data))
            return;
        step(&s->index, backward);
        while (!s->index.it.valid) {
            if (!is_end(s, &s->index))
                return;
            if (backward ? s->part == 0 : s->part + 1 >= s->t->partition_count) {
                fail(s, 0);
                return;
            }
            s->part += backward ? -(size_t)1 : 1;
            if (!load_index(s, backward))
                return;
            seek_edge(&s->index, backward);
        }
        if (!load_next_data(s, backward))
            return;
        seek_edge(&s->data, backward);
    }
    s->it.valid = true;
    s->it.err = 0;
    s->it.key = s->data.it.key;
    s->it.value = s->data.it.value;
}

/* Go to an edge of the table. */
static void descend_edge(struct sst_iter *s, bool backward)
{
    if (s->t->partition_count == 0) {
        fail(s, 0);
        return;
    }
    s->part = backward ? s->t->partition_count - 1 : 0;
    if (!load_index(s, backward))
        return;
    seek_edge(&s->index, backward);
    if (!s->index.it.valid) {
        if (is_end(s, &s->index))
            fail(s, sst_raise_format(&s->t->src, s->index.handle, "an index without entries"));
        return;
    }
    if (!load_data(s, backward))
        return;
    seek_edge(&s->data, backward);
    settle(s, backward);
}

static void sst_iter_seek_first(struct iter *it)
{
    descend_edge(of(it), false);
}

static void sst_iter_seek_last(struct iter *it)
{
    descend_edge(of(it), true);
}

/* Put the index at the entry for the key. False when there is none, or with an error. */
static bool descend_index(struct sst_iter *s, struct slice ikey, bool backward)
{
    int err = buf_assign(&s->target, ikey.data, ikey.len);

    s->it.valid = false;
    s->it.err = err;
    if (err)
        return false;
    ikey = buf_slice(&s->target);
    s->part = sst_partition_find(s->t, ikey);
    if (s->part == s->t->partition_count)
        return false;
    if (!load_index(s, backward))
        return false;
    block_iter_seek(&s->index.it, ikey);
    if (s->index.it.valid)
        return true;
    if (is_end(s, &s->index))
        fail(s, sst_raise_format(&s->t->src, s->index.handle,
                                 "an index ends before its key in the top index"));
    return false;
}

/* Put both levels at the first entry >= the key. False when there is none, or with an error. */
static bool descend(struct sst_iter *s, struct slice ikey, bool backward)
{
    if (!descend_index(s, ikey, backward) || !load_data(s, backward))
        return false;
    block_iter_seek(&s->data.it, buf_slice(&s->target));
    return true;
}

/* The block at the index's entry is wanted: find out whether it is at hand. */
static enum prepared want(struct sst_iter *s)
{
    if (!index_value_decode(s->index.it.value, &s->wanted))
        return PREPARED_NOT;
    if (s->data.block && s->data.handle.offset == s->wanted.offset &&
        s->data.handle.len == s->wanted.len)
        return PREPARED_DATA;
    return PREPARED_INDEX;
}

/* As load_data, in steps. */
static void load_step(struct sst_iter *s, unsigned step)
{
    struct block_cache *cache = s->t->src.cache;

    switch (step) {
    case 0:
        if (cache)
            block_cache_prefetch_slot(cache, s->t->src.number, s->wanted.offset);
        break;
    case 1:
        if (cache)
            block_cache_prefetch(cache, s->t->src.number, s->wanted.offset);
        break;
    case 2:
        if (read_block(s, &s->data, s->wanted, false, &s->incoming))
            s->prepared = PREPARED_NOT;
        else
            block_iter_prefetch_contents(block_contents(s->incoming));
        break;
    case 3:
        s->prepared = load(s, &s->data, s->wanted, false) ? PREPARED_DATA : PREPARED_NOT;
        break;
    default:
        break;
    }
}

static void sst_iter_seek_step(struct iter *it, struct slice ikey, unsigned step)
{
    struct sst_iter *s = of(it);

    if (step == 0)
        s->prepared = descend_index(s, ikey, false) ? want(s) : PREPARED_NOT;
    if (s->prepared == PREPARED_INDEX)
        load_step(s, step);
    if (s->prepared != PREPARED_DATA)
        return;
    if (step == 3)
        block_iter_prefetch_restarts(&s->data.it);
    if (step == 4) {
        block_iter_seek_restart(&s->data.it, buf_slice(&s->target));
        s->prepared = PREPARED_RESTART;
    }
}

static void sst_iter_seek(struct iter *it, struct slice ikey)
{
    struct sst_iter *s = of(it);

    if (s->prepared == PREPARED_RESTART) {
        s->prepared = PREPARED_NOT;
        block_iter_seek_walk(&s->data.it, buf_slice(&s->target));
        settle(s, false);
        return;
    }
    if (descend(s, ikey, false))
        settle(s, false);
}

static void sst_iter_seek_prev(struct iter *it, struct slice ikey)
{
    struct sst_iter *s = of(it);

    if (!descend(s, ikey, true)) {
        /* All keys are smaller. */
        if (!s->it.err)
            sst_iter_seek_last(it);
        return;
    }
    if (s->data.it.valid)
        block_iter_prev(&s->data.it);
    else if (!s->data.it.err)
        block_iter_seek_last(&s->data.it);
    settle(s, true);
}

static void sst_iter_next(struct iter *it)
{
    struct sst_iter *s = of(it);

    DCHECK(it->valid);
    block_iter_next(&s->data.it);
    settle(s, false);
}

static void sst_iter_prev(struct iter *it)
{
    struct sst_iter *s = of(it);

    DCHECK(it->valid);
    block_iter_prev(&s->data.it);
    settle(s, true);
}

static void sst_iter_free(struct iter *it)
{
    struct sst_iter *s = of(it);

    block_iter_done(&s->index.it);
    block_iter_done(&s->data.it);
    cache_block_unref(s->index.block);
    cache_block_unref(s->data.block);
    cache_block_unref(s->incoming);
    buf_free(&s->target);
    readahead_done(&s->ahead);
    sst_unref(s->t);
    free(s);
}

static const struct iter_ops sst_iter_ops = {
    .seek_first = sst_iter_seek_first,
    .seek_last = sst_iter_seek_last,
    .seek = sst_iter_seek,
    .seek_prev = sst_iter_seek_prev,
    .next = sst_iter_next,
    .prev = sst_iter_prev,
    .free = sst_iter_free,
    .seek_step = sst_iter_seek_step,
};

int sst_iter_new(struct sst *t, unsigned flags, struct iter **ret)
{
    struct sst_iter *s = malloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->it = (struct iter){.ops = &sst_iter_ops};
    s->t = t;
    s->flags = flags;
    s->part = t->partition_count;
    s->index.block = s->data.block = NULL;
    block_iter_init(&s->index.it);
    block_iter_init(&s->data.it);
    s->target = (struct buf){0};
    s->prepared = PREPARED_NOT;
    s->incoming = NULL;
    s->ahead = (struct readahead){0};
    sst_ref(t);
    *ret = &s->it;
    return 0;
}
