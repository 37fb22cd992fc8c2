/*
 * Everything in a store that carries one inode number, for fs/check/ and fs/repair/ only.
 */
#ifndef FS_CHECK_ITEM_H
#define FS_CHECK_ITEM_H

#include "fs/check/check_impl.h"

struct check_item {
    uint64_t ino;
    bool present;    /* there is an 'I' key */
    bool good;       /* and its record can be decoded */
    struct inode in; /* when good; without target */

    uint64_t block_count;                /* 'B' keys */
    uint64_t long_count, long_first;     /* of these longer than a block */
    uint64_t behind_count, behind_first; /* and reaching behind the file's end */
    uint64_t hidden_count;               /* of these, with no byte before it */
    uint64_t lost_count, lost_first;     /* and marked as lost by an earlier repair */
    uint64_t xattr_count;
    uint32_t acls;        /* flags of the record that its ACLs ask for */
    uint32_t acls_faulty; /* those of ACLs that are none; they are in acls as well */
    bool orphan;
    uint64_t entry_count, entry_first; /* names of it, and the place of the first in the list */
    struct check_entry entry;          /* the first, when there is one */
    struct check_sum sum;              /* of what it holds; all zeros for nothing */

    /* Damage may have swallowed keys of this number. */
    bool record_unsure, blocks_unsure, xattrs_unsure, orphan_unsure;
};

/* One of its names, copied; i is below entry_count. */
int check_item_entry(struct check *c, const struct check_item *item, uint64_t i,
                     struct check_entry *ret);

/* Judge it; adds directories to c->dirs and used numbers to c->groups (check_inode.c). */
int check_item(struct check *c, const struct check_item *item);

#endif
