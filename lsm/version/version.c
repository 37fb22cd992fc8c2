/*
 * Versions: which tables there are, by level, and how a key is looked up in them.
 *
 * Invariants. Level 0 is ordered by seqno_max, descending: flushes have disjoint ranges of sequence
 * numbers, so all tables of a newer flush stand before those of an older one; within a flush tables
 * have disjoint keys, so a key's versions lie in one of them. In level 1 and deeper, tables ascend
 * and are disjoint. A key's newer versions never lie in a deeper level than its older ones; so a
 * look-up may stop at the first source that decides it.
 *
 * A version never changes. Levels that an edit leaves alone are shared between versions by
 * reference; a touched one is merged anew from two sorted arrays. On disk a version is what the
 * manifest's edits add up to (manifest.c).
 */
#include "lsm/version/table_array.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"

void version_ref(struct version *v)
{
    CHECK(atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed) > 0);
}

void version_unref(struct version *v)
{
    unsigned before;

    if (!v)
        return;
    before = atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    for (unsigned n = 0; n < LEVEL_COUNT; n++)
        table_array_unref(v->levels[n].array, v->store);
    free(v);
}

int version_blob_uses(const struct version *v, struct blob_uses *ret)
{
    int err = 0;

    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; i < v->levels[n].count; i++) {
            const struct blob_uses *u = &v->levels[n].tables[i]->blobs;

            for (size_t k = 0; !err && k < u->count; k++)
                err = blob_uses_add(ret, u->uses[k].number, u->uses[k].count, u->uses[k].len);
        }
    }
    return err;
}

size_t level_find(const struct level *level, struct slice key)
{
    size_t lo = 0, hi = level->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (table_meta_ends_before(level->tables[mid], key))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* --- Look-up and iteration --- */

static int lookup_table(struct version *v, struct table_meta *m, struct lookup *l)
{
    struct sst *t;
    int err;

    if (m->stats.seqno_min > l->snapshot)
        return 0;
    /* A newer range tombstone deletes all that the table can hold of the key. */
    if (l->rangedel_seqno > m->stats.seqno_max)
        return 0;
    err = table_meta_sst(m, v->store, &t);
    return err ? err : sst_lookup(t, l);
}

int version_lookup_part(struct version *v, uint64_t seqno_min, unsigned level_end, struct lookup *l)
{
    const struct level *top = &v->levels[0];
    int err = 0;

    for (size_t i = 0; i < top->count && err >= 0 && !lookup_done(l); i++) {
        if (top->tables[i]->stats.seqno_min >= seqno_min &&
            table_meta_overlaps(top->tables[i], &l->key, &l->key))
            err = lookup_table(v, top->tables[i], l);
    }
    for (unsigned n = 1; n < level_end && err >= 0 && !lookup_done(l); n++) {
        const struct level *level = &v->levels[n];
        size_t i = level_find(level, l->key);

        if (i < level->count && table_meta_overlaps(level->tables[i], &l->key, &l->key))
            err = lookup_table(v, level->tables[i], l);
    }
    return err < 0 ? err : 0;
}

int version_lookup(struct version *v, struct lookup *l)
{
    return version_lookup_part(v, 0, LEVEL_COUNT, l);
}

static int children_reserve(struct iter ***children, unsigned count, unsigned *cap)
{
    unsigned new_cap = *cap ? *cap * 2 : 16;
    struct iter **grown;

    if (count < *cap)
        return 0;
    if (new_cap < *cap)
        return -ENOMEM;
    grown = realloc(*children, (size_t)new_cap * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    *children = grown;
    *cap = new_cap;
    return 0;
}

static int level0_iter(struct version *v, struct table_meta *m, unsigned sst_flags,
                       struct iter **ret)
{
    struct sst *t;
    int err = table_meta_sst(m, v->store, &t);

    return err ? err : sst_iter_new(t, sst_flags, ret);
}

/* The tables [*ret_first, *ret_end) of a level >= 1 that touch the bounds. */
static void level_range(const struct level *level, const struct slice *lower,
                        const struct slice *upper, size_t *ret_first, size_t *ret_end)
{
    size_t first = lower ? level_find(level, *lower) : 0, end = level->count;

    if (upper) {
        end = level_find(level, *upper);
        if (end < level->count && slice_cmp(level->tables[end]->smallest, *upper) <= 0)
            end++;
    }
    *ret_first = first;
    *ret_end = end > first ? end : first;
}

int version_add_iters(struct version *v, const struct slice *lower, const struct slice *upper,
                      unsigned sst_flags, struct iter ***children, unsigned *count, unsigned *cap)
{
    int err = 0;

    for (size_t i = 0; i < v->levels[0].count && !err; i++) {
        struct table_meta *m = v->levels[0].tables[i];

        if (!table_meta_overlaps(m, lower, upper))
            continue;
        err = children_reserve(children, *count, cap);
        if (!err)
            err = level0_iter(v, m, sst_flags, &(*children)[*count]);
        if (!err)
            ++*count;
    }
    for (unsigned n = 1; n < LEVEL_COUNT && !err; n++) {
        size_t first, end;

        level_range(&v->levels[n], lower, upper, &first, &end);
        if (first == end)
            continue;
        err = children_reserve(children, *count, cap);
        if (!err)
            err = level_iter_over(v->store, v->levels[n].array, first, end - first, sst_flags,
                                  &(*children)[*count]);
        if (!err)
            ++*count;
    }
    return err;
}

/* --- Checking --- */

static int number_cmp(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int check_order(const struct level *level, unsigned n)
{
    for (size_t i = 1; i < level->count; i++) {
        const struct table_meta *a = level->tables[i - 1], *b = level->tables[i];

        if (!table_meta_ends_before(a, b->smallest))
            return err_raise(ERR_LEVEL_ORDER,
                             "level %u: tables %" PRIu64 " and %" PRIu64 " overlap", n, a->number,
                             b->number);
    }
    return 0;
}

static int check_numbers(const struct version *v)
{
    size_t count = 0, i = 0;
    uint64_t *numbers;
    int err = 0;

    for (unsigned n = 0; n < LEVEL_COUNT; n++)
        count += v->levels[n].count;
    numbers = calloc(count ? count : 1, sizeof(*numbers));
    if (!numbers)
        return -ENOMEM;
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t j = 0; j < v->levels[n].count; j++)
            numbers[i++] = v->levels[n].tables[j]->number;
    }
    qsort(numbers, count, sizeof(*numbers), number_cmp);
    for (i = 1; i < count && !err; i++) {
        if (numbers[i] == numbers[i - 1])
            err = err_raise(ERR_MANIFEST_DAMAGED, "table %" PRIu64 " is listed twice", numbers[i]);
    }
    free(numbers);
    return err;
}

int version_check(const struct version *v)
{
    int err = 0;

    for (unsigned n = 1; n < LEVEL_COUNT && !err; n++)
        err = check_order(&v->levels[n], n);
    return err ? err : check_numbers(v);
}
