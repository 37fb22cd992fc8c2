/*
 * mkdir(2) and rmdir(2), and directories that are in use when they go.
 */
#include "posix/lib/posix.h"

#include <dirent.h>
#include <time.h>

static void a_new_directory_is_empty_and_counted_by_its_parent(void **state)
{
    struct statx was, st;
    struct timespec begin;

    (void)state;
    make_dir("p");
    was = mark("p");
    clock_gettime(CLOCK_REALTIME_COARSE, &begin);
    must(mkdir("p/d", 0750));
    expect_changed(&was, "p", MTIME | CTIME);
    expect_eq(3, nlink_of("p"));
    st = st_of("p/d");
    expect_eq(S_IFDIR | 0750, st.stx_mode);
    expect_eq(2, st.stx_nlink);
    expect_eq(geteuid(), st.stx_uid);
    expect_eq(getegid(), st.stx_gid);
    expect(st.stx_mtime.tv_sec >= begin.tv_sec);
    expect_eq(st.stx_mtime.tv_nsec, st.stx_ctime.tv_nsec);
    expect_eq(ino_of("p"), ino_of("p/d/.."));
    expect_eq(st.stx_ino, ino_of("p/d/."));
    must(rmdir("p/d"));
    expect_eq(2, nlink_of("p"));
}

static void the_mode_goes_through_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 027, 077, 0777, 0111};
    static const mode_t modes[] = {0777, 0755, 0, 0500, 01777, 0123};

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
        for (size_t j = 0; j < sizeof(modes) / sizeof(modes[0]); j++) {
            umask(masks[i]);
            must(mkdir("d", modes[j]));
            expect_eq(modes[j] & ~masks[i], perm_of("d"));
            must(rmdir("d"));
        }
    umask(0);
    must(mkdir("d", 07777));
    expect_eq(01777, perm_of("d"));
}

static void a_name_that_exists_is_refused(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        make("x", k->type);
        must_fail(EEXIST, mkdir("x", 0755));
        remove_any("x");
    }
    make_dir("d");
    must_fail(EEXIST, mkdir("d/", 0755));
    must_fail(EEXIST, mkdir(".", 0755));
    must_fail(EEXIST, mkdir("d/.", 0755));
    must_fail(EEXIST, mkdir("d/..", 0755));
    must_fail(EEXIST, mkdir("/", 0755));
    must(symlink("d", "l"));
    must_fail(EEXIST, mkdir("l", 0755));
    must_fail(EEXIST, mkdir("l/", 0755));
    must(symlink("missing", "dangling"));
    must_fail(EEXIST, mkdir("dangling", 0755));
    must_fail(EEXIST, mkdir("dangling/", 0755));
    expect(is_absent("missing"));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, mkdir("missing/x", 0755));
    must_fail(ENOENT, mkdir("", 0755));
    must_fail(ENOTDIR, mkdir("f/x", 0755));
    must_fail(ELOOP, mkdir("loop/x", 0755));
    must_fail(ENAMETOOLONG, mkdir(long_name(256), 0755));
    must_fail(ENAMETOOLONG, mkdir(long_name(4096), 0755));
    must_fail(EBADF, mkdirat(-1, "x", 0755));
    fd = must(open("f", O_RDONLY));
    must_fail(ENOTDIR, mkdirat(fd, "x", 0755));
    must(close(fd));
    must(mkdir("slashes///", 0755));
    must(mkdir(long_name(255), 0755));
    must(rmdir(long_name(255)));
}

static void a_setgid_directory_passes_on_its_group(void **state)
{
    struct statx st;

    (void)state;
    need_root();
    make_dir("p");
    must(chown("p", UID_OWNER, GID_THIRD));
    must(chmod("p", 02777));
    become(UID_OTHER, GID_OTHER);
    must(mkdir("p/d", 0755));
    must(mkdir("p/d/e", 01700));
    become_self();
    st = st_of("p/d");
    expect_eq(02755, st.stx_mode & 07777);
    expect_eq(UID_OTHER, st.stx_uid);
    expect_eq(GID_THIRD, st.stx_gid);
    expect_eq(03700, perm_of("p/d/e"));
    expect_eq(GID_THIRD, st_of("p/d/e").stx_gid);
    must(chmod("p", 0777));
    become(UID_OTHER, GID_OTHER);
    must(mkdir("p/plain", 0755));
    expect_eq(0755, perm_of("p/plain"));
    expect_eq(GID_OTHER, st_of("p/plain").stx_gid);
}

static void only_an_empty_directory_is_removed(void **state)
{
    (void)state;
    make_dir("d");
    EACH_KIND(k)
    {
        make("d/.x", k->type);
        must_fail(ENOTEMPTY, rmdir("d"));
        remove_any("d/.x");
    }
    make_file("d/a", "");
    must(rename("d/a", "a"));
    must(rmdir("d/"));
    expect(is_absent("d"));
    must_fail(ENOENT, rmdir("d"));
}

static void only_a_directory_is_removed_by_rmdir(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        if (k->type == S_IFDIR)
            continue;
        make("x", k->type);
        must_fail(ENOTDIR, rmdir("x"));
        expect(!is_absent("x"));
        remove_any("x");
    }
    make_dir("d");
    must(symlink("d", "l"));
    must_fail(ENOTDIR, rmdir("l"));
    must_fail(ENOTDIR, rmdir("l/"));
}

static void rmdir_refuses_dots_and_wrong_paths(void **state)
{
    (void)state;
    make_dir("d");
    make_dir("d/e");
    make_file("f", "");
    must(symlink("loop", "loop"));
    must_fail(EINVAL, rmdir("."));
    must_fail(EINVAL, rmdir("d/."));
    must_fail(ENOTEMPTY, rmdir(".."));
    must_fail(ENOTEMPTY, rmdir("d/e/.."));
    must_fail(EBUSY, rmdir("/"));
    must_fail(ENOENT, rmdir(""));
    must_fail(ENOENT, rmdir("missing/x"));
    must_fail(ENOTDIR, rmdir("f/x"));
    must_fail(ELOOP, rmdir("loop/x"));
    must_fail(ENAMETOOLONG, rmdir(long_name(256)));
    must_fail(ENAMETOOLONG, rmdir(long_name(4096)));
}

static void rmdir_changes_the_times_of_the_parent(void **state)
{
    struct statx was;

    (void)state;
    make_dir("p");
    make_dir("p/d");
    was = mark("p");
    must(rmdir("p/d"));
    expect_changed(&was, "p", MTIME | CTIME);
}

static void both_need_a_parent_that_is_writable_and_searchable(void **state)
{
    (void)state;
    need_root();
    make_dir("closed");
    make_dir("closed/d");
    make_dir("dark");
    make_dir("dark/d");
    must(chown("closed/d", UID_OWNER, GID_OWNER));
    must(chmod("dark", 0766));
    become(UID_OWNER, GID_OWNER);
    must_fail(EACCES, mkdir("closed/x", 0755));
    must_fail(EACCES, rmdir("closed/d"));
    must_fail(EACCES, mkdir("dark/x", 0755));
    must_fail(EACCES, rmdir("dark/d"));
    must_fail(EEXIST, mkdir("closed/d", 0755));
    must_fail(ENOENT, rmdir("closed/missing"));
    must(mkdir("closed/d/e", 0));
    must(rmdir("closed/d/e"));
}

static void a_removed_working_directory_is_a_dead_end(void **state)
{
    char buf[4096];
    struct stat st;
    DIR *dir;

    (void)state;
    make_dir("p");
    make_dir("p/d");
    must(chdir("p/d"));
    must(rmdir("../d"));
    expect(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
    must(stat(".", &st));
    expect_eq(0, st.st_nlink);
    must_fail(ENOENT, open("x", O_WRONLY | O_CREAT, 0644));
    must_fail(ENOENT, mkdir("x", 0755));
    must_fail(ENOENT, symlink("x", "y"));
    must_fail(ENOENT, mknod("x", S_IFIFO | 0644, 0));
    must_fail(ENOENT, unlink("x"));
    dir = opendir(".");
    expect(dir);
    while (errno = 0, readdir(dir))
        ;
    expect_eq(0, errno);
    must(closedir(dir));
    must(stat("..", &st));
    expect_eq(2, st.st_nlink);
    must(chdir(".."));
    make_dir("d");
    expect_eq(3, nlink_of("."));
}

static void a_removed_directory_that_is_open_can_be_read_and_changed(void **state)
{
    struct stat st;
    DIR *dir;

    (void)state;
    make_dir("d");
    dir = opendir("d");
    expect(dir);
    must(rmdir("d"));
    must(fchmod(dirfd(dir), 0700));
    must(fstat(dirfd(dir), &st));
    expect_eq(0, st.st_nlink);
    expect_eq(0700, st.st_mode & 07777);
    must(fsync(dirfd(dir)));
    must_fail(ENOENT, openat(dirfd(dir), "x", O_RDONLY));
    must(closedir(dir));
}

static void many_subdirectories_are_counted(void **state)
{
    enum {
        COUNT = 1000
    };
    char name[32];

    (void)state;
    make_dir("p");
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "p/%d", i);
        make_dir(name);
    }
    expect_eq(COUNT + 2, nlink_of("p"));
    for (int i = 0; i < COUNT; i += 2) {
        snprintf(name, sizeof(name), "p/%d", i);
        must(rmdir(name));
    }
    expect_eq(COUNT / 2 + 2, nlink_of("p"));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_new_directory_is_empty_and_counted_by_its_parent),
    POSIX_TEST(the_mode_goes_through_the_umask),
    POSIX_TEST(a_name_that_exists_is_refused),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(a_setgid_directory_passes_on_its_group),
    POSIX_TEST(only_an_empty_directory_is_removed),
    POSIX_TEST(only_a_directory_is_removed_by_rmdir),
    POSIX_TEST(rmdir_refuses_dots_and_wrong_paths),
    POSIX_TEST(rmdir_changes_the_times_of_the_parent),
    POSIX_TEST(both_need_a_parent_that_is_writable_and_searchable),
    POSIX_TEST(a_removed_working_directory_is_a_dead_end),
    POSIX_TEST(a_removed_directory_that_is_open_can_be_read_and_changed),
    POSIX_TEST(many_subdirectories_are_counted),
};

POSIX_MAIN("mkdir", tests)
