/*
 * Builds the contents of one block: sorted entries, each sharing a prefix with the one before,
 * except at restart points. Layout: lsm/FORMAT.md, "Table".
 */
#ifndef LSM_TABLE_BLOCK_BUILDER_H
#define LSM_TABLE_BLOCK_BUILDER_H

#include "lsm/base/slice.h"

/* All zeros with restart_interval set (at least 1) is an empty builder. */
struct block_builder {
    unsigned restart_interval;
    unsigned since_restart; /* entries since the last restart point */
    uint32_t entry_count;
    struct buf out;      /* entries so far */
    struct buf restarts; /* le32 offsets */
    struct buf last_key;
};

/* Keys come in the order that the reader will expect. An error leaves the builder unusable. */
int block_builder_add(struct block_builder *b, struct slice key, struct slice value);
/* Append the restart array. The contents borrow until the next reset. */
int block_builder_finish(struct block_builder *b, struct slice *ret);
/* Empty again; memory is kept, unless a large value made it big. */
void block_builder_reset(struct block_builder *b);
void block_builder_done(struct block_builder *b);

/* Bytes that finish would give now. */
static inline size_t block_builder_len(const struct block_builder *b)
{
    return b->out.len + b->restarts.len + 4;
}

#endif
