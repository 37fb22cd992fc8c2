/*
 * Files without a name. Such a file is an orphan from the beginning: its batch holds its inode,
 * with a link count of 0, its listing among the orphans, and the directory, which only gives it a
 * number and an owner and gets no entry. So a crash, or its last closing, removes it like any other
 * orphan.
 *
 * fs_link may give it a name, and takes it off the list in the same batch; only the set of orphans
 * in memory knows which ones may have one.
 */
#include "fs/op.h"

static int tmpfile_locked(struct op *op, uint64_t parent, bool may_link, const struct fs_cred *cred,
                          struct inode *in)
{
    struct inode dir;
    int err = dir_get(op->fs, parent, &dir);

    if (!err)
        err = inode_begin(op, &dir, cred, in);
    if (!err)
        err = inode_put(op->batch, in);
    if (!err)
        err = inode_put(op->batch, &dir);
    return err ? err : op_orphan(op, in->ino, may_link);
}

int fs_tmpfile(struct fs *fs, uint64_t parent, uint32_t mode, bool may_link,
               const struct fs_cred *cred, struct fs_attr *ret)
{
    struct inode in = {.mode = S_IFREG | (mode & 07777)};
    struct op op;
    int err = op_begin(&op, fs, &parent, 1);

    if (err)
        return err;
    err = op_end(&op, tmpfile_locked(&op, parent, may_link, cred, &in));
    if (!err && ret)
        inode_attr(fs, &in, ret);
    return err;
}
