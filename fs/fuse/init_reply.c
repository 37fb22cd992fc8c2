/*
 * libfuse before 3.16 knows PARALLEL_DIROPS, but never tells the kernel that it is wanted, and the
 * kernel then lets only one process at a time look up or list in a directory. The handlers here
 * keep no state, so they may be called side by side. And no libfuse can tell it that there are to
 * be no file handles, or that setxattr, setattr and write are to come with all their flags. The
 * messages therefore pass through a function that sets the missing bits in the one answer that
 * carries them, and hands the others to where their requests came from.
 *
 * The layout is that of the kernel's interface, linux/fuse.h, and cannot change.
 */
#include "fs/fuse/init_reply.h"

#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/fuse/ring.h"
#include "fs/fuse/ring_wire.h"
#include "fs/fuse/session.h"

enum {
    /* Of the flags beyond the first 32, since 7.40: newer than the header of Debian bookworm. */
    INIT2_NO_EXPORT_SUPPORT = 1 << 6
};

/* The first message that is written is the answer to INIT: a header, and the settings. */
static void complete(struct mount *m, struct iovec *iov, int count)
{
    struct fuse_out_header head;
    struct fuse_init_out out;

    if (count != 2 || iov[0].iov_len != sizeof(head) || iov[1].iov_len != sizeof(out))
        return;
    memcpy(&head, iov[0].iov_base, sizeof(head));
    if (head.error)
        return;
    memcpy(&out, iov[1].iov_base, sizeof(out));
    if (m->parallel_dirops)
        out.flags |= FUSE_PARALLEL_DIROPS;
    if (m->want_setxattr_ext) {
        out.flags |= FUSE_SETXATTR_EXT;
        atomic_store(&m->setxattr_ext, true);
    }
    if (m->want_killpriv) {
        out.flags |= FUSE_HANDLE_KILLPRIV_V2;
        atomic_store(&m->killpriv, true);
    }
    if (m->no_export && out.flags & FUSE_INIT_EXT)
        out.flags2 |= INIT2_NO_EXPORT_SUPPORT;
    if (m->rings && out.flags & FUSE_INIT_EXT) {
        out.flags2 |= WIRE_INIT2_OVER_URING;
        atomic_store(&m->over_uring, true);
    }
    memcpy(iov[1].iov_base, &out, sizeof(out));
}

static ssize_t message_write(int fd, struct iovec *iov, int count, void *userdata)
{
    struct mount *m = userdata;

    if (atomic_load_explicit(&m->init_reply_due, memory_order_relaxed)) {
        ssize_t r;

        atomic_store(&m->init_reply_due, false);
        complete(m, iov, count);
        r = writev(fd, iov, count);
        if (r >= 0 && atomic_load(&m->over_uring))
            rings_go(m->rings);
        return r;
    }
    return rings_write(fd, iov, count);
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
