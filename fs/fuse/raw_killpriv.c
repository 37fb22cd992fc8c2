/*
 * SETATTR and WRITE, of which libfuse 3.14 drops the flags that say whether set-id bits go.
 *
 * That the daemon takes them away (HANDLE_KILLPRIV_V2) is what lets the kernel remember of a file
 * that it has neither such bits nor capabilities, and so ask once for each file, rather than before
 * each write, for security.capability. Capabilities the kernel goes on removing itself.
 *
 * A change of the owner, and one of the length by somebody who lacks CAP_FSETID, come with the
 * flag. Before any other change of contents by such a one, and for a chown that names neither user
 * nor group, the kernel sends a SETATTR that sets nothing: that, too, means that they go. But it
 * also comes when somebody who may keep them changes a file with capabilities. So root's such
 * SETATTR takes nothing; what is missed is root's chown that names nobody, and fallocate and
 * copy_file_range by a root without CAP_FSETID.
 *
 * A WRITE therefore hardly ever finds any bits; when it does, the kernel is told to forget the mode
 * that it knows. Doing so before the answer is safe: attributes alone are forgotten, for which the
 * kernel waits for no lock that a writer holds.
 */
#include <errno.h>
#include <string.h>

#include "fs/fuse/raw_request.h"

static const struct {
    uint32_t theirs;
    unsigned ours;
} bits[] = {
    {FATTR_MODE, FS_SET_MODE},
    {FATTR_UID, FS_SET_UID},
    {FATTR_GID, FS_SET_GID},
    {FATTR_SIZE, FS_SET_SIZE},
    {FATTR_ATIME, FS_SET_ATIME},
    {FATTR_MTIME, FS_SET_MTIME},
    {FATTR_ATIME_NOW, FS_SET_ATIME_NOW},
    {FATTR_MTIME_NOW, FS_SET_MTIME_NOW},
    {FATTR_CTIME, FS_SET_CTIME},
    {FATTR_KILL_SUIDGID, FS_KILL_SET_ID},
};

static unsigned which_of(uint32_t valid, uint32_t caller)
{
    unsigned which = 0;

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        if (valid & bits[i].theirs)
            which |= bits[i].ours;
    return which || caller == 0 ? which : FS_KILL_SET_ID;
}

static struct timespec time_of(uint64_t sec, uint32_t nsec)
{
    return (struct timespec){.tv_sec = (time_t)sec, .tv_nsec = (long)nsec};
}

void raw_setattr(const struct raw_request *r)
{
    struct fuse_attr_out out = {.attr_valid = (uint64_t)CACHE_FOR_EVER_S};
    struct fs_attr attr = {.ino = r->head.nodeid};
    struct fuse_setattr_in in;
    int err = -EINVAL;

    if (r->body_len >= sizeof(in)) {
        memcpy(&in, r->body, sizeof(in));
        attr.mode = in.mode;
        attr.uid = in.uid;
        attr.gid = in.gid;
        attr.size = in.size;
        attr.atime = time_of(in.atime, in.atimensec);
        attr.mtime = time_of(in.mtime, in.mtimensec);
        attr.ctime = time_of(in.ctime, in.ctimensec);
        err = attr_change(r->m, &attr, which_of(in.valid, r->head.uid));
    }
    if (err < 0) {
        raw_answer_err(r, "setattr", err);
        return;
    }
    raw_attr(r->m, &attr, &out.attr);
    raw_answer(r, &out, sizeof(out));
}

/* The kernel's own write-back of changed pages comes without the flag, as mmap takes no bits. */
static int write_some(const struct raw_request *r, const struct fuse_write_in *in)
{
    const uint8_t *data = r->body + sizeof(*in);
    bool killed;
    int err;

    if (!(in->write_flags & FUSE_WRITE_KILL_SUIDGID))
        return fs_write(r->m->fs, r->head.nodeid, in->offset, data, in->size);
    err = fs_write_kill_set_id(r->m->fs, r->head.nodeid, in->offset, data, in->size, &killed);
    if (!err && killed)
        fuse_lowlevel_notify_inval_inode(r->m->se, r->head.nodeid, -1, 0);
    return err;
}

void raw_write(const struct raw_request *r)
{
    struct fuse_write_out out = {.size = 0};
    struct fuse_write_in in;
    int err = -EINVAL;

    if (r->body_len >= sizeof(in)) {
        memcpy(&in, r->body, sizeof(in));
        if (in.size <= r->body_len - sizeof(in))
            err = write_some(r, &in);
        out.size = in.size;
    }
    if (err < 0)
        raw_answer_err(r, "write", err);
    else
        raw_answer(r, &out, sizeof(out));
}
