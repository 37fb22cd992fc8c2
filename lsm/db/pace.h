/*
 * How much slower a writer must be so that the background work can follow: a price in time for
 * every byte, which grows smoothly with the work that is left undone.
 */
#ifndef LSM_DB_PACE_H
#define LSM_DB_PACE_H

#include <stdint.h>

/* What is left undone. */
struct pace_debt {
    uint64_t memtable_len;  /* bytes of a full memtable */
    uint64_t mem_len;       /* bytes of the one that takes the writes */
    unsigned imm_count;     /* full ones */
    unsigned imm_count_max; /* so many full ones there may be */
    uint64_t unflushed_len; /* bytes of the full ones that are not in tables yet */
    unsigned l0_runs;       /* flushes in level 0 */
    unsigned l0_compact_count;
    uint64_t debt_len; /* bytes that compaction has to move */
    uint64_t level_base_len;
    uint64_t flush_ps_per_b; /* what flushing has cost, picoseconds a byte; 0: not known yet */
};

enum {
    PACE_STRETCH_PART = 4 /* a memtable may grow by such a part when there is no room for another */
};

/*
 * Picoseconds that writing a byte should take at least; 0 when there is no need to slow down.
 */
uint64_t pace_ps_per_b(const struct pace_debt *debt);

/* The writer's side; only the leader of the queue touches it. */
struct pace {
    const void *mem;  /* the memtable whose growth was counted last */
    uint64_t mem_len; /* and its bytes then */
    uint64_t free_ns; /* the moment up to which the writing so far uses the time up */
};

/*
 * The memtable `mem` has mem_len bytes now: pay for what it has grown by. Returns for how many
 * nanoseconds to sleep before going on: 0 or PACE_SLEEP_NS_MIN up, the rest stays owed.
 */
uint64_t pace_take(struct pace *p, const void *mem, uint64_t mem_len, uint64_t ps_per_b,
                   uint64_t now_ns);

enum {
    PACE_SLEEP_NS_MIN = 1000 * 1000,     /* shorter sleeps cost more than they are worth */
    PACE_SLEEP_NS_MAX = 20 * 1000 * 1000 /* nobody waits for longer at once */
};

#endif
