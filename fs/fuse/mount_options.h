/*
 * What stands behind -o.
 */
#ifndef FS_FUSE_MOUNT_OPTIONS_H
#define FS_FUSE_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/fuse/owner_view.h"

struct mount_options {
    bool remount;
    bool read_only;
    bool nonempty; /* the mount point may hold files, which are hidden */
    bool debug;
    bool suid, dev; /* set-id programs and device files work; only root can allow them */
    bool noexec;
    bool allow_other;
    bool no_acl;
    bool no_export; /* no file handles */
    bool sync;      /* every change is durable when it returns */
    bool dirsync;   /* changes of names are */
    bool no_compress;
    bool no_io_uring;       /* /dev/fuse only */
    unsigned commit_s;      /* seconds between two syncs */
    size_t cache_len;       /* bytes; 0 for the default */
    uint64_t size_max;      /* bytes of the disk that the store may take; 0: no limit */
    struct owner_view view; /* without a view that differs, set-id and device files may work */
    char *passed;           /* for libfuse, comma-separated; owned; NULL for none */
};

enum {
    MOUNT_OPTIONS_TEXT_LEN = 512 /* bytes that mount_options_text may need */
};

/*
 * Parse a comma-separated list, NULL for none; the last of several that contradict each other
 * counts. What it does not name is as in `base`, or as by default for NULL; `passed` of the base is
 * left out. On failure writes to the log what is wrong with which option and returns -1; *ret is
 * untouched then. After success mount_options_done must be called.
 */
int mount_options_parse(const char *text, const struct mount_options *base,
                        struct mount_options *ret);
void mount_options_done(struct mount_options *o);
/* Whether the list asks to change a mount that is there. */
bool mount_options_have_remount(const char *text);
/*
 * All that a mount was made with and the kernel does not show, as a list that mount_options_parse
 * understands.
 */
void mount_options_text(const struct mount_options *o, char ret[MOUNT_OPTIONS_TEXT_LEN]);
const char *mount_options_help(void);

#endif
