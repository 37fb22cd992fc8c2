/*
 * Contents of a file that are held in memory until there is something to write them to.
 */
#ifndef FS_HELD_H
#define FS_HELD_H

#include "fs/bulk.h"

/* Bytes [at, at + len) of the data belong at `offset` of the file. */
struct extent {
    uint64_t offset;
    size_t at, len;
};

/* All zeros is empty. */
struct held {
    struct buf data;
    struct extent *extents; /* in ascending order, none touching the next */
    size_t extent_count, extent_cap;
};

/* Behind everything that is held. -ENOMEM. */
int held_add(struct held *h, uint64_t offset, const void *data, size_t len);
void held_clear(struct held *h); /* keeps the memory */
void held_done(struct held *h);
/* Write all of it to an inode that is in the store. */
int held_write(const struct held *h, struct fs *fs, uint64_t ino);
/* Put all of it into the batch, as blocks of a new inode that has none. */
int held_blocks(const struct held *h, struct bulk *b, struct inode *in);

#endif
