/*
 * A Bloom filter whose probes for a key all fall into one cache line, so that a question costs one
 * miss. After Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007);
 * the choice of line by multiplication and of bits by repeated multiplication with the golden ratio
 * is that of RocksDB's FastLocalBloom, written anew here.
 *
 * The hash of a key is XXH3-64 of the user key. Layout of the bytes: lsm/FORMAT.md, "Table".
 */
#ifndef LSM_TABLE_BLOOM_H
#define LSM_TABLE_BLOOM_H

#include "lsm/base/slice.h"

/* All zeros is a builder without keys. */
struct bloom_builder {
    uint64_t *hashes;
    size_t count, cap;
};

uint64_t bloom_hash(struct slice user_key);
/* The same key twice in a row counts once. */
int bloom_builder_add(struct bloom_builder *b, uint64_t hash);
/* Replace *ret by the filter, and forget the keys. bits_per_key at least 1. */
int bloom_builder_finish(struct bloom_builder *b, unsigned bits_per_key, struct buf *ret);
void bloom_builder_done(struct bloom_builder *b);

/* False only when the key was not added. True for a filter of a kind that is not known. */
bool bloom_may_contain(struct slice filter, uint64_t hash);
/* Whether the bytes are a filter of the known kind. */
bool bloom_check(struct slice filter);

#endif
