/*
 * Memory of blocks: what one block leaves, the next one takes, whichever threads they are.
 *
 * malloc gives each thread a heap of its own, and what is freed goes back to the heap that it came
 * from. Blocks come and go with whoever happens to read: without this, the heaps of threads that
 * have stopped reading keep memory that nobody uses, up to a whole budget for each of them.
 *
 * There is one pool in a process, because blocks may outlive their cache, or be in none. Its limit
 * is what the caches have for blocks. Any thread.
 */
#ifndef LSM_CACHE_BLOCK_POOL_H
#define LSM_CACHE_BLOCK_POOL_H

#include <stddef.h>
#include <stdint.h>

/*
 * At least *len bytes, aligned as by malloc, with what is there in *len; NULL: no memory. Give it
 * back with that length.
 */
void *block_pool_get(size_t *len);
void block_pool_put(void *memory, size_t len);

/* A cache has so much more for blocks, or less: idle memory above the sum of all is freed. */
void block_pool_change_limit(ptrdiff_t change_len);

struct block_pool_stats {
    size_t limit_len; /* bytes */
    size_t held_len;  /* in blocks and idle */
    size_t idle_len;
};
void block_pool_stats(struct block_pool_stats *ret);

#endif
