/*
 * The rings that requests share which somebody waits for: one for each core.
 *
 * A caller takes the ring of the core that it runs on, or a neighbour's when another thread that
 * was moved away holds that, submits its batch and waits for all of it with one system call. The
 * lock is held meanwhile; nobody waits for it, because a thread that finds all rings taken uses the
 * POSIX calls. A ring is empty whenever its lock is free.
 */
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "lsm/base/check.h"
#include "lsm/env/env_uring.h"

enum {
    CORE_COUNT_MIN = 4, /* a thread that waits for the disk leaves its core to others */
    CORE_COUNT_MAX = 64,
    PART_COUNT_MAX = 64,
};

/* What the environment asks of a ring. */
static int check_operations(struct io_uring *ring)
{
    static const int needed[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_WRITEV, IORING_OP_FSYNC,
                                 IORING_OP_SYNC_FILE_RANGE};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    int err = 0;

    if (!probe)
        return -EOPNOTSUPP;
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
        err = io_uring_opcode_supported(probe, needed[i]) ? err : -EOPNOTSUPP;
    io_uring_free_probe(probe);
    return err;
}

static unsigned wanted_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    if (n < CORE_COUNT_MIN)
        return CORE_COUNT_MIN;
    return n > CORE_COUNT_MAX ? CORE_COUNT_MAX : (unsigned)n;
}

int uring_cores_new(struct env_uring *e)
{
    unsigned count = wanted_count();
    int err = 0;

    e->cores = calloc(count, sizeof(*e->cores));
    if (!e->cores)
        return -ENOMEM;
    while (e->core_count < count) {
        struct uring_core *c = &e->cores[e->core_count];

        err = uring_init(&c->ring, URING_BATCH_MAX);
        if (err)
            break;
        mutex_init(&c->mu);
        if (e->core_count++ == 0)
            err = check_operations(&c->ring);
        if (err)
            break;
    }
    /* Fewer rings than cores do as well, when there is no memory for more. */
    if (e->core_count && err != -EOPNOTSUPP)
        return 0;
    uring_cores_free(e);
    return err;
}

void uring_cores_free(struct env_uring *e)
{
    for (unsigned i = 0; i < e->core_count; i++) {
        io_uring_queue_exit(&e->cores[i].ring);
        mutex_done(&e->cores[i].mu);
    }
    free(e->cores);
    e->cores = NULL;
    e->core_count = 0;
}

/* Call work(ring, arg) with a ring of its own. False when there is none to be had. */
static bool with_ring(struct env_uring *e, bool (*work)(struct io_uring *ring, void *arg),
                      void *arg)
{
    int cpu = sched_getcpu();
    unsigned first = cpu < 0 ? 0 : (unsigned)cpu;

    for (unsigned i = 0; i < e->core_count; i++) {
        struct uring_core *c = &e->cores[(first + i) % e->core_count];

        if (!mutex_trylock(&c->mu))
            continue;
        if (!atomic_load(&e->refused) && !work(&c->ring, arg))
            atomic_store(&e->refused, true);
        mutex_unlock(&c->mu);
        return true;
    }
    return false;
}

static struct io_uring_sqe *next_sqe(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    /* The ring was empty and has room for a batch. */
    CHECK(sqe);
    return sqe;
}

/* --- Reading --- */

struct read_batch {
    struct env_read *reads;
    unsigned count;
    int fds[URING_BATCH_MAX]; /* pinned; -1 where that failed */
};

/* All that came: the read is done. Anything else: see env_uring.c. */
static void note_read(void *arg, uint64_t index, int res)
{
    struct env_read *r = &((struct read_batch *)arg)->reads[index];

    if (res >= 0 && (size_t)res == r->len) {
        r->ret_len = r->len;
        r->ret_err = 0;
    }
}

static bool run_reads(struct io_uring *ring, void *arg)
{
    struct read_batch *b = arg;
    unsigned count = 0;

    for (unsigned i = 0; i < b->count; i++) {
        const struct env_read *r = &b->reads[i];
        struct io_uring_sqe *sqe;

        if (r->offset > INT64_MAX || r->len > INT_MAX || b->fds[i] < 0)
            continue;
        sqe = next_sqe(ring);
        io_uring_prep_read(sqe, b->fds[i], r->buf, (unsigned)r->len, r->offset);
        io_uring_sqe_set_data64(sqe, i);
        count++;
    }
    return uring_run(ring, &count, 0, NULL, note_read, b);
}

static void read_batch(struct env_uring *e, struct env_read *reads, unsigned count)
{
    struct read_batch b = {.reads = reads, .count = count};

    for (unsigned i = 0; i < count; i++) {
        reads[i].ret_len = 0;
        reads[i].ret_err = -EINPROGRESS;
        if (env_posix_reader_pin(reads[i].reader, &b.fds[i]))
            b.fds[i] = -1;
    }
    (void)with_ring(e, run_reads, &b);
    for (unsigned i = 0; i < count; i++) {
        struct env_read *r = &reads[i];

        if (b.fds[i] >= 0)
            env_posix_reader_unpin(r->reader);
        if (r->ret_err)
            r->ret_err = env_posix_reader_read(r->reader, r->offset, r->len, r->buf, &r->ret_len);
    }
}

void env_uring_read_many(struct env *env, struct env_read *reads, size_t count)
{
    while (count) {
        unsigned n = count < URING_BATCH_MAX ? (unsigned)count : URING_BATCH_MAX;

        read_batch(env_uring_of(env), reads, n);
        reads += n;
        count -= n;
    }
}

/* --- Append and sync --- */

struct append_sync {
    int fd;
    uint64_t offset;
    struct iovec *iov;
    unsigned iov_count;
    int written, synced; /* results */
    bool cut;            /* nobody knows which of the two came first */
};

enum {
    DATA_WRITE,
    DATA_SYNC
};

static void note_append_sync(void *arg, uint64_t which, int res)
{
    struct append_sync *a = arg;

    if (which == DATA_WRITE)
        a->written = res;
    else
        a->synced = res;
}

/* The sync begins when the write has succeeded; a failed or short write cancels it. */
static bool run_append_sync(struct io_uring *ring, void *arg)
{
    struct append_sync *a = arg;
    struct io_uring_sqe *sqe = next_sqe(ring);
    unsigned count = 2;

    io_uring_prep_writev(sqe, a->fd, a->iov, a->iov_count, a->offset);
    io_uring_sqe_set_data64(sqe, DATA_WRITE);
    sqe->flags |= IOSQE_IO_LINK;
    sqe = next_sqe(ring);
    io_uring_prep_fsync(sqe, a->fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, DATA_SYNC);
    return uring_run(ring, &count, 0, &a->cut, note_append_sync, a);
}

int env_uring_append_sync(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    struct iovec iov[PART_COUNT_MAX];
    struct append_sync a = {.fd = env_posix_writer_fd(w), .offset = w->len, .iov = iov};
    size_t len = 0;
    int err = env_posix_writer_prepare(w);

    if (err)
        return err;
    for (unsigned i = 0; i < part_count && part_count <= PART_COUNT_MAX; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
        len += parts[i].len;
    }
    a.iov_count = part_count;
    a.written = a.synced = -EINPROGRESS;
    if (len && len <= INT_MAX)
        (void)with_ring(env_uring_of(w->env), run_append_sync, &a);
    if (len && a.written >= 0 && (size_t)a.written == len) {
        w->len += len;
        if (a.synced == 0 && !a.cut)
            return 0;
        if (a.synced && a.synced != -ECANCELED && a.synced != -EINPROGRESS && a.synced != -EINTR)
            return env_posix_writer_fail_sync(w, -a.synced);
    } else {
        err = env_posix_writer_append(w, parts, part_count);
    }
    return err ? err : env_posix_writer_sync(w);
}
