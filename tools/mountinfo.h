/*
 * Which FluxFS stores are mounted where, from /proc/self/mountinfo. Nothing here touches a mount
 * itself, so that a mount whose daemon is dead does not get in the way.
 */
#ifndef TOOLS_MOUNTINFO_H
#define TOOLS_MOUNTINFO_H

#include <stdbool.h>

#define MOUNT_TYPE "fuse.fluxfs"

struct mount_entry {
    char *dir;    /* absolute */
    char *source; /* the store, absolute */
    char *type;
    unsigned minor; /* of its device number */
};

void mount_entry_done(struct mount_entry *entry); /* all zeros is allowed */

/*
 * What is mounted on top of path: 1, 0 for nothing, or -errno. The path may be relative; its last
 * component is taken as it is first, and followed when it is a symlink second.
 */
int mountinfo_find_dir(const char *path, struct mount_entry *ret);
/* Where the store is mounted, the newest of several: 1, 0 or -errno. */
int mountinfo_find_store(const char *store, struct mount_entry *ret);
/*
 * A place where this very mount shows, in this mount namespace or in that of any process that may
 * be looked at: 1, 0 or -errno.
 */
int mountinfo_find_same(const struct mount_entry *mount, struct mount_entry *ret);

#endif
