/*
 * Range tombstones: "every version of a key in [start, end) older than seqno is deleted".
 *
 * A list is immutable and cut into fragments: the tombstones' boundaries split the key space so
 * that fragments do not overlap, and each holds the sequence numbers of all tombstones over it,
 * newest first. A question is then one binary search.
 */
#ifndef LSM_ITER_RANGEDEL_H
#define LSM_ITER_RANGEDEL_H

#include "lsm/base/slice.h"

struct rangedel {
    struct slice start; /* user key, inclusive */
    struct slice end;   /* user key, exclusive; a tombstone with end <= start is empty */
    uint64_t seqno;
};

struct rangedel_fragment {
    struct slice start, end;
    const uint64_t *seqnos; /* descending */
    uint32_t seqno_count;   /* at least 1 */
};

struct rangedel_list {
    struct rangedel_fragment *fragments; /* ascending, disjoint */
    size_t fragment_count;
    /* Memory that the fragments point into. */
    uint64_t *seqnos;
    uint8_t *bytes;
    void *holder; /* whatever owns the list may note itself here; NULL at first */
};

/* Build from tombstones in any order, with copies of their keys. Empty ones are left out. */
int rangedel_list_new(const struct rangedel *dels, size_t count, struct rangedel_list **ret);
void rangedel_list_free(struct rangedel_list *list); /* NULL is allowed */
/* The largest seqno <= snapshot of a tombstone over key; 0 when none. NULL list: 0. */
uint64_t rangedel_list_covering(const struct rangedel_list *list, struct slice key,
                                uint64_t snapshot);
/* The first fragment that ends after key, or fragment_count. */
size_t rangedel_list_find(const struct rangedel_list *list, struct slice key);

#endif
