/*
 * The reaper removes the contents of files that have lost their last name once nobody has them
 * open any more.
 */
#ifndef FS_FUSE_REAPER_H
#define FS_FUSE_REAPER_H

#include <stdint.h>

struct fs;
struct fuse_session;
struct reaper;

int reaper_start(struct fs *fs, struct fuse_session *se, struct reaper **ret);
/* The kernel has forgotten this inode, which is an orphan. Never blocks for long. */
void reaper_add(struct reaper *r, uint64_t ino);
/* Stops at once: what is left is purged by fs_close. NULL is allowed. */
void reaper_stop(struct reaper *r);

#endif
