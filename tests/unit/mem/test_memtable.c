/*
 * The memtable against a log of everything that was added to it, and under concurrent use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/mem/memtable.h"

/* One added record; its seqno is its index plus one. */
struct record {
    enum kind kind;
    char key[8];
    char value[24]; /* for a range: its end */
    size_t value_len;
};

enum {
    RECORDS = 3000
};

static struct slice value_of(const struct record *r)
{
    return slice_of(r->value, r->value_len);
}

static void random_record(struct record *r)
{
    int op = rand() % 10;

    snprintf(r->key, sizeof(r->key), "k%02d", rand() % 60);
    r->kind = op < 5 ? KIND_PUT : op < 7 ? KIND_PATCH : op < 9 ? KIND_DELETE : KIND_DELETE_RANGE;
    r->value_len = 0;
    if (r->kind == KIND_PUT)
        r->value_len = (size_t)snprintf(r->value, sizeof(r->value), "value-%d", rand());
    if (r->kind == KIND_PATCH)
        r->value_len =
            (size_t)snprintf(r->value, sizeof(r->value), "%cP%d", 1 + rand() % 20, rand() % 100);
    if (r->kind == KIND_DELETE_RANGE)
        r->value_len = (size_t)snprintf(r->value, sizeof(r->value), "k%02d", rand() % 62);
}

/* What a key's value is after the first `count` records. False: none. */
static bool model_get(const struct record *records, size_t count, const char *key, struct buf *ret)
{
    bool exists = false;

    ret->len = 0;
    for (size_t i = 0; i < count; i++) {
        const struct record *r = &records[i];
        bool same = strcmp(r->key, key) == 0;

        if (r->kind == KIND_DELETE_RANGE) {
            if (slice_cmp(slice_str(r->key), slice_str(key)) <= 0 &&
                slice_cmp(slice_str(key), value_of(r)) < 0)
                exists = false;
        } else if (same && r->kind == KIND_PUT) {
            exists = true;
            assert_int_equal(buf_assign(ret, r->value, r->value_len), 0);
        } else if (same && r->kind == KIND_PATCH) {
            exists = true;
            assert_int_equal(patch_apply(ret, value_of(r)), 0);
        } else if (same) {
            exists = false;
        }
        if (!exists)
            ret->len = 0;
    }
    return exists;
}

static void assert_lookup(struct memtable *mt, const struct record *records, size_t snapshot,
                          const char *key)
{
    struct lookup l = {.key = slice_str(key), .snapshot = snapshot};
    struct buf want = {0};
    struct slice got;
    bool exists = model_get(records, snapshot, key, &want);

    assert_int_equal(memtable_lookup(mt, &l), 0);
    assert_int_equal(fold_value(&l.fold, &got), exists);
    if (exists)
        assert_true(slice_eq(got, buf_slice(&want)));
    fold_done(&l.fold);
    buf_free(&want);
}

static void lookups_match_the_log_at_every_snapshot(void **state)
{
    struct record *records = calloc(RECORDS, sizeof(*records));
    struct memtable *mt;
    char key[8];

    (void)state;
    srand(6);
    assert_int_equal(memtable_new(12, &mt), 0);
    assert_true(memtable_empty(mt));
    assert_int_equal(memtable_number(mt), 12);
    for (size_t i = 0; i < RECORDS; i++) {
        random_record(&records[i]);
        assert_int_equal(memtable_add(mt, i + 1, records[i].kind, slice_str(records[i].key),
                                      value_of(&records[i])),
                         0);
        if (i % 3)
            continue;
        snprintf(key, sizeof(key), "k%02d", rand() % 62);
        assert_lookup(mt, records, i + 1, key);
    }
    assert_int_equal(memtable_entry_count(mt), RECORDS);
    assert_true(memtable_len(mt) > RECORDS * 20);
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof(key), "k%02d", rand() % 62);
        assert_lookup(mt, records, (size_t)rand() % (RECORDS + 1), key);
    }
    memtable_unref(mt);
    free(records);
}

static void iterator_gives_every_point_in_order_both_ways(void **state)
{
    struct record r;
    struct memtable *mt;
    struct iter *it;
    struct buf last = {0};
    size_t points = 0, forward = 0, backward = 0;

    (void)state;
    srand(7);
    assert_int_equal(memtable_new(1, &mt), 0);
    for (size_t i = 0; i < RECORDS; i++) {
        random_record(&r);
        points += r.kind != KIND_DELETE_RANGE;
        assert_int_equal(memtable_add(mt, i + 1, r.kind, slice_str(r.key), value_of(&r)), 0);
    }
    assert_int_equal(memtable_iter_new(mt, &it), 0);
    memtable_unref(mt); /* the iterator holds its own reference */
    for (iter_seek_first(it); it->valid; iter_next(it)) {
        if (forward++)
            assert_true(ikey_cmp(buf_slice(&last), it->key) < 0);
        assert_int_equal(buf_assign(&last, it->key.data, it->key.len), 0);
    }
    for (iter_seek_last(it); it->valid; iter_prev(it)) {
        if (backward++)
            assert_true(ikey_cmp(buf_slice(&last), it->key) > 0);
        assert_int_equal(buf_assign(&last, it->key.data, it->key.len), 0);
    }
    assert_int_equal(forward, points);
    assert_int_equal(backward, points);
    assert_int_equal(ikey_make(&last, slice_str("k30"), SEQNO_MAX, IKEY_SEEK_KIND), 0);
    iter_seek(it, buf_slice(&last));
    assert_true(it->valid && slice_eq(ikey_user(it->key), slice_str("k30")));
    iter_prev(it);
    assert_true(slice_eq(ikey_user(it->key), slice_str("k29")));
    iter_next(it);
    iter_seek_prev(it, buf_slice(&last));
    assert_true(it->valid && slice_eq(ikey_user(it->key), slice_str("k29")));
    iter_free(it);
    buf_free(&last);
}

static void lookup_stops_at_a_tombstone_without_a_version(void **state)
{
    struct lookup l = {.key = slice_str("m"), .snapshot = 9};
    struct memtable *mt;
    struct slice got;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    assert_int_equal(memtable_add(mt, 5, KIND_DELETE_RANGE, slice_str("a"), slice_str("z")), 0);
    assert_int_equal(memtable_lookup(mt, &l), 0);
    assert_true(lookup_done(&l));
    assert_int_equal(fold_value(&l.fold, &got), 0);
    fold_done(&l.fold);
    l = (struct lookup){.key = slice_str("m"), .snapshot = 4};
    assert_int_equal(memtable_lookup(mt, &l), 0);
    assert_false(lookup_done(&l));
    fold_done(&l.fold);
    memtable_unref(mt);
}

static void list_of_tombstones_is_shared_until_another_is_added(void **state)
{
    const struct rangedel_list *a, *b, *c;
    struct memtable *mt;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    assert_int_equal(memtable_rangedels_get(mt, &a), 0);
    assert_null(a);
    memtable_rangedels_put(mt, a);
    assert_int_equal(memtable_add(mt, 1, KIND_DELETE_RANGE, slice_str("b"), slice_str("a")), 0);
    assert_int_equal(memtable_rangedels_get(mt, &a), 0);
    assert_null(a); /* an empty one counts as an entry and deletes nothing */
    assert_int_equal(memtable_entry_count(mt), 1);
    assert_int_equal(memtable_add(mt, 2, KIND_DELETE_RANGE, slice_str("a"), slice_str("c")), 0);
    assert_int_equal(memtable_rangedels_get(mt, &a), 0);
    assert_int_equal(memtable_rangedels_get(mt, &b), 0);
    assert_ptr_equal(a, b);
    assert_int_equal(memtable_add(mt, 3, KIND_DELETE_RANGE, slice_str("b"), slice_str("d")), 0);
    assert_int_equal(memtable_rangedels_get(mt, &c), 0);
    assert_int_equal(rangedel_list_covering(a, slice_str("b"), 9), 2); /* as it was */
    assert_int_equal(rangedel_list_covering(c, slice_str("b"), 9), 3);
    assert_int_equal(c->fragment_count, 3);
    memtable_rangedels_put(mt, a);
    memtable_rangedels_put(mt, b);
    memtable_rangedels_put(mt, c);
    memtable_unref(mt);
}

static void looking_up_between_many_range_deletions_stays_cheap(void **state)
{
    enum {
        COUNT = 20000
    };
    const struct rangedel_list *list;
    struct memtable *mt;
    uint8_t start[8], end[8];

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    for (uint64_t i = 1; i <= COUNT; i++) {
        struct lookup l = {.key = slice_of(start, 8), .snapshot = i};

        put_be64(start, i * 7919 % COUNT * 2);
        put_be64(end, i * 7919 % COUNT * 2 + 1);
        assert_int_equal(
            memtable_add(mt, i, KIND_DELETE_RANGE, slice_of(start, 8), slice_of(end, 8)), 0);
        assert_int_equal(memtable_lookup(mt, &l), 0);
        assert_int_equal(l.rangedel_seqno, i);
        fold_done(&l.fold);
    }
    assert_int_equal(memtable_rangedels_get(mt, &list), 0);
    assert_int_equal(list->fragment_count, COUNT);
    memtable_rangedels_put(mt, list);
    memtable_unref(mt);
}

static void what_cannot_be_a_record_is_refused(void **state)
{
    static uint8_t long_key[USER_KEY_LEN_MAX + 1];
    struct slice none = {0};
    struct memtable *mt;

    (void)state;
    assert_int_equal(memtable_new(1, &mt), 0);
    assert_int_equal(memtable_add(mt, 1, KIND_BLOB_REF, slice_str("k"), none), -ERR_BLOB_REF);
    assert_int_equal(memtable_add(mt, 1, (enum kind)77, slice_str("k"), none), -ERR_KIND_UNKNOWN);
    assert_int_equal(memtable_add(mt, 1, KIND_PUT, slice_of(long_key, sizeof(long_key)), none),
                     -EINVAL);
    assert_int_equal(memtable_add(mt, SEQNO_MAX + 1, KIND_PUT, slice_str("k"), none), -EINVAL);
    assert_true(memtable_empty(mt));
    memtable_unref(mt);
    memtable_unref(NULL);
}

/* --- Concurrency: a writer publishes each seqno in turn; what is visible must be found. --- */

enum {
    THREADS = 4,
    SEQNOS = 4000
};

struct shared {
    struct memtable *mt;
    atomic_uint_fast64_t next, visible;
};

static void number_key(uint8_t key[8], uint64_t number)
{
    put_be64(key, number * 2654435761 % 1000003);
}

/* Every eighth seqno deletes the range of just the key of the seqno four before it. */
static void *write_and_publish(void *arg)
{
    struct shared *s = arg;
    uint64_t seqno;

    while ((seqno = atomic_fetch_add(&s->next, 1) + 1) <= SEQNOS) {
        uint8_t key[9] = {0};
        uint64_t expected;

        number_key(key, seqno % 8 == 0 ? seqno - 4 : seqno);
        if (seqno % 8 == 0) {
            if (memtable_add(s->mt, seqno, KIND_DELETE_RANGE, slice_of(key, 8), slice_of(key, 9)))
                abort();
        } else if (memtable_add(s->mt, seqno, KIND_PUT, slice_of(key, 8), slice_of(&seqno, 8))) {
            abort();
        }
        do {
            expected = seqno - 1;
        } while (!atomic_compare_exchange_weak_explicit(
                     &s->visible, &expected, seqno, memory_order_release, memory_order_relaxed) &&
                 (sched_yield(), true));
    }
    return NULL;
}

static void check_one(struct shared *s, uint64_t visible, uint64_t seqno)
{
    struct lookup l = {.snapshot = visible};
    bool deleted = seqno % 8 == 4 && seqno + 4 <= visible;
    struct slice got;
    uint8_t key[8];
    int r;

    number_key(key, seqno);
    l.key = slice_of(key, 8);
    if (memtable_lookup(s->mt, &l))
        abort();
    r = fold_value(&l.fold, &got);
    if (r != !deleted || (r && memcmp(got.data, &seqno, 8) != 0))
        abort();
    fold_done(&l.fold);
}

static void *read_what_is_visible(void *arg)
{
    struct shared *s = arg;
    unsigned seed = 8;
    uint64_t visible;

    do {
        visible = atomic_load_explicit(&s->visible, memory_order_acquire);
        for (int i = 0; visible && i < 20; i++) {
            uint64_t seqno = visible - (uint64_t)rand_r(&seed) % (visible < 30 ? visible : 30);

            if (seqno % 8)
                check_one(s, visible, seqno);
        }
        if (rand_r(&seed) % 50 == 0) {
            const struct rangedel_list *list;

            if (memtable_rangedels_get(s->mt, &list))
                abort();
            if (list && list->fragment_count < visible / 8)
                abort();
            memtable_rangedels_put(s->mt, list);
        }
    } while (visible < SEQNOS);
    return NULL;
}

static void readers_find_all_that_is_visible(void **state)
{
    struct shared s = {0};
    pthread_t threads[THREADS + 2];

    (void)state;
    assert_int_equal(memtable_new(1, &s.mt), 0);
    for (int i = 0; i < THREADS + 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < THREADS ? write_and_publish : read_what_is_visible, &s),
                         0);
    for (int i = 0; i < THREADS + 2; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t seqno = 1; seqno <= SEQNOS; seqno++)
        if (seqno % 8)
            check_one(&s, SEQNOS, seqno);
    memtable_unref(s.mt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_match_the_log_at_every_snapshot),
        cmocka_unit_test(iterator_gives_every_point_in_order_both_ways),
        cmocka_unit_test(lookup_stops_at_a_tombstone_without_a_version),
        cmocka_unit_test(list_of_tombstones_is_shared_until_another_is_added),
        cmocka_unit_test(looking_up_between_many_range_deletions_stays_cheap),
        cmocka_unit_test(what_cannot_be_a_record_is_refused),
        cmocka_unit_test(readers_find_all_that_is_visible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
