/*
 * The client's side of the control socket. What the daemon tells is read while frames are sent:
 * otherwise each might wait for the other to read.
 */
#include "tools/archive/remote_put.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/fuse/control_proto.h"

enum {
    READ_LEN = 64 << 10
};

struct remote_put {
    int fd;
    struct tree_put_options options;
    struct buf in;               /* from the daemon, not yet understood */
    bool ready, finished, ended; /* finished: FINISH was sent */
    struct control_end end;
};

static int fail(struct remote_put *r, int err, const char *text)
{
    if (!r->ended) {
        r->ended = true;
        r->end = (struct control_end){.err = err};
        snprintf(r->end.text, sizeof(r->end.text), "%s", text);
    }
    return -EIO;
}

/* --- From the daemon --- */

static int take(struct remote_put *r, uint8_t type, struct slice payload)
{
    char *path, *text;
    int err, code;

    switch (type) {
    case CONTROL_READY:
        r->ready = true;
        return payload.len ? -EBADMSG : 0;
    case CONTROL_REFUSED:
        err = control_take_refused(payload, &code, &path, &text);
        if (err)
            return err;
        r->options.refused(r->options.arg, path, -code, text);
        free(path);
        free(text);
        return 0;
    case CONTROL_END:
        err = control_take_end(payload, &r->end);
        if (!err && !r->end.err && !r->finished)
            err = -EBADMSG; /* it cannot have what has not been said */
        r->ended = !err;
        return err;
    default:
        return -EBADMSG;
    }
}

static int understand(struct remote_put *r)
{
    struct slice in = buf_slice(&r->in), payload;
    uint8_t type;
    int n = 0;

    while (!r->ended && (n = tree_frame_take(&in, &type, &payload)) > 0) {
        int err = take(r, type, payload);

        if (err == -ENOMEM)
            return fail(r, ENOMEM, "out of memory");
        if (err)
            return fail(r, EPROTO,
                        "the daemon says what makes no sense: is it of another version?");
    }
    if (n < 0)
        return fail(r, EPROTO, "the daemon says what makes no sense");
    if (in.len)
        memmove(r->in.data, in.data, in.len);
    r->in.len = in.len;
    return 0;
}

/* Read what is there. */
static int hear(struct remote_put *r)
{
    ssize_t n;
    int err = buf_reserve(&r->in, READ_LEN);

    if (err)
        return fail(r, ENOMEM, "out of memory");
    n = recv(r->fd, r->in.data + r->in.len, READ_LEN, MSG_DONTWAIT);
    if (n > 0) {
        r->in.len += (size_t)n;
        return understand(r);
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0 && errno != ECONNRESET)
        return fail(r, errno, strerror(errno));
    return fail(r, EPIPE,
                "the daemon has hung up: the mount has ended, it has no memory, or four are at it "
                "already");
}

/* Until it is ready, or all is over. */
static int wait_for(struct remote_put *r, const bool *what)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    int err = 0;

    while (!err && !*what && !r->ended) {
        poll(&p, 1, -1);
        err = hear(r);
    }
    return err;
}

/* --- To the daemon --- */

/* A daemon that has hung up may have said why: the next round reads it. */
static bool will_pass(int errnum)
{
    return errnum == EAGAIN || errnum == EINTR || errnum == EPIPE || errnum == ECONNRESET;
}

static int say(struct remote_put *r, const struct buf *b)
{
    size_t at = 0;

    while (at < b->len && !r->ended) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN | POLLOUT};
        ssize_t n;

        if (poll(&p, 1, -1) < 0)
            continue;
        if (p.revents & ~POLLOUT && hear(r))
            return -EIO;
        if (!(p.revents & POLLOUT) || r->ended)
            continue;
        n = send(r->fd, b->data + at, b->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && !will_pass(errno))
            return fail(r, errno, strerror(errno));
    }
    return r->ended ? -EIO : 0;
}

static int push(void *arg, struct buf *b)
{
    int err = say(arg, b);

    buf_free(b);
    return err;
}

struct tree_sink remote_put_sink(struct remote_put *r)
{
    return (struct tree_sink){push, r};
}

/* --- Beginning and end --- */

/* The name of a socket has little room: the directory goes by its descriptor. */
static int connect_to(const char *store)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int dir = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, err = 0;

    if (dir < 0)
        return -errno;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET_NAME, dir);
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)))
        err = -errno;
    close(dir);
    if (err && fd >= 0)
        close(fd);
    return err ? err : fd;
}

static int greet(struct remote_put *r, const char *dir)
{
    struct control_hello h = {.flags = r->options.keep_old ? CONTROL_KEEP_OLD : 0,
                              .uid = r->options.uid,
                              .gid = r->options.gid,
                              .dir = (char *)(uintptr_t)dir};
    struct buf b = {NULL, 0, 0};
    int err = control_put_hello(&b, &h);

    if (err)
        fail(r, ENOMEM, "out of memory");
    else
        err = say(r, &b);
    buf_free(&b);
    if (!err)
        err = wait_for(r, &r->ready);
    return err || r->ended ? 1 : 0;
}

int remote_put_start(const char *store, const char *dir, const struct tree_put_options *options,
                     struct remote_put **ret)
{
    struct remote_put *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->options = *options;
    r->fd = connect_to(store);
    if (r->fd < 0) {
        int err = r->fd;

        free(r);
        return err;
    }
    *ret = r;
    return greet(r, dir);
}

void remote_put_finish(struct remote_put *r, struct tree_outcome *ret)
{
    struct buf b = {NULL, 0, 0};

    if (!r->ended) {
        r->finished = true;
        if (control_put_empty(&b, CONTROL_FINISH))
            fail(r, ENOMEM, "out of memory");
        else if (!say(r, &b))
            wait_for(r, &r->ended);
    }
    *ret = (struct tree_outcome){.stats = r->end.stats, .err = r->end.err ? -r->end.err : 0};
    snprintf(ret->text, sizeof(ret->text), "%s", r->end.text);
    close(r->fd);
    buf_free(&b);
    buf_free(&r->in);
    free(r);
}
