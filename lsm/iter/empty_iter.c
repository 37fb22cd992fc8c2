/*
 * The iterator without entries. It also stands in for a source that could not be opened: its error
 * comes back at every seek, so that a merge above it ends with that error.
 */
#include <errno.h>
#include <stdlib.h>

#include "lsm/iter/iter.h"

struct empty_iter {
    struct iter it;
    int err;
};

static void empty_place(struct iter *it)
{
    it->err = ((struct empty_iter *)it)->err;
}

static void empty_seek(struct iter *it, struct slice ikey)
{
    (void)ikey;
    empty_place(it);
}

static void empty_free(struct iter *it)
{
    free(it);
}

static const struct iter_ops empty_ops = {
    .seek_first = empty_place,
    .seek_last = empty_place,
    .seek = empty_seek,
    .seek_prev = empty_seek,
    .next = empty_place,
    .prev = empty_place,
    .free = empty_free,
};

int empty_iter_new(int err, struct iter **ret)
{
    struct empty_iter *e = calloc(1, sizeof(*e));

    if (!e)
        return -ENOMEM;
    e->it.ops = &empty_ops;
    e->it.err = err;
    e->err = err;
    *ret = &e->it;
    return 0;
}
