/*
 * Listening on the control socket. A thread accepts, and each client gets a thread of its own, at
 * most CLIENT_COUNT_MAX of them: none of them serves the kernel, so a client that stalls is in
 * nobody's way.
 *
 * The store's lock is held while the socket is there, so a socket that is found at the start is
 * what a killed daemon has left.
 */
#include "fs/fuse/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/fuse/control_impl.h"
#include "fs/fuse/control_proto.h"
#include "fs/fuse/mount_log.h"
#include "lsm/base/mutex.h"

enum {
    CLIENT_COUNT_MAX = 4,
    SEND_TIMEOUT_S = 30,
    RETRY_MS = 100,
};

struct client {
    struct control *c;
    pthread_t thread;
    int fd;        /* [mu] -1: none */
    bool joinable; /* the accepting thread's: not joined yet */
};

struct control {
    /* Constant after start. */
    struct mount *m;
    int dir; /* of the store */
    int listen;
    int stop; /* an eventfd */
    pthread_t thread;

    struct mutex mu; /* a leaf */
    struct client clients[CLIENT_COUNT_MAX];
};

static void *client_run(void *arg)
{
    struct client *cl = arg;
    int fd;

    mutex_lock(&cl->c->mu);
    fd = cl->fd;
    mutex_unlock(&cl->c->mu);
    control_talk(cl->c->m, fd);
    mutex_lock(&cl->c->mu);
    close(cl->fd);
    cl->fd = -1;
    mutex_unlock(&cl->c->mu);
    return NULL;
}

/* The daemon's own user, and root. */
static bool is_trusted(int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) &&
           (who.uid == geteuid() || who.uid == 0);
}

/* A free place, whose last thread has been joined; NULL when there is none. */
static struct client *client_place(struct control *c)
{
    for (int i = 0; i < CLIENT_COUNT_MAX; i++) {
        struct client *cl = &c->clients[i];
        bool is_free, joinable;

        mutex_lock(&c->mu);
        is_free = cl->fd < 0;
        joinable = cl->joinable;
        mutex_unlock(&c->mu);
        if (!is_free)
            continue;
        if (joinable)
            pthread_join(cl->thread, NULL);
        cl->joinable = false;
        return cl;
    }
    return NULL;
}

static void client_start(struct control *c, int fd)
{
    const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    struct client *cl = is_trusted(fd) ? client_place(c) : NULL;

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (!cl) {
        close(fd);
        return;
    }
    mutex_lock(&c->mu);
    cl->fd = fd;
    mutex_unlock(&c->mu);
    if (!pthread_create(&cl->thread, NULL, client_run, cl)) {
        cl->joinable = true;
        return;
    }
    mutex_lock(&c->mu);
    close(cl->fd);
    cl->fd = -1;
    mutex_unlock(&c->mu);
}

static void *control_run(void *arg)
{
    struct control *c = arg;
    struct pollfd fds[2] = {{.fd = c->listen, .events = POLLIN}, {.fd = c->stop, .events = POLLIN}};

    for (;;) {
        int fd;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        fd = accept4(c->listen, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            client_start(c, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            poll(&fds[1], 1, RETRY_MS); /* it would be told again at once */
    }
}

/*
 * The name of a socket has little room: the directory goes by its descriptor. The mode is that of
 * the descriptor before it is bound, so that there is no moment with another one.
 */
static int listen_in(int dir)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err;

    if (fd < 0)
        return -errno;
    snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET_NAME, dir);
    unlinkat(dir, CONTROL_SOCKET_NAME, 0);
    if (!fchmod(fd, 0600) && !bind(fd, (struct sockaddr *)&name, sizeof(name)) &&
        !listen(fd, CLIENT_COUNT_MAX))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static void control_free(struct control *c)
{
    if (c->listen >= 0) {
        close(c->listen);
        unlinkat(c->dir, CONTROL_SOCKET_NAME, 0);
    }
    if (c->stop >= 0)
        close(c->stop);
    if (c->dir >= 0)
        close(c->dir);
    mutex_done(&c->mu);
    free(c);
}

int control_start(struct mount *m, const char *store, struct control **ret)
{
    struct control *c = calloc(1, sizeof(*c));
    int err = 0;

    if (!c)
        return -ENOMEM;
    c->m = m;
    c->listen = -1;
    mutex_init(&c->mu);
    for (int i = 0; i < CLIENT_COUNT_MAX; i++)
        c->clients[i] = (struct client){.c = c, .fd = -1};
    c->stop = eventfd(0, EFD_CLOEXEC);
    c->dir = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->stop < 0 || c->dir < 0)
        err = -errno;
    if (!err)
        c->listen = listen_in(c->dir);
    if (!err && c->listen < 0)
        err = c->listen;
    if (!err)
        err = -pthread_create(&c->thread, NULL, control_run, c);
    if (err)
        control_free(c);
    else
        *ret = c;
    return err;
}

void control_stop(struct control *c)
{
    const uint64_t one = 1;

    if (!c)
        return;
    while (write(c->stop, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(c->thread, NULL);
    mutex_lock(&c->mu);
    for (int i = 0; i < CLIENT_COUNT_MAX; i++)
        if (c->clients[i].fd >= 0)
            shutdown(c->clients[i].fd, SHUT_RDWR);
    mutex_unlock(&c->mu);
    for (int i = 0; i < CLIENT_COUNT_MAX; i++)
        if (c->clients[i].joinable)
            pthread_join(c->clients[i].thread, NULL);
    control_free(c);
}
