/*
 * stat(2), statx(2) and statfs(2): types, sizes, blocks, link counts, times and numbers.
 */
#include "posix/lib/posix.h"

#include <limits.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>

static void every_type_is_told(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        struct stat st;

        make("x", k->type);
        must(lstat("x", &st));
        expect_eq(k->type, st.st_mode & S_IFMT);
        expect_eq(k->type == S_IFDIR ? 2 : 1, st.st_nlink);
        expect_eq(geteuid(), st.st_uid);
        expect_eq(getegid(), st.st_gid);
        expect(st.st_blksize >= 512);
        if (k->type == S_IFLNK)
            expect_eq(strlen("nowhere"), st.st_size);
        else if (k->type != S_IFDIR)
            expect_eq(0, st.st_size);
        if (k->type != S_IFDIR)
            expect_eq(0, st.st_blocks);
        remove_any("x");
    }
}

static void numbers_are_unique_and_stable(void **state)
{
    uint64_t inos[50];
    char name[16];
    struct stat here;

    (void)state;
    must(stat(".", &here));
    for (int i = 0; i < 50; i++) {
        struct stat st;

        snprintf(name, sizeof(name), "f%d", i);
        make_file(name, "");
        must(stat(name, &st));
        expect_eq(here.st_dev, st.st_dev);
        inos[i] = st.st_ino;
        for (int j = 0; j < i; j++)
            expect(inos[j] != inos[i]);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        expect_eq(inos[i], ino_of(name));
    }
}

static void the_size_is_that_of_the_last_change(void **state)
{
    static const off_t sizes[] = {0, 1, 511, 4095, 4096, 4097, 65536, 65537, 1 << 20, 5};
    struct stat st;
    int fd;

    (void)state;
    make_file("f", "");
    fd = must(open("f", O_RDWR));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        must(ftruncate(fd, sizes[i]));
        must(fstat(fd, &st));
        expect_eq(sizes[i], st.st_size);
        expect_eq(sizes[i], st_of("f").stx_size);
        expect_eq(1, pwrite(fd, "x", 1, sizes[i]));
        must(fstat(fd, &st));
        expect_eq(sizes[i] + 1, st.st_size);
    }
    must(close(fd));
}

static void blocks_grow_with_data_and_not_with_holes(void **state)
{
    enum {
        LEN = 1 << 20
    };
    static char data[LEN];
    int fd;

    (void)state;
    memset(data, 'd', sizeof(data));
    fd = must(open("f", O_RDWR | O_CREAT, 0644));
    expect_eq(LEN, write(fd, data, LEN));
    must(fsync(fd));
    expect(st_of("f").stx_blocks >= LEN / 512);
    must(ftruncate(fd, 0));
    expect_eq(0, st_of("f").stx_blocks);
    must(ftruncate(fd, (off_t)1 << 32));
    expect_eq((off_t)1 << 32, st_of("f").stx_size);
    expect_eq(0, st_of("f").stx_blocks);
    expect_eq(4096, pwrite(fd, data, 4096, (off_t)1 << 31));
    must(fsync(fd));
    expect(st_of("f").stx_blocks >= 8);
    expect(st_of("f").stx_blocks <= (2 << 20) / 512);
    must(close(fd));
}

static void what_a_call_does_to_the_times(void **state)
{
    struct statx was;
    char c;
    int fd;

    (void)state;
    make_file("f", "text");
    fd = must(open("f", O_RDWR));
    was = mark("f");
    expect_eq(1, pread(fd, &c, 1, 0));
    expect_changed(&was, "f", 0);
    expect_eq(1, pwrite(fd, "x", 1, 0));
    expect_changed(&was, "f", MTIME | CTIME);
    was = mark("f");
    expect_eq(0, pwrite(fd, "", 0, 0));
    expect_changed(&was, "f", 0);
    must(ftruncate(fd, 10));
    expect_changed(&was, "f", MTIME | CTIME);
    was = mark("f");
    must(ftruncate(fd, 10));
    expect_changed(&was, "f", MTIME | CTIME);
    was = mark("f");
    must(fsync(fd));
    must(close(fd));
    expect_changed(&was, "f", 0);
    must(fallocate(fd = must(open("f", O_RDWR)), 0, 0, 100));
    expect_changed(&was, "f", MTIME | CTIME);
    must(close(fd));
    was = mark("f");
    must(truncate("f", 200));
    expect_changed(&was, "f", MTIME | CTIME);
}

static void birth_is_told_and_does_not_change(void **state)
{
    struct statx st, later;

    (void)state;
    need_kernel(6, 6);
    make_file("f", "");
    st = mark("f");
    expect(st.stx_mask & STATX_BTIME);
    must(chmod("f", 0600));
    must(truncate("f", 10));
    must(utimensat(AT_FDCWD, "f", (struct timespec[2]){{1, 0}, {2, 0}}, 0));
    must(rename("f", "g"));
    later = st_of("g");
    expect_eq(st.stx_btime.tv_sec, later.stx_btime.tv_sec);
    expect_eq(st.stx_btime.tv_nsec, later.stx_btime.tv_nsec);
}

static void statx_takes_empty_paths_and_refuses_odd_flags(void **state)
{
    struct statx st;
    int fd;

    (void)state;
    make_file("f", "text");
    fd = must(open("f", O_RDONLY));
    must(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &st));
    expect_eq(4, st.stx_size);
    must(close(fd));
    must_fail(ENOENT, statx(AT_FDCWD, "", 0, STATX_ALL, &st));
    must_fail(EINVAL, statx(AT_FDCWD, "f", 1, STATX_ALL, &st));
    must_fail(EINVAL, statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &st));
    must_fail(EINVAL, statx(AT_FDCWD, "f", 0, 1U << 31, &st));
}

static void missing_and_wrong_paths_are_refused(void **state)
{
    struct stat st;

    (void)state;
    make_file("f", "");
    must(symlink("loop", "loop"));
    must(symlink("missing", "dangling"));
    must_fail(ENOENT, stat("missing", &st));
    must_fail(ENOENT, stat("dangling", &st));
    must(lstat("dangling", &st));
    must_fail(ENOENT, stat("", &st));
    must_fail(ENOTDIR, stat("f/x", &st));
    must_fail(ENOTDIR, stat("f/", &st));
    must_fail(ELOOP, stat("loop", &st));
    must(lstat("loop", &st));
    must_fail(ENAMETOOLONG, stat(long_name(256), &st));
    must_fail(ENAMETOOLONG, stat(long_name(4096), &st));
    must_fail(EBADF, fstat(-1, &st));
    must_fail(EBADF, fstatat(-1, "f", &st, 0));
}

static void looking_needs_no_rights_on_the_file_itself(void **state)
{
    struct stat st;

    (void)state;
    need_root();
    make_file("f", "");
    must(chmod("f", 0));
    become(UID_OTHER, GID_OTHER);
    must(stat("f", &st));
    expect_eq(S_IFREG, st.st_mode);
}

static void the_file_system_tells_its_size_and_limits(void **state)
{
    struct statfs fs, by_fd;
    struct statvfs vfs;
    int fd;

    (void)state;
    must(statfs(".", &fs));
    expect(fs.f_blocks > 0);
    expect(fs.f_bsize >= 512);
    expect(fs.f_bfree <= fs.f_blocks);
    expect(fs.f_bavail <= fs.f_bfree);
    expect(fs.f_files > 0);
    expect(fs.f_ffree <= fs.f_files);
    expect_eq(255, fs.f_namelen);
    must(statvfs(".", &vfs));
    expect_eq(255, vfs.f_namemax);
    expect(vfs.f_frsize > 0);
    make_file("f", "");
    fd = must(open("f", O_RDONLY));
    must(fstatfs(fd, &by_fd));
    expect_eq(fs.f_type, by_fd.f_type);
    expect_eq(fs.f_blocks, by_fd.f_blocks);
    must(close(fd));
    expect_eq(255, pathconf(".", _PC_NAME_MAX));
    expect_eq(4096, pathconf(".", _PC_PATH_MAX));
    must_fail(ENOENT, statfs("missing", &fs));
    must_fail(ENOTDIR, statfs("f/x", &fs));
    must_fail(EBADF, fstatfs(-1, &fs));
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(every_type_is_told),
    POSIX_TEST(numbers_are_unique_and_stable),
    POSIX_TEST(the_size_is_that_of_the_last_change),
    POSIX_TEST(blocks_grow_with_data_and_not_with_holes),
    POSIX_TEST(what_a_call_does_to_the_times),
    POSIX_TEST(birth_is_told_and_does_not_change),
    POSIX_TEST(statx_takes_empty_paths_and_refuses_odd_flags),
    POSIX_TEST(missing_and_wrong_paths_are_refused),
    POSIX_TEST(looking_needs_no_rights_on_the_file_itself),
    POSIX_TEST(the_file_system_tells_its_size_and_limits),
};

POSIX_MAIN("stat", tests)
