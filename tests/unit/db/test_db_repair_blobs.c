/*
 * Repair of stores with large values in blob files: a value that cannot be read is lost and told,
 * everything else is there.
 */
#include "repair_fixture.h"

#include "lib/env_fault.h"
#include "lsm/db/db.h"

enum {
    BLOB_LEN_MIN = 300
};

static void build(struct store *s, uint64_t seed)
{
    store_build_blobs(s, seed, false, BLOB_LEN_MIN);
    assert_non_null(find_file(s, ".blob", 0));
}

/* A blob file that tables refer to, of some length. */
static const char *some_blob(struct store *s, char ret[256])
{
    snprintf(ret, 256, "%s", find_file(s, ".blob", count_files(s, ".blob") / 2));
    return ret;
}

static void whole_blob_files_are_no_damage(void **state)
{
    struct store s;

    (void)state;
    build(&s, 700);
    assert_int_equal(repair_all_ways(&s), 0);
    expect_all_there(&s);
    store_free(&s);
}

static void large_values_outlive_a_lost_manifest(void **state)
{
    struct store s;

    (void)state;
    for (uint64_t seed = 710; seed < 714; seed++) {
        build(&s, seed);
        remove_file(&s, find_file(&s, "MANIFEST-", 0));
        assert_int_equal(repair_all_ways(&s), 1);
        expect_all_there(&s);
        store_free(&s);
    }
}

static void a_damaged_large_value_costs_its_key(void **state)
{
    struct store s;
    char blob[256];
    unsigned lossy = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        build(&s, 720 + i);
        some_blob(&s, blob);
        flip_byte(&s, blob, file_len(&s, blob) * (i + 1) / 9);
        repair_all_ways(&s);
        lossy += was_told(&s, "lost: the value of \"key");
        expect_most_there(&s, KEY_COUNT - 1);
        store_free(&s);
    }
    assert_true(lossy >= 1);
}

static void a_missing_blob_file_costs_the_keys_in_it(void **state)
{
    struct store s;
    char blob[256];

    (void)state;
    build(&s, 730);
    remove_file(&s, some_blob(&s, blob));
    assert_true(repair_all_ways(&s) >= 1);
    assert_true(was_told(&s, "lost: the value of \"key"));
    expect_most_there(&s, KEY_COUNT / 2);
    store_free(&s);
}

static void all_blob_files_and_the_manifest_may_be_lost(void **state)
{
    struct store s;

    (void)state;
    build(&s, 740);
    while (find_file(&s, ".blob", 0))
        remove_file(&s, find_file(&s, ".blob", 0));
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    assert_true(repair_all_ways(&s) >= 1);
    expect_most_there(&s, KEY_COUNT / 4);
    store_free(&s);
}

/* One change of the disk fails, and the header is the only thing to be changed. */
static void a_header_that_cannot_be_written_does_not_fail_the_repair(void **state)
{
    const int codes[] = {ENOSPC, EIO};
    struct store s;
    char blob[256];

    (void)state;
    build(&s, 750);
    flip_byte(&s, some_blob(&s, blob), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct env_fault *fault;
        struct env *base;

        s.told.len = 0;
        assert_int_equal(env_posix_open(s.dir, 0, &base), 0);
        assert_int_equal(env_fault_open(base, &fault), 0);
        env_fault_fail(fault, ENV_FAULT_REPLACE, 1, codes[i], false);
        assert_int_equal(db_repair(env_fault_env(fault), &s.options, false, note_told, NULL, &s),
                         1);
        assert_true(env_fault_happened(fault));
        assert_true(was_told(&s, "the header stays damaged"));
        env_fault_close(fault);
    }
    assert_int_equal(repair_all_ways(&s), 1);
    expect_all_there(&s);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_blob_files_are_no_damage),
        cmocka_unit_test(large_values_outlive_a_lost_manifest),
        cmocka_unit_test(a_damaged_large_value_costs_its_key),
        cmocka_unit_test(a_missing_blob_file_costs_the_keys_in_it),
        cmocka_unit_test(a_header_that_cannot_be_written_does_not_fail_the_repair),
        cmocka_unit_test(all_blob_files_and_the_manifest_may_be_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
