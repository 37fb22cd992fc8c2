/*
 * Running a sequence on both sides and comparing what they saw.
 */
#ifndef TESTS_MOUNT_DIFFERENTIAL_DIFF_COMPARE_H
#define TESTS_MOUNT_DIFFERENTIAL_DIFF_COMPARE_H

#include "mount/differential/diff.h"

enum {
    HOST,
    MOUNT,
    SIDE_COUNT
};
extern const char *const side_names[SIDE_COUNT];

struct sequence {
    uint64_t seed;
    uint64_t first, end; /* numbers of steps */
    const bool *skipped; /* by number - first; NULL for none */
    const char *roots[SIDE_COUNT];
    bool has_fine_times;                /* ext4 here gives each change a time of its own */
    struct result *results[SIDE_COUNT]; /* by number - first; shared memory */
};

/* Whether two changes of a file of `root` close together have different times. */
bool has_fine_times(const char *root);
void sequence_new(struct sequence *q);
void sequence_free(struct sequence *q);
/*
 * Run both sides to their ends. Returns the number of the first step that differs, or q->end; with
 * `tells` says on standard output what differs.
 */
uint64_t sequence_run(const struct sequence *q, bool tells);
/* Whether the trees of both sides are the same, and whole. */
bool trees_equal(const char *const roots[SIDE_COUNT], bool tells);
/* Run `work` in a process below `root`; true when it ends with status 0. */
bool in_root(const char *root, bool is_mount, int (*work)(struct side *s, void *arg), void *arg);

#endif
