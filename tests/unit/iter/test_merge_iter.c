/*
 * The merging iterator against one sorted array, in both directions, with failing children.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "lsm/iter/iter.h"

enum {
    KEY_LEN = 2 + IKEY_TRAILER_LEN,
    ENTRY_MAX = 400
};

struct entry {
    uint8_t key[KEY_LEN];
};

/* A child over entries that are sorted; fails at the move after `moves_left` moves. */
struct array_iter {
    struct iter it;
    struct entry *entries;
    int count, at;
    int moves_left; /* below 0: never fails */
    int *freed;
};

static struct slice entry_key(const struct entry *e)
{
    return slice_of(e->key, KEY_LEN);
}

static void place(struct iter *it, int at)
{
    struct array_iter *a = (struct array_iter *)it;

    it->err = 0;
    it->valid = at >= 0 && at < a->count;
    a->at = at;
    if (a->moves_left == 0) {
        it->err = -EIO;
        it->valid = false;
    }
    if (a->moves_left > 0)
        a->moves_left--;
    if (!it->valid) /* a merge that looks at a stale key shall be seen by the sanitizer */
        it->key = slice_of(NULL, KEY_LEN);
    else
        it->key = entry_key(&a->entries[at]);
    it->value = it->key;
}

static int first_at_or_after(struct array_iter *a, struct slice ikey)
{
    int i = 0;

    while (i < a->count && ikey_cmp(entry_key(&a->entries[i]), ikey) < 0)
        i++;
    return i;
}

static void array_seek_first(struct iter *it)
{
    place(it, 0);
}

static void array_seek_last(struct iter *it)
{
    place(it, ((struct array_iter *)it)->count - 1);
}

static void array_seek(struct iter *it, struct slice ikey)
{
    place(it, first_at_or_after((struct array_iter *)it, ikey));
}

static void array_seek_prev(struct iter *it, struct slice ikey)
{
    place(it, first_at_or_after((struct array_iter *)it, ikey) - 1);
}

static void array_next(struct iter *it)
{
    assert_true(it->valid);
    place(it, ((struct array_iter *)it)->at + 1);
}

static void array_prev(struct iter *it)
{
    assert_true(it->valid);
    place(it, ((struct array_iter *)it)->at - 1);
}

static void array_free(struct iter *it)
{
    struct array_iter *a = (struct array_iter *)it;

    if (a->freed)
        ++*a->freed;
    free(a->entries);
    free(a);
}

static const struct iter_ops array_ops = {
    .seek_first = array_seek_first,
    .seek_last = array_seek_last,
    .seek = array_seek,
    .seek_prev = array_seek_prev,
    .next = array_next,
    .prev = array_prev,
    .free = array_free,
};

static struct array_iter *array_iter_new(void)
{
    struct array_iter *a = calloc(1, sizeof(*a));

    a->it.ops = &array_ops;
    a->entries = calloc(ENTRY_MAX, sizeof(*a->entries));
    a->moves_left = -1;
    return a;
}

static int entry_cmp(const void *a, const void *b)
{
    return ikey_cmp(entry_key(a), entry_key(b));
}

static void fill_entry(struct entry *e, unsigned user, uint64_t seqno)
{
    put_be16(e->key, (uint16_t)user);
    put_le64(e->key + 2, ikey_trailer(seqno, KIND_PUT));
}

/* All entries in `model`, sorted, and dealt out to the children. */
static int deal(struct entry *model, struct iter **children, unsigned child_count)
{
    int count = rand() % ENTRY_MAX;

    for (unsigned i = 0; i < child_count; i++)
        children[i] = &array_iter_new()->it;
    for (int i = 0; i < count; i++)
        fill_entry(&model[i], (unsigned)rand() % 100, (uint64_t)i + 1);
    qsort(model, (size_t)count, sizeof(*model), entry_cmp);
    for (int i = 0; i < count; i++) {
        unsigned to = rand() % 3 ? (unsigned)rand() % child_count : (unsigned)i / 50 % child_count;
        struct array_iter *a = (struct array_iter *)children[to];

        a->entries[a->count++] = model[i];
    }
    return count;
}

static int model_find(const struct entry *model, int count, struct slice ikey)
{
    int i = 0;

    while (i < count && ikey_cmp(entry_key(&model[i]), ikey) < 0)
        i++;
    return i;
}

static void random_moves_match_a_sorted_array(void **state)
{
    struct entry model[ENTRY_MAX], probe;
    struct iter *children[40], *it;

    (void)state;
    srand(3);
    for (int round = 0; round < 300; round++) {
        unsigned child_count = 1 + (unsigned)rand() % (round % 3 ? 6 : 40);
        int count = deal(model, children, child_count), at = -1;

        assert_int_equal(merge_iter_new(children, child_count, &it), 0);
        assert_false(it->valid);
        for (int step = 0; step < 300; step++) {
            int op = rand() % 20;

            fill_entry(&probe, (unsigned)rand() % 102, (uint64_t)rand() % ENTRY_MAX);
            if (op == 0) {
                iter_seek_first(it);
                at = 0;
            } else if (op == 1) {
                iter_seek_last(it);
                at = count - 1;
            } else if (op == 2) {
                iter_seek(it, entry_key(&probe));
                at = model_find(model, count, entry_key(&probe));
            } else if (op == 3) {
                iter_seek_prev(it, entry_key(&probe));
                at = model_find(model, count, entry_key(&probe)) - 1;
            } else if (it->valid && (op < 12) == (step % 100 < 50)) {
                iter_next(it);
                at++;
            } else if (it->valid) {
                iter_prev(it);
                at--;
            } else {
                continue;
            }
            assert_int_equal(it->err, 0);
            assert_int_equal(it->valid, at >= 0 && at < count);
            if (it->valid) {
                assert_true(slice_eq(it->key, entry_key(&model[at])));
                assert_true(slice_eq(it->value, it->key));
            }
        }
        iter_free(it);
    }
}

static void child_error_ends_the_iteration_until_a_seek(void **state)
{
    struct entry model[ENTRY_MAX];
    struct iter *children[3], *it;

    (void)state;
    srand(4);
    for (int round = 0; round < 200; round++) {
        int count = deal(model, children, 3), steps = 0, err;
        struct array_iter *bad = (struct array_iter *)children[rand() % 3];

        bad->moves_left = rand() % 20;
        assert_int_equal(merge_iter_new(children, 3, &it), 0);
        for (iter_seek_first(it); it->valid; steps++) {
            assert_true(slice_eq(it->key, entry_key(&model[steps])));
            iter_next(it);
        }
        err = it->err;
        assert_true(err == -EIO || (err == 0 && steps == count));
        bad->moves_left = -1;
        iter_seek_last(it);
        assert_int_equal(it->err, 0);
        assert_int_equal(it->valid, count > 0);
        if (it->valid && count > 1) {
            bad->moves_left = 0;
            iter_next(it);
            if (it->valid || it->err == 0) { /* it stood on another child */
                iter_seek_first(it);
            }
            assert_false(it->valid);
            assert_int_equal(it->err, -EIO);
        }
        iter_free(it);
    }
}

static void turning_round_reports_the_error_of_another_child(void **state)
{
    struct array_iter *a = array_iter_new(), *b = array_iter_new();
    struct iter *children[] = {&a->it, &b->it}, *it;

    (void)state;
    fill_entry(&a->entries[a->count++], 1, 1);
    fill_entry(&a->entries[a->count++], 3, 1);
    fill_entry(&b->entries[b->count++], 2, 1);
    assert_int_equal(merge_iter_new(children, 2, &it), 0);
    iter_seek_last(it);
    b->moves_left = 0;
    iter_next(it);
    assert_false(it->valid);
    assert_int_equal(it->err, -EIO);
    iter_free(it);
}

static void merge_of_none_or_empty_children_is_empty(void **state)
{
    struct iter *children[2], *it;
    int freed = 0;

    (void)state;
    assert_int_equal(merge_iter_new(NULL, 0, &it), 0);
    iter_seek_first(it);
    assert_false(it->valid);
    iter_seek_last(it);
    assert_false(it->valid);
    assert_int_equal(it->err, 0);
    iter_free(it);
    for (int i = 0; i < 2; i++) {
        struct array_iter *a = array_iter_new();

        a->freed = &freed;
        children[i] = &a->it;
    }
    assert_int_equal(merge_iter_new(children, 2, &it), 0);
    iter_seek_first(it);
    assert_false(it->valid);
    iter_seek_last(it);
    assert_false(it->valid);
    iter_free(it);
    assert_int_equal(freed, 2);
    iter_free(NULL);
}

static void empty_iterator_reports_its_error_at_every_seek(void **state)
{
    struct array_iter *a = array_iter_new();
    struct iter *children[2] = {&a->it}, *it;

    (void)state;
    fill_entry(&a->entries[a->count++], 1, 1);
    assert_int_equal(empty_iter_new(-EIO, &children[1]), 0);
    assert_int_equal(merge_iter_new(children, 2, &it), 0);
    iter_seek_first(it);
    assert_false(it->valid);
    assert_int_equal(it->err, -EIO);
    iter_seek_prev(it, entry_key(&a->entries[0]));
    assert_false(it->valid);
    assert_int_equal(it->err, -EIO);
    iter_free(it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_moves_match_a_sorted_array),
        cmocka_unit_test(child_error_ends_the_iteration_until_a_seek),
        cmocka_unit_test(turning_round_reports_the_error_of_another_child),
        cmocka_unit_test(merge_of_none_or_empty_children_is_empty),
        cmocka_unit_test(empty_iterator_reports_its_error_at_every_seek),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
