/*
 * Finding and making names.
 *
 * Looking up takes no lock. Between reading an entry and its inode the file may be removed by
 * somebody else; then the entry has gone too, and looking once more tells. As inodes never come
 * back, an entry that still names a missing inode is damage.
 *
 * Making locks the directory, which serialises all changes of its entries and of the place where
 * the next inode number comes from. One batch holds the new inode, its entry and the directory.
 */
#include <inttypes.h>

#include "fs/acl_xattr.h"

/* The inode of a directory, for a look-up of "." or a name that is not there. */
static int lookup_dir(struct fs *fs, uint64_t ino, struct inode *ret)
{
    int err = inode_get(fs, ino, ret);

    if (!err && !S_ISDIR(ret->mode))
        err = -ENOTDIR;
    return err;
}

static int lookup_dots(struct fs *fs, uint64_t parent, const char *name, struct inode *ret)
{
    int err = lookup_dir(fs, parent, ret);

    if (!err && name[1])
        err = inode_get(fs, ret->parent, ret);
    return err;
}

static int lookup_entry(struct fs *fs, uint64_t parent, const char *name, struct inode *ret)
{
    uint64_t ino, missing = 0;
    uint32_t type;
    int err;

    for (;;) {
        err = dirent_get(fs, parent, name, &ino, &type);
        if (err == -ENOENT) {
            err = lookup_dir(fs, parent, ret);
            return err ? err : -ENOENT;
        }
        if (err)
            return err;
        err = inode_get(fs, ino, ret);
        if (err != -ESTALE)
            return err;
        if (ino == missing)
            return fs_report(fs, err_raise(ERR_INODE_MISSING,
                                           "directory %" PRIu64 ": the entry \"%s\" names the "
                                           "inode %" PRIu64 ", which does not exist",
                                           parent, name, ino));
        missing = ino;
    }
}

int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret)
{
    struct inode in;
    int err = name_check(name);

    if (err)
        return err;
    if (name_is_dots(name))
        err = lookup_dots(fs, parent, name, &in);
    else
        err = lookup_entry(fs, parent, name, &in);
    if (err)
        return err;
    inode_attr(fs, &in, ret);
    return 1;
}

int fs_resolve(struct fs *fs, const char *path, struct fs_attr *ret)
{
    struct fs_attr at;
    int err = fs_getattr(fs, FS_ROOT_INO, &at);

    while (err >= 0 && *(path += strspn(path, "/"))) {
        char name[FS_NAME_LEN_MAX + 1];
        size_t len = strcspn(path, "/");

        if (len > FS_NAME_LEN_MAX)
            return -ENAMETOOLONG;
        memcpy(name, path, len);
        name[len] = 0;
        path += len;
        err = fs_lookup(fs, at.ino, name, &at);
        /* A slash asks for a directory, also at the end. */
        if (err >= 0 && *path == '/' && !S_ISDIR(at.mode))
            err = -ENOTDIR;
    }
    if (err < 0)
        return err;
    *ret = at;
    return 0;
}

/* The caller holds the directory's lock. */
static int name_must_be_free(struct fs *fs, uint64_t parent, const char *name)
{
    uint64_t ino;
    uint32_t type;
    int err = dirent_get(fs, parent, name, &ino, &type);

    if (err == -ENOENT)
        return 0;
    return err ? err : -EEXIST;
}

static void owner_set(struct inode *in, const struct inode *dir, const struct fs_cred *cred)
{
    in->uid = cred->uid;
    in->gid = cred->gid;
    if (cred->no_set_id && !S_ISDIR(in->mode))
        in->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
    if (dir->mode & S_ISGID) {
        if (!cred->fixed_gid)
            in->gid = dir->gid;
        if (S_ISDIR(in->mode))
            in->mode |= S_ISGID;
    }
}

int inode_begin(struct op *op, struct inode *dir, const struct fs_cred *cred, struct inode *in)
{
    int err = inode_number_take(op->fs, dir, &in->ino);

    if (err)
        return err;
    owner_set(in, dir, cred);
    in->parent = S_ISDIR(in->mode) ? dir->ino : 0;
    in->atime = in->mtime = in->ctime = in->btime = op->now;
    return acl_inherit(op, dir, in, cred->umask);
}

/* Fill in what is left of the new inode and add all to the batch; the directory is locked. */
static int create_locked(struct op *op, uint64_t parent, const char *name, struct inode *in,
                         const struct fs_cred *cred)
{
    struct fs *fs = op->fs;
    struct inode dir;
    int is_dir = S_ISDIR(in->mode);
    int err = dir_get(fs, parent, &dir);

    if (!err)
        err = name_must_be_free(fs, parent, name);
    if (!err)
        err = dir_change(op, &dir, 1, is_dir);
    if (!err)
        err = inode_begin(op, &dir, cred, in);
    if (err)
        return err;
    in->nlink = is_dir ? 2 : 1;
    err = inode_put(op->batch, in);
    if (!err)
        err = dirent_put(fs, op->batch, parent, name, in->ino, in->mode);
    if (!err)
        err = inode_put(op->batch, &dir);
    return err;
}

static int create(struct fs *fs, uint64_t parent, const char *name, struct inode *in,
                  const struct fs_cred *cred, struct fs_attr *ret)
{
    struct op op;
    int err = name_check(name);

    if (err)
        return err;
    err = op_begin(&op, fs, &parent, 1);
    if (err)
        return err;
    if (name_is_dots(name))
        err = -EEXIST;
    else
        err = create_locked(&op, parent, name, in, cred);
    err = op_end(&op, err);
    if (!err && ret)
        inode_attr(fs, in, ret);
    return err;
}

int fs_mknod(struct fs *fs, uint64_t parent, const char *name, uint32_t mode, uint64_t rdev,
             const struct fs_cred *cred, struct fs_attr *ret)
{
    struct inode in = {.mode = mode & (S_IFMT | 07777)};

    switch (mode & S_IFMT) {
    case 0:
        in.mode |= S_IFREG; /* as mknod(2) */
        break;
    case S_IFCHR:
    case S_IFBLK:
        in.rdev = rdev;
        break;
    case S_IFREG:
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
        break;
    default:
        return -EINVAL;
    }
    return create(fs, parent, name, &in, cred, ret);
}

int fs_symlink(struct fs *fs, uint64_t parent, const char *name, const char *target,
               const struct fs_cred *cred, struct fs_attr *ret)
{
    size_t len = strlen(target);
    struct inode in = {
        .mode = S_IFLNK | 0777,
        .size = len,
        .target = slice_of(target, len),
    };

    if (len == 0)
        return -ENOENT; /* as symlink(2) */
    if (len > FS_SYMLINK_LEN_MAX)
        return -ENAMETOOLONG;
    return create(fs, parent, name, &in, cred, ret);
}

int fs_readlink(struct fs *fs, uint64_t ino, char *buf, size_t buf_len)
{
    struct inode in;
    struct lsm_value v;
    int err = inode_load(fs, ino, &in, &v);

    if (err)
        return err;
    if (!S_ISLNK(in.mode)) {
        err = -EINVAL;
    } else if (in.target.len >= buf_len) {
        err = -ERANGE;
    } else {
        memcpy(buf, in.target.data, in.target.len);
        buf[in.target.len] = 0;
    }
    lsm_value_done(&v);
    return err;
}

static int link_locked(struct op *op, struct inode *in, uint64_t new_parent, const char *new_name)
{
    struct fs *fs = op->fs;
    struct inode dir;
    int err;

    if (S_ISDIR(in->mode))
        return -EPERM;
    if (in->nlink == INODE_NLINK_MAX)
        return -EMLINK;
    err = in->nlink ? 0 : op_adopt(op, in->ino);
    if (!err)
        err = dir_get(fs, new_parent, &dir);
    if (!err)
        err = name_must_be_free(fs, new_parent, new_name);
    if (!err)
        err = dir_change(op, &dir, 1, 0);
    if (err)
        return err;
    in->nlink++;
    in->ctime = op->now;
    err = inode_put(op->batch, in);
    if (!err)
        err = dirent_put(fs, op->batch, new_parent, new_name, in->ino, in->mode);
    if (!err)
        err = inode_put(op->batch, &dir);
    return err;
}

int fs_link(struct fs *fs, uint64_t ino, uint64_t new_parent, const char *new_name,
            struct fs_attr *ret)
{
    uint64_t inos[] = {ino, new_parent};
    struct inode in;
    struct lsm_value v;
    struct op op;
    int err = name_check(new_name);

    if (err)
        return err;
    if (name_is_dots(new_name))
        return -EEXIST;
    err = op_begin(&op, fs, inos, 2);
    if (err)
        return err;
    err = inode_load(fs, ino, &in, &v);
    if (!err) {
        err = link_locked(&op, &in, new_parent, new_name);
        in.target = slice_of(NULL, 0);
        lsm_value_done(&v);
    }
    err = op_end(&op, err);
    if (!err && ret)
        inode_attr(fs, &in, ret);
    return err;
}
