/*
 * Making files and asking for their attributes.
 *
 * st_of asks twice, once for what the kernel may keep and once past all caches, and compares, so
 * that every test is also a test of what the kernel was told to forget.
 */
#include "posix/lib/posix.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

const struct kind kinds[] = {
    {S_IFREG, "file"},    {S_IFDIR, "directory"}, {S_IFIFO, "fifo"}, {S_IFLNK, "symlink"},
    {S_IFSOCK, "socket"}, {S_IFCHR, "chr"},       {S_IFBLK, "blk"},  {0, NULL},
};

bool can_make(mode_t type)
{
    return geteuid() == 0 || (type != S_IFCHR && type != S_IFBLK);
}

static void make_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

    expect(strlen(path) < sizeof(at.sun_path));
    memcpy(at.sun_path, path, strlen(path) + 1);
    must(bind(fd, (struct sockaddr *)&at, sizeof(at)));
    must(close(fd));
    must(chmod(path, 0644));
}

void make(const char *path, mode_t type)
{
    switch (type) {
    case S_IFREG:
        make_file(path, "");
        break;
    case S_IFDIR:
        make_dir(path);
        break;
    case S_IFLNK:
        must(symlink("nowhere", path));
        break;
    case S_IFSOCK:
        make_socket(path);
        break;
    default:
        must(mknod(path, type | 0644, makedev(1, 3)));
        break;
    }
}

void make_file(const char *path, const char *text)
{
    int fd = must(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

    expect_eq(strlen(text), write(fd, text, strlen(text)));
    must(close(fd));
}

void make_dir(const char *path)
{
    must(mkdir(path, 0755));
}

void expect_contents(const char *path, const char *text)
{
    char buf[4096];
    int fd = must(open(path, O_RDONLY | O_CLOEXEC));
    long len = must(read(fd, buf, sizeof(buf) - 1));

    must(close(fd));
    buf[len] = 0;
    expect_text(text, buf);
}

void remove_any(const char *path)
{
    must(remove(path));
}

const char *long_name(size_t len)
{
    static char name[8192];

    expect(len < sizeof(name));
    memset(name, 'n', len);
    name[len] = 0;
    return name;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* All but atime: looking may change it. */
static void expect_same(const char *path, const struct statx *a, const struct statx *b)
{
    bool same = a->stx_ino == b->stx_ino && a->stx_mode == b->stx_mode &&
                a->stx_nlink == b->stx_nlink && a->stx_uid == b->stx_uid &&
                a->stx_gid == b->stx_gid && a->stx_size == b->stx_size &&
                a->stx_blocks == b->stx_blocks && a->stx_rdev_major == b->stx_rdev_major &&
                a->stx_rdev_minor == b->stx_rdev_minor && same_time(&a->stx_mtime, &b->stx_mtime) &&
                same_time(&a->stx_ctime, &b->stx_ctime);

    if (!same)
        print_error("%s: the kernel's attributes are not those of the file system\n", path);
    expect(same);
}

struct statx st_of(const char *path)
{
    unsigned mask = STATX_BASIC_STATS | STATX_BTIME;
    int flags = AT_SYMLINK_NOFOLLOW;
    struct statx kept, fresh;

    must(statx(AT_FDCWD, path, flags, mask, &kept));
    must(statx(AT_FDCWD, path, flags | AT_STATX_FORCE_SYNC, mask, &fresh));
    expect_same(path, &kept, &fresh);
    return fresh;
}

mode_t mode_of(const char *path)
{
    return st_of(path).stx_mode;
}

mode_t perm_of(const char *path)
{
    return mode_of(path) & 07777;
}

unsigned nlink_of(const char *path)
{
    return st_of(path).stx_nlink;
}

uint64_t ino_of(const char *path)
{
    return st_of(path).stx_ino;
}

bool is_absent(const char *path)
{
    struct stat st;

    return lstat(path, &st) == -1 && errno == ENOENT;
}

struct timespec time_of(const struct statx_timestamp *t)
{
    return (struct timespec){.tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec};
}

/* Whether a is later than b. */
static bool later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

struct statx mark(const char *path)
{
    struct statx st = st_of(path);
    struct timespec begin, now;

    /* Kernels may stamp files with this coarse clock. */
    clock_gettime(CLOCK_REALTIME, &begin);
    do {
        sched_yield();
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (!later(&now, &begin));
    return st;
}

static void expect_time(const char *what, const struct statx_timestamp *before,
                        const struct statx_timestamp *after, bool changes, const char *file,
                        int line)
{
    struct timespec was = time_of(before), is = time_of(after);

    if (changes ? later(&is, &was) : same_time(before, after))
        return;
    print_error("%s %s: was %lld.%09ld, is %lld.%09ld\n", what,
                changes ? "should be later" : "should not change", (long long)was.tv_sec,
                was.tv_nsec, (long long)is.tv_sec, is.tv_nsec);
    posix_fail(file, line);
}

void posix_expect_changed(const struct statx *before, const char *path, unsigned which,
                          const char *file, int line)
{
    struct statx after = st_of(path);

    expect_time("mtime", &before->stx_mtime, &after.stx_mtime, which & MTIME, file, line);
    expect_time("ctime", &before->stx_ctime, &after.stx_ctime, which & CTIME, file, line);
}
