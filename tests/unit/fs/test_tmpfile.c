/*
 * Files without a name: orphans from the beginning, which a link may adopt.
 */
#include <fcntl.h>

#include "lib/env_fault.h"
#include "lib/rng.h"
#include "lsm/db/db.h"
#include "unit/fs/fs_fixture.h"

static uint64_t make_tmpfile(struct fs *fs, uint64_t parent, bool may_link)
{
    struct fs_attr a;

    assert_int_equal(fs_tmpfile(fs, parent, S_IFREG | 04640, may_link, &cred0, &a), 0);
    assert_int_equal(a.mode, S_IFREG | 04640);
    assert_int_equal(a.nlink, 0);
    assert_int_equal(a.uid, cred0.uid);
    return a.ino;
}

static void assert_reads(struct fs *fs, uint64_t ino, const char *want)
{
    struct fs_read r;

    assert_int_equal(fs_read(fs, ino, 0, 100, &r), 0);
    assert_int_equal(r.len, strlen(want));
    assert_memory_equal(r.iov[0].iov_base, want, r.len);
    fs_read_done(&r);
}

static void a_tmpfile_is_an_orphan_and_goes_when_it_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct fs_attr before = attr_of(f->fs, 1), a;
    uint64_t ino = make_tmpfile(f->fs, 1, true);

    assert_true(fs_is_orphan(f->fs, ino));
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 1);
    /* The directory gave a number, and shows nothing of it. */
    a = attr_of(f->fs, 1);
    assert_int_equal(a.size, before.size);
    assert_memory_equal(&a.mtime, &before.mtime, sizeof(a.mtime));
    assert_int_equal(fs_write(f->fs, ino, 0, "contents", 8), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", "v", 1, 0), 0);
    assert_reads(f->fs, ino, "contents");
    everything_agrees(f->fs);
    assert_int_equal(fs_purge(f->fs, ino), 0);
    assert_int_equal(fs_getattr(f->fs, ino, &a), -ESTALE);
    assert_int_equal(key_count(f->fs, KEY_BLOCK), 0);
    assert_int_equal(everything_agrees(f->fs), 1);
}

static void numbers_of_tmpfiles_are_not_given_again(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_tmpfile(f->fs, 1, true);

    assert_int_equal(fs_purge(f->fs, ino), 0);
    assert_true(make_file(f->fs, 1, "next") > ino);
    everything_agrees(f->fs);
}

static void a_link_makes_a_tmpfile_a_file(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), ino = make_tmpfile(f->fs, 1, true);
    struct fs_attr a;

    assert_int_equal(fs_write(f->fs, ino, 0, "contents", 8), 0);
    assert_int_equal(fs_link(f->fs, ino, dir, "name", &a), 0);
    assert_int_equal(a.nlink, 1);
    assert_false(fs_is_orphan(f->fs, ino));
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
    assert_int_equal(fs_purge(f->fs, ino), 0); /* does nothing */
    assert_int_equal(fs_link(f->fs, ino, 1, "second", &a), 0);
    assert_int_equal(a.nlink, 2);
    everything_agrees(f->fs);
    fixture_reopen(f);
    assert_int_equal(ino_of(f->fs, dir, "name"), ino);
    assert_reads(f->fs, ino, "contents");
    /* Now it is like any other. */
    assert_int_equal(fs_unlink(f->fs, dir, "name"), 0);
    assert_int_equal(fs_unlink(f->fs, 1, "second"), 0);
    assert_int_equal(fs_link(f->fs, ino, 1, "again", &a), -ENOENT);
    everything_agrees(f->fs);
}

static void a_link_that_fails_leaves_the_tmpfile_as_it_was(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_tmpfile(f->fs, 1, true), gone = make_dir(f->fs, 1, "gone");
    struct fs_attr a;

    make_file(f->fs, 1, "taken");
    assert_int_equal(fs_rmdir(f->fs, 1, "gone"), 0);
    assert_int_equal(fs_link(f->fs, ino, 1, "taken", &a), -EEXIST);
    assert_int_equal(fs_link(f->fs, ino, gone, "name", &a), -ENOENT);
    assert_int_equal(fs_link(f->fs, ino, ino, "name", &a), -ENOTDIR);
    assert_true(fs_is_orphan(f->fs, ino));
    everything_agrees(f->fs);
    assert_int_equal(fs_link(f->fs, ino, 1, "name", &a), 0);
    everything_agrees(f->fs);
}

static void what_must_not_be_linked_is_not(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_tmpfile(f->fs, 1, false);
    struct fs_attr a;

    assert_int_equal(fs_link(f->fs, ino, 1, "name", &a), -ENOENT);
    assert_true(fs_is_orphan(f->fs, ino));
    everything_agrees(f->fs);
}

static void a_tmpfile_needs_a_directory_that_is_there(void **state)
{
    struct fixture *f = *state;
    uint64_t file = make_file(f->fs, 1, "file"), gone = make_dir(f->fs, 1, "gone");
    struct fs_attr a;

    assert_int_equal(fs_tmpfile(f->fs, file, 0600, true, &cred0, &a), -ENOTDIR);
    assert_int_equal(fs_tmpfile(f->fs, 1 << 20, 0600, true, &cred0, &a), -ESTALE);
    assert_int_equal(fs_rmdir(f->fs, 1, "gone"), 0);
    assert_int_equal(fs_tmpfile(f->fs, gone, 0600, true, &cred0, &a), -ENOENT);
    everything_agrees(f->fs);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, true), 0);
    assert_int_equal(fs_tmpfile(f->fs, 1, 0600, true, &cred0, &a), -EROFS);
}

static void a_setgid_directory_gives_its_group(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make(f->fs, 1, "dir", S_IFDIR | S_ISGID | 0777);
    struct fs_attr a = {.gid = 77};
    struct fs_cred cred = {.uid = 5, .gid = 6};

    assert_int_equal(fs_setattr(f->fs, dir, &a, FS_SET_GID, &a), 0);
    assert_int_equal(fs_tmpfile(f->fs, dir, 0600, true, &cred, &a), 0);
    assert_int_equal(a.gid, 77);
    assert_int_equal(a.uid, 5);
}

/* --- Crashes --- */

struct crash {
    struct fixture *f;
    struct env_fault *fault;
};

static void open_on_fault(struct crash *c)
{
    struct lsm_options o;
    struct lsm_db *db;

    lsm_options_default(&o);
    if (db_open(env_fault_env(c->fault), &o, &db))
        fail_msg("open: %s", lsm_detail());
    assert_int_equal(fs_open_on(db, NULL, &c->f->fs), 0);
}

/* How far did it come? 0: nothing, 1: made, 2: written, 3: linked. */
static int make_write_link(struct fs *fs, bool sync)
{
    struct fs_attr a;

    if (fs_tmpfile(fs, 1, 0600, true, &cred0, &a))
        return 0;
    if (fs_write(fs, a.ino, 0, "contents", 8))
        return 1;
    if (fs_link(fs, a.ino, 1, "name", &a) || (sync && fs_sync(fs)))
        return 2;
    return 3;
}

static void crash_at(uint64_t nth, bool sync, bool *ret_happened)
{
    struct crash c = {.f = fixture_dir()};
    struct fs_mkfs_options mkfs = {.block_len = 4096};
    struct env *base;
    uint64_t ino;
    int reached;

    assert_int_equal(fs_mkfs(c.f->path, &mkfs), 0);
    assert_int_equal(env_posix_open(c.f->path, 0, &base), 0);
    assert_int_equal(env_fault_open(base, &c.fault), 0);
    open_on_fault(&c);
    env_fault_fail(c.fault, ENV_FAULT_CHANGES, nth, EIO, true);
    reached = make_write_link(c.f->fs, sync);
    *ret_happened = env_fault_happened(c.fault);
    env_fault_cut_power(c.fault);
    fs_close(c.f->fs);
    assert_int_equal(env_fault_crash(c.fault, nth % 2 ? ENV_FAULT_KEEP_BYTES : 0, nth), 0);
    open_on_fault(&c);
    /* Opening has purged what has no name. */
    assert_int_equal(key_count(c.f->fs, KEY_ORPHAN), 0);
    ino = ino_of(c.f->fs, 1, "name");
    if (ino)
        assert_reads(c.f->fs, ino, "contents");
    assert_true(ino || reached < 3 || !sync);
    assert_int_equal(everything_agrees(c.f->fs), ino ? 2 : 1);
    assert_int_equal(fs_close(c.f->fs), 0);
    env_fault_close(c.fault);
    fixture_free(c.f);
}

static void a_crash_leaves_a_file_with_a_name_or_nothing(void **state)
{
    bool happened = true;

    (void)state;
    for (int sync = 0; sync < 2; sync++) {
        happened = true;
        for (uint64_t nth = 1; happened; nth++)
            crash_at(nth, sync, &happened);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(a_tmpfile_is_an_orphan_and_goes_when_it_is_forgotten),
        FS_TEST(numbers_of_tmpfiles_are_not_given_again),
        FS_TEST(a_link_makes_a_tmpfile_a_file),
        FS_TEST(a_link_that_fails_leaves_the_tmpfile_as_it_was),
        FS_TEST(what_must_not_be_linked_is_not),
        FS_TEST(a_tmpfile_needs_a_directory_that_is_there),
        FS_TEST(a_setgid_directory_gives_its_group),
        cmocka_unit_test(a_crash_leaves_a_file_with_a_name_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
