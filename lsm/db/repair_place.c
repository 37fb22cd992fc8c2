/*
 * Levels for tables of which nobody knows where they were.
 *
 * A look-up goes from the upper level to the lower and stops at the first full value, so of two
 * tables with a key in common all versions in the upper one must be newer. Without reading the
 * tables that is known if their ranges of keys are disjoint, or their ranges of sequence numbers
 * are. Tables of which neither is true are in conflict, and all that are in conflict with one
 * another are merged: the merge goes by the sequence numbers of the entries, and its output is
 * disjoint. A merge widens the ranges, which can bring it into conflict with more; so groups grow
 * until none is in conflict with another. One table of a bottom level that was compacted many times
 * often brings everything that it overlaps into its group: a rebuild of a store of many levels
 * rewrites most of it, in little memory, but with as much space on the disk.
 *
 * What is left goes as deep as it can: oldest first, each table to the level above the highest that
 * holds something older that it overlaps. In level 0 tables may overlap: there the order is that of
 * the largest sequence numbers, which is right for tables without conflict.
 *
 * The same operation can stand in two tables: in a leftover input of a compaction and in its
 * output, or in a table and in a log. It takes effect once: of entries with equal internal keys one
 * is kept, and a patch laid over a value that holds it already changes nothing.
 */
#include "lsm/db/repair.h"

/* --- Groups --- */

/* Tables that are in conflict, directly or through others. Keys are borrowed from the metas. */
struct group {
    struct table_meta **tables; /* malloced; borrowed references */
    size_t count;
    struct slice smallest, largest;
    uint64_t seqno_min, seqno_max;
};

struct groups {
    struct group *groups;
    size_t count;
};

static int compare_smallest(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    return slice_cmp(x->smallest, y->smallest);
}

/* An exclusive end counts as inclusive: a conflict too many does no harm. */
static bool in_conflict(const struct group *a, const struct group *b)
{
    return slice_cmp(a->smallest, b->largest) <= 0 && slice_cmp(b->smallest, a->largest) <= 0 &&
           a->seqno_min <= b->seqno_max && b->seqno_min <= a->seqno_max;
}

/* Move all of `from` into `to`. */
static int unite(struct group *to, struct group *from)
{
    struct table_meta **grown =
        realloc(to->tables, (to->count + from->count) * sizeof(struct table_meta *));

    if (!grown)
        return -ENOMEM;
    memcpy(grown + to->count, from->tables, from->count * sizeof(struct table_meta *));
    to->tables = grown;
    to->count += from->count;
    if (slice_cmp(from->smallest, to->smallest) < 0)
        to->smallest = from->smallest;
    if (slice_cmp(from->largest, to->largest) > 0)
        to->largest = from->largest;
    if (from->seqno_min < to->seqno_min)
        to->seqno_min = from->seqno_min;
    if (from->seqno_max > to->seqno_max)
        to->seqno_max = from->seqno_max;
    free(from->tables);
    from->tables = NULL;
    from->count = 0;
    return 0;
}

/* One pass over the groups, ascending by smallest key; *ret_changed when any were united. */
static int unite_once(struct groups *g, bool *ret_changed)
{
    size_t kept = 0;
    int err = 0;

    qsort(g->groups, g->count, sizeof(*g->groups), compare_smallest);
    *ret_changed = false;
    for (size_t i = 0; i < g->count; i++) {
        struct group *a = &g->groups[i];

        for (size_t j = i + 1; !err && a->count && j < g->count; j++) {
            if (slice_cmp(g->groups[j].smallest, a->largest) > 0)
                break;
            if (!g->groups[j].count || !in_conflict(a, &g->groups[j]))
                continue;
            err = unite(a, &g->groups[j]);
            *ret_changed = true;
        }
    }
    for (size_t i = 0; i < g->count; i++) {
        if (g->groups[i].count)
            g->groups[kept++] = g->groups[i];
    }
    g->count = kept;
    return err;
}

static void groups_done(struct groups *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->groups[i].tables);
    free(g->groups);
}

static int groups_make(struct repair *r, struct groups *ret)
{
    bool changed = true;
    int err = 0;

    ret->groups = calloc(r->found_count + 1, sizeof(*ret->groups));
    if (!ret->groups)
        return -ENOMEM;
    for (size_t i = 0; i < r->found_count; i++) {
        struct table_meta *m = r->found[i], **tables = malloc(sizeof(struct table_meta *));

        if (!tables)
            return -ENOMEM;
        tables[0] = m;
        ret->groups[ret->count++] = (struct group){
            tables, 1, m->smallest, m->largest, m->stats.seqno_min, m->stats.seqno_max};
    }
    while (!err && changed)
        err = unite_once(ret, &changed);
    return err;
}

/* --- Merging a group --- */

/* Passes on the entries of a merging iterator, without those that have the key of the one before.
 */
struct once_iter {
    struct iter head;
    struct iter *in;
    struct buf last;
};

static void once_publish(struct once_iter *it)
{
    int err = it->in->err;

    if (it->in->valid)
        err = buf_assign(&it->last, it->in->key.data, it->in->key.len);
    it->head.valid = it->in->valid && !err;
    it->head.err = err;
    it->head.key = it->in->key;
    it->head.value = it->in->value;
}

static void once_seek_first(struct iter *head)
{
    struct once_iter *it = (struct once_iter *)head;

    iter_seek_first(it->in);
    once_publish(it);
}

static void once_next(struct iter *head)
{
    struct once_iter *it = (struct once_iter *)head;

    do
        iter_next(it->in);
    while (it->in->valid && slice_eq(it->in->key, buf_slice(&it->last)));
    once_publish(it);
}

/* A compaction reads forwards and does nothing else. */
static const struct iter_ops once_ops = {.seek_first = once_seek_first, .next = once_next};

static int compare_tables(const void *a, const void *b)
{
    const struct table_meta *const *x = a, *const *y = b;

    return slice_cmp((*x)->smallest, (*y)->smallest);
}

struct inputs {
    struct iter **children;
    unsigned count;
    struct rangedel *dels;
    size_t del_count;
};

/*
 * One iterator per row of disjoint tables: each takes all it can of those that are left, so there
 * are few, and only one table of a row is read at a time.
 */
static int open_rows(struct repair *r, const struct group *g, struct inputs *in)
{
    struct table_meta **left = malloc(g->count * sizeof(struct table_meta *)),
                      **row = malloc(g->count * sizeof(struct table_meta *));
    size_t left_count = g->count;
    int err = 0;

    if (!left || !row)
        err = -ENOMEM;
    else
        memcpy(left, g->tables, g->count * sizeof(struct table_meta *));
    while (!err && left_count) {
        size_t row_count = 0, rest = 0;

        for (size_t i = 0; i < left_count; i++) {
            if (row_count == 0 || table_meta_ends_before(row[row_count - 1], left[i]->smallest))
                row[row_count++] = left[i];
            else
                left[rest++] = left[i];
        }
        left_count = rest;
        err = level_iter_new(&r->store, row, row_count, SST_ITER_NO_CACHE | SST_ITER_READAHEAD,
                             &in->children[in->count]);
        in->count += !err;
    }
    free(left);
    free(row);
    return err;
}

static int open_dels(struct repair *r, const struct group *g, struct inputs *in)
{
    int err = 0;

    for (size_t i = 0; !err && i < g->count; i++) {
        struct sst *t;

        if (g->tables[i]->stats.rangedel_count == 0)
            continue;
        err = table_meta_sst(g->tables[i], &r->store, &t);
        if (!err)
            err = rangedels_of_list(sst_rangedels(t), NULL, 0, &in->dels, &in->del_count);
    }
    return err;
}

static int run_merge(struct repair *r, struct iter *merged, const struct inputs *in)
{
    struct once_iter once = {.head = {.ops = &once_ops}, .in = merged};
    struct compact_run run = {.store = &r->store,
                              .builder = r->builder,
                              .table_len = r->options.table_len,
                              .prefix_len = r->options.table_prefix_len,
                              .input = &once.head,
                              .dels = in->dels,
                              .del_count = in->del_count,
                              .new_number = repair_new_number,
                              .arg = r};
    int err = compact_run(&run);

    for (size_t i = 0; !err && i < run.table_count; i++) {
        atomic_store(&run.tables[i]->obsolete, true);
        table_meta_ref(run.tables[i]);
        err = repair_add_found(r, run.tables[i]);
    }
    compact_run_done(&run, &r->store);
    buf_free(&once.last);
    return err;
}

/* The outputs are added to r->found. */
static int merge_group(struct repair *r, struct group *g)
{
    struct inputs in = {.children = calloc(g->count, sizeof(struct iter *))};
    struct iter *merged = NULL;
    int err = in.children ? 0 : -ENOMEM;

    qsort(g->tables, g->count, sizeof(struct table_meta *), compare_tables);
    if (!err)
        err =
            repair_note(r, "", "%zu tables overlap in keys and in time, and are merged", g->count);
    if (!err)
        err = open_rows(r, g, &in);
    if (!err)
        err = open_dels(r, g, &in);
    if (!err) {
        err = merge_iter_new(in.children, in.count, &merged);
        in.count = 0; /* they belong to merged now, or are gone */
    }
    if (!err)
        err = run_merge(r, merged, &in);
    iter_free(merged);
    for (unsigned i = 0; i < in.count; i++)
        iter_free(in.children[i]);
    free(in.children);
    free(in.dels);
    return err;
}

/* --- Levels --- */

static int compare_age(const void *a, const void *b)
{
    const struct table_meta *const *x = a, *const *y = b;
    uint64_t p = (*x)->stats.seqno_max, q = (*y)->stats.seqno_max;

    return (p > q) - (p < q);
}

static bool overlap(const struct table_meta *a, const struct table_meta *b)
{
    return table_meta_overlaps(a, &b->smallest, &b->largest);
}

/* tables[0..count), of which no two are in conflict. */
static int place_all(struct repair *r, struct table_meta **tables, size_t count)
{
    unsigned *levels = calloc(count + 1, sizeof(*levels));
    int err = levels ? 0 : -ENOMEM;

    qsort(tables, count, sizeof(struct table_meta *), compare_age);
    for (size_t i = 0; !err && i < count; i++) {
        unsigned level = LEVEL_COUNT - 1;

        for (size_t j = 0; j < i && level; j++) {
            if (levels[j] <= level && overlap(tables[j], tables[i]))
                level = levels[j] ? levels[j] - 1 : 0;
        }
        levels[i] = level;
        err = edit_add_table(&r->edit, level, tables[i]);
    }
    free(levels);
    return err;
}

/* Singles as they are, and what merging the others makes. */
static int merge_and_place(struct repair *r, struct groups *g)
{
    size_t inputs_count = r->found_count, count = 0;
    struct table_meta **tables;
    int err = 0;

    for (size_t i = 0; !err && i < g->count; i++) {
        if (g->groups[i].count > 1)
            err = merge_group(r, &g->groups[i]);
    }
    if (err)
        return err;
    tables = malloc((r->found_count + 1) * sizeof(struct table_meta *));
    if (!tables)
        return -ENOMEM;
    for (size_t i = 0; i < g->count; i++) {
        if (g->groups[i].count == 1)
            tables[count++] = g->groups[i].tables[0];
    }
    for (size_t i = inputs_count; i < r->found_count; i++)
        tables[count++] = r->found[i];
    err = place_all(r, tables, count);
    free(tables);
    return err;
}

int repair_place(struct repair *r)
{
    struct groups g = {0};
    int err = groups_make(r, &g);

    if (!err)
        err = merge_and_place(r, &g);
    groups_done(&g);
    return err;
}
