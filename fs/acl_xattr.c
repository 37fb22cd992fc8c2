/*
 * ACLs of inodes: reading, setting, inheriting. Format of the keys: fs/README.md.
 *
 * The flag, the key and the mode are changed by one batch. What the store holds is checked like
 * everything that comes from a disk: a list that is damaged or missing is an error, so that nobody
 * gets in who should not.
 */
#include "fs/acl_xattr.h"

#include <inttypes.h>

static const char *kind_name(enum acl_kind kind)
{
    return kind == ACL_ACCESS ? "system.posix_acl_access" : "system.posix_acl_default";
}

enum acl_kind acl_kind_of(const char *name, size_t name_len)
{
    static const enum acl_kind kinds[] = {ACL_ACCESS, ACL_DEFAULT};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (name_len == strlen(kind_name(kinds[i])) && !memcmp(name, kind_name(kinds[i]), name_len))
            return kinds[i];
    return ACL_NONE;
}

uint32_t acl_flags_possible(uint32_t mode)
{
    if (S_ISLNK(mode))
        return 0;
    return S_ISDIR(mode) ? INODE_HAS_ACL | INODE_HAS_DEFAULT_ACL : INODE_HAS_ACL;
}

void acl_key(struct key *ret, uint64_t ino, enum acl_kind kind)
{
    key_xattr(ret, ino, kind_name(kind), strlen(kind_name(kind)));
}

static int check_supported(const struct fs *fs, const struct inode *in)
{
    return fs->options.no_acl || S_ISLNK(in->mode) ? -EOPNOTSUPP : 0;
}

const char *acl_stored_fault(enum acl_kind kind, const void *value, size_t len)
{
    struct acl a;

    if (acl_decode(value, len, &a))
        return "is no list";
    if (!a.count)
        return "has no entries";
    if (kind == ACL_ACCESS && (!acl_has_mask(&a) || acl_mode(&a)))
        return "repeats what the mode says";
    return NULL;
}

static int stored_decode(enum acl_kind kind, uint64_t ino, const struct lsm_value *v,
                         struct acl *ret)
{
    const char *fault = acl_stored_fault(kind, v->data, v->len);

    if (fault)
        return err_raise(ERR_XATTR_RECORD, "inode %" PRIu64 ": the attribute \"%s\" %s", ino,
                         kind_name(kind), fault);
    return acl_decode(v->data, v->len, ret);
}

int acl_get(struct fs *fs, const struct inode *in, enum acl_kind kind, struct acl *ret)
{
    struct lsm_value v;
    struct key k;
    int err = check_supported(fs, in);

    if (err)
        return err;
    if (!(in->flags & kind))
        return -ENODATA;
    acl_key(&k, in->ino, kind);
    err = lsm_get(fs->db, NULL, k.data, k.len, &v);
    if (err == -ENOENT)
        return fs_report(fs, err_raise(ERR_XATTR_RECORD,
                                       "inode %" PRIu64 ": the attribute \"%s\" is missing",
                                       in->ino, kind_name(kind)));
    if (err)
        return err;
    err = stored_decode(kind, in->ino, &v, ret);
    lsm_value_done(&v);
    if (err)
        return fs_report(fs, err);
    if (kind == ACL_ACCESS)
        acl_set_mode(ret, in->mode);
    return 0;
}

/* Store the list, of which an access list has a mask and lends its mode's bits to `in`. */
static int put(struct op *op, struct inode *in, enum acl_kind kind, struct acl *a)
{
    uint8_t value[ACL_LEN_MAX];
    struct key k;

    if (kind == ACL_ACCESS)
        acl_set_mode(a, 0);
    acl_key(&k, in->ino, kind);
    in->flags |= (uint32_t)kind | INODE_HAS_XATTR;
    return lsm_batch_put(op->batch, k.data, k.len, value, acl_encode(a, value));
}

int acl_remove_locked(struct op *op, struct inode *in, enum acl_kind kind)
{
    struct key k;
    int err = check_supported(op->fs, in);

    if (err)
        return err;
    if (!(in->flags & kind))
        return 0;
    acl_key(&k, in->ino, kind);
    in->flags &= ~(uint32_t)kind;
    return lsm_batch_delete(op->batch, k.data, k.len);
}

int acl_set_locked(struct op *op, struct inode *in, enum acl_kind kind, const void *value,
                   size_t len, bool kill_sgid)
{
    struct acl a = {.count = 0};
    int err = check_supported(op->fs, in);

    if (!err && len)
        err = acl_decode(value, len, &a);
    if (!err && a.count && kind == ACL_DEFAULT && !S_ISDIR(in->mode))
        err = -EACCES;
    if (err)
        return err;
    if (kind == ACL_ACCESS && a.count) {
        in->mode = (in->mode & ~(uint32_t)0777) | acl_mode(&a);
        if (kill_sgid)
            in->mode &= ~(uint32_t)S_ISGID;
    }
    if (!a.count || (kind == ACL_ACCESS && !acl_has_mask(&a)))
        return acl_remove_locked(op, in, kind);
    if (!(in->flags & kind))
        err = xattr_name_fits(op->fs, in, strlen(kind_name(kind)));
    return err ? err : put(op, in, kind, &a);
}

int acl_inherit(struct op *op, const struct inode *dir, struct inode *in, uint32_t umask)
{
    struct acl a;
    int err;

    if (S_ISLNK(in->mode))
        return 0;
    err = acl_get(op->fs, dir, ACL_DEFAULT, &a);
    if (err == -ENODATA || err == -EOPNOTSUPP) {
        in->mode &= ~(umask & 0777);
        return 0;
    }
    if (err)
        return err;
    in->mode &= ~(uint32_t)0777 | acl_mode(&a);
    if (S_ISDIR(in->mode))
        err = put(op, in, ACL_DEFAULT, &a);
    if (!err && acl_has_mask(&a))
        err = put(op, in, ACL_ACCESS, &a);
    return err;
}
