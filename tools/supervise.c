/*
 * The parent waits for the end of a pipe that the child holds open, so that a signal, or a limit of
 * time, reaches it whatever the child is in. PR_SET_PDEATHSIG takes the child along.
 */
#include "tools/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SLOW_MS = 2000
};

void *supervise_alloc(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void be_child(int (*work)(void *arg), void *arg, pid_t parent)
{
    int status;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(127);
    status = work(arg);
    fflush(NULL);
    _exit(status);
}

/* True when the child has closed its end; false at the limit. */
static bool wait_for_end(int fd, long limit_ms, void (*slow)(const void *arg), const void *arg)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    const long begin = now_ms();

    for (;;) {
        long passed = now_ms() - begin;
        long left = limit_ms < 0 ? SLOW_MS : limit_ms - passed;

        if (slow && passed >= SLOW_MS) {
            slow(arg);
            slow = NULL;
        }
        if (left < 0)
            left = 0;
        if (slow && left > SLOW_MS - passed)
            left = SLOW_MS - passed;
        if (poll(&end, 1, (int)(left < SLOW_MS ? left : SLOW_MS)) > 0)
            return true;
        if (limit_ms >= 0 && now_ms() - begin >= limit_ms)
            return false;
    }
}

int supervise(int (*work)(void *arg), void *arg, long limit_ms, void (*slow)(const void *arg))
{
    const pid_t parent = getpid();
    int fds[2], status = 0;
    bool ended;
    pid_t pid;

    /* What stands in a buffer would be written twice. */
    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC))
        return -errno;
    pid = fork();
    if (pid == 0)
        be_child(work, arg, parent);
    close(fds[1]);
    ended = pid < 0 || wait_for_end(fds[0], limit_ms, slow, arg);
    close(fds[0]);
    if (pid < 0)
        return -EAGAIN;
    if (!ended) {
        kill(pid, SIGKILL);
        return -ETIMEDOUT;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}
