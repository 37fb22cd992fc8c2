/*
 * The reaper.
 *
 * OPEN and RELEASE are not spoken, so the end of an open, unlinked file shows only as the kernel's
 * FORGET of its inode. Lookups are not counted, so a FORGET alone proves nothing: it may belong to
 * an older life of the inode in the kernel's cache. So the reaper asks: an invalidation of the
 * inode's attributes is answered -ENOENT when the kernel knows no such inode. As no name leads to
 * an orphan, the kernel cannot learn of it again, and its contents can go. When the kernel does
 * hold it, it is kept: another FORGET will come.
 *
 * The question may wait for an inode that is being evicted, which may in turn wait for a request,
 * so it is asked by a thread of its own, never by one that serves requests.
 *
 * The queue holds only orphans that were just forgotten. When there is no memory for one, or the
 * daemon dies, the orphan waits in the store for the next unmount or mount.
 */
#include "fs/fuse/reaper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/session.h"
#include "lsm/base/mutex.h"

struct reaper {
    /* Constant after start. */
    struct fs *fs;
    struct fuse_session *se;
    pthread_t thread;

    struct mutex mu; /* a leaf: nothing is called while it is held */
    struct cond changed;
    uint64_t *queue; /* [mu] */
    size_t count;    /* [mu] in use */
    size_t cap;      /* [mu] allocated */
    bool stop;       /* [mu] */
};

enum {
    QUEUE_FIRST_CAP = 256,
    QUEUE_KEPT_CAP = 65536
};

/* The number of an inode that the queue gives up. False: the reaper must stop. */
static bool reaper_next(struct reaper *r, uint64_t *ret)
{
    bool go;

    mutex_lock(&r->mu);
    while (!r->count && !r->stop)
        cond_wait(&r->changed, &r->mu);
    go = !r->stop;
    if (go) {
        *ret = r->queue[--r->count];
        if (r->count == 0 && r->cap > QUEUE_KEPT_CAP) {
            free(r->queue);
            r->queue = NULL;
            r->cap = 0;
        }
    }
    mutex_unlock(&r->mu);
    return go;
}

static void reap(struct reaper *r, uint64_t ino)
{
    int err = fuse_lowlevel_notify_inval_inode(r->se, ino, -1, 0);

    if (err != -ENOENT)
        return;
    err = fs_purge(r->fs, ino);
    if (err < 0 && lsm_is_damage(err))
        mount_log_damage("purge", ino, err);
}

static void *reaper_run(void *arg)
{
    struct reaper *r = arg;
    uint64_t ino;

    while (reaper_next(r, &ino))
        reap(r, ino);
    return NULL;
}

int reaper_start(struct fs *fs, struct fuse_session *se, struct reaper **ret)
{
    struct reaper *r = calloc(1, sizeof(*r));
    int err;

    if (!r)
        return -ENOMEM;
    r->fs = fs;
    r->se = se;
    mutex_init(&r->mu);
    cond_init(&r->changed);
    err = pthread_create(&r->thread, NULL, reaper_run, r);
    if (err) {
        cond_done(&r->changed);
        mutex_done(&r->mu);
        free(r);
        return -err;
    }
    *ret = r;
    return 0;
}

static bool queue_grow(struct reaper *r) REQUIRES(r->mu)
{
    size_t cap = r->cap ? r->cap * 2 : QUEUE_FIRST_CAP;
    uint64_t *queue = reallocarray(r->queue, cap, sizeof(*queue));

    if (!queue)
        return false;
    r->queue = queue;
    r->cap = cap;
    return true;
}

void reaper_add(struct reaper *r, uint64_t ino)
{
    mutex_lock(&r->mu);
    if (r->count < r->cap || queue_grow(r)) {
        r->queue[r->count++] = ino;
        cond_signal(&r->changed);
    }
    mutex_unlock(&r->mu);
}

void reaper_stop(struct reaper *r)
{
    if (!r)
        return;
    mutex_lock(&r->mu);
    r->stop = true;
    cond_signal(&r->changed);
    mutex_unlock(&r->mu);
    pthread_join(r->thread, NULL);
    cond_done(&r->changed);
    mutex_done(&r->mu);
    free(r->queue);
    free(r);
}
