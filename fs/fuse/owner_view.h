/*
 * Other owners and permissions than those that are stored, for all files of a mount: the options
 * uid=, gid=, umask=, fmask= and dmask=.
 *
 * Owners: what is shown is also what new files are stored with, and chown to anything else is
 * refused with EPERM. Permissions: those of everybody are shown as 0777 without the mask, set-id
 * and sticky bits as stored; chmod and new files store what the program asked for, unseen.
 * But chmod to the very permissions that are shown leaves those that are stored: the kernel itself
 * sends them to take set-id bits away.
 */
#ifndef FS_FUSE_OWNER_VIEW_H
#define FS_FUSE_OWNER_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/fs.h"

struct owner_view {
    bool has_uid, has_gid, has_fmask, has_dmask;
    uint32_t uid, gid;
    uint32_t fmask; /* permissions taken from all but directories and symlinks */
    uint32_t dmask; /* and from directories */
};

bool owner_view_any(const struct owner_view *v);
bool owner_view_same(const struct owner_view *a, const struct owner_view *b);
/* What stat shows. */
void owner_view_show(const struct owner_view *v, struct stat *st);
/* Who owns a new object, and what it may be. */
void owner_view_cred(const struct owner_view *v, struct fs_cred *cred);
/* A change of attributes, FS_SET_ bits: 0, with what need not be stored taken out, or -EPERM. */
int owner_view_set(const struct owner_view *v, const struct fs_attr *attr, unsigned *which);
/* What to store when somebody sets this mode. */
uint32_t owner_view_mode(const struct owner_view *v, const struct fs_attr *stored, uint32_t mode);

#endif
