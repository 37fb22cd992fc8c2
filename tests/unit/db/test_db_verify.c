/*
 * Verification finds damage of every file of an open store, and names the file.
 */
#include "repair_fixture.h"

struct damage {
    char file[64]; /* of the first */
    unsigned count;
};

static int note_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct damage *d = arg;

    (void)offset;
    assert_true(text[0] != 0);
    if (d->count++ == 0)
        snprintf(d->file, sizeof(d->file), "%s", file);
    return 0;
}

static void expect_damage(struct lsm_db *db, const char *file, const char *what, uint64_t at)
{
    struct damage d = {0};
    int answer = lsm_verify(db, note_damage, NULL, &d);

    if (answer < 1 || answer != (int)d.count || strcmp(d.file, file) != 0)
        fail_msg("%s, %s at %llu: verify gives %d, for %s: %s", file, what, (unsigned long long)at,
                 answer, d.file, lsm_detail());
}

static void expect_none(struct lsm_db *db)
{
    assert_int_equal(lsm_verify(db, print_damage, NULL, NULL), 0);
}

/* Each of a number of bytes spread over the file, one at a time. */
static void flip_through(struct store *s, struct lsm_db *db, const char *file, uint64_t from,
                         uint64_t len)
{
    for (unsigned i = 0; i < 16; i++) {
        uint64_t at = from + i * (len - 1) / 15;

        flip_byte(s, file, at);
        expect_damage(db, file, "flipped", at);
        flip_byte(s, file, at);
    }
    expect_none(db);
}

/* The store without background work that could meet the damage first. */
static struct lsm_db *open_quiet(struct store *s)
{
    struct lsm_db *db = store_open(s);

    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    store_write(s, db, 40, true);
    expect_none(db);
    return db;
}

static void every_byte_of_a_table_counts(void **state)
{
    struct store s;
    struct lsm_db *db;
    char table[256];

    (void)state;
    store_build(&s, 600, true);
    db = open_quiet(&s);
    for (unsigned n = 0; n < 3; n++) {
        snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", n));
        flip_through(&s, db, table, 0, file_len(&s, table) - 96);
    }
    /* The footer, but for its eight reserved bytes. */
    flip_through(&s, db, table, file_len(&s, table) - 96, 72);
    flip_through(&s, db, table, file_len(&s, table) - 16, 16);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static void tables_that_are_gone_or_cut_are_found(void **state)
{
    struct store s;
    struct lsm_db *db;
    char table[256], aside[300];

    (void)state;
    store_build(&s, 610, true);
    db = open_quiet(&s);
    snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", 1));
    snprintf(aside, sizeof(aside), "%s/aside", s.dir);
    assert_int_equal(rename(scratch_path(s.dir, table), aside), 0);
    expect_damage(db, table, "missing", 0);
    assert_int_equal(rename(aside, scratch_path(s.dir, table)), 0);
    expect_none(db);
    cut_file(&s, table, file_len(&s, table) + 5);
    expect_damage(db, table, "longer", 0);
    cut_file(&s, table, file_len(&s, table) - 50);
    expect_damage(db, table, "shorter", 0);
    (void)lsm_close(db);
    store_free(&s);
}

static void the_superblock_and_the_manifest_are_read_again(void **state)
{
    struct store s;
    struct lsm_db *db;
    char manifest[256];

    (void)state;
    store_build(&s, 620, true);
    db = open_quiet(&s);
    flip_through(&s, db, "SUPERBLOCK", 0, 8192);
    snprintf(manifest, sizeof(manifest), "%s", find_file(&s, "MANIFEST-", 0));
    flip_through(&s, db, manifest, 0, file_len(&s, manifest));
    flip_through(&s, db, "CURRENT", 0, file_len(&s, "CURRENT"));
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static void a_manifest_without_its_last_record_is_found(void **state)
{
    struct store s;
    struct lsm_db *db;
    char manifest[256];

    (void)state;
    store_build(&s, 630, true);
    db = open_quiet(&s);
    snprintf(manifest, sizeof(manifest), "%s", find_file(&s, "MANIFEST-", 0));
    cut_file(&s, manifest, file_len(&s, manifest) - 1);
    expect_damage(db, manifest, "cut", 0);
    (void)lsm_close(db);
    store_free(&s);
}

static void the_log_that_is_being_written_is_read(void **state)
{
    struct store s;
    struct lsm_db *db;
    char log[256];

    (void)state;
    store_build(&s, 640, true);
    db = open_quiet(&s);
    snprintf(log, sizeof(log), "%s", find_file(&s, ".wal", count_files(&s, ".wal") - 1));
    /* The header is written once and its damage harms nothing; padding is not looked at. */
    flip_byte(&s, log, 3);
    expect_damage(db, log, "header", 3);
    flip_byte(&s, log, 3);
    for (uint64_t at = 32; at < 32 + 56; at += 4) {
        flip_byte(&s, log, at);
        expect_damage(db, log, "record", at);
        flip_byte(&s, log, at);
    }
    expect_none(db);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static void a_store_that_is_only_read_is_verified(void **state)
{
    struct store s;
    struct lsm_db *db;
    char table[256];

    (void)state;
    store_build(&s, 650, true);
    s.options.read_only = true;
    db = store_open(&s);
    expect_none(db);
    snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", 0));
    flip_byte(&s, table, 10);
    expect_damage(db, table, "flipped", 10);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

static int stop(void *arg, const char *file, uint64_t offset, const char *text)
{
    ++*(int *)arg;
    (void)file;
    (void)offset;
    (void)text;
    return 1;
}

static void the_caller_can_end_it_at_the_first_damage(void **state)
{
    struct store s;
    struct lsm_db *db;
    int count = 0;

    (void)state;
    store_build(&s, 660, true);
    db = open_quiet(&s);
    flip_byte(&s, "SUPERBLOCK", 5000);
    flip_byte(&s, find_file(&s, ".sst", 0), 100);
    assert_int_equal(lsm_verify(db, stop, NULL, &count), 1);
    assert_int_equal(count, 1);
    (void)lsm_close(db);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_a_table_counts),
        cmocka_unit_test(tables_that_are_gone_or_cut_are_found),
        cmocka_unit_test(the_superblock_and_the_manifest_are_read_again),
        cmocka_unit_test(a_manifest_without_its_last_record_is_found),
        cmocka_unit_test(the_log_that_is_being_written_is_read),
        cmocka_unit_test(a_store_that_is_only_read_is_verified),
        cmocka_unit_test(the_caller_can_end_it_at_the_first_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
