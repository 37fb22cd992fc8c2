/*
 * Facts of the file system as a whole: one 'S' key each. Format: fs/README.md.
 */
#ifndef FS_SUPER_H
#define FS_SUPER_H

#include "fs/fs.h"
#include "fs/key.h"

enum {
    SUPER_VERSION = 1,
    SUPER_FORMAT_LEN = 16, /* le32 version, compat, ro_compat, incompat features */
};

/* Features that this program knows. */
enum {
    SUPER_COMPAT = 0,
    SUPER_RO_COMPAT = 0,
    SUPER_INCOMPAT = 0,
};

/* All facts; what mkfs writes. group_next is the first group that has not been leased (group.c). */
struct super_facts {
    struct fs_super super;
    uint8_t secret[HASH_SECRET_LEN];
    uint64_t group_next;
    bool unlabelled; /* nothing has ever had a label of SELinux (xattr.c) */
};

/* Whether `len` is a block length that a file system may have. */
bool super_block_len_ok(uint64_t len);
/* Add all facts to a batch. */
int super_put(struct lsm_batch *b, const struct super_facts *facts);
/*
 * Read and check all facts. ERR_NO_FILE_SYSTEM when there are none, ERR_SUPER_RECORD for a missing
 * or damaged one, ERR_SUPERBLOCK_VERSION and _FEATURE for a newer format. Unknown ro_compat
 * features are allowed when read_only.
 */
int super_get(struct lsm_db *db, bool read_only, struct super_facts *ret);
/*
 * Whether this program knows all features, so that a repair would not take what a newer one has
 * written for damage: 0 or ERR_SUPERBLOCK_FEATURE. 0 as well when the fact cannot be read.
 */
int super_check_repairable(struct lsm_db *db);
/* The fact "group_next" alone; ERR_SUPER_RECORD when it is missing or damaged. */
int super_get_group_next(struct lsm_db *db, uint64_t *ret);
/* Write it alone. */
int super_write_group_next(struct lsm_db *db, uint64_t group_next);
/* Remove the fact that nothing has a label. */
int super_delete_unlabelled(struct lsm_batch *b);
/* How this file system wants its engine: the options that mkfs and open share. */
void super_store_options(struct lsm_options *ret);
/*
 * Close the engine after `err` (0: none), whose description outlives the closing. Returns err, or
 * the error of the closing.
 */
int super_store_close(struct lsm_db *db, int err);

#endif
