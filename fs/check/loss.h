/*
 * From what the engine has lost to what it means for files. The engine tells losses as ranges of
 * keys and sequence numbers (lsm.h); here they become blocks of inodes, and inodes that may be
 * older than they should be.
 *
 * What counts as lost. A block of a file whose newest contents are gone is lost, even if older ones
 * are there: they would be wrong. Of everything else an older version is better than none: it
 * stays, and is told.
 */
#ifndef FS_LOSS_H
#define FS_LOSS_H

#include "fs/check/fsck.h"

/* Losses as the engine has told them, copied. All zeros is an empty list. */
struct loss_list {
    struct lsm_loss *losses;
    size_t count, cap;
    void **kept; /* the bytes that they point to */
    size_t kept_count, kept_cap;
};

int loss_list_add(struct loss_list *l, const struct lsm_loss *loss);
void loss_list_done(struct loss_list *l);

enum lost_kind {
    LOST_BLOCKS,  /* contents, from block first to last: certain */
    OLD_BLOCKS,   /* contents there may be old, nobody knows */
    OLD_INODE,    /* owner, permissions, times and length may be old */
    OLD_ENTRIES,  /* names in a directory */
    OLD_XATTRS,   /* values of extended attributes */
    LOST_XATTRS,  /* extended attributes are gone */
    LOST_UNKNOWN, /* a loss that could not be told apart: ino is 0 */
};

struct lost {
    uint64_t ino;
    enum lost_kind kind;
    uint64_t first, last; /* block numbers, of the first two kinds */
};

/* What the losses mean, by inode, kind and block; ranges that touch are one. */
struct lost_list {
    struct lost *items;
    size_t count, cap;
    uint32_t block_len; /* 0: the store does not tell, and there are no blocks in the list */
    bool unknown;       /* a loss may concern more than what is listed */
};

/*
 * Judge the losses by what can still be read. Works on a store that is damaged, and on one that was
 * repaired; what was not to be decided is reported as OLD_, never as LOST_. block_len: what the
 * user tells, for a store that does not; 0: nothing.
 */
int loss_judge(struct lsm_db *db, const struct loss_list *losses, uint32_t block_len,
               struct lost_list *ret);
void lost_list_done(struct lost_list *l);
/* Where a range goes on where the last one ended, that one is made longer. */
int lost_add(struct lost_list *l, enum lost_kind kind, uint64_t ino, uint64_t first, uint64_t last);
void lost_sort(struct lost_list *l);
/* Tell each with its path, as problems of the kinds CHECK_LOST and CHECK_OLD. */
int lost_tell(struct lsm_db *db, const struct lost_list *lost, const struct check_options *options,
              struct check_result *result);
/* Mark the LOST_BLOCKS, durably. Doing it again does nothing. */
int lost_mark_blocks(struct lsm_db *db, const struct lost_list *lost);

#endif
