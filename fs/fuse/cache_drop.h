/*
 * Makes the kernel forget what it has cached of names and inodes. For changes that were made and
 * are nevertheless answered with an error, because they could not be made durable (change_settle):
 * the kernel takes an error to mean that nothing has changed.
 */
#ifndef FS_FUSE_CACHE_DROP_H
#define FS_FUSE_CACHE_DROP_H

#include <stdint.h>

struct cache_drop;
struct fuse_session;

/* Borrows the session. 0, or a negative errno. */
int cache_drop_start(struct fuse_session *se, struct cache_drop **ret);
/*
 * Whether the name in the directory exists and what it stands for; what the directory lists. The
 * name is copied. From any thread; never blocks for long. So does the next one.
 */
void cache_drop_name(struct cache_drop *d, uint64_t parent, const char *name);
/* Attributes, ACLs, contents or listing of the inode. */
void cache_drop_inode(struct cache_drop *d, uint64_t ino);
/* Stops, when what it is at is done; drops nothing more. NULL is allowed. */
void cache_drop_stop(struct cache_drop *d);

#endif
