/*
 * Merging sorted iterators.
 *
 * The child that gives the current entry (`top`) is kept out of the heap of the others. A move then
 * costs one comparison as long as the entries keep coming from the same child, and a sift down the
 * heap otherwise. Children that are at their end are in neither.
 *
 * Going forward every other child stands on its first entry after the current one, going backward
 * on its last entry before it. A change of direction re-establishes that by seeking all others.
 * Children may grow meanwhile (memtables do); an entry that appears behind a child's place is not
 * found, which is right, because the caller's snapshot does not see it.
 */
#include <errno.h>
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/iter/iter.h"

struct merge_iter {
    struct iter it;
    bool backward;
    unsigned child_count;
    unsigned heap_count;
    struct iter *top;   /* the current child; NULL when not valid */
    struct iter **heap; /* points into children's allocation */
    struct iter *children[];
};

/* Whether a's entry comes before b's in the direction of travel. */
static inline bool before(const struct merge_iter *m, const struct iter *a, const struct iter *b)
{
    int c = ikey_cmp(a->key, b->key);

    return m->backward ? c > 0 : c < 0;
}

/* Put x at the hole at index i, or below it. */
static void sift_down(struct merge_iter *m, unsigned i, struct iter *x)
{
    for (;;) {
        unsigned child = 2 * i + 1;

        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && before(m, m->heap[child + 1], m->heap[child]))
            child++;
        if (before(m, x, m->heap[child]))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = x;
}

static struct iter *heap_pop(struct merge_iter *m)
{
    struct iter *first;

    if (m->heap_count == 0)
        return NULL;
    first = m->heap[0];
    if (--m->heap_count)
        sift_down(m, 0, m->heap[m->heap_count]);
    return first;
}

static void fail(struct merge_iter *m, int err)
{
    m->top = NULL;
    m->heap_count = 0;
    m->it.valid = false;
    m->it.err = err;
}

/* Show the entry of the top child. */
static void show(struct merge_iter *m)
{
    m->it.valid = m->top != NULL;
    m->it.err = 0;
    if (!m->top)
        return;
    m->it.key = m->top->key;
    m->it.value = m->top->value;
}

/* Rebuild everything from where the children stand. */
static void rebuild(struct merge_iter *m)
{
    m->heap_count = 0;
    m->top = NULL;
    for (unsigned i = 0; i < m->child_count; i++) {
        struct iter *child = m->children[i];

        if (child->err) {
            fail(m, child->err);
            return;
        }
        if (child->valid)
            m->heap[m->heap_count++] = child;
    }
    for (unsigned i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i, m->heap[i]);
    m->top = heap_pop(m);
    show(m);
}

/* The top child has moved: is it still the top? */
static void settle(struct merge_iter *m)
{
    struct iter *top = m->top;

    if (top->err) {
        fail(m, top->err);
        return;
    }
    if (!top->valid) {
        m->top = heap_pop(m);
    } else if (m->heap_count && before(m, m->heap[0], top)) {
        m->top = m->heap[0];
        sift_down(m, 0, top);
    }
    show(m);
}

static void merge_seek_first(struct iter *it)
{
    struct merge_iter *m = (struct merge_iter *)it;

    m->backward = false;
    for (unsigned i = 0; i < m->child_count; i++)
        iter_seek_first(m->children[i]);
    rebuild(m);
}

static void merge_seek_last(struct iter *it)
{
    struct merge_iter *m = (struct merge_iter *)it;

    m->backward = true;
    for (unsigned i = 0; i < m->child_count; i++)
        iter_seek_last(m->children[i]);
    rebuild(m);
}

static void merge_seek(struct iter *it, struct slice ikey)
{
    struct merge_iter *m = (struct merge_iter *)it;

    m->backward = false;
    for (unsigned step = 0; step < ITER_SEEK_STEPS; step++)
        for (unsigned i = 0; i < m->child_count; i++)
            iter_seek_step(m->children[i], ikey, step);
    for (unsigned i = 0; i < m->child_count; i++)
        iter_seek(m->children[i], ikey);
    rebuild(m);
}

static void merge_seek_prev(struct iter *it, struct slice ikey)
{
    struct merge_iter *m = (struct merge_iter *)it;

    m->backward = true;
    for (unsigned i = 0; i < m->child_count; i++)
        iter_seek_prev(m->children[i], ikey);
    rebuild(m);
}

/*
 * Turn round: the others go to the far side of the current entry, which stays where it is (its key
 * is what they seek by) and is moved last.
 */
static void turn(struct merge_iter *m, bool backward)
{
    struct slice key = m->top->key;

    for (unsigned i = 0; i < m->child_count; i++) {
        struct iter *child = m->children[i];

        if (child == m->top)
            continue;
        if (backward)
            iter_seek_prev(child, key);
        else
            iter_seek(child, key);
    }
    m->backward = backward;
    if (backward)
        iter_prev(m->top);
    else
        iter_next(m->top);
    rebuild(m);
}

static void merge_next(struct iter *it)
{
    struct merge_iter *m = (struct merge_iter *)it;

    DCHECK(it->valid);
    if (m->backward) {
        turn(m, false);
        return;
    }
    iter_next(m->top);
    settle(m);
}

static void merge_prev(struct iter *it)
{
    struct merge_iter *m = (struct merge_iter *)it;

    DCHECK(it->valid);
    if (!m->backward) {
        turn(m, true);
        return;
    }
    iter_prev(m->top);
    settle(m);
}

static void merge_free(struct iter *it)
{
    struct merge_iter *m = (struct merge_iter *)it;

    for (unsigned i = 0; i < m->child_count; i++)
        iter_free(m->children[i]);
    free(m);
}

static const struct iter_ops merge_ops = {
    .seek_first = merge_seek_first,
    .seek_last = merge_seek_last,
    .seek = merge_seek,
    .seek_prev = merge_seek_prev,
    .next = merge_next,
    .prev = merge_prev,
    .free = merge_free,
};

int merge_iter_new(struct iter **children, unsigned count, struct iter **ret)
{
    struct merge_iter *m;

    if (count == 0)
        return empty_iter_new(0, ret);
    if (count == 1) {
        *ret = children[0];
        return 0;
    }
    m = calloc(1, sizeof(*m) + 2 * (size_t)count * sizeof(m->children[0]));
    if (!m) {
        for (unsigned i = 0; i < count; i++)
            iter_free(children[i]);
        return -ENOMEM;
    }
    m->it.ops = &merge_ops;
    m->child_count = count;
    m->heap = m->children + count;
    memcpy(m->children, children, count * sizeof(children[0]));
    *ret = &m->it;
    return 0;
}
