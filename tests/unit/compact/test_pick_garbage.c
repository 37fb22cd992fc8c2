/*
 * Which table is rewritten so that a blob file gets empty.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>

#include "lsm/compact/pick_garbage.h"

static struct table_store store;

struct scene {
    struct version_edit edit;
    struct version *v;
};

/* A table of one key, with so many bytes in up to two blob files. */
static void add_table(struct scene *s, unsigned level, uint64_t number, const char *key,
                      uint64_t file, uint64_t len, uint64_t file2, uint64_t len2)
{
    struct sst_stats stats = {.file_len = 1000, .entry_count = 10, .seqno_min = 1, .seqno_max = 9};
    struct blob_uses uses = {0};
    struct table_meta *m;

    stats.seqno_min += 10 * number;
    stats.seqno_max += 10 * number;
    if (len)
        assert_int_equal(blob_uses_add(&uses, file, 1, len), 0);
    if (len2)
        assert_int_equal(blob_uses_add(&uses, file2, 1, len2), 0);
    assert_int_equal(table_meta_new(number, level ? 0 : number, &stats, slice_str(key),
                                    slice_str(key), false, &m),
                     0);
    assert_int_equal(table_meta_set_blobs(m, &store, &uses), 0);
    blob_uses_done(&uses);
    assert_int_equal(edit_add_table(&s->edit, level, m), 0);
    table_meta_unref(m, &store);
}

static void apply(struct scene *s)
{
    assert_int_equal(version_apply(&store, NULL, &s->edit, &s->v), 0);
}

static void done(struct scene *s)
{
    version_unref(s->v);
    edit_done(&s->edit, &store);
}

/* The number of the table that is picked, 0 for none. */
static uint64_t pick(const struct scene *s, const struct garbage_file *files, size_t count,
                     const char *start, const char *end, uint64_t len_max)
{
    struct slice from = slice_str(start ? start : ""), to = slice_str(end ? end : "");
    struct compaction c;
    uint64_t number;
    int picked =
        pick_garbage(s->v, files, count, start ? &from : NULL, end ? &to : NULL, len_max, &c);

    assert_true(picked >= 0);
    if (!picked)
        return 0;
    assert_int_equal(c.input_count[0], 1);
    assert_int_equal(c.input_count[1], 0);
    assert_int_equal(c.input_level, c.output_level);
    assert_true(c.input_level >= 1);
    assert_false(c.trivial_move);
    number = c.inputs[0][0]->number;
    compaction_done(&c, &store);
    return number;
}

static void the_worst_file_is_emptied_first(void **state)
{
    const struct garbage_file files[] = {{3, 1000, 500}, {5, 1000, 900}, {8, 1000, 600}};
    struct scene s = {0};

    (void)state;
    add_table(&s, 6, 21, "a", 3, 400, 8, 100);
    add_table(&s, 6, 22, "b", 5, 20, 0, 0);
    add_table(&s, 6, 23, "c", 5, 60, 3, 100);
    add_table(&s, 5, 24, "c", 8, 50, 0, 0);
    add_table(&s, 5, 25, "d", 9, 5000, 0, 0);
    apply(&s);
    assert_int_equal(pick(&s, files, 3, NULL, NULL, 0), 23);
    assert_int_equal(pick(&s, files, 1, NULL, NULL, 0), 21);
    assert_int_equal(pick(&s, files, 0, NULL, NULL, 0), 0);
    /* A table that is being compacted is left alone; then the next worst file. */
    s.v->levels[6].tables[2]->compacting = true;
    assert_int_equal(pick(&s, files, 3, NULL, NULL, 0), 22);
    s.v->levels[6].tables[1]->compacting = true;
    assert_int_equal(pick(&s, files, 3, NULL, NULL, 0), 21);
    s.v->levels[6].tables[0]->compacting = true;
    assert_int_equal(pick(&s, files, 3, NULL, NULL, 0), 24);
    s.v->levels[5].tables[0]->compacting = true;
    assert_int_equal(pick(&s, files, 3, NULL, NULL, 0), 0);
    done(&s);
}

static void level_0_is_left_to_ordinary_compactions(void **state)
{
    const struct garbage_file files[] = {{3, 1000, 500}};
    struct scene s = {0};

    (void)state;
    add_table(&s, 0, 21, "a", 3, 400, 0, 0);
    apply(&s);
    assert_int_equal(pick(&s, files, 1, NULL, NULL, 0), 0);
    done(&s);
}

static void bounds_of_keys_and_bytes_are_kept(void **state)
{
    const struct garbage_file files[] = {{3, 1000, 500}, {4, 1000, 500}};
    struct scene s = {0};

    (void)state;
    add_table(&s, 6, 21, "a", 3, 400, 4, 300);
    add_table(&s, 6, 22, "m", 3, 100, 0, 0);
    apply(&s);
    assert_int_equal(pick(&s, files, 2, "b", NULL, 0), 22);
    assert_int_equal(pick(&s, files, 2, NULL, "b", 0), 21);
    assert_int_equal(pick(&s, files, 2, "n", NULL, 0), 0);
    assert_int_equal(pick(&s, files, 2, NULL, NULL, 1400), 21);
    assert_int_equal(pick(&s, files, 2, NULL, NULL, 1399), 22);
    assert_int_equal(pick(&s, files, 2, NULL, NULL, 1099), 0);
    done(&s);
}

static void equally_bad_files_all_get_their_turn(void **state)
{
    const struct garbage_file files[] = {{3, 1000, 500}, {4, 1000, 500}, {5, 1000, 500}};
    struct scene s = {0};

    (void)state;
    add_table(&s, 6, 21, "a", 5, 400, 0, 0);
    apply(&s);
    assert_int_equal(pick(&s, files, 3, NULL, NULL, 0), 21);
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_file_is_emptied_first),
        cmocka_unit_test(level_0_is_left_to_ordinary_compactions),
        cmocka_unit_test(bounds_of_keys_and_bytes_are_kept),
        cmocka_unit_test(equally_bad_files_all_get_their_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
