/*
 * Repairs of single directory entries. A directory's count of entries moves along with them where
 * it has a record; link counts of what they name are corrected when the check comes to them.
 */
#include "fs/repair/repair_impl.h"

/* --- Entries of a directory --- */

static int entries_in(struct repair *r, const struct key *lower, const struct key *upper,
                      entry_fn *each, void *arg)
{
    struct lsm_iter *it;
    int rc = lsm_iter_new(r->db, NULL, lower->data, lower->len, upper->data, upper->len, &it);

    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it)) {
        struct slice key, value;

        key.data = lsm_iter_key(it, &key.len);
        value.data = lsm_iter_value(it, &value.len);
        if (key.len < KEY_DIRENT_HEAD_LEN)
            continue;
        rc = each(arg, key, value);
        if (rc)
            break;
    }
    lsm_iter_free(it);
    return rc;
}

int entries_each(struct repair *r, uint64_t dir, entry_fn *each, void *arg)
{
    struct key lower, upper;

    key_ino(&lower, KEY_DIRENT, dir);
    key_ino(&upper, KEY_DIRENT, dir + 1);
    return entries_in(r, &lower, &upper, each, arg);
}

int entries_at(struct repair *r, uint64_t dir, uint64_t hash, entry_fn *each, void *arg)
{
    struct key lower, upper;

    key_dirent_range(&lower, &upper, dir, hash);
    return entries_in(r, &lower, &upper, each, arg);
}

struct removal {
    struct tx *tx;
    uint64_t ino;
    struct slice keep;
};

static int remove_one(void *arg, struct slice key, struct slice value)
{
    struct removal *m = arg;
    uint64_t ino;
    uint32_t type;

    if (!dirent_value_decode(value.data, value.len, &ino, &type) || ino != m->ino ||
        slice_eq(key, m->keep))
        return 0;
    return tx_entry_remove(m->tx, key, value);
}

int entries_remove(struct tx *tx, uint64_t parent, uint64_t hash, uint64_t ino, struct slice keep)
{
    struct removal m = {tx, ino, keep};

    return entries_at(tx->r, parent, hash, remove_one, &m);
}

int entry_remove(struct repair *r, const struct check_entry *entry, struct slice keep)
{
    struct tx tx;
    int err = tx_begin(&tx, r);

    return err ? err
               : tx_end(&tx, entries_remove(&tx, entry->parent, entry->hash, entry->ino_type >> 4,
                                            keep));
}

int fix_name_remove(struct repair *r, const struct check_finding *f)
{
    struct tx tx;
    int err = tx_begin(&tx, r);

    return err ? err
               : tx_end(&tx, entries_remove(&tx, f->parent, f->hash, f->ino, slice_of(NULL, 0)));
}

/* --- The entry at a key --- */

/* 1 while the entry is still what was found, 0 when an earlier fix has changed it. */
static int entry_is(struct repair *r, const struct check_finding *f)
{
    struct lsm_value v;
    int err = lsm_get(r->db, NULL, f->key.data, f->key.len, &v);
    bool same;

    if (err)
        return err == -ENOENT ? 0 : err;
    same = slice_eq(slice_of(v.data, v.len), f->value);
    lsm_value_done(&v);
    return same;
}

int fix_entry_remove(struct repair *r, const struct check_finding *f)
{
    struct tx tx;
    int rc = entry_is(r, f);

    if (rc <= 0)
        return rc;
    rc = tx_begin(&tx, r);
    return rc ? rc : tx_end(&tx, tx_entry_remove(&tx, f->key, f->value));
}

/* Move the entry as it is to another key of the same directory. */
static int move_entry(struct tx *tx, const struct check_finding *f, const struct key *to)
{
    int err = lsm_batch_delete(tx->batch, f->key.data, f->key.len);

    return err ? err : lsm_batch_put(tx->batch, to->data, to->len, f->value.data, f->value.len);
}

static struct slice name_of(const struct check_finding *f)
{
    return slice_of(f->key.data + KEY_DIRENT_HEAD_LEN, f->key.len - KEY_DIRENT_HEAD_LEN);
}

/* What is illegal in a name becomes '_'; what is too long is cut. Returns the length. */
static size_t legal_name(struct slice name, char ret[FS_NAME_LEN_MAX])
{
    size_t len = name.len < FS_NAME_LEN_MAX ? name.len : FS_NAME_LEN_MAX;
    bool dots = (len == 1 || len == 2) && !memcmp(name.data, "..", len);

    for (size_t i = 0; i < len; i++)
        ret[i] = (char)(!name.data[i] || name.data[i] == '/' || dots ? '_' : name.data[i]);
    if (!len)
        ret[len++] = '_';
    return len;
}

int fix_entry_rename(struct repair *r, const struct check_finding *f)
{
    char name[FS_NAME_LEN_MAX];
    size_t len = legal_name(name_of(f), name);
    struct key to;
    struct tx tx;
    int rc = entry_is(r, f);

    if (rc <= 0)
        return rc;
    rc = tx_begin(&tx, r);
    if (rc)
        return rc;
    rc = tx_name(&tx, f->parent, name, len, &to);
    if (!rc)
        rc = move_entry(&tx, f, &to);
    return tx_end(&tx, rc);
}

static void right_key(const struct check *c, const struct check_finding *f, struct key *ret)
{
    struct slice name = name_of(f);
    const char *text = (const char *)name.data;

    /* It fits: the check tells a wrong hash only of a name that is legal. */
    key_dirent(ret, f->parent, dirent_hash(c->hash_secret, text, name.len), text, name.len);
}

bool rehash_is_safe(struct repair *r, const struct check_finding *f)
{
    struct lsm_value v;
    struct key to;
    int err;

    right_key(r->check, f, &to);
    err = lsm_get(r->db, NULL, to.data, to.len, &v);
    if (!err)
        lsm_value_done(&v);
    return err == -ENOENT;
}

/* When the place is taken by an entry of the same inode, this one is one too many. */
int fix_entry_rehash(struct repair *r, const struct check_finding *f)
{
    struct slice name = name_of(f);
    struct lsm_value v;
    struct key to;
    struct tx tx;
    bool twice = false;
    int rc = entry_is(r, f);

    if (rc <= 0)
        return rc;
    right_key(r->check, f, &to);
    rc = lsm_get(r->db, NULL, to.data, to.len, &v);
    if (!rc) {
        twice = slice_eq(slice_of(v.data, v.len), f->value);
        lsm_value_done(&v);
    } else if (rc != -ENOENT) {
        return rc;
    }
    rc = tx_begin(&tx, r);
    if (rc)
        return rc;
    if (twice)
        return tx_end(&tx, tx_entry_remove(&tx, f->key, f->value));
    rc = tx_name(&tx, f->parent, (const char *)name.data, name.len, &to);
    if (!rc)
        rc = move_entry(&tx, f, &to);
    return tx_end(&tx, rc);
}

/* --- Values --- */

/* The inode that a value names, which may have no type; -ENOENT. */
static int named_inode(struct tx *tx, struct slice value, struct inode **ret)
{
    uint64_t ino = value.len == DIRENT_VALUE_LEN ? get_le64(value.data) : 0;

    return ino && ino < INODE_NUMBER_END ? tx_inode(tx, ino, ret) : -ENOENT;
}

bool entry_record_is_safe(struct repair *r, const struct check_finding *f)
{
    struct inode *in;
    struct tx tx;
    int err = f->key.len > KEY_LEN_MAX ? -ENAMETOOLONG : tx_begin(&tx, r);

    if (err)
        return false;
    err = named_inode(&tx, f->value, &in);
    tx_end(&tx, -ECANCELED);
    return !err;
}

/*
 * A value whose number is that of an inode gets the inode's type. Any other tells nothing, and the
 * entry goes; what it named is found by the check as something without a name. A key that is longer
 * than any entry's has to be renamed before.
 */
int fix_entry_record(struct repair *r, const struct check_finding *f)
{
    struct inode *in;
    struct key key;
    struct tx tx;
    int rc = entry_is(r, f);

    if (rc <= 0)
        return rc;
    rc = tx_begin(&tx, r);
    if (rc)
        return rc;
    rc = named_inode(&tx, f->value, &in);
    if (rc == -ENOENT)
        return tx_end(&tx, tx_entry_remove(&tx, f->key, f->value));
    if (!rc && f->key.len > KEY_LEN_MAX)
        rc = fix_cannot(r, "its name is longer than names can be");
    if (rc)
        return tx_end(&tx, rc);
    memcpy(key.data, f->key.data, f->key.len);
    key.len = f->key.len;
    rc = tx_entry_add(&tx, &key, in->ino, in->mode);
    tx_dir_count(&tx, f->parent, -1, 0); /* the entry was counted, though not as a subdirectory */
    return tx_end(&tx, rc);
}

struct retyping {
    struct tx *tx;
    uint64_t parent, ino;
    uint32_t mode;
};

static int retype_one(void *arg, struct slice key, struct slice value)
{
    struct retyping *t = arg;
    uint8_t fresh[DIRENT_VALUE_LEN];
    uint64_t ino;
    uint32_t type;

    if (!dirent_value_decode(value.data, value.len, &ino, &type) || ino != t->ino ||
        type == (t->mode & S_IFMT))
        return 0;
    put_le64(fresh, ino);
    fresh[8] = (uint8_t)((t->mode & S_IFMT) >> 12);
    tx_dir_count(t->tx, t->parent, 0, (int)S_ISDIR(t->mode) - (int)S_ISDIR(type));
    return lsm_batch_put(t->tx->batch, key.data, key.len, fresh, sizeof(fresh));
}

int fix_entry_type(struct repair *r, const struct check_finding *f)
{
    struct inode *in;
    struct tx tx;
    int rc = tx_begin(&tx, r);

    if (rc)
        return rc;
    rc = tx_inode(&tx, f->ino, &in);
    if (!rc) {
        struct retyping t = {&tx, f->parent, f->ino, in->mode};

        rc = entries_at(r, f->parent, f->hash, retype_one, &t);
    }
    return tx_end(&tx, rc == -ENOENT ? 0 : rc);
}
