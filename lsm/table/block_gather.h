/*
 * Blocks for many look-ups at once. A look-up that carries a gather stops with BLOCK_LATER where it
 * would have to read the disk; when all of them have been tried, one block_gather_read fetches what
 * they wait for, and those that stopped are tried again from the start. Each try gets at least one
 * block further, so the tries end.
 *
 * One thread at a time. The blocks stay until block_gather_done, whatever becomes of the cache.
 */
#ifndef LSM_TABLE_BLOCK_GATHER_H
#define LSM_TABLE_BLOCK_GATHER_H

#include <errno.h>

#include "lsm/table/block_io.h"

enum {
    BLOCK_LATER = -EAGAIN, /* no error of a disk; never described */
    GATHER_COUNT_MAX = 256 /* blocks; what is wanted beyond is read at once */
};

/* All zeros is an empty gather, and costs nothing until a block is missing. */
struct block_gather {
    struct gathered *blocks; /* room for GATHER_COUNT_MAX */
    unsigned count;
    unsigned read_count; /* of them; the others wait */
};

void block_gather_done(struct block_gather *g);
/*
 * As block_read through the cache; BLOCK_LATER when the block has to be read first. src must stay
 * until block_gather_done.
 */
int block_gather_get(struct block_gather *g, const struct block_source *src, struct block_handle h,
                     enum cache_priority priority, struct cache_block **ret);
/* Whether somebody was sent away. */
static inline bool block_gather_waits(const struct block_gather *g)
{
    return g->read_count < g->count;
}

/* Read all that is waited for. What cannot be read fails when it is asked for again. */
void block_gather_read(struct block_gather *g);

#endif
