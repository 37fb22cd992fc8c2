/*
 * Clients who ask for much. All in DIR, whose mount is looked at by the script.
 *
 *   many open DIR COUNT      make and hold open COUNT files, in as many processes as the limit of
 *                            descriptors asks for; print "open", wait for a line, read them all
 *   many names DIR COUNT     look up COUNT names that do not exist
 *   many attributes DIR COUNT
 *                            COUNT files with attributes of 64 KiB in sum, and read them
 *   many deep DIR COUNT      a directory in a directory, COUNT of them
 *   many shallow DIR COUNT   remove those
 *   many clients DIR COUNT CALLS
 *                            COUNT processes at once, CALLS rounds of requests each
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount/check.h"

enum {
    DIR_LEN = 1000, /* files in one directory */
    SPARE_FDS = 20,
    VALUE_LEN = 65000
};

static unsigned raise_limit(void)
{
    struct rlimit limit;

    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < 110000) {
        struct rlimit more = {110000, 110000};

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            limit = more;
    }
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    return limit.rlim_cur > 1 << 20 ? 1 << 20 : (unsigned)limit.rlim_cur;
}

static int open_file(const char *dir, unsigned n, int flags)
{
    char path[4200];
    int fd;

    snprintf(path, sizeof(path), "%s/%u", dir, n / DIR_LEN);
    if (n % DIR_LEN == 0 && flags & O_CREAT)
        CHECK_OK(mkdir(path, 0755));
    snprintf(path, sizeof(path), "%s/%u/%u", dir, n / DIR_LEN, n % DIR_LEN);
    fd = open(path, flags, 0644);
    CHECK_OK(fd);
    return fd;
}

/* Files first to end - 1; tells the other process when they are open, and waits for it. */
static void hold(const char *dir, unsigned first, unsigned end, int told, int go)
{
    int *fds = calloc(end - first, sizeof(*fds));
    char byte;

    CHECK_TRUE(fds != NULL);
    for (unsigned i = first; i < end; i++) {
        fds[i - first] = open_file(dir, i, O_RDWR);
        CHECK_TRUE(write(fds[i - first], &i, sizeof(i)) == sizeof(i));
    }
    CHECK_TRUE(write(told, "o", 1) == 1);
    CHECK_TRUE(read(go, &byte, 1) == 0);
    for (unsigned i = first; i < end; i++) {
        unsigned found;

        CHECK_TRUE(pread(fds[i - first], &found, sizeof(found), 0) == sizeof(found) && found == i);
        close(fds[i - first]);
    }
    free(fds);
}

static void expect_children(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int status;

        CHECK_OK(wait(&status));
        CHECK_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void many_open(const char *dir, unsigned count)
{
    unsigned each = raise_limit() - SPARE_FDS, children = 0;
    int told[2], go[2];
    char byte;

    CHECK_OK(pipe(told));
    CHECK_OK(pipe(go));
    for (unsigned i = 0; i < count; i++)
        close(open_file(dir, i, O_WRONLY | O_CREAT | O_EXCL));
    for (unsigned first = 0; first < count; first += each, children++) {
        pid_t pid = fork();

        CHECK_OK(pid);
        if (pid == 0) {
            close(go[1]);
            hold(dir, first, first + each < count ? first + each : count, told[1], go[0]);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < children; i++)
        CHECK_TRUE(read(told[0], &byte, 1) == 1);
    printf("open by %u processes\n", children);
    fflush(stdout);
    CHECK_TRUE(getchar() == '\n');
    close(go[1]);
    expect_children(children);
}

static void many_names(const char *dir, unsigned count)
{
    char path[4200];
    struct stat st;

    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/missing-%u", dir, i);
        CHECK_FAILS(stat(path, &st), ENOENT);
    }
}

static void many_attributes(const char *dir, unsigned count)
{
    static uint8_t value[VALUE_LEN], found[VALUE_LEN];
    char path[4200];

    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < count; i++) {
            uint32_t state = i + 1;

            for (size_t j = 0; j < sizeof(value); j++) {
                state = state * 1664525 + 1013904223;
                value[j] = (uint8_t)(state >> 24);
            }
            snprintf(path, sizeof(path), "%s/%u", dir, i);
            if (pass == 0) {
                int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

                CHECK_OK(fd);
                CHECK_OK(fsetxattr(fd, "user.large", value, sizeof(value), 0));
                close(fd);
            } else {
                CHECK_TRUE(getxattr(path, "user.large", found, sizeof(found)) == sizeof(found));
                CHECK_TRUE(memcmp(value, found, sizeof(found)) == 0);
            }
        }
}

static int step_down(int fd)
{
    int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);

    CHECK_OK(next);
    close(fd);
    return next;
}

static void deep(const char *dir, unsigned count)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);

    for (unsigned i = 0; i < count; i++) {
        CHECK_OK(mkdirat(fd, "d", 0755));
        fd = step_down(fd);
    }
    /* A move needs the way up to the root. */
    CHECK_OK(mkdirat(AT_FDCWD, "to-be-moved", 0755));
    CHECK_OK(renameat(AT_FDCWD, "to-be-moved", fd, "moved"));
    CHECK_OK(unlinkat(fd, "moved", AT_REMOVEDIR));
    close(fd);
}

static void shallow(const char *dir, unsigned count)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);

    for (unsigned i = 0; i < count; i++)
        fd = step_down(fd);
    for (unsigned i = 0; i < count; i++) {
        int up = openat(fd, "..", O_RDONLY | O_DIRECTORY);

        CHECK_OK(up);
        CHECK_OK(unlinkat(up, "d", AT_REMOVEDIR));
        close(fd);
        fd = up;
    }
    close(fd);
}

/* One process: files of its own, and looks at those of the others. */
static void client(const char *dir, unsigned number, unsigned count, unsigned calls)
{
    static uint8_t bytes[20000];
    char mine[4200], other[4200], moved[4200];
    struct stat st;

    snprintf(mine, sizeof(mine), "%s/c%u", dir, number);
    snprintf(moved, sizeof(moved), "%s/m%u", dir, number);
    for (unsigned i = 0; i < calls; i++) {
        int fd = open(mine, O_RDWR | O_CREAT, 0644);

        CHECK_OK(fd);
        memset(bytes, (int)(number + i), sizeof(bytes));
        CHECK_TRUE(pwrite(fd, bytes, sizeof(bytes), i * 100) == sizeof(bytes));
        CHECK_OK(ftruncate(fd, i * 50));
        if (i % 8 == 0)
            CHECK_OK(fsync(fd));
        close(fd);
        CHECK_OK(rename(mine, moved));
        CHECK_OK(setxattr(moved, "user.a", bytes, 100, 0));
        snprintf(other, sizeof(other), "%s/m%u", dir, (number + i) % count);
        CHECK_TRUE(stat(other, &st) == 0 || errno == ENOENT);
        CHECK_TRUE(link(other, mine) == 0 || errno == ENOENT);
        CHECK_TRUE(unlink(mine) == 0 || errno == ENOENT);
    }
}

static void many_clients(const char *dir, unsigned count, unsigned calls)
{
    for (unsigned i = 0; i < count; i++) {
        pid_t pid = fork();

        CHECK_OK(pid);
        if (pid == 0) {
            client(dir, i, count, calls);
            _exit(0);
        }
    }
    expect_children(count);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;

    if (count == 0)
        return 2;
    CHECK_OK(chdir(argv[2]));
    if (strcmp(argv[1], "open") == 0)
        many_open(argv[2], count);
    else if (strcmp(argv[1], "names") == 0)
        many_names(argv[2], count);
    else if (strcmp(argv[1], "attributes") == 0)
        many_attributes(argv[2], count);
    else if (strcmp(argv[1], "deep") == 0)
        deep(argv[2], count);
    else if (strcmp(argv[1], "shallow") == 0)
        shallow(argv[2], count);
    else if (strcmp(argv[1], "clients") == 0 && argc == 5)
        many_clients(argv[2], count, (unsigned)strtoul(argv[4], NULL, 10));
    else
        return 2;
    return 0;
}
