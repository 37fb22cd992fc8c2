/*
 * A conversation on the control socket. Nothing that comes is trusted: frames are bounded, checked
 * by tree_frame.c, and everything that goes into the store goes through tree_put.h.
 *
 * What has come whole is committed whenever nothing more is there to be read, so that a slow client
 * holds nothing back, and memory is that of one buffer and one batch.
 *
 * The kernel must forget what it believes of names that stand for something new, and of directories
 * that list something new. It drops a name under the lock of the directory, which somebody who
 * waits for a request of his may hold; so this is done without any lock of ours, by this thread,
 * which serves no requests. (If the daemon is killed just then, it ends when the kernel gives up
 * the mount: `fluxfs umount -f`.) The name comes first: when the lock was had, no listing from
 * before is under way any more.
 */
#include "fs/fuse/control_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fs/fuse/control_proto.h"
#include "fs/fuse/mount_log.h"
#include "fs/fuse/reaper.h"
#include "fs/fuse/session.h"
#include "lsm/base/err.h"

enum {
    READ_LEN = TREE_FRAME_HEAD_LEN + TREE_FRAME_LEN_MAX
};

struct talk {
    struct mount *m;
    int fd;
    struct tree_put *put; /* NULL before HELLO */
    uint64_t listed;      /* a directory whose listing is still to be dropped; 0: none */
    bool finished;        /* FINISH has come */
    bool lost;            /* the client does not listen any more */
    int untold_err;       /* why it could not be told of something that was refused; 0 */
    uint8_t *buf;         /* READ_LEN */
    size_t len;
};

/* --- To the client --- */

static void send_all(struct talk *t, const struct buf *b)
{
    size_t at = 0;

    while (at < b->len && !t->lost) {
        ssize_t n = send(t->fd, b->data + at, b->len - at, MSG_NOSIGNAL);

        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            t->lost = true;
    }
}

static void send_end(struct talk *t, int err, const char *text)
{
    struct control_end e = {.err = err < 0 ? lsm_errno(err) : 0};
    struct buf b = {NULL, 0, 0};

    if (t->put)
        e.stats = *tree_put_stats(t->put);
    if (err)
        snprintf(e.text, sizeof(e.text), "%s",
                 text            ? text
                 : *lsm_detail() ? lsm_detail()
                                 : lsm_strerror(err));
    if (!control_put_end(&b, &e))
        send_all(t, &b);
    buf_free(&b);
}

static void on_refused(void *arg, const char *path, int err, const char *text)
{
    struct talk *t = arg;
    struct buf b = {NULL, 0, 0};
    int put_err = control_put_refused(&b, lsm_errno(err), path, text);

    if (put_err)
        t->untold_err = put_err;
    else
        send_all(t, &b);
    buf_free(&b);
}

/* --- To the kernel --- */

/* What the kernel does not know it need not forget. */
static void forgotten(uint64_t ino, int err)
{
    if (err && err != -ENOENT)
        mount_log(LSM_LOG_WARN, "the kernel may go on showing inode %llu as it was: %s",
                  (unsigned long long)ino, strerror(-err));
}

static void on_changed(void *arg, uint64_t ino)
{
    struct talk *t = arg;

    forgotten(ino, fuse_lowlevel_notify_inval_inode(t->m->se, ino, 0, 0));
}

static void drop_listing(struct talk *t)
{
    if (t->listed)
        on_changed(t, t->listed);
    t->listed = 0;
}

static void on_named(void *arg, uint64_t parent, const char *name, uint64_t old_ino)
{
    struct talk *t = arg;

    if (t->listed != parent)
        drop_listing(t);
    t->listed = parent;
    forgotten(parent, fuse_lowlevel_notify_inval_entry(t->m->se, parent, name, strlen(name)));
    if (old_ino)
        forgotten(old_ino, fuse_lowlevel_notify_inval_inode(t->m->se, old_ino, -1, 0));
}

static void on_orphaned(void *arg, uint64_t ino)
{
    struct talk *t = arg;

    reaper_add(t->m->reaper, ino);
}

/* --- From the client --- */

static int hello(struct talk *t, struct slice payload)
{
    struct tree_put_options options = {
        .refused = on_refused,
        .named = on_named,
        .changed = on_changed,
        .orphaned = on_orphaned,
        .arg = t,
    };
    struct control_hello h;
    struct fs_attr dir;
    struct buf b = {NULL, 0, 0};
    int err;

    err = t->put ? -EBADMSG : control_take_hello(payload, &h);
    if (err)
        return err;
    err = fs_resolve(t->m->fs, h.dir, &dir);
    free(h.dir);
    if (!err && !S_ISDIR(dir.mode))
        err = -ENOTDIR;
    options.dir = err ? 0 : dir.ino;
    options.keep_old = h.flags & CONTROL_KEEP_OLD;
    options.uid = h.uid;
    options.gid = h.gid;
    if (!err)
        err = tree_put_new(t->m->fs, &options, &t->put);
    if (!err)
        err = control_put_empty(&b, CONTROL_READY);
    if (!err)
        send_all(t, &b);
    buf_free(&b);
    return err;
}

static int frame(struct talk *t, uint8_t type, struct slice payload)
{
    int err;

    if (type == CONTROL_HELLO)
        return hello(t, payload);
    if (!t->put)
        return -EBADMSG;
    if (type == CONTROL_FINISH && !payload.len) {
        t->finished = true;
        return 0;
    }
    err = tree_frame_apply(t->put, type, payload);
    drop_listing(t);
    return err ? err : t->untold_err;
}

/* All frames that are whole. */
static int frames(struct talk *t)
{
    struct slice in = slice_of(t->buf, t->len), payload;
    uint8_t type;
    int r = 1;

    while (r > 0 && !t->finished) {
        r = tree_frame_take(&in, &type, &payload);
        if (r > 0) {
            int err = frame(t, type, payload);

            if (err)
                return err;
        }
    }
    if (in.len)
        memmove(t->buf, in.data, in.len);
    t->len = in.len;
    return r < 0 ? r : 0;
}

static int commit(struct talk *t)
{
    int err = t->put ? tree_put_commit(t->put) : 0;

    drop_listing(t);
    return err ? err : t->untold_err;
}

/* More bytes: 1, 0 when the client has hung up, or an error. */
static int receive(struct talk *t)
{
    for (;;) {
        ssize_t n = recv(t->fd, t->buf + t->len, READ_LEN - t->len, MSG_DONTWAIT);
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        int err;

        if (n > 0) {
            t->len += (size_t)n;
            return 1;
        }
        if (n == 0 || errno == ECONNRESET)
            return 0;
        if (errno != EAGAIN && errno != EINTR) {
            err_clear(); /* the words for it are errno's */
            return -errno;
        }
        err = commit(t);
        if (err)
            return err;
        poll(&p, 1, -1);
    }
}

/* Until FINISH, the end of the client, or a failure. */
static int listen_to(struct talk *t)
{
    int r = 1, err = 0;

    while (r > 0 && !err && !t->finished && !t->lost) {
        r = receive(t);
        if (r > 0)
            err = frames(t);
    }
    return err ? err : r < 0 ? r : 0;
}

void control_talk(struct mount *m, int fd)
{
    struct talk t = {.m = m, .fd = fd, .buf = malloc(READ_LEN)};
    int err;

    if (!t.buf)
        return;
    err = listen_to(&t);
    if (err == -EBADMSG) {
        send_end(&t, err, "what was sent makes no sense to the daemon");
    } else if (err) {
        send_end(&t, err, NULL);
    } else {
        err = commit(&t);
        if (!err && t.finished)
            err = fs_sync(m->fs);
        if (!err && !t.finished)
            send_end(&t, -EPIPE, "the client has hung up before it had said all");
        else
            send_end(&t, err, NULL);
    }
    tree_put_free(t.put);
    free(t.buf);
}
