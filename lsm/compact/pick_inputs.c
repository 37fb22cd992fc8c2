/*
 * From chosen tables to a compaction: key ranges, overlap, hull, and whether it is the bottom.
 *
 * Why two compactions side by side cannot make overlapping outputs: outputs hold only keys of the
 * inputs, so they lie within the hull of inputs[0] and the tables of inputs[1]; inputs[1] are all
 * tables of the output level that touch the hull of inputs[0], and `compacting` keeps another from
 * taking any of them. Of one level other than 0 the tables are disjoint, so two hulls of
 * neighbouring tables are too. Level 0 is compacted by one at a time.
 */
#include "lsm/compact/pick_inputs.h"

#include <errno.h>
#include <stdlib.h>

enum {
    WISHED_TABLES = 25 /* a compaction's usual limit, in tables of full length */
};

uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void picking_init(struct picking *p, const struct version *v, const struct pick_options *options,
                  uint64_t len_max)
{
    p->v = v;
    p->options = options;
    p->len_max = len_max ? len_max : UINT64_MAX;
    p->len_wished = options->table_len > UINT64_MAX / WISHED_TABLES
                        ? UINT64_MAX
                        : options->table_len * WISHED_TABLES;
    if (p->len_wished > p->len_max)
        p->len_wished = p->len_max;
    pick_level_targets(v, options, &p->targets);
}

struct key_range range_of(const struct table_meta *m)
{
    return (struct key_range){m->smallest, m->largest, m->largest_exclusive};
}

void range_add(struct key_range *r, const struct table_meta *m)
{
    int c = slice_cmp(m->largest, r->largest);

    if (slice_cmp(m->smallest, r->smallest) < 0)
        r->smallest = m->smallest;
    if (c == 0)
        r->largest_exclusive = r->largest_exclusive && m->largest_exclusive;
    if (c > 0) {
        r->largest = m->largest;
        r->largest_exclusive = m->largest_exclusive;
    }
}

static bool range_ends_before(const struct key_range *r, struct slice key)
{
    int c = slice_cmp(r->largest, key);

    return c < 0 || (c == 0 && r->largest_exclusive);
}

bool range_touches(const struct key_range *r, const struct table_meta *m)
{
    return !table_meta_ends_before(m, r->smallest) && !range_ends_before(r, m->smallest);
}

struct overlap overlap_of(const struct level *level, const struct key_range *r)
{
    struct overlap o = {0};

    o.first = level_find(level, r->smallest);
    for (o.end = o.first; o.end < level->count; o.end++) {
        const struct table_meta *m = level->tables[o.end];

        if (range_ends_before(r, m->smallest))
            break;
        o.len = add_saturating(o.len, m->stats.file_len);
        o.busy = o.busy || m->compacting;
    }
    return o;
}

bool range_has_data_from(const struct version *v, unsigned level, const struct key_range *r)
{
    for (; level < LEVEL_COUNT; level++) {
        const struct level *l = &v->levels[level];
        size_t i = level_find(l, r->smallest);

        if (i < l->count && range_touches(r, l->tables[i]))
            return true;
    }
    return false;
}

bool table_is_rich(const struct table_meta *m)
{
    const struct sst_stats *s = &m->stats;
    uint64_t tombstones = add_saturating(s->delete_count, s->rangedel_count);

    return tombstones > add_saturating(s->entry_count, s->rangedel_count) / 2;
}

static bool has_tombstones(const struct table_meta *m)
{
    return m->stats.delete_count || m->stats.rangedel_count;
}

/* Would rewriting the tables at the bottom drop tombstones that moving them keeps for ever? */
static bool worth_rewriting(const struct chosen *c, bool drop_all)
{
    for (size_t i = 0; i < c->input_count; i++) {
        const struct table_meta *m = c->inputs[i];

        if (drop_all ? has_tombstones(m) : table_is_rich(m))
            return true;
    }
    return false;
}

static struct table_meta **copy_tables(struct table_meta **tables, size_t count)
{
    struct table_meta **copy = malloc((count ? count : 1) * sizeof(struct table_meta *));

    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = tables[i];
        table_meta_ref(copy[i]);
    }
    return copy;
}

int compaction_make(const struct version *v, const struct chosen *c, bool drop_all,
                    struct compaction *ret)
{
    const struct level *out = &v->levels[c->output_level];
    struct compaction made = {.input_level = c->input_level, .output_level = c->output_level};
    struct key_range hull = range_of(c->inputs[0]);

    made.input_count[0] = c->input_count;
    made.inputs[0] = copy_tables(c->inputs, c->input_count);
    if (!c->may_move)
        made.input_count[1] = c->below.end - c->below.first;
    made.inputs[1] =
        copy_tables(made.input_count[1] ? out->tables + c->below.first : NULL, made.input_count[1]);
    if (!made.inputs[0] || !made.inputs[1]) {
        for (unsigned i = 0; i < 2; i++)
            made.input_count[i] = made.inputs[i] ? made.input_count[i] : 0;
        compaction_done(&made, v->store);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < 2; i++) {
        for (size_t j = 0; j < made.input_count[i]; j++) {
            range_add(&hull, made.inputs[i][j]);
            made.input_len = add_saturating(made.input_len, made.inputs[i][j]->stats.file_len);
        }
    }
    made.smallest = hull.smallest;
    made.largest = hull.largest;
    made.largest_exclusive = hull.largest_exclusive;
    made.bottom = !range_has_data_from(v, c->output_level + 1, &hull);
    made.trivial_move = c->may_move && !(made.bottom && worth_rewriting(c, drop_all));
    *ret = made;
    return 1;
}

void compaction_done(struct compaction *c, struct table_store *store)
{
    for (unsigned i = 0; i < 2; i++) {
        for (size_t j = 0; j < c->input_count[i]; j++)
            table_meta_unref(c->inputs[i][j], store);
        free(c->inputs[i]);
    }
    *c = (struct compaction){0};
}
