/*
 * Space that snapshots hold. A table knows how many of its versions are there for snapshots only,
 * and how many snapshots that were; when half of those are gone it is rewritten where it is.
 */
#ifndef LSM_COMPACT_STALE_H
#define LSM_COMPACT_STALE_H

#include "lsm/compact/pick.h"

/* How many of the snapshots (ascending) lie in [from, end). */
size_t snapshots_between(const uint64_t *snapshots, size_t count, uint64_t from, uint64_t end);
/*
 * For when pick_compaction has nothing to do. Of the tables below level 0 that are not compacting,
 * and that would give back an eighth of their versions or more, the one that would give back the
 * largest share; it is its only input, and its level the output. len_max as for pick_compaction. 1
 * with *ret, 0, -ENOMEM. It comes to an end: each time a table is rewritten, half of the snapshots
 * that it holds something for are gone.
 */
int pick_stale(const struct version *v, const uint64_t *snapshots, size_t count, uint64_t len_max,
               struct compaction *ret);

#endif
