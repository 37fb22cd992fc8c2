/*
 * What is missing is noted, each place once, and fetched with one env_read_many. A read that fails
 * is done again by whoever asks for it, so that its error is described in the look-up that it ends,
 * and concerns no other.
 *
 * Places are found again by a small hash table, which lies behind them in the same allocation.
 */
#include "lsm/cache/gather.h"

#include <stdlib.h>

enum {
    BUCKET_COUNT = 128
};

struct gathered {
    struct env_reader *reader;
    uint64_t offset;
    size_t len;
    struct cache_block *block; /* NULL: not read, or it could not be read */
    unsigned next;             /* in the bucket; index + 1 */
};

static unsigned *bucket_of(const struct gather *g, const struct env_reader *reader, uint64_t offset)
{
    uint64_t hash = (offset ^ (uint64_t)(uintptr_t)reader << 20) * UINT64_C(0x9e3779b97f4a7c15);
    unsigned *buckets = (unsigned *)(g->items + GATHER_COUNT_MAX);

    return &buckets[hash >> 32 & (BUCKET_COUNT - 1)];
}

static struct gathered *find(const struct gather *g, const struct env_reader *reader,
                             uint64_t offset, size_t len)
{
    for (unsigned i = g->count ? *bucket_of(g, reader, offset) : 0; i; i = g->items[i - 1].next) {
        struct gathered *it = &g->items[i - 1];

        if (it->reader == reader && it->offset == offset && it->len == len)
            return it;
    }
    return NULL;
}

static bool add(struct gather *g, struct env_reader *reader, uint64_t offset, size_t len)
{
    unsigned *bucket;

    if (!g->items)
        g->items =
            calloc(1, GATHER_COUNT_MAX * sizeof(*g->items) + BUCKET_COUNT * sizeof(unsigned));
    if (!g->items || g->count == GATHER_COUNT_MAX || len > GATHER_LEN_MAX - g->len)
        return false;
    bucket = bucket_of(g, reader, offset);
    g->items[g->count++] =
        (struct gathered){.reader = reader, .offset = offset, .len = len, .next = *bucket};
    g->len += len;
    *bucket = g->count;
    return true;
}

void gather_done(struct gather *g)
{
    for (unsigned i = 0; i < g->count; i++)
        cache_block_unref(g->items[i].block);
    free(g->items);
    *g = (struct gather){0};
}

int gather_get(struct gather *g, struct env_reader *reader, uint64_t offset, size_t len,
               struct cache_block **ret)
{
    struct gathered *it = find(g, reader, offset, len);

    if (!it)
        return add(g, reader, offset, len) ? GATHER_LATER : 0;
    if (it >= g->items + g->read_count)
        return GATHER_LATER;
    if (!it->block)
        return 0;
    cache_block_ref(it->block);
    *ret = it->block;
    return 1;
}

void gather_read(struct gather *g)
{
    struct env_read reads[GATHER_COUNT_MAX];
    struct gathered *read_for[GATHER_COUNT_MAX];
    size_t count = 0;

    for (; g->read_count < g->count; g->read_count++) {
        struct gathered *it = &g->items[g->read_count];

        if (cache_block_new(it->len, &it->block))
            continue;
        reads[count] = (struct env_read){
            .reader = it->reader, .offset = it->offset, .len = it->len, .buf = it->block->data};
        read_for[count++] = it;
    }
    if (count)
        (void)env_read_many(reads[0].reader->env, reads, count);
    for (size_t i = 0; i < count; i++) {
        if (reads[i].ret_err == 0 && reads[i].ret_len == reads[i].len)
            continue;
        cache_block_unref(read_for[i]->block);
        read_for[i]->block = NULL;
    }
}
