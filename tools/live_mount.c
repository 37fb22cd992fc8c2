/*
 * A mount of ours, looked at from outside.
 *
 * Whoever asks a stuck daemon waits for ever. So a child asks, and is killed when it hears nothing.
 * Until it has ended, the mount is in use by it. Where the daemon has taken the question and never
 * answers it cannot end, and is left behind: it dies when the connection does.
 */
#include "tools/live_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANSWER_MS_MAX = 5000,
    END_MS_MAX = 1000,
};

/* statfs(2) is answered by the daemon, never from a cache. */
static _Noreturn void ask(const char *dir)
{
    struct statvfs st;

    _exit(statvfs(dir, &st) && (errno == ENOTCONN || errno == ECANCELED));
}

int live_mount_ask(const char *dir)
{
    struct pollfd end = {.events = POLLIN};
    int fds[2], status = 0, n;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return 0;
    pid = fork();
    if (pid == 0)
        ask(dir);
    close(fds[1]);
    end.fd = fds[0];
    /* The child holds the other end until it ends. */
    do
        n = pid < 0 ? 1 : poll(&end, 1, ANSWER_MS_MAX);
    while (n < 0 && errno == EINTR);
    if (n == 0) {
        kill(pid, SIGKILL);
        n = poll(&end, 1, END_MS_MAX);
        close(fds[0]);
        if (n > 0)
            waitpid(pid, NULL, 0);
        return -ETIMEDOUT;
    }
    close(fds[0]);
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    return !WIFEXITED(status) || WEXITSTATUS(status) == 0 ? 0 : -ENOTCONN;
}

int live_mount_open(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int live_mount_sync(int fd)
{
    /* The kernel's pages go to the daemon; what it has got, to disk. */
    return syncfs(fd) || fsync(fd) ? -errno : 0;
}

ino_t live_mount_connection(unsigned minor)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u", minor);
    return stat(path, &st) ? 0 : st.st_ino;
}
