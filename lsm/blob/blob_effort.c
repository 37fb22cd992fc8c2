/*
 * Looking for matches at every byte costs LZ4 up to three times as much as at every fourth. Most
 * data becomes a twentieth shorter for it, and then it is done. Where matches are long, as in
 * tables of similar records, next to nothing is gained: that is what the sample is about, a few
 * kilobytes from the middle of one value in 16, compressed in both ways.
 *
 * Nothing of this is on disk.
 */
#include "lsm/blob/blob_effort.h"

#include <lz4.h>

enum {
    EVERY_COUNT = 16,  /* values for one sample */
    SAMPLE_LEN = 8192, /* bytes */
    FAST = 4,          /* acceleration */
    WORTH_PART = 40,   /* all effort is worth it when it makes the sample shorter by such a part */
    VALUE_LEN_MIN = 16384 /* shorter values are no samples, and get all effort */
};

static unsigned try_sample(const uint8_t *sample)
{
    char out[LZ4_COMPRESSBOUND(SAMPLE_LEN)];
    int most = LZ4_compress_fast((const char *)sample, out, SAMPLE_LEN, sizeof(out), 1);
    int fast = LZ4_compress_fast((const char *)sample, out, SAMPLE_LEN, sizeof(out), FAST);

    return fast > most + most / WORTH_PART ? 1 : FAST;
}

int blob_effort_acceleration(struct blob_effort *e, struct slice value)
{
    unsigned acceleration;

    if (value.len < VALUE_LEN_MIN)
        return 1;
    acceleration = atomic_load_explicit(&e->acceleration, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&e->count, 1, memory_order_relaxed) % EVERY_COUNT == 0 ||
        acceleration == 0) {
        acceleration = try_sample(value.data + (value.len - SAMPLE_LEN) / 2);
        atomic_store_explicit(&e->acceleration, acceleration, memory_order_relaxed);
    }
    return (int)acceleration;
}
