/*
 * Range tombstones cut into fragments.
 *
 * All starts and ends, sorted and made unique, are the boundaries. A sweep over them keeps the
 * tombstones over the current piece sorted by sequence number, newest first: those that begin at a
 * boundary are merged in, those that have ended fall out when the piece is written down. So a piece
 * costs what it holds, beside the sorting. Neighbours with the same sequence numbers become one
 * fragment again, as do the pieces of a tombstone that had been cut before it went to disk.
 *
 * Nested tombstones, as truncating a file step by step leaves them, differ from piece to piece by
 * their oldest or newest one. Neighbouring fragments therefore share the memory of their sequence
 * numbers where one list begins or ends the other; else it would grow with the square.
 */
#include "lsm/iter/rangedel.h"

#include <errno.h>
#include <stdlib.h>

/* What building needs; freed in the end. */
struct sweep {
    struct rangedel *dels; /* the non-empty ones by start, then newest first */
    size_t del_count, next_del;
    struct slice *bounds; /* ascending, unique */
    size_t bound_count;
    const struct rangedel **active, **spare; /* newest first; room for all */
    size_t active_count;
    struct rangedel_list *list;
    size_t *firsts; /* of each fragment, the index of its first seqno */
    size_t seqno_count, seqno_cap;
};

static int del_cmp(const void *pa, const void *pb)
{
    const struct rangedel *a = pa, *b = pb;
    int c = slice_cmp(a->start, b->start);

    return c ? c : (a->seqno < b->seqno) - (a->seqno > b->seqno);
}

static int bound_cmp(const void *pa, const void *pb)
{
    return slice_cmp(*(const struct slice *)pa, *(const struct slice *)pb);
}

static void *array_alloc(size_t count, size_t size)
{
    return calloc(count ? count : 1, size);
}

static bool sweep_alloc(struct sweep *s, size_t count)
{
    if (count > SIZE_MAX / 2 - 1)
        return false;
    s->dels = array_alloc(count, sizeof(*s->dels));
    s->bounds = array_alloc(2 * count, sizeof(*s->bounds));
    s->active = array_alloc(count, sizeof(*s->active));
    s->spare = array_alloc(count, sizeof(*s->spare));
    s->firsts = array_alloc(2 * count, sizeof(*s->firsts));
    s->list = calloc(1, sizeof(*s->list));
    if (s->list)
        s->list->fragments = array_alloc(2 * count, sizeof(*s->list->fragments));
    return s->dels && s->bounds && s->active && s->spare && s->firsts && s->list &&
           s->list->fragments;
}

static void sweep_done(struct sweep *s)
{
    free(s->dels);
    free(s->bounds);
    free(s->active);
    free(s->spare);
    free(s->firsts);
    rangedel_list_free(s->list);
}

static void collect(struct sweep *s, const struct rangedel *dels, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (slice_cmp(dels[i].start, dels[i].end) >= 0)
            continue;
        s->bounds[2 * n] = dels[i].start;
        s->bounds[2 * n + 1] = dels[i].end;
        s->dels[n++] = dels[i];
    }
    s->del_count = n;
    qsort(s->dels, n, sizeof(*s->dels), del_cmp);
    qsort(s->bounds, 2 * n, sizeof(*s->bounds), bound_cmp);
    for (size_t i = 0; i < 2 * n; i++)
        if (i == 0 || !slice_eq(s->bounds[i], s->bounds[s->bound_count - 1]))
            s->bounds[s->bound_count++] = s->bounds[i];
}

/* Let the boundaries point to the list's own copies of their keys. */
static int copy_bounds(struct sweep *s)
{
    size_t len = 0;
    uint8_t *p;

    for (size_t i = 0; i < s->bound_count; i++)
        len += s->bounds[i].len;
    p = malloc(len ? len : 1);
    if (!p)
        return -ENOMEM;
    s->list->bytes = p;
    for (size_t i = 0; i < s->bound_count; i++) {
        if (s->bounds[i].len)
            memcpy(p, s->bounds[i].data, s->bounds[i].len);
        s->bounds[i].data = p;
        p += s->bounds[i].len;
    }
    return 0;
}

/* Take in the tombstones that begin at `at`, and leave out those that end there or before. */
static void advance(struct sweep *s, struct slice at)
{
    const struct rangedel **old = s->active;
    size_t i = 0, n = 0;

    for (;;) {
        const struct rangedel *fresh = NULL, *del;

        while (i < s->active_count && slice_cmp(old[i]->end, at) <= 0)
            i++;
        if (s->next_del < s->del_count && slice_eq(s->dels[s->next_del].start, at))
            fresh = &s->dels[s->next_del];
        if (fresh && (i == s->active_count || fresh->seqno > old[i]->seqno)) {
            del = fresh;
            s->next_del++;
        } else if (i < s->active_count) {
            del = old[i++];
        } else {
            break;
        }
        s->spare[n++] = del;
    }
    s->active = s->spare;
    s->spare = old;
    s->active_count = n;
}

static int reserve_seqnos(struct sweep *s, size_t more)
{
    size_t cap = s->seqno_cap ? s->seqno_cap : 64;
    uint64_t *seqnos;

    if (more <= s->seqno_cap - s->seqno_count)
        return 0;
    while (cap - s->seqno_count < more) {
        if (cap > SIZE_MAX / 2 / sizeof(*seqnos))
            return -ENOMEM;
        cap *= 2;
    }
    seqnos = realloc(s->list->seqnos, cap * sizeof(*seqnos));
    if (!seqnos)
        return -ENOMEM;
    s->list->seqnos = seqnos;
    s->seqno_cap = cap;
    return 0;
}

/*
 * The last `count` seqnos, from `first` on, belong to the fragment after `last`. Use last's memory
 * for them where possible. Returns where they stand.
 */
static size_t share_seqnos(struct sweep *s, const struct rangedel_fragment *last, size_t first,
                           size_t count)
{
    uint64_t *seqnos = s->list->seqnos, *fresh = seqnos + first;
    size_t last_first = s->firsts[last - s->list->fragments], last_count = last->seqno_count;
    size_t last_end = last_first + last_count;

    if (count <= last_count && memcmp(seqnos + last_first, fresh, count * sizeof(*fresh)) == 0) {
        s->seqno_count = first;
        return last_first;
    }
    if (count < last_count &&
        memcmp(seqnos + last_end - count, fresh, count * sizeof(*fresh)) == 0) {
        s->seqno_count = first;
        return last_end - count;
    }
    if (count > last_count && last_end == first &&
        memcmp(seqnos + last_first, fresh, last_count * sizeof(*fresh)) == 0) {
        memmove(fresh, fresh + last_count, (count - last_count) * sizeof(*fresh));
        s->seqno_count = first + count - last_count;
        return last_first;
    }
    return first;
}

/* Write down what is active over [start, end). */
static int emit(struct sweep *s, struct slice start, struct slice end)
{
    struct rangedel_list *list = s->list;
    size_t first = s->seqno_count, count;
    struct rangedel_fragment *last;
    int err;

    if (s->active_count == 0)
        return 0;
    err = reserve_seqnos(s, s->active_count);
    if (err)
        return err;
    for (size_t i = 0; i < s->active_count; i++)
        if (i == 0 || s->active[i]->seqno != s->active[i - 1]->seqno)
            list->seqnos[s->seqno_count++] = s->active[i]->seqno;
    count = s->seqno_count - first;
    if (count > UINT32_MAX)
        return -ENOMEM;
    last = list->fragment_count ? &list->fragments[list->fragment_count - 1] : NULL;
    if (last)
        first = share_seqnos(s, last, first, count);
    if (last && last->seqno_count == count && slice_eq(last->end, start) &&
        s->firsts[list->fragment_count - 1] == first) {
        last->end = end;
        return 0;
    }
    s->firsts[list->fragment_count] = first;
    list->fragments[list->fragment_count++] =
        (struct rangedel_fragment){start, end, NULL, (uint32_t)count};
    return 0;
}

/* Give back what was reserved too much, and point the fragments at their seqnos. */
static void shrink(struct sweep *s)
{
    struct rangedel_list *list = s->list;
    void *p;

    p = s->seqno_count ? realloc(list->seqnos, s->seqno_count * sizeof(uint64_t)) : NULL;
    if (p)
        list->seqnos = p;
    p = list->fragment_count
            ? realloc(list->fragments, list->fragment_count * sizeof(*list->fragments))
            : NULL;
    if (p)
        list->fragments = p;
    for (size_t i = 0; i < list->fragment_count; i++)
        list->fragments[i].seqnos = list->seqnos + s->firsts[i];
}

int rangedel_list_new(const struct rangedel *dels, size_t count, struct rangedel_list **ret)
{
    struct sweep s = {0};
    int err = sweep_alloc(&s, count) ? 0 : -ENOMEM;

    if (!err) {
        collect(&s, dels, count);
        err = copy_bounds(&s);
    }
    for (size_t i = 0; !err && i + 1 < s.bound_count; i++) {
        advance(&s, s.bounds[i]);
        err = emit(&s, s.bounds[i], s.bounds[i + 1]);
    }
    if (!err) {
        shrink(&s);
        *ret = s.list;
        s.list = NULL;
    }
    sweep_done(&s);
    return err;
}

void rangedel_list_free(struct rangedel_list *list)
{
    if (!list)
        return;
    free(list->fragments);
    free(list->seqnos);
    free(list->bytes);
    free(list);
}

size_t rangedel_list_find(const struct rangedel_list *list, struct slice key)
{
    size_t low = 0, high = list->fragment_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (slice_cmp(list->fragments[mid].end, key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

uint64_t rangedel_list_covering(const struct rangedel_list *list, struct slice key,
                                uint64_t snapshot)
{
    const struct rangedel_fragment *f;
    size_t i, low = 0, high;

    if (!list)
        return 0;
    i = rangedel_list_find(list, key);
    if (i == list->fragment_count || slice_cmp(list->fragments[i].start, key) > 0)
        return 0;
    f = &list->fragments[i];
    high = f->seqno_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (f->seqnos[mid] > snapshot)
            low = mid + 1;
        else
            high = mid;
    }
    return low < f->seqno_count ? f->seqnos[low] : 0;
}
