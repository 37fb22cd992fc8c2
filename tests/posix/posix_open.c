/*
 * open(2) and creat(2): creating, the flags, and what each type of file answers. Who may open what
 * is in posix_open_rights.c.
 */
#include "posix/lib/posix.h"

#include <sys/sysmacros.h>

static void a_created_file_gets_its_mode_through_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0777, 0213};
    static const mode_t modes[] = {0666, 0777, 0, 0400, 01644, 04755, 07777};

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
        for (size_t j = 0; j < sizeof(modes) / sizeof(modes[0]); j++) {
            umask(masks[i]);
            must(close(must(open("f", O_RDWR | O_CREAT, modes[j]))));
            expect_eq(S_IFREG | (modes[j] & ~masks[i]), mode_of("f"));
            must(unlink("f"));
        }
}

static void a_created_file_has_one_time_and_changes_its_directory(void **state)
{
    struct statx dir, st;

    (void)state;
    make_dir("d");
    dir = mark("d");
    must(close(must(creat("d/f", 0644))));
    expect_changed(&dir, "d", MTIME | CTIME);
    st = st_of("d/f");
    expect_eq(st.stx_mtime.tv_sec, st.stx_ctime.tv_sec);
    expect_eq(st.stx_mtime.tv_nsec, st.stx_ctime.tv_nsec);
    expect_eq(st.stx_mtime.tv_nsec, st.stx_atime.tv_nsec);
    expect_eq(geteuid(), st.stx_uid);
    expect_eq(getegid(), st.stx_gid);
    expect_eq(1, st.stx_nlink);
    expect_eq(0, st.stx_size);
    expect_eq(0, st.stx_blocks);
}

static void creating_what_exists_opens_it_and_changes_nothing(void **state)
{
    struct statx dir, file;

    (void)state;
    make_file("f", "text");
    dir = st_of(".");
    file = mark("f");
    must(close(must(open("f", O_RDWR | O_CREAT, 0777))));
    expect_changed(&file, "f", 0);
    expect_changed(&dir, ".", 0);
    expect_eq(0644, perm_of("f"));
    expect_contents("f", "text");
}

static void excl_insists_on_a_new_file(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        make("x", k->type);
        must_fail(EEXIST, open("x", O_RDWR | O_CREAT | O_EXCL, 0644));
        must_fail(EEXIST, open("x", O_RDONLY | O_CREAT | O_EXCL, 0644));
        remove_any("x");
    }
    make_file("f", "");
    must(symlink("f", "l"));
    must_fail(EEXIST, open("l", O_RDWR | O_CREAT | O_EXCL, 0644));
    must_fail(EEXIST, open(".", O_RDWR | O_CREAT | O_EXCL, 0644));
    must(close(must(open("new", O_WRONLY | O_CREAT | O_EXCL, 0644))));
}

static void a_file_made_with_mode_0_is_open_as_asked(void **state)
{
    int fd;

    (void)state;
    fd = must(open("f", O_RDWR | O_CREAT, 0));
    expect_eq(4, write(fd, "text", 4));
    must(close(fd));
    expect_eq(4, st_of("f").stx_size);
    if (is_root())
        become(UID_OWNER, GID_OWNER);
    must_fail(EACCES, open("f", O_RDONLY));
    must_fail(EACCES, open("f", O_RDONLY | O_CREAT, 0644));
}

static void creating_follows_a_dangling_symlink(void **state)
{
    (void)state;
    must(symlink("target", "l"));
    must_fail(ENOENT, open("l", O_WRONLY));
    must(close(must(open("l", O_WRONLY | O_CREAT, 0644))));
    expect_eq(S_IFREG, mode_of("target") & S_IFMT);
    must(symlink("missing/x", "l2"));
    must_fail(ENOENT, open("l2", O_WRONLY | O_CREAT, 0644));
    must_fail(ELOOP, open("l2", O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
}

static void trunc_empties_the_file_and_sets_its_times(void **state)
{
    static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct statx was;

        make_file("f", "text");
        was = mark("f");
        must(close(must(open("f", modes[i] | O_TRUNC))));
        expect_changed(&was, "f", MTIME | CTIME);
        expect_eq(0, st_of("f").stx_size);
        expect_eq(0, st_of("f").stx_blocks);
        was = mark("f");
        must(close(must(open("f", modes[i] | O_TRUNC | O_CREAT, 0600))));
        expect_changed(&was, "f", MTIME | CTIME);
        expect_eq(0644, perm_of("f"));
        must(unlink("f"));
    }
}

static void directories_are_opened_for_reading_only(void **state)
{
    char c;
    int fd;

    (void)state;
    make_dir("d");
    must_fail(EISDIR, open("d", O_WRONLY));
    must_fail(EISDIR, open("d", O_RDWR));
    must_fail(EISDIR, open("d", O_RDONLY | O_TRUNC));
    must_fail(EISDIR, open("d", O_RDWR | O_CREAT, 0644));
    must_fail(EISDIR, open("d", O_RDONLY | O_CREAT, 0644));
    must_fail(EISDIR, creat("d", 0644));
    must_fail(EISDIR, open(".", O_RDWR));
    fd = must(open("d", O_RDONLY));
    must_fail(EISDIR, read(fd, &c, 1));
    must_fail(EBADF, write(fd, "x", 1));
    must_fail(EINVAL, ftruncate(fd, 0));
    must(close(fd));
    must_fail(EISDIR, truncate("d", 0));
}

static void directory_refuses_everything_else(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        make("x", k->type);
        if (k->type == S_IFDIR)
            must(close(must(open("x", O_RDONLY | O_DIRECTORY))));
        else if (k->type == S_IFLNK)
            must_fail(ENOENT, open("x", O_RDONLY | O_DIRECTORY));
        else
            must_fail(ENOTDIR, open("x", O_RDONLY | O_DIRECTORY | O_NONBLOCK));
        remove_any("x");
    }
    make_dir("d");
    must(symlink("d", "l"));
    must(close(must(open("l", O_RDONLY | O_DIRECTORY))));
    must_fail(ENOTDIR, open("l", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
}

static void nofollow_concerns_the_last_name_only(void **state)
{
    (void)state;
    make_dir("d");
    make_file("d/f", "");
    must(symlink("d", "l"));
    must(symlink("f", "d/lf"));
    must(close(must(open("l/f", O_RDONLY | O_NOFOLLOW))));
    must_fail(ELOOP, open("l/lf", O_RDONLY | O_NOFOLLOW));
    must_fail(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
    must(close(must(open("l/", O_RDONLY | O_NOFOLLOW))));
}

static void path_descriptors_name_files_without_opening_them(void **state)
{
    struct stat st;
    char c;

    (void)state;
    EACH_KIND(k)
    {
        int fd;

        make("x", k->type);
        if (k->type != S_IFLNK)
            must(chmod("x", 0));
        fd = must(open("x", O_PATH | O_NOFOLLOW));
        must(fstat(fd, &st));
        expect_eq(k->type, st.st_mode & S_IFMT);
        must_fail(EBADF, read(fd, &c, 1));
        must_fail(EBADF, write(fd, "x", 1));
        must_fail(EBADF, fchmod(fd, 0644));
        must_fail(EBADF, fchown(fd, (uid_t)-1, (gid_t)-1));
        must_fail(EBADF, ftruncate(fd, 0));
        must_fail(EBADF, fsync(fd));
        must(close(fd));
        remove_any("x");
    }
    must_fail(ENOENT, open("new", O_PATH | O_CREAT, 0644));
}

static void appending_goes_to_the_end(void **state)
{
    int a, b;

    (void)state;
    make_file("f", "begin");
    a = must(open("f", O_WRONLY | O_APPEND));
    b = must(open("f", O_WRONLY | O_APPEND));
    must(lseek(a, 0, SEEK_SET));
    expect_eq(2, write(a, "-a", 2));
    expect_eq(2, write(b, "-b", 2));
    expect_eq(2, write(a, "-a", 2));
    must(close(a));
    must(close(b));
    expect_contents("f", "begin-a-b-a");
}

static void descriptors_do_only_what_they_were_opened_for(void **state)
{
    char c;
    int fd;

    (void)state;
    make_file("f", "x");
    fd = must(open("f", O_RDONLY));
    must_fail(EBADF, write(fd, "x", 1));
    must_fail(EINVAL, ftruncate(fd, 0));
    must(close(fd));
    fd = must(open("f", O_WRONLY));
    must_fail(EBADF, read(fd, &c, 1));
    must(ftruncate(fd, 0));
    must(close(fd));
    must_fail(EBADF, close(fd));
}

static void pipes_sockets_and_devices_without_a_driver_answer_enxio(void **state)
{
    (void)state;
    make("p", S_IFIFO);
    make("s", S_IFSOCK);
    must_fail(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
    must(close(must(open("p", O_RDONLY | O_NONBLOCK))));
    must(close(must(open("p", O_RDWR))));
    must_fail(ENXIO, open("s", O_RDONLY));
    must_fail(ENXIO, open("s", O_RDWR));
    if (is_root()) {
        must(mknod("c", S_IFCHR | 0666, makedev(4095, 77)));
        must_fail(ENXIO, open("c", O_RDONLY));
    }
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    int fd;

    (void)state;
    make_file("f", "");
    make_dir("d");
    must(symlink("loop", "loop"));
    must_fail(ENOENT, open("missing", O_RDONLY));
    must_fail(ENOENT, open("missing/x", O_WRONLY | O_CREAT, 0644));
    must_fail(ENOENT, open("", O_RDONLY));
    must_fail(ENOENT, open("", O_WRONLY | O_CREAT, 0644));
    must_fail(ENOTDIR, open("f/", O_RDONLY));
    must_fail(ENOTDIR, open("f/x", O_RDONLY));
    must_fail(ENOTDIR, open("f/x", O_WRONLY | O_CREAT, 0644));
    must_fail(EISDIR, open("x/", O_WRONLY | O_CREAT, 0644));
    must_fail(EISDIR, open("d/x/", O_WRONLY | O_CREAT, 0644));
    must_fail(ELOOP, open("loop", O_RDONLY));
    must_fail(ELOOP, open("loop/x", O_RDONLY));
    must_fail(ELOOP, open("loop", O_WRONLY | O_CREAT, 0644));
    must_fail(ENAMETOOLONG, open(long_name(256), O_RDONLY));
    must_fail(ENAMETOOLONG, open(long_name(256), O_WRONLY | O_CREAT, 0644));
    must_fail(ENAMETOOLONG, open(long_name(4096), O_RDONLY));
    must_fail(ENOENT, open(long_name(255), O_RDONLY));
    must_fail(EBADF, openat(-1, "f", O_RDONLY));
    fd = must(open("f", O_RDONLY));
    must_fail(ENOTDIR, openat(fd, "x", O_RDONLY));
    must(close(fd));
}

static void a_nameless_file_gets_a_name_by_linkat(void **state)
{
    char path[64];
    struct stat st;
    int fd;

    (void)state;
    need_kernel(6, 1);
    must_fail(EINVAL, open(".", O_TMPFILE | O_RDONLY, 0600));
    fd = must(open(".", O_TMPFILE | O_RDWR, 0640));
    must(fstat(fd, &st));
    expect_eq(0, st.st_nlink);
    expect_eq(S_IFREG | 0640, st.st_mode);
    expect_eq(4, write(fd, "text", 4));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    must(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    must(close(fd));
    expect_contents("named", "text");
    expect_eq(1, nlink_of("named"));
    fd = must(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    must_fail(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "excl", AT_SYMLINK_FOLLOW));
    must(close(fd));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(a_created_file_gets_its_mode_through_the_umask),
    POSIX_TEST(a_created_file_has_one_time_and_changes_its_directory),
    POSIX_TEST(creating_what_exists_opens_it_and_changes_nothing),
    POSIX_TEST(excl_insists_on_a_new_file),
    POSIX_TEST(a_file_made_with_mode_0_is_open_as_asked),
    POSIX_TEST(creating_follows_a_dangling_symlink),
    POSIX_TEST(trunc_empties_the_file_and_sets_its_times),
    POSIX_TEST(directories_are_opened_for_reading_only),
    POSIX_TEST(directory_refuses_everything_else),
    POSIX_TEST(nofollow_concerns_the_last_name_only),
    POSIX_TEST(path_descriptors_name_files_without_opening_them),
    POSIX_TEST(appending_goes_to_the_end),
    POSIX_TEST(descriptors_do_only_what_they_were_opened_for),
    POSIX_TEST(pipes_sockets_and_devices_without_a_driver_answer_enxio),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(a_nameless_file_gets_a_name_by_linkat),
};

POSIX_MAIN("open", tests)
