/*
 * Repairs of single fields of an inode, and of single keys beside it. A count is corrected by the
 * difference that was found, since other fixes may have changed it meanwhile.
 */
#include "fs/repair/repair_impl.h"

enum {
    DELETES_MAX = 1000 /* keys in one transaction */
};

/* value + expected - found, not below 0. */
static uint64_t corrected(uint64_t value, const struct check_finding *f)
{
    if (f->expected >= f->found)
        return value + (f->expected - f->found);
    return value > f->found - f->expected ? value - (f->found - f->expected) : 0;
}

/* Change the inode's record, if it has one. */
static int change(struct repair *r, const struct check_finding *f,
                  void (*set)(struct inode *in, const struct check_finding *f))
{
    struct inode *in;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    err = tx_inode(&tx, f->ino, &in);
    if (!err)
        set(in, f);
    return tx_end(&tx, err == -ENOENT ? 0 : err);
}

static void set_links(struct inode *in, const struct check_finding *f)
{
    uint64_t n = corrected(in->nlink, f);

    in->nlink = n > INODE_NLINK_MAX ? INODE_NLINK_MAX : (uint32_t)n;
}

static void set_dir_size(struct inode *in, const struct check_finding *f)
{
    in->size = corrected(in->size, f);
}

static void set_block_count(struct inode *in, const struct check_finding *f)
{
    in->block_count = corrected(in->block_count, f);
}

static void set_parent(struct inode *in, const struct check_finding *f)
{
    /* An earlier fix may have moved the directory. */
    if (in->parent == f->found)
        in->parent = f->expected;
}

static void set_xattr_flag(struct inode *in, const struct check_finding *f)
{
    (void)f;
    in->flags |= INODE_HAS_XATTR;
}

/* The mode's bits for the group were the mask of a lost list: the group may have had fewer. */
static void set_acl_flags(struct inode *in, const struct check_finding *f)
{
    in->flags &= ~(uint32_t)(INODE_HAS_ACL | INODE_HAS_DEFAULT_ACL);
    if (f->expected)
        in->flags |= (uint32_t)f->expected | INODE_HAS_XATTR;
    if (f->found & ~f->expected & INODE_HAS_ACL)
        in->mode &= ~(uint32_t)S_IRWXG;
}

static void reset_group(struct inode *in, const struct check_finding *f)
{
    (void)f;
    in->group = 0;
    in->next_slot = 0;
}

static void set_next_slot(struct inode *in, const struct check_finding *f)
{
    if (in->next_slot < f->expected)
        in->next_slot = (uint32_t)f->expected;
}

int fix_link_count(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_links);
}

int fix_dir_size(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_dir_size);
}

int fix_block_count(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_block_count);
}

int fix_dir_parent(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_parent);
}

int fix_xattr_flag(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_xattr_flag);
}

int fix_acl_flags(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_acl_flags);
}

bool acl_flags_is_safe(struct repair *r, const struct check_finding *f)
{
    (void)r;
    return !(f->found & ~f->expected);
}

int fix_group_reset(struct repair *r, const struct check_finding *f)
{
    return change(r, f, reset_group);
}

int fix_next_slot(struct repair *r, const struct check_finding *f)
{
    return change(r, f, set_next_slot);
}

/* --- Keys beside the record --- */

int fix_orphan_unlist(struct repair *r, const struct check_finding *f)
{
    struct lsm_value v;
    struct key k;
    int err;

    key_ino(&k, KEY_INODE, f->ino);
    err = lsm_get(r->db, NULL, k.data, k.len, &v);
    if (!err) {
        lsm_value_done(&v); /* an earlier fix has made the inode */
        return 0;
    }
    key_ino(&k, KEY_ORPHAN, f->ino);
    return err == -ENOENT ? lsm_delete(r->db, k.data, k.len, LSM_WRITE_URGENT) : err;
}

int fix_orphan_named(struct repair *r, const struct check_finding *f)
{
    struct inode *in;
    struct key k;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    err = tx_inode(&tx, f->ino, &in);
    if (!err)
        in->nlink = (uint32_t)f->expected;
    key_ino(&k, KEY_ORPHAN, f->ino);
    if (!err)
        err = lsm_batch_delete(tx.batch, k.data, k.len);
    return tx_end(&tx, err);
}

/* Delete some; *ret_more: there are others. */
static int delete_some(struct tx *tx, uint64_t ino, bool *ret_more)
{
    struct lsm_iter *it;
    struct key lower, upper;
    int err = 0, rc;

    *ret_more = false;
    key_ino(&lower, KEY_XATTR, ino);
    key_ino(&upper, KEY_XATTR, ino + 1);
    rc = lsm_iter_new(tx->r->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && lsm_batch_count(tx->batch) < DELETES_MAX;
         rc = lsm_iter_next(it)) {
        size_t len;
        const void *key = lsm_iter_key(it, &len);

        err = lsm_batch_delete(tx->batch, key, len);
        if (err)
            break;
    }
    lsm_iter_free(it);
    *ret_more = !err && rc == 1;
    return err ? err : rc < 0 ? rc : 0;
}

/* One by one: of range deletions every later read would have to take account. */
int fix_xattrs_delete(struct repair *r, const struct check_finding *f)
{
    bool more;

    do {
        struct tx tx;
        int err = tx_begin(&tx, r);

        if (!err)
            err = tx_end(&tx, delete_some(&tx, f->ino, &more));
        if (err)
            return err;
    } while (more);
    return 0;
}
