/*
 * The block cache: decoded blocks by (file number, offset), within a budget of bytes, in shards.
 * The budget is for more than blocks: what others hold of it (block_cache_reserve) the blocks may
 * not.
 * Scan-resistant: a block enters on probation and is protected only when it is asked for again
 * (segmented LRU), so one pass over a big tree does not push out what is used all the time.
 */
#ifndef LSM_CACHE_BLOCK_CACHE_H
#define LSM_CACHE_BLOCK_CACHE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

struct block_cache;

/*
 * Decoded bytes of a block, counted by references: one for each holder of a pointer and one for
 * the cache while it is in there. Made by cache_block_new, filled by its maker before sharing.
 */
struct cache_block {
    size_t len;
    uint8_t *data;
    /* The rest belongs to the cache. */
};

enum cache_priority {
    CACHE_NORMAL, /* data blocks */
    CACHE_HIGH,   /* indexes and filters: enter protected */
};

int block_cache_new(size_t capacity_len, struct block_cache **ret);
void block_cache_free(struct block_cache *c); /* blocks still referenced live on */

/* Memory for `len` bytes with one reference. Needs no cache. */
int cache_block_new(size_t len, struct cache_block **ret);
void cache_block_ref(struct cache_block *b);
void cache_block_unref(struct cache_block *b); /* NULL is allowed */
/* For struct pin: cache_block_unref with a void pointer. */
void cache_block_release(void *block);

/* A new reference for the caller, or NULL. */
struct cache_block *block_cache_get(struct block_cache *c, uint64_t file, uint64_t offset);
/*
 * For a get that follows soon: have the block's place in the table, or, a little later, the head of
 * the block, on its way from memory. Whoever wants several blocks does it for all of them before
 * the first get, and waits for memory once instead of for each.
 */
void block_cache_prefetch_slot(struct block_cache *c, uint64_t file, uint64_t offset);
void block_cache_prefetch(struct block_cache *c, uint64_t file, uint64_t offset);
/*
 * Put b in; the caller keeps its reference. If another thread was first, the older block stays and
 * b is simply not cached. Never fails: what does not fit, or finds no memory, is not cached.
 */
void block_cache_put(struct block_cache *c, uint64_t file, uint64_t offset, struct cache_block *b,
                     enum cache_priority priority);
/* Forget all blocks of a file that was removed. */
void block_cache_drop_file(struct block_cache *c, uint64_t file);

/*
 * Somebody takes change_len bytes of the budget for other memory, or gives them back (negative).
 * Blocks make room at once, but always keep an eighth of the budget. Any thread.
 */
void block_cache_reserve(struct block_cache *c, ptrdiff_t change_len);

/*
 * To keep a block of len bytes outside the lists for as long as its owner likes: true when all that
 * is kept this way is within a limit, half of the capacity at first; then its bytes are reserved
 * until unkeep. The limit may be set before the cache is shared.
 */
void block_cache_set_keep_max(struct block_cache *c, size_t keep_len_max);
bool block_cache_keep(struct block_cache *c, size_t len);
void block_cache_unkeep(struct block_cache *c, size_t len);
/* Whether there is room for more: false spares the try. */
bool block_cache_may_keep(const struct block_cache *c);

struct block_cache_stats {
    uint64_t hits, misses;
    size_t len, capacity_len; /* bytes */
    size_t reserved_len;      /* bytes that others hold */
    uint64_t block_count;
};
void block_cache_stats(struct block_cache *c, struct block_cache_stats *ret);

#endif
