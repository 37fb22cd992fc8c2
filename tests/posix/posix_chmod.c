/*
 * chmod(2), fchmod(2), fchmodat(2), and who may do it. What clears the set-id bits is in
 * posix_setid.c.
 */
#include "posix/lib/posix.h"

static void every_mode_is_kept(void **state)
{
    (void)state;
    make_file("f", "");
    make_dir("d");
    for (mode_t mode = 0; mode <= 07777; mode += mode < 07000 ? 13 : 1) {
        must(chmod("f", mode));
        expect_eq(S_IFREG | mode, mode_of("f"));
    }
    for (unsigned bit = 0; bit < 12; bit++) {
        must(chmod("d", 1U << bit));
        expect_eq(S_IFDIR | 1U << bit, mode_of("d"));
        must(chmod("d", 07777 & ~(1U << bit)));
        expect_eq(S_IFDIR | (07777 & ~(1U << bit)), mode_of("d"));
    }
    must(chmod("d", 0755));
}

static void only_the_mode_is_changed_and_the_ctime(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        struct statx was, st;

        make("x", k->type);
        if (k->type != S_IFLNK) {
            was = mark("x");
            must(chmod("x", 0612));
            expect_changed(&was, "x", CTIME);
            st = st_of("x");
            expect_eq(k->type | 0612, st.stx_mode);
            expect_eq(was.stx_uid, st.stx_uid);
            expect_eq(was.stx_gid, st.stx_gid);
            expect_eq(was.stx_nlink, st.stx_nlink);
            /* The same once more is a change as well. */
            was = mark("x");
            must(chmod("x", 0612));
            expect_changed(&was, "x", CTIME);
        }
        remove_any("x");
    }
}

static void types_in_the_mode_are_ignored(void **state)
{
    (void)state;
    make_file("f", "");
    must(chmod("f", S_IFDIR | 0600));
    expect_eq(S_IFREG | 0600, mode_of("f"));
    must(chmod("f", 0170000 | 0644));
    expect_eq(S_IFREG | 0644, mode_of("f"));
}

static void a_symlink_is_followed(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    must(symlink("f", "l"));
    must(chmod("l", 0600));
    expect_eq(0600, perm_of("f"));
    expect_eq(0777, perm_of("l"));
    fd = must(open("f", O_RDONLY));
    must(fchmod(fd, 0640));
    expect_eq(0640, perm_of("f"));
    must(unlink("f"));
    must(fchmod(fd, 0604));
    must(close(fd));
    must_fail(ENOENT, chmod("l", 0600));
}

static void the_umask_does_not_matter(void **state)
{
    (void)state;
    make_file("f", "");
    umask(0777);
    must(chmod("f", 0777));
    expect_eq(0777, perm_of("f"));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, chmod("missing", 0644));
    must_fail(ENOENT, chmod("", 0644));
    must_fail(ENOTDIR, chmod("f/x", 0644));
    must_fail(ENOTDIR, chmod("f/", 0644));
    must_fail(ELOOP, chmod("loop", 0644));
    must_fail(ENAMETOOLONG, chmod(long_name(256), 0644));
    must_fail(ENAMETOOLONG, chmod(long_name(4096), 0644));
    must_fail(EBADF, fchmod(-1, 0644));
    must_fail(EBADF, fchmodat(-1, "f", 0644, 0));
    must_fail(EINVAL, fchmodat(AT_FDCWD, "f", 0644, 1 << 30));
}

static void only_the_owner_and_root_change_modes(void **state)
{
    const gid_t groups[] = {GID_OWNER};

    (void)state;
    need_root();
    EACH_KIND(k)
    {
        if (k->type == S_IFLNK)
            continue;
        make("x", k->type);
        must(chown("x", UID_OWNER, GID_OWNER));
        must(chmod("x", 0777));
        become_with(UID_OTHER, GID_OTHER, groups, 1);
        must_fail(EPERM, chmod("x", 0600));
        must_fail(EPERM, chmod("x", 0777));
        become(UID_OWNER, GID_OTHER);
        must(chmod("x", 0));
        must(chmod("x", 0701));
        become_self();
        expect_eq(0701, perm_of("x"));
        must(chmod("x", 0644));
        remove_any("x");
    }
}

static void setgid_needs_membership(void **state)
{
    const gid_t groups[] = {GID_THIRD, GID_OWNER};

    (void)state;
    need_root();
    EACH_KIND(k)
    {
        if (k->type == S_IFLNK)
            continue;
        make("x", k->type);
        must(chown("x", UID_OWNER, GID_OWNER));
        become(UID_OWNER, GID_OTHER);
        must(chmod("x", 02755));
        expect_eq(0755, perm_of("x"));
        must(chmod("x", 06644));
        expect_eq(04644, perm_of("x"));
        become_with(UID_OWNER, GID_OTHER, groups, 2);
        must(chmod("x", 02755));
        expect_eq(02755, perm_of("x"));
        become(UID_OWNER, GID_OWNER);
        must(chmod("x", 06711));
        expect_eq(06711, perm_of("x"));
        become_self();
        remove_any("x");
    }
}

static void a_file_made_setgid_in_a_strange_group_is_not(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    must(chown("d", UID_OWNER, GID_THIRD));
    must(chmod("d", 02777));
    become(UID_OWNER, GID_OWNER);
    must(close(must(open("d/exec", O_WRONLY | O_CREAT, 02755))));
    expect_eq(0755, perm_of("d/exec"));
    must(close(must(open("d/plain", O_WRONLY | O_CREAT, 02644))));
    expect_eq(02644, perm_of("d/plain"));
    expect_eq(GID_THIRD, st_of("d/plain").stx_gid);
    must(mknod("d/fifo", S_IFIFO | 02755, 0));
    expect_eq(0755, perm_of("d/fifo"));
    must(mkdir("d/dir", 0755));
    expect_eq(02755, perm_of("d/dir"));
    become(UID_OWNER, GID_THIRD);
    must(close(must(open("d/member", O_WRONLY | O_CREAT, 02755))));
    expect_eq(02755, perm_of("d/member"));
}

static void the_sticky_bit_of_a_file_is_everyones(void **state)
{
    (void)state;
    make_file("f", "");
    if (is_root()) {
        must(chown("f", UID_OWNER, GID_OWNER));
        become(UID_OWNER, GID_OWNER);
    }
    must(chmod("f", 01644));
    expect_eq(01644, perm_of("f"));
}

static void a_new_mode_counts_at_once(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    make_file("d/f", "");
    become(UID_OTHER, GID_OTHER);
    must(access("d/f", R_OK));
    become_self();
    must(chmod("d", 0700));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, access("d/f", R_OK));
    become_self();
    must(chmod("d", 0701));
    must(chmod("d/f", 0640));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, access("d/f", R_OK));
    must(access("d/f", F_OK));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_mode_is_kept),
    POSIX_TEST(only_the_mode_is_changed_and_the_ctime),
    POSIX_TEST(types_in_the_mode_are_ignored),
    POSIX_TEST(a_symlink_is_followed),
    POSIX_TEST(the_umask_does_not_matter),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(only_the_owner_and_root_change_modes),
    POSIX_TEST(setgid_needs_membership),
    POSIX_TEST(a_file_made_setgid_in_a_strange_group_is_not),
    POSIX_TEST(the_sticky_bit_of_a_file_is_everyones),
    POSIX_TEST(a_new_mode_counts_at_once),
};

POSIX_MAIN("chmod", tests)
