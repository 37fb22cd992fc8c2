/*
 * A request comes in three parts: its header, the fixed part of its kind, and the rest as payload.
 * What serves requests wants them in one piece. The payload begins a page behind the start of the
 * entry's memory, and the two other parts, which are short, are copied to right before it.
 *
 *     page 0:  struct wire_entry ... | header, fixed part |   page 1 and on:  payload |
 *
 * An answer's header and body are copied out of the buffers of the one who answers; the kernel gets
 * it with the next system call. Nobody answers from another thread than that which serves.
 *
 * The kernel waits until each queue has an entry, for each core that the machine could ever have.
 * So all threads and their io_urings are made before it is told that there will be any. If it then
 * refuses an entry it goes on with /dev/fuse, and so does the daemon.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fs/fuse/ring.h"

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <errno.h>
#include <fuse_lowlevel.h>
#include <liburing.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/ring_wire.h"
#include "fs/fuse/watchdog.h"
#include "lsm/base/check.h"
#include "lsm/base/mutex.h"

enum {
    THREAD_COUNT = 64, /* about so many threads are divided among the queues, */
    DEPTH_MIN = 2,     /* but a queue has at least */
    DEPTH_MAX = 16,    /* and at most so many */
    CORE_COUNT_MAX = 4096,
    FD_SHARE = 8, /* one in so many descriptors may be that of a ring */
    SQ_LEN = 4,
    SQE_LEN = 128, /* with IORING_SETUP_SQE128 */
};

struct entry {
    struct rings *rings;
    pthread_t thread;
    unsigned core;
    uint8_t *memory; /* a page and the payload */
    struct io_uring uring;
    struct watch_slot *slot;

    /* The request that is being served. */
    uint64_t unique;
    bool answered;
};

struct rings {
    struct fuse_session *se;
    struct watchdog *dog;
    bool (*first)(void *arg, const struct fuse_buf *message);
    void *first_arg;
    size_t page_len, payload_len;
    int stop_fd; /* readable when all are to end */
    struct entry *entries;
    unsigned count, started;

    atomic_bool refused; /* the kernel took an entry not; told once */

    struct mutex mu;
    struct cond cond;
    unsigned ready; /* [mu] threads that have all they need */
    int err;        /* [mu] why one has not */
    bool go;        /* [mu] */
    bool over;      /* [mu] */
};

static _Thread_local struct entry *self;

static struct wire_entry *wire_of(const struct entry *e)
{
    return (struct wire_entry *)(void *)e->memory;
}

static uint8_t *payload_of(const struct entry *e)
{
    return e->memory + e->rings->page_len;
}

/* --- Answers --- */

/* The answer of a header and parts of a body; false when the body does not fit. */
static bool answer_fill(struct entry *e, const struct fuse_out_header *head,
                        const struct iovec *parts, int count)
{
    struct wire_entry *w = wire_of(e);
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > e->rings->payload_len - len)
            return false;
        if (parts[i].iov_len)
            memmove(payload_of(e) + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    memcpy(w->head, head, sizeof(*head));
    w->payload_len = (uint32_t)len;
    e->answered = true;
    return true;
}

static void answer_error(struct entry *e, int errnum)
{
    struct fuse_out_header head = {.len = sizeof(head), .error = -errnum, .unique = e->unique};

    answer_fill(e, &head, NULL, 0);
}

ssize_t rings_write(int fd, const struct iovec *iov, int count)
{
    struct fuse_out_header head;

    if (!self || self->answered || count < 1 || iov[0].iov_len != sizeof(head))
        return writev(fd, iov, count);
    memcpy(&head, iov[0].iov_base, sizeof(head));
    if (head.unique != self->unique)
        return writev(fd, iov, count);
    if (answer_fill(self, &head, iov + 1, count - 1))
        return (ssize_t)head.len;
    errno = EINVAL;
    return -1;
}

/* --- Requests --- */

/* Put the request together; false when its parts do not fit each other. */
static bool message_join(struct entry *e, struct fuse_buf *ret)
{
    const struct wire_entry *w = wire_of(e);
    struct fuse_in_header head;
    size_t op_len;
    uint8_t *start;

    memcpy(&head, w->head, sizeof(head));
    e->unique = head.unique;
    e->answered = false;
    if (w->payload_len > e->rings->payload_len || head.len < sizeof(head) + w->payload_len)
        return false;
    op_len = head.len - sizeof(head) - w->payload_len;
    if (op_len > WIRE_OP_LEN)
        return false;
    start = payload_of(e) - op_len - sizeof(head);
    memcpy(start, &head, sizeof(head));
    memcpy(start + sizeof(head), w->op, op_len);
    *ret = (struct fuse_buf){.size = head.len, .mem = start};
    return true;
}

static void serve(struct entry *e)
{
    struct rings *r = e->rings;
    struct fuse_buf message;

    if (!message_join(e, &message)) {
        mount_log(LSM_LOG_ERROR, "io_uring: a request of the kernel makes no sense");
        answer_error(e, EIO);
        return;
    }
    watchdog_begin(r->dog, e->slot, &message);
    if (!r->first(r->first_arg, &message))
        fuse_session_process_buf(r->se, &message);
    watchdog_end(r->dog, e->slot);
    /* A request without an answer would keep its program waiting for ever. */
    if (!e->answered)
        answer_error(e, EIO);
}

/* --- The thread of an entry --- */

/* A free place: there are more than an entry ever has under way. */
static struct io_uring_sqe *sqe_new(struct entry *e)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&e->uring);

    CHECK(sqe);
    memset(sqe, 0, SQE_LEN);
    return sqe;
}

static struct io_uring_sqe *command(struct entry *e, unsigned op)
{
    struct io_uring_sqe *sqe = sqe_new(e);
    struct wire_cmd cmd = {.queue = (uint16_t)e->core, .commit_id = wire_of(e)->commit_id};

    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = fuse_session_fd(e->rings->se);
    sqe->cmd_op = op;
    memcpy(sqe->cmd, &cmd, sizeof(cmd));
    io_uring_sqe_set_data(sqe, e);
    return sqe;
}

static void enter(struct entry *e, struct iovec buffers[2])
{
    struct io_uring_sqe *sqe = command(e, WIRE_CMD_REGISTER);

    buffers[0] = (struct iovec){e->memory, sizeof(struct wire_entry)};
    buffers[1] = (struct iovec){payload_of(e), e->rings->payload_len};
    sqe->addr = (uintptr_t)buffers;
    sqe->len = 2;
}

static void watch_for_stop(struct entry *e)
{
    struct io_uring_sqe *sqe = sqe_new(e);

    io_uring_prep_poll_add(sqe, e->rings->stop_fd, POLLIN);
    io_uring_sqe_set_data(sqe, NULL);
}

static void tell_refusal(struct rings *r, int err)
{
    if (!atomic_exchange(&r->refused, true))
        mount_log(LSM_LOG_WARN, "io_uring: the kernel refuses an entry: %s", strerror(-err));
}

/* What has come. False: the thread is to end. */
static bool handle(struct entry *e, int result)
{
    if (result == 0) {
        serve(e);
        command(e, WIRE_CMD_COMMIT);
        return true;
    }
    if (result != -ENOTCONN && result != -ECONNABORTED && result != -ECANCELED)
        tell_refusal(e->rings, result);
    return false;
}

static void serve_all(struct entry *e)
{
    struct iovec buffers[2];
    bool on = true;

    watch_for_stop(e);
    enter(e, buffers);
    while (on) {
        struct io_uring_cqe *cqe;
        int err = io_uring_submit_and_wait(&e->uring, 1);

        if (err < 0 && err != -EINTR && err != -EAGAIN && err != -EBUSY) {
            tell_refusal(e->rings, err);
            return;
        }
        while (on && io_uring_peek_cqe(&e->uring, &cqe) == 0) {
            bool is_stop = !io_uring_cqe_get_data(cqe);
            int result = cqe->res;

            io_uring_cqe_seen(&e->uring, cqe);
            on = !is_stop && handle(e, result);
        }
    }
}

static int uring_new(struct io_uring *ret)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
                                         IORING_SETUP_DEFER_TASKRUN};

    return io_uring_queue_init_params(SQ_LEN, ret, &p);
}

/* Where it cannot be bound, it serves from where it is. */
static void bind_to_core(unsigned core)
{
    cpu_set_t *set = CPU_ALLOC(CORE_COUNT_MAX);
    size_t len = CPU_ALLOC_SIZE(CORE_COUNT_MAX);

    if (!set)
        return;
    CPU_ZERO_S(len, set);
    CPU_SET_S(core, len, set);
    pthread_setaffinity_np(pthread_self(), len, set);
    CPU_FREE(set);
}

/* Say that this thread has all it needs, or what it lacks, and wait. True: go. */
static bool report_and_wait(struct rings *r, int err)
{
    bool go;

    mutex_lock(&r->mu);
    r->ready++;
    if (err && !r->err)
        r->err = err;
    cond_broadcast(&r->cond);
    while (!r->go && !r->over)
        cond_wait(&r->cond, &r->mu);
    go = !r->over;
    mutex_unlock(&r->mu);
    return go;
}

static void *entry_main(void *arg)
{
    struct entry *e = arg;
    int err;

    self = e;
    e->answered = true;
    bind_to_core(e->core);
    watchdog_join(e->slot);
    err = uring_new(&e->uring);
    if (report_and_wait(e->rings, err) && !err)
        serve_all(e);
    if (!err)
        io_uring_queue_exit(&e->uring);
    return NULL;
}

/* --- All of them --- */

/* One more than the highest number that a core of this machine can have; 0 when that is unknown. */
static unsigned core_count(void)
{
    FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
    unsigned long last = 0;
    char text[256], *at;

    if (!f)
        return 0;
    at = fgets(text, sizeof(text), f);
    fclose(f);
    if (!at)
        return 0;
    /* "0-3,8-11": the last number counts. */
    at = strpbrk(text, "-,") ? text + strlen(text) : text;
    while (at > text && !strchr("-,", at[-1]))
        at--;
    last = strtoul(at, NULL, 10);
    return last < CORE_COUNT_MAX ? (unsigned)last + 1 : 0;
}

/* Entries of each queue; 0 when descriptors are too few. Most of them are for the store. */
static unsigned depth_for(unsigned cores)
{
    unsigned depth = THREAD_COUNT / cores;
    struct rlimit limit;

    depth = depth < DEPTH_MIN ? DEPTH_MIN : depth > DEPTH_MAX ? DEPTH_MAX : depth;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / FD_SHARE / cores >= depth)
        return depth;
    depth = (unsigned)(limit.rlim_cur / FD_SHARE / cores);
    return depth < DEPTH_MIN ? 0 : depth;
}

static int wait_until_ready(struct rings *r)
{
    int err;

    mutex_lock(&r->mu);
    while (r->ready < r->started)
        cond_wait(&r->cond, &r->mu);
    err = r->err;
    mutex_unlock(&r->mu);
    return err;
}

static int entry_start(struct rings *r, unsigned i, unsigned core)
{
    struct entry *e = &r->entries[i];
    void *memory = mmap(NULL, r->page_len + r->payload_len, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int err;

    if (memory == MAP_FAILED)
        return -errno;
    e->rings = r;
    e->core = core;
    e->memory = memory;
    e->slot = watchdog_slot_new(r->dog);
    err = !e->slot ? ENOMEM : pthread_create(&e->thread, NULL, entry_main, e);
    if (err) {
        munmap(memory, r->page_len + r->payload_len);
        return -err;
    }
    r->started++;
    return 0;
}

static int start_all(struct rings *r, unsigned cores, unsigned depth)
{
    int err = 0;

    for (unsigned i = 0; !err && i < cores * depth; i++)
        err = entry_start(r, i, i % cores);
    if (!err)
        err = wait_until_ready(r);
    return err;
}

int rings_new(struct fuse_session *se, struct watchdog *dog, size_t payload_len,
              bool (*first)(void *arg, const struct fuse_buf *message), void *arg,
              struct rings **ret)
{
    unsigned cores = core_count(), depth = cores ? depth_for(cores) : 0;
    struct rings *r;
    int err;

    if (!cores)
        return -ENOTSUP;
    if (!depth)
        return -EMFILE;
    r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->se = se;
    r->dog = dog;
    r->first = first;
    r->first_arg = arg;
    r->page_len = (size_t)sysconf(_SC_PAGESIZE);
    r->payload_len = payload_len;
    mutex_init(&r->mu);
    cond_init(&r->cond);
    r->stop_fd = eventfd(0, EFD_CLOEXEC);
    r->entries = calloc((size_t)cores * depth, sizeof(*r->entries));
    err = r->stop_fd < 0 ? -errno : !r->entries ? -ENOMEM : start_all(r, cores, depth);
    if (err) {
        rings_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

void rings_go(struct rings *r)
{
    mutex_lock(&r->mu);
    r->go = true;
    cond_broadcast(&r->cond);
    mutex_unlock(&r->mu);
}

bool rings_serve(const struct rings *r)
{
    return !atomic_load(&r->refused);
}

void rings_free(struct rings *r)
{
    uint64_t one = 1;

    if (!r)
        return;
    mutex_lock(&r->mu);
    r->over = true;
    cond_broadcast(&r->cond);
    mutex_unlock(&r->mu);
    if (r->stop_fd >= 0 && write(r->stop_fd, &one, sizeof(one)) < 0)
        mount_log(LSM_LOG_ERROR, "io_uring: cannot stop: %s", strerror(errno));
    for (unsigned i = 0; i < r->started; i++) {
        pthread_join(r->entries[i].thread, NULL);
        munmap(r->entries[i].memory, r->page_len + r->payload_len);
    }
    if (r->stop_fd >= 0)
        close(r->stop_fd);
    free(r->entries);
    cond_done(&r->cond);
    mutex_done(&r->mu);
    free(r);
}
