/*
 * The range of user keys that a table really has, points and range tombstones together.
 */
#ifndef LSM_DB_TABLE_RANGE_H
#define LSM_DB_TABLE_RANGE_H

#include "lsm/iter/rangedel.h"
#include "lsm/table/sst.h"
#include "lsm/version/version.h"

/* All zeros is the range of nothing. */
struct table_range {
    struct buf smallest, largest;
    bool largest_exclusive; /* largest is the end of a range tombstone */
    bool any;
};

int table_range_add_key(struct table_range *range, struct slice user);
/* An empty tombstone adds nothing. */
int table_range_add_del(struct table_range *range, struct slice start, struct slice end);
/* Of an open table; *ret was empty. Reads the first and the last data block. */
int table_range_of(struct sst *t, struct table_range *ret);
/* Does it lie within the range that the manifest has for the table? */
bool table_range_within(const struct table_range *range, const struct table_meta *m);
void table_range_done(struct table_range *range);

#endif
