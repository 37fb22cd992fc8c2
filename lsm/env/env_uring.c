/*
 * The default environment: the POSIX one, with io_uring where many requests at once, or requests
 * behind the caller's back, are of use. Everything else stays what it is in env_posix.c: a single
 * read is cheapest as one pread.
 *
 * No request's result is trusted to be an error: whatever does not simply succeed (a short read, a
 * full disk, a cancelled request) is done again by the POSIX calls, which decide what it was and
 * describe it. So errors, and what they leave, are the same with and without io_uring.
 *
 * io_uring can be forbidden (seccomp, the sysctl kernel.io_uring_disabled), missing, or short of
 * memory. Then the environment is the POSIX one, from the beginning or, where a process forbids it
 * to itself after the store was opened, from then on.
 *
 * On disk there is nothing of this: files are the same, and so is what a crash leaves.
 */
#include "lsm/env/env_uring.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "lsm/base/err.h"

enum {
    BUSY_TRIES =
        1000, /* times that the kernel may have no memory for a request, one after another */
};

int uring_init(struct io_uring *ring, unsigned entries)
{
    /* Without COOP_TASKRUN the kernel interrupts a thread that will look for itself anyway. */
    struct io_uring_params params = {.flags = IORING_SETUP_COOP_TASKRUN};
    int err = io_uring_queue_init_params(entries, ring, &params);

    if (err == -EINVAL) {
        params = (struct io_uring_params){0};
        err = io_uring_queue_init_params(entries, ring, &params);
    }
    if (err)
        return err;
    err = io_uring_ring_dontfork(ring);
    if (err)
        io_uring_queue_exit(ring);
    return err;
}

/* Hand over what is done; returns how many that were. */
static unsigned reap(struct io_uring *ring, void (*done)(void *arg, uint64_t user_data, int res),
                     void *arg)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(ring, head, cqe)
    {
        done(arg, io_uring_cqe_get_data64(cqe), cqe->res);
        count++;
    }
    io_uring_cq_advance(ring, count);
    return count;
}

bool uring_run(struct io_uring *ring, unsigned *in_flight, unsigned leave, bool *ret_cut,
               void (*done)(void *arg, uint64_t user_data, int res), void *arg)
{
    unsigned busy = 0;
    bool refused = false;

    do {
        unsigned wait = *in_flight > leave ? *in_flight - leave : 0, count;
        int r = refused ? 0 : io_uring_submit_and_wait(ring, wait);

        busy = r == -EAGAIN || r == -EBUSY ? busy + 1 : 0;
        if (r >= 0 && !refused && io_uring_sq_ready(ring) && ret_cut)
            *ret_cut = true;
        if (r < 0 && r != -EINTR && (!busy || busy > BUSY_TRIES)) {
            refused = true;
            leave = 0;
            *in_flight -= io_uring_sq_ready(ring);
        }
        count = reap(ring, done, arg);
        *in_flight -= count;
        busy = count ? 0 : busy;
        /* The kernel still uses the buffers of what it took: wait, without asking it. */
        if (*in_flight > leave && (refused || busy))
            sched_yield();
    } while (*in_flight > leave);
    return !refused;
}

static const char *uring_why_not(struct env *env)
{
    struct env_uring *e = env_uring_of(env);

    if (!e->cores)
        return e->why_not;
    return atomic_load(&e->refused) ? "the kernel refuses it since the store was opened" : NULL;
}

static int writer_append(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    return (w->behind ? uring_behind_append : env_posix_writer_append)(w, parts, part_count);
}

static int writer_append_sync(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    int err;

    if (!w->behind)
        return env_uring_append_sync(w, parts, part_count);
    err = uring_behind_append(w, parts, part_count);
    return err ? err : uring_behind_sync(w);
}

static int writer_sync(struct env_writer *w)
{
    return (w->behind ? uring_behind_sync : env_posix_writer_sync)(w);
}

static int writer_reserve(struct env_writer *w, uint64_t len)
{
    return (w->behind ? uring_behind_reserve : env_posix_writer_reserve)(w, len);
}

/* Files written behind are synced once, at their end. */
static void writer_zero(struct env_writer *w, uint64_t len)
{
    if (!w->behind)
        env_posix_writer_zero(w, len);
}

static int writer_truncate(struct env_writer *w, uint64_t len)
{
    return (w->behind ? uring_behind_truncate : env_posix_writer_truncate)(w, len);
}

static int writer_close(struct env_writer *w)
{
    return (w->behind ? uring_behind_close : env_posix_writer_close)(w);
}

static void close_env(struct env *env)
{
    struct env_uring *e = env_uring_of(env);

    uring_kits_free(e);
    mutex_done(&e->kits_mu);
    uring_cores_free(e);
    env_posix_done(&e->posix);
    free(e);
}

static void use_rings(struct env_ops *ops)
{
    ops->writer_create_behind = uring_behind_create;
    ops->writer_append = writer_append;
    ops->writer_append_sync = writer_append_sync;
    ops->writer_sync = writer_sync;
    ops->writer_reserve = writer_reserve;
    ops->writer_zero = writer_zero;
    ops->writer_truncate = writer_truncate;
    ops->writer_close = writer_close;
    ops->read_many = env_uring_read_many;
}

static const char *reason(int err)
{
    switch (-err) {
    case EPERM:
    case EACCES:
        return "the system does not permit io_uring to this process";
    case ENOSYS:
        return "the kernel has no io_uring";
    case EOPNOTSUPP:
        return "the kernel's io_uring is too old";
    default:
        return "io_uring cannot be set up";
    }
}

int env_uring_open(const char *path, unsigned flags, struct env **ret)
{
    struct env_uring *e = calloc(1, sizeof(*e));
    int err;

    if (!e)
        return -ENOMEM;
    mutex_init(&e->kits_mu);
    e->ops = env_posix_ops;
    e->ops.uring_why_not = uring_why_not;
    e->ops.close = close_env;
    err = env_posix_init(&e->posix, path, flags);
    e->posix.env.ops = &e->ops;
    if (err) {
        close_env(&e->posix.env);
        return err;
    }
    if (flags & ENV_NO_URING) {
        snprintf(e->why_not, sizeof(e->why_not), "turned off by option io_uring");
    } else {
        err = uring_cores_new(e);
        if (err)
            snprintf(e->why_not, sizeof(e->why_not), "%s: %s", reason(err), err_text(err));
    }
    if (e->cores)
        use_rings(&e->ops);
    *ret = &e->posix.env;
    return 0;
}
