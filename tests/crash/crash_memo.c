/*
 * A hash table with open addressing; hash 0 is an empty slot.
 */
#include "crash/crash_memo.h"

#include <stdlib.h>

#include "lsm/base/check.h"

struct slot {
    uint64_t hash;
    struct crash_outcome outcome;
};

struct crash_memo {
    struct slot *slots;
    size_t count, cap; /* cap is a power of two */
};

static struct slot *slot_of(struct slot *slots, size_t cap, uint64_t hash)
{
    size_t i = (size_t)hash & (cap - 1);

    while (slots[i].hash && slots[i].hash != hash)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static void grow(struct crash_memo *m)
{
    size_t cap = m->cap ? 2 * m->cap : 1024;
    struct slot *slots = calloc(cap, sizeof(*slots));

    CHECK(slots);
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].hash)
            *slot_of(slots, cap, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    m->slots = slots;
    m->cap = cap;
}

struct crash_memo *crash_memo_new(void)
{
    struct crash_memo *m = calloc(1, sizeof(*m));

    CHECK(m);
    return m;
}

void crash_memo_free(struct crash_memo *m)
{
    free(m->slots);
    free(m);
}

struct crash_outcome *crash_memo_get(struct crash_memo *m, uint64_t hash, bool *ret_new)
{
    struct slot *s;

    if (2 * m->count >= m->cap)
        grow(m);
    hash += !hash;
    s = slot_of(m->slots, m->cap, hash);
    *ret_new = s->hash == 0;
    m->count += *ret_new;
    s->hash = hash;
    return &s->outcome;
}

size_t crash_memo_count(const struct crash_memo *m)
{
    return m->count;
}
