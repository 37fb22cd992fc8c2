/*
 * A digest of all that a file system shows: names, attributes, contents, extended attributes. Of
 * the root's attributes only those count that the mark, a file in it, does not change.
 */
#include "crash/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lsm/base/check.h"

enum {
    XATTR_LEN_MAX = 4096,
    READ_LEN = 64 << 10
};

struct digesting {
    struct fs *fs;
    uint64_t digest;
    bool mark;
};

static void add(struct digesting *d, const void *bytes, size_t len)
{
    d->digest = XXH3_64bits_withSeed(bytes, len, d->digest);
}

static void add_number(struct digesting *d, uint64_t n)
{
    add(d, &n, sizeof(n));
}

static void add_time(struct digesting *d, struct timespec t)
{
    add_number(d, (uint64_t)t.tv_sec);
    add_number(d, (uint64_t)t.tv_nsec);
}

static void add_attr(struct digesting *d, const struct fs_attr *a)
{
    add_number(d, a->ino);
    add_number(d, a->mode);
    add_number(d, a->uid);
    add_number(d, a->gid);
    add_number(d, a->nlink);
    if (a->ino == FS_ROOT_INO)
        return;
    add_number(d, a->size);
    add_number(d, a->blocks);
    add_number(d, a->rdev);
    add_time(d, a->atime);
    add_time(d, a->mtime);
    add_time(d, a->ctime);
    add_time(d, a->btime);
}

static int add_contents(struct digesting *d, const struct fs_attr *a)
{
    for (uint64_t at = 0; at < a->size; at += READ_LEN) {
        struct fs_read r;
        int err = fs_read(d->fs, a->ino, at, READ_LEN, &r);

        if (err)
            return err;
        for (int i = 0; i < r.iov_count; i++)
            add(d, r.iov[i].iov_base, r.iov[i].iov_len);
        fs_read_done(&r);
    }
    return 0;
}

static int add_target(struct digesting *d, uint64_t ino)
{
    char target[FS_SYMLINK_LEN_MAX + 1];
    int err = fs_readlink(d->fs, ino, target, sizeof(target));

    if (!err)
        add(d, target, strlen(target));
    return err;
}

static int add_xattrs(struct digesting *d, uint64_t ino)
{
    char names[XATTR_LEN_MAX], value[XATTR_LEN_MAX];
    ssize_t len = fs_listxattr(d->fs, ino, names, sizeof(names));

    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t value_len = fs_getxattr(d->fs, ino, names + at, value, sizeof(value));

        if (value_len < 0)
            return (int)value_len;
        add(d, names + at, strlen(names + at));
        add(d, value, (size_t)value_len);
    }
    return len < 0 ? (int)len : 0;
}

static int add_inode(struct digesting *d, const struct fs_attr *a);

static int add_entry(void *arg, const struct fs_dirent *e)
{
    struct digesting *d = arg;

    if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
        return 0;
    if (strcmp(e->name, "~mark") == 0) {
        d->mark = true;
        return 0;
    }
    add(d, e->name, e->name_len);
    return add_inode(d, e->attr);
}

static int add_inode(struct digesting *d, const struct fs_attr *a)
{
    unsigned undo;
    int err = add_xattrs(d, a->ino);

    add_attr(d, a);
    if (err)
        return err;
    switch (a->mode & S_IFMT) {
    case S_IFREG:
        return add_contents(d, a);
    case S_IFLNK:
        return add_target(d, a->ino);
    case S_IFDIR:
        err = fs_readdir(d->fs, a->ino, 0, true, add_entry, d, &undo);
        add_number(d, a->ino); /* the end of its names */
        return err;
    default:
        return 0;
    }
}

int tree_digest(struct fs *fs, uint64_t *ret, bool *ret_mark)
{
    struct digesting d = {.fs = fs, .digest = 1};
    struct fs_attr root;
    int err = fs_getattr(fs, FS_ROOT_INO, &root);

    if (!err)
        err = add_inode(&d, &root);
    *ret = d.digest;
    *ret_mark = d.mark;
    return err;
}
