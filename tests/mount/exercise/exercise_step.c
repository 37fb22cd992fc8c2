/*
 * Which call comes next, and where. Offsets and lengths prefer the places where something can go
 * wrong: the end of the file, and the borders of pages and blocks.
 */
#include <stdio.h>

#include "lib/rng.h"
#include "mount/exercise/exercise.h"

static const struct {
    const char *name;
    unsigned weight;
} calls[CALL_COUNT] = {
#define X(name, weight) {#name, weight},
    EXERCISE_CALLS(X)
#undef X
};

static enum call pick_call(struct rng *r)
{
    uint64_t all = 0, n;

    for (unsigned i = 0; i < CALL_COUNT; i++)
        all += calls[i].weight;
    n = rng_below(r, all);
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        if (n < calls[i].weight)
            return (enum call)i;
        n -= calls[i].weight;
    }
    return CALL_read;
}

/* From `spread` before the place to `spread` behind it. */
static uint64_t around(struct rng *r, uint64_t place, uint64_t spread)
{
    uint64_t n = place + rng_below(r, 2 * spread + 1);

    return n < spread ? 0 : n - spread;
}

static uint64_t pick_offset(struct rng *r, uint64_t size)
{
    static const uint64_t borders[] = {SECTOR_LEN, PAGE_LEN, 65536, 1 << 20};
    uint64_t border = borders[rng_below(r, 4)], offset;

    switch (rng_below(r, 8)) {
    case 0:
        offset = around(r, size, 3);
        break;
    case 1:
        offset = around(r, size, PAGE_LEN);
        break;
    case 2:
        offset = around(r, rng_below(r, FILE_LEN_MAX / border + 1) * border, 3);
        break;
    case 3:
    case 4:
        offset = rng_below(r, FILE_LEN_MAX / border + 1) * border;
        break;
    case 5:
        offset = rng_below(r, FILE_LEN_MAX);
        break;
    default:
        offset = rng_below(r, size + 1);
        break;
    }
    return offset < FILE_LEN_MAX ? offset : FILE_LEN_MAX - 1;
}

/* At least 1. */
static uint64_t pick_len(struct rng *r)
{
    switch (rng_below(r, 8)) {
    case 0:
        return 1 + rng_below(r, 16);
    case 1:
    case 2:
        return 1 + rng_below(r, PAGE_LEN);
    case 3:
        return PAGE_LEN * (1 + rng_below(r, 16));
    case 4:
        return 65536 * (1 + rng_below(r, 4));
    case 5:
        return 1 + rng_below(r, IO_LEN_MAX);
    default:
        return 1 + rng_below(r, 20000);
    }
}

/* Within one file the two ranges of copy_file_range(2) must be apart. */
static void pick_source(struct rng *r, const struct exercise *x, struct step *st)
{
    static const uint64_t units[] = {1, PAGE_LEN, 65536, 1 << 20};
    uint64_t size, unit = units[rng_below(r, 4)];

    st->source = (unsigned)rng_below(r, FILE_COUNT);
    size = x->models[st->source].size;
    st->source_offset = pick_offset(r, size);
    /* Blocks are shared where both have the same place in one. */
    st->source_offset = st->source_offset / unit * unit + st->offset % unit;
    if (st->source_offset > size)
        st->source_offset = size;
    if (st->len > size - st->source_offset)
        st->len = size - st->source_offset;
    if (st->source == st->file && st->source_offset < st->offset + st->len &&
        st->offset < st->source_offset + st->len)
        st->len = st->offset < st->source_offset ? st->source_offset - st->offset
                                                 : st->offset - st->source_offset;
}

void step_make(const struct exercise *x, uint64_t number, struct step *ret)
{
    struct rng r = {x->seed * 1000003 + number};

    ret->call = pick_call(&r);
    ret->file = (unsigned)rng_below(&r, FILE_COUNT);
    ret->source = 0;
    ret->source_offset = 0;
    ret->offset = pick_offset(&r, x->models[ret->file].size);
    ret->len = pick_len(&r);
    ret->seed = rng_next(&r);
    if (ret->len > FILE_LEN_MAX - ret->offset)
        ret->len = FILE_LEN_MAX - ret->offset;
    if (ret->call == CALL_copy || ret->call == CALL_splice)
        pick_source(&r, x, ret);
}

void step_print(uint64_t number, const struct step *st)
{
    printf("    %llu: %s of file %u, %llu to %llu", (unsigned long long)number,
           calls[st->call].name, st->file, (unsigned long long)st->offset,
           (unsigned long long)(st->offset + st->len));
    if (st->call == CALL_copy || st->call == CALL_splice)
        printf(", from file %u at %llu", st->source, (unsigned long long)st->source_offset);
    printf(", variety %llu\n", (unsigned long long)(st->seed % 8));
}
