/*
 * Reading what can be read of a damaged table, for repair.
 */
#ifndef LSM_TABLE_SST_SALVAGE_H
#define LSM_TABLE_SST_SALVAGE_H

#include "lsm/table/sst.h"

/*
 * `len` bytes at `offset` cannot be used. Entries of user keys from `from` up to `to`, both
 * inclusive, may have been there; NULL: from the first, or up to the last.
 */
struct sst_loss {
    uint64_t offset, len;
    const struct slice *from, *to;
    const struct slice *filter; /* what it does not contain was not there; NULL: unknown */
    bool entries, deletions;    /* what may have been there: points, range tombstones */
    const char *text;           /* why it cannot be used */
};

/* What is told; a non-zero answer ends the salvage with it. Slices are valid during the call. */
struct sst_salvage_calls {
    /* An entry of a valid block; internal keys ascend strictly. */
    int (*entry)(void *arg, struct slice ikey, struct slice value);
    /* A range tombstone, in no order with the entries. */
    int (*rangedel)(void *arg, const struct rangedel *del);
    int (*lost)(void *arg, const struct sst_loss *loss);
    void *arg;
};

/*
 * Tell of everything in table `number`. 0 also when nothing can be read; ERR_SST_VERSION for a
 * table that a newer program wrote; -ENOENT; -ENOMEM.
 */
int sst_salvage(struct env *env, uint64_t number, const struct sst_salvage_calls *calls);

#endif
