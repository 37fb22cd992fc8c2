/*
 * Repairs of inode records that are lost: what else carries the number says what it was. Entries
 * below it make it a directory, blocks a regular file that is as long as they reach; the names that
 * lead to it stay, and without one it gets one in lost+found. What nothing tells (mode and owner)
 * is chosen so that nobody gains access: only the owner has it, who is that of the directory that
 * holds it.
 */
#include <unistd.h>

#include "fs/repair/repair_impl.h"

/* Whether the inode has a record by now: 1, 0, or an error. */
static int has_record(struct repair *r, uint64_t ino)
{
    struct inode *in;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    err = tx_inode(&tx, ino, &in);
    tx_end(&tx, -ECANCELED);
    return err == -ENOENT ? 0 : err ? err : 1;
}

/* The owner of the directory `parent`, or whoever repairs. */
static void set_owner(struct tx *tx, struct inode *in, uint64_t parent)
{
    struct inode *dir;

    in->uid = geteuid();
    in->gid = getegid();
    if (parent && parent != in->ino && !tx_dir(tx, parent, &dir)) {
        in->uid = dir->uid;
        in->gid = dir->gid;
    }
}

/* --- The root --- */

int fix_root(struct repair *r, const struct check_finding *f)
{
    struct check_sum none = {0}, sum = f->item ? f->item->sum : none;
    struct inode *root;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    if (!tx_dir(&tx, FS_ROOT_INO, &root))
        return tx_end(&tx, 0);
    root = tx_inode_new(&tx, FS_ROOT_INO);
    root->mode = S_IFDIR | 0700;
    root->nlink = 2 + (uint32_t)sum.subdir_count;
    root->size = sum.entry_count;
    root->parent = FS_ROOT_INO;
    root->flags = f->item && f->item->xattr_count ? INODE_HAS_XATTR : 0;
    set_owner(&tx, root, 0);
    return tx_end(&tx, 0);
}

/* --- Other inodes --- */

/* How long a file is by its last block that can be one. */
static int file_len(struct repair *r, uint64_t ino, uint64_t *ret)
{
    uint64_t block_len = r->check->block_len;
    struct lsm_iter *it;
    struct key lower, upper;
    int rc;

    *ret = 0;
    key_ino(&lower, KEY_BLOCK, ino);
    key_block(&upper, ino, FS_FILE_LEN_MAX / block_len);
    rc = lsm_iter_new(r->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_last(it); rc == 1; rc = lsm_iter_prev(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);

        lsm_iter_value(it, &len);
        if (key_len != KEY_BLOCK_LEN || !len)
            continue;
        *ret = get_be64(key + KEY_INODE_LEN) * block_len + (len < block_len ? len : block_len);
        break;
    }
    lsm_iter_free(it);
    return rc < 0 ? rc : 0;
}

static void fill_directory(struct inode *in, const struct check_item *item)
{
    in->mode = S_IFDIR | 0700;
    in->nlink = 2 + (uint32_t)item->sum.subdir_count;
    in->size = item->sum.entry_count;
    in->parent = item->entry_count ? item->entry.parent : FS_ROOT_INO;
}

static int fill_file(struct repair *r, struct inode *in, const struct check_item *item)
{
    if (!r->check->block_len)
        return fix_cannot(r, "the block length of the file system is lost");
    in->mode = S_IFREG | 0600;
    in->nlink = (uint32_t)item->entry_count;
    in->block_count = item->block_count;
    return file_len(r, in->ino, &in->size);
}

static int rebuild(struct tx *tx, const struct check_item *item)
{
    bool named = item->entry_count > 0;
    bool is_dir = item->sum.entry_count ||
                  (!item->block_count && named && S_ISDIR(check_entry_type(&item->entry)));
    struct inode *in = tx_inode_new(tx, item->ino);
    int err = 0;

    set_owner(tx, in, named ? item->entry.parent : 0);
    in->flags = item->xattr_count ? INODE_HAS_XATTR : 0;
    if (is_dir)
        fill_directory(in, item);
    else
        err = fill_file(tx->r, in, item);
    if (err || named)
        return err;
    if (!item->orphan || item->sum.entry_count)
        return lost_connect(tx, in, in->ino, "");
    in->nlink = 0; /* it was deleted, and goes with the orphans: only an empty directory can be */
    return 0;
}

int fix_rebuild(struct repair *r, const struct check_finding *f)
{
    struct tx tx;
    int rc = has_record(r, f->ino);

    if (rc)
        return rc < 0 ? rc : 0;
    rc = tx_begin(&tx, r);
    return rc ? rc : tx_end(&tx, rebuild(&tx, f->item));
}

int fix_record_drop(struct repair *r, const struct check_finding *f)
{
    static const enum key_tag tags[] = {KEY_INODE, KEY_ORPHAN};
    const struct check_item *item = f->item;
    struct key k;
    struct tx tx;
    int rc = has_record(r, f->ino);

    if (rc)
        return rc < 0 ? rc : 0;
    /* Names first, one at a time: a record without names is found again. */
    for (uint64_t i = 0; i < item->entry_count && !rc; i++) {
        struct check_entry entry;

        rc = check_item_entry(r->check, item, i, &entry);
        if (!rc)
            rc = entry_remove(r, &entry, slice_of(NULL, 0));
    }
    if (!rc)
        rc = tx_begin(&tx, r);
    if (rc)
        return rc;
    for (int i = 0; i < 2 && !rc; i++) {
        key_ino(&k, tags[i], f->ino);
        rc = lsm_batch_delete(tx.batch, k.data, k.len);
    }
    return tx_end(&tx, rc);
}
