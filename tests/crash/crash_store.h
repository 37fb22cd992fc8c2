/*
 * A store under test: what is written to it and when, as points of the record, so that after a loss
 * of power it can be told which states it may be in.
 *
 * State n is what the store holds after the first n batches. Allowed at a point are the states from
 * the last one that was known to be synced to the last whose batches had all begun.
 */
#ifndef TESTS_CRASH_CRASH_STORE_H
#define TESTS_CRASH_CRASH_STORE_H

#include "crash/crash_sweep.h"
#include "lib/kv_model.h"
#include "lib/rng.h"
#include "lsm/db/db.h"

enum {
    CRASH_STATE_MAX = 2000,
    CRASH_SYNC_MAX = 2000,
    CRASH_SNAPSHOT_MAX = CRASH_EXTRA_MAX - 1, /* named snapshots in a scenario */
    CRASH_COPY = CRASH_EXTRA_MAX - 1,         /* extra: digest of the checkpoint */
};

/* Something that was done: the points before and after the call; SIZE_MAX: it was not. */
struct crash_span {
    size_t begun, done;
};

struct crash_state {
    uint64_t digest;
    size_t begun; /* of the batch that leads to it */
};

struct crash_synced {
    size_t point; /* from it on */
    size_t state; /* this one is durable */
};

struct crash_kept {
    struct crash_span made, removed;
    size_t state; /* what it shows */
};

struct crash_store {
    const char *scenario;
    struct lsm_options options;
    unsigned env_flags;
    struct env_record *disk;
    struct lsm_db *db;
    struct kv_model model;
    struct rng rng;
    struct crash_state states[CRASH_STATE_MAX];
    size_t state_count; /* the last one is what the model holds */
    struct crash_synced syncs[CRASH_SYNC_MAX];
    size_t sync_count;
    struct crash_kept snapshots[CRASH_SNAPSHOT_MAX];
    struct crash_kept copy;
};

/* Small tables, nothing in the background unless it is asked for, no blob files. */
struct lsm_options crash_options(void);

/* An empty disk; the options may be changed before the store is opened. */
struct crash_store *crash_store_new(const char *scenario, unsigned env_flags);
void crash_store_free(struct crash_store *s);
/* Open and close; the disk stays. What opening has found must be what the model holds. */
void crash_store_open(struct crash_store *s);
void crash_store_close(struct crash_store *s);
/* The end of the process, which loses nothing that was acknowledged, and may not be durable. */
void crash_store_kill(struct crash_store *s);
/* Write the batch, whose effect is `shown` (the batch itself, but for copies). */
void crash_store_write(struct crash_store *s, const struct lsm_batch *b,
                       const struct lsm_batch *shown, bool sync);
/* Short forms of it. */
void crash_store_put(struct crash_store *s, unsigned key, size_t value_len, bool sync);
void crash_store_delete(struct crash_store *s, unsigned key, bool sync);
/* A batch of a few operations by chance, with values of up to value_len_max bytes. */
void crash_store_write_any(struct crash_store *s, size_t value_len_max, bool sync);
void crash_store_sync(struct crash_store *s);
void crash_store_flush(struct crash_store *s);
void crash_store_compact(struct crash_store *s);
/* Begin a new log and memtable; the old ones wait for a worker. */
void crash_store_switch(struct crash_store *s);
void crash_store_snapshot(struct crash_store *s, unsigned number);
void crash_store_forget(struct crash_store *s, unsigned number);
void crash_store_checkpoint(struct crash_store *s);
/* Close, and sweep the whole record. */
void crash_store_sweep(struct crash_store *s, unsigned share);

/* For other subjects. */
/* As kv_digest, of all that a snapshot (NULL: now) shows but the mark; *ret_mark: whether that is
 * there. 0 or the store's error. */
int crash_digest_store(struct lsm_db *db, const struct lsm_snapshot *snapshot, uint64_t *ret,
                       bool *ret_mark);
int crash_put_mark(struct lsm_db *db);
/* Note the error, with lsm_detail. */
void crash_outcome_fail(struct crash_outcome *o, int err, const char *doing);

#endif
