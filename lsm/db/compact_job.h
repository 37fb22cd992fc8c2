/*
 * A compaction that is shared out among workers. Internal to compact_job.c and compact_inputs.c.
 */
#ifndef LSM_DB_COMPACT_JOB_H
#define LSM_DB_COMPACT_JOB_H

#include "lsm/compact/subrange.h"
#include "lsm/db/db.h"

/* A range of user keys of a compaction. The worker's that took it, until it is done. */
struct compact_piece {
    struct compact_job *job;
    struct compact_run run; /* begin and end borrow from the job's ranges */
    struct iter **children; /* of run.input, until that owns them */
    unsigned child_count, child_cap;
    uint64_t paid_len; /* bytes that the rate limit knows of */
};

struct compact_job {
    /* Constant once it is in the list. */
    struct lsm_db *db;
    struct compaction c;
    bool awaited;            /* somebody waits for it, and frees it and c */
    struct superversion *sv; /* keeps the keys of cuts */
    struct slice *cuts;      /* see compact_run */
    size_t cut_count;
    uint64_t *snapshots;
    size_t snapshot_count;
    struct garbage_list garbage; /* its records are moved */
    struct rangedel *dels;       /* of all inputs */
    size_t del_count;
    struct subranges ranges;
    struct compact_piece *pieces; /* ascending */
    unsigned piece_count;

    atomic_bool failed; /* the other pieces need not go on */

    /* [mu] */
    struct compact_job *next;
    unsigned taken, done; /* pieces */
    bool ended;           /* committed or given up */
    int err;
};

/* compact_inputs.c */
/* What all pieces share: snapshots and range tombstones. */
int job_open_inputs(struct lsm_db *db, struct compact_job *job);
/* The piece's own iterator over its range of the inputs. */
int piece_open_input(struct lsm_db *db, struct compact_piece *p);
void piece_close_input(struct compact_piece *p);

#endif
