/*
 * What the programs share that run sequences of a tree's operations: the tree that all sequences
 * begin with, steps and their names, and the part of the work that is asked for.
 *
 * Step 2n is operation n, step 2n + 1 the same with a sync behind it.
 */
#ifndef TESTS_CRASH_TREE_STEPS_H
#define TESTS_CRASH_TREE_STEPS_H

#include "crash/tree.h"

enum {
    TREE_STEP_FLUSH = 1000, /* no operations */
    TREE_STEP_COMPACT
};

/* Setup and teardown of a group of tests: makes tree_base; frees it, and reports on all sweeps. */
int tree_steps_begin(void **state);
int tree_steps_end(void **state);
extern struct disk_image *tree_base;

size_t tree_step_count(void); /* but for the last two */
void tree_step_run(struct tree *t, size_t step);
/* Append a step's name to those of a sequence: "OP", "OP!" with a sync, "flush", "compact". */
void tree_step_append(char *names, size_t cap, size_t step);

/* TEST_PART=I/N: each Nth from the Ith on. All when the environment does not say. */
struct tree_part {
    size_t first, by;
};
struct tree_part tree_part_asked(void);

#endif
