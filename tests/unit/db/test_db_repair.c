/*
 * Repair where nothing that was written needs to be lost: superblock, CURRENT, manifest.
 */
#include "repair_fixture.h"

static void a_healthy_store_is_left_as_it_is(void **state)
{
    struct files *before = calloc(2, sizeof(*before)), *after = before + 1;
    struct store s;

    (void)state;
    store_build(&s, 1, true);
    files_read(s.dir, before);
    assert_int_equal(repair(&s, true), 0);
    assert_int_equal(repair(&s, false), 0);
    files_read(s.dir, after);
    expect_same_files(before, after);
    assert_false(is_lost(&s, ""));
    files_free(before);
    files_free(after);
    free(before);
    expect_all_there(&s);
    store_free(&s);
}

static void the_store_of_the_tests_has_several_levels(void **state)
{
    struct lsm_stats stats;
    struct lsm_db *db;
    struct store s;
    unsigned levels = 0;

    (void)state;
    store_build(&s, 1, true);
    db = store_open(&s);
    assert_int_equal(lsm_stats(db, &stats), 0);
    for (unsigned i = 0; i < 7; i++) {
        print_message("level %u: %u tables\n", i, (unsigned)stats.table_count[i]);
        levels += stats.table_count[i] > 0;
    }
    assert_true(levels >= 2);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static void one_damaged_copy_of_the_superblock_is_replaced(void **state)
{
    struct store s;

    (void)state;
    store_build(&s, 2, true);
    flip_byte(&s, "SUPERBLOCK", 100);
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    store_free(&s);
}

static void a_lost_superblock_is_made_again(void **state)
{
    struct store s;

    (void)state;
    store_build(&s, 3, true);
    remove_file(&s, "SUPERBLOCK");
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    flip_byte(&s, "SUPERBLOCK", 100);
    flip_byte(&s, "SUPERBLOCK", 5000);
    assert_int_equal(repair_all_ways(&s), 1);
    assert_true(is_lost(&s, "SUPERBLOCK"));
    expect_all_there(&s);
    cut_file(&s, "SUPERBLOCK", 0);
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    store_free(&s);
}

static void a_directory_that_is_no_store_is_left_alone(void **state)
{
    struct store s;
    FILE *f;

    (void)state;
    store_init(&s, 4);
    assert_true(lsm_repair(s.dir, &s.options, false, NULL, NULL) < 0);
    f = fopen(scratch_path(s.dir, "letter"), "w");
    assert_non_null(f);
    fclose(f);
    assert_true(lsm_repair(s.dir, &s.options, false, NULL, NULL) < 0);
    assert_int_not_equal(access(scratch_path(s.dir, "LOCK"), F_OK), 0);
    store_free(&s);
}

static void a_store_that_is_open_is_not_repaired(void **state)
{
    struct lsm_db *db;
    struct store s;

    (void)state;
    store_build(&s, 5, true);
    db = store_open(&s);
    assert_int_equal(lsm_errno(lsm_repair(s.dir, &s.options, false, NULL, NULL)), EBUSY);
    assert_int_equal(lsm_errno(lsm_repair(s.dir, &s.options, true, NULL, NULL)), EBUSY);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static int refuse(void *arg, const char *file, const char *text)
{
    (void)arg;
    (void)file;
    (void)text;
    return -EINTR;
}

static void the_callback_can_end_a_repair_and_nothing_is_changed(void **state)
{
    struct files *before = calloc(2, sizeof(*before)), *after = before + 1;
    struct store s;

    (void)state;
    store_build(&s, 6, true);
    remove_file(&s, "CURRENT");
    files_read(s.dir, before);
    assert_int_equal(lsm_repair(s.dir, &s.options, false, refuse, NULL), -EINTR);
    files_read(s.dir, after);
    expect_same_files(before, after);
    files_free(before);
    files_free(after);
    free(before);
    store_free(&s);
}

static void a_lost_current_is_pointed_to_the_manifest(void **state)
{
    struct store s;

    (void)state;
    store_build(&s, 7, true);
    remove_file(&s, "CURRENT");
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    flip_byte(&s, "CURRENT", 12);
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    cut_file(&s, "CURRENT", 0);
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    store_free(&s);
}

static void a_lost_manifest_is_rebuilt_from_the_tables(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 18; seed++) {
        struct store s;

        store_build(&s, seed, true);
        remove_file(&s, find_file(&s, "MANIFEST-", 0));
        assert_int_equal(repair_all_ways(&s), 1);
        expect_all_there(&s);
        store_free(&s);
    }
}

static void current_and_manifest_both_lost_are_rebuilt(void **state)
{
    struct store s;

    (void)state;
    store_build(&s, 20, true);
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    remove_file(&s, "CURRENT");
    remove_file(&s, "SUPERBLOCK");
    assert_int_equal(repair_all_ways(&s), 2);
    expect_all_there(&s);
    store_free(&s);
}

/* Somewhere in it: the header, the first record, the middle, the end. */
static void a_damaged_manifest_is_rebuilt(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct store s;
        const char *name;
        char copy[256];
        uint64_t len;

        store_build(&s, 30 + i, true);
        name = find_file(&s, "MANIFEST-", 0);
        snprintf(copy, sizeof(copy), "%s", name);
        len = file_len(&s, copy);
        flip_byte(&s, copy, i * (len - 1) / 11);
        /* A damaged last record is a torn one: that is no damage if no file is missing. */
        if (repair_all_ways(&s))
            assert_true(is_lost(&s, copy));
        else
            assert_true(i > 5);
        expect_all_there(&s);
        store_free(&s);
    }
}

static void a_manifest_that_has_lost_its_last_records_is_rebuilt(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 8; i++) {
        struct store s;
        const char *name;
        char copy[256];

        store_build(&s, 50 + i, true);
        name = find_file(&s, "MANIFEST-", 0);
        snprintf(copy, sizeof(copy), "%s", name);
        cut_file(&s, copy, file_len(&s, copy) * i / 8);
        repair_all_ways(&s);
        expect_all_there(&s);
        store_free(&s);
    }
}

static void leftovers_of_other_manifests_do_not_mislead(void **state)
{
    struct store s;
    FILE *f;

    (void)state;
    store_build(&s, 60, true);
    f = fopen(scratch_path(s.dir, "MANIFEST-99999999"), "w");
    assert_non_null(f);
    fputs("never finished", f);
    fclose(f);
    assert_int_equal(repair_all_ways(&s), 0);
    remove_file(&s, "CURRENT");
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_store_is_left_as_it_is),
        cmocka_unit_test(the_store_of_the_tests_has_several_levels),
        cmocka_unit_test(one_damaged_copy_of_the_superblock_is_replaced),
        cmocka_unit_test(a_lost_superblock_is_made_again),
        cmocka_unit_test(a_directory_that_is_no_store_is_left_alone),
        cmocka_unit_test(a_store_that_is_open_is_not_repaired),
        cmocka_unit_test(the_callback_can_end_a_repair_and_nothing_is_changed),
        cmocka_unit_test(a_lost_current_is_pointed_to_the_manifest),
        cmocka_unit_test(a_lost_manifest_is_rebuilt_from_the_tables),
        cmocka_unit_test(current_and_manifest_both_lost_are_rebuilt),
        cmocka_unit_test(a_damaged_manifest_is_rebuilt),
        cmocka_unit_test(a_manifest_that_has_lost_its_last_records_is_rebuilt),
        cmocka_unit_test(leftovers_of_other_manifests_do_not_mislead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
