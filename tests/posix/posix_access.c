/*
 * access(2) and faccessat2(2): they answer as the call itself would, for the real user unless
 * AT_EACCESS asks for the effective one.
 */
#include "posix/lib/posix.h"

#include <sys/syscall.h>

/* The C library answers AT_EACCESS by itself where it can. */
static int access2(const char *path, int mode, int flags)
{
    return (int)syscall(SYS_faccessat2, AT_FDCWD, path, mode, flags);
}

static void every_combination_of_rights_is_answered(void **state)
{
    (void)state;
    need_root();
    EACH_KIND(k)
    {
        if (k->type == S_IFLNK)
            continue;
        make("x", k->type);
        must(chown("x", UID_OWNER, GID_OWNER));
        for (mode_t bits = 0; bits < 8; bits++)
            for (int wanted = 0; wanted < 8; wanted++) {
                must(chmod("x", bits << 6 | (7 & ~bits) << 3 | (7 & ~bits)));
                become(UID_OWNER, GID_OTHER);
                if ((wanted & ~(int)bits) == 0)
                    must(access("x", wanted));
                else
                    must_fail(EACCES, access("x", wanted));
                if ((wanted & ~(int)bits) == 0)
                    must(access2("x", wanted, AT_EACCESS));
                else
                    must_fail(EACCES, access2("x", wanted, AT_EACCESS));
                become_self();
            }
        must(chmod("x", 0644));
        remove_any("x");
    }
}

static void root_is_refused_only_what_nobody_may_run(void **state)
{
    (void)state;
    need_root();
    make_file("f", "");
    make_dir("d");
    must(chown("f", UID_OWNER, GID_OWNER));
    for (mode_t mode = 0; mode < 01000; mode++) {
        must(chmod("f", mode));
        must(access("f", R_OK | W_OK));
        if (mode & 0111)
            must(access("f", X_OK));
        else
            must_fail(EACCES, access("f", X_OK));
    }
    must(chmod("d", 0));
    must(access("d", R_OK | W_OK | X_OK));
    must(chmod("d", 0755));
}

static void the_real_user_is_asked_about(void **state)
{
    (void)state;
    need_root();
    make_file("f", "");
    must(chmod("f", 0600));
    must(chown("f", UID_OWNER, GID_OWNER));
    must(setresuid(UID_OTHER, UID_OWNER, 0));
    must_fail(EACCES, access("f", R_OK));
    must(access2("f", R_OK, AT_EACCESS));
    must(setresuid(UID_OWNER, UID_OTHER, 0));
    must(access("f", R_OK | W_OK));
    must_fail(EACCES, access2("f", R_OK, AT_EACCESS));
    must(setresuid((uid_t)-1, 0, 0));
    must(setresuid(0, 0, 0));
}

static void symlinks_are_followed_unless_told_otherwise(void **state)
{
    (void)state;
    make_file("f", "");
    must(chmod("f", 0400));
    must(symlink("f", "l"));
    must(symlink("missing", "dangling"));
    must(access("l", R_OK));
    must_fail(EACCES, access("l", X_OK));
    must(access2("l", R_OK | W_OK | X_OK, AT_SYMLINK_NOFOLLOW));
    must_fail(ENOENT, access("dangling", F_OK));
    must(access2("dangling", F_OK, AT_SYMLINK_NOFOLLOW));
}

static void a_descriptor_is_asked_by_an_empty_path(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    must(chmod("f", 0400));
    fd = must(open("f", O_RDONLY));
    must((int)syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
    must_fail(EACCES, (int)syscall(SYS_faccessat2, fd, "", X_OK, AT_EMPTY_PATH));
    must_fail(ENOENT, (int)syscall(SYS_faccessat2, fd, "", R_OK, 0));
    must(close(fd));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, access("missing", F_OK));
    must_fail(ENOENT, access("missing", R_OK));
    must_fail(ENOENT, access("", F_OK));
    must_fail(ENOTDIR, access("f/x", F_OK));
    must_fail(ENOTDIR, access("f/", F_OK));
    must_fail(ELOOP, access("loop", F_OK));
    must_fail(ENAMETOOLONG, access(long_name(256), F_OK));
    must_fail(ENAMETOOLONG, access(long_name(4096), F_OK));
    must_fail(EINVAL, access("f", 8));
    must_fail(EINVAL, access("f", -1));
    must_fail(EINVAL, access2("f", R_OK, 1));
    must_fail(EBADF, faccessat(-1, "f", F_OK, 0));
}

static void existence_needs_a_searchable_path(void **state)
{
    (void)state;
    need_root();
    make_dir("d");
    make_file("d/f", "");
    must(chmod("d", 0766));
    become(UID_OTHER, GID_OTHER);
    must_fail(EACCES, access("d/f", F_OK));
    must_fail(EACCES, access("d/missing", F_OK));
    become_self();
    must(chmod("d", 0711));
    become(UID_OTHER, GID_OTHER);
    must(access("d/f", F_OK));
    must_fail(ENOENT, access("d/missing", F_OK));
    must_fail(EACCES, access("d", R_OK));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_combination_of_rights_is_answered),
    POSIX_TEST(root_is_refused_only_what_nobody_may_run),
    POSIX_TEST(the_real_user_is_asked_about),
    POSIX_TEST(symlinks_are_followed_unless_told_otherwise),
    POSIX_TEST(a_descriptor_is_asked_by_an_empty_path),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(existence_needs_a_searchable_path),
};

POSIX_MAIN("access", tests)
