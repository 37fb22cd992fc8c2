/*
 * The state of the background work, inside struct lsm_db: workers, flushes that are under way,
 * compactions that are shared out, and when to try again on a full disk.
 *
 * A worker takes the most urgent job that there is (background.c). None ever waits for another: a
 * flush whose elders are not committed yet is left behind for whoever commits them, and the pieces
 * of a compaction are finished by whoever does the last one.
 */
#ifndef LSM_DB_WORKERS_H
#define LSM_DB_WORKERS_H

#include <stdatomic.h>

#include "lsm/base/mutex.h"
#include "lsm/compact/rate_limit.h"
#include "lsm/mem/memtable.h"
#include "lsm/version/version.h"

struct lsm_db;
struct compact_job;

enum {
    IMM_COUNT_MAX = 16,
    WORKER_COUNT_MAX = 64
};

struct worker {
    struct lsm_db *db;
    pthread_t thread;
    int core;  /* that it is pinned to; -1: none */
    bool runs; /* the thread was started */
};

/* A memtable that a worker has taken; a free place has none. */
struct flush {
    struct memtable *mt; /* [mu] a reference */
    bool written;        /* [mu] its tables are on disk; the edit waits to be committed */
    struct version_edit edit;
    uint64_t began_ns;
    uint64_t done_len; /* the worker's: its part of flush_done_len */
};

struct background {
    /* Set by background_start, then constant. */
    struct worker *workers;
    unsigned worker_count;

    /* Atomic. */
    atomic_uint flush_wanted;            /* full memtables that nobody has taken */
    atomic_uint idle_count;              /* workers that wait for work */
    atomic_size_t flush_done_len;        /* bytes of full memtables that are in tables already */
    atomic_uint_fast64_t flush_ps_per_b; /* what flushing costs, picoseconds a byte; a mean */
    atomic_uint l0_runs;                 /* of the current version */
    atomic_uint_fast64_t debt_len;       /* bytes that compaction has to move in it */

    /* All [mu]. */
    struct flush flushes[IMM_COUNT_MAX];
    bool committing;              /* somebody commits flushes */
    bool relieving;               /* somebody makes space on a full disk */
    uint64_t flush_ended_ns;      /* when the last flush ended */
    struct compact_job *jobs;     /* of which pieces may be left to take */
    struct rate_limit rate_limit; /* of compaction and collection */
    uint64_t filled_ns;           /* when the last memtable was full */
    bool tidying;                 /* somebody flushes what was deleted a while ago */
    uint64_t still_seqno;         /* the last write when somebody looked, */
    uint64_t still_ns;            /* and when it was first seen to be the last */
    /* The disk was full: not before this moment again, CLOCK_MONOTONIC. */
    uint64_t flush_retry_ns, compact_retry_ns, relieve_retry_ns;
};

#endif
