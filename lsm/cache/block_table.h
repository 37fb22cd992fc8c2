/*
 * The hash table of a shard of the block cache: open addressing, a slot is a hash and a pointer.
 *
 * A look-up of memory that no processor cache holds costs as much as all the rest of it, and here
 * it is one for the slot, where a chain of nodes has one for every node. Slots are probed one after
 * the other from the hash's own; a removal moves later ones back, so that no gap is left between a
 * slot and its place. Hashes may be equal: the caller compares keys.
 *
 * Guarded by the caller's lock, but for prefetch.
 */
#ifndef LSM_CACHE_BLOCK_TABLE_H
#define LSM_CACHE_BLOCK_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct block_slot {
    uint64_t hash;
    void *block; /* NULL: empty */
};

/* All zeros is an empty table. */
struct block_table {
    _Atomic(struct block_slot *) slots;
    atomic_size_t mask; /* number of slots - 1; they are a power of two, and half of them empty */
    size_t count;
};

enum {
    BLOCK_TABLE_ENTRY_LEN = 3 * sizeof(struct block_slot) /* bytes for a block, on average */
};

void block_table_done(struct block_table *t);
/* -ENOMEM: not added. */
int block_table_add(struct block_table *t, uint64_t hash, void *block);
/* The block is there, with this hash. */
void block_table_remove(struct block_table *t, uint64_t hash, const void *block);
/*
 * The blocks with this hash, one after the other: begin with *at = hash; NULL when there are no
 * more.
 */
void *block_table_next(const struct block_table *t, uint64_t hash, uint64_t *at);
/* Have the hash's slot on its way from memory. Needs no lock: at worst it is of no use. */
void block_table_prefetch(const struct block_table *t, uint64_t hash);

#endif
