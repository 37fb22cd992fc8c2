/*
 * mount -o remount: what can be changed of a mount that is there.
 */
#ifndef FS_FUSE_REMOUNT_H
#define FS_FUSE_REMOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * The extended attribute of the root directory that tells what a mount was made with. It is the one
 * that is not stored, and cannot be set.
 */
#define REMOUNT_OPTIONS_XATTR "trusted.fluxfs.options"

static inline bool remount_xattr_is(uint64_t ino, const char *name)
{
    return ino == 1 && strcmp(name, REMOUNT_OPTIONS_XATTR) == 0;
}

/*
 * Change the mount on `dir`, which must be that of `store`, both absolute, to what the list of
 * options says. Returns 0, or -1 after writing to the log why not; then nothing has changed.
 */
int remount(const char *store, const char *dir, const char *text);

#endif
