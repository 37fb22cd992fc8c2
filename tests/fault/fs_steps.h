/*
 * Operations on a file system, one after the other, of every kind that fs.h offers. What a step
 * answers depends on the tree alone, so that two file systems with the same tree give the same
 * answers; inode numbers and times do not show.
 */
#ifndef TESTS_FAULT_FS_STEPS_H
#define TESTS_FAULT_FS_STEPS_H

#include "fs/fs.h"
#include "lsm/base/slice.h"

struct fs_step {
    const char *name;
    /* 0 or positive, or a negative error. What was read goes to `out`, as text. */
    int (*run)(struct fs *fs, struct buf *out);
};

extern const struct fs_step fs_steps[];
extern const unsigned fs_step_count;

/* The tree that the steps begin with; fs is empty. */
void fs_steps_prepare(struct fs *fs);

#endif
