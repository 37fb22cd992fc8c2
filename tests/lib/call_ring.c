/*
 * io_uring in this process, for tests: what liburing has of its own is replaced here (the rest of
 * it is inline and works on the memory of a ring, which is laid out as the kernel does it).
 *
 * A request that was taken is done when somebody waits for it, or by chance earlier, and of those
 * that may be next any can be: what is linked comes after what it is linked to, and is cancelled
 * when that failed or fell short. A link ends where the kernel takes no more requests. All that
 * the kernel promises is kept, and nothing more.
 *
 * All fields of all rings are guarded by one lock, but for what liburing's inline functions touch.
 */
#include "lib/call_faults_impl.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/rng.h"
#include "lsm/base/check.h"

enum {
    FLIGHT_MAX = 256,
    ZEROS_LEN = 4096,
};

struct request {
    struct io_uring_sqe sqe;
    uint64_t number; /* from 1 */
    uint64_t after;  /* the number of the one that it waits for; 0: none */
    bool cancelled;
    bool half;  /* only half of it is done */
    int errnum; /* it fails; 0 */
};

struct ring {
    struct ring *next;
    unsigned sq_head, sq_tail, cq_head, cq_tail; /* also liburing's */
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    struct request flight[FLIGHT_MAX]; /* taken, and not done */
    unsigned flight_count;
    uint64_t taken_count;
    struct rng rng;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct ring *rings;
static uint64_t seed;
/* Which ring this thread may be waiting for without asking the kernel. */
static _Thread_local struct ring *owed;

ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __real_pwrite(int fd, const void *buf, size_t len, off_t at);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int count, off_t at);
void *__real_calloc(size_t count, size_t len);
int __real_sched_yield(void);

void call_ring_seed(uint64_t s)
{
    pthread_mutex_lock(&mu);
    seed = s;
    pthread_mutex_unlock(&mu);
}

/* --- Doing requests --- */

static void *buffer_of(const struct io_uring_sqe *sqe)
{
    return (void *)(uintptr_t)sqe->addr;
}

static int answer_of(ssize_t n)
{
    return n < 0 ? -errno : (int)n;
}

static size_t part(const struct request *r, size_t len)
{
    return r->half && len > 1 ? len / 2 : len;
}

static int do_writev(const struct request *r)
{
    const struct iovec *iov = buffer_of(&r->sqe);

    if (r->half)
        return answer_of(
            __real_pwrite(r->sqe.fd, iov->iov_base, part(r, iov->iov_len), (off_t)r->sqe.off));
    return answer_of(__real_pwritev(r->sqe.fd, iov, (int)r->sqe.len, (off_t)r->sqe.off));
}

/* What a failed writeback does: the pages are clean, and the disk does not have them. */
static void lose_bytes(const struct io_uring_sqe *sqe)
{
    static const uint8_t zeros[ZEROS_LEN];

    for (size_t at = 0; at < sqe->len; at += ZEROS_LEN) {
        size_t len = sqe->len - at < ZEROS_LEN ? sqe->len - at : ZEROS_LEN;

        CHECK(__real_pwrite(sqe->fd, zeros, len, (off_t)(sqe->off + at)) == (ssize_t)len);
    }
}

static int do_request(const struct request *r)
{
    const struct io_uring_sqe *sqe = &r->sqe;

    if (r->cancelled)
        return -ECANCELED;
    if (r->errnum && sqe->opcode == IORING_OP_SYNC_FILE_RANGE)
        lose_bytes(sqe);
    if (r->errnum)
        return -r->errnum;
    switch (sqe->opcode) {
    case IORING_OP_READ:
        return answer_of(__real_pread(sqe->fd, buffer_of(sqe), part(r, sqe->len), (off_t)sqe->off));
    case IORING_OP_WRITE:
        call_faults_note_written();
        return answer_of(
            __real_pwrite(sqe->fd, buffer_of(sqe), part(r, sqe->len), (off_t)sqe->off));
    case IORING_OP_WRITEV:
        call_faults_note_written();
        return do_writev(r);
    case IORING_OP_FSYNC:
        call_faults_note_synced();
        return 0;
    default:
        CHECK(sqe->opcode == IORING_OP_SYNC_FILE_RANGE);
        return 0;
    }
}

static bool is_flying(const struct ring *ring, uint64_t number)
{
    for (unsigned i = 0; i < ring->flight_count; i++)
        if (ring->flight[i].number == number)
            return true;
    return false;
}

static bool fell_short(const struct request *r, int res)
{
    return res < 0 || r->half || (r->sqe.opcode == IORING_OP_WRITE && (unsigned)res < r->sqe.len);
}

/* Do one of those that may be next. */
static void do_one_locked(struct ring *ring)
{
    unsigned ready[FLIGHT_MAX], count = 0, at;
    struct request r;
    struct io_uring_cqe *cqe = &ring->cqes[ring->cq_tail % FLIGHT_MAX];

    for (unsigned i = 0; i < ring->flight_count; i++)
        if (!ring->flight[i].after || !is_flying(ring, ring->flight[i].after))
            ready[count++] = i;
    at = ready[rng_below(&ring->rng, count)];
    r = ring->flight[at];
    ring->flight[at] = ring->flight[--ring->flight_count];
    *cqe = (struct io_uring_cqe){.user_data = r.sqe.user_data, .res = do_request(&r)};
    for (unsigned i = 0; i < ring->flight_count; i++)
        if (ring->flight[i].after == r.number && fell_short(&r, cqe->res))
            ring->flight[i].cancelled = true;
    io_uring_smp_store_release(&ring->cq_tail, ring->cq_tail + 1);
}

static unsigned ready_locked(struct ring *ring)
{
    return ring->cq_tail - io_uring_smp_load_acquire(&ring->cq_head);
}

/* --- Handing over --- */

static unsigned kind_of(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_READ:
        return CALL_RING_READ;
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
        return CALL_RING_WRITE;
    case IORING_OP_FSYNC:
        return CALL_RING_SYNC;
    default:
        return CALL_RING_START;
    }
}

/* Take `count` requests; the last one is linked to nothing that comes later. */
static void take_locked(struct ring *ring, const struct io_uring *head, unsigned count)
{
    uint64_t after = 0;

    for (; count; count--, ring->sq_head++) {
        struct request *r = &ring->flight[ring->flight_count];
        enum call_answer answer;

        CHECK(ring->flight_count + ready_locked(ring) < FLIGHT_MAX);
        *r = (struct request){.sqe = head->sq.sqes[ring->sq_head & head->sq.ring_mask],
                              .number = ++ring->taken_count,
                              .after = after};
        answer = call_faults_begin(kind_of(&r->sqe));
        r->errnum = answer == CALL_FAILS ? errno : 0;
        r->half = answer == CALL_DOES_HALF;
        after = r->sqe.flags & IOSQE_IO_LINK ? r->number : 0;
        ring->flight_count++;
    }
}

static int enter_locked(struct ring *ring, const struct io_uring *head, unsigned wait)
{
    unsigned offered = head->sq.sqe_tail - ring->sq_head, count = offered;
    enum call_answer answer = CALL_GOES_ON;

    owed = NULL;
    if (offered || wait)
        answer = call_faults_begin(CALL_RING_ENTER);
    if (answer == CALL_FAILS) {
        owed = ring;
        return -errno;
    }
    if (answer == CALL_DOES_HALF)
        count = (offered + 1) / 2;
    take_locked(ring, head, count);
    if (count < offered)
        return (int)count;
    CHECK(wait <= ready_locked(ring) + ring->flight_count);
    while (ring->flight_count && (ready_locked(ring) < wait || rng_below(&ring->rng, 4) == 0))
        do_one_locked(ring);
    return (int)count;
}

REAL(int, io_uring_submit_and_wait, struct io_uring *head, unsigned wait)
{
    int answer;

    pthread_mutex_lock(&mu);
    answer = enter_locked(head->sq.ring_ptr, head, wait);
    pthread_mutex_unlock(&mu);
    return answer;
}

/* What the kernel took is done some day, also when nobody asks for it. */
REAL(int, sched_yield, void)
{
    struct ring *ring;

    pthread_mutex_lock(&mu);
    for (ring = rings; ring && ring != owed; ring = ring->next)
        ;
    owed = NULL;
    while (ring && ring->flight_count)
        do_one_locked(ring);
    pthread_mutex_unlock(&mu);
    return __real_sched_yield();
}

/* --- Rings --- */

REAL(int, io_uring_queue_init_params, unsigned entries, struct io_uring *head,
     struct io_uring_params *params)
{
    struct ring *ring;
    unsigned len = 1;

    (void)params;
    if (call_faults_begin(CALL_RING_SETUP) == CALL_FAILS)
        return -errno;
    while (len < entries)
        len *= 2;
    ring = __real_calloc(1, sizeof(*ring));
    CHECK(ring);
    ring->sqes = __real_calloc(len, sizeof(*ring->sqes));
    ring->cqes = __real_calloc(FLIGHT_MAX, sizeof(*ring->cqes));
    CHECK(ring->sqes && ring->cqes);
    *head = (struct io_uring){.sq = {.khead = &ring->sq_head,
                                     .ktail = &ring->sq_tail,
                                     .sqes = ring->sqes,
                                     .ring_ptr = ring,
                                     .ring_mask = len - 1,
                                     .ring_entries = len},
                              .cq = {.khead = &ring->cq_head,
                                     .ktail = &ring->cq_tail,
                                     .cqes = ring->cqes,
                                     .ring_mask = FLIGHT_MAX - 1,
                                     .ring_entries = FLIGHT_MAX},
                              .ring_fd = -1};
    pthread_mutex_lock(&mu);
    ring->rng.state = ++seed;
    ring->next = rings;
    rings = ring;
    pthread_mutex_unlock(&mu);
    return 0;
}

/* Requests that are in flight would use memory that is gone. */
REAL(void, io_uring_queue_exit, struct io_uring *head)
{
    struct ring *ring = head->sq.ring_ptr, **at = &rings;

    pthread_mutex_lock(&mu);
    CHECK(!ring->flight_count);
    while (*at != ring)
        at = &(*at)->next;
    *at = ring->next;
    pthread_mutex_unlock(&mu);
    free(ring->sqes);
    free(ring->cqes);
    free(ring);
}

REAL(int, io_uring_ring_dontfork, struct io_uring *head)
{
    (void)head;
    return call_faults_begin(CALL_RING_SETUP) == CALL_FAILS ? -errno : 0;
}

REAL(struct io_uring_probe *, io_uring_get_probe_ring, struct io_uring *head)
{
    struct io_uring_probe *probe;

    (void)head;
    if (call_faults_begin(CALL_RING_SETUP) == CALL_FAILS)
        return NULL;
    probe = __real_calloc(1, sizeof(*probe) + IORING_OP_LAST * sizeof(probe->ops[0]));
    CHECK(probe);
    probe->last_op = IORING_OP_LAST - 1;
    probe->ops_len = IORING_OP_LAST;
    for (int i = 0; i < IORING_OP_LAST; i++)
        probe->ops[i] =
            (struct io_uring_probe_op){.op = (uint8_t)i, .flags = IO_URING_OP_SUPPORTED};
    return probe;
}

REAL(void, io_uring_free_probe, struct io_uring_probe *probe)
{
    free(probe);
}
