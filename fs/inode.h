/*
 * The inode record: the value of an 'I' key. Format byte by byte: fs/README.md.
 *
 * For a regular file `size` is its length and `block_count` the number of its 'B' keys, so that a
 * file is dense when block_count equals the blocks that its size spans. For a directory `size` is
 * the number of its entries (without "." and ".."), `parent` the directory that holds it, and
 * `group`, `next_slot` say where the next child's inode number comes from. For a symlink the target
 * is kept in the record itself, and size is its length.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include <sys/stat.h>

#include "fs/fs.h"
#include "lsm/base/slice.h"

enum {
    INODE_VERSION = 1,
    INODE_SLOT_COUNT = 65536
};
#define INODE_GROUP_END  ((uint64_t)1 << 36) /* groups and numbers are below these */
#define INODE_NUMBER_END ((uint64_t)1 << 52)
#define INODE_NLINK_MAX  UINT32_MAX

enum {
    INODE_HAS_XATTR = 1,       /* at least one 'X' key has existed; without it none does */
    INODE_HAS_ACL = 2,         /* exactly when it has an access list (acl_xattr.h) */
    INODE_HAS_DEFAULT_ACL = 4, /* exactly when the directory has a default list */
};

struct inode {
    uint64_t ino; /* from the key, not in the record */
    uint32_t mode, uid, gid, nlink;
    uint32_t flags;
    uint64_t size;
    uint64_t block_count;
    uint64_t rdev;
    uint64_t parent;    /* directories */
    uint64_t group;     /* directories; 0: none taken yet */
    uint32_t next_slot; /* directories; the next free slot of the group */
    struct timespec atime, mtime, ctime, btime;
    struct slice target; /* symlinks; borrows from what was decoded */
};

enum {
    INODE_RECORD_LEN_MAX = 256 + FS_SYMLINK_LEN_MAX
};

/* Encode into buf of INODE_RECORD_LEN_MAX bytes; returns the length. */
size_t inode_encode(const struct inode *in, uint8_t *buf);
/* -EUCLEAN-like damage (ERR_INODE_RECORD) when the bytes are no record. */
int inode_decode(uint64_t ino, const void *data, size_t len, struct inode *ret);
/* As stat shows it. */
void inode_attr(const struct fs *fs, const struct inode *in, struct fs_attr *ret);
/* Read an inode: 0, -ESTALE when there is none, or damage. For a symlink, target is not kept. */
int inode_get(struct fs *fs, uint64_t ino, struct inode *ret);
/*
 * As inode_get, but a symlink's target borrows from *ret_value, which after success must be given
 * to lsm_value_done.
 */
int inode_load(struct fs *fs, uint64_t ino, struct inode *ret, struct lsm_value *ret_value);
/* Add the record to a batch. A symlink's target must be set. */
int inode_put(struct lsm_batch *b, const struct inode *in);
void inode_now(struct timespec *ret); /* CLOCK_REALTIME */

static inline bool inode_is_dense(const struct inode *in, uint32_t block_len)
{
    uint64_t whole = in->size / block_len;

    return in->block_count == whole + (in->size % block_len != 0);
}

#endif
