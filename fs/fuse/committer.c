/*
 * The committer: a thread that syncs the store every interval, when something was written.
 *
 * A sync that fails makes the store read-only for good; that is told once. A full disk is no such
 * failure: it is tried again.
 */
#include "fs/fuse/committer.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/fs.h"
#include "fs/fuse/mount_log.h"
#include "lsm/base/mutex.h"

struct committer {
    /* Constant after start. */
    struct fs *fs;
    unsigned interval_s;
    pthread_t thread;

    struct mutex mu; /* a leaf: nothing is called while it is held */
    struct cond changed;
    bool stop; /* [mu] */
};

/* Wait for an interval. False: the committer must stop. */
static bool committer_wait(struct committer *c)
{
    bool timed_out = false, go;

    mutex_lock(&c->mu);
    while (!c->stop && !timed_out)
        timed_out = !cond_wait_ms(&c->changed, &c->mu, (uint64_t)c->interval_s * 1000);
    go = !c->stop;
    mutex_unlock(&c->mu);
    return go;
}

/* Whether the sync, if one was due, worked. */
static int commit_once(struct fs *fs)
{
    struct lsm_stats stats;
    int err = lsm_stats(fs_db(fs), &stats);

    if (!err && stats.seqno != stats.synced_seqno)
        err = fs_sync(fs);
    return err;
}

static void *committer_run(void *arg)
{
    struct committer *c = arg;
    int last = 0;

    while (committer_wait(c)) {
        int err = commit_once(c->fs);

        if (err && err != last)
            mount_log(LSM_LOG_ERROR, "making writes durable failed: %s: %s", lsm_strerror(err),
                      lsm_detail());
        last = err;
    }
    return NULL;
}

int committer_start(struct fs *fs, unsigned interval_s, struct committer **ret)
{
    struct committer *c = calloc(1, sizeof(*c));
    int err;

    if (!c)
        return -ENOMEM;
    c->fs = fs;
    c->interval_s = interval_s;
    mutex_init(&c->mu);
    cond_init(&c->changed);
    err = pthread_create(&c->thread, NULL, committer_run, c);
    if (err) {
        cond_done(&c->changed);
        mutex_done(&c->mu);
        free(c);
        return -err;
    }
    *ret = c;
    return 0;
}

void committer_stop(struct committer *c)
{
    if (!c)
        return;
    mutex_lock(&c->mu);
    c->stop = true;
    cond_signal(&c->changed);
    mutex_unlock(&c->mu);
    pthread_join(c->thread, NULL);
    cond_done(&c->changed);
    mutex_done(&c->mu);
    free(c);
}
