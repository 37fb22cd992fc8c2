/*
 * A mount of ours, looked at while its daemon may be alive, dead or stuck.
 */
#ifndef TOOLS_LIVE_MOUNT_H
#define TOOLS_LIVE_MOUNT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether the daemon answers. False when the mount has lost it, or when nothing is heard for five
 * seconds.
 */
bool live_mount_answers(const char *dir);
/* Bring everything that was written through the mount to disk: 0 or -errno. */
int live_mount_sync(const char *dir);
/*
 * The kernel's connection of the mount with this minor number: a value that is never used again,
 * unlike the minor number itself; 0 when there is none or the kernel does not list connections.
 */
ino_t live_mount_connection(unsigned minor);

#endif
