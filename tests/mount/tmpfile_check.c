/*
 * tmpfile_check DIR: O_TMPFILE in DIR, which is empty and ends with the file "linked" and the file
 * "linked2". Whoever runs it needs no rights but those to write there; some parts need root.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

static int dir_fd;

static void link_by_proc(int fd, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK_OK(linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW));
}

static void check_is_a_file_without_a_name(void)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR, 0666);
    struct stat st;
    char buf[16];

    CHECK_OK(fd);
    CHECK_OK(fstat(fd, &st));
    CHECK_TRUE(S_ISREG(st.st_mode) && st.st_nlink == 0 && st.st_size == 0);
    CHECK_TRUE((st.st_mode & 07777) == 0640); /* umask 0027 */
    CHECK_TRUE(st.st_uid == geteuid());
    CHECK_TRUE(write(fd, "contents", 8) == 8);
    CHECK_TRUE(pread(fd, buf, sizeof(buf), 0) == 8 && memcmp(buf, "contents", 8) == 0);
    CHECK_OK(fsetxattr(fd, "user.x", "v", 1, 0));
    CHECK_OK(ftruncate(fd, 3));
    CHECK_OK(fsync(fd));
    CHECK_OK(fstat(fd, &st));
    CHECK_TRUE(st.st_size == 3);
    CHECK_OK(close(fd));
}

static void check_can_be_linked(void)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR, 0600);
    struct stat st;

    CHECK_OK(fd);
    CHECK_TRUE(write(fd, "hello\n", 6) == 6);
    link_by_proc(fd, "linked");
    CHECK_OK(fstat(fd, &st));
    CHECK_TRUE(st.st_nlink == 1);
    CHECK_OK(fstatat(dir_fd, "linked", &st, 0));
    CHECK_TRUE(st.st_nlink == 1 && st.st_size == 6);
    CHECK_TRUE(write(fd, "world\n", 6) == 6);
    /* It is a file like any other now. */
    link_by_proc(fd, "linked2");
    CHECK_OK(close(fd));
    CHECK_OK(fstatat(dir_fd, "linked2", &st, 0));
    CHECK_TRUE(st.st_nlink == 2 && st.st_size == 12);
    CHECK_OK(unlinkat(dir_fd, "linked2", 0));
    if (geteuid() == 0) {
        fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY, 0600);
        CHECK_OK(fd);
        CHECK_TRUE(write(fd, "x", 1) == 1);
        CHECK_OK(linkat(fd, "", dir_fd, "linked2", AT_EMPTY_PATH));
        CHECK_OK(close(fd));
    } else {
        CHECK_OK(linkat(dir_fd, "linked", dir_fd, "linked2", 0));
    }
}

static void check_must_not_be_linked(void)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
    char path[64];

    CHECK_OK(fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK_FAILS(linkat(AT_FDCWD, path, dir_fd, "never", AT_SYMLINK_FOLLOW), ENOENT);
    CHECK_OK(close(fd));
}

static void check_taken_names(void)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR, 0600);
    char path[64];

    CHECK_OK(fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK_FAILS(linkat(AT_FDCWD, path, dir_fd, "linked", AT_SYMLINK_FOLLOW), EEXIST);
    CHECK_OK(close(fd));
}

static void check_refusals(void)
{
    CHECK_FAILS(openat(dir_fd, ".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_FAILS(openat(dir_fd, "linked", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    CHECK_FAILS(openat(dir_fd, "none", O_TMPFILE | O_RDWR, 0600), ENOENT);
}

static void check_group_of_a_setgid_directory(void)
{
    struct stat st;
    int fd;

    if (geteuid() != 0)
        return;
    CHECK_OK(mkdirat(dir_fd, "group", 0777));
    CHECK_OK(fchownat(dir_fd, "group", 0, 1234, 0));
    CHECK_OK(fchmodat(dir_fd, "group", 02777, 0));
    fd = openat(dir_fd, "group", O_TMPFILE | O_RDWR, 0600);
    CHECK_OK(fd);
    CHECK_OK(fstat(fd, &st));
    CHECK_TRUE(st.st_gid == 1234);
    CHECK_OK(close(fd));
    CHECK_OK(unlinkat(dir_fd, "group", AT_REMOVEDIR));
}

/* Many at once, closed in another order. */
static void check_many(void)
{
    int fds[200];

    for (int i = 0; i < 200; i++) {
        fds[i] = openat(dir_fd, ".", O_TMPFILE | O_RDWR, 0600);
        CHECK_OK(fds[i]);
        CHECK_TRUE(pwrite(fds[i], &i, sizeof(i), 100000) == sizeof(i));
    }
    for (int i = 0; i < 200; i++) {
        int at = i * 7 % 200, value;

        CHECK_TRUE(pread(fds[at], &value, sizeof(value), 100000) == sizeof(value) && value == at);
        CHECK_OK(close(fds[at]));
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tmpfile_check DIR\n");
        return 2;
    }
    umask(027);
    dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
    CHECK_OK(dir_fd);
    check_is_a_file_without_a_name();
    check_can_be_linked();
    check_must_not_be_linked();
    check_taken_names();
    check_refusals();
    check_group_of_a_setgid_directory();
    check_many();
    return 0;
}
