/*
 * Losses as bytes: the file LOSSES, which repair writes and lsm_losses reads. Format:
 * lsm/FORMAT.md, "Losses". A list of losses is a string of records; filters are long, so that a
 * record whose filter is that of the record before it only says so.
 */
#ifndef LSM_DB_LOSSES_H
#define LSM_DB_LOSSES_H

#include "lsm/db/db.h"

/* All zeros is an empty list. */
struct losses {
    struct buf bytes;       /* records */
    struct buf last_filter; /* of the last record; empty: it had none */
    size_t count;
};

int losses_add(struct losses *l, const struct lsm_loss *loss);
void losses_done(struct losses *l);
/* Append the list to what the file LOSSES has, atomically and durably. An empty list does nothing.
 */
int losses_write(struct env *env, const struct losses *l);
/*
 * What the file has: as lsm_losses. -ENOENT is an empty list.
 */
int losses_read(struct env *env, int (*each)(void *arg, const struct lsm_loss *loss), void *arg);
/* The file as it is, durably, to another store; 0 also when there is none. */
int losses_copy(struct env *from, struct env *to);
int losses_remove(struct env *env);

/* A loss in the file `name` with no more than its kind; every key may be concerned. */
static inline struct lsm_loss loss_of_kind(enum lsm_loss_kind kind, const char *file)
{
    return (struct lsm_loss){.kind = kind, .file = file, .seqno_max = UINT64_MAX, .level = -1};
}

/* What a salvaged table tells. old: what the manifest says of it; NULL: nothing. */
struct sst_loss;
int losses_each_of_table(const struct sst_loss *sst_loss, const char *file, int level,
                         const struct table_meta *old,
                         int (*each)(void *arg, const struct lsm_loss *loss), void *arg);

#endif
