/*
 * POSIX ACLs between archives, which have them entry by entry, and the file system, which has them
 * as values of attributes (fs/acl.h).
 */
#ifndef TOOLS_ARCHIVE_ACL_H
#define TOOLS_ARCHIVE_ACL_H

#include <archive_entry.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/acl.h"

/*
 * The list of this type (ARCHIVE_ENTRY_ACL_TYPE_ACCESS or _DEFAULT) as an attribute's value in buf,
 * of ACL_LEN_MAX bytes. Its length, 0 when the entry has no such list beyond its mode, or -EINVAL
 * for what the file system has no place for.
 */
int archive_acl_get(struct archive_entry *e, int type, uint8_t *buf);
/* Give the entry the list of an attribute's value. 0, -EINVAL or -ENOMEM. */
int archive_acl_set(struct archive_entry *e, int type, const void *value, size_t len);

#endif
