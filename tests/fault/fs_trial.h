/*
 * A file system on which a call below fails, and another one on which none does and which is told
 * only what the first one did: in the end both must hold the same tree.
 */
#ifndef TESTS_FAULT_FS_TRIAL_H
#define TESTS_FAULT_FS_TRIAL_H

#include "fault/fs_steps.h"
#include "lib/call_faults.h"

struct fs_failure {
    unsigned kinds;
    int code;
    uint64_t nth;
    enum call_scope scope;
};

/* Make the directory with the file system that each trial begins with. */
void fs_pattern_make(const char *dir);

/* What is tried; each returns the calls that there were, and whether one has failed. */
struct fs_trial {
    const char *name;
    uint64_t (*run)(const char *pattern, const struct fs_failure *failure, bool *ret_failed);
};

extern const struct fs_trial fs_trials[];
extern const unsigned fs_trial_count;

/*
 * Let the calls of the failure's kinds fail one after the other, about `tries` of them. Returns how
 * many have failed.
 */
unsigned fs_trial_all(const struct fs_trial *t, const char *pattern, struct fs_failure failure,
                      unsigned tries, uint64_t *seed);
/* $TEST_ROUNDS, 0 for all, or `fallback`. */
unsigned fs_trial_tries_wanted(unsigned fallback);

#endif
