/*
 * A power cut at every step of a repair: what it leaves can be repaired, and nothing more is lost
 * than the repair itself would have lost.
 */
#include "repair_fixture.h"

#include "lib/env_fault.h"
#include "lsm/db/db.h"

/* Repair with the nth change of the disk failing, and all after it. 1 when it came to that. */
static bool repair_until(struct store *s, uint64_t nth, unsigned flags)
{
    struct env_fault *fault;
    struct env *base;
    bool happened;
    int answer;

    assert_int_equal(env_posix_open(s->dir, 0, &base), 0);
    assert_int_equal(env_fault_open(base, &fault), 0);
    env_fault_fail(fault, ENV_FAULT_CHANGES, nth, EIO, true);
    answer = db_repair(env_fault_env(fault), &s->options, false, NULL, NULL, NULL);
    happened = env_fault_happened(fault);
    assert_true(happened ? answer < 0 : answer >= 0);
    assert_int_equal(env_fault_crash(fault, flags, nth), 0);
    env_fault_close(fault);
    return happened;
}

static const unsigned crash_flags[] = {0, ENV_FAULT_KEEP_BYTES | ENV_FAULT_KEEP_NAMES,
                                       ENV_FAULT_KEEP_NAMES | ENV_FAULT_KEEP_LEN};

static void a_rebuild_that_was_cut_off_is_done_again_without_loss(void **state)
{
    struct files *f = calloc(1, sizeof(*f));
    struct store s;
    uint64_t nth = 1;

    (void)state;
    store_build(&s, 400, true);
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    files_read(s.dir, f);
    for (bool more = true; more; nth++) {
        struct lsm_db *db;

        files_restore(s.dir, f);
        more = repair_until(&s, nth, crash_flags[nth % 3]);
        repair(&s, false);
        db = store_open(&s);
        expect_verified(db);
        expect_model(&s, db);
        assert_int_equal(lsm_close(db), 0);
    }
    assert_true(nth > 10);
    files_free(f);
    free(f);
    store_free(&s);
}

static void a_salvage_that_was_cut_off_is_done_again(void **state)
{
    struct files *f = calloc(1, sizeof(*f));
    struct store s;
    uint64_t nth = 1;
    char table[256], log[256];

    (void)state;
    store_build(&s, 410, false);
    snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", 2));
    snprintf(log, sizeof(log), "%s", find_file(&s, ".wal", count_files(&s, ".wal") - 1));
    flip_byte(&s, table, file_len(&s, table) / 2);
    flip_byte(&s, log, file_len(&s, log) / 3);
    flip_byte(&s, "SUPERBLOCK", 77);
    files_read(s.dir, f);
    for (bool more = true; more; nth++) {
        struct lsm_db *db;
        size_t same;

        files_restore(s.dir, f);
        more = repair_until(&s, nth, crash_flags[nth % 3]);
        repair(&s, false);
        assert_int_equal(repair(&s, true), 0);
        assert_true(is_lost(&s, table));
        assert_true(is_lost(&s, log));
        db = store_open(&s);
        expect_verified(db);
        expect_written(&s, db, &same);
        assert_true(same >= KEY_COUNT - 60);
        assert_int_equal(lsm_close(db), 0);
    }
    assert_true(nth > 10);
    files_free(f);
    free(f);
    store_free(&s);
}

/* Not a crash but one failing call: the error is told, and nothing is left half done. */
static void a_full_disk_ends_the_repair_and_changes_nothing(void **state)
{
    struct files *before = calloc(2, sizeof(*before)), *after = before + 1;
    struct env_fault *fault;
    struct env *base;
    struct store s;

    (void)state;
    store_build(&s, 420, true);
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    files_read(s.dir, before);
    assert_int_equal(env_posix_open(s.dir, 0, &base), 0);
    assert_int_equal(env_fault_open(base, &fault), 0);
    env_fault_limit(fault, env_fault_used(fault) + 1000);
    assert_int_equal(db_repair(env_fault_env(fault), &s.options, false, NULL, NULL, NULL), -ENOSPC);
    env_fault_close(fault);
    files_read(s.dir, after);
    expect_same_files(before, after);
    files_free(before);
    files_free(after);
    free(before);
    repair(&s, false);
    expect_all_there(&s);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rebuild_that_was_cut_off_is_done_again_without_loss),
        cmocka_unit_test(a_salvage_that_was_cut_off_is_done_again),
        cmocka_unit_test(a_full_disk_ends_the_repair_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
