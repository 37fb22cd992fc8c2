/*
 * The kernel's requests through io_uring instead of reads and writes of /dev/fuse, where the kernel
 * offers that: 6.14 and newer, with the parameter enable_uring of its module fuse.
 *
 * The kernel has a queue for each core, and gives a request to the queue of the core that its
 * program runs on. Each queue has some entries. An entry is one thread, bound to that core, with an
 * io_uring of its own that never has more than one request under way: one system call hands the
 * answer over and waits for the next request, and waking a thread on the same core costs the least.
 * The kernel takes the entry that came last, so that one thread per core does all the work while
 * requests are quick, and others when it is busy.
 *
 * FORGET, INTERRUPT, and what the daemon tells the kernel, still go through /dev/fuse (workers.h).
 */
#ifndef FS_FUSE_RING_H
#define FS_FUSE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct fuse_buf;
struct fuse_session;
struct rings;
struct watchdog;

/*
 * Make the threads and buffers, for requests and answers of up to payload_len bytes behind their
 * headers. `first` is as for workers_run. On failure, which is a negative errno, nothing is left,
 * and /dev/fuse does all. Call it before INIT is answered: once the kernel has been told that there
 * will be rings, it waits for them.
 */
int rings_new(struct fuse_session *se, struct watchdog *dog, size_t payload_len,
              bool (*first)(void *arg, const struct fuse_buf *message), void *arg,
              struct rings **ret);
/* INIT has been answered: begin to serve. */
void rings_go(struct rings *r);
/* Whether the kernel has taken one for each core; it has not been told of any before rings_go. */
bool rings_serve(const struct rings *r);
/* End all threads and free; the session may be unmounted or not. NULL is allowed. */
void rings_free(struct rings *r);
/*
 * Hand an answer, or something that is none, to the kernel: through the ring if it answers the
 * request that the calling thread has from one, else by writing it to fd. As writev(2).
 */
ssize_t rings_write(int fd, const struct iovec *iov, int count);

#endif
