/* Steps that write. */
#include <stdlib.h>

#include "bench/kvbench/fail.h"
#include "bench/kvbench/workload.h"

enum {
    PATCH_LEN = 4096,        /* bytes, at multiples of it */
    PATCH_CHECK_COUNT = 100, /* patches that are read again in the end */
};

static void put(struct worker *w, uint64_t index, bool sync)
{
    struct bench *b = w->bench;
    struct key key;

    key_of(index * 2, &key);
    b->engine->put(b->store, &key, dataset_value(&w->data, index * 2, b->variant, b->value_len),
                   b->value_len, sync);
    w->op_count++;
    w->user_len += KEY_LEN + b->value_len;
}

enum step step_fill_in_order(struct worker *w, uint64_t i)
{
    put(w, i, false);
    return STEP_DONE;
}

enum step step_fill_shuffled(struct worker *w, uint64_t i)
{
    put(w, permutation_at(&w->bench->order, i), false);
    return STEP_DONE;
}

enum step step_overwrite(struct worker *w, uint64_t i)
{
    (void)i;
    put(w, rng_below(&w->rng, w->bench->count), false);
    return STEP_DONE;
}

enum step step_put_durably(struct worker *w, uint64_t i)
{
    put(w, permutation_at(&w->bench->order, i), true);
    return STEP_DONE;
}

/* Patches follow from their number alone, so that they can be found again. */
static void patch_place(const struct bench *b, uint64_t i, uint64_t *ret_index, size_t *ret_offset)
{
    struct rng r = {b->variant ^ i << 20};

    *ret_index = rng_below(&r, b->count);
    *ret_offset = (size_t)(1 + rng_below(&r, b->value_len / PATCH_LEN - 1)) * PATCH_LEN;
}

enum step step_patch(struct worker *w, uint64_t i)
{
    struct bench *b = w->bench;
    uint64_t index;
    size_t offset;
    struct key key;

    patch_place(b, i, &index, &offset);
    key_of(index * 2, &key);
    b->engine->patch(b->store, &key, offset, dataset_patch(&w->data, index * 2, offset, PATCH_LEN),
                     PATCH_LEN);
    w->op_count++;
    w->user_len += KEY_LEN + PATCH_LEN;
    return STEP_DONE;
}

void check_patches(struct bench *b, struct worker *workers, unsigned count)
{
    uint64_t done = workers[0].op_count;

    (void)count;
    for (uint64_t i = 0; i < done && i < PATCH_CHECK_COUNT; i++) {
        uint64_t index;
        size_t offset;
        struct key key;
        struct value v;

        patch_place(b, i, &index, &offset);
        key_of(index * 2, &key);
        if (!b->engine->get(b->store, &key, &v))
            bench_fail("patched key %.*s is missing", KEY_LEN, key.bytes);
        if (v.len != b->value_len || !value_is_of(v.data, v.len, index * 2) ||
            !patch_is_of((const char *)v.data + offset, index * 2, offset))
            bench_fail("patched key %.*s has a wrong value", KEY_LEN, key.bytes);
        b->engine->value_done(&v);
    }
}
