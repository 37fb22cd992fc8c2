/*
 * Requests about names: looking up, making, removing, renaming, forgetting.
 *
 * A name that does not exist is answered as an entry without an inode, which the kernel keeps too.
 * Lookups are not counted. The kernel's FORGET matters only for an inode that has no name left: it
 * is handed to the reaper, which finds out whether the kernel still holds it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/fuse/reaper.h"
#include "fs/fuse/session.h"

static struct fs_cred req_cred(fuse_req_t req)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct fs_cred cred = {.uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask};

    owner_view_cred(&req_mount(req)->view, &cred);
    return cred;
}

/*
 * A file handle of open_by_handle_at or of NFS: "." of whatever has this number. The kernel asks
 * only for what it does not hold, so nobody has an orphan open, and it must not come back: it may
 * be removed at any moment.
 */
static int lookup_handle(struct fs *fs, uint64_t ino, struct fs_attr *ret)
{
    int err = fs_getattr(fs, ino, ret);

    return !err && ret->nlink == 0 ? -ESTALE : err;
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = req_mount(req);
    struct fs_attr attr;
    int err;

    if (strcmp(name, ".") == 0)
        err = lookup_handle(m->fs, parent, &attr);
    else
        err = fs_lookup(m->fs, parent, name, &attr);
    if (err == -ENOENT) {
        struct fuse_entry_param absent = {.ino = 0, .entry_timeout = CACHE_FOR_EVER_S};

        fuse_reply_entry(req, &absent);
        return;
    }
    reply_entry(req, "lookup", parent, err, &attr);
}

static void forget_one(struct mount *m, uint64_t ino)
{
    if (fs_is_orphan(m->fs, ino))
        reaper_add(m->reaper, ino);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookup_count)
{
    (void)lookup_count;
    forget_one(req_mount(req), ino);
    fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        forget_one(req_mount(req), forgets[i].ino);
    fuse_reply_none(req);
}

/* The answer to what makes an entry. */
static void reply_made(fuse_req_t req, const char *op, uint64_t parent, const char *name, int err,
                       const struct fs_attr *attr)
{
    const struct touched t = {.inos = {parent}, .names = {{parent, name}}};

    reply_entry(req, op, parent, change_settle(req_mount(req), err, &t), attr);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct fs_cred cred = req_cred(req);
    struct fs_attr attr;
    int err = fs_mknod(req_mount(req)->fs, parent, name, mode, rdev, &cred, &attr);

    reply_made(req, "mknod", parent, name, err, &attr);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs_cred cred = req_cred(req);
    struct fs_attr attr;
    int err = fs_mknod(req_mount(req)->fs, parent, name, (mode & 07777) | S_IFDIR, 0, &cred, &attr);

    reply_made(req, "mkdir", parent, name, err, &attr);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct fs_cred cred = req_cred(req);
    struct fs_attr attr;
    int err = fs_symlink(req_mount(req)->fs, parent, name, target, &cred, &attr);

    reply_made(req, "symlink", parent, name, err, &attr);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
    const struct touched t = {.inos = {new_parent, ino}, .names = {{new_parent, new_name}}};
    struct fs_attr attr;
    int err = fs_link(req_mount(req)->fs, ino, new_parent, new_name, &attr);

    reply_entry(req, "link", ino, change_settle(req_mount(req), err, &t), &attr);
}

/*
 * What a name stands for that is about to be removed or to change, where the failure of a sync may
 * have to be explained to the kernel (change_settle); else 0. The kernel has the directory locked,
 * so nothing else comes in between.
 */
static uint64_t touched_ino(struct mount *m, uint64_t parent, const char *name)
{
    struct fs_attr attr;

    return m->sync_names && fs_lookup(m->fs, parent, name, &attr) >= 0 ? attr.ino : 0;
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = req_mount(req);
    const struct touched t = {.inos = {parent, touched_ino(m, parent, name)},
                              .names = {{parent, name}}};
    int err = fs_unlink(m->fs, parent, name);

    reply_err(req, "unlink", parent, change_settle(m, err, &t));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = req_mount(req);
    const struct touched t = {.inos = {parent, touched_ino(m, parent, name)},
                              .names = {{parent, name}}};
    int err = fs_rmdir(m->fs, parent, name);

    reply_err(req, "rmdir", parent, change_settle(m, err, &t));
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags)
{
    struct mount *m = req_mount(req);
    const struct touched t = {.inos = {parent, new_parent == parent ? 0 : new_parent,
                                       touched_ino(m, parent, name),
                                       touched_ino(m, new_parent, new_name)},
                              .names = {{parent, name}, {new_parent, new_name}}};
    struct fs_cred cred = req_cred(req);
    int err = -EINVAL;

    /* The flags of renameat2 have the same bits. */
    if (!(flags & ~(unsigned)(FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE)))
        err = fs_rename(m->fs, parent, name, new_parent, new_name, flags);
    else if (!(flags & ~(unsigned)(FS_RENAME_NOREPLACE | RENAME_WHITEOUT)))
        err = fs_rename_whiteout(m->fs, parent, name, new_parent, new_name,
                                 flags & FS_RENAME_NOREPLACE, &cred);
    reply_err(req, "rename", parent, change_settle(m, err, &t));
}
