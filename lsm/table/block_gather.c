/*
 * Missing blocks are noted, each once, and fetched with one env_read_many. A damaged block concerns
 * only those who ask for it: it is read once more then, by itself, so that its error is described
 * in the look-up that it ends.
 *
 * Blocks are found again by a small hash table inside the same allocation.
 */
#include "lsm/table/block_gather.h"

#include <stdlib.h>

enum {
    BUCKET_COUNT = 128
};

struct gathered {
    const struct block_source *src;
    struct block_handle handle;
    enum cache_priority priority;
    struct cache_block *raw;   /* while it is read */
    struct cache_block *block; /* NULL: not read, or it could not be read */
    unsigned next;             /* in the bucket; index + 1 */
};

/* Lies behind the blocks. */
static unsigned *bucket_of(const struct block_gather *g, const struct block_source *src,
                           struct block_handle h)
{
    uint64_t hash = (h.offset ^ src->number << 40) * UINT64_C(0x9e3779b97f4a7c15);
    unsigned *buckets = (unsigned *)(g->blocks + GATHER_COUNT_MAX);

    return &buckets[hash >> 32 & (BUCKET_COUNT - 1)];
}

static struct gathered *find(const struct block_gather *g, const struct block_source *src,
                             struct block_handle h)
{
    for (unsigned i = g->count ? *bucket_of(g, src, h) : 0; i; i = g->blocks[i - 1].next) {
        struct gathered *b = &g->blocks[i - 1];

        if (b->src == src && b->handle.offset == h.offset && b->handle.len == h.len)
            return b;
    }
    return NULL;
}

static bool add(struct block_gather *g, const struct block_source *src, struct block_handle h,
                enum cache_priority priority)
{
    unsigned *bucket;

    if (!g->blocks)
        g->blocks =
            calloc(1, GATHER_COUNT_MAX * sizeof(*g->blocks) + BUCKET_COUNT * sizeof(unsigned));
    if (!g->blocks || g->count == GATHER_COUNT_MAX)
        return false;
    bucket = bucket_of(g, src, h);
    g->blocks[g->count++] =
        (struct gathered){.src = src, .handle = h, .priority = priority, .next = *bucket};
    *bucket = g->count;
    return true;
}

void block_gather_done(struct block_gather *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        cache_block_unref(g->blocks[i].raw);
        cache_block_unref(g->blocks[i].block);
    }
    free(g->blocks);
    *g = (struct block_gather){0};
}

int block_gather_get(struct block_gather *g, const struct block_source *src, struct block_handle h,
                     enum cache_priority priority, struct cache_block **ret)
{
    struct gathered *b = find(g, src, h);

    if (b && b >= g->blocks + g->read_count)
        return BLOCK_LATER;
    if (b && b->block) {
        cache_block_ref(b->block);
        *ret = b->block;
        return 0;
    }
    if (!b && src->cache) {
        struct cache_block *block = block_cache_get(src->cache, src->number, h.offset);

        if (block) {
            *ret = block;
            return 0;
        }
    }
    if (!b && block_check_handle(src, h) == 0 && add(g, src, h, priority))
        return BLOCK_LATER;
    return block_read(src, h, BLOCK_FILL, priority, ret);
}

/* Verify what came, and put it where others find it. */
static void finish(struct gathered *b, const struct env_read *r)
{
    const struct block_source *s = b->src;

    if (!r->ret_err && r->ret_len == r->len)
        (void)block_open(s, b->handle, b->raw, &b->block);
    cache_block_unref(b->raw);
    b->raw = NULL;
    if (b->block && s->cache)
        block_cache_put(s->cache, s->number, b->handle.offset, b->block, b->priority);
}

void block_gather_read(struct block_gather *g)
{
    struct env_read reads[GATHER_COUNT_MAX];
    struct gathered *read_for[GATHER_COUNT_MAX];
    size_t count = 0;

    for (; g->read_count < g->count; g->read_count++) {
        struct gathered *b = &g->blocks[g->read_count];
        size_t len = (size_t)b->handle.len + BLOCK_TRAILER_LEN;

        if (cache_block_new(len, &b->raw))
            continue;
        reads[count] = (struct env_read){
            .reader = b->src->reader, .offset = b->handle.offset, .len = len, .buf = b->raw->data};
        read_for[count++] = b;
    }
    if (count)
        (void)env_read_many(reads[0].reader->env, reads, count);
    for (size_t i = 0; i < count; i++)
        finish(read_for[i], &reads[i]);
}
