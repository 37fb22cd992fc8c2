/*
 * Renaming: the two entries, both directories, the inode moved and the one replaced are changed by
 * one batch, so that a crash leaves either all of it or nothing.
 *
 * Both names are looked up, up to four inodes are locked, and both names are looked up again; when
 * one stands for something else by then, all begins anew.
 *
 * A directory must not be moved into its own subtree. That is decided by walking from the new
 * parent up to the root, reading without locks. The walk holds because the parents of directories
 * change only here, and two directories never move to other parents at once: rename_mu is held,
 * from before the inode locks.
 */
#include <inttypes.h>

#include "fs/op.h"

/* Deeper than any tree that paths can reach; ends the walk in a damaged one. */
enum {
    DEPTH_MAX = 1 << 20
};

struct rename {
    struct op op;
    struct fs *fs;
    uint64_t parent, new_parent;
    const char *name, *new_name;
    bool exchange;
    const struct fs_cred *whiteout; /* who leaves one under the old name; NULL for none */
    bool moves_dir;                 /* a directory gets another parent: rename_mu is held */
    uint64_t src_ino, dst_ino;      /* dst_ino 0: the new name is free */
    uint32_t src_type, dst_type;
    struct child src, dst;
    struct inode dirs[2]; /* the old and the new parent; only the first when they are one */
    struct inode *from, *to;
};

static int names_get(struct fs *fs, const struct rename *r, struct rename *ret)
{
    int err = dirent_get(fs, r->parent, r->name, &ret->src_ino, &ret->src_type);

    if (err)
        return err;
    err = dirent_get(fs, r->new_parent, r->new_name, &ret->dst_ino, &ret->dst_type);
    if (err == -ENOENT) {
        ret->dst_ino = 0;
        ret->dst_type = 0;
        err = 0;
    }
    return err;
}

static NO_TSA int rename_end(struct rename *r, int err)
{
    err = op_end(&r->op, err);
    if (r->moves_dir)
        mutex_unlock(&r->fs->rename_mu);
    return err;
}

/* Look up both names and lock all concerned. */
static NO_TSA int rename_begin(struct rename *r)
{
    for (;;) {
        struct rename again;
        int err = names_get(r->fs, r, r);

        if (err)
            return err;
        r->moves_dir = r->parent != r->new_parent &&
                       (r->src_type == S_IFDIR || (r->exchange && r->dst_type == S_IFDIR));
        if (r->moves_dir)
            mutex_lock(&r->fs->rename_mu);
        err = op_begin(&r->op, r->fs,
                       (uint64_t[]){r->parent, r->new_parent, r->src_ino, r->dst_ino}, 4);
        if (err) {
            if (r->moves_dir)
                mutex_unlock(&r->fs->rename_mu);
            return err;
        }
        err = names_get(r->fs, r, &again);
        if (!err && again.src_ino == r->src_ino && again.dst_ino == r->dst_ino)
            return 0;
        rename_end(r, err ? err : -EAGAIN);
        if (err)
            return err;
    }
}

/* 1 when the directory `ino` is `top` or lies below it, else 0. rename_mu is held. */
static int dir_is_below(struct fs *fs, uint64_t ino, uint64_t top)
{
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        struct inode in;
        int err;

        if (ino == top)
            return 1;
        if (ino == FS_ROOT_INO)
            return 0;
        err = inode_get(fs, ino, &in);
        if (err == -ESTALE)
            return fs_report(fs, err_raise(ERR_INODE_MISSING,
                                           "the parent directory %" PRIu64 " does not exist", ino));
        if (err)
            return err;
        if (!S_ISDIR(in.mode))
            return fs_report(fs, err_raise(ERR_INODE_RECORD,
                                           "inode %" PRIu64 ": a parent, but no directory", ino));
        ino = in.parent;
    }
    return fs_report(fs,
                     err_raise(ERR_INODE_RECORD,
                               "inode %" PRIu64 ": the parents of the directory form a loop", ino));
}

/* Neither directory may come to lie in itself. */
static int check_loops(struct rename *r)
{
    int err;

    if (!r->moves_dir)
        return 0;
    if (r->src_type == S_IFDIR) {
        err = dir_is_below(r->fs, r->new_parent, r->src_ino);
        if (err)
            return err < 0 ? err : -EINVAL;
    }
    if (r->exchange && r->dst_type == S_IFDIR) {
        err = dir_is_below(r->fs, r->parent, r->dst_ino);
        if (err)
            return err < 0 ? err : -EINVAL;
    }
    return 0;
}

static int parents_get(struct rename *r)
{
    int err = dir_get(r->fs, r->parent, &r->dirs[0]);

    r->from = r->to = &r->dirs[0];
    if (!err && r->new_parent != r->parent) {
        r->to = &r->dirs[1];
        err = dir_get(r->fs, r->new_parent, r->to);
    }
    return err;
}

/* Whether the type of what is moved fits that of what it replaces. */
static int check_replaced(const struct rename *r)
{
    if (!r->dst_ino || r->exchange)
        return 0;
    if (S_ISDIR(r->dst.in.mode)) {
        if (!S_ISDIR(r->src.in.mode))
            return -EISDIR;
        return r->dst.in.size ? -ENOTEMPTY : 0;
    }
    return S_ISDIR(r->src.in.mode) ? -ENOTDIR : 0;
}

static int write_parents(struct rename *r)
{
    int err = inode_put(r->op.batch, r->from);

    if (!err && r->to != r->from)
        err = inode_put(r->op.batch, r->to);
    return err;
}

/* The moved inode's own record: its parent when it is a directory, and its ctime. */
static int write_moved(struct rename *r, struct inode *in, uint64_t parent)
{
    if (S_ISDIR(in->mode))
        in->parent = parent;
    in->ctime = r->op.now;
    return inode_put(r->op.batch, in);
}

/* What takes the old name; the old parent counts it already. */
static int whiteout_put(struct rename *r)
{
    struct inode in = {.mode = S_IFCHR, .nlink = 1};
    int err = inode_begin(&r->op, r->from, r->whiteout, &in);

    if (!err)
        err = inode_put(r->op.batch, &in);
    if (!err)
        err = dirent_put(r->fs, r->op.batch, r->parent, r->name, in.ino, in.mode);
    return err;
}

static int move_locked(struct rename *r)
{
    struct lsm_batch *b = r->op.batch;
    int is_dir = S_ISDIR(r->src.in.mode);
    int err = 0;

    if (r->dst_ino) {
        err = dir_change(&r->op, r->to, -1, is_dir ? -1 : 0);
        if (!err)
            err = child_drop_name(&r->op, &r->dst.in);
    }
    if (!err)
        err = dir_change(&r->op, r->from, r->whiteout ? 0 : -1, -is_dir);
    if (!err)
        err = dir_change(&r->op, r->to, 1, is_dir);
    if (!err)
        err = r->whiteout ? whiteout_put(r) : dirent_delete(r->fs, b, r->parent, r->name);
    if (!err)
        err = dirent_put(r->fs, b, r->new_parent, r->new_name, r->src_ino, r->src.in.mode);
    if (!err)
        err = write_moved(r, &r->src.in, r->new_parent);
    return err ? err : write_parents(r);
}

static int exchange_locked(struct rename *r)
{
    struct lsm_batch *b = r->op.batch;
    int dirs = S_ISDIR(r->src.in.mode) - S_ISDIR(r->dst.in.mode);
    int err = dir_change(&r->op, r->from, 0, -dirs);

    if (!err)
        err = dir_change(&r->op, r->to, 0, dirs);
    if (!err)
        err = dirent_put(r->fs, b, r->parent, r->name, r->dst_ino, r->dst.in.mode);
    if (!err)
        err = dirent_put(r->fs, b, r->new_parent, r->new_name, r->src_ino, r->src.in.mode);
    if (!err)
        err = write_moved(r, &r->src.in, r->new_parent);
    if (!err)
        err = write_moved(r, &r->dst.in, r->parent);
    return err ? err : write_parents(r);
}

static int rename_locked(struct rename *r)
{
    int err = parents_get(r);

    if (!err)
        err = check_loops(r);
    if (!err)
        err = child_load(r->fs, r->parent, r->name, r->src_ino, r->src_type, &r->src);
    if (!err && r->dst_ino)
        err = child_load(r->fs, r->new_parent, r->new_name, r->dst_ino, r->dst_type, &r->dst);
    if (!err)
        err = check_replaced(r);
    if (err)
        return err;
    return r->exchange ? exchange_locked(r) : move_locked(r);
}

static int rename_check(struct fs *fs, const struct rename *r, unsigned flags)
{
    int err;

    if (fs->read_only)
        return -EROFS;
    if (flags & ~(unsigned)(FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE) ||
        flags == (FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE))
        return -EINVAL;
    err = name_check(r->name);
    if (!err)
        err = name_check(r->new_name);
    if (!err && (name_is_dots(r->name) || name_is_dots(r->new_name)))
        err = flags & FS_RENAME_NOREPLACE ? -EEXIST : -EBUSY; /* as rename(2) */
    return err;
}

/* When the first name is missing: because its parent is no directory? */
static int missing_name(struct fs *fs, uint64_t parent)
{
    struct inode dir;
    int err = dir_get(fs, parent, &dir);

    return err ? err : -ENOENT;
}

static int rename_run(struct rename *r, unsigned flags)
{
    int err = rename_check(r->fs, r, flags);

    if (err)
        return err;
    err = rename_begin(r);
    if (err)
        return err == -ENOENT ? missing_name(r->fs, r->parent) : err;
    if (r->exchange && !r->dst_ino)
        err = -ENOENT;
    else if (r->dst_ino && flags & FS_RENAME_NOREPLACE)
        err = -EEXIST;
    else if (r->src_ino != r->dst_ino) /* two names of one inode: both stay, says POSIX */
        err = rename_locked(r);
    err = rename_end(r, err);
    child_done(&r->src);
    child_done(&r->dst);
    return err;
}

int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
              const char *new_name, unsigned flags)
{
    struct rename r = {
        .fs = fs,
        .parent = parent,
        .new_parent = new_parent,
        .name = name,
        .new_name = new_name,
        .exchange = flags & FS_RENAME_EXCHANGE,
    };

    return rename_run(&r, flags);
}

int fs_rename_whiteout(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
                       const char *new_name, unsigned flags, const struct fs_cred *cred)
{
    struct rename r = {
        .fs = fs,
        .parent = parent,
        .new_parent = new_parent,
        .name = name,
        .new_name = new_name,
        .whiteout = cred,
    };

    return flags & FS_RENAME_EXCHANGE ? -EINVAL : rename_run(&r, flags);
}
