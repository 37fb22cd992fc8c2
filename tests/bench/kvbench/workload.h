/*
 * A workload: what is done to a store, by how many threads, and what must be there before. Each run
 * of one has a process of its own.
 */
#ifndef KVBENCH_WORKLOAD_H
#define KVBENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/kvbench/dataset.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/histogram.h"
#include "lib/rng.h"

struct workload;

/* One run. Constant while its threads run. */
struct bench {
    const struct config *config;
    const struct engine *engine;
    const struct workload *workload;
    const char *path;    /* of the store */
    struct store *store; /* NULL for a workload that opens it itself */
    size_t value_len;
    uint64_t count;   /* keys of a filled store */
    uint64_t variant; /* of the values that are written */
    struct permutation order;
};

/* One thread of a run. */
struct worker {
    struct bench *bench;
    unsigned index;
    struct rng rng;
    struct dataset data;
    struct cursor *cursor; /* of a scan; closed when the run is over */
    struct histogram latency;
    uint64_t begin, end; /* the steps that are its own */
    bool ended;          /* all of them were done, or a step said STEP_END */
    uint64_t start_ns, stop_ns;
    uint64_t op_count; /* operations done: what is divided by the seconds */
    uint64_t user_len; /* bytes of keys and values written */
    uint64_t timed_ns; /* with WORKLOAD_OPENS: of the openings alone */
};

enum {
    WORKLOAD_FRESH = 1,  /* begins without a store */
    WORKLOAD_COLD = 2,   /* the kernel's cache is emptied of the store first */
    WORKLOAD_WRITES = 4, /* its bytes written are shown */
    WORKLOAD_READS = 8,  /* leaves no background work to wait for */
    WORKLOAD_WHOLE = 16, /* no limit of time */
    WORKLOAD_OPENS = 32, /* opens the store itself and counts only its own time */
};

enum step {
    STEP_DONE, /* one step was taken */
    STEP_END,  /* there was nothing left to do */
};

struct workload {
    const char *name;
    const char *summary;
    const char *needs; /* the workload whose store it works on; NULL */
    const char *store; /* the directory's name */
    unsigned flags;
    unsigned threads;     /* 0: as many as were asked for */
    size_t value_len_min; /* bytes; shorter values are not for it */
    uint64_t (*steps)(uint64_t count);
    /* NULL, or what is done before the clock starts and after it stops. */
    void (*prepare)(struct bench *b, struct worker *w);
    enum step (*step)(struct worker *w, uint64_t i);
    void (*check)(struct bench *b, struct worker *workers, unsigned count);
};

const struct workload *workload_find(const char *name); /* NULL when there is none */
const struct workload *workload_at(size_t i);           /* NULL behind the last */

/* --- Steps, by what they do --- */

/* workload_write.c */
enum step step_fill_in_order(struct worker *w, uint64_t i);
enum step step_fill_shuffled(struct worker *w, uint64_t i);
enum step step_overwrite(struct worker *w, uint64_t i);
enum step step_put_durably(struct worker *w, uint64_t i);
enum step step_patch(struct worker *w, uint64_t i);
void check_patches(struct bench *b, struct worker *workers, unsigned count);

/* workload_read.c */
enum step step_read(struct worker *w, uint64_t i);
enum step step_read_missing(struct worker *w, uint64_t i);
enum step step_multi_get(struct worker *w, uint64_t i);
enum step step_read_or_write(struct worker *w, uint64_t i);
enum step step_open(struct worker *w, uint64_t i);
void prepare_reads(struct bench *b, struct worker *w);
void prepare_overwrites(struct bench *b, struct worker *w);

/* workload_scan.c */
enum step step_seek(struct worker *w, uint64_t i);
enum step step_scan_forward(struct worker *w, uint64_t i);
enum step step_scan_backward(struct worker *w, uint64_t i);
enum step step_delete_range(struct worker *w, uint64_t i);
void prepare_deletions(struct bench *b, struct worker *w);
void check_scan_of_all(struct bench *b, struct worker *workers, unsigned count);
void check_scan_of_rest(struct bench *b, struct worker *workers, unsigned count);
uint64_t delete_range_steps(uint64_t count);

#endif
