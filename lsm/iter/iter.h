/*
 * Internal iterators: sorted (internal key, value) pairs of one source or of several merged.
 *
 * `valid`, `key`, `value` and `err` are read directly; each move updates them. key and value borrow
 * until the next move. At either end valid is false and err is 0; after an error valid is false and
 * err says which; it stays until the next seek. A range tombstone is never an entry of an iterator:
 * those come from rangedel lists (rangedel.h). Used by one thread at a time.
 */
#ifndef LSM_ITER_ITER_H
#define LSM_ITER_ITER_H

#include "lsm/base/ikey.h"

struct iter;

struct iter_ops {
    void (*seek_first)(struct iter *it);
    void (*seek_last)(struct iter *it);
    void (*seek)(struct iter *it, struct slice ikey);      /* first entry >= ikey */
    void (*seek_prev)(struct iter *it, struct slice ikey); /* last entry < ikey */
    void (*next)(struct iter *it);                         /* valid before */
    void (*prev)(struct iter *it);                         /* valid before */
    void (*free)(struct iter *it);
    void (*seek_step)(struct iter *it, struct slice ikey, unsigned step); /* NULL: nothing to do */
};

struct iter {
    const struct iter_ops *ops;
    bool valid;
    int err;
    struct slice key; /* internal key */
    struct slice value;
};

static inline void iter_seek_first(struct iter *it)
{
    it->ops->seek_first(it);
}

static inline void iter_seek_last(struct iter *it)
{
    it->ops->seek_last(it);
}

static inline void iter_seek(struct iter *it, struct slice ikey)
{
    it->ops->seek(it, ikey);
}

enum {
    ITER_SEEK_STEPS = 5
};

/*
 * Prepare a seek to ikey, which must be the next thing that is asked of the iterator, by the steps
 * 0 to ITER_SEEK_STEPS - 1. Each has something brought from memory that the next one looks at. With
 * several iterators each step is done for all of them, so that they wait together. Not valid
 * meanwhile; errors are left for the seek to find. ikey must not borrow from the iterator.
 */
static inline void iter_seek_step(struct iter *it, struct slice ikey, unsigned step)
{
    if (it->ops->seek_step)
        it->ops->seek_step(it, ikey, step);
}

static inline void iter_seek_prev(struct iter *it, struct slice ikey)
{
    it->ops->seek_prev(it, ikey);
}

static inline void iter_next(struct iter *it)
{
    it->ops->next(it);
}

static inline void iter_prev(struct iter *it)
{
    it->ops->prev(it);
}

static inline void iter_free(struct iter *it)
{
    if (it)
        it->ops->free(it);
}

/*
 * Merge children[0..count-1] into one iterator that owns them, also when it fails (they are freed).
 * The array itself stays the caller's. Equal internal keys cannot occur in two children.
 */
int merge_iter_new(struct iter **children, unsigned count, struct iter **ret);

/* An iterator without entries, or that only reports an error. */
int empty_iter_new(int err, struct iter **ret);

#endif
