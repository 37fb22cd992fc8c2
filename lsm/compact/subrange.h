/*
 * Where to divide a compaction, so that several workers can each do a part: user keys that cut its
 * inputs into ranges of about as many bytes.
 */
#ifndef LSM_COMPACT_SUBRANGE_H
#define LSM_COMPACT_SUBRANGE_H

#include "lsm/compact/pick.h"

struct subranges {
    struct slice *cuts; /* ascending, each a user key; one range more than cuts */
    size_t cut_count;
    struct buf bytes; /* what the cuts point into */
};

/* A stretch of input: so many bytes lie before this user key, and after the key of the one before.
 */
struct anchor {
    struct slice key;
    uint64_t len;
};

/*
 * Choose at most part_count - 1 cuts among the anchors' keys, which are sorted on the way; ret_cuts
 * has room for them and borrows the keys. Returns how many.
 */
size_t subrange_choose(struct anchor *anchors, size_t count, unsigned part_count,
                       struct slice *ret_cuts);
/*
 * Cut the inputs into part_count ranges, or fewer where they cannot be cut so often. Opens the
 * tables. All zeros is no cut, and needs no subranges_done.
 */
int subranges_of(const struct compaction *c, struct table_store *store, unsigned part_count,
                 struct subranges *ret);
void subranges_done(struct subranges *s);

#endif
