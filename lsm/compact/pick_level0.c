/*
 * Picking in level 0, whose tables overlap.
 *
 * The rule: a table may leave level 0 only together with every older one that overlaps it, or newer
 * data would lie below older. So tables are gathered into groups: overlapping ones are in the same
 * group, and groups do not touch. A group taken from the oldest runs only keeps the rule too, as
 * what stays behind is newer. Random writes make one group of everything; streams of ascending keys
 * make many, and those that touch nothing below are moved without I/O.
 *
 * One compaction of level 0 runs at a time: a second one could make outputs in the gaps of the
 * first.
 */
#include "lsm/compact/pick_inputs.h"

#include <errno.h>
#include <stdlib.h>

/* Tables [first, first + count) of the pool: a hull that touches no other group's. */
struct group {
    size_t first, count;
    uint64_t len; /* bytes */
    struct key_range range;
};

struct pool {
    struct table_meta **tables; /* borrowed, by smallest key */
    size_t count;
    struct group *groups; /* ascending */
    size_t group_count;
    struct table_meta *oldest;
};

static void pool_done(struct pool *pool)
{
    free(pool->tables);
    free(pool->groups);
}

static int pool_new(const struct level *level, struct pool *ret)
{
    *ret = (struct pool){0};
    ret->tables = malloc((level->count + 1) * sizeof(struct table_meta *));
    ret->groups = malloc((level->count + 1) * sizeof(*ret->groups));
    if (ret->tables && ret->groups)
        return 0;
    pool_done(ret);
    return -ENOMEM;
}

static int by_smallest(const void *a, const void *b)
{
    const struct table_meta *x = *(struct table_meta *const *)a;
    const struct table_meta *y = *(struct table_meta *const *)b;

    return slice_cmp(x->smallest, y->smallest);
}

/* Fill the pool with the tables from index `from` of level 0 on, which are the oldest. */
static void pool_fill(struct pool *pool, const struct level *level, size_t from)
{
    struct group *g = NULL;

    pool->count = level->count - from;
    pool->group_count = 0;
    pool->oldest = level->tables[level->count - 1];
    memcpy(pool->tables, level->tables + from, pool->count * sizeof(struct table_meta *));
    qsort(pool->tables, pool->count, sizeof(struct table_meta *), by_smallest);
    for (size_t i = 0; i < pool->count; i++) {
        struct table_meta *m = pool->tables[i];

        if (!g || !range_touches(&g->range, m)) {
            g = &pool->groups[pool->group_count++];
            *g = (struct group){.first = i, .range = range_of(m)};
        }
        g->count++;
        g->len = add_saturating(g->len, m->stats.file_len);
        range_add(&g->range, m);
    }
}

bool same_run(const struct table_meta *a, const struct table_meta *b)
{
    return a && a->run && a->run == b->run;
}

/* Where the next older run begins; level->count when there is none. */
static size_t run_end(const struct level *level, size_t start)
{
    size_t end = start + 1;

    while (end < level->count && same_run(level->tables[start], level->tables[end]))
        end++;
    return end;
}

unsigned pick_l0_run_count(const struct version *v)
{
    unsigned runs = 0;

    for (size_t i = 0; i < v->levels[0].count; i = run_end(&v->levels[0], i))
        runs++;
    return runs;
}

static bool is_busy(const struct level *level)
{
    for (size_t i = 0; i < level->count; i++) {
        if (level->tables[i]->compacting)
            return true;
    }
    return false;
}

/* Groups [first, end) and what is below their hull. */
struct span {
    size_t first, end;
    uint64_t len; /* bytes of the groups */
    struct overlap below;
};

static struct span span_of(const struct picking *p, const struct pool *pool, size_t first,
                           size_t end)
{
    struct span s = {.first = first, .end = end};
    struct key_range hull = pool->groups[first].range;
    const struct key_range *last = &pool->groups[end - 1].range;

    /* Groups ascend and do not touch. */
    hull.largest = last->largest;
    hull.largest_exclusive = last->largest_exclusive;
    for (size_t i = first; i < end; i++)
        s.len = add_saturating(s.len, pool->groups[i].len);
    s.below = overlap_of(&p->v->levels[p->targets.base_level], &hull);
    return s;
}

static int take_span(const struct picking *p, const struct pool *pool, const struct span *s,
                     bool drop_all, struct compaction *ret)
{
    const struct group *first = &pool->groups[s->first], *last = &pool->groups[s->end - 1];
    struct chosen c = {
        .input_level = 0,
        .output_level = p->targets.base_level,
        .inputs = pool->tables + first->first,
        .input_count = last->first + last->count - first->first,
        .below = s->below,
    };

    /* As many groups as tables: all disjoint. */
    c.may_move = s->below.first == s->below.end && c.input_count == s->end - s->first;
    return compaction_make(p->v, &c, drop_all, ret);
}

/* A table that no other one of level 0 touches: may it go down as it is? */
static bool can_move(const struct picking *p, const struct table_meta *m)
{
    unsigned base = p->targets.base_level;
    struct key_range range = range_of(m);
    struct overlap below = overlap_of(&p->v->levels[base], &range);

    if (below.first != below.end)
        return false;
    /* At the bottom, a table rich in tombstones is better rewritten. */
    return !table_is_rich(m) || range_has_data_from(p->v, base + 1, &range);
}

/* All tables that touch no other one here and none in the base level, in one move. */
static int pick_moves(const struct picking *p, const struct pool *pool, struct compaction *ret)
{
    struct chosen c = {.input_level = 0, .output_level = p->targets.base_level, .may_move = true};
    int picked = 0;

    c.inputs = malloc((pool->group_count + 1) * sizeof(struct table_meta *));
    if (!c.inputs)
        return -ENOMEM;
    for (size_t i = 0; i < pool->group_count; i++) {
        const struct group *g = &pool->groups[i];

        if (g->count == 1 && can_move(p, pool->tables[g->first]))
            c.inputs[c.input_count++] = pool->tables[g->first];
    }
    if (c.input_count)
        picked = compaction_make(p->v, &c, false, ret);
    free(c.inputs);
    return picked;
}

static bool span_fits(const struct picking *p, const struct span *s, bool only_run)
{
    if (s->below.busy || add_saturating(s->len, s->below.len) > p->len_max)
        return false;
    /* What lies below is not counted here: it must be rewritten whatever the number of runs. */
    return only_run || s->len <= p->len_wished;
}

/* Widen a span to its neighbours as long as the whole stays within the wished length. */
static struct span span_widen(const struct picking *p, const struct pool *pool, struct span s)
{
    bool right = true, left = true;

    while (left || right) {
        struct span wider;

        right = right && s.end < pool->group_count;
        if (right) {
            wider = span_of(p, pool, s.first, s.end + 1);
            right =
                !wider.below.busy && add_saturating(wider.len, wider.below.len) <= p->len_wished;
            if (right)
                s = wider;
        }
        left = left && s.first > 0;
        if (left) {
            wider = span_of(p, pool, s.first - 1, s.end);
            left = !wider.below.busy && add_saturating(wider.len, wider.below.len) <= p->len_wished;
            if (left)
                s = wider;
        }
    }
    return s;
}

static size_t group_of(const struct pool *pool, const struct table_meta *m)
{
    for (size_t i = 0; i < pool->group_count; i++) {
        if (range_touches(&pool->groups[i].range, m))
            return i;
    }
    return 0;
}

/* The oldest table's group first, then the others by key. */
static int pick_merge(const struct picking *p, const struct pool *pool, bool only_run,
                      struct compaction *ret)
{
    size_t seed = group_of(pool, pool->oldest);

    for (size_t i = 0; i <= pool->group_count; i++) {
        size_t g = i == 0 ? seed : i - 1;
        struct span s = span_of(p, pool, g, g + 1);

        if (!span_fits(p, &s, only_run))
            continue;
        s = span_widen(p, pool, s);
        return take_span(p, pool, &s, false, ret);
    }
    return 0;
}

/*
 * With little space left, a group over many tables of the base level can't be merged with them all
 * at once. Rewritten in pieces, each over one of them, it can be merged piece by piece.
 */
static int pick_split(const struct picking *p, const struct pool *pool, struct compaction *ret)
{
    for (size_t i = 0; i < pool->group_count; i++) {
        const struct group *g = &pool->groups[i];
        struct span s = span_of(p, pool, i, i + 1);
        struct chosen c = {
            .inputs = pool->tables + g->first, .input_count = g->count, .may_move = true};
        int picked;

        if (s.below.end - s.below.first < 2 || s.len > p->len_max / 2)
            continue;
        picked = compaction_make(p->v, &c, false, ret);
        if (picked > 0) {
            ret->trivial_move = false;
            ret->split = true;
        }
        return picked;
    }
    return 0;
}

int pick_level0(const struct picking *p, struct compaction *ret)
{
    const struct level *level = &p->v->levels[0];
    struct pool pool;
    int picked;

    if (level->count == 0 || is_busy(level))
        return 0;
    picked = pool_new(level, &pool);
    if (picked)
        return picked;
    pool_fill(&pool, level, 0);
    picked = pick_moves(p, &pool, ret);
    for (size_t from = 0; from < level->count && picked == 0;) {
        size_t next = run_end(level, from);

        pool_fill(&pool, level, from);
        picked = pick_merge(p, &pool, next == level->count, ret);
        from = next;
    }
    if (picked == 0 && p->len_max != UINT64_MAX) {
        pool_fill(&pool, level, 0);
        picked = pick_split(p, &pool, ret);
    }
    pool_done(&pool);
    return picked;
}

int pick_level0_moves(const struct picking *p, struct compaction *ret)
{
    const struct level *level = &p->v->levels[0];
    struct pool pool;
    int picked;

    if (level->count == 0 || is_busy(level))
        return 0;
    picked = pool_new(level, &pool);
    if (picked)
        return picked;
    pool_fill(&pool, level, 0);
    picked = pick_moves(p, &pool, ret);
    pool_done(&pool);
    return picked;
}

/* The groups from the first to the last that hold a table touching the bounds. */
static bool span_touching(const struct picking *p, const struct pool *pool,
                          const struct slice *start, const struct slice *end, struct span *ret)
{
    size_t first = pool->group_count, last = 0;

    for (size_t i = 0; i < pool->group_count; i++) {
        const struct group *g = &pool->groups[i];
        bool touches = false;

        for (size_t j = 0; j < g->count && !touches; j++)
            touches = table_meta_overlaps(pool->tables[g->first + j], start, end);
        if (!touches)
            continue;
        if (first == pool->group_count)
            first = i;
        last = i;
    }
    if (first == pool->group_count)
        return false;
    *ret = span_of(p, pool, first, last + 1);
    return true;
}

int pick_level0_range(const struct picking *p, const struct slice *start, const struct slice *end,
                      bool *ret_busy, struct compaction *ret)
{
    const struct level *level = &p->v->levels[0];
    struct pool pool;
    struct span s;
    int picked;

    if (level->count == 0)
        return 0;
    picked = pool_new(level, &pool);
    if (picked)
        return picked;
    pool_fill(&pool, level, 0);
    if (span_touching(p, &pool, start, end, &s)) {
        *ret_busy = s.below.busy || is_busy(level);
        if (!*ret_busy)
            picked = take_span(p, &pool, &s, true, ret);
    }
    pool_done(&pool);
    return picked;
}
