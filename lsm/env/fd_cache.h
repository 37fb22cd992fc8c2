/*
 * Descriptors of files that are being read, within a limit: a store may have more tables than a
 * process may have open files. A file that has not been read for a while loses its descriptor and
 * gets a new one, by its name, when it is read again.
 */
#ifndef LSM_ENV_FD_CACHE_H
#define LSM_ENV_FD_CACHE_H

#include <stdatomic.h>

#include "lsm/base/mutex.h"

struct fd_entry;

struct fd_cache {
    unsigned count_max; /* constant */

    struct mutex mu;       /* a leaf; held while files are opened and closed */
    struct fd_entry *hand; /* [mu] ring of the entries that have a descriptor; NULL: none */
    unsigned count;        /* [mu] of them */
};

/* Embedded by its owner. All fields are fd_cache.c's. */
struct fd_entry {
    struct fd_entry *prev, *next; /* [mu] in the ring */
    atomic_uint pins;             /* users of fd at this moment, and FD_CLOSED */
    atomic_bool used;             /* since the hand was last here */
    int fd;                       /* valid while pinned and not closed */
};

void fd_cache_init(struct fd_cache *c, unsigned count_max); /* at least 1 */
void fd_cache_done(struct fd_cache *c);                     /* all entries have been removed */
/* A limit for one store of a process, from what the system allows the process. */
unsigned fd_cache_default_max(void);

/* Take over an open descriptor. */
void fd_cache_add(struct fd_cache *c, struct fd_entry *e, int fd);
/* Close it. Nobody uses it. */
void fd_cache_remove(struct fd_cache *c, struct fd_entry *e);
/*
 * The descriptor, which stays open until fd_cache_unpin. `reopen` opens the file anew when it has
 * been closed meanwhile: 0 with a descriptor, or an error, which is passed on. Any thread.
 */
int fd_cache_pin(struct fd_cache *c, struct fd_entry *e, int (*reopen)(void *arg, int *ret_fd),
                 void *arg, int *ret_fd);
static inline void fd_cache_unpin(struct fd_entry *e)
{
    atomic_fetch_sub_explicit(&e->pins, 1, memory_order_release);
}

#endif
