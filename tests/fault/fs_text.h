/*
 * What a file system shows, as text. What is noted is no allocation of the product: it neither
 * counts nor fails.
 */
#ifndef TESTS_FAULT_FS_TEXT_H
#define TESTS_FAULT_FS_TEXT_H

#include "fs/fs.h"
#include "lsm/base/slice.h"

void text_bytes(struct buf *out, const void *data, size_t len);
void text_line(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A part of a file, found by its path. As fs_read. */
int text_contents(struct fs *fs, const char *path, uint64_t offset, size_t len, struct buf *out);

/* Names in the order of their text: that of the store differs from one to the next. */
struct names {
    char *names[256];
    unsigned count;
};

/* As fs_readdir; whatever it answers, names_done must be called. */
int names_list(struct fs *fs, uint64_t ino, bool with_attr, struct names *ret);
void names_done(struct names *n);

/* Everything in the tree, one line for each object. */
int fs_tree_text(struct fs *fs, struct buf *ret);

#endif
