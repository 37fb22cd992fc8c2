/*
 * What operations that change the file system have in common.
 *
 * All that an operation reads in order to decide is read under the locks of the inodes concerned,
 * and all that it changes is one batch; a crash leaves all of it or nothing. The set of orphans is
 * changed before the write and changed back when that fails, both under the inode's lock, so that
 * whoever holds the lock sees set and store agree. What is given a name leaves the set after the
 * write.
 */
#include "fs/op.h"

#include <inttypes.h>

int op_begin(struct op *op, struct fs *fs, const uint64_t *inos, int count)
{
    int err;

    memset(op, 0, sizeof(*op));
    op->fs = fs;
    if (fs->read_only)
        return -EROFS;
    err = lsm_batch_new(&op->batch);
    if (err)
        return err;
    err = inode_locks_take(fs->locks, inos, count, &op->locks);
    if (err) {
        lsm_batch_free(op->batch);
        return err;
    }
    inode_now(&op->now);
    return 0;
}

int op_end(struct op *op, int err)
{
    if (err)
        lsm_batch_free(op->batch);
    else
        err = fs_commit(op->fs, op->batch, op->urgent);
    if (err && op->orphan)
        orphans_remove(op->fs->orphans, op->orphan);
    if (!err && op->adopted)
        orphans_remove(op->fs->orphans, op->adopted);
    inode_locks_drop(op->fs->locks, &op->locks);
    return err;
}

int op_orphan(struct op *op, uint64_t ino, bool may_link)
{
    struct key k;
    int err;

    key_ino(&k, KEY_ORPHAN, ino);
    err = lsm_batch_put(op->batch, k.data, k.len, "", 0);
    if (!err)
        err = orphans_add(op->fs->orphans, ino, may_link);
    if (!err)
        op->orphan = ino;
    return err;
}

int op_adopt(struct op *op, uint64_t ino)
{
    struct key k;
    int err;

    if (!orphans_may_link(op->fs->orphans, ino))
        return -ENOENT; /* an orphan that had a name has lost its place for good */
    key_ino(&k, KEY_ORPHAN, ino);
    err = lsm_batch_delete(op->batch, k.data, k.len);
    if (!err)
        op->adopted = ino;
    return err;
}

bool name_is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

int name_check(const char *name)
{
    size_t len = strlen(name);

    if (len > FS_NAME_LEN_MAX)
        return -ENAMETOOLONG;
    return len && !memchr(name, '/', len) ? 0 : -EINVAL;
}

int dir_get(struct fs *fs, uint64_t ino, struct inode *ret)
{
    int err = inode_get(fs, ino, ret);

    if (err)
        return err;
    if (!S_ISDIR(ret->mode))
        return -ENOTDIR;
    return ret->nlink ? 0 : -ENOENT;
}

int dir_change(const struct op *op, struct inode *dir, int entries, int dirs)
{
    int64_t nlink = (int64_t)dir->nlink + dirs;

    if (nlink > INODE_NLINK_MAX)
        return -EMLINK;
    /* Counts too small for their entries are damage, which the checker mends: never wrap around. */
    dir->nlink = nlink < 2 ? 2 : (uint32_t)nlink;
    if (entries < 0 && dir->size < (uint64_t)-entries)
        dir->size = 0;
    else
        dir->size += (uint64_t)(int64_t)entries;
    dir->mtime = dir->ctime = op->now;
    return 0;
}

int child_load(struct fs *fs, uint64_t parent, const char *name, uint64_t ino, uint32_t type,
               struct child *ret)
{
    int err = inode_load(fs, ino, &ret->in, &ret->value);

    if (err == -ESTALE)
        return fs_report(fs, err_raise(ERR_INODE_MISSING,
                                       "directory %" PRIu64 ": the entry \"%s\" names the inode "
                                       "%" PRIu64 ", which does not exist",
                                       parent, name, ino));
    if (err)
        return err;
    if ((ret->in.mode & S_IFMT) == type)
        return 0;
    lsm_value_done(&ret->value);
    memset(ret, 0, sizeof(*ret));
    return fs_report(fs, err_raise(ERR_DIRENT_RECORD,
                                   "directory %" PRIu64 ": the entry \"%s\" says type 0%o of the "
                                   "inode %" PRIu64 ", which is of another",
                                   parent, name, type, ino));
}

void child_done(struct child *c)
{
    lsm_value_done(&c->value);
}

int child_drop_name(struct op *op, struct inode *in)
{
    int err;

    in->nlink = S_ISDIR(in->mode) || !in->nlink ? 0 : in->nlink - 1;
    in->ctime = op->now;
    err = inode_put(op->batch, in);
    if (!err && !in->nlink)
        err = op_orphan(op, in->ino, false);
    return err;
}
