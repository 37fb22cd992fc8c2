/*
 * A request is a header and a body of a known length. libfuse keeps a list of what it is serving,
 * only to mark what the kernel interrupts; it has no other state for a request, and these ones it
 * never sees. An INTERRUPT of one of them it puts aside and answers "try again", after which the
 * kernel either asks again or has its answer by then.
 *
 * Where libfuse speaks over io_uring (3.18, if asked to) messages do not come this way, and the
 * kernel is told by libfuse that there are no such requests.
 *
 * Messages come from the kernel, which is trusted, but lengths are checked all the same: a body
 * that is too short is answered EINVAL.
 *
 * Layouts are those of the kernel's interface, linux/fuse.h, and cannot change. Its structures for
 * statx are written down here, because the header of Debian bookworm is older than they are.
 */
#include "fs/fuse/raw_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/stat.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/fuse/mount_log.h"
#include "fs/fuse/raw_request.h"
#include "fs/fuse/reaper.h"
#include "fs/fuse/remount.h"
#include "fs/fuse/workers.h"

enum {
    OPCODE_STATX = 52
};

/* --- linux/fuse.h, since 7.39 --- */

struct wire_statx_in {
    uint32_t getattr_flags, reserved;
    uint64_t fh;
    uint32_t sx_flags, sx_mask;
};
_Static_assert(sizeof(struct wire_statx_in) == 24, "as in linux/fuse.h");

struct wire_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};

struct wire_statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, reserved;
    uint64_t ino, size, blocks, attributes_mask;
    struct wire_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t reserved2[14];
};
_Static_assert(sizeof(struct wire_statx) == 256, "as in linux/fuse.h");
_Static_assert(offsetof(struct wire_statx, ino) == 32, "as in linux/fuse.h");
_Static_assert(offsetof(struct wire_statx, atime) == 64, "as in linux/fuse.h");
_Static_assert(offsetof(struct wire_statx, rdev_major) == 128, "as in linux/fuse.h");

struct wire_statx_out {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec, flags;
    uint64_t reserved[2];
    struct wire_statx stat;
};
_Static_assert(sizeof(struct wire_statx_out) == 288, "as in linux/fuse.h");

/* --- O_TMPFILE --- */

/* The answer opens the file as well: as the kernel does by itself where OPEN is not spoken. */
struct tmpfile_out {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
};
_Static_assert(sizeof(struct tmpfile_out) ==
                   sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out),
               "two bodies, one behind the other");

/* The body: how to open, then the name of no entry, which says nothing. */
static void serve_tmpfile(const struct raw_request *r)
{
    struct fs_cred cred = {.uid = r->head.uid, .gid = r->head.gid};
    struct tmpfile_out out;
    struct fuse_create_in in;
    struct fs_attr attr;
    int err = -EINVAL;

    if (r->body_len > sizeof(in)) {
        memcpy(&in, r->body, sizeof(in));
        cred.umask = in.umask;
        owner_view_cred(&r->m->view, &cred);
        err = fs_tmpfile(r->m->fs, r->head.nodeid, in.mode & 07777, !(in.flags & O_EXCL), &cred,
                         &attr);
    }
    if (err < 0) {
        raw_answer_err(r, "tmpfile", err);
        return;
    }
    out = (struct tmpfile_out){
        .entry = {.nodeid = attr.ino,
                  .generation = 1,
                  .entry_valid = (uint64_t)CACHE_FOR_EVER_S,
                  .attr_valid = (uint64_t)CACHE_FOR_EVER_S},
        .open = {.open_flags = FOPEN_KEEP_CACHE | FOPEN_NOFLUSH},
    };
    raw_attr(r->m, &attr, &out.entry.attr);
    /* Who asked was killed: the kernel does not know of the file, and will never forget it. */
    if (raw_answer(r, &out, sizeof(out)) < 0)
        reaper_add(r->m->reaper, attr.ino);
}

/* --- statx --- */

static struct wire_time time_to_wire(const struct timespec *t)
{
    return (struct wire_time){.sec = t->tv_sec, .nsec = (uint32_t)t->tv_nsec};
}

/* Everything is known, whatever was asked for; the kernel remembers it all. */
static void serve_statx(const struct raw_request *r)
{
    struct wire_statx_out out;
    struct fs_attr attr;
    struct stat st;
    int err = -EINVAL;

    if (r->body_len >= sizeof(struct wire_statx_in))
        err = fs_getattr(r->m->fs, r->head.nodeid, &attr);
    if (err < 0) {
        raw_answer_err(r, "statx", err);
        return;
    }
    attr_to_stat(r->m, &attr, &st);
    out = (struct wire_statx_out){
        .attr_valid = (uint64_t)CACHE_FOR_EVER_S,
        .stat = {.mask = STATX_BASIC_STATS | STATX_BTIME,
                 .blksize = (uint32_t)st.st_blksize,
                 .nlink = attr.nlink,
                 .uid = st.st_uid,
                 .gid = st.st_gid,
                 .mode = (uint16_t)st.st_mode,
                 .ino = attr.ino,
                 .size = attr.size,
                 .blocks = attr.blocks,
                 .atime = time_to_wire(&attr.atime),
                 .btime = time_to_wire(&attr.btime),
                 .ctime = time_to_wire(&attr.ctime),
                 .mtime = time_to_wire(&attr.mtime),
                 .rdev_major = major(attr.rdev),
                 .rdev_minor = minor(attr.rdev)},
    };
    raw_answer(r, &out, sizeof(out));
}

/* --- syncfs --- */

/* Only sent for some kinds of mounts, and by newer kernels. */
static void serve_syncfs(const struct raw_request *r)
{
    int err = -EINVAL;

    if (r->body_len >= sizeof(struct fuse_syncfs_in)) {
        workers_may_wait();
        err = fs_sync(r->m->fs);
    }
    raw_answer_err(r, "syncfs", err);
}

/* --- setxattr --- */

/*
 * libfuse knows the longer body, but not to ask for it, and drops what it is for: whether the
 * set-group-id bit goes when an ACL is set, which depends on groups and capabilities that only the
 * kernel knows.
 */
static void serve_setxattr(const struct raw_request *r)
{
    const char *name = (const char *)r->body + sizeof(struct fuse_setxattr_in);
    struct fuse_setxattr_in in = {.size = 0};
    size_t rest = 0, name_len = 0;
    int err = -EINVAL;

    if (r->body_len > sizeof(in)) {
        memcpy(&in, r->body, sizeof(in));
        rest = r->body_len - sizeof(in);
        name_len = strnlen(name, rest);
    }
    if (name_len < rest && remount_xattr_is(r->head.nodeid, name))
        err = -EPERM;
    else if (name_len < rest && in.size <= rest - name_len - 1 &&
             !(in.flags & ~(unsigned)(FS_XATTR_CREATE | FS_XATTR_REPLACE)))
        err = fs_setxattr(
            r->m->fs, r->head.nodeid, name, name + name_len + 1, in.size,
            in.flags | (in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID ? FS_XATTR_KILL_SGID : 0));
    err = change_settle(r->m, err, &(struct touched){.inos = {r->head.nodeid}});
    raw_answer_err(r, "setxattr", err);
}

/* --- Which --- */

static const struct {
    uint32_t opcode;
    const char *name;
    void (*serve)(const struct raw_request *r);
} table[] = {
    {FUSE_TMPFILE, "TMPFILE", serve_tmpfile}, {OPCODE_STATX, "STATX", serve_statx},
    {FUSE_SYNCFS, "SYNCFS", serve_syncfs},    {FUSE_SETXATTR, "SETXATTR", serve_setxattr},
    {FUSE_SETATTR, "SETATTR", raw_setattr},   {FUSE_WRITE, "WRITE", raw_write},
};

/* What libfuse knows as well is served here when it comes with what libfuse leaves out. */
static bool is_spoken(const struct mount *m, uint32_t opcode)
{
    switch (opcode) {
    case FUSE_SETXATTR:
        return atomic_load(&m->setxattr_ext);
    case FUSE_SETATTR:
    case FUSE_WRITE:
        return atomic_load(&m->killpriv);
    default:
        return true;
    }
}

/* What the kernel offers in INIT and libfuse does not tell. */
static void note_init(struct mount *m, const struct fuse_buf *message)
{
    struct fuse_init_in in;

    if (message->size < sizeof(struct fuse_in_header) + sizeof(in))
        return;
    memcpy(&in, (const uint8_t *)message->mem + sizeof(struct fuse_in_header), sizeof(in));
    m->init_flags2 = in.flags & FUSE_INIT_EXT ? in.flags2 : 0;
}

bool raw_ops_serve(void *arg, const struct fuse_buf *message)
{
    struct raw_request r = {.m = arg};
    size_t i = 0;

    if (message->flags & FUSE_BUF_IS_FD || message->size < sizeof(r.head))
        return false;
    memcpy(&r.head, message->mem, sizeof(r.head));
    if (r.head.opcode == FUSE_INIT)
        note_init(r.m, message);
    while (i < sizeof(table) / sizeof(table[0]) && table[i].opcode != r.head.opcode)
        i++;
    if (i == sizeof(table) / sizeof(table[0]))
        return false;
    if (!is_spoken(r.m, r.head.opcode))
        return false;
    r.body = (const uint8_t *)message->mem + sizeof(r.head);
    r.body_len = message->size - sizeof(r.head);
    if (r.m->debug)
        mount_log(LSM_LOG_DEBUG,
                  "unique: %llu, opcode: %s (%u), nodeid: %llu, insize: %zu, pid: %u",
                  (unsigned long long)r.head.unique, table[i].name, r.head.opcode,
                  (unsigned long long)r.head.nodeid, message->size, r.head.pid);
    if (r.head.len != message->size)
        raw_answer_err(&r, table[i].name, -EINVAL);
    else
        table[i].serve(&r);
    return true;
}
