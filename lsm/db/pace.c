/*
 * Prices, as multiples of what flushing a byte costs; they add up.
 *
 *   - Memory: a writer has some room until it must stop, and the flush that gives it more has some
 *     bytes to go. Where both are equal it may write as fast as is flushed: the price is 1. It is
 *     the cube of their ratio, so with twice the room that is needed nobody notices. The last
 *     eighth of a memtable's length, by which it may stretch, is kept for surprises.
 *   - Level 0: the square of the runs above a comfortable number. Compaction of level 0 is slower
 *     than flushing by an unknown factor; the square finds it within a few runs.
 *   - The levels below: the square of the bytes to be moved above a comfortable amount. This only
 *     bounds the space that is wasted.
 *
 * Flushing is measured (flush.c), so a slow disk slows writers down and a fast one does not.
 */
#include "lsm/db/pace.h"

#include <stddef.h>

#define PRICE_MAX      64.0
#define PS_PER_B_GUESS 20000 /* 50 MB/s */

enum {
    L0_COMFORT = 4,    /* times the number that starts a compaction */
    L0_STEP = 2,       /* times that number above it: price 1 */
    DEBT_COMFORT = 16, /* times the base level */
    DEBT_STEP = 16,    /* times the base level above it: price 1 */
    ROOM_PART_MIN = 64,
    OWED_NS_MAX = 100 * 1000 * 1000
};

/* How far value is on the way from comfort to comfort + step; 0 before. */
static double excess(double value, double comfort, double step)
{
    return value > comfort ? (value - comfort) / step : 0;
}

/* Bytes that flushes have to go before there is room, by the room that there still is. */
static double memory_ratio(const struct pace_debt *d)
{
    double full = (double)d->memtable_len, left = (double)d->unflushed_len, first, all;
    double others = d->imm_count ? (double)(d->imm_count - 1) * full : 0;
    double room = full + full / (2 * PACE_STRETCH_PART) - (double)d->mem_len;
    double least = full / ROOM_PART_MIN, ratio;

    if (d->imm_count_max > d->imm_count)
        room += (double)(d->imm_count_max - d->imm_count) * full;
    /* The oldest, if they are flushed one by one, or all of them, if side by side. */
    first = (left - others) / (room > least ? room : least);
    all = left / ((room > least ? room : least) + others);
    ratio = first > all ? first : all;
    /* At the very end both are next to nothing, and their ratio says nothing. */
    return left > 0 && room < least && ratio < 1 ? 1 : ratio;
}

uint64_t pace_ps_per_b(const struct pace_debt *d)
{
    double memory = memory_ratio(d);
    double runs = excess(d->l0_runs, (double)L0_COMFORT * d->l0_compact_count,
                         (double)L0_STEP * d->l0_compact_count);
    double debt =
        excess((double)d->debt_len / (double)(d->level_base_len + 1), DEBT_COMFORT, DEBT_STEP);
    double price = memory * memory * memory + runs * runs + debt * debt;

    price = price < PRICE_MAX ? price : PRICE_MAX;
    return (uint64_t)(price * (double)(d->flush_ps_per_b ? d->flush_ps_per_b : PS_PER_B_GUESS));
}

uint64_t pace_take(struct pace *p, const void *mem, uint64_t mem_len, uint64_t ps_per_b,
                   uint64_t now_ns)
{
    uint64_t grown = p->mem == mem && mem_len > p->mem_len ? mem_len - p->mem_len : 0;
    uint64_t owed;

    p->mem = mem;
    p->mem_len = mem_len;
    /* Time that has passed is paid. */
    if (p->free_ns < now_ns)
        p->free_ns = now_ns;
    p->free_ns += (uint64_t)((double)grown * (double)ps_per_b / 1000);
    if (p->free_ns > now_ns + OWED_NS_MAX)
        p->free_ns = now_ns + OWED_NS_MAX;
    owed = p->free_ns - now_ns;
    if (owed < PACE_SLEEP_NS_MIN)
        return 0;
    return owed < PACE_SLEEP_NS_MAX ? owed : PACE_SLEEP_NS_MAX;
}
