/*
 * The inside of the repair, for fs/repair/ only.
 *
 * A fix gets the finding and looks at the store as it is now: earlier fixes of the same pass may
 * have changed it, or done the work already, which is no failure. It makes one transaction, or
 * several of which each leaves the store no worse than it was.
 */
#ifndef FS_REPAIR_IMPL_H
#define FS_REPAIR_IMPL_H

#include "fs/check/check_item.h"
#include "fs/check/fsck.h"

enum {
    REPAIR_GOOD_COUNT = 1 << 13
};

struct repair {
    struct lsm_db *db;
    const struct repair_options *options;
    struct repair_result *result;

    /* What was told and not repaired, as hashes: it is not told again (repair.c). */
    struct check_array left; /* uint64_t; sorted up to left_sorted */
    size_t left_sorted, left_max;
    bool may_tell; /* the problem at hand was told by the check, or would have been */
    uint64_t round_repaired;
    /* To choose among the names of directories (repair_links.c). */
    uint64_t round_steps;                   /* up the tree */
    uint64_t round_good[REPAIR_GOOD_COUNT]; /* some directories that reach the root */

    /* Of the check that calls; not before the facts are known. */
    struct check *check;
    char why[256]; /* why a fix could not do its work */
};

/* A fix: 0 when its work is done, FIX_CANNOT with repair->why, or negative. */
enum {
    FIX_CANNOT = 1
};
typedef int fix_fn(struct repair *r, const struct check_finding *f);
int fix_cannot(struct repair *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- repair_tx.c: one batch and the inodes that it changes --- */

enum {
    TX_INODE_MAX = 8
};

struct tx {
    struct repair *r;
    struct lsm_batch *batch;
    struct tx_inode {
        struct inode in;
        struct lsm_value value; /* that it was decoded from; zeroed for a new one */
    } inodes[TX_INODE_MAX];
    unsigned count;
    uint64_t lost_ino;   /* lost+found, when the batch makes it; else 0 */
    uint64_t group_next; /* behind the groups that the batch takes; 0: it takes none */
};

int tx_begin(struct tx *tx, struct repair *r);
/* With err 0 write the batch and the inodes that have changed. Returns err or that of the write. */
int tx_end(struct tx *tx, int err);
/* The inode, to be changed; lives until tx_end. -ENOENT: none, or it cannot be decoded. */
int tx_inode(struct tx *tx, uint64_t ino, struct inode **ret);
/* The same, but -ENOENT as well when it is no directory. */
int tx_dir(struct tx *tx, uint64_t ino, struct inode **ret);
/* A record in place of what is there: all zeros but the number and the times, which are now. */
struct inode *tx_inode_new(struct tx *tx, uint64_t ino);
/* A number for a new inode in dir. -ENOSPC: none is left. */
int tx_number(struct tx *tx, struct inode *dir, uint64_t *ret);

/* Add an entry, or remove the one at key, and count it in the directory if that has a record. */
int tx_entry_add(struct tx *tx, const struct key *key, uint64_t ino, uint32_t mode);
int tx_entry_remove(struct tx *tx, struct slice key, struct slice value);
/* Count in the directory's record, where it has one. */
void tx_dir_count(struct tx *tx, uint64_t dir, int entries, int subdirs);
/*
 * The key of a name in directory `parent` that is not taken: `name`, or with "~" and a number at
 * its end, shortened so that it fits. Takes about as many look-ups as the number has bits.
 */
int tx_name(struct tx *tx, uint64_t parent, const char *name, size_t name_len, struct key *ret);
/* Whether an entry's value counts as a subdirectory. */
bool value_is_subdir(struct slice value);

/* --- repair_entry.c --- */

typedef int entry_fn(void *arg, struct slice key, struct slice value);
/*
 * Call each for every entry of a directory, as of now; key and value borrow during the call. Ends
 * with the first answer that is not 0.
 */
int entries_each(struct repair *r, uint64_t dir, entry_fn *each, void *arg);
/* The same for those at one place of it, so that the rest of the directory costs nothing. */
int entries_at(struct repair *r, uint64_t dir, uint64_t hash, entry_fn *each, void *arg);
/* Remove the entries of ino at a place but the one at the key `keep` (empty: none is kept). */
int entries_remove(struct tx *tx, uint64_t parent, uint64_t hash, uint64_t ino, struct slice keep);
/* The same for one name that the check has collected, in a transaction of its own. */
int entry_remove(struct repair *r, const struct check_entry *entry, struct slice keep);

/* --- repair_lost.c --- */

/* The directory /lost+found; made when there is none. FIX_CANNOT without a root. */
int lost_dir(struct tx *tx, struct inode **ret);
/* Give the inode a name in lost+found: "#NUMBER" and the suffix. A file's link count is raised. */
int lost_connect(struct tx *tx, struct inode *in, uint64_t number, const char *suffix);

/* --- The fixes --- */

fix_fn fix_facts, fix_number, fix_key_delete, fix_keys_delete;                 /* repair_facts.c */
fix_fn fix_entry_rename, fix_entry_rehash, fix_entry_record, fix_entry_remove; /* repair_entry.c */
fix_fn fix_entry_type, fix_name_remove;
fix_fn fix_connect, fix_orphan_connect, fix_entries_move, fix_loop;   /* repair_lost.c */
fix_fn fix_root, fix_rebuild, fix_record_drop;                        /* repair_record.c */
fix_fn fix_link_count, fix_dir_size, fix_block_count, fix_dir_parent; /* repair_field.c */
fix_fn fix_xattr_flag, fix_group_reset, fix_next_slot, fix_orphan_unlist, fix_orphan_named;
fix_fn fix_xattrs_delete, fix_acl_flags;
fix_fn fix_dir_links;                    /* repair_links.c */
fix_fn fix_blocks_move, fix_blocks_trim; /* repair_blocks.c */

/* Whether the place where the entry belongs is free; whether its value names an inode. */
bool rehash_is_safe(struct repair *r, const struct check_finding *f);
bool entry_record_is_safe(struct repair *r, const struct check_finding *f);
/* Whether no list is lost. */
bool acl_flags_is_safe(struct repair *r, const struct check_finding *f);

#endif
