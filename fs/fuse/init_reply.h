/*
 * What libfuse leaves out of its answer to the kernel's first message.
 */
#ifndef FS_FUSE_INIT_REPLY_H
#define FS_FUSE_INIT_REPLY_H

struct mount;

/*
 * After mounting: see to it that the answer to INIT is complete. Without it, too, all works, only
 * slower, so that a failure is none.
 */
void init_reply_hook(struct mount *m);

#endif
