/*
 * A histogram after HdrHistogram's idea, which Debian 12 has no C library of: times below 2^6 have
 * a bucket each, above that every power of two is cut into 2^6 equal ones.
 */
#include "bench/kvbench/histogram.h"

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < SUB_COUNT)
        return (unsigned)ns;
    shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((ns >> shift) - SUB_COUNT);
}

/* The largest time that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t sub = bucket & (SUB_COUNT - 1);

    if (!shift)
        return sub;
    /* Of the last bucket it wraps around to the largest number, as it should. */
    return ((SUB_COUNT + sub + 1) << (shift - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->buckets[bucket_of(ns)]++;
    h->count++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
        h->buckets[i] += from->buckets[i];
    h->count += from->count;
    if (from->max_ns > h->max_ns)
        h->max_ns = from->max_ns;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double wanted = (double)h->count * percent / 100;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
        seen += h->buckets[i];
        if (seen && (double)seen >= wanted)
            return bucket_end(i) < h->max_ns ? bucket_end(i) : h->max_ns;
    }
    return h->max_ns;
}
