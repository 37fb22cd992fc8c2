/*
 * What stands behind -o.
 */
#ifndef FS_FUSE_MOUNT_OPTIONS_H
#define FS_FUSE_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct mount_options {
    bool read_only;
    bool nonempty; /* the mount point may hold files, which are hidden */
    bool debug;
    bool allow_root; /* also in `passed` */
    bool no_acl;
    bool no_export;    /* no file handles */
    bool suid, dev;    /* set-id programs and device files work; only root can allow them */
    unsigned commit_s; /* seconds between two syncs */
    size_t cache_len;  /* bytes; 0 for the default */
    char *passed;      /* for libfuse, comma-separated; owned; NULL for none */
};

/*
 * Parse a comma-separated list, NULL for none. On failure writes to the log what is wrong with
 * which option and returns -1; *ret is untouched then. After success mount_options_done must be
 * called.
 */
int mount_options_parse(const char *text, struct mount_options *ret);
void mount_options_done(struct mount_options *o);
const char *mount_options_help(void);

#endif
