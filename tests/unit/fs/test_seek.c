/*
 * SEEK_DATA and SEEK_HOLE.
 */
#include "unit/fs/file_fixture.h"

enum {
    BLOCK = 4096,
    BLOCKS = 64
};

static void assert_seek(struct file_test *f, uint64_t offset, int whence, int64_t want)
{
    uint64_t found = 0;
    int err = fs_lseek(f->fs, f->ino, offset, whence, &found);

    if (want < 0) {
        assert_int_equal(err, want);
        return;
    }
    assert_int_equal(err, 0);
    assert_int_equal(found, want);
}

static void an_empty_file_has_neither_data_nor_hole(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_seek(&f, 0, SEEK_DATA, -ENXIO);
    assert_seek(&f, 0, SEEK_HOLE, -ENXIO);
    file_test_done(&f);
}

static void a_dense_file_is_data_with_a_hole_at_its_end(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_write(f.fs, f.ino, 0, file_zeros, 10000), 0);
    assert_seek(&f, 0, SEEK_DATA, 0);
    assert_seek(&f, 9999, SEEK_DATA, 9999);
    assert_seek(&f, 10000, SEEK_DATA, -ENXIO);
    assert_seek(&f, 0, SEEK_HOLE, 10000);
    assert_seek(&f, 9999, SEEK_HOLE, 10000);
    assert_seek(&f, 10000, SEEK_HOLE, -ENXIO);
    file_test_done(&f);
}

static void data_far_behind_a_hole_is_found(void **state)
{
    const int64_t far = (int64_t)8 << 40;
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_write(f.fs, f.ino, (uint64_t)far + 10, "data", 4), 0);
    assert_seek(&f, 0, SEEK_DATA, far);
    assert_seek(&f, 0, SEEK_HOLE, 0);
    assert_seek(&f, 5, SEEK_HOLE, 5);
    assert_seek(&f, (uint64_t)far + 12, SEEK_DATA, far + 12);
    assert_seek(&f, (uint64_t)far, SEEK_HOLE, far + 14);
    file_test_done(&f);
}

static void a_file_of_nothing_but_hole_has_no_data(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(file_truncate(&f, f.ino, 100000), 0);
    assert_seek(&f, 0, SEEK_DATA, -ENXIO);
    assert_seek(&f, 99999, SEEK_HOLE, 99999);
    file_test_done(&f);
}

static void a_hole_ends_in_the_middle_of_the_last_block(void **state)
{
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_write(f.fs, f.ino, 2 * BLOCK, "data", 4), 0);
    assert_int_equal(file_truncate(&f, f.ino, 2 * BLOCK + 1000), 0);
    assert_seek(&f, 0, SEEK_DATA, 2 * BLOCK);
    assert_seek(&f, 2 * BLOCK, SEEK_HOLE, 2 * BLOCK + 1000);
    file_test_done(&f);
}

static void neighbours_with_blocks_do_not_show(void **state)
{
    struct file_test f;
    uint64_t next;

    (void)state;
    file_test_new(&f, BLOCK);
    next = file_test_mknod(&f, "next", S_IFREG | 0644);
    assert_int_equal(fs_write(f.fs, next, 0, "data", 4), 0);
    assert_int_equal(file_truncate(&f, f.ino, 100000), 0);
    assert_seek(&f, 0, SEEK_DATA, -ENXIO);
    file_test_done(&f);
}

static void random_holes_are_found_where_blocks_are_missing(void **state)
{
    bool exists[BLOCKS] = {false};
    struct rng r = {4242};
    struct file_test f;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(file_truncate(&f, f.ino, BLOCKS * BLOCK), 0);
    for (int i = 0; i < BLOCKS / 2; i++) {
        uint64_t n = rng_below(&r, BLOCKS);

        exists[n] = true;
        assert_int_equal(fs_write(f.fs, f.ino, n * BLOCK, "x", 1), 0);
    }
    for (int64_t at = 0; at < BLOCKS * BLOCK; at += 1000) {
        for (int hole = 0; hole < 2; hole++) {
            int64_t n = at / BLOCK, want;

            while (n < BLOCKS && exists[n] == (hole == 1))
                n++;
            want = n * BLOCK > at ? n * BLOCK : at;
            if (n == BLOCKS)
                want = hole ? BLOCKS * BLOCK : -ENXIO;
            assert_seek(&f, (uint64_t)at, hole ? SEEK_HOLE : SEEK_DATA, want);
        }
    }
    file_test_done(&f);
}

static void what_cannot_be_sought_is_refused(void **state)
{
    struct file_test f;
    uint64_t at;

    (void)state;
    file_test_new(&f, BLOCK);
    assert_int_equal(fs_lseek(f.fs, f.ino, 0, SEEK_SET, &at), -EINVAL);
    assert_int_equal(fs_lseek(f.fs, FS_ROOT_INO, 0, SEEK_DATA, &at), -EISDIR);
    assert_int_equal(fs_lseek(f.fs, (uint64_t)1 << 50, 0, SEEK_DATA, &at), -ESTALE);
    file_test_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_has_neither_data_nor_hole),
        cmocka_unit_test(a_dense_file_is_data_with_a_hole_at_its_end),
        cmocka_unit_test(data_far_behind_a_hole_is_found),
        cmocka_unit_test(a_file_of_nothing_but_hole_has_no_data),
        cmocka_unit_test(a_hole_ends_in_the_middle_of_the_last_block),
        cmocka_unit_test(neighbours_with_blocks_do_not_show),
        cmocka_unit_test(random_holes_are_found_where_blocks_are_missing),
        cmocka_unit_test(what_cannot_be_sought_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
