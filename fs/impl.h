/*
 * The inside of struct fs, for the files of fs/ only.
 */
#ifndef FS_IMPL_H
#define FS_IMPL_H

#include <stdatomic.h>

#include "fs/fs.h"
#include "fs/inode.h"
#include "fs/key.h"
#include "fs/lock.h"
#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/base/mutex.h"

struct orphan_set;

struct fs {
    /* Set by fs_open, then constant. */
    struct lsm_db *db;
    struct fs_super super;
    uint8_t hash_secret[HASH_SECRET_LEN];
    bool read_only;
    struct lock_table *locks;
    struct orphan_set *orphans; /* has its own lock; orphan.c */
    struct fs_options options;

    atomic_bool unlabelled; /* nothing has ever had a label (xattr.c); once false, it stays so */

    struct mutex group_mu;       /* order: after inode locks, before the engine */
    uint64_t group_next;         /* [group_mu] the next unused group */
    uint64_t group_leased_until; /* [group_mu] groups below it may be handed out */

    /* Held while a directory moves to another parent; order: before inode locks (rename.c). */
    struct mutex rename_mu;
};

/* As fs_open, on a store that is open already, and which fs_close closes; on failure it stays open.
 */
int fs_open_on(struct lsm_db *db, const struct fs_options *options, struct fs **ret);
/*
 * Log a damage that the caller has just found (err_detail is its text) and return err. Other errors
 * are returned as they are.
 */
int fs_report(const struct fs *fs, int err);

/* A new group number, never handed out before, also after a crash (group.c). */
int group_take(struct fs *fs, uint64_t *ret);
/*
 * Give the next child of a directory its number, updating parent's group and next_slot (the caller
 * writes the parent's record in the same batch).
 */
int inode_number_take(struct fs *fs, struct inode *parent, uint64_t *ret);

/* The dirent of a name: 0 with number and type, -ENOENT, or damage (dirent.c). */
int dirent_get(struct fs *fs, uint64_t parent, const char *name, uint64_t *ret_ino,
               uint32_t *ret_type);
int dirent_put(struct fs *fs, struct lsm_batch *b, uint64_t parent, const char *name, uint64_t ino,
               uint32_t mode);
int dirent_delete(struct fs *fs, struct lsm_batch *b, uint64_t parent, const char *name);

/* Write a batch; frees it whatever comes of it. `urgent`: it frees space. */
int fs_commit(struct fs *fs, struct lsm_batch *b, bool urgent);

/*
 * Change a file's length in `in` and add to the batch what that does to its blocks (data.c): blocks
 * behind the end are deleted, the last one is shortened. Growing makes a hole.
 */
int file_resize(struct fs *fs, struct lsm_batch *b, struct inode *in, uint64_t size);
/* Add to the batch the removal of all the inode's blocks and attributes (data.c, xattr.c). */
int file_delete_blocks(struct lsm_batch *b, const struct inode *in, uint32_t block_len);
int xattr_delete_all(struct lsm_batch *b, const struct inode *in);
/* -ENOSPC when the list of the inode's attributes has no room for a name of this length. */
int xattr_name_fits(struct fs *fs, const struct inode *in, size_t name_len);

/* Open, fill and close the set of orphans; 'O' keys are its image on disk (orphan.c). */
int orphans_new(struct orphan_set **ret);
void orphans_free(struct orphan_set *o);
int orphans_add(struct orphan_set *o, uint64_t ino, bool may_link);
void orphans_remove(struct orphan_set *o, uint64_t ino);
bool orphans_may_link(struct orphan_set *o, uint64_t ino);
bool orphans_any(const struct orphan_set *o);
/* Purge all that the store lists; at open, and at close when there are any. */
int orphans_purge_all(struct fs *fs);

#endif
