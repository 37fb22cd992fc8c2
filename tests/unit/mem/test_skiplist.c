/*
 * The skip list: order, searches both ways, insertion near and far from the last place, and many
 * writers beside readers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "lsm/mem/skiplist.h"

enum {
    KEYS = 2000,
    THREADS = 4,
    PER_THREAD = 5000
};

struct fixture {
    struct arena arena;
    struct skiplist list;
};

static void setup_list(struct fixture *f)
{
    arena_init(&f->arena);
    assert_int_equal(skiplist_init(&f->list, &f->arena), 0);
}

static int insert(struct skiplist *list, uint32_t number)
{
    uint8_t key[4];

    put_be32(key, number);
    return skiplist_insert(list, slice_of(key, 4), ikey_trailer(1, KIND_PUT), slice_of(key, 4));
}

static struct skip_node *seek(struct skiplist *list, uint32_t number)
{
    uint8_t key[4];

    put_be32(key, number);
    return skiplist_seek(list, slice_of(key, 4), ikey_trailer(SEQNO_MAX, KIND_PUT));
}

static uint32_t number_of(const struct skip_node *n)
{
    return get_be32(skip_node_key(n).data);
}

/* Exactly 0, step, 2 * step ... are in the list, and every level is a part of the one below. */
static void assert_holds(struct skiplist *list, uint32_t count, uint32_t step)
{
    uint32_t i = 0;

    for (struct skip_node *n = skiplist_first(list); n; n = skip_node_next(n), i++) {
        assert_int_equal(number_of(n), i * step);
        assert_memory_equal(skip_node_value(n).data, skip_node_key(n).data, 4);
    }
    assert_int_equal(i, count);
    for (unsigned level = 1; level < SKIP_HEIGHT_MAX; level++) {
        struct skip_node *below = skiplist_first(list);

        for (struct skip_node *n = atomic_load(skip_node_link(list->head, level)); n;
             n = atomic_load(skip_node_link(n, level))) {
            while (below && below != n)
                below = skip_node_next(below);
            assert_non_null(below);
        }
    }
}

static void empty_list_has_no_nodes(void **state)
{
    struct fixture f;

    (void)state;
    setup_list(&f);
    assert_null(skiplist_first(&f.list));
    assert_null(skiplist_last(&f.list));
    assert_null(seek(&f.list, 0));
    assert_null(skiplist_seek_prev(&f.list, slice_str("z"), 0));
    arena_done(&f.arena);
}

static void fill(struct skiplist *list, int order)
{
    uint32_t numbers[KEYS];

    for (uint32_t i = 0; i < KEYS; i++)
        numbers[i] = order == 1 ? KEYS - 1 - i : i;
    for (uint32_t i = KEYS - 1; order == 2 && i > 0; i--) {
        uint32_t j = (uint32_t)rand() % (i + 1), t = numbers[i];

        numbers[i] = numbers[j];
        numbers[j] = t;
    }
    for (uint32_t i = 0; order == 3 && i < KEYS; i++) /* two ascending streams in turn */
        numbers[i] = i / 2 + (i % 2) * (KEYS / 2);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(insert(list, numbers[i] * 2), 0);
}

static void any_order_of_insertion_gives_sorted_keys(void **state)
{
    (void)state;
    srand(5);
    for (int order = 0; order < 4; order++) {
        struct fixture f;

        setup_list(&f);
        fill(&f.list, order);
        assert_holds(&f.list, KEYS, 2);
        assert_int_equal(number_of(skiplist_last(&f.list)), 2 * (KEYS - 1));
        for (uint32_t i = 0; i < 2 * KEYS; i++) {
            struct skip_node *n = seek(&f.list, i);
            uint8_t key[4];

            put_be32(key, i);
            if (i > 2 * (KEYS - 1))
                assert_null(n);
            else
                assert_int_equal(number_of(n), (i + 1) / 2 * 2);
            n = skiplist_seek_prev(&f.list, slice_of(key, 4), ikey_trailer(SEQNO_MAX, KIND_PUT));
            if (i == 0)
                assert_null(n);
            else
                assert_int_equal(number_of(n), (i - 1) / 2 * 2);
        }
        arena_done(&f.arena);
    }
}

static void newer_versions_of_a_key_come_first(void **state)
{
    struct fixture f;
    struct skip_node *n;

    (void)state;
    setup_list(&f);
    for (uint64_t seqno = 1; seqno <= 20; seqno++)
        assert_int_equal(skiplist_insert(&f.list, slice_str("k"),
                                         ikey_trailer(seqno * 7 % 23, KIND_PUT), slice_of(NULL, 0)),
                         0);
    for (n = skiplist_first(&f.list); skip_node_next(n); n = skip_node_next(n))
        assert_true(ikey_seqno(skip_node_key(n)) > ikey_seqno(skip_node_key(skip_node_next(n))));
    n = skiplist_seek(&f.list, slice_str("k"), 5 << 8 | IKEY_SEEK_KIND);
    assert_int_equal(ikey_seqno(skip_node_key(n)), 5);
    arena_done(&f.arena);
}

static void one_thread_may_fill_lists_in_turn(void **state)
{
    struct fixture f[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        setup_list(&f[i]);
    for (uint32_t i = 0; i < 3 * KEYS; i++)
        assert_int_equal(insert(&f[i % 3].list, i / 3), 0);
    for (int i = 0; i < 3; i++) {
        assert_holds(&f[i].list, KEYS, 1);
        arena_done(&f[i].arena);
    }
}

struct worker {
    struct skiplist *list;
    unsigned index;
    bool blocks; /* runs of neighbours instead of interleaved numbers */
    atomic_uint *inserted;
};

static void *insert_many(void *arg)
{
    struct worker *w = arg;
    unsigned seed = w->index;

    for (uint32_t i = 0; i < PER_THREAD; i++) {
        uint32_t at =
            w->blocks ? (i / 50 * THREADS + w->index) * 50 + i % 50 : i * THREADS + w->index;

        /* Half of the time from the far end, so that threads cross each other. */
        if (w->index % 2)
            at = PER_THREAD * THREADS - 1 -
                 (w->blocks ? (i / 50 * THREADS + (THREADS - 1 - w->index)) * 50 + i % 50
                            : i * THREADS + (THREADS - 1 - w->index));
        if (insert(w->list, at))
            abort();
        if (rand_r(&seed) % 64 == 0 && (!seek(w->list, at) || number_of(seek(w->list, at)) != at))
            abort();
        atomic_fetch_add(w->inserted, 1);
    }
    return NULL;
}

static void *read_while_writing(void *arg)
{
    struct worker *w = arg;
    unsigned before;

    do {
        uint32_t last = 0, count = 0;

        before = atomic_load(w->inserted);
        for (struct skip_node *n = skiplist_first(w->list); n; n = skip_node_next(n), count++) {
            if (count && number_of(n) <= last)
                abort();
            last = number_of(n);
            if (get_be32(skip_node_value(n).data) != last)
                abort();
        }
        if (count < before)
            abort();
    } while (before < PER_THREAD * THREADS);
    return NULL;
}

static void writers_and_readers_run_side_by_side(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct worker workers[THREADS + 2];
        pthread_t threads[THREADS + 2];
        atomic_uint inserted = 0;
        struct fixture f;

        setup_list(&f);
        for (unsigned i = 0; i < THREADS + 2; i++) {
            workers[i] = (struct worker){&f.list, i, round % 2, &inserted};
            assert_int_equal(pthread_create(&threads[i], NULL,
                                            i < THREADS ? insert_many : read_while_writing,
                                            &workers[i]),
                             0);
        }
        for (unsigned i = 0; i < THREADS + 2; i++)
            pthread_join(threads[i], NULL);
        assert_holds(&f.list, PER_THREAD * THREADS, 1);
        arena_done(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_list_has_no_nodes),
        cmocka_unit_test(any_order_of_insertion_gives_sorted_keys),
        cmocka_unit_test(newer_versions_of_a_key_come_first),
        cmocka_unit_test(one_thread_may_fill_lists_in_turn),
        cmocka_unit_test(writers_and_readers_run_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
