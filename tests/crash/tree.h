/*
 * A file system under test on a disk in memory: what it shows after each change, and whether it may
 * show that after a loss of power. State n is the tree after the first n changes.
 */
#ifndef TESTS_CRASH_TREE_H
#define TESTS_CRASH_TREE_H

#include "crash/crash_sweep.h"
#include "fs/fs.h"
#include "lib/env_fault.h"
#include "lib/rng.h"

enum {
    TREE_STATE_MAX = 400,
    TREE_BLOCK_LEN = 4096
};

struct tree {
    char scenario[512];
    struct env_record *disk;
    struct fs *fs;
    struct rng rng;
    size_t begun; /* the point before the change that is under way */
    size_t first_point;
    struct {
        uint64_t digest;
        size_t begun, synced; /* synced: from this point on it is durable; SIZE_MAX: it is not */
    } states[TREE_STATE_MAX];
    size_t state_count; /* the last one's number */

    /* Where calls of the environment fail. */
    struct env_fault *fault; /* NULL: they do not */
    const struct tree *twin; /* the same operations without a failure; NULL: nobody knows */
    bool refused;            /* an operation was, and others went on: the twin went another way */
    bool sticky;             /* the store is read-only */
    /* What met the failure that made it so may be on disk: the state after doubt_after, or not. */
    bool in_doubt;
    size_t doubt_after, doubt_begun;
    uint64_t doubt_digest;
};

/* An operation: some calls of fs.h, after each of which it calls tree_note. Failures are the tree's
 * answer where something is not there, and change nothing. */
struct tree_op {
    const char *name;
    void (*run)(struct tree *t);
};

extern const struct tree_op tree_ops[];
extern const size_t tree_op_count;

/* The tree that all sequences begin with, as a disk on which everything is durable. */
struct disk_image *tree_base_new(void);
/* Open the file system on a copy of it. */
struct tree *tree_new(const struct disk_image *base, const char *scenario);
/*
 * The same, below which calls may be made to fail: t->fault. The twin, which may be NULL, did or
 * will do the same operations at the same times.
 */
struct tree *tree_new_failing(const struct disk_image *base, const char *scenario,
                              const struct tree *twin);
void tree_free(struct tree *t);
/* A call begins; it has changed something: what the tree shows now is its next state. */
void tree_begin(struct tree *t);
void tree_note(struct tree *t);
/* A call of the file system has failed, as it may: it must have changed nothing. */
void tree_note_failure(struct tree *t, int err);
/* Whether an error comes of a call that was made to fail. */
bool tree_may_fail(struct tree *t, int err);
/* Make everything durable; or fail, where that may be. */
void tree_sync(struct tree *t);
/* Flushes and compactions: the same for what they do in the background. */
void tree_flush(struct tree *t);
void tree_compact(struct tree *t);
/* End the process, and sweep what was recorded since tree_new. */
void tree_sweep(struct tree *t, unsigned share);

/* Of everything that the tree shows but the mark; *ret_mark: whether that is there. */
int tree_digest(struct fs *fs, uint64_t *ret, bool *ret_mark);

#endif
