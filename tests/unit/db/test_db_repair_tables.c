/*
 * Repair of damaged and missing tables: what is not in damaged blocks is there and right, and the
 * rest is told.
 */
#include "repair_fixture.h"

#include "lsm/db/losses.h"

/* Enough keys stay as they were when a block of a kilobyte or two is lost. */
enum {
    BLOCK_KEYS = 60
};

static void a_table_with_a_damaged_block_loses_that_block(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct store s;
        const char *name;
        char table[256];

        store_build(&s, 100 + i, false);
        name = find_file(&s, ".sst", i % count_files(&s, ".sst"));
        snprintf(table, sizeof(table), "%s", name);
        flip_byte(&s, table, file_len(&s, table) / 3);
        assert_int_equal(repair_all_ways(&s), 1);
        assert_true(is_lost(&s, table));
        assert_true(access(scratch_path(s.dir, table), F_OK));
        expect_most_there(&s, KEY_COUNT - BLOCK_KEYS);
        store_free(&s);
    }
}

/*
 * Footer, properties, top index: all entries can be found without. Range tombstones stand there as
 * well: they are lost, and that is told.
 */
static void a_table_whose_end_is_damaged_loses_no_entry(void **state)
{
    static const unsigned from_end[] = {1, 10, 30, 60, 90, 95, 100, 110, 130, 140, 160, 180};

    unsigned lossless = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof(from_end) / sizeof(from_end[0]); i++) {
        struct store s;
        const char *name;
        char table[256];

        store_build(&s, 120 + i, true);
        name = find_file(&s, ".sst", i % count_files(&s, ".sst"));
        snprintf(table, sizeof(table), "%s", name);
        flip_byte(&s, table, file_len(&s, table) - from_end[i]);
        assert_int_equal(repair_all_ways(&s), 1);
        if (was_told(&s, "lost:")) {
            assert_true(was_told(&s, "range tombstones"));
        } else {
            expect_all_there(&s);
            lossless++;
        }
        store_free(&s);
    }
    assert_true(lossless >= 8);
}

static void a_table_that_was_cut_short_keeps_its_beginning(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct store s;
        const char *name;
        char table[256];
        uint64_t len;

        store_build(&s, 140 + i, false);
        name = find_file(&s, ".sst", 0);
        snprintf(table, sizeof(table), "%s", name);
        len = file_len(&s, table);
        cut_file(&s, table, len * i / 4);
        assert_int_equal(repair_all_ways(&s), 1);
        expect_most_there(&s, KEY_COUNT / 2);
        store_free(&s);
    }
}

static void a_missing_table_is_dropped(void **state)
{
    struct store s;

    (void)state;
    store_build(&s, 150, false);
    remove_file(&s, find_file(&s, ".sst", 0));
    repair(&s, true);
    assert_true(was_told(&s, "missing; lost"));
    assert_int_equal(repair_all_ways(&s), 1);
    expect_most_there(&s, KEY_COUNT / 2);
    store_free(&s);
}

static void a_damaged_table_and_a_lost_manifest_are_repaired_together(void **state)
{
    struct store s;
    char table[256];

    (void)state;
    store_build(&s, 160, false);
    snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", 1));
    flip_byte(&s, table, file_len(&s, table) / 2);
    remove_file(&s, find_file(&s, "MANIFEST-", 0));
    assert_int_equal(repair_all_ways(&s), 2);
    assert_true(is_lost(&s, table));
    expect_most_there(&s, KEY_COUNT - BLOCK_KEYS);
    store_free(&s);
}

static void whole_files_are_not_touched(void **state)
{
    struct files *before = calloc(2, sizeof(*before)), *after = before + 1;
    struct store s;
    char table[256];

    (void)state;
    store_build(&s, 170, false);
    snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", 1));
    flip_byte(&s, table, file_len(&s, table) / 2);
    files_read(s.dir, before);
    assert_int_equal(repair(&s, false), 1);
    files_read(s.dir, after);
    for (size_t i = 0; i < before->count; i++) {
        const struct file_copy *was = &before->files[i], *is = NULL;

        if (strcmp(was->name, table) == 0 || strcmp(was->name, "CURRENT") == 0)
            continue;
        for (size_t k = 0; k < after->count; k++)
            is = strcmp(after->files[k].name, was->name) ? is : &after->files[k];
        assert_non_null(is);
        assert_true(slice_eq(buf_slice(&was->bytes), buf_slice(&is->bytes)));
    }
    files_free(before);
    files_free(after);
    free(before);
    store_free(&s);
}

struct deletions {
    unsigned count, missing; /* losses of range tombstones; those that leave the key out */
};

static int note_deletions(void *arg, const struct lsm_loss *loss)
{
    struct deletions *d = arg;

    if (loss->kind == LSM_LOSS_DELETIONS) {
        d->count++;
        d->missing += !lsm_loss_concerns(loss, "key00003", 8);
    }
    return 0;
}

/* A table with a few values, and a range tombstone that covers keys before all of them. */
static void build_with_deletion(struct store *s)
{
    struct lsm_batch *b;
    struct lsm_db *db;

    store_init(s, 180);
    s->options.create = true;
    db = store_open(s);
    s->options.create = false;
    assert_int_equal(lsm_put(db, "key00500", 8, "a", 1, 0), 0);
    assert_int_equal(lsm_put(db, "key00501", 8, "b", 1, 0), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, "key00000", 8, "key00005", 8), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_close(db), 0);
}

static void lost_range_tombstones_concern_all_keys_of_the_table(void **state)
{
    struct deletions d = {0};
    struct store s;
    char table[256];

    (void)state;
    build_with_deletion(&s);
    snprintf(table, sizeof(table), "%s", find_file(&s, ".sst", 0));
    for (uint64_t len = file_len(&s, table) - 1; len > 0; len--) {
        cut_file(&s, table, len);
        assert_true(lsm_repair_losses(s.dir, &s.options, true, NULL, note_deletions, &d) >= 1);
    }
    assert_true(d.count > 0);
    assert_int_equal(d.missing, 0);
    store_free(&s);
}

static int note_kind(void *arg, const struct lsm_loss *loss)
{
    *(enum lsm_loss_kind *)arg = loss->kind;
    return 0;
}

static void a_loss_of_a_table_with_impossible_numbers_is_damage(void **state)
{
    const uint64_t seqnos[] = {SEQNO_MAX, SEQNO_MAX + 1, UINT64_MAX};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct lsm_loss loss = loss_of_kind(LSM_LOSS_ENTRIES, "00000001.sst");
        struct losses l = {0};
        enum lsm_loss_kind kind = 0;
        char *dir = scratch_new();
        struct env *env;

        loss.level = 0;
        loss.seqno_max = seqnos[i];
        assert_int_equal(env_posix_open(dir, 0, &env), 0);
        assert_int_equal(losses_add(&l, &loss), 0);
        assert_int_equal(losses_write(env, &l), 0);
        assert_int_equal(losses_read(env, note_kind, &kind), 1);
        assert_int_equal(kind, i == 0 ? LSM_LOSS_ENTRIES : LSM_LOSS_ORDER);
        losses_done(&l);
        env_close(env);
        scratch_free(dir);
    }
}

/* The first key of a loss was read when something stands before the damage, and only then. */
static void the_first_key_is_kept_unless_the_loss_begins_the_table(void **state)
{
    struct lsm_loss loss = {.kind = LSM_LOSS_ENTRIES, .file = "", .level = 0};
    struct lsm_db *db;
    struct store s;

    (void)state;
    build_with_deletion(&s);
    db = store_open(&s);
    loss.first = loss.last = "key00500";
    loss.first_len = loss.last_len = 8;
    loss.seqno_min = 1;
    loss.seqno_max = 3;
    assert_int_equal(lsm_loss_is_covered(db, &loss, "key00500", 8), 0);
    loss.offset = 100;
    assert_int_equal(lsm_loss_is_covered(db, &loss, "key00500", 8), 1);
    assert_int_equal(lsm_close(db), 0);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_with_a_damaged_block_loses_that_block),
        cmocka_unit_test(a_table_whose_end_is_damaged_loses_no_entry),
        cmocka_unit_test(a_table_that_was_cut_short_keeps_its_beginning),
        cmocka_unit_test(a_missing_table_is_dropped),
        cmocka_unit_test(a_damaged_table_and_a_lost_manifest_are_repaired_together),
        cmocka_unit_test(whole_files_are_not_touched),
        cmocka_unit_test(lost_range_tombstones_concern_all_keys_of_the_table),
        cmocka_unit_test(a_loss_of_a_table_with_impossible_numbers_is_damage),
        cmocka_unit_test(the_first_key_is_kept_unless_the_loss_begins_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
