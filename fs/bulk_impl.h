/*
 * What bulk.c and bulk_commit.c share.
 */
#ifndef FS_BULK_IMPL_H
#define FS_BULK_IMPL_H

#include "fs/bulk.h"

/* Drop all items and the batch. */
void bulk_forget(struct bulk *b);
/* The item that makes the inode with this number; NULL when it is an older one. */
struct bulk_item *bulk_find_number(struct bulk *b, uint64_t ino);
/* Have the commit lock an inode; 0 is none. False when there is no room for more. */
bool bulk_lock_add(struct bulk *b, uint64_t ino);

#endif
