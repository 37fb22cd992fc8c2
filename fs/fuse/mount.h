/*
 * Mounting a store: what the fluxfs command calls. Everything behind it (options, the mount point,
 * the daemon, the kernel's requests) is in this directory.
 */
#ifndef FS_FUSE_MOUNT_H
#define FS_FUSE_MOUNT_H

#include <stdbool.h>

enum {
    /* Exit statuses of mount(8). */
    MOUNT_EXIT_USAGE = 1,
    MOUNT_EXIT_FAILURE = 32,
};

/*
 * The extended attribute of a mount's root that tells, in words, which failure has made the store
 * read-only; empty as long as none has. It is not stored and cannot be set.
 */
#define MOUNT_FAILURE_XATTR "system.fluxfs.failure"

/* The same for the way that the kernel's requests take: "io_uring" or "/dev/fuse". */
#define MOUNT_TRANSPORT_XATTR "system.fluxfs.transport"

struct fuse_mount_options {
    const char *store;       /* made when it does not exist, unless mounted read-only */
    const char *mount_point; /* an existing directory */
    const char *options;     /* comma-separated, as after -o; NULL for none */
    bool foreground;         /* stay, log to stderr */
    bool verbose;            /* foreground: log more */
};

/* The options that -o takes, for --help: lines of text, each ended by a newline. */
const char *fluxfs_mount_help(void);
/*
 * Mount. In the background it returns in the calling process once the mount is usable; in the
 * foreground when it has been unmounted. Failures are written to stderr. Returns an exit status. It
 * must be called by a process with a single thread, which has opened no store.
 */
int fluxfs_mount_run(const struct fuse_mount_options *options);

#endif
