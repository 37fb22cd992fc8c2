/*
 * What the fuzz targets share. Each is one file, fuzz_NAME.c, whose comment says what an input is,
 * and its corpus is corpus/NAME. In a build for fuzzing libFuzzer is its main program, in all
 * others driver.c, which runs every file of the corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdlib.h>

#include "lib/env_memory.h"
#include "lsm/base/check.h"
#include "lsm/base/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    FUZZ_MOVE_COUNT_MAX = 20000 /* moves of an iterator: an input may hold a lot of entries */
};

/* For results that must be readable, and are then of no interest; no coverage to be learned from.
 */
#ifdef __clang__
__attribute__((no_sanitize("coverage")))
#endif
static inline void
fuzz_read_all(struct slice s)
{
    static volatile uint8_t sink;

    for (size_t i = 0; i < s.len; i++)
        sink = s.data[i];
    (void)sink;
}

/* The next byte of the input; 0 behind its end. */
static inline uint8_t fuzz_byte(struct slice *in)
{
    uint8_t byte = in->len ? in->data[0] : 0;

    if (in->len)
        *in = slice_of(in->data + 1, in->len - 1);
    return byte;
}

/* Two bytes, little-endian. */
static inline unsigned fuzz_short(struct slice *in)
{
    unsigned low = fuzz_byte(in);

    return low | (unsigned)fuzz_byte(in) << 8;
}

/* So many bytes, or as many as there are. */
static inline struct slice fuzz_bytes(struct slice *in, size_t len)
{
    struct slice s = slice_of(in->data, len < in->len ? len : in->len);

    if (s.len)
        *in = slice_of(in->data + s.len, in->len - s.len);
    return s;
}

/* An exact copy on the heap, so that reading beyond it is noticed; for free(). */
static inline uint8_t *fuzz_copy(struct slice s)
{
    uint8_t *p = malloc(s.len ? s.len : 1);

    CHECK(p);
    if (s.len)
        memcpy(p, s.data, s.len);
    return p;
}

/* For dumps: looks at the text and throws it away. */
static inline int fuzz_put_line(void *arg, const char *line)
{
    (void)arg;
    fuzz_read_all(slice_str(line));
    return 0;
}

#endif
