/*
 * The commands import and export, with a call that fails below them: what they say, what is in the
 * store and in the archive afterwards, and that they can be run again.
 */
#ifndef TESTS_FAULT_ARCHIVE_TRIAL_H
#define TESTS_FAULT_ARCHIVE_TRIAL_H

#include "fault/fs_trial.h"

struct archive_trial {
    const char *name;
    const char *archive; /* what is imported, or to be made; its end says how it is compressed */
    const char *dir;     /* of the target, that it is imported into; NULL: the source is exported */
    const char *option;  /* of the command; may be NULL */
    bool mounted;   /* the store is a daemon's, which takes imports; of a mount without kernel */
    bool own_times; /* some directories have the time of the import */
};

extern const struct archive_trial archive_trials[];
extern const unsigned archive_trial_count;

/* Make what all trials begin with, in the directory; and forget it. */
void archive_trials_begin(const char *dir);
void archive_trials_end(void);

/* As fs_trial_all, which see. */
unsigned archive_trial_all(const struct archive_trial *t, struct fs_failure failure, unsigned tries,
                           uint64_t *seed);

#endif
