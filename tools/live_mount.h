/*
 * A mount of ours, looked at while its daemon may be alive, dead or stuck.
 */
#ifndef TOOLS_LIVE_MOUNT_H
#define TOOLS_LIVE_MOUNT_H

#include <sys/types.h>

/*
 * Whether the daemon answers: 0, -ENOTCONN when the mount has lost it, -ETIMEDOUT when nothing is
 * heard for five seconds.
 */
int live_mount_ask(const char *dir);
/* A descriptor of the mount, which keeps it in use; or -errno. */
int live_mount_open(const char *dir);
/* Bring everything that was written through the mount to disk: 0 or -errno. */
int live_mount_sync(int fd);
/*
 * The kernel's connection of the mount with this minor number: a value that is never used again,
 * unlike the minor number itself; 0 when there is none or the kernel does not list connections.
 */
ino_t live_mount_connection(unsigned minor);

#endif
