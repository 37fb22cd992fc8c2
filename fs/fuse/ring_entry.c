/*
 * A request comes in three parts: its header, the fixed part of its kind, and the rest as payload.
 * What serves requests wants them in one piece. The payload begins a page behind the start of the
 * entry's memory, and the two other parts, which are short, are copied to right before it.
 *
 *     page 0:  struct wire_entry ... | header, fixed part |   page 1 and on:  payload |
 *
 * An answer's header and body are copied out of the buffers of the one who answers; the kernel gets
 * it with the next system call. Nobody answers from another thread than that which serves.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fs/fuse/ring_entry.h"

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/ring.h"
#include "fs/fuse/ring_wire.h"
#include "fs/fuse/watchdog.h"
#include "lsm/base/check.h"

enum {
    SQ_LEN = 4,
    SQE_LEN = 128, /* with IORING_SETUP_SQE128 */
    PAUSE_MS = 10,
};

static _Thread_local struct ring_entry *self;

static struct wire_entry *wire_of(const struct ring_entry *e)
{
    return (struct wire_entry *)(void *)e->memory;
}

static uint8_t *payload_of(const struct ring_entry *e)
{
    return e->memory + e->config->page_len;
}

/* --- Answers --- */

/* The answer of a header and parts of a body; false when the body does not fit. */
static bool answer_fill(struct ring_entry *e, const struct fuse_out_header *head,
                        const struct iovec *parts, int count)
{
    struct wire_entry *w = wire_of(e);
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > e->config->payload_len - len)
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

static void answer_error(struct ring_entry *e, int errnum)
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
static bool message_join(struct ring_entry *e, struct fuse_buf *ret)
{
    const struct wire_entry *w = wire_of(e);
    struct fuse_in_header head;
    size_t op_len;
    uint8_t *start;

    memcpy(&head, w->head, sizeof(head));
    e->unique = head.unique;
    e->answered = false;
    if (w->payload_len > e->config->payload_len || head.len < sizeof(head) + w->payload_len)
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

static void serve(struct ring_entry *e)
{
    const struct ring_config *c = e->config;
    struct fuse_buf message;

    if (!message_join(e, &message)) {
        mount_log(LSM_LOG_ERROR, "io_uring: a request of the kernel makes no sense");
        answer_error(e, EIO);
        return;
    }
    watchdog_begin(c->dog, e->slot, &message);
    if (!c->first(c->first_arg, &message))
        fuse_session_process_buf(c->se, &message);
    watchdog_end(c->dog, e->slot);
    /* A request without an answer would keep its program waiting for ever. */
    if (!e->answered)
        answer_error(e, EIO);
}

/* --- The thread of an entry --- */

/* A free place: there are more than an entry ever has under way. */
static struct io_uring_sqe *sqe_new(struct ring_entry *e)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&e->uring);

    CHECK(sqe);
    memset(sqe, 0, SQE_LEN);
    return sqe;
}

static struct io_uring_sqe *command(struct ring_entry *e, unsigned op)
{
    struct io_uring_sqe *sqe = sqe_new(e);
    struct wire_cmd cmd = {.queue = (uint16_t)e->core, .commit_id = wire_of(e)->commit_id};

    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = fuse_session_fd(e->config->se);
    sqe->cmd_op = op;
    memcpy(sqe->cmd, &cmd, sizeof(cmd));
    io_uring_sqe_set_data(sqe, e);
    return sqe;
}

static void enter(struct ring_entry *e)
{
    struct io_uring_sqe *sqe = command(e, WIRE_CMD_REGISTER);

    e->buffers[0] = (struct iovec){e->memory, sizeof(struct wire_entry)};
    e->buffers[1] = (struct iovec){payload_of(e), e->config->payload_len};
    sqe->addr = (uintptr_t)e->buffers;
    sqe->len = 2;
}

static void watch_for_stop(struct ring_entry *e)
{
    struct io_uring_sqe *sqe = sqe_new(e);

    io_uring_prep_poll_add(sqe, e->config->stop_fd, POLLIN);
    io_uring_sqe_set_data(sqe, NULL);
}

/* Give whatever is the matter some time to pass. False: all are to end. */
static bool pause_a_little(const struct ring_entry *e)
{
    struct pollfd stop = {.fd = e->config->stop_fd, .events = POLLIN};

    return poll(&stop, 1, PAUSE_MS) <= 0;
}

/* Once for all entries, however often it happens. */
static void tell_once(atomic_bool *told, const char *what, int err)
{
    if (!atomic_exchange(told, true))
        mount_log(LSM_LOG_WARN, "io_uring: %s: %s", what, strerror(-err));
}

static bool is_end_of_connection(int result)
{
    return result == -ENOTCONN || result == -ECONNABORTED || result == -ECANCELED;
}

/*
 * The kernel does not take what the entry offered. Without its first offer it goes on with other
 * entries or with /dev/fuse; later, requests on this core would wait for ever if nobody offered
 * himself for them. False: the thread is to end.
 */
static bool offer_again(struct ring_entry *e, int result)
{
    if (!e->has_served) {
        atomic_store(&e->refused, true);
        tell_once(&e->config->told_refusal, "the kernel refuses an entry", result);
        return false;
    }
    tell_once(&e->config->told_trouble, "the kernel does not take an answer", result);
    if (!pause_a_little(e))
        return false;
    enter(e);
    return true;
}

/* What has come. False: the thread is to end. */
static bool handle(struct ring_entry *e, int result)
{
    if (is_end_of_connection(result))
        return false;
    if (result)
        return offer_again(e, result);
    e->has_served = true;
    serve(e);
    command(e, WIRE_CMD_COMMIT);
    return true;
}

void ring_entry_serve(struct ring_entry *e)
{
    bool on = true;

    watch_for_stop(e);
    enter(e);
    while (on) {
        struct io_uring_cqe *cqe;
        int err = io_uring_submit_and_wait(&e->uring, 1);

        /* What was not taken is offered again with the next call. */
        if (err < 0 && err != -EINTR) {
            tell_once(&e->config->told_trouble, "the kernel takes nothing", err);
            on = pause_a_little(e);
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
    cpu_set_t *set = CPU_ALLOC(RING_CORE_COUNT_MAX);
    size_t len = CPU_ALLOC_SIZE(RING_CORE_COUNT_MAX);

    if (!set)
        return;
    CPU_ZERO_S(len, set);
    CPU_SET_S(core, len, set);
    pthread_setaffinity_np(pthread_self(), len, set);
    CPU_FREE(set);
}

int ring_entry_begin(struct ring_entry *e)
{
    self = e;
    e->answered = true;
    e->has_served = false;
    bind_to_core(e->core);
    watchdog_join(e->slot);
    return uring_new(&e->uring);
}

void ring_entry_end(struct ring_entry *e)
{
    io_uring_queue_exit(&e->uring);
}
