/*
 * Blocks that a copy shares with the file that it was made of: what becomes of one of the two, and
 * what a repair does to it, does not reach the other.
 */
#include "unit/fs/file_fixture.h"
#include "unit/fs/fsck_fixture.h"

enum {
    SHARED_LEN = 65536, /* of blocks: large enough for blob files */
    DATA_LEN = 10 * SHARED_LEN + 20000
};

static const uint8_t *data(void)
{
    static uint8_t bytes[DATA_LEN];
    struct rng rng = {7};

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    return bytes;
}

static void assert_data(struct file_test *f, uint64_t ino)
{
    uint8_t *got = malloc(DATA_LEN);

    assert_non_null(got);
    assert_int_equal(file_size(f, ino), DATA_LEN);
    assert_int_equal(file_read(f, ino, 0, got, DATA_LEN), DATA_LEN);
    assert_memory_equal(got, data(), DATA_LEN);
    free(got);
}

static void lose_record(struct fixture *f, uint64_t ino)
{
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    del(f, &k);
}

static void lose_blocks(struct fixture *f, uint64_t ino)
{
    for (uint64_t i = 0; i <= DATA_LEN / SHARED_LEN; i++) {
        struct key k;

        key_block(&k, ino, i);
        del(f, &k);
    }
}

static void lose_name(struct fixture *f, uint64_t ino)
{
    (void)ino;
    drop_entry(f, FS_ROOT_INO, "file");
}

static void lose_record_and_name(struct fixture *f, uint64_t ino)
{
    lose_record(f, ino);
    lose_name(f, ino);
}

static void lose_all(struct fixture *f, uint64_t ino)
{
    lose_record_and_name(f, ino);
    lose_blocks(f, ino);
}

/* Everything that nothing leads to any more is out of the files. */
static void compact(struct file_test *f)
{
    assert_int_equal(lsm_flush(fs_db(f->fs)), 0);
    assert_int_equal(lsm_compact_range(fs_db(f->fs), NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_verify(fs_db(f->fs), NULL, NULL, NULL), 0);
}

static void with_damage(void (*damage)(struct fixture *f, uint64_t ino), bool first_is_damaged)
{
    struct file_test f;
    struct fs_attr a;
    uint64_t copy, dir, copied, lost, kept;

    file_test_new(&f, SHARED_LEN);
    dir = make_dir(f.fs, FS_ROOT_INO, "dir");
    copy = make_file(f.fs, dir, "copy");
    assert_int_equal(fs_write(f.fs, f.ino, 0, data(), DATA_LEN), 0);
    assert_int_equal(fs_copy_range(f.fs, f.ino, 0, copy, 0, DATA_LEN, NULL, NULL, &copied), 0);
    assert_int_equal(fs_link(f.fs, copy, dir, "hard", &a), 0);
    if (!first_is_damaged) {
        assert_int_equal(fs_rename(f.fs, FS_ROOT_INO, "file", dir, "other", 0), 0);
        assert_int_equal(fs_rename(f.fs, dir, "copy", FS_ROOT_INO, "file", 0), 0);
        assert_int_equal(fs_unlink(f.fs, dir, "hard"), 0);
    }
    lost = first_is_damaged ? f.ino : copy;
    kept = first_is_damaged ? copy : f.ino;
    damage(f.base, lost);
    compact(&f);
    assert_true(repair(f.base, false).done > 0);
    expect_clean(f.base);
    assert_int_equal(repair(f.base, false).done, 0);
    compact(&f);
    file_test_reopen(&f);
    assert_data(&f, kept);
    if (damage == lose_record || damage == lose_name || damage == lose_record_and_name)
        assert_data(&f, lost);
    /* And when the damaged one is deleted. */
    if (ino_of(f.fs, FS_ROOT_INO, "file"))
        assert_int_equal(fs_unlink(f.fs, FS_ROOT_INO, "file"), 0);
    compact(&f);
    file_test_reopen(&f);
    assert_data(&f, kept);
    expect_clean(f.base);
    file_test_done(&f);
}

static void each_of_two_that_share_is_repaired_by_itself(void **state)
{
    static void (*const kinds[])(struct fixture * f, uint64_t ino) = {
        lose_record, lose_blocks, lose_name, lose_record_and_name, lose_all,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        with_damage(kinds[i], true);
        with_damage(kinds[i], false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_two_that_share_is_repaired_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
