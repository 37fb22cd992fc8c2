/*
 * ACLs of inodes: two 'X' keys, system.posix_acl_access and system.posix_acl_default, and a flag in
 * the inode's record for each, which is set if and only if the key is there.
 *
 * The permissions of owner, mask and others are kept in one place only, the mode: in a stored
 * access list they are 0, and whoever reads it gets those of the mode. So changing the mode changes
 * the list, and the two can't disagree. A list without a mask is all mode, and is not stored.
 */
#ifndef FS_ACL_XATTR_H
#define FS_ACL_XATTR_H

#include "fs/acl.h"
#include "fs/op.h"

/* Values are the flags in the inode's record. */
enum acl_kind {
    ACL_NONE = 0,
    ACL_ACCESS = INODE_HAS_ACL,
    ACL_DEFAULT = INODE_HAS_DEFAULT_ACL, /* of directories: what is made in them begins with it */
};

/* Which list an attribute is; ACL_NONE for every other attribute. */
enum acl_kind acl_kind_of(const char *name, size_t name_len);

/*
 * The list of an inode. -ENODATA when it has none, -EOPNOTSUPP for symlinks and where lists are
 * off, or damage.
 */
int acl_get(struct fs *fs, const struct inode *in, enum acl_kind kind, struct acl *ret);
/*
 * Set the list to an attribute's value, and the mode with it; one without entries is removed. The
 * caller holds the inode's lock and writes its record, `in`. -EINVAL for what is no list, -EACCES
 * for a default list of what is no directory, -E2BIG, -ENOSPC. `kill_sgid`: an access list clears
 * the set-group-id bit.
 */
int acl_set_locked(struct op *op, struct inode *in, enum acl_kind kind, const void *value,
                   size_t len, bool kill_sgid);
/* The same without a list; that there is none already is fine. */
int acl_remove_locked(struct op *op, struct inode *in, enum acl_kind kind);
/*
 * Give a new inode what its directory's default list and `umask` leave of its mode, and its lists.
 * The record of `in` has its number; the caller writes it.
 */
int acl_inherit(struct op *op, const struct inode *dir, struct inode *in, uint32_t umask);
/* The flags of the lists that an inode of this type may have. */
uint32_t acl_flags_possible(uint32_t mode);
void acl_key(struct key *ret, uint64_t ino, enum acl_kind kind);
/* What is wrong with a stored value; NULL when nothing is. For the checker. */
const char *acl_stored_fault(enum acl_kind kind, const void *value, size_t len);

#endif
