/*
 * An operation that changes the file system: the inodes it has locked and the batch it writes. The
 * shape of every caller:
 *
 *     err = op_begin(&op, fs, inos, count);
 *     if (err)
 *         return err;
 *     err = ...read, check, add to op.batch...
 *     return op_end(&op, err);
 *
 * and what several operations do to directories and to the inodes in them.
 */
#ifndef FS_OP_H
#define FS_OP_H

#include "fs/impl.h"

struct op {
    struct fs *fs;
    struct lsm_batch *batch;
    struct inode_locks locks;
    struct timespec now; /* the moment of the change */
    bool urgent;         /* the batch frees space; set by the caller */
    uint64_t orphan;     /* what op_orphan added; 0 for none */
    uint64_t adopted;    /* what op_adopt gave a name; 0 for none */
};

/* Lock the inodes and make a batch. -EROFS before anything else. */
int op_begin(struct op *op, struct fs *fs, const uint64_t *inos, int count);
/* With err 0 write the batch, else forget it; unlock; returns err or that of the write. */
int op_end(struct op *op, int err);
/*
 * The inode loses its last name by this operation, or is made without one and may then be given
 * one. At most once an operation.
 */
int op_orphan(struct op *op, uint64_t ino, bool may_link);
/* An orphan gets a name by this operation. -ENOENT unless it may; at most once an operation. */
int op_adopt(struct op *op, uint64_t ino);

/*
 * Fill in what the directory and the maker say of a new inode: number, owner, permissions with
 * their ACLs, times. `dir`, which the caller has locked, is changed and has to be written in the
 * same batch.
 */
int inode_begin(struct op *op, struct inode *dir, const struct fs_cred *cred, struct inode *in);

/* A name to be made or removed: -ENAMETOOLONG, -EINVAL for what can be no name. */
int name_check(const char *name);
bool name_is_dots(const char *name); /* "." or ".." */

/* Read a directory to change its entries: -ENOTDIR; -ENOENT when it has been removed. */
int dir_get(struct fs *fs, uint64_t ino, struct inode *ret);
/*
 * Count `entries` more (or fewer) entries and `dirs` more subdirectories of dir, and set its times.
 * -EMLINK, then dir is unchanged.
 */
int dir_change(const struct op *op, struct inode *dir, int entries, int dirs);

/*
 * Add an attribute, which is no ACL, of an inode that has none of this name to the batch: xattr.c.
 * The caller looks after the room for its names, and writes its record. Errors as fs_setxattr.
 */
int xattr_put_new(struct op *op, struct inode *in, const char *name, const void *value, size_t len);

/* An inode found under a name, with the value that a symlink's target borrows from. */
struct child {
    struct inode in;
    struct lsm_value value;
};

/*
 * Read the inode that an entry names, which the caller has locked together with the directory. A
 * missing inode or one of another type than the entry says is damage. child_done after success; a
 * zeroed child is allowed there.
 */
int child_load(struct fs *fs, uint64_t parent, const char *name, uint64_t ino, uint32_t type,
               struct child *ret);
void child_done(struct child *c);
/* Take one name from the inode and add its record to the batch; the last one makes it an orphan. */
int child_drop_name(struct op *op, struct inode *in);

#endif
