/*
 * A counted array of tables: what a level of a version points to. Filled by its maker, then
 * immutable and shared. Holders of a reference: each version with that level, and level iterators.
 */
#ifndef LSM_VERSION_TABLE_ARRAY_H
#define LSM_VERSION_TABLE_ARRAY_H

#include "lsm/version/version.h"

struct table_array {
    atomic_uint refs;
    size_t count;
    struct table_meta *tables[]; /* one reference each */
};

/* Room for `cap` tables, none in it; one reference for the caller. */
int table_array_new(size_t cap, struct table_array **ret);
/* Append, with a new reference to m. There must be room. */
void table_array_push(struct table_array *a, struct table_meta *m);
void table_array_ref(struct table_array *a);
void table_array_unref(struct table_array *a, struct table_store *store); /* NULL is allowed */
/*
 * As level_iter_new over tables[first .. first + count) of the array, which the iterator keeps
 * alive: costs no reference per table.
 */
int level_iter_over(struct table_store *store, struct table_array *a, size_t first, size_t count,
                    unsigned sst_flags, struct iter **ret);

#endif
