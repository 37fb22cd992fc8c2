/*
 * The stopper.
 *
 * libfuse's own handlers end the loop at once and close the connection; pages that programs have
 * changed through shared memory maps would be lost then. Instead a thread waits for the signals,
 * has the kernel write its dirty pages while the workers still serve, and unmounts; that ends the
 * loop. When the mount is in use the loop is ended and it is detached: what is open fails from then
 * on, but nothing that was written is lost.
 */
#include "fs/fuse/stopper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/mount_point.h"
#include "fs/fuse/session.h"

enum {
    KICK_MS = 100
};

struct stopper {
    /* Constant after start. */
    struct fuse_session *se;
    const char *dir;
    pthread_t loop; /* the thread that runs the loop */
    pthread_t thread;
    int signals; /* a signalfd */
    int stop;    /* an eventfd: the loop has ended */
};

static void stop_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
}

void stopper_block_signals(void)
{
    sigset_t set;

    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Only there to interrupt the loop's wait. */
static void on_kick(int signo)
{
    (void)signo;
}

static void write_dirty_pages(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (syncfs(fd) < 0)
        mount_log(LSM_LOG_WARN, "%s: writing changed pages failed: %s", dir, strerror(errno));
    close(fd);
}

/* Whether the loop has ended within the time. */
static bool loop_ended(struct stopper *s, int timeout_ms)
{
    struct pollfd p = {.fd = s->stop, .events = POLLIN};

    return poll(&p, 1, timeout_ms) > 0;
}

static void unmount(struct stopper *s)
{
    int err;

    write_dirty_pages(s->dir);
    err = mount_point_detach(s->dir, false);
    if (!err)
        return;
    mount_log(LSM_LOG_WARN, "%s: in use (%s); it is detached", s->dir, strerror(-err));
    /*
     * fuse_session_unmount detaches it when the loop has ended. The kick may come before the loop
     * waits, so it is repeated.
     */
    do {
        fuse_session_exit(s->se);
        pthread_kill(s->loop, SIGUSR1);
    } while (!loop_ended(s, KICK_MS));
}

static void *stopper_run(void *arg)
{
    struct stopper *s = arg;
    struct pollfd fds[2] = {
        {.fd = s->signals, .events = POLLIN},
        {.fd = s->stop, .events = POLLIN},
    };

    for (;;) {
        struct signalfd_siginfo info;

        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return NULL;
        }
        if (fds[1].revents)
            return NULL;
        if (fds[0].revents && read(s->signals, &info, sizeof(info)) == sizeof(info))
            unmount(s);
    }
}

static void stopper_free(struct stopper *s)
{
    if (s->signals >= 0)
        close(s->signals);
    if (s->stop >= 0)
        close(s->stop);
    free(s);
}

int stopper_start(struct fuse_session *se, const char *dir, struct stopper **ret)
{
    struct sigaction kick = {.sa_handler = on_kick};
    struct stopper *s = calloc(1, sizeof(*s));
    sigset_t set;
    int err;

    if (!s)
        return -ENOMEM;
    s->se = se;
    s->dir = dir;
    s->loop = pthread_self();
    stop_signals(&set);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC);
    s->stop = eventfd(0, EFD_CLOEXEC);
    sigaction(SIGUSR1, &kick, NULL);
    err = s->signals < 0 || s->stop < 0 ? errno : pthread_create(&s->thread, NULL, stopper_run, s);
    if (err) {
        stopper_free(s);
        return -err;
    }
    *ret = s;
    return 0;
}

void stopper_stop(struct stopper *s)
{
    const uint64_t one = 1;

    if (!s)
        return;
    while (write(s->stop, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(s->thread, NULL);
    stopper_free(s);
}
