/*
 * chown(2), lchown(2), fchown(2), fchownat(2), and who may do it.
 */
#include "posix/lib/posix.h"

static void expect_owner(const char *path, uid_t uid, gid_t gid)
{
    struct statx st = st_of(path);

    expect_eq(uid, st.stx_uid);
    expect_eq(gid, st.stx_gid);
}

static void root_gives_every_type_to_anybody(void **state)
{
    (void)state;
    need_root();
    EACH_KIND(k)
    {
        struct statx was;

        make("x", k->type);
        was = mark("x");
        must(lchown("x", UID_OWNER, GID_OTHER));
        expect_owner("x", UID_OWNER, GID_OTHER);
        expect_changed(&was, "x", CTIME);
        must(lchown("x", (uid_t)-1, GID_OWNER));
        expect_owner("x", UID_OWNER, GID_OWNER);
        must(lchown("x", UID_OTHER, (gid_t)-1));
        expect_owner("x", UID_OTHER, GID_OWNER);
        must(lchown("x", (uid_t)-1, (gid_t)-1));
        expect_owner("x", UID_OTHER, GID_OWNER);
        expect_eq(was.stx_mode, mode_of("x"));
        remove_any("x");
    }
}

static void all_numbers_are_kept(void **state)
{
    static const uint32_t ids[] = {0,         1,          65534,      65535,     65536,
                                   100000000, 2147483647, 2147483648, 4294967294};

    (void)state;
    need_root();
    make_file("f", "");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        must(chown("f", ids[i], 7));
        expect_owner("f", ids[i], 7);
        must(chown("f", 7, ids[i]));
        expect_owner("f", 7, ids[i]);
    }
}

static void symlinks_are_followed_unless_told_otherwise(void **state)
{
    int fd;

    (void)state;
    need_root();
    make_file("f", "");
    must(symlink("f", "l"));
    must(chown("l", UID_OWNER, GID_OWNER));
    expect_owner("f", UID_OWNER, GID_OWNER);
    expect_owner("l", 0, 0);
    must(fchownat(AT_FDCWD, "l", UID_OTHER, GID_OTHER, AT_SYMLINK_NOFOLLOW));
    expect_owner("f", UID_OWNER, GID_OWNER);
    expect_owner("l", UID_OTHER, GID_OTHER);
    fd = must(open("f", O_RDONLY));
    must(fchown(fd, 1, 2));
    expect_owner("f", 1, 2);
    must(fchownat(fd, "", 3, 4, AT_EMPTY_PATH));
    expect_owner("f", 3, 4);
    must(unlink("f"));
    must(fchown(fd, 5, 6));
    must(close(fd));
    must_fail(ENOENT, chown("l", 1, 1));
    fd = must(open("l", O_PATH | O_NOFOLLOW));
    must(fchownat(fd, "", 3, 4, AT_EMPTY_PATH));
    expect_owner("l", 3, 4);
    must(close(fd));
}

static void nobody_gives_files_away(void **state)
{
    (void)state;
    need_root();
    EACH_KIND(k)
    {
        make("x", k->type);
        must(lchown("x", UID_OWNER, GID_OWNER));
        become(UID_OWNER, GID_OWNER);
        must_fail(EPERM, lchown("x", UID_OTHER, (gid_t)-1));
        must_fail(EPERM, lchown("x", 0, (gid_t)-1));
        must_fail(EPERM, lchown("x", UID_OTHER, GID_OWNER));
        must(lchown("x", UID_OWNER, GID_OWNER));
        become_self();
        expect_owner("x", UID_OWNER, GID_OWNER);
        remove_any("x");
    }
}

static void the_owner_chooses_among_their_groups(void **state)
{
    const gid_t groups[] = {GID_THIRD, 12345};

    (void)state;
    need_root();
    EACH_KIND(k)
    {
        make("x", k->type);
        must(lchown("x", UID_OWNER, GID_OWNER));
        become_with(UID_OWNER, GID_OWNER, groups, 2);
        must(lchown("x", (uid_t)-1, GID_THIRD));
        expect_owner("x", UID_OWNER, GID_THIRD);
        must(lchown("x", UID_OWNER, 12345));
        expect_owner("x", UID_OWNER, 12345);
        must(lchown("x", (uid_t)-1, GID_OWNER));
        must_fail(EPERM, lchown("x", (uid_t)-1, GID_OTHER));
        must_fail(EPERM, lchown("x", (uid_t)-1, 0));
        become(UID_OWNER, GID_OTHER);
        must_fail(EPERM, lchown("x", (uid_t)-1, GID_THIRD));
        /* The group that it has is always allowed. */
        must(lchown("x", (uid_t)-1, GID_OWNER));
        become_self();
        expect_owner("x", UID_OWNER, GID_OWNER);
        remove_any("x");
    }
}

static void others_change_nothing(void **state)
{
    const gid_t groups[] = {GID_OWNER};

    (void)state;
    need_root();
    make_file("f", "");
    must(chown("f", UID_OWNER, GID_OWNER));
    must(chmod("f", 0777));
    become_with(UID_OTHER, GID_OTHER, groups, 1);
    must_fail(EPERM, chown("f", UID_OTHER, (gid_t)-1));
    must_fail(EPERM, chown("f", (uid_t)-1, GID_OTHER));
    must_fail(EPERM, chown("f", UID_OWNER, GID_OTHER));
    must_fail(EPERM, chown("f", (uid_t)-1, GID_OWNER));
}

static void to_change_neither_is_a_change_of_the_ctime(void **state)
{
    struct statx was;

    (void)state;
    make_file("f", "");
    was = mark("f");
    must(chown("f", (uid_t)-1, (gid_t)-1));
    expect_changed(&was, "f", CTIME);
    was = mark("f");
    must(chown("f", geteuid(), getegid()));
    expect_changed(&was, "f", CTIME);
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, chown("missing", 1, 1));
    must_fail(ENOENT, lchown("missing", 1, 1));
    must_fail(ENOENT, chown("", 1, 1));
    must_fail(ENOTDIR, chown("f/x", 1, 1));
    must_fail(ENOTDIR, chown("f/", 1, 1));
    must_fail(ELOOP, chown("loop", 1, 1));
    must_fail(ELOOP, lchown("loop/x", 1, 1));
    must_fail(ENAMETOOLONG, chown(long_name(256), 1, 1));
    must_fail(ENAMETOOLONG, chown(long_name(4096), 1, 1));
    must_fail(EBADF, fchown(-1, 1, 1));
    must_fail(EBADF, fchownat(-1, "f", 1, 1, 0));
    must_fail(EINVAL, fchownat(AT_FDCWD, "f", 1, 1, 1 << 30));
}

static void a_new_owner_counts_at_once(void **state)
{
    (void)state;
    need_root();
    make_file("f", "");
    must(chmod("f", 0600));
    must(chown("f", UID_OTHER, GID_OTHER));
    become(UID_OTHER, GID_OTHER);
    must(access("f", R_OK | W_OK));
    become_self();
    must(chown("f", UID_OWNER, (gid_t)-1));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, access("f", R_OK));
    become(UID_OWNER, GID_OTHER);
    must(access("f", R_OK));
}

static void a_searchable_path_is_needed(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    make_file("d/f", "");
    must(chown("d/f", UID_OWNER, GID_OWNER));
    must(chmod("d", 0766));
    become(UID_OWNER, GID_OWNER);
    must_fail(EACCES, chown("d/f", (uid_t)-1, (gid_t)-1));
    must_fail(EACCES, chmod("d/f", 0600));
    must_fail(EACCES, utimensat(AT_FDCWD, "d/f", NULL, 0));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(root_gives_every_type_to_anybody),
    POSIX_TEST(all_numbers_are_kept),
    POSIX_TEST(symlinks_are_followed_unless_told_otherwise),
    POSIX_TEST(nobody_gives_files_away),
    POSIX_TEST(the_owner_chooses_among_their_groups),
    POSIX_TEST(others_change_nothing),
    POSIX_TEST(to_change_neither_is_a_change_of_the_ctime),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(a_new_owner_counts_at_once),
    POSIX_TEST(a_searchable_path_is_needed),
};

POSIX_MAIN("chown", tests)
