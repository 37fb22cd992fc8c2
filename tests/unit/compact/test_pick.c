/*
 * Picking on made-up versions: targets, scores, trivial moves, limits, ranges.
 */
#include "lib/cmocka_all.h"

#include "lsm/base/codec.h"
#include "lsm/compact/pick.h"

#define MIB (UINT64_C(1) << 20)

static struct table_store store;
static const struct pick_options options = {
    .table_len = 32 * MIB,
    .level_base_len = 128 * MIB,
    .level_ratio = 10,
    .l0_compact_count = 4,
};
static uint64_t next_number;

struct spec {
    unsigned level;
    unsigned from, to; /* keys, inclusive */
    uint64_t len;
    uint64_t run, seqno; /* seqno: the largest */
    unsigned deletes;    /* of 100 entries */
};

static struct table_meta *make_table(const struct spec *s)
{
    struct sst_stats stats = {.file_len = s->len,
                              .entry_count = 100,
                              .delete_count = s->deletes,
                              .seqno_min = s->seqno,
                              .seqno_max = s->seqno};
    uint8_t from[4], to[4];
    struct table_meta *m;

    put_be32(from, s->from);
    put_be32(to, s->to);
    assert_int_equal(table_meta_new(++next_number, s->run, &stats, slice_of(from, 4),
                                    slice_of(to, 4), false, &m),
                     0);
    return m;
}

static struct version *make_version(const struct spec *specs, size_t count)
{
    struct version_edit e = {0};
    struct version *v;

    for (size_t i = 0; i < count; i++) {
        struct table_meta *m = make_table(&specs[i]);

        assert_int_equal(edit_add_table(&e, specs[i].level, m), 0);
        table_meta_unref(m, &store);
    }
    assert_int_equal(version_apply(&store, NULL, &e, &v), 0);
    edit_done(&e, &store);
    assert_int_equal(version_check(v), 0);
    return v;
}

#define VERSION(specs) make_version(specs, sizeof(specs) / sizeof((specs)[0]))

static unsigned key_of(struct slice s)
{
    return get_be32(s.data);
}

static void an_empty_store_compacts_to_the_last_level(void **state)
{
    struct version *v = make_version(NULL, 0);
    struct level_targets t;
    struct compaction c;

    (void)state;
    pick_level_targets(v, &options, &t);
    assert_int_equal(t.base_level, LEVEL_COUNT - 1);
    assert_true(t.len[LEVEL_COUNT - 1] == 128 * MIB && t.len[5] == 0);
    assert_int_equal(pick_compaction(v, &options, 0, &c), 0);
    assert_true(pick_debt_len(v, &options) == 0);
    version_unref(v);
}

static void targets_shrink_by_the_ratio_down_to_the_base(void **state)
{
    const struct spec specs[] = {{.level = 6, .from = 1, .to = 9, .len = 20000 * MIB, .seqno = 1}};
    struct version *v = VERSION(specs);
    struct level_targets t;

    (void)state;
    pick_level_targets(v, &options, &t);
    assert_int_equal(t.base_level, 4);
    assert_true(t.len[6] == 20000 * MIB && t.len[5] == 2000 * MIB && t.len[4] == 200 * MIB);
    assert_true(t.len[3] == 0);
    version_unref(v);
}

static void the_base_is_never_below_a_level_in_use(void **state)
{
    const struct spec specs[] = {{.level = 3, .from = 1, .to = 9, .len = MIB, .seqno = 2},
                                 {.level = 6, .from = 1, .to = 9, .len = MIB, .seqno = 1}};
    struct version *v = VERSION(specs);
    struct level_targets t;

    (void)state;
    pick_level_targets(v, &options, &t);
    assert_int_equal(t.base_level, 3);
    assert_true(t.len[3] > 0 && t.len[2] == 0);
    version_unref(v);
}

static void tables_of_one_flush_are_one_run(void **state)
{
    const struct spec specs[] = {
        {.from = 1, .to = 5, .len = MIB, .run = 7, .seqno = 10},
        {.from = 6, .to = 9, .len = MIB, .run = 7, .seqno = 11},
        {.from = 1, .to = 9, .len = MIB, .run = 8, .seqno = 20},
        {.from = 1, .to = 2, .len = MIB, .run = 0, .seqno = 30},
        {.from = 1, .to = 2, .len = MIB, .run = 0, .seqno = 31},
    };
    struct version *v = VERSION(specs);

    (void)state;
    assert_int_equal(pick_l0_run_count(v), 4);
    version_unref(v);
}

static void level_0_waits_for_enough_flushes(void **state)
{
    struct spec specs[4];
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        specs[i] = (struct spec){.from = 1, .to = 9, .len = MIB, .run = i + 1, .seqno = i + 1};
    v = make_version(specs, 3);
    assert_int_equal(pick_compaction(v, &options, 0, &c), 0);
    assert_true(pick_debt_len(v, &options) == 0);
    version_unref(v);
    v = make_version(specs, 4);
    assert_true(pick_debt_len(v, &options) == 4 * MIB);
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_int_equal(c.input_level, 0);
    assert_int_equal(c.output_level, 6);
    assert_int_equal(c.input_count[0], 4);
    assert_int_equal(c.input_count[1], 0);
    assert_true(c.bottom && !c.trivial_move && c.input_len == 4 * MIB);
    compaction_done(&c, &store);
    version_unref(v);
}

static const struct pick_options patient = {
    .table_len = 32 * MIB,
    .level_base_len = 128 * MIB,
    .level_ratio = 10,
    .l0_compact_count = 4,
    .l0_patience_count = 12,
};

/* Level 0 of `count` flushes over the same keys, on a last level of so many bytes. */
static struct version *make_piled(unsigned count, uint64_t flush_len, uint64_t last_len)
{
    struct spec specs[16] = {{.level = 6, .from = 1, .to = 9, .len = last_len, .seqno = 1}};

    for (unsigned i = 1; i <= count; i++)
        specs[i] = (struct spec){.from = 1, .to = 9, .len = flush_len, .run = i, .seqno = 10 * i};
    return make_version(specs, count + 1);
}

static void level_0_waits_with_patience_until_it_is_worth_its_base(void **state)
{
    const struct {
        unsigned flushes;
        uint64_t flush_len, last_len;
        int picked;
    } cases[] = {
        {4, 20 * MIB, 10 * MIB, 0},  /* little, against what the base level is to have */
        {10, 26 * MIB, 10 * MIB, 1}, /* twice that */
        {9, 20 * MIB, 400 * MIB, 0}, /* little, against what the base level has */
        {11, 70 * MIB, 400 * MIB, 0}, {11, 80 * MIB, 400 * MIB, 1}, /* twice that */
        {12, 20 * MIB, 400 * MIB, 1},                               /* too many for readers */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct version *v = make_piled(cases[i].flushes, cases[i].flush_len, cases[i].last_len);
        struct compaction c;

        assert_int_equal(pick_compaction(v, &patient, 0, &c), cases[i].picked);
        if (cases[i].picked)
            compaction_done(&c, &store);
        /* Without it, four flushes are enough. */
        assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
        compaction_done(&c, &store);
        /* A full disk is not the time to wait. */
        assert_int_equal(pick_compaction(v, &patient, 4096 * MIB, &c), 1);
        compaction_done(&c, &store);
        version_unref(v);
    }
}

static void patience_is_for_merges_not_for_moves_or_tombstones(void **state)
{
    struct spec specs[4];
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        specs[i] = (struct spec){
            .from = 10 * i, .to = 10 * i + 5, .len = MIB, .run = i + 1, .seqno = i + 1};
    v = make_version(specs, 4);
    assert_int_equal(pick_compaction(v, &patient, 0, &c), 1);
    assert_true(c.trivial_move && c.input_count[0] == 4);
    compaction_done(&c, &store);
    version_unref(v);
    for (unsigned i = 0; i < 4; i++)
        specs[i] = (struct spec){.from = 1,
                                 .to = 9,
                                 .len = MIB,
                                 .run = i + 1,
                                 .seqno = i + 1,
                                 .deletes = i == 3 ? 90 : 0};
    v = make_version(specs, 4);
    assert_int_equal(pick_compaction(v, &patient, 0, &c), 1);
    assert_int_equal(c.input_count[0], 4);
    compaction_done(&c, &store);
    version_unref(v);
}

static void a_flush_of_tombstones_counts_twice(void **state)
{
    const struct spec specs[] = {
        {.from = 1, .to = 9, .len = MIB, .run = 1, .seqno = 1, .deletes = 60},
        {.from = 1, .to = 9, .len = MIB, .run = 2, .seqno = 2, .deletes = 99},
    };
    struct version *v = VERSION(specs);
    struct compaction c;

    (void)state;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_int_equal(c.input_count[0], 2);
    compaction_done(&c, &store);
    version_unref(v);
}

static void streams_of_ascending_keys_are_moved_together(void **state)
{
    struct spec specs[9];
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        specs[2 * i] = (struct spec){.from = 100 + i * 10,
                                     .to = 105 + i * 10,
                                     .len = MIB,
                                     .run = i + 1,
                                     .seqno = 2 * i + 10};
        specs[2 * i + 1] = (struct spec){.from = 500 + i * 10,
                                         .to = 505 + i * 10,
                                         .len = MIB,
                                         .run = i + 1,
                                         .seqno = 2 * i + 11};
    }
    specs[8] = (struct spec){.level = 6, .from = 200, .to = 520, .len = MIB, .seqno = 1};
    v = make_version(specs, 9);
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_true(c.trivial_move);
    /* The last of the second stream's tables that touch 200..520 are 500, 510 and 520. */
    assert_int_equal(c.input_count[0], 5);
    assert_int_equal(c.input_count[1], 0);
    compaction_done(&c, &store);
    version_unref(v);
}

static void a_table_of_tombstones_at_the_bottom_is_not_moved_but_rewritten(void **state)
{
    struct spec specs[4];
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        specs[i] = (struct spec){.from = i * 10,
                                 .to = i * 10 + 5,
                                 .len = MIB,
                                 .run = i + 1,
                                 .seqno = i + 1,
                                 .deletes = 100};
    v = make_version(specs, 4);
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_true(c.bottom && !c.trivial_move);
    assert_int_equal(c.input_count[0], 4);
    compaction_done(&c, &store);
    version_unref(v);
}

static void a_level_above_its_target_gives_the_cheapest_table(void **state)
{
    const struct spec specs[] = {
        {.level = 5, .from = 10, .to = 19, .len = 100 * MIB, .seqno = 5},
        {.level = 5, .from = 20, .to = 29, .len = 100 * MIB, .seqno = 5},
        {.level = 5, .from = 30, .to = 39, .len = 100 * MIB, .seqno = 5},
        {.level = 6, .from = 10, .to = 18, .len = 900 * MIB, .seqno = 1},
        {.level = 6, .from = 20, .to = 28, .len = 200 * MIB, .seqno = 1},
        {.level = 6, .from = 30, .to = 38, .len = 900 * MIB, .seqno = 1},
    };
    struct version *v = VERSION(specs);
    struct compaction c;

    (void)state;
    assert_true(pick_debt_len(v, &options) == 100 * MIB);
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_int_equal(c.input_level, 5);
    assert_int_equal(key_of(c.inputs[0][0]->smallest), 20);
    assert_int_equal(c.input_count[0], 1);
    assert_int_equal(c.input_count[1], 1);
    assert_true(c.bottom && c.input_len == 300 * MIB);
    assert_int_equal(key_of(c.largest), 29);
    compaction_done(&c, &store);
    /* With that one taken, the level is within its target. */
    v->levels[5].tables[1]->compacting = true;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 0);
    version_unref(v);
}

static void tables_rich_in_tombstones_go_first_and_even_when_all_is_within_target(void **state)
{
    const struct spec specs[] = {
        {.level = 5, .from = 10, .to = 19, .len = 10 * MIB, .seqno = 5},
        {.level = 5, .from = 20, .to = 29, .len = 10 * MIB, .seqno = 5, .deletes = 51},
        {.level = 5, .from = 30, .to = 39, .len = 10 * MIB, .seqno = 5, .deletes = 50},
        {.level = 5, .from = 50, .to = 59, .len = 10 * MIB, .seqno = 5, .deletes = 99},
        {.level = 6, .from = 10, .to = 18, .len = 1000 * MIB, .seqno = 1},
        {.level = 6, .from = 20, .to = 28, .len = 100 * MIB, .seqno = 1},
    };
    struct version *v = VERSION(specs);
    struct compaction c;

    (void)state;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_int_equal(key_of(c.inputs[0][0]->smallest), 20);
    assert_int_equal(c.input_count[0], 1);
    compaction_done(&c, &store);
    v->levels[5].tables[1]->compacting = true;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 0);
    version_unref(v);
}

static void neighbours_without_further_overlap_are_taken_along(void **state)
{
    const struct spec specs[] = {
        {.level = 5, .from = 10, .to = 19, .len = 100 * MIB, .seqno = 5},
        {.level = 5, .from = 20, .to = 29, .len = 100 * MIB, .seqno = 5},
        {.level = 5, .from = 30, .to = 39, .len = 100 * MIB, .seqno = 5},
        {.level = 6, .from = 5, .to = 29, .len = 300 * MIB, .seqno = 1},
        {.level = 6, .from = 30, .to = 39, .len = 900 * MIB, .seqno = 1},
    };
    struct version *v = VERSION(specs);
    struct compaction c;

    (void)state;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_int_equal(c.input_count[0], 2);
    assert_int_equal(key_of(c.inputs[0][0]->smallest), 10);
    assert_int_equal(key_of(c.inputs[0][1]->smallest), 20);
    assert_int_equal(c.input_count[1], 1);
    compaction_done(&c, &store);
    version_unref(v);
}

static void a_nearly_full_disk_gets_only_small_compactions(void **state)
{
    struct spec specs[6];
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        specs[i] = (struct spec){.from = 1, .to = 9, .len = 30 * MIB, .run = i + 1, .seqno = i + 2};
    specs[5] = (struct spec){.level = 6, .from = 1, .to = 9, .len = 50 * MIB, .seqno = 1};
    v = make_version(specs, 6);
    assert_int_equal(pick_compaction(v, &options, 120 * MIB, &c), 1);
    assert_int_equal(c.input_count[0], 2);
    assert_true(c.input_len == 110 * MIB);
    /* The oldest ones. */
    for (unsigned i = 0; i < 2; i++)
        assert_true(c.inputs[0][i]->run <= 2);
    compaction_done(&c, &store);
    assert_int_equal(pick_compaction(v, &options, 79 * MIB, &c), 0);
    version_unref(v);
}

static void level_0_is_compacted_by_one_at_a_time(void **state)
{
    struct spec specs[8];
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        specs[i] = (struct spec){.from = i < 4 ? 1 : 100,
                                 .to = i < 4 ? 9 : 109,
                                 .len = MIB,
                                 .run = i + 1,
                                 .seqno = i + 1};
    v = make_version(specs, 8);
    v->levels[0].tables[7]->compacting = true;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 0);
    version_unref(v);
}

static void the_base_level_is_spared_while_level_0_waits_for_it(void **state)
{
    struct spec specs[11] = {
        {.level = 5, .from = 1, .to = 5, .len = 300 * MIB, .seqno = 2},
        {.level = 5, .from = 6, .to = 9, .len = 150 * MIB, .seqno = 2},
        {.level = 6, .from = 6, .to = 9, .len = 1000 * MIB, .seqno = 1},
    };
    struct compaction c;
    struct version *v;

    (void)state;
    for (unsigned i = 3; i < 11; i++)
        specs[i] = (struct spec){.from = 1, .to = 9, .len = MIB, .run = i, .seqno = i + 10};
    v = make_version(specs, 11);
    v->levels[5].tables[0]->compacting = true;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 0);
    version_unref(v);
    /* With few flushes the level is above its target and may go down. */
    v = make_version(specs, 5);
    v->levels[5].tables[0]->compacting = true;
    assert_int_equal(pick_compaction(v, &options, 0, &c), 1);
    assert_int_equal(c.input_level, 5);
    compaction_done(&c, &store);
    version_unref(v);
}

static void a_range_takes_what_must_leave_with_it(void **state)
{
    const struct spec specs[] = {
        {.from = 1, .to = 5, .len = MIB, .run = 1, .seqno = 1},
        {.from = 4, .to = 9, .len = MIB, .run = 2, .seqno = 2},
        {.from = 50, .to = 59, .len = MIB, .run = 2, .seqno = 3},
        {.level = 6, .from = 5, .to = 6, .len = MIB, .seqno = 0},
    };
    struct version *v = VERSION(specs);
    struct slice seven = slice_of("\0\0\0\7", 4), far = slice_of("\1", 1);
    struct compaction c;
    bool busy;

    (void)state;
    assert_int_equal(pick_range(v, &options, 0, &seven, &seven, &busy, &c), 1);
    assert_int_equal(c.input_count[0], 2);
    assert_int_equal(c.input_count[1], 1);
    compaction_done(&c, &store);
    assert_int_equal(pick_range(v, &options, 0, &far, NULL, &busy, &c), 0);
    assert_false(busy);
    assert_int_equal(pick_range(v, &options, 6, NULL, NULL, &busy, &c), 0);
    assert_false(busy);
    v->levels[6].tables[0]->compacting = true;
    assert_int_equal(pick_range(v, &options, 0, NULL, NULL, &busy, &c), 0);
    assert_true(busy);
    version_unref(v);
}

static void a_range_of_a_deep_level_goes_down_one_level(void **state)
{
    const struct spec specs[] = {
        {.level = 3, .from = 1, .to = 5, .len = MIB, .seqno = 9, .deletes = 1},
        {.level = 3, .from = 6, .to = 9, .len = MIB, .seqno = 9},
        {.level = 3, .from = 20, .to = 29, .len = MIB, .seqno = 9},
        {.level = 4, .from = 9, .to = 12, .len = MIB, .seqno = 8},
    };
    struct version *v = VERSION(specs);
    struct slice five = slice_of("\0\0\0\5", 4), nine = slice_of("\0\0\0\11", 4);
    struct compaction c;
    bool busy;

    (void)state;
    assert_int_equal(pick_range(v, &options, 3, &five, &nine, &busy, &c), 1);
    assert_int_equal(c.input_count[0], 2);
    assert_int_equal(c.input_count[1], 1);
    assert_int_equal(c.output_level, 4);
    assert_true(c.bottom);
    compaction_done(&c, &store);
    /* One deletion at the bottom: worth rewriting when a user asks for it. */
    assert_int_equal(pick_range(v, &options, 3, NULL, &five, &busy, &c), 1);
    assert_true(c.bottom && !c.trivial_move);
    compaction_done(&c, &store);
    version_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store_compacts_to_the_last_level),
        cmocka_unit_test(targets_shrink_by_the_ratio_down_to_the_base),
        cmocka_unit_test(the_base_is_never_below_a_level_in_use),
        cmocka_unit_test(tables_of_one_flush_are_one_run),
        cmocka_unit_test(level_0_waits_for_enough_flushes),
        cmocka_unit_test(level_0_waits_with_patience_until_it_is_worth_its_base),
        cmocka_unit_test(patience_is_for_merges_not_for_moves_or_tombstones),
        cmocka_unit_test(a_flush_of_tombstones_counts_twice),
        cmocka_unit_test(streams_of_ascending_keys_are_moved_together),
        cmocka_unit_test(a_table_of_tombstones_at_the_bottom_is_not_moved_but_rewritten),
        cmocka_unit_test(a_level_above_its_target_gives_the_cheapest_table),
        cmocka_unit_test(tables_rich_in_tombstones_go_first_and_even_when_all_is_within_target),
        cmocka_unit_test(neighbours_without_further_overlap_are_taken_along),
        cmocka_unit_test(a_nearly_full_disk_gets_only_small_compactions),
        cmocka_unit_test(level_0_is_compacted_by_one_at_a_time),
        cmocka_unit_test(the_base_level_is_spared_while_level_0_waits_for_it),
        cmocka_unit_test(a_range_takes_what_must_leave_with_it),
        cmocka_unit_test(a_range_of_a_deep_level_goes_down_one_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
