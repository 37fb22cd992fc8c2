/*
 * Which compaction to do next: targets, scores, and picking in the levels below level 0.
 *
 * In a deeper level any table may go down alone, with all that it touches in the next level: what
 * it overlaps there is older, and nothing older stays beside it. Neighbours that cost no further
 * overlap are taken along. Level 0 is in pick_level0.c; why compactions side by side cannot clash
 * is said in pick_inputs.c.
 *
 * While level 0 waits for tables of the base level that are being compacted, none other of that
 * level is started: else level 0 might wait for ever.
 */
#include "lsm/compact/pick_inputs.h"

#include <errno.h>

void pick_level_targets(const struct version *v, const struct pick_options *options,
                        struct level_targets *ret)
{
    unsigned ratio = options->level_ratio > 1 ? options->level_ratio : 2, first_used = 1, level;
    uint64_t target = v->levels[LEVEL_COUNT - 1].len;

    *ret = (struct level_targets){0};
    while (first_used < LEVEL_COUNT - 1 && v->levels[first_used].count == 0)
        first_used++;
    if (target < options->level_base_len)
        target = options->level_base_len;
    for (level = LEVEL_COUNT - 1;; level--) {
        ret->len[level] = target ? target : 1;
        target /= ratio;
        if (level == 1 || (level <= first_used && target < options->level_base_len / 2) ||
            (level <= first_used && target == 0))
            break;
    }
    ret->base_level = level;
}

uint64_t pick_debt_len(const struct version *v, const struct pick_options *options)
{
    struct level_targets targets;
    uint64_t debt, carried = 0;

    pick_level_targets(v, options, &targets);
    if (pick_l0_run_count(v) >= options->l0_compact_count)
        carried = v->levels[0].len;
    debt = carried;
    for (unsigned n = targets.base_level; n < LEVEL_COUNT - 1; n++) {
        uint64_t len = add_saturating(v->levels[n].len, carried);

        carried = len > targets.len[n] ? len - targets.len[n] : 0;
        debt = add_saturating(debt, carried);
    }
    return debt;
}

/* --- A level below level 0 --- */

struct candidate {
    size_t index;
    struct overlap below;
    bool rich;
    double cost; /* bytes below per byte moved */
};

static bool better(const struct candidate *a, const struct candidate *b)
{
    return a->rich != b->rich ? a->rich : a->cost < b->cost;
}

/* The candidate that tables[index] is; false when it can't be taken. */
static bool candidate_at(const struct picking *p, unsigned n, size_t index, struct candidate *ret)
{
    const struct table_meta *m = p->v->levels[n].tables[index];
    struct key_range range = range_of(m);
    uint64_t len = m->stats.file_len;

    if (m->compacting)
        return false;
    ret->index = index;
    ret->below = overlap_of(&p->v->levels[n + 1], &range);
    ret->rich = table_is_rich(m) && range_has_data_from(p->v, n + 1, &range);
    ret->cost = (double)ret->below.len / (double)(len ? len : 1);
    if (ret->below.busy)
        return false;
    return ret->below.first == ret->below.end || add_saturating(len, ret->below.len) <= p->len_max;
}

/* Is a table rich in tombstones worth a compaction of its own? */
static bool worth_alone(const struct picking *p, unsigned n, const struct candidate *c)
{
    const struct table_meta *m = p->v->levels[n].tables[c->index];

    if (!c->rich)
        return false;
    /* One range tombstone may delete everything below; a few point deletions do not. */
    return m->stats.rangedel_count || c->cost <= 2.0 * p->options->level_ratio;
}

static bool best_candidate(const struct picking *p, unsigned n, bool rich_only,
                           struct candidate *ret)
{
    bool found = false;

    for (size_t i = 0; i < p->v->levels[n].count; i++) {
        struct candidate c;

        if (!candidate_at(p, n, i, &c) || (rich_only && !worth_alone(p, n, &c)))
            continue;
        if (!found || better(&c, ret))
            *ret = c;
        found = true;
    }
    return found;
}

/* Tables [first, end) of a level, with their bytes. */
struct stretch {
    size_t first, end;
    uint64_t len;
};

/* Add tables[index], a neighbour, unless that costs more overlap or goes past max_len. */
static bool stretch_add(const struct picking *p, unsigned n, size_t index,
                        const struct overlap *below, uint64_t max_len, struct stretch *s)
{
    const struct level *level = &p->v->levels[n];
    const struct table_meta *m = level->tables[index];
    struct key_range hull = range_of(m);
    struct overlap wider;

    if (m->compacting || add_saturating(s->len, m->stats.file_len) > max_len)
        return false;
    /* In a merge, one that touches nothing below is left for a move of its own. */
    wider = overlap_of(&p->v->levels[n + 1], &hull);
    if (below->first != below->end && wider.first == wider.end)
        return false;
    range_add(&hull, level->tables[s->first]);
    range_add(&hull, level->tables[s->end - 1]);
    wider = overlap_of(&p->v->levels[n + 1], &hull);
    if (wider.end - wider.first != below->end - below->first)
        return false;
    s->len += m->stats.file_len;
    if (index < s->first)
        s->first = index;
    else
        s->end = index + 1;
    return true;
}

/*
 * Take the neighbours along that touch nothing more below. A move is made no longer than the
 * level's excess; a merge, than the wished length.
 */
static struct stretch stretch_of(const struct picking *p, unsigned n, const struct candidate *c,
                                 uint64_t excess)
{
    const struct level *level = &p->v->levels[n];
    struct stretch s = {c->index, c->index + 1, level->tables[c->index]->stats.file_len};
    uint64_t max_len = p->len_wished;

    if (c->below.first == c->below.end)
        max_len = excess < max_len ? excess : max_len;
    else
        max_len = max_len > c->below.len ? max_len - c->below.len : 0;
    while (s.end < level->count && stretch_add(p, n, s.end, &c->below, max_len, &s))
        ;
    while (s.first > 0 && stretch_add(p, n, s.first - 1, &c->below, max_len, &s))
        ;
    return s;
}

static int pick_deep(const struct picking *p, unsigned n, uint64_t excess, bool rich_only,
                     struct compaction *ret)
{
    struct chosen chosen = {.input_level = n, .output_level = n + 1};
    struct candidate best;
    struct stretch s;
    int picked;

    if (!best_candidate(p, n, rich_only, &best))
        return 0;
    s = stretch_of(p, n, &best, excess);
    chosen.inputs = p->v->levels[n].tables + s.first;
    chosen.input_count = s.end - s.first;
    chosen.below = best.below;
    chosen.may_move = best.below.first == best.below.end;
    picked = compaction_make(p->v, &chosen, false, ret);
    /* Small neighbours become fewer, larger tables on the way. */
    if (picked > 0 && chosen.input_count > 1 &&
        s.len / chosen.input_count < p->options->table_len / 4)
        ret->trivial_move = false;
    /* Rewriting what could be moved is a choice, which a full disk does not leave. */
    if (picked > 0 && chosen.may_move && ret->input_len > p->len_max)
        ret->trivial_move = true;
    return picked;
}

/* --- All levels --- */

struct scored_level {
    unsigned level;
    double score;
    uint64_t excess; /* bytes above the target that are not being moved already */
    bool waits;      /* of level 0: merging it would pay better later */
};

/*
 * Merging level 0 rewrites the base level, however little level 0 has. So while writes go on it may
 * gather runs until it is twice as large as the base level is or should be, or there are too many
 * for readers.
 */
static bool level0_waits_for_more(const struct picking *p, unsigned runs)
{
    unsigned n = p->targets.base_level;
    uint64_t base =
        p->v->levels[n].len > p->targets.len[n] ? p->v->levels[n].len : p->targets.len[n];

    return p->len_max == UINT64_MAX && runs < p->options->l0_patience_count &&
           p->v->levels[0].len / 2 < base;
}

/* Entries of older tables of level 0 that the range covers. What is deleted may be as young as
 * that. */
static uint64_t level0_entries_under(const struct level *level, size_t at,
                                     const struct key_range *range)
{
    uint64_t count = 0;

    for (size_t i = at + 1; i < level->count; i++) {
        const struct table_meta *m = level->tables[i];

        if (!m->compacting && range_touches(range, m))
            count = add_saturating(count, m->stats.entry_count);
    }
    return count;
}

/*
 * Would merging this table of level 0 at once, because of its tombstones, give back space in
 * proportion to what it rewrites? Point deletions must be a quarter of the entries that they lie
 * over.
 */
static bool tombstones_pay(const struct picking *p, size_t at)
{
    const struct table_meta *m = p->v->levels[0].tables[at];
    struct key_range range = range_of(m);
    uint64_t below = level0_entries_under(&p->v->levels[0], at, &range);

    /* On a full disk everything that may give space back is worth it. */
    if (p->len_max != UINT64_MAX && (m->stats.rangedel_count || m->stats.delete_count))
        return below || range_has_data_from(p->v, p->targets.base_level, &range);
    if (!table_is_rich(m))
        return false;
    for (unsigned n = p->targets.base_level; n < LEVEL_COUNT; n++) {
        const struct level *level = &p->v->levels[n];
        struct overlap o = overlap_of(level, &range);

        for (size_t i = o.first; i < o.end; i++)
            below = add_saturating(below, level->tables[i]->stats.entry_count);
    }
    return below && (m->stats.rangedel_count || m->stats.delete_count >= below / 4);
}

static struct scored_level score_level0(const struct picking *p)
{
    const struct level *level = &p->v->levels[0];
    unsigned want = p->options->l0_compact_count ? p->options->l0_compact_count : 1, runs = 0;
    unsigned extra = 0; /* runs that count for more, as they give space back */
    const struct table_meta *last = NULL, *last_rich = NULL;

    for (size_t i = 0; i < level->count; i++) {
        const struct table_meta *m = level->tables[i];

        if (m->compacting)
            continue;
        runs += !same_run(last, m);
        last = m;
        if (tombstones_pay(p, i))
            extra += want;
        /* A flush with a table of mostly tombstones counts twice: it gives space back. */
        if (table_is_rich(m)) {
            extra += !same_run(last_rich, m);
            last_rich = m;
        }
    }
    return (struct scored_level){
        .level = 0,
        .score = (double)(runs + extra) / want,
        .waits = extra == 0 && level0_waits_for_more(p, runs),
    };
}

static struct scored_level score_deep(const struct picking *p, unsigned n)
{
    const struct level *level = &p->v->levels[n];
    uint64_t len = 0, target = p->targets.len[n];

    for (size_t i = 0; i < level->count; i++) {
        if (!level->tables[i]->compacting)
            len = add_saturating(len, level->tables[i]->stats.file_len);
    }
    return (struct scored_level){
        .level = n,
        .score = len > target ? (double)len / (double)target : 0,
        .excess = len > target ? len - target : 0,
    };
}

/* The levels, highest score first. */
static unsigned score_all(const struct picking *p, struct scored_level ret[LEVEL_COUNT])
{
    unsigned count = 0;

    for (unsigned n = 0; n < LEVEL_COUNT - 1; n++) {
        struct scored_level s;
        unsigned i = count++;

        if (n == 0)
            s = score_level0(p);
        else
            s = score_deep(p, n);
        for (; i > 0 && ret[i - 1].score < s.score; i--)
            ret[i] = ret[i - 1];
        ret[i] = s;
    }
    return count;
}

static int pick_rich(const struct picking *p, bool spare_base, struct compaction *ret)
{
    int picked = 0;

    for (unsigned n = p->targets.base_level; n < LEVEL_COUNT - 1 && picked == 0; n++) {
        if (!(spare_base && n == p->targets.base_level))
            picked = pick_deep(p, n, 0, true, ret);
    }
    return picked;
}

int pick_compaction(const struct version *v, const struct pick_options *options, uint64_t len_max,
                    struct compaction *ret)
{
    struct scored_level levels[LEVEL_COUNT];
    struct picking p;
    unsigned count;
    bool level0_waits = false;
    int picked = 0;

    picking_init(&p, v, options, len_max);
    count = score_all(&p, levels);
    for (unsigned i = 0; i < count && picked == 0 && levels[i].score >= 1; i++) {
        unsigned n = levels[i].level;

        if (n == 0 && levels[i].waits) {
            picked = pick_level0_moves(&p, ret);
        } else if (n == 0) {
            picked = pick_level0(&p, ret);
            level0_waits = picked == 0;
        } else if (!(level0_waits && n == p.targets.base_level)) {
            picked = pick_deep(&p, n, levels[i].excess, false, ret);
        }
    }
    return picked ? picked : pick_rich(&p, level0_waits, ret);
}

/* The tables of a level >= 1 that touch the bounds; a NULL is no bound. */
static void find_range(const struct level *level, const struct slice *start,
                       const struct slice *end, size_t *ret_first, size_t *ret_end)
{
    size_t i = start ? level_find(level, *start) : 0;

    *ret_first = i;
    while (i < level->count && table_meta_overlaps(level->tables[i], start, end))
        i++;
    *ret_end = i;
}

int pick_range(const struct version *v, const struct pick_options *options, unsigned level,
               const struct slice *start, const struct slice *end, bool *ret_busy,
               struct compaction *ret)
{
    struct chosen c = {.input_level = level, .output_level = level + 1};
    const struct level *in = &v->levels[level < LEVEL_COUNT ? level : 0];
    struct key_range hull;
    struct picking p;
    size_t first, last;

    *ret_busy = false;
    picking_init(&p, v, options, 0);
    if (level == 0)
        return pick_level0_range(&p, start, end, ret_busy, ret);
    if (level >= LEVEL_COUNT - 1)
        return 0;
    find_range(in, start, end, &first, &last);
    if (first == last)
        return 0;
    hull = range_of(in->tables[first]);
    range_add(&hull, in->tables[last - 1]);
    c.inputs = in->tables + first;
    c.input_count = last - first;
    c.below = overlap_of(&v->levels[level + 1], &hull);
    c.may_move = c.below.first == c.below.end;
    for (size_t i = first; i < last; i++)
        *ret_busy = *ret_busy || in->tables[i]->compacting;
    *ret_busy = *ret_busy || c.below.busy;
    return *ret_busy ? 0 : compaction_make(v, &c, true, ret);
}
