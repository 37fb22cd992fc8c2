/*
 * Range tombstones of a memtable.
 *
 * Tombstones are pushed onto a chain by compare-and-swap with release order. Whoever sees a
 * sequence number become visible therefore also sees its tombstone in the chain.
 *
 * Removing many files adds tombstones and reads in turn. Building one list of all of them for each
 * read would cost the square of their number. So there are several lists (tiers), each
 * over a stretch of the chain, the oldest and longest first, every one at least twice as long as
 * the next. New tombstones make a new tier together with the tiers that are not twice as long; each
 * tombstone is thus built into a logarithmic number of lists. A look-up asks every tier, and an
 * iterator takes each as a source of its own. A flush needs one list: tombstones_get merges all
 * tiers into one.
 *
 * A set of tiers is immutable. Holders of a reference to it: `set`, each look-up under way and each
 * iterator. To a tier: each set that lists it and each holder of its list.
 */
#include "lsm/mem/tombstones.h"

#include <errno.h>
#include <stdlib.h>

struct tombstone_node {
    struct tombstone_node *older;
    struct rangedel del;
};

struct tier {
    atomic_uint refs;
    const struct tombstone_node *newest; /* up to where the chain is in here */
    size_t count;                        /* nodes */
    struct rangedel_list *list;
};

struct tombstone_set {
    atomic_uint refs;
    const struct tombstone_node *newest;
    unsigned tier_count;
    struct tier *tiers[];
};

static void tier_unref(struct tier *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    rangedel_list_free(t->list);
    free(t);
}

static void set_unref(struct tombstone_set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < s->tier_count; i++)
        tier_unref(s->tiers[i]);
    free(s);
}

void tombstones_init(struct tombstones *t, struct arena *arena)
{
    t->arena = arena;
    atomic_init(&t->newest, NULL);
    mutex_init(&t->mu);
    t->set = NULL;
}

void tombstones_done(struct tombstones *t)
{
    set_unref(t->set);
    t->set = NULL;
    mutex_done(&t->mu);
}

int tombstones_add(struct tombstones *t, const struct rangedel *del)
{
    struct tombstone_node *n;
    uint8_t *bytes;

    if (slice_cmp(del->start, del->end) >= 0)
        return 0;
    n = arena_alloc(t->arena, sizeof(*n) + del->start.len + del->end.len);
    if (!n)
        return -ENOMEM;
    bytes = (uint8_t *)(n + 1);
    if (del->start.len)
        memcpy(bytes, del->start.data, del->start.len);
    memcpy(bytes + del->start.len, del->end.data, del->end.len);
    n->del.start = slice_of(bytes, del->start.len);
    n->del.end = slice_of(bytes + del->start.len, del->end.len);
    n->del.seqno = del->seqno;
    n->older = atomic_load_explicit(&t->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&t->newest, &n->older, n, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return 0;
}

/* A tier over the `count` nodes from `newest` on. NULL when there is no memory. */
static struct tier *tier_new(const struct tombstone_node *newest, size_t count)
{
    struct rangedel *dels = calloc(count, sizeof(*dels));
    struct tier *t = calloc(1, sizeof(*t));
    const struct tombstone_node *n = newest;

    if (dels && t) {
        for (size_t i = 0; i < count; i++, n = n->older)
            dels[i] = n->del;
        atomic_init(&t->refs, 1);
        t->newest = newest;
        t->count = count;
        if (rangedel_list_new(dels, count, &t->list) == 0) {
            t->list->holder = t;
            free(dels);
            return t;
        }
    }
    free(dels);
    free(t);
    return NULL;
}

/* The first `keep` tiers of `old`, and t, which the set takes over. */
static struct tombstone_set *set_new(const struct tombstone_set *old, unsigned keep, struct tier *t)
{
    struct tombstone_set *s = malloc(sizeof(*s) + (keep + 1) * sizeof(s->tiers[0]));

    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    s->newest = t->newest;
    s->tier_count = keep + 1;
    for (unsigned i = 0; i < keep; i++) {
        s->tiers[i] = old->tiers[i];
        atomic_fetch_add_explicit(&s->tiers[i]->refs, 1, memory_order_relaxed);
    }
    s->tiers[keep] = t;
    return s;
}

/* Bring the set up to the chain as it is now, which is not empty; `single`: into one tier. */
static int update_locked(struct tombstones *t, bool single) REQUIRES(t->mu)
{
    const struct tombstone_node *newest = atomic_load_explicit(&t->newest, memory_order_acquire);
    struct tombstone_set *old = t->set, *set;
    unsigned keep = old ? old->tier_count : 0;
    size_t count = 0;
    struct tier *tier;

    if (old && old->newest == newest && (keep == 1 || !single))
        return 0;
    for (const struct tombstone_node *n = newest; n != (old ? old->newest : NULL); n = n->older)
        count++;
    while (keep && (single || old->tiers[keep - 1]->count < 2 * count))
        count += old->tiers[--keep]->count;
    tier = tier_new(newest, count);
    if (!tier)
        return -ENOMEM;
    set = set_new(old, keep, tier);
    if (!set) {
        tier_unref(tier);
        return -ENOMEM;
    }
    t->set = set;
    set_unref(old);
    return 0;
}

int tombstones_get_set(struct tombstones *t, struct tombstone_set **ret)
{
    struct tombstone_set *set = NULL;
    int err;

    *ret = NULL;
    if (tombstones_empty(t))
        return 0;
    mutex_lock(&t->mu);
    err = update_locked(t, false);
    if (!err) {
        set = t->set;
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    }
    mutex_unlock(&t->mu);
    if (!err)
        *ret = set;
    return err;
}

unsigned tombstone_set_count(const struct tombstone_set *s)
{
    return s->tier_count;
}

const struct rangedel_list *tombstone_set_list(const struct tombstone_set *s, unsigned i)
{
    return s->tiers[i]->list;
}

void tombstone_set_put(struct tombstone_set *s)
{
    set_unref(s);
}

int tombstones_covering(struct tombstones *t, struct slice key, uint64_t snapshot,
                        uint64_t *ret_seqno)
{
    struct tombstone_set *set;
    uint64_t best = 0;
    int err = tombstones_get_set(t, &set);

    *ret_seqno = 0;
    if (err)
        return err;
    for (unsigned i = 0; set && i < set->tier_count; i++) {
        uint64_t seqno = rangedel_list_covering(set->tiers[i]->list, key, snapshot);

        if (seqno > best)
            best = seqno;
    }
    set_unref(set);
    *ret_seqno = best;
    return 0;
}

int tombstones_get(struct tombstones *t, const struct rangedel_list **ret)
{
    struct tier *tier = NULL;
    int err;

    if (tombstones_empty(t)) {
        *ret = NULL;
        return 0;
    }
    mutex_lock(&t->mu);
    err = update_locked(t, true);
    if (!err) {
        tier = t->set->tiers[0];
        atomic_fetch_add_explicit(&tier->refs, 1, memory_order_relaxed);
    }
    mutex_unlock(&t->mu);
    if (err)
        return err;
    *ret = tier->list;
    return 0;
}

void tombstones_put(const struct rangedel_list *list)
{
    if (list)
        tier_unref(list->holder);
}
