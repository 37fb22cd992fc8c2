/*
 * What a look-up in the block cache's hash table costs, beside the same with uthash: the reason why
 * there is a table of our own (lsm/cache/block_table.h).
 *
 * Both hold the same blocks, each 8 KiB of its own memory as in the cache, found in random order.
 * A look-up ends with the key in the block's header, as the cache's does. Blocks are in shards of
 * their own, as many as the cache has. Processor time, the best of three rounds, which take turns.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>

#include "lib/rng.h"
#include "lsm/cache/block_table.h"

enum {
    SHARD_COUNT = 16,
    BLOCK_LEN = 8 << 10,
    LOOKUP_COUNT = 1 << 17,
    ROUND_COUNT = 3
};

struct key {
    uint64_t file, offset;
};

struct block {
    struct key key;
    UT_hash_handle hh;
    char bytes[BLOCK_LEN];
};

struct tables {
    struct block_table ours[SHARD_COUNT];
    struct block *theirs[SHARD_COUNT];
};

static uint64_t hash_of(const struct key *key)
{
    struct rng r = {key->file ^ key->offset << 20};

    return rng_next(&r);
}

static struct key key_at(uint64_t i)
{
    return (struct key){i % 64, i / 64 * BLOCK_LEN};
}

static void fill(struct tables *t, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct block *b = calloc(1, sizeof(*b));
        uint64_t hash;

        if (!b)
            abort();
        b->key = key_at(i);
        hash = hash_of(&b->key);
        if (block_table_add(&t->ours[hash >> 60], hash, b))
            abort();
        HASH_ADD_BYHASHVALUE(hh, t->theirs[hash >> 60], key, sizeof(b->key), (unsigned)hash, b);
    }
}

static bool find_ours(struct tables *t, const struct key *key)
{
    uint64_t hash = hash_of(key), at = hash;
    struct block *b;

    do
        b = block_table_next(&t->ours[hash >> 60], hash, &at);
    while (b && (b->key.file != key->file || b->key.offset != key->offset));
    return b;
}

static bool find_theirs(struct tables *t, const struct key *key)
{
    uint64_t hash = hash_of(key);
    struct block *b;

    HASH_FIND_BYHASHVALUE(hh, t->theirs[hash >> 60], key, sizeof(*key), (unsigned)hash, b);
    return b;
}

static double ns_of(struct tables *t, uint64_t count,
                    bool (*find)(struct tables *, const struct key *), uint64_t seed)
{
    struct rng rng = {seed};
    struct timespec from, to;
    uint64_t found = 0;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < LOOKUP_COUNT; i++) {
        struct key key = key_at(rng_below(&rng, count));

        found += find(t, &key);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    if (found != LOOKUP_COUNT)
        abort();
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
           LOOKUP_COUNT;
}

static void compare(uint64_t count)
{
    struct tables *t = calloc(1, sizeof(*t));
    double ours = 1e9, theirs = 1e9;

    if (!t)
        abort();
    fill(t, count);
    for (uint64_t round = 0; round < ROUND_COUNT; round++) {
        double a = ns_of(t, count, find_ours, round), b = ns_of(t, count, find_theirs, round);

        ours = a < ours ? a : ours;
        theirs = b < theirs ? b : theirs;
    }
    printf("%8llu blocks: block_table %5.0f ns, uthash %5.0f ns\n", (unsigned long long)count, ours,
           theirs);
    /* The process ends soon: what the tables hold goes with it. */
}

int main(void)
{
    for (uint64_t count = 1 << 12; count <= 1 << 16; count *= 4)
        compare(count);
    return 0;
}
