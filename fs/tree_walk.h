/*
 * From paths to directories, for tree_put.c: the walk remembers the directories of the last path,
 * so that the objects of one directory cost no look-ups of those above it.
 */
#ifndef FS_TREE_WALK_H
#define FS_TREE_WALK_H

#include "fs/bulk.h"

struct tree_level {
    uint64_t ino;
    size_t end; /* of its path in that of the walk */
};

struct tree_walk {
    struct bulk *bulk;
    uint64_t root;
    struct inode implied; /* what a directory that is missing on the way gets */
    struct buf path;      /* of the last directory */
    struct tree_level *levels;
    size_t count, cap;
};

/*
 * The directory that holds the last component of the path, which is no "" and no fault. Missing
 * ones are made with `make`; else -ENOENT. -ENOTDIR: something on the way is no directory; then
 * so many bytes of the path, *ret_len, lead to it.
 */
int tree_walk_parent(struct tree_walk *w, const char *path, bool make, uint64_t *ret,
                     size_t *ret_len);
/* Directories may have gone: look them up again. */
void tree_walk_reset(struct tree_walk *w);
void tree_walk_done(struct tree_walk *w);

#endif
