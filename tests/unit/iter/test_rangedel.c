/*
 * Fragmented range tombstones against asking every tombstone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "lsm/iter/rangedel.h"

static struct rangedel del(const char *start, const char *end, uint64_t seqno)
{
    return (struct rangedel){slice_str(start), slice_str(end), seqno};
}

static uint64_t naive(const struct rangedel *dels, size_t count, struct slice key,
                      uint64_t snapshot)
{
    uint64_t best = 0;

    for (size_t i = 0; i < count; i++)
        if (slice_cmp(dels[i].start, key) <= 0 && slice_cmp(key, dels[i].end) < 0 &&
            dels[i].seqno <= snapshot && dels[i].seqno > best)
            best = dels[i].seqno;
    return best;
}

static void assert_well_formed(const struct rangedel_list *list)
{
    for (size_t i = 0; i < list->fragment_count; i++) {
        const struct rangedel_fragment *f = &list->fragments[i];

        assert_true(slice_cmp(f->start, f->end) < 0);
        assert_true(f->seqno_count > 0);
        for (uint32_t j = 1; j < f->seqno_count; j++)
            assert_true(f->seqnos[j] < f->seqnos[j - 1]);
        if (i)
            assert_true(slice_cmp(f[-1].end, f->start) <= 0);
    }
}

static void no_tombstones_cover_nothing(void **state)
{
    struct rangedel empty[] = {del("b", "a", 3), del("c", "c", 4)};
    struct rangedel_list *list;

    (void)state;
    assert_int_equal(rangedel_list_covering(NULL, slice_str("a"), 9), 0);
    assert_int_equal(rangedel_list_new(NULL, 0, &list), 0);
    assert_int_equal(list->fragment_count, 0);
    assert_int_equal(rangedel_list_covering(list, slice_str("a"), 9), 0);
    assert_int_equal(rangedel_list_find(list, slice_str("a")), 0);
    rangedel_list_free(list);
    assert_int_equal(rangedel_list_new(empty, 2, &list), 0);
    assert_int_equal(list->fragment_count, 0);
    rangedel_list_free(list);
    rangedel_list_free(NULL);
}

static void overlapping_tombstones_are_cut_at_their_ends(void **state)
{
    struct rangedel dels[] = {del("c", "g", 5), del("a", "e", 3), del("e", "f", 1)};
    struct rangedel_list *list;

    (void)state;
    assert_int_equal(rangedel_list_new(dels, 3, &list), 0);
    assert_well_formed(list);
    assert_int_equal(list->fragment_count, 4); /* [a,c) [c,e) [e,f) [f,g) */
    assert_int_equal(list->fragments[1].seqno_count, 2);
    assert_int_equal(list->fragments[1].seqnos[0], 5);
    assert_int_equal(list->fragments[1].seqnos[1], 3);
    assert_int_equal(rangedel_list_covering(list, slice_str("a"), 2), 0);
    assert_int_equal(rangedel_list_covering(list, slice_str("a"), 3), 3);
    assert_int_equal(rangedel_list_covering(list, slice_str("d"), 4), 3);
    assert_int_equal(rangedel_list_covering(list, slice_str("d"), 5), 5);
    assert_int_equal(rangedel_list_covering(list, slice_str("ezz"), 4), 1);
    assert_int_equal(rangedel_list_covering(list, slice_str("g"), 99), 0);
    assert_int_equal(rangedel_list_covering(list, slice_str(""), 99), 0);
    assert_int_equal(rangedel_list_find(list, slice_str("c")), 1);
    assert_int_equal(rangedel_list_find(list, slice_str("g")), 4);
    rangedel_list_free(list);
}

static void pieces_of_one_tombstone_join_again(void **state)
{
    struct rangedel dels[] = {del("a", "c", 5), del("c", "e", 5), del("f", "g", 5),
                              del("b", "d", 5)};
    struct rangedel_list *list;

    (void)state;
    assert_int_equal(rangedel_list_new(dels, 4, &list), 0);
    assert_well_formed(list);
    assert_int_equal(list->fragment_count, 2);
    assert_true(slice_eq(list->fragments[0].start, slice_str("a")));
    assert_true(slice_eq(list->fragments[0].end, slice_str("e")));
    rangedel_list_free(list);
}

static void list_keeps_copies_of_the_keys(void **state)
{
    char start[] = "bb", end[] = "dd";
    struct rangedel d = del(start, end, 5);
    struct rangedel_list *list;

    (void)state;
    assert_int_equal(rangedel_list_new(&d, 1, &list), 0);
    memset(start, 'z', 2);
    memset(end, 'z', 2);
    assert_int_equal(rangedel_list_covering(list, slice_str("c"), 9), 5);
    rangedel_list_free(list);
}

static void many_disjoint_and_many_equal_ranges_are_cheap(void **state)
{
    enum {
        COUNT = 50000
    };
    struct rangedel *dels = calloc(COUNT, sizeof(*dels));
    uint8_t(*keys)[8] = calloc(COUNT, 8);
    struct rangedel_list *list;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (int b = 0; b < 8; b++)
            keys[i][b] = (uint8_t)(i >> (56 - 8 * b));
        /* One over everything, and beside it a row that does not overlap. */
        dels[i] = (struct rangedel){slice_of(keys[i ? i - 1 : 0], 8),
                                    i ? slice_of(keys[i], 8) : slice_of("\xff", 1), i + 1};
    }
    assert_int_equal(rangedel_list_new(dels, COUNT, &list), 0);
    assert_int_equal(list->fragment_count, COUNT);
    rangedel_list_free(list);
    for (size_t i = 0; i < COUNT; i++)
        dels[i] = del("k", "l", i + 1);
    assert_int_equal(rangedel_list_new(dels, COUNT, &list), 0);
    assert_int_equal(list->fragment_count, 1);
    assert_int_equal(list->fragments[0].seqno_count, COUNT);
    assert_int_equal(rangedel_list_covering(list, slice_str("k5"), 777), 777);
    rangedel_list_free(list);
    free(dels);
    free(keys);
}

/* Ends that shrink from behind, grow from the front, or move in from both sides. */
static void nested_tombstones_share_memory(void **state)
{
    enum {
        COUNT = 3000
    };
    static uint8_t keys[2 * COUNT][2];
    static struct rangedel dels[COUNT];

    (void)state;
    for (unsigned i = 0; i < 2 * COUNT; i++) {
        keys[i][0] = (uint8_t)(i >> 8);
        keys[i][1] = (uint8_t)i;
    }
    for (int shape = 0; shape < 4; shape++) {
        struct rangedel_list *list;
        const struct rangedel_fragment *first, *last;

        for (unsigned i = 0; i < COUNT; i++) {
            unsigned start = shape == 0 ? COUNT - i : shape == 3 ? COUNT - 1 - i : 0;
            unsigned end = shape == 0 ? COUNT + 1 : shape == 2 ? COUNT - i : i + 1;

            if (shape == 3)
                end = COUNT + i;
            dels[i] = (struct rangedel){slice_of(keys[start], 2), slice_of(keys[end], 2), i + 1};
        }
        assert_int_equal(rangedel_list_new(dels, COUNT, &list), 0);
        assert_well_formed(list);
        first = &list->fragments[0];
        last = &list->fragments[list->fragment_count - 1];
        if (shape < 2)
            assert_ptr_equal(first->seqnos, last->seqnos);
        if (shape == 2)
            assert_ptr_equal(first->seqnos + first->seqno_count, last->seqnos + 1);
        for (unsigned i = 0; i < 2 * COUNT; i += 17)
            for (unsigned snapshot = 0; snapshot <= COUNT + 1; snapshot += 331)
                assert_int_equal(rangedel_list_covering(list, slice_of(keys[i], 2), snapshot),
                                 naive(dels, COUNT, slice_of(keys[i], 2), snapshot));
        rangedel_list_free(list);
    }
}

static struct slice random_key(uint8_t *room)
{
    size_t len = (size_t)rand() % 4;

    for (size_t i = 0; i < len; i++)
        room[i] = (uint8_t)("\0aAb\xff"[rand() % 5]);
    return slice_of(room, len);
}

static void random_tombstones_match_the_naive_model(void **state)
{
    enum {
        DELS_MAX = 40
    };
    struct rangedel dels[DELS_MAX];
    uint8_t room[DELS_MAX][2][4], key_room[4];

    (void)state;
    srand(2);
    for (int round = 0; round < 2000; round++) {
        size_t count = (size_t)rand() % DELS_MAX;
        unsigned seqnos = round % 2 ? 1000000 : 10; /* equal seqnos must do no harm */
        struct rangedel_list *list;

        for (size_t i = 0; i < count; i++) {
            dels[i].start = random_key(room[i][0]);
            dels[i].end = random_key(room[i][1]);
            dels[i].seqno = 1 + (uint64_t)((unsigned)rand() % seqnos);
        }
        assert_int_equal(rangedel_list_new(dels, count, &list), 0);
        assert_well_formed(list);
        for (int i = 0; i < 60; i++) {
            struct slice key = random_key(key_room);
            uint64_t snapshot = (uint64_t)((unsigned)rand() % (seqnos + 2));

            assert_int_equal(rangedel_list_covering(list, key, snapshot),
                             naive(dels, count, key, snapshot));
        }
        rangedel_list_free(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_tombstones_cover_nothing),
        cmocka_unit_test(overlapping_tombstones_are_cut_at_their_ends),
        cmocka_unit_test(pieces_of_one_tombstone_join_again),
        cmocka_unit_test(list_keeps_copies_of_the_keys),
        cmocka_unit_test(many_disjoint_and_many_equal_ranges_are_cheap),
        cmocka_unit_test(nested_tombstones_share_memory),
        cmocka_unit_test(random_tombstones_match_the_naive_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
