/*
 * A running mount, as the handlers of the kernel's requests see it.
 *
 * The nodeid of a request is the inode number. No handler keeps state between requests, counts
 * lookups or looks at file handles: whatever a request needs is found in the store.
 *
 * Threads. The handlers run in libfuse's workers, side by side. The fields are set before the loop
 * begins, except those of `init`, which the kernel's first message fills in before any other is
 * sent.
 */
#ifndef FS_FUSE_SESSION_H
#define FS_FUSE_SESSION_H

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>
#include <stdatomic.h>

#include "fs/fs.h"
#include "fs/fuse/mount_options.h"
#include "fs/fuse/watchdog.h"

struct cache_drop;
struct reaper;
struct rings;

struct mount {
    struct fs *fs;
    struct fuse_session *se;
    struct reaper *reaper;
    struct cache_drop *cache_drop; /* with the options dirsync and sync */
    uint32_t block_len;            /* what st_blksize tells programs to read and write at once */
    bool debug;                    /* log every request */
    bool no_export;                /* it is to give out no file handles */
    bool acl;                      /* the kernel is to know ACLs */
    bool selinux;                  /* the kernel itself may ask for labels */
    bool no_io_uring;              /* requests come through /dev/fuse only */
    struct owner_view view;
    bool sync_names, sync_all;                 /* options dirsync, sync: see change_settle */
    char options_text[MOUNT_OPTIONS_TEXT_LEN]; /* what remount.h asks for */

    /* Set by init. */
    atomic_bool no_open;    /* the kernel opens files without asking */
    atomic_bool no_opendir; /* and directories */
    /* Set by init for the answer to it, which then clears init_reply_due; init_reply.c. */
    bool parallel_dirops;
    bool want_setxattr_ext;
    bool want_killpriv;
    atomic_bool init_reply_due;
    uint32_t init_flags2; /* what the kernel offers beyond 32 flags; raw_ops.c */
    struct rings *rings;  /* NULL: /dev/fuse only; ring.h */
    struct watchdog dog;
    /* Set by that answer. */
    atomic_bool setxattr_ext; /* SETXATTR comes with more flags; raw_ops.c */
    atomic_bool killpriv;     /* so do SETATTR and WRITE; raw_killpriv.c */
    atomic_bool over_uring;   /* the kernel was told that there are rings */
};

/* One for all: the store has a single owner, so what the kernel knows never grows old. */
#define CACHE_FOR_EVER_S 1e9

/* The table of handlers; constant. */
extern const struct fuse_lowlevel_ops fuse_ops;

static inline struct mount *req_mount(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/*
 * The errno of an answer: 0 for success, else the one that a program is to see. What is wrong with
 * the store or the daemon (damage, a disk that fails, no more descriptors) is logged, naming the
 * operation and the inode.
 */
int answer_errno(const char *op, uint64_t ino, int err);
/* Answer a request with an error of the file system, 0 for success; logged as above. */
void reply_err(fuse_req_t req, const char *op, uint64_t ino, int err);
/* What a change concerns. With a name it is one of entries of directories, else one of an inode. */
enum {
    TOUCHED_INOS = 4,
    TOUCHED_NAMES = 2
};
struct touched {
    uint64_t inos[TOUCHED_INOS]; /* whose attributes, contents or listing change; 0: none */
    struct {
        uint64_t parent;
        const char *name; /* borrowed; NULL: none */
    } names[TOUCHED_NAMES];
};
/*
 * Between a change that was made (err is its answer) and the reply to it: where the options demand
 * it, wait until it is durable. Returns err, or the failure of the sync; the change stays made
 * then, and the kernel is told to forget what it knows of what was touched. A write to a file needs
 * no such call: with -o sync the kernel sends FSYNC after it.
 */
int change_settle(struct mount *m, int err, const struct touched *t);
/* Answer with an entry, or with the error when err is negative. */
void reply_entry(fuse_req_t req, const char *op, uint64_t ino, int err, const struct fs_attr *attr);
void reply_attr(fuse_req_t req, const char *op, uint64_t ino, int err, const struct fs_attr *attr);
/*
 * Change what `which` (FS_SET_ bits) names of attr->ino, as seen through the view and settled as
 * the options say; 0, and attr gets all attributes, or an error.
 */
int attr_change(struct mount *m, struct fs_attr *attr, unsigned which);
void attr_to_stat(const struct mount *m, const struct fs_attr *attr, struct stat *ret);
void attr_to_entry(const struct mount *m, const struct fs_attr *attr, struct fuse_entry_param *ret);

/* --- The handlers, by file --- */

/* fuse_ops_name.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookup_count);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags);

/* fuse_ops_attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
                struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* fuse_ops_data.c */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t offset,
              struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t len,
                  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino, off_t offset, struct fuse_file_info *fi,
                        fuse_ino_t to_ino, off_t to_offset, struct fuse_file_info *to_fi,
                        size_t len, int flags);

/* fuse_ops_dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset,
                struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset,
                    struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);

/* fuse_ops_xattr.c */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t len,
                 int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t len);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t len);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

#endif
