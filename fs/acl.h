/*
 * POSIX access control lists, as rules and as bytes. Nothing here knows of inodes or of the store:
 * fs/acl_xattr.h keeps lists with inodes.
 *
 * The bytes are those of the attributes system.posix_acl_access and system.posix_acl_default, as
 * programs and the kernel exchange them: le32 version (2), then for each entry le16 tag, le16
 * permissions, le32 id of the user or group (0xffffffff where the tag has none).
 */
#ifndef FS_ACL_H
#define FS_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which entries must stand. */
enum acl_tag {
    ACL_TAG_USER_OBJ = 0x01, /* the owner */
    ACL_TAG_USER = 0x02,
    ACL_TAG_GROUP_OBJ = 0x04, /* the owning group */
    ACL_TAG_GROUP = 0x08,
    ACL_TAG_MASK = 0x10, /* the most that named users and all groups get */
    ACL_TAG_OTHER = 0x20,
};
#define ACL_ID_NONE UINT32_MAX

enum {
    ACL_HEAD_LEN = 4,
    ACL_ENTRY_LEN = 8,
    /* What the kernel takes from a FUSE daemon: a page of 4 KiB. */
    ACL_ENTRY_COUNT_MAX = (4096 - ACL_HEAD_LEN) / ACL_ENTRY_LEN,
    ACL_LEN_MAX = ACL_HEAD_LEN + ACL_ENTRY_COUNT_MAX * ACL_ENTRY_LEN,
};

struct acl_entry {
    uint16_t tag;
    uint16_t perm; /* bits 4 read, 2 write, 1 execute */
    uint32_t id;
};

struct acl {
    size_t count; /* 0: no list */
    struct acl_entry entries[ACL_ENTRY_COUNT_MAX];
};

/*
 * 0 when the bytes are a list: either without entries, or one entry each for owner, owning group
 * and others, any number for users and groups, and a mask, which must be there when users or groups
 * are; in the order of the tags. -EINVAL when not, -EOPNOTSUPP for another version, -E2BIG for too
 * many entries; *ret is unspecified then.
 */
int acl_decode(const void *data, size_t len, struct acl *ret);
/* Into buf of ACL_LEN_MAX bytes; returns the length. */
size_t acl_encode(const struct acl *a, uint8_t *buf);

/* A list without a mask says nothing that the nine permission bits of a mode do not say. */
bool acl_has_mask(const struct acl *a);
/*
 * The permission bits of a mode that has this list: owner and others as the list says, and for the
 * group the mask, or without one the owning group.
 */
uint32_t acl_mode(const struct acl *a);
/* The reverse: what chmod does to a list. */
void acl_set_mode(struct acl *a, uint32_t mode);

#endif
