/*
 * An iterator over the disjoint, ascending tables of one level. Only the table that it stands in is
 * open for iteration; the next one is opened when the current one is used up. A table may have no
 * point entries at all (only range tombstones): such tables are stepped over.
 *
 * It keeps the array of tables alive, so it may outlive the version that it came from.
 */
#include "lsm/version/table_array.h"

#include <errno.h>
#include <stdlib.h>

struct level_iter {
    struct iter head;
    struct table_store *store;
    struct table_array *array; /* one reference */
    struct level level;        /* the part of the array that is walked */
    unsigned sst_flags;
    bool stepping;      /* the steps before a seek are for the child */
    size_t index;       /* of the table that child stands in; meaningless without one */
    struct iter *child; /* NULL: none open */
};

static void drop_child(struct level_iter *it)
{
    iter_free(it->child);
    it->child = NULL;
}

/* Have child stand in table `index`. */
static int open_child(struct level_iter *it, size_t index)
{
    struct sst *t;
    int err;

    if (it->child && it->index == index)
        return 0;
    drop_child(it);
    err = table_meta_sst(it->level.tables[index], it->store, &t);
    if (!err)
        err = sst_iter_new(t, it->sst_flags, &it->child);
    if (err) {
        it->child = NULL;
        return err;
    }
    it->index = index;
    return 0;
}

static void fail(struct level_iter *it, int err)
{
    drop_child(it);
    it->head.valid = false;
    it->head.err = err;
}

/* Publish the child's entry. False when it has none and no error: another table must be tried. */
static bool take_child(struct level_iter *it)
{
    if (it->child->valid) {
        it->head.valid = true;
        it->head.err = 0;
        it->head.key = it->child->key;
        it->head.value = it->child->value;
        return true;
    }
    if (it->child->err) {
        fail(it, it->child->err);
        return true;
    }
    return false;
}

static void at_end(struct level_iter *it)
{
    drop_child(it);
    it->head.valid = false;
    it->head.err = 0;
}

/* To the first entry of the tables from `index` on. */
static void forward_from(struct level_iter *it, size_t index)
{
    for (; index < it->level.count; index++) {
        int err = open_child(it, index);

        if (err) {
            fail(it, err);
            return;
        }
        iter_seek_first(it->child);
        if (take_child(it))
            return;
    }
    at_end(it);
}

/* To the last entry of the first `count` tables. */
static void backward_from(struct level_iter *it, size_t count)
{
    while (count-- > 0) {
        int err = open_child(it, count);

        if (err) {
            fail(it, err);
            return;
        }
        iter_seek_last(it->child);
        if (take_child(it))
            return;
    }
    at_end(it);
}

static void level_iter_seek_first(struct iter *head)
{
    forward_from((struct level_iter *)head, 0);
}

static void level_iter_seek_last(struct iter *head)
{
    struct level_iter *it = (struct level_iter *)head;

    backward_from(it, it->level.count);
}

static void level_iter_seek(struct iter *head, struct slice ikey)
{
    struct level_iter *it = (struct level_iter *)head;
    size_t index = level_find(&it->level, ikey_user(ikey));
    int err;

    if (index == it->level.count) {
        at_end(it);
        return;
    }
    err = open_child(it, index);
    if (err) {
        fail(it, err);
        return;
    }
    iter_seek(it->child, ikey);
    if (!take_child(it))
        forward_from(it, index + 1);
}

static void level_iter_seek_step(struct iter *head, struct slice ikey, unsigned step)
{
    struct level_iter *it = (struct level_iter *)head;

    if (step == 0) {
        size_t index = level_find(&it->level, ikey_user(ikey));

        it->stepping = index < it->level.count && !open_child(it, index);
    }
    it->head.valid = false;
    if (it->stepping)
        iter_seek_step(it->child, ikey, step);
}

static void level_iter_seek_prev(struct iter *head, struct slice ikey)
{
    struct level_iter *it = (struct level_iter *)head;
    struct slice user = ikey_user(ikey);
    size_t index = level_find(&it->level, user);
    int err;

    /* Entries below ikey lie in the tables before, and in this one if it begins in time. */
    if (index == it->level.count || slice_cmp(it->level.tables[index]->smallest, user) > 0) {
        backward_from(it, index);
        return;
    }
    err = open_child(it, index);
    if (err) {
        fail(it, err);
        return;
    }
    iter_seek_prev(it->child, ikey);
    if (!take_child(it))
        backward_from(it, index);
}

static void level_iter_next(struct iter *head)
{
    struct level_iter *it = (struct level_iter *)head;

    iter_next(it->child);
    if (!take_child(it))
        forward_from(it, it->index + 1);
}

static void level_iter_prev(struct iter *head)
{
    struct level_iter *it = (struct level_iter *)head;

    iter_prev(it->child);
    if (!take_child(it))
        backward_from(it, it->index);
}

static void level_iter_free(struct iter *head)
{
    struct level_iter *it = (struct level_iter *)head;

    drop_child(it);
    table_array_unref(it->array, it->store);
    free(it);
}

static const struct iter_ops level_iter_ops = {
    .seek_first = level_iter_seek_first,
    .seek_last = level_iter_seek_last,
    .seek = level_iter_seek,
    .seek_prev = level_iter_seek_prev,
    .next = level_iter_next,
    .prev = level_iter_prev,
    .free = level_iter_free,
    .seek_step = level_iter_seek_step,
};

int level_iter_over(struct table_store *store, struct table_array *a, size_t first, size_t count,
                    unsigned sst_flags, struct iter **ret)
{
    struct level_iter *it = calloc(1, sizeof(*it));

    if (!it)
        return -ENOMEM;
    table_array_ref(a);
    it->head.ops = &level_iter_ops;
    it->store = store;
    it->array = a;
    it->level.tables = a->tables + first;
    it->level.count = count;
    it->sst_flags = sst_flags;
    *ret = &it->head;
    return 0;
}

int level_iter_new(struct table_store *store, struct table_meta **tables, size_t count,
                   unsigned sst_flags, struct iter **ret)
{
    struct table_array *a;
    int err = table_array_new(count, &a);

    if (err)
        return err;
    for (size_t i = 0; i < count; i++)
        table_array_push(a, tables[i]);
    err = level_iter_over(store, a, 0, count, sst_flags, ret);
    table_array_unref(a, store);
    return err;
}
