/*
 * interrupt_check DIR NAME: requests of all kinds while a timer interrupts them, which makes the
 * kernel send INTERRUPTs; none may be lost or answered twice. Uses names in DIR that begin with
 * NAME, and removes them.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

enum {
    ROUNDS = 1500,
    LEN = 300000
};

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
    (void)sig;
    ticks++;
}

static int dir_fd;

static void ask_birth(const char *name)
{
    struct statx st;

    CHECK_OK(statx(dir_fd, name, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS | STATX_BTIME, &st));
    CHECK_TRUE(st.stx_mask & STATX_BTIME && st.stx_size == LEN);
}

static void make_nameless(const char *name)
{
    char path[64];
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR, 0600);

    CHECK_OK(fd);
    CHECK_TRUE(write(fd, name, strlen(name)) == (ssize_t)strlen(name));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK_OK(linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW));
    CHECK_OK(close(fd));
    CHECK_OK(unlinkat(dir_fd, name, 0));
}

/* It may stop early, or be told to try again, but never lie. */
static void copy(int fd)
{
    off_t from = 0, to = LEN;

    while (from < LEN) {
        ssize_t n = copy_file_range(fd, &from, fd, &to, (size_t)(LEN - from), 0);

        CHECK_TRUE(n > 0 || (n == -1 && errno == EINTR));
    }
    CHECK_OK(ftruncate(fd, LEN));
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = tick};
    struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
    static char data[LEN];
    char other[300];
    int fd;

    if (argc != 3) {
        fprintf(stderr, "usage: interrupt_check DIR NAME\n");
        return 2;
    }
    snprintf(other, sizeof(other), "%s-2", argv[2]);
    dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
    CHECK_OK(dir_fd);
    fd = openat(dir_fd, argv[2], O_RDWR | O_CREAT, 0644);
    CHECK_OK(fd);
    CHECK_TRUE(write(fd, data, LEN) == LEN);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        ask_birth(argv[2]);
        make_nameless(other);
        if (i % 10 == 0)
            copy(fd);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK_TRUE(ticks > 0);
    CHECK_OK(unlinkat(dir_fd, argv[2], 0));
    return 0;
}
