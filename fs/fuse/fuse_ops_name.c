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

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct fs_cred cred = req_cred(req);
    struct fs_attr attr;
    int err = fs_mknod(req_mount(req)->fs, parent, name, mode, rdev, &cred, &attr);

    reply_entry(req, "mknod", parent, change_settle(req_mount(req), CHANGE_NAME, err), &attr);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs_cred cred = req_cred(req);
    struct fs_attr attr;
    int err = fs_mknod(req_mount(req)->fs, parent, name, (mode & 07777) | S_IFDIR, 0, &cred, &attr);

    reply_entry(req, "mkdir", parent, change_settle(req_mount(req), CHANGE_NAME, err), &attr);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    struct fs_cred cred = req_cred(req);
    struct fs_attr attr;
    int err = fs_symlink(req_mount(req)->fs, parent, name, target, &cred, &attr);

    reply_entry(req, "symlink", parent, change_settle(req_mount(req), CHANGE_NAME, err), &attr);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
    struct fs_attr attr;
    int err = fs_link(req_mount(req)->fs, ino, new_parent, new_name, &attr);

    reply_entry(req, "link", ino, change_settle(req_mount(req), CHANGE_NAME, err), &attr);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    int err = fs_unlink(req_mount(req)->fs, parent, name);

    reply_err(req, "unlink", parent, change_settle(req_mount(req), CHANGE_NAME, err));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    int err = fs_rmdir(req_mount(req)->fs, parent, name);

    reply_err(req, "rmdir", parent, change_settle(req_mount(req), CHANGE_NAME, err));
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags)
{
    struct fs *fs = req_mount(req)->fs;
    struct fs_cred cred = req_cred(req);
    int err = -EINVAL;

    /* The flags of renameat2 have the same bits. */
    if (!(flags & ~(unsigned)(FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE)))
        err = fs_rename(fs, parent, name, new_parent, new_name, flags);
    else if (!(flags & ~(unsigned)(FS_RENAME_NOREPLACE | RENAME_WHITEOUT)))
        err = fs_rename_whiteout(fs, parent, name, new_parent, new_name,
                                 flags & FS_RENAME_NOREPLACE, &cred);
    reply_err(req, "rename", parent, change_settle(req_mount(req), CHANGE_NAME, err));
}
