/*
 * Files of a store that are missing, cut off, swapped, or damaged two at a time; odd files beside
 * them; a repair that was interrupted; repairs that lose nothing; and what can be done with a block
 * that is lost.
 */
#include <fcntl.h>
#include <linux/falloc.h>

#include "lsm/base/err.h"
#include "unit/fs/damage_fixture.h"

static bool has_suffix(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);

    return len >= n && !strcmp(name + len - n, suffix);
}

static void remove_one(struct damage_store *s, const char *name)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", s->path, name);
    assert_int_equal(unlink(path), 0);
}

/*
 * The repair ends with a store that agrees with itself, and a second one finds nothing. What can be
 * read is right; or the file was told to be perhaps old.
 */
static void repair_and_judge(struct damage_store *s, const char *what)
{
    struct told told, again;
    struct outcome o = {0};
    uint64_t left = 0;
    struct fs *fs;
    int err = repair_at(s->path, &told, &left);

    if (err || left)
        fail_msg("%s: %s\n%s", what, err ? lsm_detail() : "not all was repaired", told.all);
    err = repair_at(s->path, &again, &left);
    if (err || again.problems)
        fail_msg("%s: a second run: %s\n%s", what, err ? lsm_detail() : "finds something",
                 again.all);
    fs = damage_open(s->path, true, &err);
    if (!fs)
        fail_msg("%s: %s", what, lsm_detail());
    compare_image(fs, &s->states[s->state_count - 1], &o);
    if (!is_exact(&o) && !is_some_state(s, fs)) {
        if (o.wrong && !told.old)
            fail_msg("%s: wrong contents of %s\n%s", what, o.wrong_path, told.all);
        if (!told.problems)
            fail_msg("%s: something is lost, and not told", what);
    }
    fs_close(fs);
}

static void a_missing_file_is_noticed_and_the_rest_is_saved(void **state)
{
    struct damage_store *s = damage_new();

    (void)state;
    for (size_t i = 0; i < s->file_count; i++) {
        struct check_store_result r;
        struct told told;

        if (!strcmp(s->files[i].name, "LOCK"))
            continue;
        remove_one(s, s->files[i].name);
        /* Of the last blob files only what the log's end needs may be missing: a torn end. */
        if (check_at(s->path, CHECK_STORE_LOOK, &told, &r) == 0 && !told.problems)
            assert_true(has_suffix(s->files[i].name, ".blob"));
        repair_and_judge(s, s->files[i].name);
        restore(s);
    }
    damage_free(s);
}

static void a_file_that_is_cut_off_is_noticed_and_the_rest_is_saved(void **state)
{
    struct damage_store *s = damage_new();

    (void)state;
    for (size_t i = 0; i < s->file_count; i++) {
        for (size_t k = 0; k < 6; k++) {
            char what[100];

            if (!s->files[i].len || !strcmp(s->files[i].name, "LOCK"))
                continue;
            snprintf(what, sizeof(what), "%s cut to %zu", s->files[i].name,
                     s->files[i].len * k / 6);
            put_file(s->path, s->files[i].name, s->files[i].data, s->files[i].len * k / 6);
            repair_and_judge(s, what);
            restore(s);
        }
    }
    damage_free(s);
}

static void swapped_files_are_not_taken_for_each_other(void **state)
{
    static const char *const kinds[] = {".sst", ".blob"};
    struct damage_store *s = damage_new();

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const struct store_file *a = NULL;

        for (size_t i = 0; i < s->file_count; i++) {
            const struct store_file *b = &s->files[i];

            if (!has_suffix(b->name, kinds[k]))
                continue;
            if (a) {
                put_file(s->path, a->name, b->data, b->len);
                put_file(s->path, b->name, a->data, a->len);
                repair_and_judge(s, b->name);
                restore(s);
            }
            a = b;
        }
    }
    damage_free(s);
}

static void two_damaged_files_are_repaired_together(void **state)
{
    struct damage_store *s = damage_new();
    struct rng rng = {rng_seed(7)};

    (void)state;
    for (unsigned round = 0; round < 25; round++) {
        char what[200] = "";

        for (unsigned k = 0; k < 2; k++) {
            struct store_file *f = &s->files[rng_below(&rng, s->file_count)];
            size_t at = f->len ? (size_t)rng_below(&rng, f->len) : 0;

            if (!f->len || !strcmp(f->name, "LOCK"))
                continue;
            snprintf(what + strlen(what), 90, "%s at %zu ", f->name, at);
            f->data[at] ^= 0x10;
            put_file(s->path, f->name, f->data, f->len);
            f->data[at] ^= 0x10;
        }
        repair_and_judge(s, what);
        restore(s);
    }
    damage_free(s);
}

static void odd_files_and_an_odd_lock_are_no_damage(void **state)
{
    struct damage_store *s = damage_new();
    struct check_store_result r;
    struct told told;

    (void)state;
    put_file(s->path, "LOCK", (const uint8_t *)"\xff\x00garbage", 9);
    put_file(s->path, "core", (const uint8_t *)"x", 1);
    put_file(s->path, "1.sst", (const uint8_t *)"x", 1);
    put_file(s->path, "LOSSES.tmp", (const uint8_t *)"x", 1);
    assert_int_equal(check_at(s->path, CHECK_STORE_LOOK, &told, &r), 0);
    assert_int_equal(told.problems, 0);
    assert_true(r.openable);
    damage_free(s);
}

/* Damage every table in its first block; returns how many. */
static unsigned damage_tables(struct damage_store *s)
{
    unsigned count = 0;

    for (size_t i = 0; i < s->file_count; i++) {
        if (!has_suffix(s->files[i].name, ".sst"))
            continue;
        s->files[i].data[40] ^= 1;
        put_file(s->path, s->files[i].name, s->files[i].data, s->files[i].len);
        s->files[i].data[40] ^= 1;
        count++;
    }
    return count;
}

static void an_interrupted_repair_shows_nothing_until_it_is_completed(void **state)
{
    struct damage_store *s = damage_new();
    struct lsm_options lo;
    int err;

    (void)state;
    super_store_options(&lo);
    assert_true(damage_tables(s) > 2);
    assert_true(lsm_repair(s->path, &lo, false, NULL, NULL) > 0);
    assert_null(damage_open(s->path, true, &err));
    assert_int_equal(-err, ERR_LOSSES_PENDING);
    assert_null(damage_open(s->path, false, &err));
    assert_int_equal(-err, ERR_LOSSES_PENDING);
    repair_and_judge(s, "the second half");
    damage_free(s);
}

static void completing_a_repair_is_a_repair_and_not_a_safe_one(void **state)
{
    struct damage_store *s = damage_new();
    struct check_store_result r;
    struct lsm_options lo;
    struct told told;
    int err;

    (void)state;
    super_store_options(&lo);
    assert_true(damage_tables(s) > 2);
    assert_true(lsm_repair(s->path, &lo, false, NULL, NULL) > 0);
    assert_int_equal(check_at(s->path, CHECK_STORE_SAFE, &told, &r), 0);
    assert_int_equal(r.repair_count, 0);
    assert_true(r.damage_left);
    assert_null(damage_open(s->path, true, &err));
    assert_int_equal(-err, ERR_LOSSES_PENDING);
    assert_int_equal(check_at(s->path, CHECK_STORE_ALL, &told, &r), 0);
    assert_true(r.repair_count > 0);
    assert_false(r.damage_left);
    damage_free(s);
}

static void damaged_losses_are_told_as_losses(void **state)
{
    struct damage_store *s = damage_new();
    struct check_store_result r;
    struct told told;
    int err;

    (void)state;
    put_file(s->path, "LOSSES", (const uint8_t *)"FLUXLOS1 and then nothing of use", 32);
    assert_null(damage_open(s->path, true, &err));
    assert_int_equal(-err, ERR_LOSSES_PENDING);
    assert_int_equal(check_at(s->path, CHECK_STORE_LOOK, &told, &r), 0);
    assert_true(told.problems > 0);
    repair_and_judge(s, "damaged losses");
    damage_free(s);
}

static void what_costs_nothing_is_repaired_and_nothing_else(void **state)
{
    struct damage_store *s = damage_new();
    struct check_store_result r;
    struct told told;

    (void)state;
    for (size_t i = 0; i < s->file_count; i++) {
        struct store_file *f = &s->files[i];

        if (strcmp(f->name, "SUPERBLOCK") != 0)
            continue;
        f->data[4096 + 50] ^= 1;
        put_file(s->path, f->name, f->data, f->len);
        f->data[4096 + 50] ^= 1;
    }
    assert_int_equal(check_at(s->path, CHECK_STORE_SAFE, &told, &r), 0);
    assert_int_equal(r.repair_count, 1);
    assert_false(r.damage_left);
    assert_int_equal(check_at(s->path, CHECK_STORE_LOOK, &told, &r), 0);
    assert_int_equal(told.problems, 0);
    assert_true(damage_tables(s) > 0);
    assert_int_equal(check_at(s->path, CHECK_STORE_SAFE, &told, &r), 0);
    assert_int_equal(r.repair_count, 0);
    assert_true(r.damage_left);
    restore(s);
    damage_free(s);
}

/* --- Lost blocks --- */

static int read_block(struct fs *fs, uint64_t ino, uint64_t block, uint8_t *ret_first)
{
    struct fs_read r;
    int err = fs_read(fs, ino, block * BLOCK, 100, &r);

    if (err)
        return -err;
    *ret_first = r.iov_count ? *(const uint8_t *)r.iov[0].iov_base : 0;
    fs_read_done(&r);
    return 0;
}

static void lose_block(struct fs *fs, uint64_t ino, uint64_t block)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(block_mark_lost(b, ino, block, BLOCK), 0);
    assert_int_equal(lsm_write(fs_db(fs), b, 0), 0);
    lsm_batch_free(b);
}

static void a_lost_block_is_an_error_until_all_of_it_is_written(void **state)
{
    struct damage_store *s = damage_new();
    struct fs *fs = damage_open(s->path, false, NULL);
    struct fs_attr a, size = {.size = 3 * BLOCK + 50};
    uint8_t first, block[BLOCK];

    (void)state;
    memset(block, 7, sizeof(block));
    assert_int_equal(fs_resolve(fs, "dir/a", &a), 0);
    for (uint64_t n = 0; n < 4; n++)
        lose_block(fs, a.ino, n);
    for (uint64_t n = 0; n < 4; n++)
        assert_int_equal(read_block(fs, a.ino, n, &first), ERR_BLOCK_LOST);
    assert_int_equal(fs_write(fs, a.ino, 0, block, 100), 0);
    assert_int_equal(read_block(fs, a.ino, 0, &first), ERR_BLOCK_LOST);
    assert_int_equal(fs_write(fs, a.ino, 0, block, BLOCK), 0);
    assert_int_equal(read_block(fs, a.ino, 0, &first), 0);
    assert_int_equal(first, 7);
    assert_int_equal(
        fs_fallocate(fs, a.ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BLOCK, BLOCK), 0);
    assert_int_equal(read_block(fs, a.ino, 1, &first), 0);
    assert_int_equal(first, 0);
    /* Cutting the file within a lost block saves nothing of it. */
    assert_int_equal(fs_setattr(fs, a.ino, &size, FS_SET_SIZE, &size), 0);
    assert_int_equal(read_block(fs, a.ino, 3, &first), ERR_BLOCK_LOST);
    assert_int_equal(fs_write(fs, a.ino, 3 * BLOCK, block, 50), 0);
    assert_int_equal(read_block(fs, a.ino, 3, &first), 0);
    assert_int_equal(lsm_compact_range(fs_db(fs), NULL, 0, NULL, 0), 0);
    assert_int_equal(read_block(fs, a.ino, 2, &first), ERR_BLOCK_LOST);
    assert_int_equal(fs_close(fs), 0);
    damage_free(s);
}

static void a_lost_block_is_not_copied(void **state)
{
    struct damage_store *s = damage_new();
    struct fs *fs = damage_open(s->path, false, NULL);
    const struct fs_cred cred = {0};
    struct fs_attr a, to;
    uint64_t copied;

    (void)state;
    assert_int_equal(fs_resolve(fs, "dir/a", &a), 0);
    assert_int_equal(fs_mknod(fs, FS_ROOT_INO, "to", S_IFREG | 0600, 0, &cred, &to), 0);
    lose_block(fs, a.ino, 1);
    for (int compacted = 0; compacted < 2; compacted++) {
        assert_int_equal(fs_copy_range(fs, a.ino, 0, to.ino, 0, 3 * BLOCK, NULL, NULL, &copied),
                         -ERR_BLOCK_LOST);
        assert_int_equal(fs_copy_range(fs, a.ino, 2 * BLOCK, to.ino, 0, BLOCK, NULL, NULL, &copied),
                         0);
        assert_int_equal(lsm_compact_range(fs_db(fs), NULL, 0, NULL, 0), 0);
    }
    assert_int_equal(fs_close(fs), 0);
    damage_free(s);
}

static void a_lost_block_is_no_problem_of_a_later_check(void **state)
{
    struct damage_store *s = damage_new();
    struct fs *fs = damage_open(s->path, false, NULL);
    struct told told;
    uint64_t left = 1;
    struct fs_attr a;

    (void)state;
    assert_int_equal(fs_resolve(fs, "dir/a", &a), 0);
    lose_block(fs, a.ino, 3);
    assert_int_equal(fs_close(fs), 0);
    assert_int_equal(repair_at(s->path, &told, &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(told.problems, 0);
    assert_non_null(strstr(told.all, "/dir/a: "));
    assert_non_null(strstr(told.all, "lost since an earlier repair"));
    damage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_file_is_noticed_and_the_rest_is_saved),
        cmocka_unit_test(a_file_that_is_cut_off_is_noticed_and_the_rest_is_saved),
        cmocka_unit_test(swapped_files_are_not_taken_for_each_other),
        cmocka_unit_test(two_damaged_files_are_repaired_together),
        cmocka_unit_test(odd_files_and_an_odd_lock_are_no_damage),
        cmocka_unit_test(an_interrupted_repair_shows_nothing_until_it_is_completed),
        cmocka_unit_test(completing_a_repair_is_a_repair_and_not_a_safe_one),
        cmocka_unit_test(damaged_losses_are_told_as_losses),
        cmocka_unit_test(what_costs_nothing_is_repaired_and_nothing_else),
        cmocka_unit_test(a_lost_block_is_an_error_until_all_of_it_is_written),
        cmocka_unit_test(a_lost_block_is_not_copied),
        cmocka_unit_test(a_lost_block_is_no_problem_of_a_later_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
