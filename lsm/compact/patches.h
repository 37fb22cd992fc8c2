/*
 * Rows of patches that stay because their base lies elsewhere: as few of them as will do.
 */
#ifndef LSM_COMPACT_PATCHES_H
#define LSM_COMPACT_PATCHES_H

#include "lsm/iter/fold.h"

/* All zeros is an empty row. */
struct patch_row {
    struct slice
        *records; /* values of KIND_PATCH entries; they borrow from `bytes` and the layers */
    size_t count;
    uint64_t len; /* bytes that they overwrite */
    struct buf bytes;
};

/*
 * Make of these patches, newest first, a row with the same effect over any base: patches that
 * overlap or touch become one. There are never more than before, and none overlaps another, so
 * their order no longer matters. What cannot be decoded is left as it is, for a reader to report.
 */
int patches_merge(const struct fold_layer *layers, size_t count, struct patch_row *ret);
void patch_row_done(struct patch_row *row);

#endif
