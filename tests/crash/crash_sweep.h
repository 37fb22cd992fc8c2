/*
 * A sweep over the points of a record: at each of them, make the disks that a loss of power could
 * leave there (power_loss.h), recover each, and judge what was found. One in so many recoveries is
 * recorded itself and swept in the same way.
 *
 * The environment decides how much is done:
 *
 *   TEST_SEED=N        another choice of what is chosen by chance
 *   TEST_EXHAUSTIVE=1  all combinations up to 4096 at a point instead of 16, and many more
 * otherwise TEST_NESTED=N      one in N distinct disks has its recovery swept; 0: none
 *   TEST_SCENARIO=S    this scenario only
 *   TEST_POINT=N       this point only
 *   TEST_DISK=D        this disk only, as a failure prints it ("512:17", with garbled pieces
 *                      "4096g:3")
 *   TEST_KEEP=DIR      a disk that fails is written there, as directories
 *
 * A failure prints the command that repeats it. A disk that was recovered once is not recovered
 * again: its outcome is remembered.
 */
#ifndef TESTS_CRASH_CRASH_SWEEP_H
#define TESTS_CRASH_CRASH_SWEEP_H

#include "crash/power_loss.h"

enum {
    CRASH_EXTRA_MAX = 8
};

/* What a recovery found. Equal for equal disks. */
struct crash_outcome {
    int err;
    char text[320];  /* of the error */
    uint64_t digest; /* of what the store holds, without the mark */
    uint64_t extra[CRASH_EXTRA_MAX];
    bool mark; /* what `again` writes is there */
};

struct crash_subject {
    /* Recover what is on the disk, look at all of it, and close it. */
    void (*recover)(void *arg, struct env_record *disk, struct crash_outcome *ret);
    /* The same, but write a mark and sync it, and close. *ret_marked: the point when it had been.
       Negative: it could not be opened. NULL: recoveries are not swept. */
    int (*again)(void *arg, struct env_record *disk, size_t *ret_marked);
    /* NULL, or what is wrong with it. */
    const char *(*judge)(void *arg, size_t point, const struct crash_outcome *o);
    void *arg;
    bool extra_may_grow; /* when the recovery was cut: more is told then */
};

struct crash_sweep {
    const char *scenario;
    const struct crash_subject *subject;
    const struct record *record;
    size_t first_point;
    unsigned env_flags; /* of the environments that recover */
    unsigned share;     /* of the work: 1 all, 2 half as many disks where not all are made, ... */
};

/* Whether the environment names another scenario. */
bool crash_skipped(const char *scenario);
bool crash_exhaustive(void);
uint64_t crash_seed(void);
/* Fails the test when a disk is not as it must be. */
void crash_sweep_run(const struct crash_sweep *sweep);
/* Print what all sweeps of the process have done, as one line. A teardown of a group of tests. */
int crash_sweep_report(void **state);

#endif
