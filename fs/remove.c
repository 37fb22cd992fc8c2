/*
 * Removing names. The entry is looked up, the directory and the inode are locked, and the entry is
 * looked up again: somebody may have replaced it meanwhile, then all begins anew.
 *
 * An inode without names becomes an orphan: its record stays with nlink 0, and an 'O' key says that
 * it waits for fs_purge. That is true of directories too, which somebody may have as their working
 * directory. After a crash opening purges what the 'O' keys list.
 */
#include "fs/op.h"

/* Lock the directory and what the name stands for. */
static int remove_begin(struct op *op, struct fs *fs, uint64_t parent, const char *name,
                        uint64_t *ret_ino, uint32_t *ret_type)
{
    for (;;) {
        uint64_t inos[2] = {parent, 0};
        uint32_t type;
        int err = dirent_get(fs, parent, name, &inos[1], &type);

        if (err)
            return err;
        err = op_begin(op, fs, inos, 2);
        if (err)
            return err;
        err = dirent_get(fs, parent, name, ret_ino, ret_type);
        if (!err && *ret_ino == inos[1])
            return 0;
        op_end(op, err ? err : -EAGAIN);
        if (err)
            return err;
    }
}

static int remove_check(const struct inode *in, bool want_dir)
{
    if (!want_dir)
        return S_ISDIR(in->mode) ? -EISDIR : 0;
    if (!S_ISDIR(in->mode))
        return -ENOTDIR;
    return in->size ? -ENOTEMPTY : 0;
}

static int remove_locked(struct op *op, uint64_t parent, const char *name, struct inode *in,
                         bool want_dir)
{
    struct inode dir;
    int err = remove_check(in, want_dir);

    if (!err)
        err = dir_get(op->fs, parent, &dir);
    if (!err)
        err = dir_change(op, &dir, -1, want_dir ? -1 : 0);
    if (!err)
        err = dirent_delete(op->fs, op->batch, parent, name);
    if (!err)
        err = inode_put(op->batch, &dir);
    if (!err)
        err = child_drop_name(op, in);
    return err;
}

static int remove_name(struct fs *fs, uint64_t parent, const char *name, bool want_dir)
{
    struct op op;
    struct child child;
    struct fs_attr attr;
    uint64_t ino;
    uint32_t type;
    int err;

    if (fs->read_only)
        return -EROFS;
    err = remove_begin(&op, fs, parent, name, &ino, &type);
    if (err == -ENOENT) {
        /* Tells a missing name from a parent that is no directory. */
        err = fs_lookup(fs, parent, name, &attr);
        return err < 0 ? err : -ENOENT;
    }
    if (err)
        return err;
    op.urgent = true;
    err = child_load(fs, parent, name, ino, type, &child);
    if (!err) {
        err = remove_locked(&op, parent, name, &child.in, want_dir);
        child_done(&child);
    }
    return op_end(&op, err);
}

int fs_unlink(struct fs *fs, uint64_t parent, const char *name)
{
    int err = name_check(name);

    if (err)
        return err;
    return name_is_dots(name) ? -EISDIR : remove_name(fs, parent, name, false);
}

int fs_rmdir(struct fs *fs, uint64_t parent, const char *name)
{
    int err = name_check(name);

    if (err)
        return err;
    if (name_is_dots(name))
        return name[1] ? -ENOTEMPTY : -EINVAL; /* as rmdir(2) */
    return remove_name(fs, parent, name, true);
}
