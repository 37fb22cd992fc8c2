/*
 * Repair of logs: what recovery accepts is left to it; otherwise everything that can be read,
 * before and behind damaged places, is put into tables.
 */
#include "repair_fixture.h"

static const char *newest_log(struct store *s, char ret[256])
{
    snprintf(ret, 256, "%s", find_file(s, ".wal", count_files(s, ".wal") - 1));
    return ret;
}

static int try_open(struct store *s)
{
    struct lsm_db *db;
    int err = lsm_open(s->dir, &s->options, &db);

    return err ? err : lsm_close(db);
}

static void a_log_that_is_damaged_in_the_middle_keeps_what_is_behind(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct store s;
        char log[256];

        store_build(&s, 200 + i, false);
        newest_log(&s, log);
        flip_byte(&s, log, file_len(&s, log) * (i + 1) / 12);
        assert_true(lsm_is_damage(try_open(&s)));
        assert_int_equal(repair_all_ways(&s), 1);
        assert_true(is_lost(&s, log));
        repair(&s, true);
        /* One record of one operation. */
        expect_most_there(&s, KEY_COUNT - 12);
        store_free(&s);
    }
}

static void the_sequence_numbers_that_are_lost_are_told(void **state)
{
    struct store s;
    char log[256];

    (void)state;
    store_build(&s, 210, false);
    newest_log(&s, log);
    flip_byte(&s, log, file_len(&s, log) / 3);
    repair(&s, true);
    assert_true(was_told(&s, "lost: the operations with sequence numbers"));
    assert_true(was_told(&s, "no record can be read at offsets"));
    store_free(&s);
}

static void a_torn_end_that_was_never_durable_is_no_damage(void **state)
{
    struct store s;
    struct lsm_db *db;
    char log[256];
    size_t same;

    (void)state;
    store_build(&s, 220, false);
    newest_log(&s, log);
    cut_file(&s, log, file_len(&s, log) - 3);
    assert_int_equal(repair_all_ways(&s), 0);
    db = store_open(&s);
    expect_written(&s, db, &same);
    assert_true(same >= KEY_COUNT - 10);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static void a_damaged_header_alone_loses_nothing(void **state)
{
    struct store s;
    char log[256];

    (void)state;
    store_build(&s, 230, true);
    flip_byte(&s, newest_log(&s, log), 3);
    repair_all_ways(&s);
    expect_all_there(&s);
    store_free(&s);
}

static void a_log_with_another_ones_header_goes_to_lost(void **state)
{
    struct store s;
    char log[256];
    FILE *f;

    (void)state;
    store_build(&s, 240, false);
    newest_log(&s, log);
    remove_file(&s, log);
    f = fopen(scratch_path(s.dir, log), "w");
    assert_non_null(f);
    fputs("what is this? what is this? what is this? what is this?", f);
    fclose(f);
    repair_all_ways(&s);
    expect_most_there(&s, KEY_COUNT - 220);
    store_free(&s);
}

static void a_missing_log_costs_what_was_in_it(void **state)
{
    struct store s;
    char log[256];

    (void)state;
    store_build(&s, 250, false);
    remove_file(&s, newest_log(&s, log));
    assert_true(lsm_is_damage(try_open(&s)));
    assert_int_equal(repair_all_ways(&s), 1);
    expect_most_there(&s, KEY_COUNT - 220);
    store_free(&s);
}

static void a_damaged_log_and_a_lost_manifest_are_repaired_together(void **state)
{
    struct store s;
    char log[256];

    (void)state;
    store_build(&s, 260, false);
    newest_log(&s, log);
    flip_byte(&s, log, file_len(&s, log) / 4);
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    remove_file(&s, "CURRENT");
    assert_int_equal(repair_all_ways(&s), 2);
    assert_true(is_lost(&s, log));
    expect_most_there(&s, KEY_COUNT - 12);
    store_free(&s);
}

static void logs_beside_a_lost_manifest_are_replayed_whole(void **state)
{
    struct store s;
    struct lsm_db *db;

    (void)state;
    store_build(&s, 270, true);
    /* Write on: several memtables, the last of them only in its log. */
    db = store_open(&s);
    store_write(&s, db, 700, true);
    assert_int_equal(lsm_close(db), 0);
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_is_damaged_in_the_middle_keeps_what_is_behind),
        cmocka_unit_test(the_sequence_numbers_that_are_lost_are_told),
        cmocka_unit_test(a_torn_end_that_was_never_durable_is_no_damage),
        cmocka_unit_test(a_damaged_header_alone_loses_nothing),
        cmocka_unit_test(a_log_with_another_ones_header_goes_to_lost),
        cmocka_unit_test(a_missing_log_costs_what_was_in_it),
        cmocka_unit_test(a_damaged_log_and_a_lost_manifest_are_repaired_together),
        cmocka_unit_test(logs_beside_a_lost_manifest_are_replayed_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
