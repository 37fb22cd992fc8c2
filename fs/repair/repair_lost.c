/*
 * lost+found: where repairs put what no name leads to. It is an ordinary directory below the root,
 * made when it is needed, with access for its owner alone, who is whoever repairs. A name there is
 * "#" and the inode's number; what is there already is never replaced.
 */
#include <stdio.h>
#include <unistd.h>

#include "fs/repair/repair_impl.h"

enum {
    LOST_DIR_TRIES = 100 /* lost+found, lost+found~1, ... while these are no directories */
};

/* What stands at a name of the root: 0 and the directory, -ENOENT for nothing, -ENOTDIR. */
static int dir_at(struct tx *tx, const struct key *k, struct inode **ret)
{
    struct lsm_value v;
    uint64_t ino;
    uint32_t type;
    bool good;
    int err = lsm_get(tx->r->db, NULL, k->data, k->len, &v);

    if (err)
        return err;
    good = dirent_value_decode(v.data, v.len, &ino, &type) && S_ISDIR(type);
    lsm_value_done(&v);
    err = good ? tx_dir(tx, ino, ret) : -ENOTDIR;
    return err == -ENOENT ? -ENOTDIR : err;
}

static int lost_make(struct tx *tx, struct inode *root, const struct key *k, struct inode **ret)
{
    struct inode *in;
    uint64_t ino;
    int err = tx_number(tx, root, &ino);

    if (err)
        return err;
    in = tx_inode_new(tx, ino);
    in->mode = S_IFDIR | 0700;
    in->uid = geteuid();
    in->gid = getegid();
    in->nlink = 2;
    in->parent = FS_ROOT_INO;
    tx->lost_ino = ino; /* no look-up in the store finds it before the end */
    *ret = in;
    return tx_entry_add(tx, k, ino, in->mode);
}

int lost_dir(struct tx *tx, struct inode **ret)
{
    const struct check *c = tx->r->check;
    struct inode *root;
    int err;

    if (tx->lost_ino)
        return tx_dir(tx, tx->lost_ino, ret);
    err = tx_dir(tx, FS_ROOT_INO, &root);
    if (err == -ENOENT)
        return fix_cannot(tx->r, "there is no root directory for lost+found");
    if (err)
        return err;
    if (!c->has_secret)
        return fix_cannot(tx->r, "the secret of the file system is lost");
    for (int i = 0; i < LOST_DIR_TRIES; i++) {
        char name[32];
        struct key k;
        int len = snprintf(name, sizeof(name), "lost+found");

        if (i)
            len += snprintf(name + len, sizeof(name) - (size_t)len, "~%d", i);
        key_dirent(&k, FS_ROOT_INO, dirent_hash(c->hash_secret, name, (size_t)len), name,
                   (size_t)len);
        err = dir_at(tx, &k, ret);
        if (err == -ENOENT)
            return lost_make(tx, root, &k, ret);
        if (err != -ENOTDIR)
            return err;
    }
    return fix_cannot(tx->r, "all names for lost+found are taken");
}

int lost_connect(struct tx *tx, struct inode *in, uint64_t number, const char *suffix)
{
    struct inode *lost;
    struct key k;
    char name[64];
    int len, err = lost_dir(tx, &lost);

    if (err)
        return err;
    len = snprintf(name, sizeof(name), "#%llu%s", (unsigned long long)number, suffix);
    err = tx_name(tx, lost->ino, name, (size_t)len, &k);
    if (err)
        return err;
    if (S_ISDIR(in->mode))
        in->parent = lost->ino;
    else
        in->nlink++;
    return tx_entry_add(tx, &k, in->ino, in->mode);
}

/* --- Fixes --- */

static int connect_inode(struct repair *r, uint64_t ino, bool unlist)
{
    struct inode *in;
    struct key k;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    err = tx_inode(&tx, ino, &in);
    if (err)
        return tx_end(&tx, err == -ENOENT ? 0 : err);
    if (!S_ISDIR(in->mode))
        in->nlink = 0; /* no name leads to it */
    err = lost_connect(&tx, in, in->ino, "");
    key_ino(&k, KEY_ORPHAN, ino);
    if (!err && unlist)
        err = lsm_batch_delete(tx.batch, k.data, k.len);
    return tx_end(&tx, err);
}

int fix_connect(struct repair *r, const struct check_finding *f)
{
    return connect_inode(r, f->ino, false);
}

int fix_orphan_connect(struct repair *r, const struct check_finding *f)
{
    return connect_inode(r, f->ino, true);
}

int fix_loop(struct repair *r, const struct check_finding *f)
{
    struct inode *in;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    err = tx_dir(&tx, f->ino, &in);
    if (!err)
        err = entries_remove(&tx, f->parent, f->hash, f->ino, slice_of(NULL, 0));
    if (!err)
        err = lost_connect(&tx, in, in->ino, "");
    return tx_end(&tx, err == -ENOENT ? 0 : err);
}

/* --- Entries in what is no directory --- */

/* One entry moves in a transaction of its own; a directory learns who holds it now. */
static int move_one(void *arg, struct slice key, struct slice value)
{
    struct repair *r = arg;
    struct inode *lost, *in;
    struct key to;
    struct tx tx;
    uint64_t ino;
    uint32_t type;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    if (!dirent_value_decode(value.data, value.len, &ino, &type))
        return tx_end(&tx, lsm_batch_delete(tx.batch, key.data, key.len));
    err = lost_dir(&tx, &lost);
    if (!err)
        err = tx_name(&tx, lost->ino, (const char *)key.data + KEY_DIRENT_HEAD_LEN,
                      key.len - KEY_DIRENT_HEAD_LEN, &to);
    if (!err)
        err = lsm_batch_delete(tx.batch, key.data, key.len);
    if (!err)
        err = tx_entry_add(&tx, &to, ino, type);
    if (!err && S_ISDIR(type) && !tx_dir(&tx, ino, &in))
        in->parent = lost->ino;
    return tx_end(&tx, err);
}

int fix_entries_move(struct repair *r, const struct check_finding *f)
{
    return entries_each(r, f->ino, move_one, r);
}
