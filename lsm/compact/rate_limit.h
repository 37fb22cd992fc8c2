/*
 * A bound on bytes per second: a token bucket. Who has written asks how long to wait before going
 * on. It reads no clock and never sleeps; the caller does, in steps as short as it likes.
 */
#ifndef LSM_COMPACT_RATE_LIMIT_H
#define LSM_COMPACT_RATE_LIMIT_H

#include <stdint.h>

struct rate_limit {
    uint64_t len_per_s; /* 0: no limit */
    uint64_t paid_ns;   /* up to this moment all tokens are spent */
};

/* The clock starts at now_ns, with a full bucket. */
void rate_limit_init(struct rate_limit *r, uint64_t len_per_s, uint64_t now_ns);
/*
 * `len` bytes were written. Returns the moment, in nanoseconds on the caller's clock, before which
 * nothing more should be: at most now_ns when there is no need to wait. Callers exclude one
 * another.
 */
uint64_t rate_limit_take(struct rate_limit *r, uint64_t len, uint64_t now_ns);

#endif
