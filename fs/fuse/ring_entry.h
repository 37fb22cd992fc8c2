/*
 * One entry of a queue of the kernel's: a thread's own io_uring, and the memory that a request and
 * its answer are in. All functions are for the one thread that serves it.
 */
#ifndef FS_FUSE_RING_ENTRY_H
#define FS_FUSE_RING_ENTRY_H

#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fuse_buf;
struct fuse_session;
struct watch_slot;
struct watchdog;

enum {
    RING_CORE_COUNT_MAX = 4096
};

/* What all entries have in common; constant, but for what has been told. */
struct ring_config {
    struct fuse_session *se;
    struct watchdog *dog;
    bool (*first)(void *arg, const struct fuse_buf *message);
    void *first_arg;
    size_t page_len, payload_len;
    int stop_fd; /* readable when all are to end */
    atomic_bool told_refusal, told_trouble;
};

struct ring_entry {
    /* Set by the one who makes it. */
    struct ring_config *config;
    unsigned core;
    uint8_t *memory; /* a page and the payload */
    struct watch_slot *slot;

    atomic_bool refused; /* the kernel did not take the entry */

    /* Of the thread that serves. */
    struct io_uring uring;
    struct iovec buffers[2]; /* what is offered to the kernel */
    bool has_served;
    /* The request that is being served. */
    uint64_t unique;
    bool answered;
};

/* Bind the calling thread to the entry and its core: 0 or a negative errno. */
int ring_entry_begin(struct ring_entry *e);
/* After success of begin. */
void ring_entry_end(struct ring_entry *e);
/*
 * Offer the entry to the kernel, and serve until all are to end, or the connection ends, or the
 * kernel has refused the entry, which is then marked so. After other trouble it is offered again.
 */
void ring_entry_serve(struct ring_entry *e);

#endif
