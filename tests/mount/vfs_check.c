/*
 * vfs_check DIR: what programs ask of a file system beside reading and writing, in DIR, which is
 * empty and stays so. Each part is a function; a call that must be refused is refused with the
 * errno that says so honestly.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "file_pattern.h"

enum {
    LEN = 1000000
};

static int dir_fd;
static uint8_t contents[LEN];

static int make(const char *name, size_t len)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK_OK(fd);
    CHECK_TRUE(pwrite(fd, contents, len, 0) == (ssize_t)len);
    return fd;
}

static void drop(const char *name, int fd)
{
    CHECK_OK(close(fd));
    CHECK_OK(unlinkat(dir_fd, name, 0));
}

static void compare(int fd, size_t len)
{
    static uint8_t got[LEN];

    CHECK_TRUE(pread(fd, got, LEN, 0) == (ssize_t)len && memcmp(got, contents, len) == 0);
}

/* --- Leases --- */

static volatile sig_atomic_t broken;

static void note_break(int sig)
{
    (void)sig;
    broken = 1;
}

/* A lease is taken, broken by another who opens for writing, and given back. */
static void check_leases(void)
{
    struct sigaction action = {.sa_handler = note_break};
    int fd = make("lease", 10), ro, status;
    sigset_t none, usr1;
    pid_t pid;

    CHECK_OK(close(fd));
    ro = openat(dir_fd, "lease", O_RDONLY);
    CHECK_OK(ro);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    CHECK_OK(fcntl(ro, F_SETSIG, SIGUSR1));
    if (fcntl(ro, F_SETLEASE, F_RDLCK) == -1) {
        /* Refusing is as good. */
        CHECK_TRUE(errno == EINVAL || errno == EOPNOTSUPP);
        drop("lease", ro);
        return;
    }
    CHECK_TRUE(fcntl(ro, F_GETLEASE) == F_RDLCK);
    pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        int w;

        CHECK_FAILS(openat(dir_fd, "lease", O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
        w = openat(dir_fd, "lease", O_WRONLY); /* waits for the lease to be given back */
        CHECK_OK(w);
        _exit(0);
    }
    while (!broken)
        sigsuspend(&none);
    CHECK_OK(fcntl(ro, F_SETLEASE, F_UNLCK));
    CHECK_TRUE(waitpid(pid, &status, 0) == pid && status == 0);
    drop("lease", ro);
}

/* --- What FUSE does not carry --- */

static void check_ioctls(void)
{
    struct fiemap map = {.fm_length = UINT64_MAX};
    int fd = make("ioctl", 100000), flags = 0, block = 0;

    CHECK_FAILS(ioctl(fd, FS_IOC_FIEMAP, &map), EOPNOTSUPP);
    CHECK_TRUE(ioctl(fd, FS_IOC_GETFLAGS, &flags) == -1 &&
               (errno == ENOTTY || errno == EOPNOTSUPP));
    CHECK_TRUE(ioctl(fd, FS_IOC_SETFLAGS, &flags) == -1 &&
               (errno == ENOTTY || errno == EOPNOTSUPP));
    if (geteuid() == 0)
        CHECK_TRUE(ioctl(fd, FIBMAP, &block) == -1 || block == 0); /* a hole: no block anywhere */
    CHECK_FAILS(ioctl(fd, 0x1234), ENOTTY);
    drop("ioctl", fd);
}

/* --- Pipes --- */

static void check_sendfile(void)
{
    int from = make("from", LEN), to = make("to", 0), pair[2], status;
    off_t offset = 0;
    pid_t pid;

    while (offset < LEN)
        CHECK_TRUE(sendfile(to, from, &offset, LEN) > 0);
    compare(to, LEN);
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        static uint8_t got[LEN];
        size_t at = 0;
        ssize_t n;

        close(pair[0]);
        while ((n = read(pair[1], got + at, LEN - at)) > 0)
            at += (size_t)n;
        _exit(at == LEN && memcmp(got, contents, LEN) == 0 ? 0 : 1);
    }
    close(pair[1]);
    offset = 0;
    while (offset < LEN)
        CHECK_TRUE(sendfile(pair[0], from, &offset, LEN) > 0);
    close(pair[0]);
    CHECK_TRUE(waitpid(pid, &status, 0) == pid && status == 0);
    drop("from", from);
    drop("to", to);
}

static void check_splice(void)
{
    int from = make("from", LEN), to = make("to", 0), pipe_fds[2];
    loff_t in = 0, out = 0;

    CHECK_OK(pipe(pipe_fds));
    while (out < LEN) {
        ssize_t n = splice(from, &in, pipe_fds[1], NULL, 65536, SPLICE_F_MOVE), m = 0;

        CHECK_TRUE(n > 0);
        for (; n > 0; n -= m) {
            m = splice(pipe_fds[0], NULL, to, &out, (size_t)n, SPLICE_F_MOVE);
            CHECK_TRUE(m > 0);
        }
    }
    compare(to, LEN);
    CHECK_OK(ftruncate(to, 0));
    out = 0;
    /* Pages of this process, by way of a pipe. */
    while (out < LEN) {
        struct iovec iov = {contents + out, out + 4096 < LEN ? 4096 : (size_t)(LEN - out)};
        ssize_t n = vmsplice(pipe_fds[1], &iov, 1, 0);

        CHECK_TRUE(n > 0);
        CHECK_TRUE(splice(pipe_fds[0], NULL, to, &out, (size_t)n, 0) == n);
    }
    compare(to, LEN);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    drop("from", from);
    drop("to", to);
}

/* --- Paths --- */

static void check_o_path(void)
{
    int fd = make("file", 10), path;
    struct stat st, want;
    char name[64], byte;

    CHECK_OK(fstat(fd, &want));
    path = openat(dir_fd, "file", O_PATH);
    CHECK_OK(path);
    CHECK_OK(fstat(path, &st));
    CHECK_TRUE(st.st_ino == want.st_ino);
    CHECK_FAILS(read(path, &byte, 1), EBADF);
    CHECK_FAILS(fchmod(path, 0600), EBADF);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", path);
    CHECK_OK(chmod(name, 0600));
    CHECK_OK(unlinkat(dir_fd, "file", 0));
    CHECK_OK(close(fd));
    /* It holds the file, also without a name. */
    fd = open(name, O_RDONLY);
    CHECK_OK(fd);
    compare(fd, 10);
    CHECK_OK(fstat(fd, &st));
    CHECK_TRUE(st.st_nlink == 0 && (st.st_mode & 07777) == 0600);
    CHECK_OK(close(fd));
    CHECK_OK(close(path));
    CHECK_OK(symlinkat("nowhere", dir_fd, "link"));
    path = openat(dir_fd, "link", O_PATH | O_NOFOLLOW);
    CHECK_OK(path);
    CHECK_TRUE(readlinkat(path, "", name, sizeof(name)) == 7);
    CHECK_OK(close(path));
    CHECK_OK(unlinkat(dir_fd, "link", 0));
}

static int open2(const char *name, uint64_t resolve)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = resolve};

    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

static void check_openat2(void)
{
    int fd;

    CHECK_OK(mkdirat(dir_fd, "d", 0755));
    fd = make("d/file", 10);
    CHECK_OK(symlinkat("d", dir_fd, "link"));
    CHECK_OK(symlinkat("../..", dir_fd, "d/up"));
    CHECK_OK(close(open2("d/../d/file", RESOLVE_BENEATH)));
    CHECK_OK(close(open2("link/file", RESOLVE_BENEATH)));
    CHECK_FAILS(open2("link/file", RESOLVE_NO_SYMLINKS), ELOOP);
    CHECK_FAILS(open2("../x", RESOLVE_BENEATH), EXDEV);
    CHECK_FAILS(open2("d/up", RESOLVE_BENEATH), EXDEV);
    CHECK_OK(close(open2("d/up/d/file", RESOLVE_IN_ROOT)));
    CHECK_OK(close(open2("d/file", RESOLVE_NO_XDEV)));
    CHECK_OK(unlinkat(dir_fd, "d/up", 0));
    CHECK_OK(unlinkat(dir_fd, "link", 0));
    drop("d/file", fd);
    CHECK_OK(unlinkat(dir_fd, "d", AT_REMOVEDIR));
}

static ino_t ino_at(int at, const char *name)
{
    struct stat st;

    CHECK_OK(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW));
    return st.st_ino;
}

static void check_parents_of_moved_directories(void)
{
    int child;

    CHECK_OK(mkdirat(dir_fd, "a", 0755));
    CHECK_OK(mkdirat(dir_fd, "b", 0755));
    CHECK_OK(mkdirat(dir_fd, "a/child", 0755));
    child = openat(dir_fd, "a/child", O_RDONLY | O_DIRECTORY);
    CHECK_OK(child);
    CHECK_TRUE(ino_at(child, "..") == ino_at(dir_fd, "a"));
    CHECK_OK(renameat(dir_fd, "a/child", dir_fd, "b/child"));
    CHECK_TRUE(ino_at(child, "..") == ino_at(dir_fd, "b"));
    CHECK_TRUE(ino_at(child, "../..") == ino_at(dir_fd, "."));
    CHECK_OK(unlinkat(dir_fd, "a", AT_REMOVEDIR));
    CHECK_OK(renameat(dir_fd, "b/child", dir_fd, "child"));
    CHECK_TRUE(ino_at(child, "..") == ino_at(dir_fd, "."));
    CHECK_FAILS(renameat(dir_fd, "child", child, "inside"), EINVAL);
    CHECK_OK(close(child));
    CHECK_OK(unlinkat(dir_fd, "child", AT_REMOVEDIR));
    CHECK_OK(unlinkat(dir_fd, "b", AT_REMOVEDIR));
}

static void check_a_removed_working_directory(void)
{
    char buf[4096];
    struct stat st;
    int old = open(".", O_RDONLY | O_DIRECTORY), fd;

    CHECK_OK(old);
    CHECK_OK(mkdirat(dir_fd, "gone", 0755));
    fd = openat(dir_fd, "gone", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fd);
    CHECK_OK(fchdir(fd));
    CHECK_OK(unlinkat(dir_fd, "gone", AT_REMOVEDIR));
    CHECK_TRUE(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
    CHECK_OK(stat(".", &st));
    CHECK_TRUE(S_ISDIR(st.st_mode) && st.st_nlink == 0);
    CHECK_FAILS(open("file", O_CREAT | O_RDWR, 0644), ENOENT);
    CHECK_FAILS(open(".", O_TMPFILE | O_RDWR, 0644), ENOENT);
    CHECK_FAILS(mkdir("dir", 0755), ENOENT);
    CHECK_FAILS(symlink("x", "link"), ENOENT);
    CHECK_OK(fchmod(fd, 0700));
    CHECK_TRUE(ino_at(fd, "..") == ino_at(dir_fd, "."));
    CHECK_OK(fchdir(old));
    CHECK_OK(close(fd));
    CHECK_OK(close(old));
}

/* Deeper than any path can name. */
static void check_deep_directories(void)
{
    enum {
        DEPTH = 30
    };
    char name[251], path[2 * PATH_MAX] = "";
    int old = open(".", O_RDONLY | O_DIRECTORY), fd;
    struct stat st;

    CHECK_OK(old);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    CHECK_OK(fchdir(dir_fd));
    for (int i = 0; i < DEPTH; i++) {
        CHECK_OK(mkdir(name, 0755));
        CHECK_OK(chdir(name));
        strcat(strcat(path, i ? "/" : ""), name);
    }
    fd = open("file", O_CREAT | O_RDWR, 0644);
    CHECK_OK(fd);
    CHECK_TRUE(write(fd, contents, 10) == 10);
    CHECK_OK(close(fd));
    CHECK_FAILS(fstatat(dir_fd, path, &st, 0), ENAMETOOLONG);
    path[16 * sizeof(name) - 1] = 0; /* 4,015 bytes */
    CHECK_OK(fstatat(dir_fd, path, &st, 0));
    CHECK_OK(unlink("file"));
    for (int i = 0; i < DEPTH; i++) {
        CHECK_OK(chdir(".."));
        CHECK_OK(rmdir(name));
    }
    CHECK_TRUE(ino_at(AT_FDCWD, ".") == ino_at(dir_fd, "."));
    CHECK_OK(fchdir(old));
    CHECK_OK(close(old));
}

/* --- Listings --- */

enum {
    NAME_COUNT = 300
};

static void number_name(int i, char name[16])
{
    sprintf(name, "n%05d", i);
}

static DIR *open_dir(void)
{
    int fd = openat(dir_fd, "list", O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(fd);

    CHECK_TRUE(fd >= 0 && dir);
    return dir;
}

/* A place that was told stays one while entries come and go around it. */
static void check_places_in_a_listing(void)
{
    static char names[NAME_COUNT + 2][NAME_MAX + 1];
    char name[16], path[32];
    long places[NAME_COUNT + 2];
    struct dirent *d;
    int count = 0;
    DIR *dir;

    CHECK_OK(mkdirat(dir_fd, "list", 0755));
    for (int i = 0; i < NAME_COUNT; i++) {
        number_name(i, name);
        sprintf(path, "list/%s", name);
        CHECK_OK(close(openat(dir_fd, path, O_CREAT | O_WRONLY, 0644)));
    }
    dir = open_dir();
    places[0] = telldir(dir);
    while ((d = readdir(dir))) {
        CHECK_TRUE(count < NAME_COUNT + 2);
        strcpy(names[count++], d->d_name);
        if (count < NAME_COUNT + 2)
            places[count] = telldir(dir);
    }
    CHECK_TRUE(count == NAME_COUNT + 2);
    /* Remove every other name, and make as many new ones. */
    for (int i = 0; i < count; i += 2) {
        if (names[i][0] == '.')
            continue;
        CHECK_OK(unlinkat(dirfd(dir), names[i], 0));
        sprintf(path, "list/new%d", i);
        CHECK_OK(close(openat(dir_fd, path, O_CREAT | O_WRONLY, 0644)));
    }
    /* From each place on, backwards: the first old name that is left is the one that stood there.
     */
    for (int i = count - 1; i >= 0; i--) {
        if (names[i][0] == '.' || i % 2 == 0)
            continue;
        seekdir(dir, places[i]);
        do
            d = readdir(dir);
        while (d && strncmp(d->d_name, "new", 3) == 0);
        CHECK_TRUE(d && strcmp(d->d_name, names[i]) == 0);
    }
    rewinddir(dir);
    while ((d = readdir(dir))) {
        if (d->d_name[0] != '.')
            CHECK_OK(unlinkat(dirfd(dir), d->d_name, 0));
    }
    closedir(dir);
    CHECK_OK(unlinkat(dir_fd, "list", AT_REMOVEDIR));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: vfs_check DIR\n");
        return 2;
    }
    pattern_fill(1, contents, LEN);
    dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
    CHECK_OK(dir_fd);
    check_leases();
    check_ioctls();
    check_sendfile();
    check_splice();
    check_o_path();
    check_openat2();
    check_parents_of_moved_directories();
    check_a_removed_working_directory();
    check_deep_directories();
    check_places_in_a_listing();
    return 0;
}
