/*
 * What is stored: keys by number, values that LZ4 halves, and stamps that prove a value right.
 *
 * Number n has the key "key-" and n in 20 digits. Keys of even numbers are stored, those of odd
 * numbers never, so that a miss lies among hits. A value begins with the stamp of its number.
 */
#ifndef KVBENCH_DATASET_H
#define KVBENCH_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEY_LEN = 24,    /* bytes */
    STAMP_LEN = 8,   /* bytes at the start of a value, and of a patch */
    PIECE_LEN = 100, /* values are cut from pieces, the second half of which repeats the first */
    VALUE_LEN_MIN = 64,
};

struct key {
    char bytes[KEY_LEN];
};

void key_of(uint64_t number, struct key *ret);
/* False for what is no key of ours. */
bool key_number(const void *key, size_t key_len, uint64_t *ret);

/* A pool of bytes to cut values from. It belongs to one thread. */
struct dataset {
    char *pool;
    size_t pool_len;
    size_t value_len;
    char *lent; /* where a stamp stands in place of the pool's bytes; NULL */
    char saved[2][STAMP_LEN];
};

void dataset_init(struct dataset *d, size_t value_len, uint64_t seed);
void dataset_done(struct dataset *d);
/*
 * `len` bytes, at most value_len, that begin with the stamp. They change with `variant`. Valid
 * until the next call.
 */
const char *dataset_value(struct dataset *d, uint64_t number, uint64_t variant, size_t len);
/* Bytes for the value of number from `offset` on; they do not begin with the value's stamp. */
const char *dataset_patch(struct dataset *d, uint64_t number, uint64_t offset, size_t len);

bool value_is_of(const void *value, size_t value_len, uint64_t number);
/* `value` is what stands at the offset of a value. */
bool patch_is_of(const void *value, uint64_t number, uint64_t offset);

/* The numbers 0 to count-1 in an order that looks random, without a table. */
struct permutation {
    uint64_t count;
    unsigned half_bits;
    uint64_t seed;
};

void permutation_init(struct permutation *p, uint64_t count, uint64_t seed);
uint64_t permutation_at(const struct permutation *p, uint64_t i);

#endif
