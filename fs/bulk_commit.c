/*
 * The commit of a bulk: all its items in one batch.
 *
 * It locks every older inode that the items touch: directories, inodes that get or lose a name.
 * Which inodes lose one is known for certain only under the locks of the directories; when a name
 * turns out to stand for another inode, all locks are dropped and taken again with that one.
 *
 * Under the locks each inode is read once and changed in memory by one item after the other, as
 * several may touch it. Orphans join the set in memory before the write and leave it when that
 * fails, like those of any operation (op.c).
 */
#include <stdlib.h>

#include "fs/bulk_impl.h"

/* An older inode that is locked. */
struct touched {
    uint64_t ino;
    struct child child;
    bool loaded, dirty, adopted;
    int err; /* of loading it */
};

struct commit {
    struct bulk *b;
    struct inode_lock *held[BULK_LOCK_COUNT_MAX];
    struct touched touched[BULK_LOCK_COUNT_MAX]; /* in the order of b->locks */
    int count;
};

/* NULL when it is not locked. */
static struct touched *touched_find(struct commit *c, uint64_t ino)
{
    for (int i = 0; i < c->count; i++)
        if (c->touched[i].ino == ino)
            return &c->touched[i];
    return NULL;
}

/* The inode as it is, with what earlier items have done to it: 0 or an error. */
static int touched_get(struct commit *c, uint64_t ino, struct touched **ret)
{
    struct touched *t = touched_find(c, ino);

    CHECK(t);
    if (!t->loaded) {
        t->loaded = true;
        t->err = inode_load(c->b->fs, ino, &t->child.in, &t->child.value);
    }
    *ret = t;
    return t->err == -ESTALE ? -ENOENT : t->err;
}

static void touched_done(struct commit *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->touched[i].loaded && !c->touched[i].err)
            child_done(&c->touched[i].child);
}

/* --- The locks --- */

static bool is_locked(const struct bulk *b, uint64_t ino)
{
    for (int i = 0; i < b->lock_count; i++)
        if (b->locks[i] == ino)
            return true;
    return !ino;
}

/*
 * Look at all names again. 1: one stands for an inode that is not locked, which is now on the list;
 * 0: all are as they should be.
 */
static int names_look(struct bulk *b)
{
    int more = 0;

    for (struct bulk_item *i = b->items; i; i = i->next) {
        int err;

        i->old_ino = 0;
        if (i->err || bulk_find_number(b, i->parent))
            continue;
        err = dirent_get(b->fs, i->parent, i->name, &i->old_ino, &i->old_type);
        if (err == -ENOENT)
            i->old_ino = 0;
        else if (err)
            return err;
        if (is_locked(b, i->old_ino))
            continue;
        if (bulk_lock_add(b, i->old_ino))
            more = 1;
        else
            i->err = -EBUSY;
    }
    return more;
}

static int commit_lock(struct commit *c)
{
    struct bulk *b = c->b;

    for (;;) {
        int err = inode_locks_take_sorted(b->fs->locks, b->locks, b->lock_count, c->held);
        int count = b->lock_count;

        if (err)
            return err;
        err = names_look(b);
        if (!err) {
            for (c->count = 0; c->count < count; c->count++)
                c->touched[c->count] = (struct touched){.ino = b->locks[c->count]};
            return 0;
        }
        inode_locks_drop_sorted(b->fs->locks, c->held, count);
        if (err < 0)
            return err;
    }
}

/* --- One item --- */

/* The directory that gets the name: of an item that is made, or an older one. */
static int parent_get(struct commit *c, const struct bulk_item *i, struct inode **ret)
{
    struct bulk_item *made = bulk_find_number(c->b, i->parent);
    struct touched *t;
    int err;

    if (made) {
        *ret = &made->in;
        return made->err ? -ENOENT : 0;
    }
    err = touched_get(c, i->parent, &t);
    if (err)
        return err;
    if (!S_ISDIR(t->child.in.mode))
        return -ENOTDIR;
    *ret = &t->child.in;
    return t->child.in.nlink ? 0 : -ENOENT;
}

/* The inode that gets another name: 0, or why not. */
static int linked_get(struct commit *c, struct bulk_item *i, struct inode **ret)
{
    struct bulk_item *made = bulk_find_number(c->b, i->in.ino);
    struct touched *t;
    int err;

    if (made) {
        *ret = &made->in;
        return made->err ? -ENOENT : S_ISDIR(made->in.mode) ? -EPERM : 0;
    }
    err = touched_get(c, i->in.ino, &t);
    if (err)
        return err;
    if (S_ISDIR(t->child.in.mode))
        return -EPERM;
    if (t->child.in.nlink == INODE_NLINK_MAX)
        return -EMLINK;
    if (i->kind == BULK_LINK && !t->child.in.nlink && !t->adopted)
        return -ENOENT;
    *ret = &t->child.in;
    return 0;
}

/* Whether what has the name may lose it. */
static int old_check(struct commit *c, const struct bulk_item *i, struct touched **ret)
{
    int err;

    *ret = NULL;
    if (!i->old_ino)
        return 0;
    if (c->b->keep_old)
        return -EEXIST;
    err = touched_get(c, i->old_ino, ret);
    if (err)
        return err;
    return S_ISDIR((*ret)->child.in.mode) && (*ret)->child.in.size ? -ENOTEMPTY : 0;
}

static void old_drop(struct commit *c, struct touched *old, int *entries, int *dirs)
{
    struct inode *in = &old->child.in;

    (*entries)--;
    *dirs -= S_ISDIR(in->mode);
    in->nlink = S_ISDIR(in->mode) || !in->nlink ? 0 : in->nlink - 1;
    in->ctime = c->b->op.now;
    old->dirty = true;
}

/* A new directory has the times that it was made with. */
static int parent_count(struct commit *c, uint64_t ino, struct inode *dir, int entries, int dirs)
{
    struct timespec mtime = dir->mtime, ctime = dir->ctime;
    struct touched *t = touched_find(c, ino);
    int err = dir_change(&c->b->op, dir, entries, dirs);

    if (t)
        t->dirty = true;
    else
        dir->mtime = mtime, dir->ctime = ctime;
    return err;
}

/* Give an older inode its name: what BULK_ADOPT says of it, and one more link. */
static void link_count(struct commit *c, const struct bulk_item *i, struct inode *in)
{
    struct touched *t = touched_find(c, in->ino);

    in->nlink++;
    in->ctime = c->b->op.now;
    if (!t)
        return;
    t->dirty = true;
    if (i->kind != BULK_ADOPT)
        return;
    t->adopted = true;
    in->mode = i->in.mode;
    in->uid = i->in.uid;
    in->gid = i->in.gid;
    in->flags = i->in.flags;
    in->atime = i->in.atime;
    in->mtime = i->in.mtime;
}

static int item_apply(struct commit *c, struct bulk_item *i)
{
    int entries = 1, dirs = i->kind == BULK_NEW && S_ISDIR(i->in.mode);
    struct inode *dir, *in = &i->in;
    struct touched *old;
    int err = parent_get(c, i, &dir);

    if (!err && i->kind != BULK_NEW)
        err = linked_get(c, i, &in);
    if (!err && i->kind == BULK_LINK && i->old_ino == in->ino)
        return 0; /* it has that name */
    if (!err)
        err = old_check(c, i, &old);
    if (err)
        return err;
    if (old)
        old_drop(c, old, &entries, &dirs);
    err = parent_count(c, i->parent, dir, entries, dirs);
    if (err)
        return err;
    if (i->kind == BULK_NEW)
        in->nlink = S_ISDIR(in->mode) ? 2 : 1;
    else
        link_count(c, i, in);
    return dirent_put(c->b->fs, c->b->op.batch, i->parent, i->name, in->ino, in->mode);
}

/* Why an item alone was not made, rather than the whole commit. */
static bool is_own_failure(int err)
{
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case ENOTEMPTY:
    case EEXIST:
    case EMLINK:
    case EPERM:
    case EBUSY:
        return true;
    default:
        return false;
    }
}

static int items_apply(struct commit *c)
{
    for (struct bulk_item *i = c->b->items; i; i = i->next) {
        if (!i->err)
            i->err = item_apply(c, i);
        if (i->err && !is_own_failure(i->err))
            return i->err;
    }
    return 0;
}

/* --- The batch --- */

static int put_orphan(struct bulk *b, struct inode *in)
{
    struct key k;
    int err;

    in->nlink = 0;
    key_ino(&k, KEY_ORPHAN, in->ino);
    err = lsm_batch_put(b->op.batch, k.data, k.len, "", 0);
    return err ? err : orphans_add(b->fs->orphans, in->ino, false);
}

static int put_touched(struct bulk *b, struct touched *t)
{
    struct key k;
    int err = 0;

    key_ino(&k, KEY_ORPHAN, t->ino);
    if (!t->child.in.nlink)
        err = put_orphan(b, &t->child.in);
    else if (t->adopted)
        err = lsm_batch_delete(b->op.batch, k.data, k.len);
    return err ? err : inode_put(b->op.batch, &t->child.in);
}

static int put_records(struct commit *c)
{
    struct bulk *b = c->b;
    int err = 0;

    for (struct bulk_item *i = b->items; i && !err; i = i->next) {
        if (i->kind == BULK_NEW && i->err)
            err = put_orphan(b, &i->in);
        if (i->kind == BULK_NEW && !err)
            err = inode_put(b->op.batch, &i->in);
    }
    for (int i = 0; i < c->count && !err; i++)
        if (c->touched[i].dirty)
            err = put_touched(b, &c->touched[i]);
    return err;
}

/* Call `each` with all inodes that are orphans by this commit. */
static void each_orphan(struct commit *c, void (*each)(struct commit *c, uint64_t ino))
{
    for (struct bulk_item *i = c->b->items; i; i = i->next)
        if (i->kind == BULK_NEW && i->err)
            each(c, i->in.ino);
    for (int i = 0; i < c->count; i++)
        if (c->touched[i].dirty && !c->touched[i].child.in.nlink)
            each(c, c->touched[i].ino);
}

static void orphan_take_back(struct commit *c, uint64_t ino)
{
    orphans_remove(c->b->fs->orphans, ino);
}

static void orphan_tell(struct commit *c, uint64_t ino)
{
    c->b->events.orphaned(c->b->events.arg, ino);
}

static void tell(struct commit *c)
{
    const struct bulk_events *e = &c->b->events;

    for (struct bulk_item *i = c->b->items; i; i = i->next) {
        if (!i->err) {
            e->made(e->arg, i);
            continue;
        }
        e->failed(e->arg, i);
        if (i->kind == BULK_ADOPT)
            fs_purge(c->b->fs, i->in.ino);
    }
    each_orphan(c, orphan_tell);
}

static int commit_locked(struct commit *c)
{
    struct bulk *b = c->b;
    int err = items_apply(c);

    if (!err)
        err = put_records(c);
    if (!err)
        err = lsm_write(b->fs->db, b->op.batch, 0);
    if (err)
        each_orphan(c, orphan_take_back);
    for (int i = 0; i < c->count && !err; i++)
        if (c->touched[i].adopted)
            orphans_remove(b->fs->orphans, c->touched[i].ino);
    return err;
}

int bulk_commit(struct bulk *b)
{
    struct commit c = {.b = b};
    int err = 0;

    if (!b->count) {
        bulk_forget(b);
        return 0;
    }
    err = commit_lock(&c);
    if (!err) {
        err = commit_locked(&c);
        touched_done(&c);
        inode_locks_drop_sorted(b->fs->locks, c.held, c.count);
    }
    if (!err)
        tell(&c);
    bulk_forget(b);
    return err;
}

int bulk_orphan(struct bulk *b, uint64_t parent, uint64_t *ret)
{
    struct inode in = {.mode = S_IFREG | 0600};
    int err = bulk_commit(b);

    in.atime = in.mtime = in.ctime = in.btime = b->op.now;
    if (!err)
        err = bulk_number(b, parent, &in.ino);
    if (err)
        return err;
    err = put_orphan(b, &in);
    if (!err)
        err = inode_put(b->op.batch, &in);
    if (!err)
        err = lsm_write(b->fs->db, b->op.batch, 0);
    if (err)
        orphans_remove(b->fs->orphans, in.ino);
    else
        *ret = in.ino;
    lsm_batch_clear(b->op.batch);
    return err;
}
