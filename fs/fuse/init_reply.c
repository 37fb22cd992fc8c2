/*
 * libfuse before 3.16 knows PARALLEL_DIROPS, but never tells the kernel that it is wanted, and the
 * kernel then lets only one process at a time look up or list in a directory. The handlers here
 * keep no state, so they may be called side by side. The messages therefore pass through a function
 * that sets the missing bit in the one answer that carries it; everything else it leaves alone.
 *
 * The layout is that of the kernel's interface, linux/fuse.h, and cannot change.
 */
#include "fs/fuse/init_reply.h"

#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/fuse/session.h"

/* The first message that is written is the answer to INIT: a header, and the settings. */
static void complete(struct iovec *iov, int count)
{
    size_t at = offsetof(struct fuse_init_out, flags);
    struct fuse_out_header head;
    uint32_t flags;

    if (count != 2 || iov[0].iov_len != sizeof(head) || iov[1].iov_len < at + sizeof(flags))
        return;
    memcpy(&head, iov[0].iov_base, sizeof(head));
    if (head.error)
        return;
    memcpy(&flags, (uint8_t *)iov[1].iov_base + at, sizeof(flags));
    flags |= FUSE_PARALLEL_DIROPS;
    memcpy((uint8_t *)iov[1].iov_base + at, &flags, sizeof(flags));
}

static ssize_t message_write(int fd, struct iovec *iov, int count, void *userdata)
{
    struct mount *m = userdata;

    if (atomic_load_explicit(&m->init_reply_due, memory_order_relaxed)) {
        atomic_store(&m->init_reply_due, false);
        complete(iov, count);
    }
    return writev(fd, iov, count);
}

static ssize_t message_read(int fd, void *buf, size_t len, void *userdata)
{
    (void)userdata;
    return read(fd, buf, len);
}

void init_reply_hook(struct mount *m)
{
    static const struct fuse_custom_io io = {.writev = message_write, .read = message_read};

    fuse_session_custom_io(m->se, &io, fuse_session_fd(m->se));
}
