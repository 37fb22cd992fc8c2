/*
 * fsbench_memory_fs MOUNTPOINT: a file system in memory that does what the messages ask and nothing
 * else, for what a daemon behind FUSE can cost at least. It agrees with the kernel on the same
 * messages as FluxFS does: nothing is opened or closed, everything is cached for ever, file
 * capabilities are asked for once. One thread serves them, and sleeps when there are none.
 *
 * It is no file system to keep anything in: no permissions, no symlinks, no hard links, listings
 * without "." and "..", and numbers are never used again.
 */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#define FOR_EVER_S 1e9

enum {
    TRANSFER_LEN_MAX = 1 << 20
};

struct node {
    struct stat st;
    unsigned char *data;
    size_t cap;
    struct entry *entries; /* of a directory, by name */
};

struct entry {
    struct node *node;
    UT_hash_handle hh;
    char name[];
};

static struct node **nodes; /* by number; NULL for those that are gone */
static size_t node_count, node_cap;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "fsbench_memory_fs: %s\n", what);
    exit(1);
}

static void *need(void *memory)
{
    if (!memory)
        fail("no memory");
    return memory;
}

static struct timespec now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts;
}

static struct node *node_new(mode_t mode, const struct fuse_ctx *by)
{
    struct node *n = need(calloc(1, sizeof(*n)));

    if (node_count == node_cap) {
        node_cap = node_cap ? 2 * node_cap : 1024;
        nodes = need(realloc(nodes, node_cap * sizeof(*nodes)));
    }
    n->st.st_ino = node_count;
    n->st.st_mode = mode;
    n->st.st_nlink = S_ISDIR(mode) ? 2 : 1;
    n->st.st_blksize = 65536;
    if (by) {
        n->st.st_uid = by->uid;
        n->st.st_gid = by->gid;
    }
    n->st.st_atim = n->st.st_mtim = n->st.st_ctim = now();
    nodes[node_count++] = n;
    return n;
}

/* NULL, and the request answered, when there is none. */
static struct node *node_get(fuse_req_t req, fuse_ino_t ino)
{
    struct node *n = ino < node_count ? nodes[ino] : NULL;

    if (!n)
        fuse_reply_err(req, ESTALE);
    return n;
}

static struct entry *entry_find(const struct node *dir, const char *name)
{
    struct entry *e;

    HASH_FIND_STR(dir->entries, name, e);
    return e;
}

static void entry_add(struct node *dir, const char *name, struct node *n)
{
    size_t len = strlen(name);
    struct entry *e = need(malloc(sizeof(*e) + len + 1));

    memcpy(e->name, name, len + 1);
    e->node = n;
    HASH_ADD_KEYPTR(hh, dir->entries, e->name, len, e);
    dir->st.st_mtim = dir->st.st_ctim = now();
}

static void entry_remove(struct node *dir, struct entry *e)
{
    HASH_DEL(dir->entries, e);
    free(e);
    dir->st.st_mtim = dir->st.st_ctim = now();
}

static void reply_node(fuse_req_t req, const struct node *n)
{
    struct fuse_entry_param p = {.attr_timeout = FOR_EVER_S, .entry_timeout = FOR_EVER_S};

    if (n) {
        p.ino = n->st.st_ino;
        p.generation = 1;
        p.attr = n->st;
    }
    fuse_reply_entry(req, &p);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct node *dir = node_get(req, parent);
    struct entry *e = dir ? entry_find(dir, name) : NULL;

    if (dir)
        reply_node(req, e ? e->node : NULL);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct node *n = node_get(req, ino);

    (void)fi;
    if (n)
        fuse_reply_attr(req, &n->st, FOR_EVER_S);
}

static void resize(struct node *n, size_t len)
{
    if (len > n->cap) {
        n->data = need(realloc(n->data, len));
        n->cap = len;
    }
    if (len > (size_t)n->st.st_size)
        memset(n->data + n->st.st_size, 0, len - (size_t)n->st.st_size);
    n->st.st_size = (off_t)len;
    n->st.st_blocks = (blkcnt_t)((len + 511) / 512);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
                       struct fuse_file_info *fi)
{
    struct node *n = node_get(req, ino);

    (void)fi;
    if (!n)
        return;
    n->st.st_ctim = now();
    if (to_set & FUSE_SET_ATTR_MODE)
        n->st.st_mode = (n->st.st_mode & S_IFMT) | (st->st_mode & 07777);
    if (to_set & FUSE_SET_ATTR_UID)
        n->st.st_uid = st->st_uid;
    if (to_set & FUSE_SET_ATTR_GID)
        n->st.st_gid = st->st_gid;
    if (to_set & FUSE_SET_ATTR_SIZE)
        resize(n, (size_t)st->st_size);
    if (to_set & FUSE_SET_ATTR_ATIME)
        n->st.st_atim = st->st_atim;
    if (to_set & FUSE_SET_ATTR_MTIME)
        n->st.st_mtim = st->st_mtim;
    fuse_reply_attr(req, &n->st, FOR_EVER_S);
}

static void make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct node *dir = node_get(req, parent), *n;

    if (!dir)
        return;
    if (entry_find(dir, name)) {
        fuse_reply_err(req, EEXIST);
        return;
    }
    n = node_new(mode & ~fuse_req_ctx(req)->umask, fuse_req_ctx(req));
    entry_add(dir, name, n);
    reply_node(req, n);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
    (void)dev;
    make(req, parent, name, mode);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    make(req, parent, name, mode | S_IFDIR);
}

/* The inode lives on, until the daemon ends: somebody may have it open. */
static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct node *dir = node_get(req, parent);
    struct entry *e = dir ? entry_find(dir, name) : NULL;
    int err = 0;

    if (!dir)
        return;
    if (!e)
        err = ENOENT;
    else if (e->node->entries)
        err = ENOTEMPTY;
    else
        entry_remove(dir, e);
    fuse_reply_err(req, err);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned flags)
{
    struct node *from = node_get(req, parent), *to = from ? node_get(req, new_parent) : NULL, *n;
    struct entry *e, *old;

    if (!to)
        return;
    e = entry_find(from, name);
    old = entry_find(to, new_name);
    if (!e || flags) {
        fuse_reply_err(req, e ? EINVAL : ENOENT);
        return;
    }
    n = e->node;
    if (old)
        entry_remove(to, old);
    entry_remove(from, e);
    entry_add(to, new_name, n);
    n->st.st_ctim = now();
    fuse_reply_err(req, 0);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    (void)ino;
    (void)count;
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    (void)count;
    (void)forgets;
    fuse_reply_none(req);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    fuse_reply_err(req, ENOSYS);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset,
                    struct fuse_file_info *fi)
{
    struct node *n = node_get(req, ino);
    size_t left;

    (void)fi;
    if (!n)
        return;
    left = offset < n->st.st_size ? (size_t)(n->st.st_size - offset) : 0;
    fuse_reply_buf(req, (const char *)n->data + (left ? offset : 0), len < left ? len : left);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t offset,
                     struct fuse_file_info *fi)
{
    struct node *n = node_get(req, ino);

    (void)fi;
    if (!n)
        return;
    if ((size_t)offset + len > (size_t)n->st.st_size)
        resize(n, (size_t)offset + len);
    memcpy(n->data + offset, data, len);
    n->st.st_mtim = n->st.st_ctim = now();
    fuse_reply_write(req, len);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)ino;
    (void)data_only;
    (void)fi;
    fuse_reply_err(req, 0);
}

/* The offset is the place in the table, which stands still while somebody only lists. */
static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset,
                       struct fuse_file_info *fi)
{
    struct node *dir = node_get(req, ino);
    char *buf;
    size_t used = 0;
    off_t at = 0;

    (void)fi;
    if (!dir)
        return;
    buf = need(malloc(len));
    for (struct entry *e = dir->entries; e; e = e->hh.next) {
        size_t n;

        if (at++ < offset)
            continue;
        n = fuse_add_direntry(req, buf + used, len - used, e->name, &e->node->st, at);
        if (n > len - used)
            break;
        used += n;
    }
    fuse_reply_buf(req, buf, used);
    free(buf);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t len)
{
    (void)ino;
    (void)name;
    (void)len;
    fuse_reply_err(req, ENODATA);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->want =
        conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
                         FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
                         FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT);
    conn->max_write = TRANSFER_LEN_MAX;
    conn->max_readahead = TRANSFER_LEN_MAX;
    conn->time_gran = 1;
}

static const struct fuse_lowlevel_ops ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = remove_name,
    .rmdir = remove_name,
    .rename = op_rename,
    .open = op_open,
    .opendir = op_open,
    .read = op_read,
    .write = op_write,
    .fsync = op_fsync,
    .fsyncdir = op_fsync,
    .readdir = op_readdir,
    .getxattr = op_getxattr,
};

/* libfuse cannot ask that capabilities be asked for once a file: the answer to INIT is changed. */
static ssize_t message_write(int fd, struct iovec *iov, int count, void *userdata)
{
    static int is_begun;
    struct fuse_init_out *out = count == 2 ? iov[1].iov_base : NULL;

    (void)userdata;
    if (!is_begun && out && iov[1].iov_len == sizeof(*out))
        out->flags |= FUSE_HANDLE_KILLPRIV_V2 | FUSE_PARALLEL_DIROPS;
    is_begun = 1;
    return writev(fd, iov, count);
}

static ssize_t message_read(int fd, void *buf, size_t len, void *userdata)
{
    (void)userdata;
    return read(fd, buf, len);
}

int main(int argc, char **argv)
{
    static const struct fuse_custom_io io = {.writev = message_write, .read = message_read};
    char program[] = "fsbench_memory_fs", option[] = "-o",
         options[] = "allow_other,default_permissions,fsname=memory";
    char *words[] = {program, option, options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, words);
    struct fuse_session *se;
    int err;

    if (argc != 2) {
        fprintf(stderr, "Usage: fsbench_memory_fs MOUNTPOINT\n");
        return 2;
    }
    node_new(0, NULL); /* no file has the number 0, and the root has 1 */
    node_new(S_IFDIR | 0755, NULL);
    se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
    if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[1]))
        fail("it cannot be mounted");
    fuse_session_custom_io(se, &io, fuse_session_fd(se));
    err = fuse_session_loop(se);
    fuse_remove_signal_handlers(se);
    fuse_session_unmount(se);
    fuse_session_destroy(se);
    fuse_opt_free_args(&args);
    return err != 0;
}
