/*
 * The step from one version to the next. A level that the edit touches is merged from its old
 * array, less the removed tables, and the sorted added ones: linear in the level, however many
 * tables move. All other levels are shared. Order within a level: see version.c.
 */
#include "lsm/version/table_array.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lsm/base/err.h"

/* The part of an edit that concerns one level. */
struct level_change {
    unsigned level;
    uint64_t *removed; /* numbers, ascending */
    size_t removed_count;
    struct table_meta **added; /* borrowed, in the level's order */
    uint64_t *added_numbers;   /* ascending */
    size_t added_count;
};

static int number_cmp(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool has_number(const uint64_t *numbers, size_t count, uint64_t number)
{
    return count && bsearch(&number, numbers, count, sizeof(number), number_cmp);
}

static int level0_order(const struct table_meta *a, const struct table_meta *b)
{
    uint64_t x = a->stats.seqno_max, y = b->stats.seqno_max;
    int c = (x < y) - (x > y);

    if (!c)
        c = slice_cmp(a->smallest, b->smallest);
    return c ? c : number_cmp(&a->number, &b->number);
}

static int deep_order(const struct table_meta *a, const struct table_meta *b)
{
    int c = slice_cmp(a->smallest, b->smallest);

    return c ? c : number_cmp(&a->number, &b->number);
}

static int level_order(unsigned level, const struct table_meta *a, const struct table_meta *b)
{
    return level ? deep_order(a, b) : level0_order(a, b);
}

static int level0_sort(const void *a, const void *b)
{
    return level0_order(*(struct table_meta *const *)a, *(struct table_meta *const *)b);
}

static int deep_sort(const void *a, const void *b)
{
    return deep_order(*(struct table_meta *const *)a, *(struct table_meta *const *)b);
}

static void change_done(struct level_change *c)
{
    free(c->removed);
    free(c->added);
    free(c->added_numbers);
}

static int change_new(const struct version_edit *e, unsigned level, struct level_change *ret)
{
    struct level_change c = {.level = level};

    for (size_t i = 0; i < e->removed_count; i++)
        c.removed_count += e->removed[i].level == level;
    for (size_t i = 0; i < e->added_count; i++)
        c.added_count += e->added[i].level == level;
    c.removed = calloc(c.removed_count + 1, sizeof(*c.removed));
    c.added = calloc(c.added_count + 1, sizeof(struct table_meta *));
    c.added_numbers = calloc(c.added_count + 1, sizeof(*c.added_numbers));
    if (!c.removed || !c.added || !c.added_numbers) {
        change_done(&c);
        return -ENOMEM;
    }
    for (size_t i = 0, n = 0; i < e->removed_count; i++) {
        if (e->removed[i].level == level)
            c.removed[n++] = e->removed[i].number;
    }
    for (size_t i = 0, n = 0; i < e->added_count; i++) {
        if (e->added[i].level != level)
            continue;
        c.added_numbers[n] = e->added[i].meta->number;
        c.added[n++] = e->added[i].meta;
    }
    qsort(c.removed, c.removed_count, sizeof(*c.removed), number_cmp);
    qsort(c.added_numbers, c.added_count, sizeof(*c.added_numbers), number_cmp);
    qsort(c.added, c.added_count, sizeof(struct table_meta *), level ? deep_sort : level0_sort);
    *ret = c;
    return 0;
}

static int twice(const struct level_change *c, uint64_t number)
{
    return err_raise(ERR_MANIFEST_DAMAGED,
                     "table %" PRIu64 " is added to level %u, where it is already", number,
                     c->level);
}

static void level_push(struct level *level, struct table_meta *m)
{
    table_array_push(level->array, m);
    level->count++;
    level->len += m->stats.file_len;
    level->rangedel_table_count += m->stats.rangedel_count > 0;
}

/* Merge base and change into ret, whose array has room for both. */
static int merge(const struct level *base, const struct level_change *c, struct level *ret)
{
    size_t found = 0, j = 0;

    for (size_t i = 1; i < c->added_count; i++) {
        if (c->added_numbers[i] == c->added_numbers[i - 1])
            return twice(c, c->added_numbers[i]);
    }
    for (size_t i = 0; i < base->count; i++) {
        struct table_meta *m = base->tables[i];

        if (has_number(c->removed, c->removed_count, m->number)) {
            found++;
            continue;
        }
        if (has_number(c->added_numbers, c->added_count, m->number))
            return twice(c, m->number);
        while (j < c->added_count && level_order(c->level, c->added[j], m) < 0)
            level_push(ret, c->added[j++]);
        level_push(ret, m);
    }
    while (j < c->added_count)
        level_push(ret, c->added[j++]);
    if (found != c->removed_count)
        return err_raise(ERR_MANIFEST_DAMAGED,
                         "an edit removes %zu tables from level %u, which has %zu of them",
                         c->removed_count, c->level, found);
    return 0;
}

static int apply_level(const struct level *base, const struct version_edit *e, unsigned n,
                       struct level *ret)
{
    struct level_change c;
    int err = change_new(e, n, &c);

    if (err)
        return err;
    if (c.added_count + c.removed_count == 0) {
        *ret = *base;
        if (base->array)
            table_array_ref(base->array);
    } else {
        err = table_array_new(base->count + c.added_count, &ret->array);
        if (!err) {
            ret->tables = ret->array->tables;
            err = merge(base, &c, ret);
        }
    }
    change_done(&c);
    return err;
}

int edit_apply_snapshots(const struct version_edit *e, struct named_snapshots *s)
{
    int err = 0;

    for (size_t i = 0; i < e->snapshots_removed.count && !err; i++)
        err = named_snapshots_remove(s, named_snapshot_name(&e->snapshots_removed.list[i]));
    for (size_t i = 0; i < e->snapshots_added.count && !err; i++)
        err = named_snapshots_add(s, &e->snapshots_added.list[i]);
    return err;
}

int version_apply(struct table_store *store, const struct version *base,
                  const struct version_edit *e, struct version **ret)
{
    static const struct level empty;
    struct version *v = calloc(1, sizeof(*v));
    int err = 0;

    if (!v)
        return -ENOMEM;
    atomic_init(&v->refs, 1);
    v->store = store;
    for (unsigned n = 0; n < LEVEL_COUNT && !err; n++)
        err = apply_level(base ? &base->levels[n] : &empty, e, n, &v->levels[n]);
    if (err) {
        version_unref(v);
        return err;
    }
    *ret = v;
    return 0;
}
