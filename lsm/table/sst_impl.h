/*
 * An open table, for the files of this room.
 */
#ifndef LSM_TABLE_SST_IMPL_H
#define LSM_TABLE_SST_IMPL_H

#include <stdatomic.h>

#include "lsm/table/block_io.h"
#include "lsm/table/block_iter.h"
#include "lsm/table/sst_format.h"

/* An index or filter block that may be kept as long as the table is open. */
struct sst_kept {
    struct block_handle handle;         /* len 0: there is none */
    _Atomic(struct cache_block *) kept; /* one reference; set once */
};

struct sst_partition {
    struct slice last; /* internal key; no entry of the partition lies behind it */
    struct sst_kept index, filter;
};

/* Holders of a reference: whoever opened it, and its iterators. Constant but for the count. */
struct sst {
    atomic_uint refs;
    struct block_source src;
    struct sst_footer footer;
    struct sst_properties properties;
    struct blob_uses blobs;
    struct cache_block *top;         /* contents of the top index; not in the cache */
    struct rangedel_list *rangedels; /* NULL when there are none */
    size_t kept_len;                 /* bytes to be taken out of the cache's budget */
    bool reserved;                   /* they have been */

    struct sst_partition *partitions; /* ascending */
    size_t partition_count;
    uint8_t *partition_keys; /* what `last` points into */
};

/* sst_partitions.c: fill t->partitions from the top index, and add their memory to kept_len. */
int sst_partitions_open(struct sst *t);
void sst_partitions_close(struct sst *t); /* also after a failed open */
/* The first partition that may hold an entry >= ikey; partition_count when none. */
size_t sst_partition_find(const struct sst *t, struct slice ikey);
/* The block; the caller drops a reference when *ret_owned, else it lives as long as the table. */
int sst_kept_read(struct sst *t, struct sst_kept *k, struct cache_block **ret, bool *ret_owned);

/* Decode the tombstones of a range tombstone block. *ret is NULL when all are empty. */
int sst_rangedels_decode(const struct block_source *src, struct block_handle h,
                         struct slice contents, struct rangedel_list **ret, uint64_t *ret_count);
/* Describe that a block's contents are not what its place in the table asks for. */
int sst_raise_format(const struct block_source *src, struct block_handle h, const char *text);
/* Add to the description of a value's ERR_VALUE_LEN the file and the block that it stands in. */
int sst_raise_value(const struct block_source *src, struct block_handle h);

#endif
