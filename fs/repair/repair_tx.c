/*
 * A transaction of the repair: one batch, and the inodes that it changes, each read once and
 * written at the end if it has changed. So a fix may count an entry out of one directory and into
 * another without asking whether they are the same.
 *
 * What is looked up here (names that are taken, numbers in use) is looked up in the store, without
 * what the transaction has added: a transaction adds at most one name to a directory. What it would
 * find twice it remembers: lost+found, and the groups of numbers that it has taken.
 */
#include <stdio.h>

#include "fs/repair/repair_impl.h"
#include "fs/super.h"

enum {
    GROUP_TRIES = 1000,
};
#define NUMBER_MAX (UINT64_C(1) << 40) /* behind names that are taken */

int tx_begin(struct tx *tx, struct repair *r)
{
    *tx = (struct tx){.r = r};
    return lsm_batch_new(&tx->batch);
}

static int inode_write(struct tx *tx, const struct tx_inode *i)
{
    uint8_t buf[INODE_RECORD_LEN_MAX];
    size_t len = inode_encode(&i->in, buf);

    if (i->value.len == len && !memcmp(i->value.data, buf, len))
        return 0;
    return inode_put(tx->batch, &i->in);
}

int tx_end(struct tx *tx, int err)
{
    for (unsigned i = 0; i < tx->count; i++) {
        if (!err)
            err = inode_write(tx, &tx->inodes[i]);
        lsm_value_done(&tx->inodes[i].value);
    }
    if (!err && lsm_batch_count(tx->batch))
        err = lsm_write(tx->r->db, tx->batch, LSM_WRITE_URGENT);
    lsm_batch_free(tx->batch);
    return err;
}

static struct tx_inode *find(struct tx *tx, uint64_t ino)
{
    for (unsigned i = 0; i < tx->count; i++) {
        if (tx->inodes[i].in.ino == ino)
            return &tx->inodes[i];
    }
    return NULL;
}

int tx_inode(struct tx *tx, uint64_t ino, struct inode **ret)
{
    struct tx_inode *i = find(tx, ino);
    struct lsm_value v;
    struct inode in;
    struct key k;
    int err;

    if (i) {
        *ret = &i->in;
        return 0;
    }
    key_ino(&k, KEY_INODE, ino);
    err = lsm_get(tx->r->db, NULL, k.data, k.len, &v);
    if (err)
        return err;
    if (tx->count == TX_INODE_MAX || inode_decode(ino, v.data, v.len, &in)) {
        lsm_value_done(&v);
        return -ENOENT;
    }
    i = &tx->inodes[tx->count++];
    *i = (struct tx_inode){.in = in, .value = v};
    *ret = &i->in;
    return 0;
}

int tx_dir(struct tx *tx, uint64_t ino, struct inode **ret)
{
    struct inode *in;
    int err = tx_inode(tx, ino, &in);

    if (err)
        return err;
    if (!S_ISDIR(in->mode))
        return -ENOENT;
    *ret = in;
    return 0;
}

struct inode *tx_inode_new(struct tx *tx, uint64_t ino)
{
    struct tx_inode *i = find(tx, ino);

    if (!i)
        i = &tx->inodes[tx->count++];
    lsm_value_done(&i->value);
    *i = (struct tx_inode){.in = {.ino = ino}};
    inode_now(&i->in.btime);
    i->in.atime = i->in.mtime = i->in.ctime = i->in.btime;
    return &i->in;
}

/* --- Numbers --- */

/* Whether any key has a number from first up to, and without, end: 1, 0 or an error. */
static int any_key_of(struct tx *tx, uint64_t first, uint64_t end)
{
    static const enum key_tag tags[] = {KEY_BLOCK, KEY_DIRENT, KEY_INODE, KEY_ORPHAN, KEY_XATTR};
    int rc = 0;

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]) && !rc; i++) {
        struct lsm_iter *it;
        struct key lower, upper;

        key_ino(&lower, tags[i], first);
        key_ino(&upper, tags[i], end);
        rc = lsm_iter_new(tx->r->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
        if (rc)
            return rc;
        rc = lsm_iter_first(it);
        lsm_iter_free(it);
    }
    return rc;
}

/* The same for one number; a name that leads to it is enough. */
static int number_in_use(struct tx *tx, uint64_t ino)
{
    struct check *c = tx->r->check;
    struct check_entry entry;

    if (c->names_known && check_entry_find(c, ino, &entry))
        return 1;
    return any_key_of(tx, ino, ino + 1);
}

static int group_in_use(struct tx *tx, uint64_t group)
{
    int rc = any_key_of(tx, group << 16, (group + 1) << 16);

    return rc ? rc : number_in_use(tx, group << 16);
}

/* A group that nothing uses; the fact that it is taken goes into the batch. */
static int group_take_free(struct tx *tx, uint64_t *ret)
{
    uint8_t value[8];
    uint64_t group = tx->group_next;
    int rc = group ? 0 : super_get_group_next(tx->r->db, &group);

    if (rc)
        return rc;
    for (int i = 0; i < GROUP_TRIES && group + 1 < INODE_GROUP_END; i++, group++) {
        rc = group_in_use(tx, group);
        if (rc < 0)
            return rc;
        if (!rc) {
            put_le64(value, group + 1);
            *ret = group;
            tx->group_next = group + 1;
            return lsm_batch_put(tx->batch, "Sgroup_next", 11, value, sizeof(value));
        }
    }
    return fix_cannot(tx->r, "no free inode number was found");
}

int tx_number(struct tx *tx, struct inode *dir, uint64_t *ret)
{
    int rc;

    if (dir->group && dir->next_slot < INODE_SLOT_COUNT) {
        rc = number_in_use(tx, dir->group << 16 | dir->next_slot);
        if (!rc)
            *ret = dir->group << 16 | dir->next_slot++;
        if (rc <= 0)
            return rc;
    }
    /*
     * No group, a full one, one that another directory uses as well, or the next number is that of
     * an inode whose record is lost.
     */
    rc = group_take_free(tx, &dir->group);
    if (rc)
        return rc;
    dir->next_slot = 1;
    *ret = dir->group << 16;
    return 0;
}

/* --- Entries --- */

bool value_is_subdir(struct slice value)
{
    uint64_t ino;
    uint32_t type;

    return dirent_value_decode(value.data, value.len, &ino, &type) && S_ISDIR(type);
}

void tx_dir_count(struct tx *tx, uint64_t dir, int entries, int subdirs)
{
    struct inode *in;
    int64_t nlink;

    if (tx_dir(tx, dir, &in))
        return;
    nlink = (int64_t)in->nlink + subdirs;
    in->nlink = nlink < 0 ? 0 : (uint32_t)nlink;
    if (entries < 0 && in->size < (uint64_t)-entries)
        in->size = 0;
    else
        in->size += (uint64_t)(int64_t)entries;
}

int tx_entry_add(struct tx *tx, const struct key *key, uint64_t ino, uint32_t mode)
{
    uint8_t value[DIRENT_VALUE_LEN];

    put_le64(value, ino);
    value[8] = (uint8_t)((mode & S_IFMT) >> 12);
    tx_dir_count(tx, get_be64(key->data + 1), 1, S_ISDIR(mode));
    return lsm_batch_put(tx->batch, key->data, key->len, value, sizeof(value));
}

int tx_entry_remove(struct tx *tx, struct slice key, struct slice value)
{
    tx_dir_count(tx, get_be64(key.data + 1), -1, -(int)value_is_subdir(value));
    return lsm_batch_delete(tx->batch, key.data, key.len);
}

/* 1: taken; 0: not. */
static int name_taken(struct tx *tx, const struct key *k)
{
    struct lsm_value v;
    int err = lsm_get(tx->r->db, NULL, k->data, k->len, &v);

    if (err == -ENOENT)
        return 0;
    if (err)
        return err;
    lsm_value_done(&v);
    return 1;
}

/* The key of the name with this number, 0 for none; 1: it is taken; 0: not. */
static int numbered_name(struct tx *tx, uint64_t parent, struct slice name, uint64_t number,
                         struct key *ret)
{
    const struct check *c = tx->r->check;
    char text[FS_NAME_LEN_MAX + 1], suffix[24];
    size_t suffix_len =
        number ? (size_t)snprintf(suffix, sizeof(suffix), "~%llu", (unsigned long long)number) : 0;
    size_t len = name.len + suffix_len > FS_NAME_LEN_MAX ? FS_NAME_LEN_MAX - suffix_len : name.len;

    memcpy(text, name.data, len);
    memcpy(text + len, suffix, suffix_len);
    len += suffix_len;
    key_dirent(ret, parent, dirent_hash(c->hash_secret, text, len), text, len);
    return name_taken(tx, ret);
}

/* Numbers that double, until one is free, then between it and the one before. */
int tx_name(struct tx *tx, uint64_t parent, const char *name, size_t name_len, struct key *ret)
{
    struct slice text = slice_of(name, name_len);
    uint64_t taken = 0, unused = 0;
    int rc;

    if (!tx->r->check->has_secret)
        return fix_cannot(tx->r, "the secret of the file system is lost");
    rc = numbered_name(tx, parent, text, unused, ret);
    for (uint64_t n = 1; rc == 1 && n < NUMBER_MAX; n *= 2) {
        taken = unused;
        unused = n;
        rc = numbered_name(tx, parent, text, unused, ret);
    }
    if (rc == 1)
        return fix_cannot(tx->r, "all names that it could have are taken");
    while (rc >= 0 && unused - taken > 1) {
        uint64_t middle = taken + (unused - taken) / 2;

        rc = numbered_name(tx, parent, text, middle, ret);
        taken = rc ? middle : taken;
        unused = rc ? unused : middle;
    }
    return rc < 0 ? rc : numbered_name(tx, parent, text, unused, ret);
}
