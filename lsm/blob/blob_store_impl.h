/* What the files of the blob store share: the registry and the reading of records. */
#ifndef LSM_BLOB_BLOB_STORE_IMPL_H
#define LSM_BLOB_BLOB_STORE_IMPL_H

#include "lsm/blob/blob_store.h"

struct blob_store {
    /* Constant. */
    struct env *env;
    struct block_cache *cache;
    size_t value_cache_len_max, value_len_max;

    struct mutex mu;          /* order 5: under it nothing else is taken */
    struct blob_meta **metas; /* [mu] ascending by number */
    size_t count, cap;        /* [mu] */
};

#endif
