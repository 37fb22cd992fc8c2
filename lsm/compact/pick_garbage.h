/*
 * Which table to rewrite so that a blob file gets empty: a pure function, as in pick.h.
 */
#ifndef LSM_COMPACT_PICK_GARBAGE_H
#define LSM_COMPACT_PICK_GARBAGE_H

#include "lsm/compact/pick.h"

/* A blob file to be emptied: what is still needed of it is to be moved to other files. */
struct garbage_file {
    uint64_t number;
    uint64_t len;         /* bytes of the file */
    uint64_t garbage_len; /* of them, what nothing refers to */
};

/*
 * For when pick_compaction has nothing to do. A table below level 0 that is not compacting, touches
 * [start, end] (NULL: no bound) and refers to one of the files: of the file with the largest share
 * of garbage for which there is one, the table with the most bytes in it. It is its only input, and
 * its level the output; level 0 is left to ordinary compactions. len_max > 0 limits the bytes of
 * the table and of what it has in the file that it is chosen for. 1 with *ret, 0, -ENOMEM. It comes
 * to an end: the output refers to none of the files.
 */
int pick_garbage(const struct version *v, const struct garbage_file *files, size_t count,
                 const struct slice *start, const struct slice *end, uint64_t len_max,
                 struct compaction *ret);

#endif
