/*
 * Requests that take too long are told in the log, once each with what they wait for, and again
 * when they have ended.
 *
 * Each thread that serves has a slot and notes there what it is at: three stores for a request, no
 * clock. A thread of the watchdog's own looks at the slots now and then, and sleeps without a clock
 * while no requests come.
 */
#ifndef FS_FUSE_WATCHDOG_H
#define FS_FUSE_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lsm/base/mutex.h"
#include "lsm/base/waiting.h"

struct fuse_buf;

struct watch_slot {
    /* The worker's, which others read. */
    _Alignas(64) atomic_ulong began; /* requests begun */
    atomic_ulong ended;              /* and ended: equal when it is not at one */
    atomic_uint opcode;              /* of the one that it is at */
    atomic_uint_fast64_t ino;
    _Atomic(waiting_note *) waiting; /* what its thread waits for; NULL before it runs */

    atomic_ulong told; /* the request that was told as slow; 0: none. Changes under watchdog.mu */

    /* The watchdog's own. */
    unsigned long seen;      /* the request that it was at, */
    uint64_t seen_ns;        /* since when, CLOCK_MONOTONIC; read by the worker under watchdog.mu */
    struct watch_slot *next; /* constant */
};

struct watchdog {
    unsigned limit_ms;
    struct mutex mu; /* order: leaf, but for the log's own; keeps both lines of one request apart */

    struct mutex slots_mu;    /* a leaf */
    struct watch_slot *slots; /* [slots_mu] all of them; owned */
    struct cond wake;         /* a request has begun, or it is over */
    bool over;                /* [slots_mu] */
    atomic_bool sleeps;       /* until a request begins */
    pthread_t thread;
};

/* limit_ms: how long a request may take; 0: $FLUXFS_SLOW_REQUEST_MS, or 10,000. */
void watchdog_init(struct watchdog *d, unsigned limit_ms);
void watchdog_done(struct watchdog *d); /* frees the slots */
/* Look at all slots from now on until the stop: 0 or a negative errno. */
int watchdog_start(struct watchdog *d);
void watchdog_stop(struct watchdog *d);

/* A slot for a thread, which lives as long as the watchdog; NULL when there is no memory. */
struct watch_slot *watchdog_slot_new(struct watchdog *d);
/* Called by the thread whose slot it is: before its first request, and around each. */
void watchdog_join(struct watch_slot *slot);
void watchdog_begin(struct watchdog *d, struct watch_slot *slot, const struct fuse_buf *message);
void watchdog_end(struct watchdog *d, struct watch_slot *slot);

/*
 * Look at a slot, at most every few milliseconds, by one thread. Whether a request is under way:
 * then look again within watchdog_look_ms.
 */
bool watchdog_look(struct watchdog *d, struct watch_slot *slot, uint64_t now_ns);
unsigned watchdog_look_ms(const struct watchdog *d);

#endif
