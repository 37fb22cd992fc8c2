/*
 * An open table, for the files of this room.
 */
#ifndef LSM_TABLE_SST_IMPL_H
#define LSM_TABLE_SST_IMPL_H

#include <stdatomic.h>

#include "lsm/table/block_io.h"
#include "lsm/table/block_iter.h"
#include "lsm/table/sst_format.h"

/* Holders of a reference: whoever opened it, and its iterators. Constant but for the count. */
struct sst {
    atomic_uint refs;
    struct block_source src;
    struct sst_footer footer;
    struct sst_properties properties;
    struct cache_block *top;         /* contents of the top index; not in the cache */
    struct rangedel_list *rangedels; /* NULL when there are none */
    size_t kept_len;                 /* bytes taken out of the cache's budget */
};

/* Decode the tombstones of a range tombstone block. *ret is NULL when all are empty. */
int sst_rangedels_decode(const struct block_source *src, struct block_handle h,
                         struct slice contents, struct rangedel_list **ret, uint64_t *ret_count);
/* Describe that a block's contents are not what its place in the table asks for. */
int sst_raise_format(const struct block_source *src, struct block_handle h, const char *text);

#endif
