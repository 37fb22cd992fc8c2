/*
 * Between listening (control.c) and talking (control_talk.c).
 */
#ifndef FS_FUSE_CONTROL_IMPL_H
#define FS_FUSE_CONTROL_IMPL_H

struct mount;

/*
 * Talk to a client that may be trusted with the store, until one of the two has enough. Blocks;
 * shutting the socket down ends it. Does not close it.
 */
void control_talk(struct mount *m, int fd);

#endif
