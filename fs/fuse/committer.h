/*
 * The committer bounds what a loss of power can take: every few seconds it makes durable what was
 * written since.
 */
#ifndef FS_FUSE_COMMITTER_H
#define FS_FUSE_COMMITTER_H

struct fs;
struct committer;

int committer_start(struct fs *fs, unsigned interval_s, struct committer **ret);
/* Stops at once; a sync that runs is waited for. NULL is allowed. */
void committer_stop(struct committer *c);

#endif
