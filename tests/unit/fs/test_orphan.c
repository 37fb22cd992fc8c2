/*
 * Orphans: they live until they are forgotten, and no longer than the process.
 */
#include <sys/wait.h>

#include "unit/fs/fs_fixture.h"

static void an_orphan_lives_until_it_is_purged(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr a;
    struct fs_read r;

    assert_int_equal(fs_write(f->fs, ino, 0, "contents", 8), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", "v", 1, 0), 0);
    assert_false(fs_is_orphan(f->fs, ino));
    assert_int_equal(fs_purge(f->fs, ino), 0); /* does nothing */
    assert_int_equal(attr_of(f->fs, ino).nlink, 1);
    assert_int_equal(fs_unlink(f->fs, 1, "file"), 0);
    assert_true(fs_is_orphan(f->fs, ino));
    assert_false(fs_is_orphan(f->fs, ino + 1));
    assert_int_equal(fs_read(f->fs, ino, 0, 100, &r), 0);
    assert_int_equal(r.len, 8);
    fs_read_done(&r);
    assert_int_equal(fs_write(f->fs, ino, 8, " more", 5), 0);
    everything_agrees(f->fs);
    assert_int_equal(fs_purge(f->fs, ino), 0);
    assert_false(fs_is_orphan(f->fs, ino));
    assert_int_equal(fs_purge(f->fs, ino), 0);
    assert_int_equal(fs_getattr(f->fs, ino, &a), -ESTALE);
    assert_int_equal(key_count(f->fs, KEY_BLOCK), 0);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 0);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
    assert_int_equal(everything_agrees(f->fs), 1);
}

static void make_orphans(struct fs *fs, int count)
{
    char name[32];

    for (int i = 0; i < count; i++) {
        uint64_t ino;

        snprintf(name, sizeof(name), "file %d", i);
        if (i % 10 == 0) {
            make_dir(fs, 1, name);
            assert_int_equal(fs_rmdir(fs, 1, name), 0);
            continue;
        }
        ino = make_file(fs, 1, name);
        assert_int_equal(fs_write(fs, ino, 5000, "x", 1), 0);
        assert_int_equal(fs_unlink(fs, 1, name), 0);
    }
}

static void closing_purges_what_is_left(void **state)
{
    struct fixture *f = *state;

    make_orphans(f->fs, 500);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 500);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, true), 0); /* read-only: opening cannot have done it */
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
    assert_int_equal(key_count(f->fs, KEY_BLOCK), 0);
    assert_int_equal(everything_agrees(f->fs), 1);
}

/* A process that dies without closing. */
static void run_and_die(struct fixture *f, void (*run)(struct fs *fs))
{
    pid_t pid;
    int status;

    assert_int_equal(fs_close(f->fs), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (fixture_open(f, false))
            _exit(1);
        run(f->fs);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void die_with_orphans(struct fs *fs)
{
    make_orphans(fs, 100);
    make_file(fs, 1, "stays");
}

static void opening_purges_what_a_killed_process_left(void **state)
{
    struct fixture *f = *state;

    run_and_die(f, die_with_orphans);
    assert_int_equal(fixture_open(f, true), 0);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 100); /* read-only purges nothing */
    everything_agrees(f->fs);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 0);
    assert_int_equal(key_count(f->fs, KEY_BLOCK), 0);
    assert_int_equal(everything_agrees(f->fs), 2);
    assert_int_not_equal(ino_of(f->fs, 1, "stays"), 0);
}

static void die_after_making(struct fs *fs)
{
    char name[32];
    uint64_t dir = ino_of(fs, 1, "dir");

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "%d-%d", (int)getpid(), i);
        make_file(fs, make_dir(fs, dir, name), "inside");
    }
}

static void a_killed_process_loses_nothing_and_numbers_stay_unique(void **state)
{
    struct fixture *f = *state;

    make_dir(f->fs, 1, "dir");
    for (int i = 0; i < 3; i++) {
        run_and_die(f, die_after_making);
        assert_int_equal(fixture_open(f, false), 0);
        /* Two inodes with one number would show as a wrong link count. */
        assert_int_equal(everything_agrees(f->fs), 2 + 40 * (i + 1));
    }
}

static void a_damaged_orphan_keeps_nothing_from_opening(void **state)
{
    struct fixture *f = *state;
    struct key k;
    uint64_t live = make_file(f->fs, 1, "live"), bad = make_file(f->fs, 1, "bad");

    /* Listed, but alive; listed with a damaged record; listed, but gone. */
    key_ino(&k, KEY_ORPHAN, live);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "", 0, 0), 0);
    assert_int_equal(fs_unlink(f->fs, 1, "bad"), 0);
    orphans_remove(f->fs->orphans, bad); /* so that closing leaves it */
    key_ino(&k, KEY_INODE, bad);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "\1", 1, 0), 0);
    key_ino(&k, KEY_ORPHAN, 4711);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "", 0, 0), 0);
    fixture_reopen(f);
    assert_int_equal(key_count(f->fs, KEY_ORPHAN), 2);
    assert_int_equal(ino_of(f->fs, 1, "live"), live);
    assert_int_equal(f->log_errors, 1);
}

static void a_failed_removal_leaves_no_orphan_behind(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), file = make_file(f->fs, dir, "file");

    assert_int_equal(fs_rmdir(f->fs, 1, "dir"), -ENOTEMPTY);
    assert_int_equal(fs_unlink(f->fs, 1, "dir"), -EISDIR);
    assert_int_equal(fs_rmdir(f->fs, dir, "file"), -ENOTDIR);
    assert_false(fs_is_orphan(f->fs, dir) || fs_is_orphan(f->fs, file));
    assert_false(orphans_any(f->fs->orphans));
}

/* The engine refuses to write, which the file system did not expect: as on a full disk. */
static void a_failed_write_leaves_memory_as_the_store_is(void **state)
{
    struct fixture *f = *state;
    uint64_t file = make_file(f->fs, 1, "file"), dir = make_dir(f->fs, 1, "dir"), group, next;
    struct fs_attr a;

    make_file(f->fs, 1, "other");
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, true), 0);
    f->fs->read_only = false;
    assert_int_equal(fs_unlink(f->fs, 1, "file"), -ERR_READ_ONLY);
    assert_int_equal(fs_rmdir(f->fs, 1, "dir"), -ERR_READ_ONLY);
    assert_int_equal(fs_rename(f->fs, 1, "other", 1, "file", 0), -ERR_READ_ONLY);
    assert_false(orphans_any(f->fs->orphans));
    assert_int_equal(ino_of(f->fs, 1, "file"), file);
    assert_int_equal(ino_of(f->fs, 1, "dir"), dir);
    assert_int_equal(fs_mknod(f->fs, 1, "new", S_IFREG, 0, &cred0, &a), -ERR_READ_ONLY);
    next = f->fs->group_next;
    assert_int_equal(group_take(f->fs, &group), -ERR_READ_ONLY);
    assert_int_equal(f->fs->group_next, next);
    assert_int_equal(f->fs->group_leased_until, next);
    f->fs->read_only = true;
    assert_int_equal(everything_agrees(f->fs), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(an_orphan_lives_until_it_is_purged),
        FS_TEST(closing_purges_what_is_left),
        FS_TEST(opening_purges_what_a_killed_process_left),
        FS_TEST(a_killed_process_loses_nothing_and_numbers_stay_unique),
        FS_TEST(a_damaged_orphan_keeps_nothing_from_opening),
        FS_TEST(a_failed_removal_leaves_no_orphan_behind),
        FS_TEST(a_failed_write_leaves_memory_as_the_store_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
