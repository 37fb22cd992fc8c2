/*
 * A tree of the file system, object by object: a directory before what is in it, first its files,
 * in the order in which they lie in the store, then its directories.
 *
 * Memory grows with the depth of the tree and with the number of directories side by side, not with
 * the number of files.
 */
#ifndef TOOLS_TREE_LIST_H
#define TOOLS_TREE_LIST_H

#include "fs/fs.h"

/*
 * Call `each` for everything below directory `dir`, with paths relative to it. A non-zero answer
 * ends it and is returned. A directory that cannot be listed is told to `broken`, may be in part,
 * and it goes on; so is the top one. -ENOMEM.
 */
struct tree_list_calls {
    int (*each)(void *arg, const char *path, const struct fs_attr *attr);
    void (*broken)(void *arg, const char *path, int err);
    void *arg;
};
int tree_list(struct fs *fs, uint64_t dir, const struct tree_list_calls *calls);

#endif
