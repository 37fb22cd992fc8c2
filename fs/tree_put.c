/*
 * Putting a tree. See tree_put.h for what it promises; bulk.h makes the names.
 *
 * The object that is being put is kept in memory, with its attributes and up to HELD_LEN_MAX bytes
 * of contents, until it ends. A longer file is written as it comes, into an inode without a name
 * (bulk_orphan), and is named when it ends: so memory is bounded, a crash leaves no half file, and
 * an object that is dropped has never been there.
 */
#include "fs/tree_put.h"

#include <stdlib.h>

#include "fs/held.h"
#include "fs/tree_fault.h"
#include "fs/tree_walk.h"

enum {
    HELD_LEN_MAX = 1 << 20,         /* bytes of contents */
    HELD_XATTRS_LEN_MAX = 16 << 20, /* bytes of attributes */
};

/* The object that is being put. */
struct current {
    bool open;    /* begun, and not ended */
    bool refused; /* nothing more comes of it */
    char *path;   /* owned, as link */
    char *link;
    struct tree_entry e; /* path and link are the owned ones */
    uint64_t parent, old_ino;
    uint32_t old_type;

    struct buf xattrs; /* prefixed name, prefixed value, ... */
    struct held held;
    uint64_t end;      /* behind the last byte of contents */
    uint64_t data_len; /* bytes of contents */
    uint64_t ino;      /* what contents are written to as they come; 0: they are held */
};

struct tree_put {
    struct fs *fs;
    struct tree_put_options options;
    struct bulk bulk;
    struct tree_walk walk;
    struct current cur;
    struct tree_put_stats stats;
};

/* --- What is told --- */

static void refuse(struct tree_put *t, const char *path, int err, const char *text)
{
    t->stats.refused++;
    t->options.refused(t->options.arg, path, err, text ? text : lsm_strerror(err));
}

static void on_failed(void *arg, const struct bulk_item *i)
{
    struct tree_put *t = arg;
    const char *text = NULL;

    if (i->err == -EEXIST)
        text = "exists, and was kept";
    else if (i->err == -ENOTEMPTY)
        text = "is a directory that is not empty, and was kept";
    else if (i->err == -ENOENT)
        text = "its directory has been removed";
    refuse(t, i->path, i->err, text);
    tree_walk_reset(&t->walk);
}

static void on_made(void *arg, const struct bulk_item *i)
{
    struct tree_put *t = arg;

    tree_put_count(&t->stats, i->in.mode, i->kind == BULK_LINK);
    t->stats.data_len += i->data_len;
    if (t->options.named)
        t->options.named(t->options.arg, i->parent, i->name, i->old_ino);
    if (i->old_ino && i->old_type == S_IFDIR)
        tree_walk_reset(&t->walk);
}

static void on_orphaned(void *arg, uint64_t ino)
{
    struct tree_put *t = arg;

    if (t->options.orphaned)
        t->options.orphaned(t->options.arg, ino);
    else
        fs_purge(t->fs, ino);
}

static void changed(struct tree_put *t, uint64_t ino)
{
    if (t->options.changed)
        t->options.changed(t->options.arg, ino);
}

/* --- Life --- */

int tree_put_new(struct fs *fs, const struct tree_put_options *options, struct tree_put **ret)
{
    struct tree_put *t = calloc(1, sizeof(*t));
    const struct bulk_events events = {on_failed, on_made, on_orphaned, t};
    int err;

    if (!t)
        return -ENOMEM;
    t->fs = fs;
    t->options = *options;
    t->walk.bulk = &t->bulk;
    t->walk.root = options->dir;
    t->walk.implied =
        (struct inode){.mode = S_IFDIR | 0755, .uid = options->uid, .gid = options->gid};
    err = bulk_init(&t->bulk, fs, options->keep_old, &events);
    if (err) {
        free(t);
        return err;
    }
    *ret = t;
    return 0;
}

/* Forget the object; what was written for it as it came goes, too. */
static void current_close(struct tree_put *t)
{
    struct current *c = &t->cur;

    if (c->ino && !c->e.hard_link)
        fs_purge(t->fs, c->ino);
    free(c->path);
    free(c->link);
    c->path = c->link = NULL;
    c->open = c->refused = false;
    c->ino = c->end = c->data_len = 0;
    c->xattrs.len = 0;
    held_clear(&c->held);
    if (c->xattrs.cap > HELD_LEN_MAX)
        buf_free(&c->xattrs);
}

void tree_put_free(struct tree_put *t)
{
    if (!t)
        return;
    current_close(t);
    buf_free(&t->cur.xattrs);
    held_done(&t->cur.held);
    tree_walk_done(&t->walk);
    bulk_done(&t->bulk);
    free(t);
}

const struct tree_put_stats *tree_put_stats(const struct tree_put *t)
{
    return &t->stats;
}

int tree_put_commit(struct tree_put *t)
{
    return bulk_commit(&t->bulk);
}

/* --- Begin --- */

/* Refuse the current object; the caller goes on. */
static int refuse_current(struct tree_put *t, int err, const char *text)
{
    t->cur.refused = true;
    refuse(t, t->cur.path, err, text);
    return 0;
}

/* Failures of a walk that are the path's own fault; others end everything. */
static int refuse_way(struct tree_put *t, int err, size_t len, const char *path)
{
    char text[600];

    if (err != -ENOTDIR && err != -ENOENT)
        return err;
    snprintf(text, sizeof(text), "%.*s %s", (int)(len < 500 ? len : 500), path,
             err == -ENOENT ? "does not exist" : "is no directory");
    return refuse_current(t, err, text);
}

static int current_open(struct current *c, const struct tree_entry *e)
{
    if (c->open)
        return -EINVAL;
    c->e = *e;
    c->e.mode &= S_IFMT | 07777;
    c->path = strdup(e->path);
    c->link = e->link ? strdup(e->link) : NULL;
    if (!c->path || (e->link && !c->link)) {
        free(c->path);
        free(c->link);
        c->path = c->link = NULL;
        return -ENOMEM;
    }
    c->e.path = c->path;
    c->e.link = c->link;
    c->parent = c->old_ino = 0;
    c->old_type = 0;
    c->open = true;
    return 0;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Find the place of the current object, and what is there. */
static int find_place(struct tree_put *t)
{
    struct current *c = &t->cur;
    size_t len;
    int err = tree_walk_parent(&t->walk, c->path, true, &c->parent, &len);

    if (err)
        return refuse_way(t, err, len, c->path);
    /* A name that comes twice: the second finds the first in the store. */
    if (bulk_has_name(&t->bulk, c->parent, last_name(c->path))) {
        err = bulk_commit(&t->bulk);
        if (err)
            return err;
    }
    err = bulk_lookup(&t->bulk, c->parent, last_name(c->path), &c->old_ino, &c->old_type);
    if (err == -ENOENT) {
        c->old_ino = 0;
        return 0;
    }
    if (err)
        return err;
    if (t->options.keep_old && !(c->old_type == S_IFDIR && S_ISDIR(c->e.mode) && !c->e.hard_link))
        return refuse_current(t, -EEXIST, "exists, and was kept");
    return 0;
}

int tree_put_begin(struct tree_put *t, const struct tree_entry *e)
{
    struct current *c = &t->cur;
    const char *fault;
    int err = current_open(c, e), fault_err;

    if (err)
        return err;
    fault = tree_path_fault(c->path, &fault_err);
    if (!fault)
        fault = tree_entry_fault(&c->e, &fault_err);
    if (!fault && !*c->path && (c->e.hard_link || !S_ISDIR(c->e.mode))) {
        fault = "what is no directory cannot replace the directory that all is put into";
        fault_err = -EISDIR;
    }
    if (fault)
        return refuse_current(t, fault_err, fault);
    if (*c->path)
        return find_place(t);
    c->old_ino = t->options.dir;
    c->old_type = S_IFDIR;
    return 0;
}

int tree_put_xattr(struct tree_put *t, const char *name, const void *value, size_t len)
{
    struct current *c = &t->cur;
    int err;

    if (!c->open)
        return -EINVAL;
    if (c->refused || c->e.hard_link)
        return 0;
    if (c->xattrs.len + len > HELD_XATTRS_LEN_MAX) {
        refuse(t, c->path, -E2BIG, "its attributes have more than 16 MiB; one was left out");
        return 0;
    }
    err = buf_put_prefixed(&c->xattrs, slice_of(name, strlen(name) + 1));
    return err ? err : buf_put_prefixed(&c->xattrs, slice_of(value, len));
}

/* --- Contents --- */

/* Write what is held into the inode that has no name yet. */
static int spill(struct tree_put *t)
{
    int err = held_write(&t->cur.held, t->fs, t->cur.ino);

    held_clear(&t->cur.held);
    return err;
}

/* The inode of the other name of a hard link: 0, or -ENOENT, -ENOTDIR, -EPERM for a directory. */
static int find_link(struct tree_put *t, uint64_t *ret, uint32_t *ret_type)
{
    struct current *c = &t->cur;
    uint64_t parent;
    size_t len;
    int err = -EPERM;

    if (*c->link)
        err = tree_walk_parent(&t->walk, c->link, false, &parent, &len);
    if (!err)
        err = bulk_lookup(&t->bulk, parent, last_name(c->link), ret, ret_type);
    if (!err && *ret_type == S_IFDIR)
        err = -EPERM;
    return err;
}

static int refuse_link(struct tree_put *t, int err)
{
    char text[600];

    if (err != -ENOENT && err != -ENOTDIR && err != -EPERM)
        return err;
    snprintf(text, sizeof(text), "a hard link to %.500s, which %s", t->cur.link,
             err == -EPERM ? "is a directory" : "is not there");
    return refuse_current(t, err, text);
}

static int put_link(struct tree_put *t)
{
    struct current *c = &t->cur;
    struct inode in = {.ino = 0};
    uint32_t type;
    int err = find_link(t, &in.ino, &type);

    if (err)
        return refuse_link(t, err);
    in.mode = type;
    c->ino = in.ino;
    if (in.ino == c->old_ino)
        return 0;
    return bulk_add(&t->bulk, BULK_LINK, c->parent, c->path, &in, NULL, c->old_ino, 0);
}

/* Contents of a hard link replace those of the file, which may have been put without any. */
static int open_link(struct tree_put *t)
{
    struct current *c = &t->cur;
    struct fs_attr attr = {.size = 0};
    int err = put_link(t);

    if (!err && !c->refused)
        err = bulk_commit(&t->bulk);
    if (err || c->refused)
        return err;
    err = fs_setattr(t->fs, c->ino, &attr, FS_SET_SIZE, &attr);
    if (err == -EINVAL || err == -ESTALE)
        return refuse_current(t, err, "contents for what is no regular file");
    return err;
}

/* From here on contents are written as they come. */
static int open_stream(struct tree_put *t)
{
    struct current *c = &t->cur;
    int err;

    if (c->e.hard_link)
        return open_link(t);
    err = bulk_orphan(&t->bulk, c->parent, &c->ino);
    if (err == -ENOENT || err == -ESTALE) {
        tree_walk_reset(&t->walk);
        return refuse_current(t, -ENOENT, "its directory has been removed");
    }
    return err;
}

int tree_put_data(struct tree_put *t, uint64_t offset, const void *data, size_t len)
{
    struct current *c = &t->cur;
    int err = 0;

    if (!c->open || offset < c->end || offset > FS_FILE_LEN_MAX || len > FS_FILE_LEN_MAX - offset ||
        len > HELD_LEN_MAX)
        return -EINVAL;
    if (c->refused || !len)
        return 0;
    if (!c->e.hard_link && !S_ISREG(c->e.mode))
        return refuse_current(t, -EINVAL, "contents for what is no regular file");
    if (!c->ino && (c->e.hard_link || c->held.data.len + len > HELD_LEN_MAX)) {
        err = open_stream(t);
        if (err || c->refused)
            return err;
    }
    if (c->held.data.len + len > HELD_LEN_MAX)
        err = spill(t);
    if (!err)
        err = held_add(&c->held, offset, data, len);
    c->end = offset + len;
    c->data_len += len;
    return err;
}

/* --- End --- */

/* An attribute that the file system does not take is told, and left out. Others: the error. */
static int judge_xattr(struct tree_put *t, const char *name, int err)
{
    char why[600];

    if (!err || !tree_xattr_refused(err))
        return err;
    snprintf(why, sizeof(why), "its attribute %.300s was left out: %s", name, lsm_strerror(err));
    refuse(t, t->cur.path, err, why);
    return 0;
}

static int put_xattrs(struct tree_put *t, struct inode *in)
{
    struct current *c = &t->cur;
    struct slice left = buf_slice(&c->xattrs), name, value;
    size_t names_len = 0;

    while (take_prefixed(&left, &name) && take_prefixed(&left, &value)) {
        const char *text = (const char *)name.data;
        int err = bulk_xattr(&t->bulk, in, &names_len, text, value.data, value.len);

        err = judge_xattr(t, text, err);
        if (err)
            return err;
    }
    return 0;
}

/* A record as the entry says. */
static struct inode record(struct tree_put *t)
{
    const struct tree_entry *e = &t->cur.e;
    struct inode in = {
        .mode = e->mode,
        .uid = e->uid,
        .gid = e->gid,
        .atime = e->atime,
        .mtime = e->mtime,
    };

    in.ctime = in.btime = t->bulk.op.now;
    if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
        in.rdev = e->rdev;
    if (S_ISDIR(e->mode))
        in.parent = t->cur.parent;
    if (S_ISLNK(e->mode)) {
        in.mode |= 0777;
        in.size = strlen(e->link);
    }
    return in;
}

static int put_new(struct tree_put *t, uint64_t size)
{
    struct current *c = &t->cur;
    struct inode in = record(t);
    int err = bulk_number(&t->bulk, c->parent, &in.ino);

    if (err == -ENOENT || err == -ESTALE || err == -ENOTDIR) {
        tree_walk_reset(&t->walk);
        return refuse_current(t, err, "its directory has been removed");
    }
    if (S_ISREG(in.mode))
        in.size = size;
    if (!err)
        err = held_blocks(&c->held, &t->bulk, &in);
    if (!err)
        err = put_xattrs(t, &in);
    if (err)
        return err;
    return bulk_add(&t->bulk, BULK_NEW, c->parent, c->path, &in, S_ISLNK(in.mode) ? c->link : NULL,
                    c->old_ino, c->data_len);
}

/* A long file, which has all its contents in the store. */
static int put_stream(struct tree_put *t, uint64_t size)
{
    struct current *c = &t->cur;
    struct fs_attr attr = {.size = size};
    struct inode in = record(t);
    int err = spill(t);

    in.ino = c->ino;
    if (!err)
        err = fs_setattr(t->fs, c->ino, &attr, FS_SET_SIZE, &attr);
    if (!err)
        err = put_xattrs(t, &in);
    if (!err)
        err =
            bulk_add(&t->bulk, BULK_ADOPT, c->parent, c->path, &in, NULL, c->old_ino, c->data_len);
    if (!err)
        c->ino = 0; /* the item's */
    return err;
}

static int put_link_data(struct tree_put *t, uint64_t size)
{
    struct current *c = &t->cur;
    struct fs_attr attr = {.size = size, .atime = c->e.atime, .mtime = c->e.mtime};
    int err = spill(t);

    if (!err)
        err = fs_setattr(t->fs, c->ino, &attr, FS_SET_SIZE, &attr);
    if (!err) {
        attr.atime = c->e.atime;
        attr.mtime = c->e.mtime;
        err = fs_setattr(t->fs, c->ino, &attr, FS_SET_ATIME | FS_SET_MTIME, &attr);
    }
    if (!err)
        t->stats.data_len += c->data_len;
    changed(t, c->ino);
    return err;
}

/* An existing directory gets the attributes. */
static int update_dir(struct tree_put *t)
{
    struct current *c = &t->cur;
    const struct tree_entry *e = &c->e;
    struct slice left = buf_slice(&c->xattrs), name, value;
    struct fs_attr attr = {
        .mode = e->mode, .uid = e->uid, .gid = e->gid, .atime = e->atime, .mtime = e->mtime};
    int err;

    if (t->options.keep_old)
        return 0;
    err = bulk_commit(&t->bulk);
    if (!err)
        err =
            fs_setattr(t->fs, c->old_ino, &attr,
                       FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_ATIME | FS_SET_MTIME, &attr);
    while (!err && take_prefixed(&left, &name) && take_prefixed(&left, &value)) {
        const char *text = (const char *)name.data;

        err = fs_setxattr(t->fs, c->old_ino, text, value.data, value.len, 0);
        err = judge_xattr(t, text, err);
    }
    if (!err)
        t->stats.dirs++;
    changed(t, c->old_ino);
    return err == -ESTALE ? refuse_current(t, -ENOENT, "it has been removed") : err;
}

int tree_put_end(struct tree_put *t, uint64_t size)
{
    struct current *c = &t->cur;
    int err = 0;

    if (!c->open || size < c->end || size > FS_FILE_LEN_MAX)
        return -EINVAL;
    if (c->refused)
        err = 0;
    else if (c->e.hard_link)
        err = c->ino ? put_link_data(t, size) : put_link(t);
    else if (c->ino)
        err = put_stream(t, size);
    else if (S_ISDIR(c->e.mode) && c->old_type == S_IFDIR)
        err = update_dir(t);
    else
        err = put_new(t, size);
    current_close(t);
    return err;
}

int tree_put_drop(struct tree_put *t)
{
    if (!t->cur.open)
        return -EINVAL;
    current_close(t);
    return 0;
}

int tree_put_times(struct tree_put *t, const char *path, const struct timespec *atime,
                   const struct timespec *mtime)
{
    struct fs_attr attr = {.atime = *atime, .mtime = *mtime};
    uint64_t ino = t->options.dir, parent;
    uint32_t type = S_IFDIR;
    size_t len;
    int err = 0;

    if (t->cur.open || !tree_time_ok(atime) || !tree_time_ok(mtime))
        return -EINVAL;
    if (tree_path_fault(path, &err))
        return 0; /* it was refused when it was put */
    err = tree_put_commit(t);
    if (!err && *path) {
        err = tree_walk_parent(&t->walk, path, false, &parent, &len);
        if (!err)
            err = bulk_lookup(&t->bulk, parent, last_name(path), &ino, &type);
    }
    if (!err && type == S_IFDIR)
        err = fs_setattr(t->fs, ino, &attr, FS_SET_ATIME | FS_SET_MTIME, &attr);
    if (!err && type == S_IFDIR)
        changed(t, ino);
    /* What was replaced or removed since then needs no times. */
    return err == -ENOENT || err == -ENOTDIR || err == -ESTALE ? 0 : err;
}
