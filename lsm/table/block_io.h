/*
 * Blocks between memory and a table's file: compression, trailer with checksum, and the block
 * cache. Layout: lsm/FORMAT.md, "Table".
 */
#ifndef LSM_TABLE_BLOCK_IO_H
#define LSM_TABLE_BLOCK_IO_H

#include "lsm/cache/gather.h"
#include "lsm/table/sst_format.h"

/*
 * Append contents to *out as it will stand in the file `number` at `offset`: payload and trailer.
 * *ret_len is the payload's length. A block that does not shrink by 1/16 is stored as it is.
 */
int block_encode(struct slice contents, bool compress, uint64_t number, uint64_t offset,
                 struct buf *out, uint64_t *ret_len);

/* A table's file, as blocks are read from it. */
struct block_source {
    struct env_reader *reader;
    struct block_cache *cache; /* may be NULL */
    uint64_t number;
    uint64_t blocks_end; /* no block reaches beyond */
};

enum block_use {
    BLOCK_FILL,   /* through the cache */
    BLOCK_LOOK,   /* from the cache if it is there, but do not put it in */
    BLOCK_DIRECT, /* from the disk, whatever the cache has */
};

/*
 * Read and verify a block. One reference for the caller. Its bytes are block_contents; data and len
 * of the cache_block itself include room for a trailer, so that a block that is stored as it is can
 * be read in place. Errors name file and offset.
 */
int block_read(const struct block_source *s, struct block_handle h, enum block_use use,
               enum cache_priority priority, struct cache_block **ret);
/*
 * Through the cache; GATHER_LATER when the block has to be read first. The source must stay until
 * gather_done.
 */
int block_gather(const struct block_source *s, struct gather *g, struct block_handle h,
                 enum cache_priority priority, struct cache_block **ret);
/* As block_read from payload and trailer in memory. */
int block_decode(const struct block_source *s, struct block_handle h, const uint8_t *raw,
                 struct cache_block **ret);
/*
 * The same from payload and trailer that were read into a block of exactly that length. The
 * caller keeps its reference to raw; *ret is raw itself where that does.
 */
int block_open(const struct block_source *s, struct block_handle h, struct cache_block *raw,
               struct cache_block **ret);
/* ERR_SST_HANDLE unless the block can lie there. */
int block_check_handle(const struct block_source *s, struct block_handle h);

static inline struct slice block_contents(const struct cache_block *b)
{
    return slice_of(b->data, b->len - BLOCK_TRAILER_LEN);
}

/* Describe an error that a block_iter over the block found. */
int block_raise(const struct block_source *s, struct block_handle h, int err);

#endif
