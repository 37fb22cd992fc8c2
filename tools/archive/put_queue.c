/*
 * The queue between reading an archive and writing a store. One thread writes: more of them would
 * wait for each other, as what lies together in an archive lies in the same directories.
 */
#include "tools/archive/put_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lsm/base/mutex.h"

enum {
    QUEUE_COUNT = 4
};

struct put_queue {
    /* Constant after start. */
    struct fs *fs;
    struct tree_put *put;
    pthread_t thread;

    struct tree_outcome outcome; /* the thread's, until it has ended */

    struct mutex mu;
    struct cond changed;
    struct buf bufs[QUEUE_COUNT]; /* [mu] a ring */
    unsigned first, count;        /* [mu] */
    bool over;                    /* [mu] nothing more will be pushed */
    int err;                      /* [mu] the thread's failure; then it has ended */
};

static int apply(struct put_queue *q, const struct buf *b)
{
    struct slice in = buf_slice(b), payload;
    uint8_t type;
    int err = 0, r = 0;

    while (!err && (r = tree_frame_take(&in, &type, &payload)) > 0)
        err = tree_frame_apply(q->put, type, payload);
    return err ? err : r;
}

/* The next buffer, the caller's from then on. False: there will be none. */
static bool next(struct put_queue *q, struct buf *ret)
{
    bool any;

    mutex_lock(&q->mu);
    while (!q->count && !q->over)
        cond_wait(&q->changed, &q->mu);
    any = q->count > 0;
    if (any) {
        *ret = q->bufs[q->first];
        q->first = (q->first + 1) % QUEUE_COUNT;
        q->count--;
        cond_broadcast(&q->changed);
    }
    mutex_unlock(&q->mu);
    return any;
}

static int apply_all(struct put_queue *q)
{
    struct buf b = {NULL, 0, 0};
    int err = 0;

    while (!err && next(q, &b)) {
        err = apply(q, &b);
        buf_free(&b);
    }
    if (!err)
        err = tree_put_commit(q->put);
    return err;
}

static void *run(void *arg)
{
    struct put_queue *q = arg;
    int err = apply_all(q), sync_err;

    /* The words are this thread's, and of its last failure. */
    if (err)
        snprintf(q->outcome.text, sizeof(q->outcome.text), "%s",
                 *lsm_detail() ? lsm_detail() : lsm_strerror(err));
    sync_err = fs_sync(q->fs);
    if (sync_err && !err)
        snprintf(q->outcome.text, sizeof(q->outcome.text), "%s",
                 *lsm_detail() ? lsm_detail() : lsm_strerror(sync_err));
    q->outcome.err = err ? err : sync_err;
    q->outcome.stats = *tree_put_stats(q->put);
    mutex_lock(&q->mu);
    q->err = q->outcome.err;
    cond_broadcast(&q->changed);
    mutex_unlock(&q->mu);
    return NULL;
}

static int push(void *arg, struct buf *b)
{
    struct put_queue *q = arg;
    int err;

    mutex_lock(&q->mu);
    while (q->count == QUEUE_COUNT && !q->err)
        cond_wait(&q->changed, &q->mu);
    err = q->err;
    if (!err) {
        q->bufs[(q->first + q->count++) % QUEUE_COUNT] = *b;
        *b = (struct buf){NULL, 0, 0};
        cond_broadcast(&q->changed);
    }
    mutex_unlock(&q->mu);
    return err;
}

struct tree_sink put_queue_sink(struct put_queue *q)
{
    return (struct tree_sink){push, q};
}

static void queue_free(struct put_queue *q)
{
    while (q->count) {
        buf_free(&q->bufs[q->first]);
        q->first = (q->first + 1) % QUEUE_COUNT;
        q->count--;
    }
    tree_put_free(q->put);
    cond_done(&q->changed);
    mutex_done(&q->mu);
    free(q);
}

int put_queue_start(struct fs *fs, const struct tree_put_options *options, struct put_queue **ret)
{
    struct put_queue *q = calloc(1, sizeof(*q));
    int err;

    if (!q)
        return -ENOMEM;
    q->fs = fs;
    mutex_init(&q->mu);
    cond_init(&q->changed);
    err = tree_put_new(fs, options, &q->put);
    if (!err)
        err = -pthread_create(&q->thread, NULL, run, q);
    if (err)
        queue_free(q);
    else
        *ret = q;
    return err;
}

void put_queue_finish(struct put_queue *q, struct tree_outcome *ret)
{
    mutex_lock(&q->mu);
    q->over = true;
    cond_broadcast(&q->changed);
    mutex_unlock(&q->mu);
    pthread_join(q->thread, NULL);
    *ret = q->outcome;
    queue_free(q);
}
