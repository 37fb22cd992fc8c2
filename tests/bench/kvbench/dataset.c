/*
 * Keys, values and stamps.
 *
 * As in db_bench, values are slices of a pool of pieces of 100 bytes, each 50 random bytes twice,
 * so that LZ4 and Snappy halve them. Nothing is copied for an operation: the stamp is written into
 * the pool, at both places of the first piece where the repetition wants it, and taken back before
 * the next value is made.
 *
 * The permutation is a Feistel network over the next even power of two, walked until it falls below
 * the count.
 */
#include "bench/kvbench/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "bench/kvbench/fail.h"
#include "lib/rng.h"

enum {
    POOL_PIECE_COUNT = 10486, /* 1 MiB */
    KEY_PREFIX_LEN = 4,
};

static const char key_prefix[] = "key-";

void key_of(uint64_t number, struct key *ret)
{
    memcpy(ret->bytes, key_prefix, KEY_PREFIX_LEN);
    for (int i = KEY_LEN - 1; i >= KEY_PREFIX_LEN; i--) {
        ret->bytes[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

bool key_number(const void *key, size_t key_len, uint64_t *ret)
{
    const char *p = key;
    uint64_t number = 0;

    if (key_len != KEY_LEN || memcmp(p, key_prefix, KEY_PREFIX_LEN))
        return false;
    for (int i = KEY_PREFIX_LEN; i < KEY_LEN; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(p[i] - '0');
    }
    *ret = number;
    return true;
}

static uint64_t mix(uint64_t z)
{
    struct rng r = {z};

    return rng_next(&r);
}

static uint64_t stamp_of(uint64_t number)
{
    return mix(number ^ UINT64_C(0x7374616d70));
}

static uint64_t patch_stamp_of(uint64_t number, uint64_t offset)
{
    return mix(stamp_of(number) + offset + 1);
}

void dataset_init(struct dataset *d, size_t value_len, uint64_t seed)
{
    struct rng r = {seed};

    d->pool_len = (size_t)POOL_PIECE_COUNT * PIECE_LEN;
    d->value_len = value_len;
    d->lent = NULL;
    d->pool = malloc(d->pool_len + value_len + 2 * PIECE_LEN);
    if (!d->pool)
        bench_fail("out of memory");
    for (size_t at = 0; at < d->pool_len + value_len + PIECE_LEN; at += PIECE_LEN) {
        for (size_t i = 0; i < PIECE_LEN / 2; i++) {
            /* Printable bytes, as db_bench's. */
            d->pool[at + i] = (char)(' ' + rng_below(&r, 95));
        }
        memcpy(d->pool + at + PIECE_LEN / 2, d->pool + at, PIECE_LEN / 2);
    }
}

static void take_back(struct dataset *d)
{
    if (d->lent) {
        memcpy(d->lent, d->saved[0], STAMP_LEN);
        memcpy(d->lent + PIECE_LEN / 2, d->saved[1], STAMP_LEN);
    }
    d->lent = NULL;
}

void dataset_done(struct dataset *d)
{
    free(d->pool);
    d->pool = NULL;
}

/* The slice may be shorter than where the second stamp ends: the pool goes on behind it. */
static const char *lend(struct dataset *d, uint64_t place, uint64_t stamp)
{
    char *p = d->pool + place % POOL_PIECE_COUNT * PIECE_LEN;

    take_back(d);
    memcpy(d->saved[0], p, STAMP_LEN);
    memcpy(d->saved[1], p + PIECE_LEN / 2, STAMP_LEN);
    memcpy(p, &stamp, STAMP_LEN);
    memcpy(p + PIECE_LEN / 2, &stamp, STAMP_LEN);
    d->lent = p;
    return p;
}

const char *dataset_value(struct dataset *d, uint64_t number, uint64_t variant, size_t len)
{
    uint64_t stamp = stamp_of(number);

    if (len > d->value_len)
        bench_fail("a value longer than the pool was made for");
    return lend(d, mix(stamp + variant), stamp);
}

const char *dataset_patch(struct dataset *d, uint64_t number, uint64_t offset, size_t len)
{
    uint64_t stamp = patch_stamp_of(number, offset);

    if (len > d->value_len)
        bench_fail("a patch longer than the pool was made for");
    return lend(d, mix(stamp), stamp);
}

bool value_is_of(const void *value, size_t value_len, uint64_t number)
{
    uint64_t stamp = stamp_of(number);

    return value_len >= STAMP_LEN && !memcmp(value, &stamp, STAMP_LEN);
}

bool patch_is_of(const void *value, uint64_t number, uint64_t offset)
{
    uint64_t stamp = patch_stamp_of(number, offset);

    return !memcmp(value, &stamp, STAMP_LEN);
}

void permutation_init(struct permutation *p, uint64_t count, uint64_t seed)
{
    p->count = count;
    p->seed = seed;
    p->half_bits = 1;
    while (p->half_bits < 31 && (UINT64_C(1) << (2 * p->half_bits)) < count)
        p->half_bits++;
}

uint64_t permutation_at(const struct permutation *p, uint64_t i)
{
    uint64_t mask = (UINT64_C(1) << p->half_bits) - 1;

    do {
        uint64_t left = i >> p->half_bits, right = i & mask;

        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (mix(p->seed ^ right ^ round << 32) & mask);

            left = right;
            right = next;
        }
        i = left << p->half_bits | right;
    } while (i >= p->count);
    return i;
}
