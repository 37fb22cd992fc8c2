/*
 * The table of handlers, what is agreed with the kernel at the start, and the forms of an answer.
 *
 * One daemon owns the store, so every entry, absence and attribute may be cached for ever, page
 * cache and listings are kept, and files and directories are opened without asking: OPEN and
 * OPENDIR are answered ENOSYS once. CREATE has no handler, so that the kernel sends MKNOD and then
 * opens by itself; FLUSH and RELEASE have none either. Locks of files are the kernel's own.
 *
 * Asynchronous direct I/O is not asked for: the kernel drops cached pages before such a write, but
 * not when it completes, so that what somebody has read in between would stay in the cache for
 * ever.
 *
 * The writeback cache is off: a write is acknowledged when the store has it. O_TRUNC arrives as a
 * change of the size. Set-id bits are cleared as the kernel asks (raw_killpriv.c). With ACLs the
 * kernel checks them, too, and leaves the umask to us, because where a directory has a default list
 * that counts instead.
 */
#include <errno.h>
#include <string.h>

#include "fs/fuse/cache_drop.h"
#include "fs/fuse/mount_log.h"
#include "fs/fuse/raw_ops.h"
#include "fs/fuse/ring.h"
#include "fs/fuse/ring_wire.h"
#include "fs/fuse/session.h"
#include "fs/fuse/workers.h"

enum {
    TRANSFER_LEN_MAX = 1 << 20, /* bytes in one read or write */
    BLKSIZE_MAX = 128 << 10,    /* programs allocate buffers of st_blksize */
    PROTO_MINOR_KILLPRIV_V2 = 33,
    PROTO_MINOR_SETXATTR_EXT = 34,
};

static void start_rings(struct mount *m)
{
    int err = rings_new(m->se, &m->dog, TRANSFER_LEN_MAX, raw_ops_serve, m, &m->rings);

    if (err)
        mount_log(LSM_LOG_INFO, "requests come through /dev/fuse: no io_uring: %s", strerror(-err));
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct mount *m = userdata;
    unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
                      FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_NO_OPEN_SUPPORT |
                      FUSE_CAP_NO_OPENDIR_SUPPORT;

    if (!m->no_export)
        wanted |= FUSE_CAP_EXPORT_SUPPORT;
    if (m->acl)
        wanted |= FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK;
    conn->want = conn->capable & wanted;
    conn->max_write = TRANSFER_LEN_MAX;
    conn->max_readahead = TRANSFER_LEN_MAX;
    conn->time_gran = 1;
    atomic_store(&m->no_open, (conn->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0);
    atomic_store(&m->no_opendir, (conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0);
    m->parallel_dirops = (conn->capable & FUSE_CAP_PARALLEL_DIROPS) != 0;
    m->want_setxattr_ext = m->acl && conn->proto_minor >= PROTO_MINOR_SETXATTR_EXT;
    m->want_killpriv = conn->proto_minor >= PROTO_MINOR_KILLPRIV_V2;
    if (m->init_flags2 & WIRE_INIT2_OVER_URING && !m->no_io_uring)
        start_rings(m);
    atomic_store(&m->init_reply_due, true);
}

const struct fuse_lowlevel_ops fuse_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .fsyncdir = op_fsyncdir,
    .statfs = op_statfs,
    .setxattr = op_setxattr,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .removexattr = op_removexattr,
    .fallocate = op_fallocate,
    .lseek = op_lseek,
    .copy_file_range = op_copy_file_range,
};

void attr_to_stat(const struct mount *m, const struct fs_attr *attr, struct stat *ret)
{
    *ret = (struct stat){
        .st_ino = attr->ino,
        .st_mode = attr->mode,
        .st_nlink = attr->nlink,
        .st_uid = attr->uid,
        .st_gid = attr->gid,
        .st_rdev = attr->rdev,
        .st_size = (off_t)attr->size,
        .st_blocks = (blkcnt_t)attr->blocks,
        .st_blksize = m->block_len < BLKSIZE_MAX ? m->block_len : BLKSIZE_MAX,
        .st_atim = attr->atime,
        .st_mtim = attr->mtime,
        .st_ctim = attr->ctime,
    };
    owner_view_show(&m->view, ret);
}

void attr_to_entry(const struct mount *m, const struct fs_attr *attr, struct fuse_entry_param *ret)
{
    /* Numbers are never reused, so that one generation is enough. */
    *ret = (struct fuse_entry_param){
        .ino = attr->ino,
        .generation = 1,
        .attr_timeout = CACHE_FOR_EVER_S,
        .entry_timeout = CACHE_FOR_EVER_S,
    };
    attr_to_stat(m, attr, &ret->attr);
}

int answer_errno(const char *op, uint64_t ino, int err)
{
    int errnum = lsm_errno(err);

    if (errnum != EIO && errnum != EMFILE && errnum != ENFILE)
        return errnum;
    mount_log_damage(op, ino, err);
    return EIO; /* whose limit it is, is no business of the program's */
}

void reply_err(fuse_req_t req, const char *op, uint64_t ino, int err)
{
    fuse_reply_err(req, answer_errno(op, ino, err));
}

static void kernel_forgets(struct mount *m, const struct touched *t)
{
    for (unsigned i = 0; i < TOUCHED_NAMES; i++)
        if (t->names[i].name)
            cache_drop_name(m->cache_drop, t->names[i].parent, t->names[i].name);
    for (unsigned i = 0; i < TOUCHED_INOS; i++)
        if (t->inos[i])
            cache_drop_inode(m->cache_drop, t->inos[i]);
}

int change_settle(struct mount *m, int err, const struct touched *t)
{
    int sync_err;

    if (err < 0 || !(t->names[0].name ? m->sync_names : m->sync_all))
        return err;
    workers_may_wait();
    sync_err = fs_sync(m->fs);
    if (!sync_err)
        return err;
    kernel_forgets(m, t);
    return sync_err;
}

void reply_entry(fuse_req_t req, const char *op, uint64_t ino, int err, const struct fs_attr *attr)
{
    struct fuse_entry_param e;

    if (err < 0) {
        reply_err(req, op, ino, err);
        return;
    }
    attr_to_entry(req_mount(req), attr, &e);
    fuse_reply_entry(req, &e);
}

void reply_attr(fuse_req_t req, const char *op, uint64_t ino, int err, const struct fs_attr *attr)
{
    struct stat st;

    if (err < 0) {
        reply_err(req, op, ino, err);
        return;
    }
    attr_to_stat(req_mount(req), attr, &st);
    fuse_reply_attr(req, &st, CACHE_FOR_EVER_S);
}
