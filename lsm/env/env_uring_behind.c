/*
 * Files that are written behind the caller's back: tables, and what compaction writes.
 *
 * Appends fill one of a few buffers; a full one is handed to the kernel, which writes it and begins
 * to bring it to the disk while the next one is filled. So the sync at the end finds little left to
 * do. Whoever fills buffers faster than the disk takes them waits for the oldest.
 *
 * Each of these writers has a ring of its own, so that it never waits for requests of others and
 * shares no lock while it writes; ring and buffers go from a writer that is closed to the next one.
 * Without a ring (no memory, or io_uring is refused meanwhile) it writes its full buffers itself.
 *
 * A sync may run beside appends, as for other writers: it holds the writer's lock until everything
 * that was appended before is written, and lets go of it for fdatasync.
 *
 * A buffer of which a request did not simply succeed is written again by a POSIX call, at the same
 * offset; only if that fails is it an error, and it sticks: what of the file is on disk is then
 * unknown. That goes for bringing it to the disk, too: pages that could not be are clean afterwards
 * and may be gone, and the disk's error may have been told with that request for the only time. A
 * crash leaves any part of the file.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/env/env_uring.h"

enum {
    BUF_COUNT = 4,
    BUF_LEN = 256 << 10,
};

/* What a writer needs while it is open. */
struct behind_kit {
    struct behind_kit *next; /* in the list of those not in use */
    bool has_ring;
    struct io_uring ring;     /* empty unless in use */
    uint8_t *data[BUF_COUNT]; /* BUF_LEN bytes each, once used */
};

struct behind_buf {
    uint64_t offset; /* in the file */
    size_t len;
    unsigned requests;     /* in flight */
    bool sent;             /* it is on its way, or was lost with the ring */
    bool written, started; /* what its requests were to do is done */
};

struct behind_writer {
    struct env_writer head; /* len: [mu] */
    struct behind_kit *kit; /* its contents: [mu] */

    struct mutex mu;         /* a leaf */
    struct env_writer *file; /* the POSIX writer below; its len, set when it is asked: [mu] */
    unsigned requests;       /* [mu] in flight, of all buffers */
    struct behind_buf bufs[BUF_COUNT]; /* [mu] */
    unsigned filling; /* [mu] index of the buffer that takes appends; it is not sent */
    int poison;       /* [mu] the errno of the first failure */
};

static struct behind_writer *of(struct env_writer *w)
{
    return (struct behind_writer *)w;
}

static int refuse_locked(const struct behind_writer *w) REQUIRES(w->mu)
{
    if (!w->poison)
        return env_posix_writer_prepare(w->file);
    return env_posix_raise(w->head.env, w->head.name, "write", w->poison);
}

static void kit_free(struct behind_kit *kit)
{
    if (kit->has_ring)
        io_uring_queue_exit(&kit->ring);
    for (unsigned i = 0; i < BUF_COUNT; i++)
        free(kit->data[i]);
    free(kit);
}

void uring_kits_free(struct env_uring *e)
{
    struct behind_kit *kit;

    mutex_lock(&e->kits_mu);
    while ((kit = e->kits)) {
        e->kits = kit->next;
        kit_free(kit);
    }
    mutex_unlock(&e->kits_mu);
}

/* One that is left from a closed writer, or a new one; NULL when there is no memory. */
static struct behind_kit *kit_take(struct env_uring *e)
{
    struct behind_kit *kit;

    mutex_lock(&e->kits_mu);
    kit = e->kits;
    if (kit)
        e->kits = kit->next;
    mutex_unlock(&e->kits_mu);
    if (kit)
        return kit;
    kit = calloc(1, sizeof(*kit));
    if (kit && !atomic_load(&e->refused))
        kit->has_ring = uring_init(&kit->ring, 2 * BUF_COUNT) == 0;
    return kit;
}

static void kit_give(struct env_uring *e, struct behind_kit *kit)
{
    mutex_lock(&e->kits_mu);
    kit->next = e->kits;
    e->kits = kit;
    mutex_unlock(&e->kits_mu);
}

int uring_behind_create(struct env *env, const char *name, struct env_writer **ret)
{
    struct behind_writer *w = calloc(1, sizeof(*w));
    int err = -ENOMEM;

    if (w)
        w->kit = kit_take(env_uring_of(env));
    if (w && w->kit)
        err = env_posix_writer_create(env, name, &w->file);
    if (err) {
        if (w && w->kit)
            kit_give(env_uring_of(env), w->kit);
        free(w);
        return err;
    }
    mutex_init(&w->mu);
    w->head = (struct env_writer){.env = env, .name = w->file->name, .behind = true};
    *ret = &w->head;
    return 0;
}

static uint8_t *buf_data(const struct behind_writer *w, const struct behind_buf *b)
{
    return w->kit->data[b - w->bufs];
}

/* Nothing of the buffer is in flight any more: see that it is written, and empty it. */
static void settle_locked(struct behind_writer *w, struct behind_buf *b) REQUIRES(w->mu)
{
    struct slice part = slice_of(buf_data(w, b), b->len);
    uint64_t written;
    int errnum = 0;

    if (!(b->written && b->started) && !w->poison)
        errnum = env_posix_write(env_posix_writer_fd(w->file), &part, 1, b->offset, &written);
    if (errnum)
        w->poison = errnum;
    b->len = 0;
    b->requests = 0;
    b->sent = b->written = b->started = false;
}

/* A buffer was written, or its way to the disk has begun. */
static void note_done_locked(void *arg, uint64_t user_data, int res) NO_TSA
{
    struct behind_writer *w = arg;
    struct behind_buf *b = &w->bufs[user_data / 2];

    if (user_data % 2 == 0)
        b->written = res >= 0 && (size_t)res == b->len;
    else
        b->started = res == 0;
    if (--b->requests == 0)
        settle_locked(w, b);
}

/* Submit what is prepared, and wait until no more than `leave` requests are in flight. */
static void run_locked(struct behind_writer *w, unsigned leave) REQUIRES(w->mu)
{
    if (!w->kit->has_ring ||
        uring_run(&w->kit->ring, &w->requests, leave, NULL, note_done_locked, w))
        return;
    atomic_store(&env_uring_of(w->head.env)->refused, true);
    io_uring_queue_exit(&w->kit->ring);
    w->kit->has_ring = false;
    w->requests = 0;
    for (unsigned i = 0; i < BUF_COUNT; i++) {
        if (w->bufs[i].sent)
            settle_locked(w, &w->bufs[i]);
    }
}

/* A write, and after it a request to bring those bytes to the disk. */
static void prepare_locked(struct behind_writer *w, struct behind_buf *b) REQUIRES(w->mu)
{
    int fd = env_posix_writer_fd(w->file);
    uint64_t user_data = 2 * (uint64_t)(b - w->bufs);
    struct io_uring_sqe *write = io_uring_get_sqe(&w->kit->ring), *start;

    CHECK(write);
    io_uring_prep_write(write, fd, buf_data(w, b), (unsigned)b->len, b->offset);
    io_uring_sqe_set_data64(write, user_data);
    write->flags |= IOSQE_IO_LINK;
    start = io_uring_get_sqe(&w->kit->ring);
    CHECK(start);
    io_uring_prep_sync_file_range(start, fd, (unsigned)b->len, b->offset, SYNC_FILE_RANGE_WRITE);
    io_uring_sqe_set_data64(start, user_data + 1);
    b->requests = 2;
    w->requests += 2;
}

/* Have the full buffer written and go on with the next, waiting until it is empty. */
static void send_locked(struct behind_writer *w) REQUIRES(w->mu)
{
    struct behind_buf *b = &w->bufs[w->filling];

    b->sent = true;
    w->filling = (w->filling + 1) % BUF_COUNT;
    if (w->kit->has_ring) {
        prepare_locked(w, b);
        run_locked(w, w->requests);
    } else {
        settle_locked(w, b);
    }
    while (w->bufs[w->filling].sent)
        run_locked(w, w->requests - 1);
}

/* Copy what the filling buffer has room for; returns how much that was. */
static size_t fill_locked(struct behind_writer *w, const uint8_t *data, size_t len) REQUIRES(w->mu)
{
    struct behind_buf *b = &w->bufs[w->filling];
    size_t room = BUF_LEN - b->len, n = len < room ? len : room;
    uint8_t **mem = &w->kit->data[w->filling];

    if (!*mem)
        *mem = malloc(BUF_LEN);
    if (!*mem) {
        w->poison = ENOMEM;
        return 0;
    }
    if (b->len == 0)
        b->offset = w->head.len;
    memcpy(*mem + b->len, data, n);
    b->len += n;
    w->head.len += n;
    return n;
}

int uring_behind_append(struct env_writer *head, const struct slice *parts, unsigned part_count)
{
    struct behind_writer *w = of(head);
    int err;

    mutex_lock(&w->mu);
    for (unsigned i = 0; i < part_count; i++) {
        size_t done = 0;

        while (done < parts[i].len && !w->poison) {
            done += fill_locked(w, parts[i].data + done, parts[i].len - done);
            if (w->bufs[w->filling].len == BUF_LEN)
                send_locked(w);
        }
    }
    err = refuse_locked(w);
    mutex_unlock(&w->mu);
    return err;
}

/* Have everything written. */
static int drain_locked(struct behind_writer *w) REQUIRES(w->mu)
{
    if (w->bufs[w->filling].len)
        send_locked(w);
    if (w->requests)
        run_locked(w, 0);
    w->file->len = w->head.len;
    return refuse_locked(w);
}

int uring_behind_sync(struct env_writer *head)
{
    struct behind_writer *w = of(head);
    int err;

    mutex_lock(&w->mu);
    err = drain_locked(w);
    mutex_unlock(&w->mu);
    return err ? err : env_posix_writer_sync(w->file);
}

int uring_behind_reserve(struct env_writer *head, uint64_t len)
{
    struct behind_writer *w = of(head);
    int err;

    mutex_lock(&w->mu);
    err = drain_locked(w);
    if (!err)
        err = env_posix_writer_reserve(w->file, len);
    mutex_unlock(&w->mu);
    return err;
}

int uring_behind_truncate(struct env_writer *head, uint64_t len)
{
    struct behind_writer *w = of(head);
    int err;

    mutex_lock(&w->mu);
    err = drain_locked(w);
    if (!err)
        err = env_posix_writer_truncate(w->file, len);
    if (!err)
        head->len = len;
    mutex_unlock(&w->mu);
    return err;
}

int uring_behind_close(struct env_writer *head)
{
    struct behind_writer *w = of(head);
    int err, close_err;

    mutex_lock(&w->mu);
    err = drain_locked(w);
    mutex_unlock(&w->mu);
    kit_give(env_uring_of(head->env), w->kit);
    close_err = env_posix_writer_close(w->file);
    mutex_done(&w->mu);
    free(w);
    return err ? err : close_err;
}
