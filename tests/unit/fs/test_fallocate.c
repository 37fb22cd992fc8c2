/*
 * fallocate: which modes there are, what they do to length, contents, blocks and times.
 */
#include "unit/fs/file_fixture.h"

#include <linux/falloc.h>

enum {
    BLOCK = 4096
};

static void fill(struct file_test *f, size_t len)
{
    uint8_t *data = malloc(len);

    assert_non_null(data);
    memset(data, 'x', len);
    assert_int_equal(fs_write(f->fs, f->ino, 0, data, len), 0);
    free(data);
}

static uint64_t blocks_of(struct file_test *f)
{
    struct inode in;

    assert_int_equal(inode_get(f->fs, f->ino, &in), 0);
    assert_blocks_exact(f, f->ino);
    return in.block_count;
}

/* The file reads as 'x', but as zeros in [from, to). */
static void assert_zeroed(struct file_test *f, size_t size, size_t from, size_t to)
{
    uint8_t *buf = malloc(size);

    assert_non_null(buf);
    assert_int_equal(file_size(f, f->ino), size);
    assert_int_equal(file_read(f, f->ino, 0, buf, size), size);
    for (size_t i = 0; i < size; i++)
        if (buf[i] != (i >= from && i < to ? 0 : 'x'))
            fail_msg("byte %zu is %u", i, buf[i]);
    free(buf);
}

static void reserving_extends_the_length_and_makes_no_block(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_fallocate(f.fs, f.ino, 0, 1000, 100000), 0);
    assert_int_equal(file_size(&f, f.ino), 101000);
    assert_int_equal(blocks_of(&f), 0);
    assert_int_equal(fs_fallocate(f.fs, f.ino, 0, 0, 10), 0);
    assert_int_equal(file_size(&f, f.ino), 101000);
    assert_int_equal(fs_write(f.fs, f.ino, 50000, "data", 4), 0);
    assert_int_equal(blocks_of(&f), 1);
    file_test_done(&f);
}

static void reserving_behind_the_end_keeps_the_length(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_KEEP_SIZE, 0, 100000), 0);
    assert_int_equal(file_size(&f, f.ino), 0);
    file_test_done(&f);
}

static void reserving_more_than_the_disk_has_is_refused(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_fallocate(f.fs, f.ino, 0, 0, (uint64_t)1 << 60), -ENOSPC);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_KEEP_SIZE, 0, (uint64_t)1 << 60), -ENOSPC);
    assert_int_equal(file_size(&f, f.ino), 0);
    file_test_done(&f);
}

static void a_punched_hole_reads_as_zeros_and_loses_its_whole_blocks(void **state)
{
    static const struct {
        size_t from, to, blocks_left;
    } cases[] = {
        {100, 200, 10},
        {BLOCK, 2 * BLOCK, 9},
        {BLOCK - 1, 2 * BLOCK + 1, 9},
        {0, BLOCK, 9},
        {100, 5 * BLOCK + 100, 6},
        {BLOCK - 10, BLOCK + 10, 10},
        {9 * BLOCK + 10, 9 * BLOCK + 100, 10},
        {9 * BLOCK, 9 * BLOCK + 100, 9},
        {8 * BLOCK + 1, 100 * BLOCK, 9},
        {0, 100 * BLOCK, 0},
    };
    const size_t size = 9 * BLOCK + 100;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct file_test f;

        file_test_new(&f, BLOCK);
        fill(&f, size);
        assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                      cases[i].from, cases[i].to - cases[i].from),
                         0);
        assert_zeroed(&f, size, cases[i].from, cases[i].to < size ? cases[i].to : size);
        assert_int_equal(blocks_of(&f), cases[i].blocks_left);
        file_test_reopen(&f);
        assert_zeroed(&f, size, cases[i].from, cases[i].to < size ? cases[i].to : size);
        file_test_done(&f);
    }
}

static void punching_a_hole_makes_no_block(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(file_truncate(&f, f.ino, 100 * BLOCK), 0);
    assert_int_equal(fs_write(f.fs, f.ino, 50 * BLOCK, "data", 4), 0);
    assert_int_equal(
        fs_fallocate(f.fs, f.ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 20 * BLOCK), 0);
    assert_int_equal(blocks_of(&f), 1);
    file_test_done(&f);
}

static void a_zeroed_range_extends_the_file_unless_told_not_to(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    fill(&f, 1000);
    assert_int_equal(
        fs_fallocate(f.fs, f.ino, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 900, 10000), 0);
    assert_zeroed(&f, 1000, 900, 1000);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_ZERO_RANGE, 800, 10000), 0);
    assert_zeroed(&f, 10800, 800, 10800);
    file_test_done(&f);
}

static void other_modes_are_not_supported(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    fill(&f, 10 * BLOCK);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK), -EOPNOTSUPP);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_INSERT_RANGE, 0, BLOCK), -EOPNOTSUPP);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_PUNCH_HOLE, 0, BLOCK), -EOPNOTSUPP);
    assert_int_equal(fs_fallocate(f.fs, f.ino, FALLOC_FL_UNSHARE_RANGE, 0, BLOCK), -EOPNOTSUPP);
    assert_zeroed(&f, 10 * BLOCK, 0, 0);
    file_test_done(&f);
}

static void bad_ranges_and_bad_inodes_are_refused(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_fallocate(f.fs, f.ino, 0, 0, 0), -EINVAL);
    assert_int_equal(fs_fallocate(f.fs, f.ino, 0, FS_FILE_LEN_MAX, 1), -EFBIG);
    assert_int_equal(fs_fallocate(f.fs, f.ino, 0, UINT64_MAX, UINT64_MAX), -EFBIG);
    assert_int_equal(fs_fallocate(f.fs, FS_ROOT_INO, 0, 0, 1), -EISDIR);
    assert_int_equal(fs_fallocate(f.fs, (uint64_t)1 << 50, 0, 0, 1), -ESTALE);
    file_test_done(&f);
}

static void every_mode_changes_the_times(void **state)
{
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE};
    struct fs_attr before, after, old = {.mtime = {.tv_sec = 1}};
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    fill(&f, 10 * BLOCK);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(fs_setattr(f.fs, f.ino, &old, FS_SET_MTIME, &before), 0);
        assert_int_equal(before.mtime.tv_sec, 1);
        assert_int_equal(fs_fallocate(f.fs, f.ino, modes[i], 0, BLOCK), 0);
        assert_int_equal(fs_getattr(f.fs, f.ino, &after), 0);
        assert_true(after.mtime.tv_sec > 1);
        assert_int_equal(after.mtime.tv_sec, after.ctime.tv_sec);
    }
    file_test_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserving_extends_the_length_and_makes_no_block),
        cmocka_unit_test(reserving_behind_the_end_keeps_the_length),
        cmocka_unit_test(reserving_more_than_the_disk_has_is_refused),
        cmocka_unit_test(a_punched_hole_reads_as_zeros_and_loses_its_whole_blocks),
        cmocka_unit_test(punching_a_hole_makes_no_block),
        cmocka_unit_test(a_zeroed_range_extends_the_file_unless_told_not_to),
        cmocka_unit_test(other_modes_are_not_supported),
        cmocka_unit_test(bad_ranges_and_bad_inodes_are_refused),
        cmocka_unit_test(every_mode_changes_the_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
