/*
 * Collecting what a commit is to make. See bulk.h; the commit is in bulk_commit.c.
 *
 * A batch that could not be written takes its items with it: the caller's work ends there, and what
 * earlier batches made stays.
 */
#include "fs/bulk_impl.h"

#include <stdlib.h>

#include "fs/acl_xattr.h"
#include "fs/data.h"

enum {
    TAKE_FIRST = 16,
    TAKE_MAX = 4096,
    RESERVED_DIRS_MAX = 512, /* directories with numbers of which some are left */
    ITEM_LEN = 128,          /* bytes of a batch that an item takes, beside contents */
};

int bulk_init(struct bulk *b, struct fs *fs, bool keep_old, const struct bulk_events *events)
{
    memset(b, 0, sizeof(*b));
    if (fs->read_only)
        return -EROFS;
    b->fs = b->op.fs = fs;
    b->keep_old = keep_old;
    b->events = *events;
    b->last = &b->items;
    inode_now(&b->op.now);
    return lsm_batch_new(&b->op.batch);
}

static void item_free(struct bulk_item *i)
{
    free(i->path);
    free(i->key);
    free(i->target);
    free(i);
}

void bulk_forget(struct bulk *b)
{
    struct bulk_item *i = b->items;

    HASH_CLEAR(by_name, b->names);
    HASH_CLEAR(by_ino, b->numbers);
    while (i) {
        struct bulk_item *next = i->next;

        item_free(i);
        i = next;
    }
    b->items = NULL;
    b->last = &b->items;
    b->count = 0;
    b->len = 0;
    b->lock_count = 0;
    lsm_batch_clear(b->op.batch);
    inode_now(&b->op.now);
}

static void reserved_clear(struct bulk *b)
{
    struct bulk_numbers *n, *next;

    HASH_ITER (hh, b->reserved, n, next) {
        HASH_DEL(b->reserved, n);
        free(n);
    }
}

void bulk_done(struct bulk *b)
{
    if (!b->op.batch)
        return;
    bulk_forget(b);
    reserved_clear(b);
    lsm_batch_free(b->op.batch);
    b->op.batch = NULL;
}

/* --- Names --- */

static size_t name_key(uint8_t *key, uint64_t parent, const char *name)
{
    size_t len = strlen(name);

    put_be64(key, parent);
    memcpy(key + 8, name, len);
    return len + 8;
}

static struct bulk_item *find_name(struct bulk *b, uint64_t parent, const char *name)
{
    uint8_t key[8 + FS_NAME_LEN_MAX];
    size_t len = name_key(key, parent, name);
    struct bulk_item *i;

    HASH_FIND(by_name, b->names, key, len, i);
    return i;
}

struct bulk_item *bulk_find_number(struct bulk *b, uint64_t ino)
{
    struct bulk_item *i;

    HASH_FIND(by_ino, b->numbers, &ino, sizeof(ino), i);
    return i;
}

int bulk_lookup(struct bulk *b, uint64_t parent, const char *name, uint64_t *ret_ino,
                uint32_t *ret_type)
{
    struct bulk_item *i = b->count ? find_name(b, parent, name) : NULL;

    if (i) {
        *ret_ino = i->in.ino;
        *ret_type = i->in.mode & S_IFMT;
        return 0;
    }
    /* Nobody else knows of a new directory. */
    if (b->count && bulk_find_number(b, parent))
        return -ENOENT;
    return dirent_get(b->fs, parent, name, ret_ino, ret_type);
}

bool bulk_has_name(struct bulk *b, uint64_t parent, const char *name)
{
    return b->count && find_name(b, parent, name);
}

/* --- Numbers --- */

static int reserve_locked(struct op *op, struct bulk_numbers *n)
{
    struct inode dir;
    uint64_t left;
    int err = dir_get(op->fs, n->dir, &dir);

    if (!err)
        err = inode_number_take(op->fs, &dir, &n->next);
    if (err)
        return err;
    left = INODE_SLOT_COUNT - dir.next_slot;
    left = left < n->take - 1 ? left : n->take - 1;
    dir.next_slot += (uint32_t)left;
    n->end = n->next + 1 + left;
    return inode_put(op->batch, &dir);
}

static int reserve(struct bulk *b, struct bulk_numbers *n)
{
    struct op op;
    int err = op_begin(&op, b->fs, &n->dir, 1);

    if (!err)
        err = op_end(&op, reserve_locked(&op, n));
    if (err)
        n->next = n->end = 0;
    else
        n->take = n->take * 4 < TAKE_MAX ? n->take * 4 : TAKE_MAX;
    return err;
}

static struct bulk_numbers *numbers_of(struct bulk *b, uint64_t dir)
{
    struct bulk_numbers *n;

    HASH_FIND(hh, b->reserved, &dir, sizeof(dir), n);
    if (n)
        return n;
    if (HASH_COUNT(b->reserved) >= RESERVED_DIRS_MAX)
        reserved_clear(b);
    n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    n->dir = dir;
    n->take = TAKE_FIRST;
    HASH_ADD(hh, b->reserved, dir, sizeof(n->dir), n);
    if (n->hh.tbl)
        return n;
    free(n);
    return NULL;
}

int bulk_number(struct bulk *b, uint64_t parent, uint64_t *ret)
{
    struct bulk_item *i = b->count ? bulk_find_number(b, parent) : NULL;
    struct bulk_numbers *n;
    int err = 0;

    if (i)
        return inode_number_take(b->fs, &i->in, ret);
    n = numbers_of(b, parent);
    if (!n)
        return -ENOMEM;
    if (n->next == n->end)
        err = reserve(b, n);
    if (!err)
        *ret = n->next++;
    return err;
}

/* --- Contents and attributes --- */

int bulk_block(struct bulk *b, struct inode *in, uint64_t block, const void *data, size_t len)
{
    struct key k;
    int err;

    key_block(&k, in->ino, block);
    err = lsm_batch_put(b->op.batch, k.data, k.len, data, len);
    if (err)
        return err;
    in->block_count++;
    b->len += k.len + len;
    return 0;
}

int bulk_xattr(struct bulk *b, struct inode *in, size_t *names_len, const char *name,
               const void *value, size_t len)
{
    enum acl_kind kind = acl_kind_of(name, strlen(name));
    size_t names = *names_len + strlen(name) + 1;
    int err;

    if (len > FS_XATTR_VALUE_LEN_MAX)
        return -E2BIG;
    if (names > FS_XATTR_LIST_LEN_MAX)
        return -ENOSPC;
    if (kind)
        err = acl_set_locked(&b->op, in, kind, value, len, false);
    else
        err = xattr_put_new(&b->op, in, name, value, len);
    if (err)
        return err;
    *names_len = names;
    b->len += names + len;
    return 0;
}

/* --- Items --- */

static struct bulk_item *item_new(uint64_t parent, const char *path, const char *target)
{
    struct bulk_item *i = calloc(1, sizeof(*i));
    const char *slash;

    if (!i)
        return NULL;
    i->parent = parent;
    i->path = strdup(path);
    i->target = target ? strdup(target) : NULL;
    if (i->path) {
        slash = strrchr(i->path, '/');
        i->name = slash ? slash + 1 : i->path;
        i->key = malloc(8 + strlen(i->name));
    }
    if (i->key && (i->target || !target)) {
        i->key_len = name_key(i->key, parent, i->name);
        return i;
    }
    item_free(i);
    return NULL;
}

/* False: no room. */
bool bulk_lock_add(struct bulk *b, uint64_t ino)
{
    int at = b->lock_count;

    for (int i = 0; i < b->lock_count; i++)
        if (b->locks[i] == ino)
            return true;
    if (!ino)
        return true;
    if (b->lock_count == BULK_LOCK_COUNT_MAX)
        return false;
    while (at > 0 && b->locks[at - 1] > ino)
        at--;
    memmove(b->locks + at + 1, b->locks + at, (size_t)(b->lock_count - at) * sizeof(*b->locks));
    b->locks[at] = ino;
    b->lock_count++;
    return true;
}

static int item_hash(struct bulk *b, struct bulk_item *i)
{
    HASH_ADD_KEYPTR(by_name, b->names, i->key, i->key_len, i);
    if (!i->by_name.tbl)
        return -ENOMEM;
    if (i->kind != BULK_NEW)
        return 0;
    HASH_ADD(by_ino, b->numbers, in.ino, sizeof(i->in.ino), i);
    if (i->by_ino.tbl)
        return 0;
    HASH_DELETE(by_name, b->names, i);
    return -ENOMEM;
}

/* An older directory or inode needs a lock; one that an item makes does not. */
static uint64_t older(struct bulk *b, uint64_t ino)
{
    return bulk_find_number(b, ino) ? 0 : ino;
}

/* At most three; a commit has made room for them. */
static void locks_add(struct bulk *b, const struct bulk_item *i)
{
    bool room = bulk_lock_add(b, older(b, i->parent)) &&
                (i->kind == BULK_NEW || bulk_lock_add(b, older(b, i->in.ino))) &&
                bulk_lock_add(b, i->old_ino);

    CHECK(room);
}

int bulk_add(struct bulk *b, enum bulk_kind kind, uint64_t parent, const char *path,
             const struct inode *in, const char *target, uint64_t old_ino, uint64_t data_len)
{
    struct bulk_item *i = item_new(parent, path, target);
    int err;

    if (!i)
        return -ENOMEM;
    i->kind = kind;
    i->in = *in;
    i->in.target = i->target ? slice_str(i->target) : slice_of(NULL, 0);
    i->old_ino = old_ino;
    i->data_len = data_len;
    err = item_hash(b, i);
    if (err) {
        item_free(i);
        return err;
    }
    locks_add(b, i);
    *b->last = i;
    b->last = &i->next;
    b->count++;
    b->len += ITEM_LEN + strlen(path);
    if (b->count >= BULK_ITEM_COUNT_DUE || b->len >= BULK_LEN_DUE ||
        b->lock_count >= BULK_LOCK_COUNT_DUE)
        return bulk_commit(b);
    return 0;
}
