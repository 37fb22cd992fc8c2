/*
 * A thread with a queue of notifications, in the order in which they were asked for.
 *
 * To drop a name the kernel takes the lock of its directory, which whoever asked for the change
 * holds until he has his answer; to drop contents it waits for pages that are being read. So no
 * thread that serves requests may send these notifications, and one that is queued before the
 * answer takes effect after it.
 *
 * While the thread waits in the kernel the daemon cannot be killed. That is why nothing but the
 * failure of a disk comes this way.
 */
#include "fs/fuse/cache_drop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/session.h"
#include "lsm/base/mutex.h"

struct item {
    struct item *next;
    uint64_t ino; /* of the directory, with a name */
    size_t name_len;
    char name[]; /* empty: the inode itself */
};

struct cache_drop {
    /* Constant after start. */
    struct fuse_session *se;
    pthread_t thread;

    struct mutex mu; /* a leaf: nothing is called while it is held */
    struct cond changed;
    struct item *first, **last; /* [mu] the queue, and where its end is linked */
    bool stop;                  /* [mu] */
};

/* The oldest item, the caller's from now on. NULL: the thread must stop. */
static struct item *item_next(struct cache_drop *d)
{
    struct item *i = NULL;

    mutex_lock(&d->mu);
    while (!d->first && !d->stop)
        cond_wait(&d->changed, &d->mu);
    if (!d->stop) {
        i = d->first;
        d->first = i->next;
        if (!d->first)
            d->last = &d->first;
    }
    mutex_unlock(&d->mu);
    return i;
}

/* What the kernel does not know it need not forget: -ENOENT is as good as success. */
static void drop(struct cache_drop *d, const struct item *i)
{
    int err;

    if (i->name_len)
        err = fuse_lowlevel_notify_inval_entry(d->se, i->ino, i->name, i->name_len);
    else
        err = fuse_lowlevel_notify_inval_inode(d->se, i->ino, 0, 0);
    if (err && err != -ENOENT)
        mount_log(LSM_LOG_WARN, "the kernel may go on showing inode %llu as it was: %s",
                  (unsigned long long)i->ino, strerror(-err));
}

static void *drop_run(void *arg)
{
    struct cache_drop *d = arg;
    struct item *i;

    while ((i = item_next(d))) {
        drop(d, i);
        free(i);
    }
    return NULL;
}

int cache_drop_start(struct fuse_session *se, struct cache_drop **ret)
{
    struct cache_drop *d = calloc(1, sizeof(*d));
    int err;

    if (!d)
        return -ENOMEM;
    d->se = se;
    d->last = &d->first;
    mutex_init(&d->mu);
    cond_init(&d->changed);
    err = pthread_create(&d->thread, NULL, drop_run, d);
    if (err) {
        cond_done(&d->changed);
        mutex_done(&d->mu);
        free(d);
        return -err;
    }
    *ret = d;
    return 0;
}

static void item_add(struct cache_drop *d, uint64_t ino, const char *name)
{
    size_t len = strlen(name);
    struct item *i = malloc(sizeof(*i) + len + 1);

    if (!i) {
        mount_log(LSM_LOG_WARN, "the kernel may go on showing inode %llu as it was: no memory",
                  (unsigned long long)ino);
        return;
    }
    *i = (struct item){.ino = ino, .name_len = len};
    memcpy(i->name, name, len + 1);
    mutex_lock(&d->mu);
    *d->last = i;
    d->last = &i->next;
    cond_signal(&d->changed);
    mutex_unlock(&d->mu);
}

void cache_drop_name(struct cache_drop *d, uint64_t parent, const char *name)
{
    item_add(d, parent, name);
}

void cache_drop_inode(struct cache_drop *d, uint64_t ino)
{
    item_add(d, ino, "");
}

void cache_drop_stop(struct cache_drop *d)
{
    if (!d)
        return;
    mutex_lock(&d->mu);
    d->stop = true;
    cond_signal(&d->changed);
    mutex_unlock(&d->mu);
    pthread_join(d->thread, NULL);
    while (d->first) {
        struct item *i = d->first;

        d->first = i->next;
        free(i);
    }
    cond_done(&d->changed);
    mutex_done(&d->mu);
    free(d);
}
