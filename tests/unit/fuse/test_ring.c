/*
 * FUSE over io_uring with a kernel that is simulated: requests are served, and what such a kernel
 * may refuse, now or later, neither ends an entry that is needed nor keeps a core busy.
 */
#include "lib/cmocka_all.h"

#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fs/fuse/ring.h"
#include "fs/fuse/ring_entry.h"
#include "fs/fuse/ring_wire.h"
#include "fs/fuse/watchdog.h"
#include "lsm/base/check.h"

int __wrap_io_uring_submit_and_wait(struct io_uring *head, unsigned wait);
int __wrap_io_uring_queue_init_params(unsigned count, struct io_uring *head,
                                      struct io_uring_params *params);
void __wrap_io_uring_queue_exit(struct io_uring *head);
int __wrap_fuse_session_fd(struct fuse_session *se);
void __wrap_fuse_session_process_buf(struct fuse_session *se, const struct fuse_buf *message);

/* --- The kernel --- */

enum {
    SQ_LEN_MAX = 16,
    PAGE_LEN = 4096,
    PAYLOAD_LEN = 8192,
};

/* A ring, in which one command at most is under way. */
struct ring {
    unsigned sq_head, sq_tail, sq_flags, cq_head, cq_tail, cq_flags;
    struct io_uring_sqe sqes[SQ_LEN_MAX * 2]; /* of 128 bytes each */
    struct io_uring_cqe cqes[SQ_LEN_MAX];
    struct io_uring_sqe *command; /* that waits for a request; NULL */
    struct wire_entry *entry;     /* as it was registered */
    int stop_fd;                  /* that is polled; -1 */
    uint64_t commit_id;
};

static struct {
    pthread_mutex_t mu;
    unsigned registered, committed; /* commands that came */
    unsigned to_send;               /* requests, before the end */
    unsigned sent, answered;
    /* Of the next so many commands, or calls, of a kind the result; 0: it is taken. */
    int register_error, commit_error, enter_error;
    unsigned register_count, commit_count, enter_count;
    unsigned register_skip; /* so many are taken before */
    unsigned entered;       /* calls */
    int end;                /* the result when nothing is left to send; 0: none, and all wait */
} kernel = {.mu = PTHREAD_MUTEX_INITIALIZER};

static int fails(int error, unsigned *count)
{
    if (!*count)
        return 0;
    --*count;
    return error;
}

static void complete_locked(struct ring *ring, uint64_t user_data, int result)
{
    ring->cqes[ring->cq_tail % SQ_LEN_MAX] =
        (struct io_uring_cqe){.user_data = user_data, .res = result};
    io_uring_smp_store_release(&ring->cq_tail, ring->cq_tail + 1);
}

static void take_register_locked(struct ring *ring, struct io_uring_sqe *sqe)
{
    const struct iovec *buffers = (const struct iovec *)(uintptr_t)sqe->addr;
    int error;

    kernel.registered++;
    assert_int_equal(sqe->len, 2);
    assert_int_equal(buffers[0].iov_len, sizeof(struct wire_entry));
    ring->entry = buffers[0].iov_base;
    if (kernel.register_skip) {
        kernel.register_skip--;
        ring->command = sqe;
        return;
    }
    error = fails(kernel.register_error, &kernel.register_count);
    if (error)
        complete_locked(ring, sqe->user_data, error);
    else
        ring->command = sqe;
}

static void take_commit_locked(struct ring *ring, struct io_uring_sqe *sqe)
{
    const struct wire_cmd *cmd = (const struct wire_cmd *)(const void *)sqe->cmd;
    struct fuse_out_header head;
    int error = fails(kernel.commit_error, &kernel.commit_count);

    kernel.committed++;
    assert_int_equal(cmd->commit_id, ring->commit_id);
    if (error) {
        complete_locked(ring, sqe->user_data, error);
        return;
    }
    memcpy(&head, ring->entry->head, sizeof(head));
    assert_int_equal(head.unique, ring->commit_id);
    kernel.answered++;
    ring->command = sqe;
}

static void take_locked(struct ring *ring, struct io_uring_sqe *sqe)
{
    if (sqe->opcode == IORING_OP_POLL_ADD)
        ring->stop_fd = sqe->fd;
    else if (sqe->cmd_op == WIRE_CMD_REGISTER)
        take_register_locked(ring, sqe);
    else
        take_commit_locked(ring, sqe);
}

static void send_locked(struct ring *ring)
{
    struct fuse_in_header head = {.len = sizeof(head), .opcode = FUSE_STATFS};

    kernel.to_send--;
    ring->commit_id = ++kernel.sent;
    head.unique = ring->commit_id;
    memcpy(ring->entry->head, &head, sizeof(head));
    ring->entry->commit_id = ring->commit_id;
    ring->entry->payload_len = 0;
    complete_locked(ring, ring->command->user_data, 0);
    ring->command = NULL;
}

static bool is_to_stop(const struct ring *ring)
{
    struct pollfd stop = {.fd = ring->stop_fd, .events = POLLIN};

    return poll(&stop, 1, 0) > 0;
}

/* Nothing is there: a request, or the end, may be. True: something is. */
static bool go_on_locked(struct ring *ring)
{
    if (ring->cq_tail != ring->cq_head)
        return true;
    if (is_to_stop(ring))
        complete_locked(ring, 0, POLLIN);
    else if (ring->command && kernel.to_send)
        send_locked(ring);
    else if (ring->command && kernel.end) {
        complete_locked(ring, ring->command->user_data, kernel.end);
        ring->command = NULL;
    } else {
        return false;
    }
    return true;
}

int __wrap_io_uring_submit_and_wait(struct io_uring *head, unsigned wait)
{
    struct ring *ring = head->sq.ring_ptr;
    int taken = 0, error;

    assert_int_equal(wait, 1);
    pthread_mutex_lock(&kernel.mu);
    kernel.entered++;
    error = fails(kernel.enter_error, &kernel.enter_count);
    for (; !error && ring->sq_head != head->sq.sqe_tail; ring->sq_head++, taken++)
        take_locked(ring, &ring->sqes[2 * (ring->sq_head & head->sq.ring_mask)]);
    while (!error && !go_on_locked(ring)) {
        pthread_mutex_unlock(&kernel.mu);
        poll(&(struct pollfd){.fd = ring->stop_fd, .events = POLLIN}, 1, 1);
        pthread_mutex_lock(&kernel.mu);
    }
    pthread_mutex_unlock(&kernel.mu);
    return error ? error : taken;
}

int __wrap_io_uring_queue_init_params(unsigned count, struct io_uring *head,
                                      struct io_uring_params *params)
{
    struct ring *ring = calloc(1, sizeof(*ring));

    assert_true(ring && count <= SQ_LEN_MAX && params->flags & IORING_SETUP_SQE128);
    ring->stop_fd = -1;
    *head = (struct io_uring){.flags = params->flags,
                              .ring_fd = -1,
                              .sq = {.khead = &ring->sq_head,
                                     .ktail = &ring->sq_tail,
                                     .kflags = &ring->sq_flags,
                                     .sqes = ring->sqes,
                                     .ring_ptr = ring,
                                     .ring_mask = count - 1,
                                     .ring_entries = count},
                              .cq = {.khead = &ring->cq_head,
                                     .ktail = &ring->cq_tail,
                                     .kflags = &ring->cq_flags,
                                     .cqes = ring->cqes,
                                     .ring_mask = SQ_LEN_MAX - 1,
                                     .ring_entries = SQ_LEN_MAX}};
    return 0;
}

void __wrap_io_uring_queue_exit(struct io_uring *head)
{
    free(head->sq.ring_ptr);
}

/* The session is none: a request is answered with nothing. */
int __wrap_fuse_session_fd(struct fuse_session *se)
{
    (void)se;
    return -1;
}

void __wrap_fuse_session_process_buf(struct fuse_session *se, const struct fuse_buf *message)
{
    struct fuse_out_header out = {.len = sizeof(out)};
    struct fuse_in_header in;

    (void)se;
    memcpy(&in, message->mem, sizeof(in));
    out.unique = in.unique;
    assert_int_equal(rings_write(-1, &(struct iovec){&out, sizeof(out)}, 1), sizeof(out));
}

static bool serve_none(void *arg, const struct fuse_buf *message)
{
    (void)arg;
    (void)message;
    return false;
}

/* --- One entry --- */

static struct watchdog dog;
static struct ring_config config;
static struct ring_entry entry;

static int set_up(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof(kernel));
    pthread_mutex_init(&kernel.mu, NULL);
    watchdog_init(&dog, 0);
    config = (struct ring_config){.dog = &dog,
                                  .first = serve_none,
                                  .page_len = PAGE_LEN,
                                  .payload_len = PAYLOAD_LEN,
                                  .stop_fd = eventfd(0, EFD_CLOEXEC)};
    entry = (struct ring_entry){.config = &config,
                                .memory = aligned_alloc(PAGE_LEN, PAGE_LEN + PAYLOAD_LEN)};
    assert_true(config.stop_fd >= 0 && entry.memory);
    entry.slot = watchdog_slot_new(&dog);
    assert_non_null(entry.slot);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    watchdog_done(&dog);
    close(config.stop_fd);
    free(entry.memory);
    return 0;
}

static void serve_to_the_end(void)
{
    assert_int_equal(ring_entry_begin(&entry), 0);
    ring_entry_serve(&entry);
    ring_entry_end(&entry);
}

static void stop(void)
{
    uint64_t one = 1;

    assert_int_equal(write(config.stop_fd, &one, sizeof(one)), sizeof(one));
}

static void requests_are_served(void **state)
{
    (void)state;
    kernel.to_send = 5;
    kernel.end = -ENOTCONN;
    serve_to_the_end();
    assert_int_equal(kernel.answered, 5);
    assert_int_equal(kernel.registered, 1);
    assert_false(atomic_load(&entry.refused));
}

static void what_is_refused_at_first_ends(void **state)
{
    (void)state;
    kernel.register_error = -EINVAL;
    kernel.register_count = 1;
    serve_to_the_end();
    assert_true(atomic_load(&entry.refused));
    assert_int_equal(kernel.registered, 1);
}

static void an_answer_that_is_not_taken_does_not_end_the_entry(void **state)
{
    static const int errors[] = {-EIO, -ENOENT, -EINVAL};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        kernel.answered = kernel.registered = 0;
        kernel.to_send = 5;
        kernel.end = -ENOTCONN;
        kernel.commit_error = errors[i];
        kernel.commit_count = 2;
        serve_to_the_end();
        assert_int_equal(kernel.answered, 3);
        assert_int_equal(kernel.registered, 3);
        assert_false(atomic_load(&entry.refused));
    }
}

static void an_offer_that_is_refused_later_is_made_again(void **state)
{
    (void)state;
    kernel.to_send = 3;
    kernel.end = -ENOTCONN;
    kernel.commit_error = -EIO;
    kernel.commit_count = 1;
    kernel.register_skip = 1;
    kernel.register_error = -ENOMEM;
    kernel.register_count = 3;
    serve_to_the_end();
    assert_int_equal(kernel.answered, 2);
    assert_int_equal(kernel.registered, 5);
    assert_false(atomic_load(&entry.refused));
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void calls_that_fail_are_made_again_but_not_busily(void **state)
{
    static const int errors[] = {-EAGAIN, -EBUSY, -ENOMEM};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        uint64_t begin = now_ms();

        kernel.answered = 0;
        kernel.to_send = 2;
        kernel.end = -ENOTCONN;
        kernel.enter_error = errors[i];
        kernel.enter_count = 5;
        serve_to_the_end();
        assert_int_equal(kernel.answered, 2);
        assert_true(now_ms() - begin >= 5 * 5);
    }
}

static void a_stop_ends_it_also_while_calls_fail(void **state)
{
    (void)state;
    kernel.enter_error = -EAGAIN;
    kernel.enter_count = 1000000;
    stop();
    serve_to_the_end();
    assert_true(kernel.entered < 10);
}

/* --- All entries --- */

static void wait_for_offers(unsigned count)
{
    for (bool there = false; !there; poll(NULL, 0, 1)) {
        pthread_mutex_lock(&kernel.mu);
        there = kernel.registered >= count;
        pthread_mutex_unlock(&kernel.mu);
    }
}

/* Whether rings serve of which the kernel refuses so many. */
static bool serves_with_refused(unsigned refused)
{
    struct rings *rings;
    unsigned count = 0;
    bool serves;

    assert_int_equal(rings_new(NULL, &dog, PAYLOAD_LEN, serve_none, NULL, &rings), 0);
    for (struct watch_slot *slot = dog.slots; slot; slot = slot->next)
        count += slot != entry.slot;
    kernel.register_error = -ENOMEM;
    kernel.register_count = refused < count ? refused : count;
    rings_go(rings);
    wait_for_offers(count);
    /* The last to be refused may not have heard of it. */
    serves = rings_serve(rings);
    for (int i = 0; refused >= count && serves && i < 10000; i++) {
        poll(NULL, 0, 1);
        serves = rings_serve(rings);
    }
    rings_free(rings);
    return serves;
}

static void rings_serve_while_each_core_has_an_entry(void **state)
{
    (void)state;
    assert_true(serves_with_refused(1));
}

static void rings_of_which_none_is_taken_do_not_serve(void **state)
{
    (void)state;
    assert_false(serves_with_refused(UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused_at_first_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_is_not_taken_does_not_end_the_entry, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_offer_that_is_refused_later_is_made_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(calls_that_fail_are_made_again_but_not_busily, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_stop_ends_it_also_while_calls_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rings_serve_while_each_core_has_an_entry, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rings_of_which_none_is_taken_do_not_serve, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
