/*
 * The control socket of a mount: other processes put trees into the store that it holds. What is
 * spoken there: control_proto.h.
 */
#ifndef FS_FUSE_CONTROL_H
#define FS_FUSE_CONTROL_H

struct control;
struct mount;

/*
 * Listen in the directory of the store, with a thread. Borrows m, whose session and reaper must
 * outlive it. 0 or a negative errno.
 */
int control_start(struct mount *m, const char *store, struct control **ret);
/* Hang up on everybody, remove the socket, and wait for the threads. NULL is allowed. */
void control_stop(struct control *c);

#endif
