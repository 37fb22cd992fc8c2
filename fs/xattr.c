/*
 * Extended attributes: one 'X' key each. The flag INODE_HAS_XATTR in the inode's record is set with
 * the first one and stays: without it there is no key to look for, so that asking an ordinary file
 * for an attribute costs one read. The flag and the key are written by one batch.
 *
 * The label of SELinux is an attribute like others. But programs that show labels ask for each
 * file's, unless they are told that the file system has none (EOPNOTSUPP), so it is known whether
 * any was ever set: the first one takes away the fact "unlabelled" that mkfs wrote.
 *
 * ACLs are attributes to those who ask for them, but not kept as they are set: acl_xattr.c.
 */
#include <inttypes.h>

#include "fs/acl_xattr.h"
#include "fs/super.h"

static bool in_namespace(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

bool fs_xattr_is_label(const char *name)
{
    return !strcmp(name, "security.selinux");
}

bool fs_unlabelled(const struct fs *fs)
{
    return atomic_load_explicit(&fs->unlabelled, memory_order_relaxed);
}

/* `changes`: the attribute is to be set or removed. */
static int xattr_check(const struct inode *in, const char *name, bool changes)
{
    const char *dot = strchr(name, '.');
    size_t len = strlen(name);

    if (len > FS_XATTR_NAME_LEN_MAX)
        return -ERANGE;
    if (!in_namespace(name, "user.") && !in_namespace(name, "trusted.") &&
        !in_namespace(name, "security."))
        return -EOPNOTSUPP;
    if (!dot[1])
        return -EINVAL;
    if (in_namespace(name, "user.") && !S_ISREG(in->mode) && !S_ISDIR(in->mode))
        return changes ? -EPERM : -ENODATA;
    return 0;
}

/* -ENODATA when there is none. After success *ret must be given to lsm_value_done. */
static int xattr_read(struct fs *fs, const struct inode *in, const char *name,
                      struct lsm_value *ret)
{
    struct key k;
    int err;

    if (!(in->flags & INODE_HAS_XATTR))
        return -ENODATA;
    key_xattr(&k, in->ino, name, strlen(name));
    err = lsm_get(fs->db, NULL, k.data, k.len, ret);
    if (err)
        return err == -ENOENT ? -ENODATA : err;
    if (ret->len <= FS_XATTR_VALUE_LEN_MAX)
        return 0;
    err = err_raise(ERR_XATTR_RECORD,
                    "inode %" PRIu64 ": the attribute \"%s\" has a value of %zu bytes", in->ino,
                    name, ret->len);
    lsm_value_done(ret);
    return fs_report(fs, err);
}

/* 1 when the inode has the attribute, 0 when not. */
static int xattr_exists(struct fs *fs, const struct inode *in, const char *name)
{
    struct lsm_value v;
    int err = xattr_read(fs, in, name, &v);

    if (err)
        return err == -ENODATA ? 0 : err;
    lsm_value_done(&v);
    return 1;
}

/* The name that the iterator stands on, into buf behind *len (buf_len 0: count only). */
static int name_collect(struct fs *fs, uint64_t ino, const struct lsm_iter *it, char *buf,
                        size_t buf_len, size_t *len)
{
    size_t key_len, name_len;
    const uint8_t *key = lsm_iter_key(it, &key_len);

    if (key_len <= KEY_INODE_LEN || key_len > KEY_INODE_LEN + FS_XATTR_NAME_LEN_MAX ||
        memchr(key + KEY_INODE_LEN, 0, key_len - KEY_INODE_LEN))
        return fs_report(fs, err_raise(ERR_XATTR_RECORD,
                                       "inode %" PRIu64 ": an attribute has a damaged name", ino));
    name_len = key_len - KEY_INODE_LEN;
    if (fs->options.no_acl && acl_kind_of((const char *)key + KEY_INODE_LEN, name_len))
        return 0;
    if (buf_len) {
        if (buf_len - *len <= name_len)
            return -ERANGE;
        memcpy(buf + *len, key + KEY_INODE_LEN, name_len);
        buf[*len + name_len] = 0;
    }
    *len += name_len + 1;
    return *len > FS_XATTR_LIST_LEN_MAX ? -E2BIG : 0;
}

/* As fs_listxattr. */
static ssize_t names_collect(struct fs *fs, const struct inode *in, char *buf, size_t buf_len)
{
    struct key lower, upper;
    struct lsm_iter *it;
    size_t len = 0;
    int err, more;

    if (!(in->flags & INODE_HAS_XATTR))
        return 0;
    key_ino(&lower, KEY_XATTR, in->ino);
    key_ino(&upper, KEY_XATTR, in->ino + 1);
    err = lsm_iter_new(fs->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (err)
        return err;
    for (more = lsm_iter_first(it); !err && more == 1; more = err ? 0 : lsm_iter_next(it))
        err = name_collect(fs, in->ino, it, buf, buf_len, &len);
    lsm_iter_free(it);
    if (err || more < 0)
        return err ? err : more;
    return (ssize_t)len;
}

int xattr_name_fits(struct fs *fs, const struct inode *in, size_t name_len)
{
    ssize_t names = names_collect(fs, in, NULL, 0);

    if (names < 0)
        return (int)names;
    return (size_t)names + name_len + 1 > FS_XATTR_LIST_LEN_MAX ? -ENOSPC : 0;
}

/* Whether setting is allowed by the flags and by the room for names. */
static int set_check(struct fs *fs, const struct inode *in, const char *name, unsigned flags)
{
    int exists = xattr_exists(fs, in, name);

    if (exists < 0)
        return exists;
    if (exists)
        return flags & FS_XATTR_CREATE ? -EEXIST : 0;
    if (flags & FS_XATTR_REPLACE)
        return -ENODATA;
    return xattr_name_fits(fs, in, strlen(name));
}

static int put_checked(struct op *op, struct inode *in, const char *name, const void *value,
                       size_t len)
{
    struct key k;
    int err = 0;

    key_xattr(&k, in->ino, name, strlen(name));
    in->flags |= INODE_HAS_XATTR;
    if (fs_xattr_is_label(name)) {
        /* In memory at once: should the batch fail, then only more is asked. */
        atomic_store(&op->fs->unlabelled, false);
        err = super_delete_unlabelled(op->batch);
    }
    return err ? err : lsm_batch_put(op->batch, k.data, k.len, len ? value : "", len);
}

int xattr_put_new(struct op *op, struct inode *in, const char *name, const void *value, size_t len)
{
    int err = xattr_check(in, name, true);

    return err ? err : put_checked(op, in, name, value, len);
}

static int put_locked(struct op *op, struct inode *in, const char *name, const void *value,
                      size_t len, unsigned flags)
{
    int err = xattr_check(in, name, true);

    if (!err)
        err = set_check(op->fs, in, name, flags);
    return err ? err : put_checked(op, in, name, value, len);
}

static int set_locked(struct op *op, struct inode *in, const char *name, const void *value,
                      size_t len, unsigned flags)
{
    enum acl_kind kind = acl_kind_of(name, strlen(name));
    int err;

    if (kind)
        err = acl_set_locked(op, in, kind, value, len, flags & FS_XATTR_KILL_SGID);
    else
        err = put_locked(op, in, name, value, len, flags);
    in->ctime = op->now;
    return err ? err : inode_put(op->batch, in);
}

int fs_setxattr(struct fs *fs, uint64_t ino, const char *name, const void *value, size_t len,
                unsigned flags)
{
    struct op op;
    struct inode in;
    struct lsm_value v;
    int err;

    if (flags & ~(unsigned)(FS_XATTR_CREATE | FS_XATTR_REPLACE | FS_XATTR_KILL_SGID))
        return -EINVAL;
    if (len > FS_XATTR_VALUE_LEN_MAX)
        return -E2BIG;
    err = op_begin(&op, fs, &ino, 1);
    if (err)
        return err;
    err = inode_load(fs, ino, &in, &v);
    if (!err) {
        err = set_locked(&op, &in, name, value, len, flags);
        lsm_value_done(&v);
    }
    return op_end(&op, err);
}

static int delete_locked(struct op *op, struct inode *in, const char *name)
{
    struct key k;
    int err = xattr_check(in, name, true);
    int exists = err ? err : xattr_exists(op->fs, in, name);

    if (exists <= 0)
        return exists ? exists : -ENODATA;
    key_xattr(&k, in->ino, name, strlen(name));
    return lsm_batch_delete(op->batch, k.data, k.len);
}

static int remove_locked(struct op *op, struct inode *in, const char *name)
{
    enum acl_kind kind = acl_kind_of(name, strlen(name));
    int err = kind ? acl_remove_locked(op, in, kind) : delete_locked(op, in, name);

    in->ctime = op->now;
    return err ? err : inode_put(op->batch, in);
}

int fs_removexattr(struct fs *fs, uint64_t ino, const char *name)
{
    struct op op;
    struct inode in;
    struct lsm_value v;
    int err = op_begin(&op, fs, &ino, 1);

    if (err)
        return err;
    op.urgent = true;
    err = inode_load(fs, ino, &in, &v);
    if (!err) {
        err = remove_locked(&op, &in, name);
        lsm_value_done(&v);
    }
    return op_end(&op, err);
}

/* A value of `len` bytes into the caller's buffer. */
static ssize_t value_give(const void *value, size_t len, void *buf, size_t buf_len)
{
    if (buf_len && len > buf_len)
        return -ERANGE;
    if (buf_len && len)
        memcpy(buf, value, len);
    return (ssize_t)len;
}

static ssize_t get_acl(struct fs *fs, const struct inode *in, enum acl_kind kind, void *buf,
                       size_t buf_len)
{
    uint8_t value[ACL_LEN_MAX];
    struct acl a;
    int err = acl_get(fs, in, kind, &a);

    return err ? err : value_give(value, acl_encode(&a, value), buf, buf_len);
}

static ssize_t get_value(struct fs *fs, const struct inode *in, const char *name, void *buf,
                         size_t buf_len)
{
    struct lsm_value v;
    ssize_t len;
    int err = xattr_check(in, name, false);

    if (!err)
        err = xattr_read(fs, in, name, &v);
    if (err)
        return err;
    len = value_give(v.data, v.len, buf, buf_len);
    lsm_value_done(&v);
    return len;
}

ssize_t fs_getxattr(struct fs *fs, uint64_t ino, const char *name, void *buf, size_t buf_len)
{
    enum acl_kind kind = acl_kind_of(name, strlen(name));
    struct inode in;
    int err = inode_get(fs, ino, &in);

    if (err)
        return err;
    return kind ? get_acl(fs, &in, kind, buf, buf_len) : get_value(fs, &in, name, buf, buf_len);
}

ssize_t fs_listxattr(struct fs *fs, uint64_t ino, char *buf, size_t buf_len)
{
    struct inode in;
    int err = inode_get(fs, ino, &in);

    return err ? err : names_collect(fs, &in, buf, buf_len);
}

int xattr_delete_all(struct lsm_batch *b, const struct inode *in)
{
    struct key start, end;

    if (!(in->flags & INODE_HAS_XATTR))
        return 0;
    key_ino(&start, KEY_XATTR, in->ino);
    key_ino(&end, KEY_XATTR, in->ino + 1);
    return lsm_batch_delete_range(b, start.data, start.len, end.data, end.len);
}
