/*
 * What the files of the io_uring environment share.
 */
#ifndef LSM_ENV_ENV_URING_H
#define LSM_ENV_ENV_URING_H

#include <liburing.h>
#include <stdatomic.h>

#include "lsm/base/mutex.h"
#include "lsm/env/env_posix.h"

enum {
    URING_BATCH_MAX = 64 /* requests that a core's ring takes at once */
};

/* The ring of a core. The lock is only ever tried, so it has no place in the order of locks. */
struct uring_core {
    struct mutex mu;
    struct io_uring ring; /* [mu] empty whenever mu is free */
};

struct behind_kit;

struct env_uring {
    struct env_posix posix;

    /* Set by open, then constant. */
    struct env_ops ops;       /* env_posix's, but for what the rings do */
    struct uring_core *cores; /* NULL without io_uring */
    unsigned core_count;
    char why_not[128]; /* why there is no io_uring */

    /* Set when the kernel that permitted io_uring refuses it later; nobody uses a ring then. */
    atomic_bool refused;

    struct mutex kits_mu;    /* a leaf: nothing is done while it is held */
    struct behind_kit *kits; /* [kits_mu] not in use by a writer */
};

static inline struct env_uring *env_uring_of(struct env *env)
{
    return (struct env_uring *)env;
}

/* A ring for so many requests: 0 or a negative errno. A forked child does not get it. */
int uring_init(struct io_uring *ring, unsigned entries);

/*
 * Submit what has been prepared on the ring and wait until no more than `leave` of *in_flight
 * requests, those prepared included, are not done. done(arg, user_data, res) is called for each
 * that is, and *in_flight counts down. *ret_cut becomes true when the kernel has not taken all
 * requests at once: then those that were linked to others may have been done before them. NULL is
 * allowed. False when the kernel refuses to take requests any more: then some were not done, none
 * is in flight, and the ring must not be used again.
 */
bool uring_run(struct io_uring *ring, unsigned *in_flight, unsigned leave, bool *ret_cut,
               void (*done)(void *arg, uint64_t user_data, int res), void *arg);

/* Rings by core: env_uring_core.c. */
int uring_cores_new(struct env_uring *e);
void uring_cores_free(struct env_uring *e);
void env_uring_read_many(struct env *env, struct env_read *reads, size_t count);
int env_uring_append_sync(struct env_writer *w, const struct slice *parts, unsigned part_count);

/* Writers that write behind: env_uring_behind.c. */
void uring_kits_free(struct env_uring *e);
int uring_behind_create(struct env *env, const char *name, struct env_writer **ret);
int uring_behind_append(struct env_writer *w, const struct slice *parts, unsigned part_count);
int uring_behind_sync(struct env_writer *w);
int uring_behind_reserve(struct env_writer *w, uint64_t len);
int uring_behind_truncate(struct env_writer *w, uint64_t len);
int uring_behind_close(struct env_writer *w);

#endif
