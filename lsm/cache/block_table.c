/*
 * Linear probing. The table doubles when it would be more than half full, so that a probe mostly
 * ends in the cache line that it began in, and never shrinks: it has at most a few slots for each
 * block that the shard's budget has room for.
 *
 * `slots` and `mask` are atomic for prefetch alone, which may see one of before and one of after a
 * growth; it only makes an address of them, and never reads there.
 */
#include "lsm/cache/block_table.h"

#include <errno.h>
#include <stdlib.h>

#include "lsm/base/check.h"

enum {
    SLOT_COUNT_MIN = 64
};

static struct block_slot *slots_of(const struct block_table *t)
{
    return atomic_load_explicit(&t->slots, memory_order_relaxed);
}

static size_t mask_of(const struct block_table *t)
{
    return atomic_load_explicit(&t->mask, memory_order_relaxed);
}

void block_table_done(struct block_table *t)
{
    free(slots_of(t));
}

static void place(struct block_slot *slots, size_t mask, struct block_slot slot)
{
    size_t i = slot.hash & mask;

    while (slots[i].block)
        i = (i + 1) & mask;
    slots[i] = slot;
}

static int grow(struct block_table *t)
{
    struct block_slot *old = slots_of(t), *slots;
    size_t old_count = old ? mask_of(t) + 1 : 0;
    size_t count = old ? 2 * old_count : SLOT_COUNT_MIN;

    slots = calloc(count, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].block)
            place(slots, count - 1, old[i]);
    }
    atomic_store_explicit(&t->slots, slots, memory_order_relaxed);
    atomic_store_explicit(&t->mask, count - 1, memory_order_relaxed);
    free(old);
    return 0;
}

int block_table_add(struct block_table *t, uint64_t hash, void *block)
{
    if (!slots_of(t) || 2 * (t->count + 1) > mask_of(t) + 1) {
        int err = grow(t);

        if (err)
            return err;
    }
    place(slots_of(t), mask_of(t), (struct block_slot){hash, block});
    t->count++;
    return 0;
}

void block_table_remove(struct block_table *t, uint64_t hash, const void *block)
{
    struct block_slot *slots = slots_of(t);
    size_t mask = mask_of(t), hole = hash & mask;

    while (slots[hole].block != block) {
        CHECK(slots[hole].block);
        hole = (hole + 1) & mask;
    }
    /* Move into the hole what would otherwise be cut off from its own place by it. */
    for (size_t i = (hole + 1) & mask; slots[i].block; i = (i + 1) & mask) {
        size_t distance = (i - slots[i].hash) & mask;

        if (distance < ((i - hole) & mask))
            continue;
        slots[hole] = slots[i];
        hole = i;
    }
    slots[hole].block = NULL;
    t->count--;
}

void *block_table_next(const struct block_table *t, uint64_t hash, uint64_t *at)
{
    const struct block_slot *slots = slots_of(t);
    size_t mask = mask_of(t);

    if (!slots)
        return NULL;
    for (;;) {
        const struct block_slot *s = &slots[(*at)++ & mask];

        if (!s->block || s->hash == hash)
            return s->block;
    }
}

void block_table_prefetch(const struct block_table *t, uint64_t hash)
{
    uintptr_t slots = (uintptr_t)slots_of(t);

    __builtin_prefetch((const void *)(slots + (hash & mask_of(t)) * sizeof(struct block_slot)));
}
