/*
 * All that a file system shows of a tree, object by object: what an import is to make of it, and
 * what it is to leave alone. Nothing here fails.
 */
#ifndef TESTS_FAULT_ARCHIVE_TREE_H
#define TESTS_FAULT_ARCHIVE_TREE_H

#include <stdbool.h>

#include "fs/fs.h"

enum {
    ARCHIVE_TREE_COUNT_MAX = 256
};

struct archive_object {
    char *path;  /* from the root, beginning with a slash; "" is the root */
    char *text;  /* what the object itself has, but not how many names */
    char *times; /* mtime, of a directory only */
    uint64_t ino;
    uint32_t mode, nlink;
};

struct archive_tree {
    struct archive_object objects[ARCHIVE_TREE_COUNT_MAX];
    unsigned count;
};

struct archive_tree *archive_tree_read(struct fs *fs);
void archive_tree_free(struct archive_tree *t);
/* NULL when there is none. */
const struct archive_object *archive_tree_find(const struct archive_tree *t, const char *path);
/* Whether both are the same to the last attribute; `dir_times`: and times of directories. */
bool archive_tree_same(const struct archive_tree *a, const struct archive_tree *b, bool dir_times);
/* The same but for the number of names and the times of a directory. b may be NULL. */
bool archive_object_same(const struct archive_object *a, const struct archive_object *b);

#endif
