/*
 * The tree of the memtable: order, searches and steps both ways, keys whose heads are alike,
 * cursors that stay while the tree grows, and many writers beside readers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "lib/rng.h"
#include "lsm/mem/entry_tree.h"

enum {
    KEYS = 5000,
    THREADS = 4,
    PER_THREAD = 5000,
    ODD_KEYS = 3000,
    ODD_LEN_MAX = 24,
};

struct fixture {
    struct arena arena;
    struct entry_tree tree;
};

static void setup_tree(struct fixture *f)
{
    arena_init(&f->arena);
    assert_int_equal(entry_tree_init(&f->tree, &f->arena), 0);
}

static int insert(struct entry_tree *tree, uint32_t number)
{
    uint8_t key[4];

    put_be32(key, number);
    return entry_tree_insert(tree, slice_of(key, 4), ikey_trailer(1, KIND_PUT), slice_of(key, 4));
}

static const struct entry *seek(struct entry_tree *tree, uint32_t number)
{
    struct entry_cursor c;
    uint8_t key[4];

    put_be32(key, number);
    entry_tree_seek(tree, slice_of(key, 4), ikey_trailer(SEQNO_MAX, KIND_PUT), &c);
    return c.entry;
}

static const struct entry *seek_prev(struct entry_tree *tree, uint32_t number)
{
    struct entry_cursor c;
    uint8_t key[4];

    put_be32(key, number);
    entry_tree_seek_prev(tree, slice_of(key, 4), ikey_trailer(SEQNO_MAX, KIND_PUT), &c);
    return c.entry;
}

static uint32_t number_of(const struct entry *e)
{
    return get_be32(entry_key(e).data);
}

/* Exactly 0, step, 2 * step ... are in the tree, seen from both ends. */
static void assert_holds(struct entry_tree *tree, uint32_t count, uint32_t step)
{
    struct entry_cursor c;
    uint32_t i = 0;

    for (entry_tree_first(tree, &c); c.entry; entry_cursor_next(&c), i++) {
        assert_int_equal(number_of(c.entry), i * step);
        assert_memory_equal(entry_value(c.entry).data, entry_key(c.entry).data, 4);
    }
    assert_int_equal(i, count);
    for (entry_tree_last(tree, &c); c.entry; entry_cursor_prev(&c)) {
        assert_true(i > 0);
        assert_int_equal(number_of(c.entry), --i * step);
    }
    assert_int_equal(i, 0);
}

static void an_empty_tree_has_no_entries(void **state)
{
    struct entry_cursor c;
    struct fixture f;

    (void)state;
    setup_tree(&f);
    entry_tree_first(&f.tree, &c);
    assert_null(c.entry);
    entry_tree_last(&f.tree, &c);
    assert_null(c.entry);
    assert_null(seek(&f.tree, 0));
    assert_null(seek_prev(&f.tree, 7));
    arena_done(&f.arena);
}

enum order {
    ASCENDING,
    DESCENDING,
    RANDOM,
    TWO_STREAMS, /* ascending, in turn */
    ORDER_COUNT
};

static void fill(struct entry_tree *tree, enum order order)
{
    struct rng r = {5};
    uint32_t numbers[KEYS];

    for (uint32_t i = 0; i < KEYS; i++)
        numbers[i] = order == DESCENDING ? KEYS - 1 - i : i;
    for (uint32_t i = KEYS - 1; order == RANDOM && i > 0; i--) {
        uint32_t j = (uint32_t)rng_below(&r, i + 1), t = numbers[i];

        numbers[i] = numbers[j];
        numbers[j] = t;
    }
    for (uint32_t i = 0; order == TWO_STREAMS && i < KEYS; i++)
        numbers[i] = i / 2 + (i % 2) * (KEYS / 2);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(insert(tree, numbers[i] * 2), 0);
}

static void any_order_of_insertion_gives_sorted_keys(void **state)
{
    (void)state;
    for (enum order order = ASCENDING; order < ORDER_COUNT; order++) {
        struct fixture f;

        setup_tree(&f);
        fill(&f.tree, order);
        assert_holds(&f.tree, KEYS, 2);
        for (uint32_t i = 0; i < 2 * KEYS; i++) {
            const struct entry *e = seek(&f.tree, i);

            if (i > 2 * (KEYS - 1))
                assert_null(e);
            else
                assert_int_equal(number_of(e), (i + 1) / 2 * 2);
            e = seek_prev(&f.tree, i);
            if (i == 0)
                assert_null(e);
            else
                assert_int_equal(number_of(e), (i - 1) / 2 * 2);
        }
        arena_done(&f.arena);
    }
}

static void keys_that_come_in_order_fill_the_leaves(void **state)
{
    struct fixture sorted, mixed;

    (void)state;
    setup_tree(&sorted);
    setup_tree(&mixed);
    fill(&sorted.tree, ASCENDING);
    fill(&mixed.tree, RANDOM);
    /* The entries are alike, the difference is nodes: a random order fills two thirds of them. */
    assert_true(arena_len(&mixed.arena) - arena_len(&sorted.arena) > (size_t)KEYS * 4);
    arena_done(&sorted.arena);
    arena_done(&mixed.arena);
}

static void newer_versions_of_a_key_come_first(void **state)
{
    struct entry_cursor c;
    struct fixture f;
    uint64_t seqno = 997;

    (void)state;
    setup_tree(&f);
    for (uint64_t i = 1; i < 997; i++)
        assert_int_equal(entry_tree_insert(&f.tree, slice_str("k"),
                                           ikey_trailer(i * 7 % 997, KIND_PUT), slice_of(NULL, 0)),
                         0);
    assert_int_equal(
        entry_tree_insert(&f.tree, slice_str("j"), ikey_trailer(5, KIND_PUT), slice_of(NULL, 0)),
        0);
    entry_tree_seek(&f.tree, slice_str("k"), UINT64_MAX, &c);
    for (; c.entry; entry_cursor_next(&c))
        assert_int_equal(ikey_seqno(entry_key(c.entry)), --seqno);
    assert_int_equal(seqno, 1);
    entry_tree_seek(&f.tree, slice_str("k"), 5 << 8 | IKEY_SEEK_KIND, &c);
    assert_int_equal(ikey_seqno(entry_key(c.entry)), 5);
    entry_cursor_prev(&c);
    assert_int_equal(ikey_seqno(entry_key(c.entry)), 6);
    arena_done(&f.arena);
}

/* --- Keys whose first bytes, or all but the last, are alike, and that are parts of each other ---
 */

struct odd_key {
    uint8_t bytes[ODD_LEN_MAX];
    size_t len;
    uint64_t trailer;
};

static struct odd_key random_key(struct rng *r, uint64_t seqno)
{
    static const uint8_t letters[] = {0, 1, 'a', 0xff};
    struct odd_key k = {.len = (size_t)rng_below(r, ODD_LEN_MAX + 1),
                        .trailer = ikey_trailer(seqno, KIND_PUT)};
    size_t same = (size_t)rng_below(r, k.len + 1);

    for (size_t i = 0; i < k.len; i++)
        k.bytes[i] = i < same ? 'a' : letters[rng_below(r, sizeof(letters))];
    return k;
}

static struct slice odd_user(const struct odd_key *k)
{
    return slice_of(k->bytes, k->len);
}

static int odd_cmp(const void *a, const void *b)
{
    const struct odd_key *x = a, *y = b;
    int c = slice_cmp(odd_user(x), odd_user(y));

    return c ? c : (x->trailer < y->trailer) - (x->trailer > y->trailer);
}

static void assert_is(const struct entry *e, const struct odd_key *k)
{
    if (!k) {
        assert_null(e);
        return;
    }
    assert_non_null(e);
    assert_true(slice_eq(ikey_user(entry_key(e)), odd_user(k)));
    assert_int_equal(ikey_tail(entry_key(e)), k->trailer);
}

/* Of sorted keys, how many lie before k. */
static size_t rank_of(const struct odd_key *sorted, size_t count, const struct odd_key *k)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (odd_cmp(&sorted[mid], k) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void keys_of_any_bytes_and_lengths_are_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct odd_key *keys = calloc(ODD_KEYS, sizeof(*keys));
        struct rng r = {seed};
        struct entry_cursor c;
        struct fixture f;

        assert_non_null(keys);
        setup_tree(&f);
        for (size_t i = 0; i < ODD_KEYS; i++) {
            keys[i] = random_key(&r, i + 1);
            assert_int_equal(
                entry_tree_insert(&f.tree, odd_user(&keys[i]), keys[i].trailer, slice_of(NULL, 0)),
                0);
        }
        qsort(keys, ODD_KEYS, sizeof(*keys), odd_cmp);
        entry_tree_first(&f.tree, &c);
        for (size_t i = 0; i < ODD_KEYS; i++, entry_cursor_next(&c))
            assert_is(c.entry, &keys[i]);
        assert_null(c.entry);
        for (size_t i = 0; i < ODD_KEYS; i++) {
            struct odd_key k = random_key(&r, rng_below(&r, ODD_KEYS));
            size_t rank = rank_of(keys, ODD_KEYS, &k);

            entry_tree_seek(&f.tree, odd_user(&k), k.trailer, &c);
            assert_is(c.entry, rank < ODD_KEYS ? &keys[rank] : NULL);
            entry_tree_seek_prev(&f.tree, odd_user(&k), k.trailer, &c);
            assert_is(c.entry, rank ? &keys[rank - 1] : NULL);
        }
        arena_done(&f.arena);
        free(keys);
    }
}

static void a_cursor_goes_on_where_it_was_while_the_tree_grows(void **state)
{
    struct entry_cursor up, down;
    struct fixture f;
    uint32_t at = KEYS, expected_up = KEYS, expected_down = KEYS;

    (void)state;
    setup_tree(&f);
    assert_int_equal(insert(&f.tree, at), 0);
    entry_tree_first(&f.tree, &up);
    down = up;
    /* Each step finds what was put there right before. */
    for (uint32_t i = 1; i < KEYS; i++) {
        assert_int_equal(insert(&f.tree, at + i), 0);
        assert_int_equal(insert(&f.tree, at - i), 0);
        entry_cursor_next(&up);
        entry_cursor_prev(&down);
        assert_int_equal(number_of(up.entry), ++expected_up);
        assert_int_equal(number_of(down.entry), --expected_down);
    }
    arena_done(&f.arena);
}

/* --- Threads --- */

struct worker {
    struct entry_tree *tree;
    unsigned index;
    bool blocks; /* runs of neighbours instead of interleaved numbers */
    atomic_uint *inserted;
};

/* Half of the threads come from the far end, so that they cross the others. */
static uint32_t number_for(const struct worker *w, uint32_t i)
{
    unsigned index = w->index % 2 ? THREADS - 1 - w->index : w->index;
    uint32_t at = w->blocks ? (i / 50 * THREADS + index) * 50 + i % 50 : i * THREADS + index;

    return w->index % 2 ? PER_THREAD * THREADS - 1 - at : at;
}

static void *insert_many(void *arg)
{
    struct worker *w = arg;
    struct rng r = {w->index};

    for (uint32_t i = 0; i < PER_THREAD; i++) {
        uint32_t number = number_for(w, i);
        const struct entry *e;

        if (insert(w->tree, number))
            abort();
        e = rng_below(&r, 64) ? NULL : seek(w->tree, number);
        if (e && number_of(e) != number)
            abort();
        atomic_fetch_add(w->inserted, 1);
    }
    return NULL;
}

static void *read_while_writing(void *arg)
{
    struct worker *w = arg;
    bool up = w->index % 2;
    unsigned before;

    do {
        uint32_t last = 0, count = 0;
        struct entry_cursor c;

        before = atomic_load(w->inserted);
        if (up)
            entry_tree_first(w->tree, &c);
        else
            entry_tree_last(w->tree, &c);
        for (; c.entry; count++) {
            uint32_t number = number_of(c.entry);

            if (count && (up ? number <= last : number >= last))
                abort();
            last = number;
            if (get_be32(entry_value(c.entry).data) != last)
                abort();
            if (up)
                entry_cursor_next(&c);
            else
                entry_cursor_prev(&c);
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

        setup_tree(&f);
        for (unsigned i = 0; i < THREADS + 2; i++) {
            workers[i] = (struct worker){&f.tree, i, round % 2, &inserted};
            assert_int_equal(pthread_create(&threads[i], NULL,
                                            i < THREADS ? insert_many : read_while_writing,
                                            &workers[i]),
                             0);
        }
        for (unsigned i = 0; i < THREADS + 2; i++)
            pthread_join(threads[i], NULL);
        assert_holds(&f.tree, PER_THREAD * THREADS, 1);
        arena_done(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_has_no_entries),
        cmocka_unit_test(any_order_of_insertion_gives_sorted_keys),
        cmocka_unit_test(keys_that_come_in_order_fill_the_leaves),
        cmocka_unit_test(newer_versions_of_a_key_come_first),
        cmocka_unit_test(keys_of_any_bytes_and_lengths_are_in_order),
        cmocka_unit_test(a_cursor_goes_on_where_it_was_while_the_tree_grows),
        cmocka_unit_test(writers_and_readers_run_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
