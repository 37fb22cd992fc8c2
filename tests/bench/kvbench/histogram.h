/* Counts of times in nanoseconds, in log-linear buckets: any percentile to within 1.6 percent. */
#ifndef KVBENCH_HISTOGRAM_H
#define KVBENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 6, /* each power of two is cut into so many buckets, 2^6 */
    HISTOGRAM_BUCKET_COUNT = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

/* All zero: empty. One thread at a time. */
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKET_COUNT];
    uint64_t count;
    uint64_t max_ns;
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *h, const struct histogram *from);
/*
 * The time in nanoseconds that `percent` of the times do not exceed, as the largest one of its
 * bucket, but never above the largest time seen; 0 when empty.
 */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
