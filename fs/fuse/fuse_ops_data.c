/*
 * Requests about contents. A read is answered from the store's own memory, a write is taken from
 * the request's buffer: the layer itself copies nothing.
 *
 * Appending needs no help: the kernel owns the length of the file and sends the offset.
 */
#include <errno.h>

#include "fs/fuse/session.h"
#include "fs/fuse/workers.h"

enum {
    COPY_LEN_MAX = 1 << 30 /* bytes for one request, which holds the target until it is answered */
};

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = req_mount(req);
    struct fs_attr attr;
    int err;

    if (atomic_load(&m->no_open)) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    err = fs_getattr(m->fs, ino, &attr);
    if (err < 0) {
        reply_err(req, "open", ino, err);
        return;
    }
    fi->fh = 0;
    fi->keep_cache = 1;
    fi->noflush = 1;
    fuse_reply_open(req, fi);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset, struct fuse_file_info *fi)
{
    struct fs_read r;
    int err = fs_read(req_mount(req)->fs, ino, (uint64_t)offset, len, &r);

    (void)fi;
    if (err < 0) {
        reply_err(req, "read", ino, err);
        return;
    }
    fuse_reply_iov(req, r.iov, r.iov_count);
    fs_read_done(&r);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t offset,
              struct fuse_file_info *fi)
{
    int err = fs_write(req_mount(req)->fs, ino, (uint64_t)offset, data, len);

    (void)fi;
    if (err < 0)
        reply_err(req, "write", ino, err);
    else
        fuse_reply_write(req, len);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)data_only;
    (void)fi;
    workers_may_wait();
    reply_err(req, "fsync", ino, fs_sync(req_mount(req)->fs));
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t len,
                  struct fuse_file_info *fi)
{
    int err = -EINVAL;

    (void)fi;
    if (offset >= 0 && len > 0)
        err = fs_fallocate(req_mount(req)->fs, ino, mode, (uint64_t)offset, (uint64_t)len);
    err = change_settle(req_mount(req), err, &(struct touched){.inos = {ino}});
    reply_err(req, "fallocate", ino, err);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi)
{
    uint64_t found;
    int err = -ENXIO;

    (void)fi;
    if (offset >= 0)
        err = fs_lseek(req_mount(req)->fs, ino, (uint64_t)offset, whence, &found);
    if (err < 0)
        reply_err(req, "lseek", ino, err);
    else
        fuse_reply_lseek(req, (off_t)found);
}

static bool is_interrupted(void *arg)
{
    return fuse_req_interrupted(arg);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset, struct fuse_file_info *fi,
                        fuse_ino_t to_ino, off_t to_offset, struct fuse_file_info *to_fi,
                        size_t len, int flags)
{
    uint64_t copied;
    int err = -EINVAL;

    (void)fi;
    (void)to_fi;
    if (len > COPY_LEN_MAX)
        len = COPY_LEN_MAX;
    if (offset >= 0 && to_offset >= 0 && flags == 0)
        err = fs_copy_range(req_mount(req)->fs, ino, (uint64_t)offset, to_ino, (uint64_t)to_offset,
                            len, is_interrupted, req, &copied);
    err = change_settle(req_mount(req), err, &(struct touched){.inos = {to_ino}});
    if (err < 0)
        reply_err(req, "copy", ino, err);
    else
        fuse_reply_write(req, (size_t)copied);
}
