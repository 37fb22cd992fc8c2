/*
 * Which table to rewrite when snapshots are gone, on made-up versions.
 */
#include "lib/cmocka_all.h"

#include "lsm/compact/stale.h"

static struct table_store store;

static struct table_meta *add_table(struct version_edit *e, unsigned level, uint64_t number,
                                    const char *from, const char *to, uint64_t held_count,
                                    uint64_t held_snapshots)
{
    struct sst_stats stats = {
        .file_len = 1000, .entry_count = 800, .seqno_min = 100, .seqno_max = 200};
    struct table_meta *m;

    assert_int_equal(table_meta_new(number, 0, &stats, slice_str(from), slice_str(to), false, &m),
                     0);
    m->held_count = held_count;
    m->held_snapshots = held_snapshots;
    assert_int_equal(edit_add_table(e, level, m), 0);
    table_meta_unref(m, &store);
    return m;
}

static struct version *make(struct version_edit *e)
{
    struct version *v;

    assert_int_equal(version_apply(&store, NULL, e, &v), 0);
    edit_done(e, &store);
    return v;
}

static void snapshots_are_counted_from_the_first_and_without_the_end(void **state)
{
    static const uint64_t s[] = {5, 10, 20};

    (void)state;
    assert_int_equal(snapshots_between(s, 3, 0, 100), 3);
    assert_int_equal(snapshots_between(s, 3, 5, 20), 2);
    assert_int_equal(snapshots_between(s, 3, 6, 10), 0);
    assert_int_equal(snapshots_between(s, 3, 20, 5), 0);
    assert_int_equal(snapshots_between(NULL, 0, 0, 100), 0);
}

static void the_table_that_gives_back_most_is_rewritten_in_its_level(void **state)
{
    struct version_edit e = {0};
    struct compaction c;
    struct version *v;

    (void)state;
    add_table(&e, 0, 1, "a", "z", 700, 1); /* level 0 is on its way down anyway */
    add_table(&e, 5, 2, "a", "f", 400, 1);
    add_table(&e, 6, 3, "a", "c", 99, 1); /* too little */
    add_table(&e, 6, 4, "d", "f", 500, 1);
    add_table(&e, 6, 5, "g", "i", 600, 1)->compacting = true;
    v = make(&e);
    assert_int_equal(pick_stale(v, NULL, 0, 0, &c), 1);
    assert_true(c.input_level == 6 && c.output_level == 6 && c.bottom && !c.trivial_move);
    assert_true(c.input_count[0] == 1 && c.input_count[1] == 0);
    assert_true(c.inputs[0][0]->number == 4);
    c.inputs[0][0]->compacting = true;
    compaction_done(&c, &store);
    assert_int_equal(pick_stale(v, NULL, 0, 0, &c), 1);
    assert_true(c.inputs[0][0]->number == 2 && c.output_level == 5 && !c.bottom);
    compaction_done(&c, &store);
    assert_int_equal(pick_stale(v, NULL, 0, 999, &c), 0); /* nearly full disk */
    version_unref(v);
}

static void half_of_the_snapshots_must_be_gone(void **state)
{
    /* In [100, 200); at 200 everything in the table looks the same. */
    static const uint64_t four[] = {50, 100, 120, 130, 199, 200, 300};
    static const uint64_t three[] = {50, 100, 120, 199, 200}, two[] = {50, 120, 199, 200};
    struct version_edit e = {0};
    struct compaction c;
    struct version *v;

    (void)state;
    add_table(&e, 6, 4, "d", "f", 500, 4);
    v = make(&e);
    assert_int_equal(pick_stale(v, four, 7, 0, &c), 0);
    assert_int_equal(pick_stale(v, three, 5, 0, &c), 0);
    assert_int_equal(pick_stale(v, two, 4, 0, &c), 1);
    compaction_done(&c, &store);
    version_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_are_counted_from_the_first_and_without_the_end),
        cmocka_unit_test(the_table_that_gives_back_most_is_rewritten_in_its_level),
        cmocka_unit_test(half_of_the_snapshots_must_be_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
