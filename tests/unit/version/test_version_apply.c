/*
 * Versions of made-up tables: edits make the right sets of tables and share what they can; those
 * that do not fit are refused; the check finds what must not be; tables are found by key.
 */
#include "version_fixture.h"

#include <stdio.h>

static struct table_meta *meta(uint64_t number, uint64_t seqno_max, const char *from,
                               const char *to, bool exclusive)
{
    struct sst_stats s = {.file_len = 10, .seqno_min = 1, .seqno_max = seqno_max};
    struct table_meta *m;

    assert_int_equal(table_meta_new(number, 1, &s, slice_str(from), slice_str(to), exclusive, &m),
                     0);
    return m;
}

static void numbers(const struct version *v, unsigned level, const char *want)
{
    struct buf b = {0};

    for (size_t i = 0; i < v->levels[level].count; i++)
        assert_int_equal(buf_printf(&b, "%d ", (int)v->levels[level].tables[i]->number), 0);
    assert_int_equal(buf_append(&b, "", 1), 0);
    assert_string_equal((char *)b.data, want);
    assert_int_equal(v->levels[level].len, 10 * v->levels[level].count);
    buf_free(&b);
}

static void level_0_is_ordered_newest_first_and_deeper_ones_by_key(void **state)
{
    struct version_edit e = {0};
    struct version *v;

    (void)state;
    add(&e, 0, meta(1, 10, "a", "z", false));
    add(&e, 0, meta(2, 30, "a", "m", false));
    add(&e, 0, meta(3, 20, "n", "z", false));
    add(&e, 2, meta(5, 9, "p", "q", false));
    add(&e, 2, meta(4, 9, "c", "d", false));
    v = step(NULL, &e);
    numbers(v, 0, "2 3 1 ");
    numbers(v, 2, "4 5 ");
    add(&e, 0, meta(6, 25, "a", "b", false));
    assert_int_equal(edit_remove_table(&e, 0, 3), 0);
    add(&e, 2, meta(7, 9, "e", "f", false));
    add(&e, 2, meta(8, 9, "a", "b", false));
    v = step(v, &e);
    numbers(v, 0, "2 6 1 ");
    numbers(v, 2, "8 4 7 5 ");
    assert_int_equal(version_check(v), 0);
    version_unref(v);
}

static void a_table_can_move_down_in_one_edit(void **state)
{
    struct version_edit e = {0};
    struct version *v;
    struct table_meta *m = meta(1, 10, "a", "z", false);

    (void)state;
    table_meta_ref(m);
    add(&e, 0, m);
    v = step(NULL, &e);
    table_meta_ref(m);
    assert_int_equal(edit_remove_table(&e, 0, 1), 0);
    add(&e, 6, m);
    v = step(v, &e);
    numbers(v, 0, "");
    numbers(v, 6, "1 ");
    assert_ptr_equal(v->levels[6].tables[0], m);
    table_meta_unref(m, &store);
    version_unref(v);
}

static void untouched_levels_are_shared(void **state)
{
    struct version_edit e = {0};
    struct version *v, *next;

    (void)state;
    add(&e, 5, meta(1, 10, "a", "b", false));
    v = step(NULL, &e);
    add(&e, 4, meta(2, 10, "a", "b", false));
    assert_int_equal(version_apply(&store, v, &e, &next), 0);
    edit_done(&e, &store);
    assert_ptr_equal(v->levels[5].tables, next->levels[5].tables);
    version_unref(v);
    numbers(next, 5, "1 ");
    numbers(next, 4, "2 ");
    version_unref(next);
}

static void edits_that_do_not_fit_are_refused(void **state)
{
    struct version_edit e = {0};
    struct version *v, *none = NULL;

    (void)state;
    add(&e, 3, meta(1, 10, "a", "b", false));
    v = step(NULL, &e);
    assert_int_equal(edit_remove_table(&e, 2, 1), 0);
    assert_int_equal(version_apply(&store, v, &e, &none), -ERR_MANIFEST_DAMAGED);
    edit_done(&e, &store);
    assert_int_equal(edit_remove_table(&e, 3, 1), 0);
    assert_int_equal(edit_remove_table(&e, 3, 1), 0);
    assert_int_equal(version_apply(&store, v, &e, &none), -ERR_MANIFEST_DAMAGED);
    edit_done(&e, &store);
    add(&e, 3, meta(1, 10, "x", "y", false));
    assert_int_equal(version_apply(&store, v, &e, &none), -ERR_MANIFEST_DAMAGED);
    edit_done(&e, &store);
    add(&e, 3, meta(2, 10, "x", "y", false));
    add(&e, 3, meta(2, 10, "k", "l", false));
    assert_int_equal(version_apply(&store, v, &e, &none), -ERR_MANIFEST_DAMAGED);
    edit_done(&e, &store);
    assert_null(none);
    /* The same number in two levels is found by the check. */
    add(&e, 4, meta(1, 10, "x", "y", false));
    v = step(v, &e);
    assert_int_equal(version_check(v), -ERR_MANIFEST_DAMAGED);
    version_unref(v);
}

static void the_check_finds_overlap_but_not_where_an_exclusive_end_touches(void **state)
{
    struct version_edit e = {0};
    struct version *v;

    (void)state;
    add(&e, 1, meta(1, 10, "a", "m", true));
    add(&e, 1, meta(2, 10, "m", "p", false));
    v = step(NULL, &e);
    assert_int_equal(version_check(v), 0);
    add(&e, 1, meta(3, 10, "p", "q", false));
    v = step(v, &e);
    assert_int_equal(version_check(v), -ERR_LEVEL_ORDER);
    version_unref(v);
}

static size_t find(const struct version *v, const char *key)
{
    return level_find(&v->levels[1], slice_str(key));
}

static void level_find_minds_exclusive_ends(void **state)
{
    struct version_edit e = {0};
    struct version *v;

    (void)state;
    add(&e, 1, meta(1, 10, "b", "d", true));
    add(&e, 1, meta(2, 10, "d", "f", false));
    add(&e, 1, meta(3, 10, "h", "k", true));
    v = step(NULL, &e);
    assert_int_equal(find(v, "a"), 0);
    assert_int_equal(find(v, "c"), 0);
    assert_int_equal(find(v, "d"), 1);
    assert_int_equal(find(v, "f"), 1);
    assert_int_equal(find(v, "f0"), 2);
    assert_int_equal(find(v, "jjj"), 2);
    assert_int_equal(find(v, "k"), 3);
    assert_int_equal(level_find(&v->levels[2], slice_str("a")), 0);
    version_unref(v);
}

static void overlap_knows_its_bounds(void **state)
{
    struct table_meta *m = meta(1, 10, "d", "h", true);
    struct slice c = slice_str("c"), d = slice_str("d"), g = slice_str("g"), h = slice_str("h");

    (void)state;
    assert_true(table_meta_overlaps(m, NULL, NULL));
    assert_true(table_meta_overlaps(m, NULL, &d));
    assert_false(table_meta_overlaps(m, NULL, &c));
    assert_true(table_meta_overlaps(m, &g, NULL));
    assert_false(table_meta_overlaps(m, &h, NULL));
    assert_true(table_meta_overlaps(m, &c, &h));
    table_meta_unref(m, &store);
}

static void thousands_of_tables_take_random_edits(void **state)
{
    struct version *v = NULL;
    struct version_edit e = {0};
    char from[16], to[16];
    uint64_t random = 88172645463325252u;
    bool there[10000] = {false};
    size_t count = 0;

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 100; i++) {
            unsigned n;

            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            n = (unsigned)(random % 10000);
            snprintf(from, sizeof(from), "%05ua", n);
            snprintf(to, sizeof(to), "%05uz", n);
            if (there[n]) {
                assert_int_equal(edit_remove_table(&e, 6, n + 1), 0);
                there[n] = false;
                count--;
            } else {
                add(&e, 6, meta(n + 1, 5, from, to, false));
                there[n] = true;
                count++;
            }
            v = step(v, &e);
        }
        assert_int_equal(v->levels[6].count, count);
    }
    assert_int_equal(version_check(v), 0);
    version_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_0_is_ordered_newest_first_and_deeper_ones_by_key),
        cmocka_unit_test(a_table_can_move_down_in_one_edit),
        cmocka_unit_test(untouched_levels_are_shared),
        cmocka_unit_test(edits_that_do_not_fit_are_refused),
        cmocka_unit_test(the_check_finds_overlap_but_not_where_an_exclusive_end_touches),
        cmocka_unit_test(level_find_minds_exclusive_ends),
        cmocka_unit_test(overlap_knows_its_bounds),
        cmocka_unit_test(thousands_of_tables_take_random_edits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
