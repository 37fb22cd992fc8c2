/*
 * Looking up, making, linking and removing names.
 */
#include "unit/fs/fs_fixture.h"

static void every_type_can_be_made_and_looked_up(void **state)
{
    static const uint32_t modes[] = {S_IFREG | 0644,  S_IFDIR | 0700, S_IFIFO | 0600,
                                     S_IFSOCK | 0666, S_IFCHR | 0620, S_IFBLK | 0660};
    struct fixture *f = *state;
    struct fs_attr made, found;
    char name[16];

    for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(fs_mknod(f->fs, 1, name, modes[i], 0x1234, &cred0, &made), 0);
        assert_int_equal(made.mode, modes[i]);
        assert_int_equal(made.nlink, S_ISDIR(modes[i]) ? 2 : 1);
        assert_int_equal(made.rdev, S_ISCHR(modes[i]) || S_ISBLK(modes[i]) ? 0x1234 : 0);
        assert_int_equal(made.uid, cred0.uid);
        assert_int_equal(fs_lookup(f->fs, 1, name, &found), 1);
        assert_memory_equal(&made, &found, sizeof(made));
    }
    assert_int_equal(fs_mknod(f->fs, 1, "plain", 0600, 0, &cred0, &made), 0);
    assert_true(S_ISREG(made.mode));
    assert_int_equal(fs_mknod(f->fs, 1, "l", S_IFLNK | 0777, 0, &cred0, &made), -EINVAL);
    assert_int_equal(attr_of(f->fs, 1).nlink, 3);
    everything_agrees(f->fs);
}

static void a_fixed_group_and_no_set_id_bits_hold_in_a_setgid_directory(void **state)
{
    struct fixture *f = *state;
    struct fs_cred cred = {.uid = 7, .gid = 8, .fixed_gid = true, .no_set_id = true};
    struct fs_attr dir, made;

    assert_int_equal(fs_mknod(f->fs, 1, "d", S_IFDIR | 02755, 0, &cred0, &dir), 0);
    assert_int_equal(fs_mknod(f->fs, dir.ino, "a", S_IFREG | 07755, 0, &cred, &made), 0);
    assert_int_equal(made.mode, S_IFREG | 01755);
    assert_int_equal(made.gid, 8);
    assert_int_equal(fs_mknod(f->fs, dir.ino, "b", S_IFDIR | 0755, 0, &cred, &made), 0);
    assert_int_equal(made.mode, S_IFDIR | 02755);
    assert_int_equal(made.gid, 8);
    cred.fixed_gid = cred.no_set_id = false;
    assert_int_equal(fs_mknod(f->fs, dir.ino, "c", S_IFREG | 06755, 0, &cred, &made), 0);
    assert_int_equal(made.mode, S_IFREG | 06755);
    assert_int_equal(made.gid, dir.gid);
}

static void dots_are_answered(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, a, "b");
    uint64_t file = make_file(f->fs, b, "file");
    struct fs_attr attr;

    assert_int_equal(ino_of(f->fs, b, "."), b);
    assert_int_equal(ino_of(f->fs, b, ".."), a);
    assert_int_equal(ino_of(f->fs, 1, ".."), 1);
    assert_int_equal(fs_lookup(f->fs, file, "..", &attr), -ENOTDIR);
    assert_int_equal(fs_lookup(f->fs, file, "x", &attr), -ENOTDIR);
    assert_int_equal(fs_lookup(f->fs, 999999, "x", &attr), -ESTALE);
    assert_int_equal(fs_getattr(f->fs, 999999, &attr), -ESTALE);
    assert_int_equal(fs_getattr(f->fs, UINT64_MAX, &attr), -ESTALE);
}

static void paths_are_resolved_from_the_root(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, a, "b");
    uint64_t file = make_file(f->fs, b, "file");
    struct fs_attr attr;
    char longer[300];

    assert_int_equal(fs_resolve(f->fs, "/a/b/file", &attr), 0);
    assert_int_equal(attr.ino, file);
    assert_int_equal(fs_resolve(f->fs, "a//b/./../b/file", &attr), 0);
    assert_int_equal(attr.ino, file);
    assert_int_equal(fs_resolve(f->fs, "", &attr), 0);
    assert_int_equal(attr.ino, 1);
    assert_int_equal(fs_resolve(f->fs, "/", &attr), 0);
    assert_int_equal(attr.ino, 1);
    assert_int_equal(fs_resolve(f->fs, "/a/b/", &attr), 0);
    assert_int_equal(attr.ino, b);
    assert_int_equal(fs_resolve(f->fs, "/a/b/file/", &attr), -ENOTDIR);
    assert_int_equal(fs_resolve(f->fs, "/a/b/file/x", &attr), -ENOTDIR);
    assert_int_equal(fs_resolve(f->fs, "/a/x/file", &attr), -ENOENT);
    memset(longer, 'l', sizeof(longer));
    longer[sizeof(longer) - 1] = 0;
    assert_int_equal(fs_resolve(f->fs, longer, &attr), -ENAMETOOLONG);
}

static void names_have_limits(void **state)
{
    struct fixture *f = *state;
    char name[258];
    struct fs_attr a;

    memset(name, 'n', sizeof(name));
    name[255] = 0;
    make_file(f->fs, 1, name);
    assert_int_not_equal(ino_of(f->fs, 1, name), 0);
    assert_int_equal(fs_rename(f->fs, 1, name, 1, "short", 0), 0);
    name[255] = 'n';
    name[256] = 0;
    assert_int_equal(fs_mknod(f->fs, 1, name, S_IFREG, 0, &cred0, &a), -ENAMETOOLONG);
    assert_int_equal(fs_symlink(f->fs, 1, name, "t", &cred0, &a), -ENAMETOOLONG);
    assert_int_equal(fs_lookup(f->fs, 1, name, &a), -ENAMETOOLONG);
    assert_int_equal(fs_unlink(f->fs, 1, name), -ENAMETOOLONG);
    assert_int_equal(fs_rmdir(f->fs, 1, name), -ENAMETOOLONG);
    assert_int_equal(fs_rename(f->fs, 1, "short", 1, name, 0), -ENAMETOOLONG);
    assert_int_equal(fs_link(f->fs, ino_of(f->fs, 1, "short"), 1, name, &a), -ENAMETOOLONG);
    assert_int_equal(fs_mknod(f->fs, 1, "a/b", S_IFREG, 0, &cred0, &a), -EINVAL);
    assert_int_equal(fs_mknod(f->fs, 1, "", S_IFREG, 0, &cred0, &a), -EINVAL);
    assert_int_equal(fs_mknod(f->fs, 1, ".", S_IFDIR, 0, &cred0, &a), -EEXIST);
    assert_int_equal(fs_mknod(f->fs, 1, "..", S_IFDIR, 0, &cred0, &a), -EEXIST);
    make_file(f->fs, 1, "...");
    make_file(f->fs, 1, "\xff\xfe\n");
    assert_int_equal(everything_agrees(f->fs), 4);
}

static void a_name_exists_only_once(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "x");
    struct fs_attr a;

    assert_int_equal(fs_mknod(f->fs, 1, "x", S_IFDIR, 0, &cred0, &a), -EEXIST);
    assert_int_equal(fs_symlink(f->fs, 1, "x", "t", &cred0, &a), -EEXIST);
    assert_int_equal(fs_link(f->fs, ino, 1, "x", &a), -EEXIST);
    assert_int_equal(fs_mknod(f->fs, ino, "y", S_IFREG, 0, &cred0, &a), -ENOTDIR);
    assert_int_equal(fs_mknod(f->fs, 77, "y", S_IFREG, 0, &cred0, &a), -ESTALE);
    assert_int_equal(everything_agrees(f->fs), 2);
}

static void a_setgid_directory_hands_on_its_group(void **state)
{
    struct fixture *f = *state;
    struct fs_attr a = {.mode = 02775, .gid = 77}, got;
    uint64_t dir = make_dir(f->fs, 1, "dir");

    assert_int_equal(fs_setattr(f->fs, dir, &a, FS_SET_MODE | FS_SET_GID, &got), 0);
    got = attr_of(f->fs, make_file(f->fs, dir, "file"));
    assert_int_equal(got.gid, 77);
    assert_int_equal(got.mode, S_IFREG | 0644);
    got = attr_of(f->fs, make_dir(f->fs, dir, "sub"));
    assert_int_equal(got.gid, 77);
    assert_int_equal(got.mode, S_IFDIR | 02755);
}

static void children_of_a_directory_have_neighbouring_numbers(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_dir(f->fs, 1, "a"), b = make_dir(f->fs, 1, "b");
    uint64_t a0 = make_file(f->fs, a, "0"), b0 = make_file(f->fs, b, "0");

    assert_int_equal(make_file(f->fs, a, "1"), a0 + 1);
    assert_int_equal(make_file(f->fs, b, "1"), b0 + 1);
    assert_int_not_equal(a0 >> 16, b0 >> 16);
    assert_int_equal(fs_unlink(f->fs, a, "1"), 0);
    assert_int_equal(fs_purge(f->fs, a0 + 1), 0);
    assert_int_equal(make_file(f->fs, a, "1"), a0 + 2); /* never reused */
    fixture_reopen(f);
    assert_int_equal(make_file(f->fs, a, "2"), a0 + 3);
}

static void a_full_group_is_followed_by_another(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), first = make_file(f->fs, dir, "first"), next;
    struct inode in;
    struct lsm_batch *b;

    assert_int_equal(inode_get(f->fs, dir, &in), 0);
    in.next_slot = INODE_SLOT_COUNT - 1;
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(inode_put(b, &in), 0);
    assert_int_equal(fs_commit(f->fs, b, false), 0);
    assert_int_equal(make_file(f->fs, dir, "last") & 0xffff, 0xffff);
    next = make_file(f->fs, dir, "next");
    assert_int_equal(next & 0xffff, 0);
    assert_true(next >> 16 > first >> 16);
    everything_agrees(f->fs);
}

static void symlinks_keep_their_target_through_every_change(void **state)
{
    struct fixture *f = *state;
    char target[FS_SYMLINK_LEN_MAX + 2], buf[FS_SYMLINK_LEN_MAX + 1];
    struct fs_attr a, set = {.uid = 9};
    uint64_t ino, file = make_file(f->fs, 1, "file");

    memset(target, 't', sizeof(target));
    target[FS_SYMLINK_LEN_MAX + 1] = 0;
    assert_int_equal(fs_symlink(f->fs, 1, "l", target, &cred0, &a), -ENAMETOOLONG);
    assert_int_equal(fs_symlink(f->fs, 1, "l", "", &cred0, &a), -ENOENT);
    target[FS_SYMLINK_LEN_MAX] = 0;
    assert_int_equal(fs_symlink(f->fs, 1, "l", target, &cred0, &a), 0);
    ino = a.ino;
    assert_int_equal(a.size, FS_SYMLINK_LEN_MAX);
    assert_int_equal(a.mode, S_IFLNK | 0777);
    assert_int_equal(fs_setattr(f->fs, ino, &set, FS_SET_UID, &a), 0);
    assert_int_equal(fs_link(f->fs, ino, 1, "hard", &a), 0);
    assert_int_equal(a.nlink, 2);
    assert_int_equal(fs_rename(f->fs, 1, "l", 1, "m", 0), 0);
    assert_int_equal(fs_rename(f->fs, 1, "m", 1, "file", FS_RENAME_EXCHANGE), 0);
    assert_int_equal(fs_unlink(f->fs, 1, "hard"), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "trusted.x", "v", 1, 0), 0);
    assert_int_equal(fs_unlink(f->fs, 1, "file"), 0); /* an orphan can still be read */
    assert_int_equal(fs_readlink(f->fs, ino, buf, sizeof(buf)), 0);
    assert_string_equal(buf, target);
    assert_int_equal(fs_readlink(f->fs, ino, buf, sizeof(buf) - 1), -ERANGE);
    assert_int_equal(fs_readlink(f->fs, file, buf, sizeof(buf)), -EINVAL);
    assert_int_equal(fs_readlink(f->fs, 1, buf, sizeof(buf)), -EINVAL);
    everything_agrees(f->fs);
}

static void links_are_counted(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "a"), dir = make_dir(f->fs, 1, "dir");
    struct fs_attr a;
    struct inode in;
    struct lsm_batch *b;

    assert_int_equal(fs_link(f->fs, ino, dir, "b", &a), 0);
    assert_int_equal(a.nlink, 2);
    assert_int_equal(fs_link(f->fs, dir, 1, "c", &a), -EPERM);
    assert_int_equal(fs_link(f->fs, ino, ino, "c", &a), -ENOTDIR);
    assert_int_equal(fs_link(f->fs, 12345, 1, "c", &a), -ESTALE);
    assert_int_equal(fs_link(f->fs, ino, 1, "..", &a), -EEXIST);
    assert_int_equal(fs_unlink(f->fs, 1, "a"), 0);
    assert_int_equal(attr_of(f->fs, ino).nlink, 1);
    assert_false(fs_is_orphan(f->fs, ino));
    everything_agrees(f->fs);
    assert_int_equal(fs_unlink(f->fs, dir, "b"), 0);
    assert_int_equal(fs_link(f->fs, ino, 1, "again", &a), -ENOENT);
    ino = make_file(f->fs, 1, "many");
    assert_int_equal(inode_get(f->fs, ino, &in), 0);
    in.nlink = INODE_NLINK_MAX;
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(inode_put(b, &in), 0);
    assert_int_equal(fs_commit(f->fs, b, false), 0);
    assert_int_equal(fs_link(f->fs, ino, 1, "more", &a), -EMLINK);
}

static void removing_refuses_what_it_should(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), file = make_file(f->fs, 1, "file");

    make_file(f->fs, dir, "inside");
    assert_int_equal(fs_unlink(f->fs, 1, "dir"), -EISDIR);
    assert_int_equal(fs_rmdir(f->fs, 1, "dir"), -ENOTEMPTY);
    assert_int_equal(fs_rmdir(f->fs, 1, "file"), -ENOTDIR);
    assert_int_equal(fs_unlink(f->fs, 1, "none"), -ENOENT);
    assert_int_equal(fs_rmdir(f->fs, 1, "none"), -ENOENT);
    assert_int_equal(fs_unlink(f->fs, file, "none"), -ENOTDIR);
    assert_int_equal(fs_rmdir(f->fs, dir, "."), -EINVAL);
    assert_int_equal(fs_rmdir(f->fs, dir, ".."), -ENOTEMPTY);
    assert_int_equal(fs_unlink(f->fs, dir, ".."), -EISDIR);
    assert_int_equal(fs_unlink(f->fs, dir, "inside"), 0);
    assert_int_equal(fs_rmdir(f->fs, 1, "dir"), 0);
    assert_int_equal(ino_of(f->fs, 1, "dir"), 0);
    assert_int_equal(attr_of(f->fs, 1).nlink, 2);
    everything_agrees(f->fs);
}

static void nothing_can_be_made_in_a_removed_directory(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), file = make_file(f->fs, 1, "file");
    struct fs_attr a;

    assert_int_equal(fs_rmdir(f->fs, 1, "dir"), 0);
    assert_int_equal(attr_of(f->fs, dir).nlink, 0);
    assert_int_equal(fs_mknod(f->fs, dir, "x", S_IFREG, 0, &cred0, &a), -ENOENT);
    assert_int_equal(fs_link(f->fs, file, dir, "x", &a), -ENOENT);
    assert_int_equal(fs_rename(f->fs, 1, "file", dir, "x", 0), -ENOENT);
    assert_int_equal(ino_of(f->fs, dir, ".."), 1);
    everything_agrees(f->fs);
    assert_int_equal(fs_purge(f->fs, dir), 0);
    assert_int_equal(fs_mknod(f->fs, dir, "x", S_IFREG, 0, &cred0, &a), -ESTALE);
    everything_agrees(f->fs);
}

static void set_old_times(struct fs *fs, uint64_t ino)
{
    struct fs_attr a = {.atime = {5, 5}, .mtime = {6, 6}, .ctime = {7, 7}};

    assert_int_equal(fs_setattr(fs, ino, &a, FS_SET_ATIME | FS_SET_MTIME | FS_SET_CTIME, &a), 0);
}

static void changes_of_entries_set_the_times_of_the_directory(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), ino;
    struct fs_attr a;

    for (int step = 0; step < 4; step++) {
        set_old_times(f->fs, dir);
        if (step == 0)
            make_file(f->fs, dir, "file");
        if (step == 1)
            assert_int_equal(fs_link(f->fs, ino_of(f->fs, dir, "file"), dir, "b", &a), 0);
        if (step == 2)
            assert_int_equal(fs_rename(f->fs, dir, "b", dir, "c", 0), 0);
        if (step == 3)
            assert_int_equal(fs_unlink(f->fs, dir, "c"), 0);
        a = attr_of(f->fs, dir);
        assert_true(time_is(&a.atime, 5, 5));
        assert_true(a.mtime.tv_sec > 1000000 && a.ctime.tv_sec > 1000000);
    }
    ino = ino_of(f->fs, dir, "file");
    set_old_times(f->fs, ino);
    assert_int_equal(fs_link(f->fs, ino, 1, "link", &a), 0);
    assert_true(time_is(&a.mtime, 6, 6));
    assert_true(a.ctime.tv_sec > 1000000);
}

static void damaged_entries_are_named_and_logged_once(void **state)
{
    struct fixture *f = *state;
    struct fs_attr a;
    struct lsm_batch *b;
    struct key k;
    uint64_t hash = dirent_hash(f->fs->hash_secret, "bad", 3);

    make_file(f->fs, 1, "bad");
    key_dirent(&k, 1, hash, "bad", 3);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "12345678\x0f", 9, 0), 0);
    assert_int_equal(fs_lookup(f->fs, 1, "bad", &a), -ERR_DIRENT_RECORD);
    assert_int_equal(f->log_errors, 1);
    assert_non_null(strstr(f->log_last, "\"bad\""));
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(dirent_put(f->fs, b, 1, "bad", 4711, S_IFREG), 0);
    assert_int_equal(fs_commit(f->fs, b, false), 0);
    assert_int_equal(fs_lookup(f->fs, 1, "bad", &a), -ERR_INODE_MISSING);
    assert_int_equal(f->log_errors, 2);
    assert_int_equal(fs_unlink(f->fs, 1, "bad"), -ERR_INODE_MISSING);
    assert_int_equal(fs_rename(f->fs, 1, "bad", 1, "x", 0), -ERR_INODE_MISSING);
    assert_non_null(strstr(f->log_last, "4711"));
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(dirent_put(f->fs, b, 1, "bad", make_file(f->fs, 1, "y"), S_IFDIR), 0);
    assert_int_equal(fs_commit(f->fs, b, false), 0);
    assert_int_equal(fs_rmdir(f->fs, 1, "bad"), -ERR_DIRENT_RECORD);
}

static void names_survive_a_reopening(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = 1, inos[50];
    char name[32];

    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "dir %d", i);
        inos[i] = dir = make_dir(f->fs, dir, name);
    }
    fixture_reopen(f);
    dir = 1;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "dir %d", i);
        dir = ino_of(f->fs, dir, name);
        assert_int_equal(dir, inos[i]);
    }
    assert_int_equal(everything_agrees(f->fs), 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(every_type_can_be_made_and_looked_up),
        FS_TEST(dots_are_answered),
        FS_TEST(a_fixed_group_and_no_set_id_bits_hold_in_a_setgid_directory),
        FS_TEST(paths_are_resolved_from_the_root),
        FS_TEST(names_have_limits),
        FS_TEST(a_name_exists_only_once),
        FS_TEST(a_setgid_directory_hands_on_its_group),
        FS_TEST(children_of_a_directory_have_neighbouring_numbers),
        FS_TEST(a_full_group_is_followed_by_another),
        FS_TEST(symlinks_keep_their_target_through_every_change),
        FS_TEST(links_are_counted),
        FS_TEST(removing_refuses_what_it_should),
        FS_TEST(nothing_can_be_made_in_a_removed_directory),
        FS_TEST(changes_of_entries_set_the_times_of_the_directory),
        FS_TEST(damaged_entries_are_named_and_logged_once),
        FS_TEST(names_survive_a_reopening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
