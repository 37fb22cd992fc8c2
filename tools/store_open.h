/*
 * A file system opened for looking at it: read-only, without a mount.
 */
#ifndef TOOLS_STORE_OPEN_H
#define TOOLS_STORE_OPEN_H

#include "fs/fs.h"

/* Open or complain; a status. */
int store_open(const char *store, struct fs **ret);
/* Resolve a path in it or complain; a status. */
int store_resolve(struct fs *fs, const char *store, const char *path, struct fs_attr *ret);

#endif
