/*
 * A trial: a store as a program left it, something done with it while a call fails, and a look at
 * what has become of it.
 *
 * Every batch also puts its number under the key "seq", and everything in it follows from that
 * number. So what a store may hold is known: all batches up to the one that "seq" names, without
 * those that were refused, and not fewer than were promised to stay. Keys from "z" on are the
 * scenarios' own.
 */
#ifndef TESTS_FAULT_ENGINE_TRIAL_H
#define TESTS_FAULT_ENGINE_TRIAL_H

#include "lib/call_faults.h"
#include "lib/env_fault.h"
#include "lib/kv_model.h"
#include "lsm/db/db.h"

enum {
    TRIAL_BATCHES_MAX = 256
};

struct trial {
    /* Set by the caller, the first two by scenario_try. */
    const char *name;    /* of the scenario, for messages */
    const char *pattern; /* directory of the store that each trial begins with */
    bool cut_power;      /* at the end of it, what is not durable is lost */
    bool io_uring;
    bool must_not_show; /* what fails is done in another way: nobody gets an error */
    unsigned kinds;     /* what fails, and how */
    int code;
    uint64_t nth;
    enum call_scope scope;

    char *dir; /* "store" and whatever the scenario makes beside it */
    char store[600];
    struct env_fault *fault; /* NULL without power cuts */
    struct lsm_db *db;
    unsigned count;  /* the last batch that was tried */
    unsigned acked;  /* the last that was acknowledged */
    unsigned synced; /* the last that a sync has covered */
    bool refused[TRIAL_BATCHES_MAX];
    bool failed;   /* a call of the library has failed */
    bool sticky;   /* the store was read-only when it was closed */
    char log[600]; /* the last error in the store's log */
};

/* Batches that the pattern holds, the last few of them in its log. */
unsigned trial_pattern_make(const char *dir);
/* Copy the plain files of a directory into a new one. */
void trial_copy_dir(const char *from, const char *to);

/* Fill in what the caller has not set, and make the store. */
void trial_begin(struct trial *t, unsigned batches);
/* Open it, without checks. The library's answer. */
int trial_open(struct trial *t);
/* The next batch; flags as of lsm_write. The library's answer, which was looked at. */
int trial_write(struct trial *t, unsigned flags);
int trial_sync(struct trial *t);
/*
 * Look at a library's answer: 0, positive, or an error that names a file of the store and fits what
 * was made to fail. Returns it.
 */
int trial_answer(struct trial *t, const char *what, int answer);
/* The failure is over: look at the store's own word on it, close it, and cut the power. */
void trial_stop(struct trial *t);
/* Open it without failures: it holds what it must, is whole, and takes writes. */
void trial_end(struct trial *t);
/* What a store of this trial may hold: it opens, holds a state from `least` on, and is whole. */
void trial_check_store(struct trial *t, struct lsm_db *db, unsigned least);
/* End the test, saying how to repeat it. */
void trial_fail(const struct trial *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

struct lsm_options trial_options(struct trial *t);

#endif
