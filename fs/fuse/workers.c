/*
 * The turn is a pointer to the worker that has it. A worker with the turn reads and serves in a
 * loop, and after each request looks whether it still has the turn; without it, it joins those who
 * wait for one. Taking the turn away never stops a worker in the middle of a request.
 *
 * A watcher looks every millisecond, while requests come, whether the worker with the turn is still
 * at the request that it was at before. It sleeps without a clock when none came in between, and
 * the next worker that reads a request wakes it.
 *
 * A change that has been read when too many are served already is parked (admission.h), and the
 * reader goes on; whoever ends a change serves a parked one next. The watchdog counts the time of a
 * request from when it is served.
 *
 * It can happen that two workers read at once: when the turn is taken just as its owner goes to
 * read. That does no harm; the one without the turn serves one request more and stops.
 */
#include "fs/fuse/workers.h"

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/fuse/admission.h"
#include "fs/fuse/watchdog.h"
#include "lsm/base/mutex.h"

enum {
    WORKER_COUNT = 24,
    CHANGES_MAX = 16, /* so many of them may wait with a change, for a full disk for example, */
    FREES_MAX = 20,   /* and so many with these or what frees space; the others serve reads */
    PARKED_LEN_MAX = 64 << 20,
    WATCH_MS = 1,
    SPIN_US_MAX = 100,     /* look for the next request for so long before sleeping, */
    SPIN_WAIT_US_MAX = 80, /* where they come so soon on average */
};

struct worker {
    pthread_t thread;
    struct pool *pool;
    struct watch_slot *slot;
    uint64_t wait_us; /* its own: how long it has waited for requests of late */
};

struct pool {
    struct fuse_session *se;
    bool (*first)(void *arg, const struct fuse_buf *message);
    void *first_arg;
    struct worker workers[WORKER_COUNT];
    unsigned started;

    _Atomic(struct worker *) turn; /* NULL while nobody has it */
    atomic_bool watcher_sleeps;
    atomic_bool over;
    atomic_int err;
    struct watchdog *dog;
    struct admission admission;

    struct mutex mu;
    struct cond turn_cond;  /* the turn may be free */
    struct cond watch_cond; /* requests come again, or it is over */
};

static _Thread_local struct worker *self;

/* Whoever has the turn loses it, and one who waits gets it. */
static void turn_pass(struct pool *p, struct worker *from)
{
    struct worker *w = from;

    if (!atomic_compare_exchange_strong(&p->turn, &w, NULL))
        return;
    mutex_lock(&p->mu);
    cond_signal(&p->turn_cond);
    mutex_unlock(&p->mu);
}

void workers_may_wait(void)
{
    if (self)
        turn_pass(self->pool, self);
}

/* Wait for the turn. False when it is over. */
static bool turn_take(struct worker *w)
{
    struct pool *p = w->pool;
    struct worker *none = NULL;

    mutex_lock(&p->mu);
    while (!atomic_load(&p->over) && !atomic_compare_exchange_strong(&p->turn, &none, w)) {
        none = NULL;
        cond_wait(&p->turn_cond, &p->mu);
    }
    mutex_unlock(&p->mu);
    return !atomic_load(&p->over);
}

static void end(struct pool *p, int err)
{
    mutex_lock(&p->mu);
    if (err && !atomic_load(&p->over))
        atomic_store(&p->err, err);
    atomic_store(&p->over, true);
    admission_end(&p->admission);
    fuse_session_exit(p->se);
    cond_broadcast(&p->turn_cond);
    cond_broadcast(&p->watch_cond);
    mutex_unlock(&p->mu);
}

static void wake_watcher(struct pool *p)
{
    if (!atomic_load_explicit(&p->watcher_sleeps, memory_order_relaxed) ||
        !atomic_exchange(&p->watcher_sleeps, false))
        return;
    mutex_lock(&p->mu);
    cond_signal(&p->watch_cond);
    mutex_unlock(&p->mu);
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * The next request, as fuse_session_receive_buf. When requests have come quickly of late, look
 * again and again for a little while before sleeping: waking from sleep takes longer than such a
 * request does.
 */
static int receive(struct worker *w, struct fuse_buf *buf)
{
    struct pool *p = w->pool;
    struct pollfd fd = {.fd = fuse_session_fd(p->se), .events = POLLIN};
    int len = fuse_session_receive_buf(p->se, buf);
    uint64_t began, waited;

    if (len != -EAGAIN)
        return len;
    began = now_us();
    do {
        if (w->wait_us < SPIN_WAIT_US_MAX && now_us() - began < SPIN_US_MAX)
            sched_yield();
        else
            poll(&fd, 1, -1);
        len = fuse_session_receive_buf(p->se, buf);
    } while (len == -EAGAIN && atomic_load_explicit(&p->turn, memory_order_relaxed) == w);
    waited = now_us() - began;
    /* A moving average; one long pause must not count for many short ones to come. */
    waited = waited < 2 * SPIN_US_MAX ? waited : 2 * SPIN_US_MAX;
    w->wait_us = (3 * w->wait_us + waited) / 4;
    return len;
}

static void serve_one(struct worker *w, struct fuse_buf *buf)
{
    struct pool *p = w->pool;

    watchdog_begin(p->dog, w->slot, buf);
    wake_watcher(p);
    if (!p->first(p->first_arg, buf))
        fuse_session_process_buf(p->se, buf);
    watchdog_end(p->dog, w->slot);
}

/* Serve a request, and then, with or without the turn, what was parked and can be served now. */
static void serve_admitted(struct worker *w, struct fuse_buf *buf)
{
    struct admission *a = &w->pool->admission;
    enum admission_class class = admission_class_of(buf);
    struct fuse_buf parked;

    if (!admission_enter(a, class, buf))
        return;
    serve_one(w, buf);
    while (admission_leave(a, class, &parked, &class)) {
        serve_one(w, &parked);
        free(parked.mem);
    }
}

/* Read and serve while the turn lasts. */
static void serve(struct worker *w, struct fuse_buf *buf)
{
    struct pool *p = w->pool;

    while (atomic_load_explicit(&p->turn, memory_order_relaxed) == w) {
        int len = receive(w, buf);

        if (len == -EINTR || len == -EAGAIN)
            continue;
        if (len <= 0 || fuse_session_exited(p->se)) {
            end(p, len == -ENODEV ? 0 : len);
            return;
        }
        serve_admitted(w, buf);
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct fuse_buf buf = {.mem = NULL};

    self = w;
    watchdog_join(w->slot);
    while (turn_take(w))
        serve(w, &buf);
    free(buf.mem);
    return NULL;
}

/* One look: pass the turn on if its owner has been at one request since the look before. */
static void watch(struct pool *p, struct worker **last, unsigned long *last_began)
{
    struct worker *w = atomic_load(&p->turn);
    unsigned long began = w ? atomic_load(&w->slot->began) : 0;

    if (w && w == *last && began == *last_began && began != atomic_load(&w->slot->ended))
        turn_pass(p, w);
    *last = w;
    *last_began = began;
}

static void *watcher_main(void *arg)
{
    struct pool *p = arg;
    struct worker *last = NULL;
    unsigned long last_began = 0;

    mutex_lock(&p->mu);
    while (!atomic_load(&p->over)) {
        struct worker *w = atomic_load(&p->turn);

        /* Nothing begun since the last look and nothing under way: sleep until something is. */
        if (w && w == last && atomic_load(&w->slot->began) == last_began &&
            atomic_load(&w->slot->ended) == last_began) {
            atomic_store(&p->watcher_sleeps, true);
            while (atomic_load(&w->slot->began) == last_began && atomic_load(&p->watcher_sleeps) &&
                   !atomic_load(&p->over))
                cond_wait(&p->watch_cond, &p->mu);
            atomic_store(&p->watcher_sleeps, false);
        }
        mutex_unlock(&p->mu);
        watch(p, &last, &last_began);
        mutex_lock(&p->mu);
        if (!atomic_load(&p->over))
            cond_wait_ms(&p->watch_cond, &p->mu, WATCH_MS);
    }
    mutex_unlock(&p->mu);
    return NULL;
}

static int start(struct pool *p, pthread_t *ret_watcher)
{
    int err = pthread_create(ret_watcher, NULL, watcher_main, p);

    if (err)
        return -err;
    while (!err && p->started < WORKER_COUNT) {
        struct worker *w = &p->workers[p->started];

        w->pool = p;
        w->slot = watchdog_slot_new(p->dog);
        err = !w->slot ? ENOMEM : pthread_create(&w->thread, NULL, worker_main, w);
        p->started += !err;
    }
    if (!p->started) {
        end(p, -err);
        pthread_join(*ret_watcher, NULL);
        return -err;
    }
    return 0; /* fewer workers than wanted do the work as well */
}

int workers_run(struct fuse_session *se, struct watchdog *dog,
                bool (*first)(void *arg, const struct fuse_buf *message), void *arg)
{
    struct pool *p = aligned_alloc(_Alignof(struct pool), sizeof(*p));
    pthread_t watcher;
    int err;

    if (!p)
        return -ENOMEM;
    memset(p, 0, sizeof(*p));
    p->se = se;
    p->dog = dog;
    p->first = first;
    p->first_arg = arg;
    /* Only the worker with the turn reads, and it waits with poll. */
    if (fcntl(fuse_session_fd(se), F_SETFL, O_NONBLOCK) < 0) {
        free(p);
        return -errno;
    }
    admission_init(&p->admission, CHANGES_MAX, FREES_MAX, PARKED_LEN_MAX);
    mutex_init(&p->mu);
    cond_init(&p->turn_cond);
    cond_init(&p->watch_cond);
    err = start(p, &watcher);
    if (!err) {
        for (unsigned i = 0; i < p->started; i++)
            pthread_join(p->workers[i].thread, NULL);
        pthread_join(watcher, NULL);
        err = atomic_load(&p->err);
    }
    cond_done(&p->watch_cond);
    cond_done(&p->turn_cond);
    mutex_done(&p->mu);
    admission_done(&p->admission);
    free(p);
    return err;
}
