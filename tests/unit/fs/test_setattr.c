/*
 * Changing attributes.
 */
#include "unit/fs/fs_fixture.h"

static void mode_and_owner_change_alone(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr set = {.mode = S_IFDIR | 04751, .uid = 1, .gid = 2, .size = 999}, a, before;

    before = attr_of(f->fs, ino);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_MODE, &a), 0);
    assert_int_equal(a.mode, S_IFREG | 04751); /* the type stays */
    assert_int_equal(a.uid, before.uid);
    assert_int_equal(a.size, 0);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_UID, &a), 0);
    assert_int_equal(a.uid, 1);
    assert_int_equal(a.gid, before.gid);
    assert_int_equal(a.mode, S_IFREG | 04751); /* clearing suid is the caller's business */
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_GID, &a), 0);
    assert_int_equal(a.gid, 2);
    assert_true(time_is(&a.btime, before.btime.tv_sec, before.btime.tv_nsec));
    before = attr_of(f->fs, ino);
    assert_memory_equal(&a, &before, sizeof(a));
    assert_int_equal(fs_setattr(f->fs, 4711, &set, FS_SET_MODE, &a), -ESTALE);
}

static void times_are_kept_to_the_nanosecond_for_all_ages(void **state)
{
    static const int64_t secs[] = {-1, 0, 1, -62135596800, 2147483648, 253402300799, INT64_MAX};
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");

    for (size_t i = 0; i < sizeof(secs) / sizeof(*secs); i++) {
        struct fs_attr set = {.atime = {secs[i], 1}, .mtime = {secs[i], 999999999}}, a;

        assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_ATIME | FS_SET_MTIME, &a), 0);
        fixture_reopen(f);
        a = attr_of(f->fs, ino);
        assert_true(time_is(&a.atime, secs[i], 1));
        assert_true(time_is(&a.mtime, secs[i], 999999999));
    }
}

static void impossible_nanoseconds_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr set = {.atime = {1, 1000000000}, .mtime = {1, -1}}, a;

    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_ATIME, &a), -EINVAL);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_MTIME, &a), -EINVAL);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_MODE, &a), 0); /* not asked for */
}

static void now_is_now_and_ctime_follows(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr old = {.atime = {1, 1}, .mtime = {2, 2}, .ctime = {3, 3}}, a;
    unsigned all = FS_SET_ATIME | FS_SET_MTIME | FS_SET_CTIME;
    struct timespec now;

    inode_now(&now);
    assert_int_equal(fs_setattr(f->fs, ino, &old, all, &a), 0);
    assert_true(time_is(&a.atime, 1, 1) && time_is(&a.mtime, 2, 2) && time_is(&a.ctime, 3, 3));
    assert_int_equal(fs_setattr(f->fs, ino, &old, FS_SET_ATIME_NOW, &a), 0);
    assert_true(a.atime.tv_sec >= now.tv_sec && time_is(&a.mtime, 2, 2));
    assert_true(a.ctime.tv_sec >= now.tv_sec);
    assert_int_equal(fs_setattr(f->fs, ino, &old, all, &a), 0);
    assert_int_equal(fs_setattr(f->fs, ino, &old, FS_SET_MTIME_NOW, &a), 0);
    assert_true(a.mtime.tv_sec >= now.tv_sec && time_is(&a.atime, 1, 1));
    assert_int_equal(fs_setattr(f->fs, ino, &old, all, &a), 0);
    /* chown(-1, -1) changes nothing but ctime. */
    assert_int_equal(fs_setattr(f->fs, ino, &old, 0, &a), 0);
    assert_true(a.ctime.tv_sec >= now.tv_sec && time_is(&a.mtime, 2, 2));
}

static void size_changes_the_contents_and_the_times(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr set = {.size = 10000, .mtime = {2, 2}, .ctime = {3, 3}}, a;

    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_MTIME | FS_SET_CTIME, &a), 0);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_SIZE, &a), 0);
    assert_int_equal(a.size, 10000);
    assert_int_equal(a.blocks, 0);
    assert_true(a.mtime.tv_sec > 2 && a.ctime.tv_sec > 3);
    assert_int_equal(fs_write(f->fs, ino, 0, "hello", 5), 0);
    set.size = 3;
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_SIZE | FS_SET_MTIME, &a), 0);
    assert_int_equal(a.size, 3);
    assert_true(time_is(&a.mtime, 2, 2));
    set.size = 0;
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_SIZE, &a), 0);
    assert_int_equal(key_count(f->fs, KEY_BLOCK), 0);
    set.size = FS_FILE_LEN_MAX;
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_SIZE, &a), 0);
    set.size = FS_FILE_LEN_MAX + 1;
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_SIZE, &a), -EFBIG);
    assert_int_equal(fs_setattr(f->fs, 1, &set, FS_SET_SIZE, &a), -EISDIR);
    ino = make(f->fs, 1, "fifo", S_IFIFO | 0600);
    set.size = 1;
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_SIZE, &a), -EINVAL);
}

static void an_orphan_can_be_changed(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr set = {.mode = 0600, .size = 5}, a;

    assert_int_equal(fs_unlink(f->fs, 1, "file"), 0);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_MODE | FS_SET_SIZE, &a), 0);
    assert_int_equal(a.nlink, 0);
    assert_int_equal(a.size, 5);
    everything_agrees(f->fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(mode_and_owner_change_alone),
        FS_TEST(times_are_kept_to_the_nanosecond_for_all_ages),
        FS_TEST(impossible_nanoseconds_are_refused),
        FS_TEST(now_is_now_and_ctime_follows),
        FS_TEST(size_changes_the_contents_and_the_times),
        FS_TEST(an_orphan_can_be_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
