/*
 * Seeded random numbers for tests (splitmix64). The seed is $TEST_SEED or the one given, so that a
 * failure can be repeated; who uses it prints it when something fails.
 */
#ifndef TESTS_LIB_RNG_H
#define TESTS_LIB_RNG_H

#include <stdint.h>
#include <stdlib.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_seed(uint64_t fallback)
{
    const char *seed = getenv("TEST_SEED");

    return seed ? strtoull(seed, NULL, 0) : fallback;
}

/* How long a random test is: $TEST_ROUNDS, or the number given. */
static inline unsigned rng_rounds(unsigned fallback)
{
    const char *rounds = getenv("TEST_ROUNDS");

    return rounds ? (unsigned)strtoul(rounds, NULL, 0) : fallback;
}

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* From 0 to n-1; n > 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

#endif
