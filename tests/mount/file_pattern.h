/*
 * Contents that say of themselves whether they are whole: bytes that follow from a seed. A file of
 * the writers begins with a header of its seed and length.
 */
#ifndef FILE_PATTERN_H
#define FILE_PATTERN_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t pattern_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Runs of equal bytes, so that it compresses, but every run differs. */
static inline void pattern_fill(uint64_t seed, uint8_t *buf, size_t len)
{
    uint64_t state = seed;
    size_t i = 0;

    while (i < len) {
        uint64_t r = pattern_next(&state);
        size_t run = 1 + (r >> 8) % 24;

        for (; run > 0 && i < len; run--)
            buf[i++] = (uint8_t)r;
    }
}

#endif
