/*
 * Attributes. Reading a file does not change its atime: it changes only when somebody sets it, as
 * with the mount option noatime.
 */
#include "fs/data.h"

int fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret)
{
    struct inode in;
    int err = inode_get(fs, ino, &in);

    if (!err)
        inode_attr(fs, &in, ret);
    return err;
}

static bool time_ok(const struct timespec *t)
{
    return t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

static int times_check(const struct fs_attr *a, unsigned which)
{
    if ((which & FS_SET_ATIME && !time_ok(&a->atime)) ||
        (which & FS_SET_MTIME && !time_ok(&a->mtime)) ||
        (which & FS_SET_CTIME && !time_ok(&a->ctime)))
        return -EINVAL;
    return 0;
}

static int set_size(struct op *op, struct inode *in, uint64_t size)
{
    int err;

    if (S_ISDIR(in->mode))
        return -EISDIR;
    if (!S_ISREG(in->mode))
        return -EINVAL;
    if (size > FS_FILE_LEN_MAX)
        return -EFBIG;
    op->urgent = size < in->size;
    err = file_resize(op->fs, op->batch, in, size);
    if (!err)
        in->mtime = op->now;
    return err;
}

static void set_times(const struct op *op, struct inode *in, const struct fs_attr *a,
                      unsigned which)
{
    if (which & FS_SET_ATIME)
        in->atime = a->atime;
    if (which & FS_SET_MTIME)
        in->mtime = a->mtime;
    if (which & FS_SET_ATIME_NOW)
        in->atime = op->now;
    if (which & FS_SET_MTIME_NOW)
        in->mtime = op->now;
    in->ctime = which & FS_SET_CTIME ? a->ctime : op->now;
}

static int setattr_locked(struct op *op, struct inode *in, const struct fs_attr *a, unsigned which)
{
    int err = 0;

    if (which & FS_SET_SIZE)
        err = set_size(op, in, a->size);
    if (err)
        return err;
    if (which & FS_SET_MODE)
        in->mode = (in->mode & S_IFMT) | (a->mode & 07777);
    if (which & FS_SET_SIZE)
        set_id_clear(op->fs, in); /* behind the mode: the kernel may send both */
    if (which & FS_KILL_SET_ID)
        set_id_kill(in);
    if (which & FS_SET_UID)
        in->uid = a->uid;
    if (which & FS_SET_GID)
        in->gid = a->gid;
    set_times(op, in, a, which);
    return inode_put(op->batch, in);
}

int fs_setattr(struct fs *fs, uint64_t ino, const struct fs_attr *attr, unsigned which,
               struct fs_attr *ret)
{
    struct op op;
    struct inode in;
    struct lsm_value v;
    int err = times_check(attr, which);

    if (err)
        return err;
    err = op_begin(&op, fs, &ino, 1);
    if (err)
        return err;
    err = inode_load(fs, ino, &in, &v);
    if (!err) {
        err = setattr_locked(&op, &in, attr, which);
        in.target = slice_of(NULL, 0);
        lsm_value_done(&v);
    }
    err = op_end(&op, err);
    if (!err && ret)
        inode_attr(fs, &in, ret);
    return err;
}
