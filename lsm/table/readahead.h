/*
 * Blocks of one table for an iterator that reads them one after the other: a large piece of the
 * file at once instead of every block by itself.
 */
#ifndef LSM_TABLE_READAHEAD_H
#define LSM_TABLE_READAHEAD_H

#include "lsm/table/block_io.h"

/* All zeros is a fresh one. The fields are readahead.c's. */
struct readahead {
    uint8_t *data; /* what the file holds in [start, start + len) */
    uint64_t start;
    size_t len, cap;
    size_t next_len;      /* bytes of the next piece; 0: nothing is known yet */
    unsigned run;         /* blocks that were read from disk one after the other */
    uint64_t last, after; /* the last of them is [last, after) */
};

void readahead_done(struct readahead *r);
/*
 * As block_read, in the direction that the iterator moves. With BLOCK_LOOK the caller is known to
 * read the table from end to end; with BLOCK_FILL that is found out.
 */
int readahead_block(struct readahead *r, const struct block_source *s, struct block_handle h,
                    enum block_use use, bool backward, struct cache_block **ret);

#endif
