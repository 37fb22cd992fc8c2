/*
 * The reference model of a key-value store: a sorted array of keys and whole values, as simple as
 * can be. Aborts when memory is short.
 */
#ifndef TESTS_LIB_KV_MODEL_H
#define TESTS_LIB_KV_MODEL_H

#include "lsm/base/slice.h"

struct kv_pair {
    struct buf key, value;
};

struct kv_model {
    struct kv_pair *pairs; /* ascending */
    size_t count, cap;
};

void kv_put(struct kv_model *m, struct slice key, struct slice value);
void kv_delete(struct kv_model *m, struct slice key);
/* Nothing when the start is not below the end. */
void kv_delete_range(struct kv_model *m, struct slice start, struct slice end);
void kv_patch(struct kv_model *m, struct slice key, size_t offset, struct slice bytes);
/* The operations of a batch (lsm/wal/batch.h), in order. Aborts when it is damaged. */
void kv_apply(struct kv_model *m, struct slice ops);
/* The value, or NULL. */
const struct kv_pair *kv_get(const struct kv_model *m, struct slice key);
/* Index of the first key >= key. */
size_t kv_find(const struct kv_model *m, struct slice key);
bool kv_equal(const struct kv_model *a, const struct kv_model *b);
/* A hash of all keys and values, in order; never 0. That of one more pair follows from it. */
uint64_t kv_digest(const struct kv_model *m);
uint64_t kv_digest_pair(uint64_t digest, struct slice key, struct slice value);
#define KV_DIGEST_EMPTY UINT64_C(1)
void kv_copy(struct kv_model *ret, const struct kv_model *m);
void kv_clear(struct kv_model *m);

#endif
