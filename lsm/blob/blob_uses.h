/*
 * Which blob files something refers to, and how much of each: a table, a memtable, a whole version.
 */
#ifndef LSM_BLOB_BLOB_USES_H
#define LSM_BLOB_BLOB_USES_H

#include "lsm/base/blob_ref.h"

/* What refers to one file: so many records, with so many bytes of the file. */
struct blob_use {
    uint64_t number;
    uint64_t count;
    uint64_t len; /* with headers, keys and padding */
};

/* All zeros is an empty list. */
struct blob_uses {
    struct blob_use *uses; /* ascending by number */
    size_t count, cap;
};

/* Count more of a file. -ENOMEM. */
int blob_uses_add(struct blob_uses *u, uint64_t number, uint64_t count, uint64_t len);
int blob_uses_add_ref(struct blob_uses *u, const struct blob_ref *ref);
/* The file's entry, NULL when there is none. */
const struct blob_use *blob_uses_find(const struct blob_uses *u, uint64_t number);
bool blob_uses_equal(const struct blob_uses *a, const struct blob_uses *b);
void blob_uses_done(struct blob_uses *u);

/* Append as bytes: varint number of files, then three varints for each. */
int blob_uses_encode(const struct blob_uses *u, struct buf *ret);
/* Take from the front of *in and replace *ret: 1, 0 when it holds no such list, or -ENOMEM. */
int blob_uses_decode(struct slice *in, struct blob_uses *ret);

#endif
