/*
 * Requests about attributes, symlinks and the file system as a whole.
 */
#include <string.h>

#include "fs/fuse/session.h"

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs_attr attr;
    int err = fs_getattr(req_mount(req)->fs, ino, &attr);

    (void)fi;
    reply_attr(req, "getattr", ino, err, &attr);
}

/* The kernel has the inode locked: nobody else changes its owner or mode meanwhile. */
static int mode_through_view(struct mount *m, struct fs_attr *attr, unsigned which)
{
    struct fs_attr stored;
    int err;

    if (!(which & FS_SET_MODE) || !owner_view_any(&m->view))
        return 0;
    err = fs_getattr(m->fs, attr->ino, &stored);
    if (!err)
        attr->mode = owner_view_mode(&m->view, &stored, attr->mode);
    return err;
}

int attr_change(struct mount *m, struct fs_attr *attr, unsigned which)
{
    uint64_t ino = attr->ino;
    int err = owner_view_set(&m->view, attr, &which);

    if (!err)
        err = mode_through_view(m, attr, which);
    if (!err)
        err = fs_setattr(m->fs, ino, attr, which, attr);
    return change_settle(m, err, &(struct touched){.inos = {ino}});
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
                struct fuse_file_info *fi)
{
    static const struct {
        int theirs;
        unsigned ours;
    } bits[] = {
        {FUSE_SET_ATTR_MODE, FS_SET_MODE},
        {FUSE_SET_ATTR_UID, FS_SET_UID},
        {FUSE_SET_ATTR_GID, FS_SET_GID},
        {FUSE_SET_ATTR_SIZE, FS_SET_SIZE},
        {FUSE_SET_ATTR_ATIME, FS_SET_ATIME},
        {FUSE_SET_ATTR_MTIME, FS_SET_MTIME},
        {FUSE_SET_ATTR_ATIME_NOW, FS_SET_ATIME_NOW},
        {FUSE_SET_ATTR_MTIME_NOW, FS_SET_MTIME_NOW},
        {FUSE_SET_ATTR_CTIME, FS_SET_CTIME},
    };
    struct fs_attr attr = {
        .ino = ino,
        .mode = st->st_mode,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .size = (uint64_t)st->st_size,
        .atime = st->st_atim,
        .mtime = st->st_mtim,
        .ctime = st->st_ctim,
    };
    unsigned which = 0;
    int err;

    (void)fi;
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        if (to_set & bits[i].theirs)
            which |= bits[i].ours;
    err = attr_change(req_mount(req), &attr, which);
    reply_attr(req, "setattr", ino, err, &attr);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[FS_SYMLINK_LEN_MAX + 1];
    int err = fs_readlink(req_mount(req)->fs, ino, target, sizeof(target));

    if (err < 0)
        reply_err(req, "readlink", ino, err);
    else
        fuse_reply_readlink(req, target);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs st;
    int err;

    memset(&st, 0, sizeof(st));
    err = fs_statvfs(req_mount(req)->fs, &st);
    if (err < 0)
        reply_err(req, "statfs", ino, err);
    else
        fuse_reply_statfs(req, &st);
}
