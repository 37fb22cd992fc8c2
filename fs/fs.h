/*
 * The file system on the engine: inodes, names, contents, attributes. Knows nothing of FUSE, so
 * that tools and tests use it without a mount. Key map and record formats: fs/README.md.
 *
 * Numbers. An inode number is `group << 16 | slot`; the root is 1. Numbers are never reused.
 *
 * Errors are negative: an errno, or a private code of the engine (lsm_errno makes it an errno).
 *
 * Atomicity. Each call that changes something is one batch of the engine: it happens whole or not
 * at all, also when the process dies in the middle.
 *
 * Threads. Every function may be called from any thread. Calls that change an inode exclude each
 * other per inode (fs/lock.h); reading takes no lock at all: it sees one moment of the store.
 *
 * Permissions are the caller's business (the kernel's, under a mount); owners of new objects come
 * from struct fs_cred.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "lsm/lsm.h"

enum {
    FS_ROOT_INO = 1,
    FS_NAME_LEN_MAX = 255,
    FS_SYMLINK_LEN_MAX = 4095,
    FS_XATTR_NAME_LEN_MAX = 255,
    FS_XATTR_VALUE_LEN_MAX = 65536,
    FS_XATTR_LIST_LEN_MAX = 65536, /* of all names of a file, each with a NUL */
    FS_BLOCK_LEN_MIN = 4096,
    FS_BLOCK_LEN_MAX = 1 << 20,
    FS_BLOCK_LEN_DEFAULT = 65536,
    FS_LABEL_LEN_MAX = 63,
};
#define FS_FILE_LEN_MAX ((uint64_t)INT64_MAX)

struct fs;

struct fs_mkfs_options {
    uint32_t block_len;                     /* bytes; a power of two; 0 for the default */
    const char *label;                      /* NULL for none */
    uint32_t root_uid, root_gid, root_mode; /* mode 0: 0755 */
};

struct fs_options {
    bool read_only;
    unsigned lock_wait_ms; /* for the store's lock */
    size_t cache_len;      /* bytes of memory for the engine (lsm.h); 0 for the default */
    bool no_acl;           /* ACLs are neither shown nor set nor inherited; chmod keeps them true */
    uint64_t size_max;     /* bytes of the disk that the store may take; 0: no limit */
    bool no_compress;      /* what is written from now on */
    bool clear_set_id;     /* who changes a file's contents takes its set-id bits */
    void (*log)(void *arg, enum lsm_log_level level, const char *text);
    void *log_arg;
};

/* Facts of the file system that never change after mkfs. */
struct fs_super {
    uint32_t block_len;
    uint8_t uuid[16];
    char label[FS_LABEL_LEN_MAX + 1];
    int64_t created_sec;
};

/* Make an empty file system in directory `path`, which must be missing or empty. Durable. */
int fs_mkfs(const char *path, const struct fs_mkfs_options *options);
/*
 * Open. ERR_NO_FILE_SYSTEM when the store of the engine holds none. Unless read-only, orphans
 * left by the last run are purged.
 */
int fs_open(const char *path, const struct fs_options *options, struct fs **ret);
/* Purges forgotten orphans, makes everything durable and frees fs whatever it returns. */
int fs_close(struct fs *fs);
const struct fs_super *fs_super(const struct fs *fs); /* constant; lives as long as fs */
struct lsm_db *fs_db(struct fs *fs);

/*
 * Who makes a new object. A setgid parent overrides gid, unless it is fixed. umask: permissions
 * that it does not get; where the parent has a default ACL, that counts instead.
 */
struct fs_cred {
    uint32_t uid, gid;
    uint32_t umask;
    bool fixed_gid;
    bool no_set_id; /* only a new directory may have set-id bits */
};

/* What is known of an inode. */
struct fs_attr {
    uint64_t ino;
    uint32_t mode;
    uint32_t uid, gid;
    uint32_t nlink;
    uint64_t size;   /* bytes; for a directory what stat shows */
    uint64_t blocks; /* of 512 bytes, as st_blocks */
    uint64_t rdev;
    struct timespec atime, mtime, ctime, btime;
};

/* 1 and *ret, or -ENOENT. "." and ".." are answered. -ENAMETOOLONG, -ENOTDIR. */
int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_attr *ret);
/* -ESTALE when there is no such inode. */
int fs_getattr(struct fs *fs, uint64_t ino, struct fs_attr *ret);

enum {
    FS_SET_MODE = 1 << 0,
    FS_SET_UID = 1 << 1,
    FS_SET_GID = 1 << 2,
    FS_SET_SIZE = 1 << 3,
    FS_SET_ATIME = 1 << 4,
    FS_SET_MTIME = 1 << 5,
    FS_SET_ATIME_NOW = 1 << 6,
    FS_SET_MTIME_NOW = 1 << 7,
    FS_SET_CTIME = 1 << 8,
    /* Of what is no directory: set-user-id, and set-group-id of what its group may execute, go. */
    FS_KILL_SET_ID = 1 << 9,
};
/* Change what `which` names; *ret gets the new attributes. ctime is set to now unless given. */
int fs_setattr(struct fs *fs, uint64_t ino, const struct fs_attr *attr, unsigned which,
               struct fs_attr *ret);
/* Walk an absolute or relative slash-separated path from the root; symlinks are not followed. */
int fs_resolve(struct fs *fs, const char *path, struct fs_attr *ret);

/* --- Names --- */

/* Regular files, FIFOs, sockets, devices and directories, by the type in mode. -EEXIST. */
int fs_mknod(struct fs *fs, uint64_t parent, const char *name, uint32_t mode, uint64_t rdev,
             const struct fs_cred *cred, struct fs_attr *ret);
int fs_symlink(struct fs *fs, uint64_t parent, const char *name, const char *target,
               const struct fs_cred *cred, struct fs_attr *ret);
/* The target's bytes (at most FS_SYMLINK_LEN_MAX) and a NUL into buf. -EINVAL when no symlink. */
int fs_readlink(struct fs *fs, uint64_t ino, char *buf, size_t buf_len);
/*
 * A regular file without a name: an orphan from the beginning, as open(2) with O_TMPFILE makes it.
 * It lives until fs_purge, unless may_link was true and fs_link has given it a name before.
 */
int fs_tmpfile(struct fs *fs, uint64_t parent, uint32_t mode, bool may_link,
               const struct fs_cred *cred, struct fs_attr *ret);
/* -ENOENT for an inode that has lost its last name; -EPERM for a directory. */
int fs_link(struct fs *fs, uint64_t ino, uint64_t new_parent, const char *new_name,
            struct fs_attr *ret);
/*
 * Remove a name. When it was the last one the inode becomes an orphan: it stays readable and
 * writable until fs_purge.
 */
int fs_unlink(struct fs *fs, uint64_t parent, const char *name);
int fs_rmdir(struct fs *fs, uint64_t parent, const char *name); /* -ENOTEMPTY */
enum {
    FS_RENAME_NOREPLACE = 1,
    FS_RENAME_EXCHANGE = 2
}; /* as renameat2 */
int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
              const char *new_name, unsigned flags);
/*
 * As fs_rename with flags 0 or FS_RENAME_NOREPLACE, and by the same batch a whiteout takes the old
 * name: a character device 0:0 without permissions, which tells an overlay that the name is gone.
 */
int fs_rename_whiteout(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
                       const char *new_name, unsigned flags, const struct fs_cred *cred);

struct fs_dirent {
    const char *name; /* NUL-terminated; valid during the callback */
    size_t name_len;
    uint64_t ino;
    uint32_t type;              /* S_IFMT bits */
    uint64_t offset;            /* pass it to go on behind this entry */
    const struct fs_attr *attr; /* NULL unless asked for */
};

/*
 * Entries behind `offset` (0: from the start, "." and ".." first), in the order of their offsets,
 * which stay as they are whatever else is added or removed. `each` answers 0 to go on, 1 when the
 * entry did not fit, or a negative error, which ends it and is returned. When an entry with the
 * same offset as one already given did not fit, *ret_undo tells how many of the last entries the
 * caller must take back (0 otherwise).
 */
int fs_readdir(struct fs *fs, uint64_t ino, uint64_t offset, bool with_attr,
               int (*each)(void *arg, const struct fs_dirent *entry), void *arg,
               unsigned *ret_undo);

/* --- Contents --- */

/* Borrowed pieces of a file's contents, to be given back. */
struct fs_read {
    struct iovec *iov; /* in order; holes point to zeros */
    int iov_count;
    size_t len; /* bytes in all; less than asked at the end of the file */
    struct lsm_value *values;
    size_t value_count;
    void *memory;
};

/* -EISDIR, -EINVAL for what has no contents. After success fs_read_done must be called. */
int fs_read(struct fs *fs, uint64_t ino, uint64_t offset, size_t len, struct fs_read *ret);
void fs_read_done(struct fs_read *r);
/* Write len bytes at offset: all or nothing. -EFBIG, -ENOSPC. At most 16 MiB at a time. */
int fs_write(struct fs *fs, uint64_t ino, uint64_t offset, const void *data, size_t len);
/*
 * As fs_write, with FS_KILL_SET_ID in the same batch. *ret_killed, which is set after errors as
 * well, says whether there was any such bit.
 */
int fs_write_kill_set_id(struct fs *fs, uint64_t ino, uint64_t offset, const void *data, size_t len,
                         bool *ret_killed);
/* As fs_write at the end of the file; *ret_offset gets where that was. */
int fs_append(struct fs *fs, uint64_t ino, const void *data, size_t len, uint64_t *ret_offset);
/*
 * Copy len bytes, or as many as there are before the end of src, from src to dst, which may be one
 * file if the ranges do not overlap (else -EINVAL). Whole blocks
 * are shared rather than copied, where both offsets have the same place within a block and the
 * engine keeps the block as a large value. Not atomic: it is done in batches of at most 16 MiB, and
 * `stop` (may be NULL) is asked between them; true ends it. *ret_len gets what was copied, and 0 is
 * returned, when anything was. src and dst must be regular files: -EISDIR, -EINVAL.
 */
int fs_copy_range(struct fs *fs, uint64_t src, uint64_t src_offset, uint64_t dst,
                  uint64_t dst_offset, uint64_t len, bool (*stop)(void *arg), void *arg,
                  uint64_t *ret_len);
/* mode: FALLOC_FL_ bits of fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE. */
int fs_fallocate(struct fs *fs, uint64_t ino, int mode, uint64_t offset, uint64_t len);
/* SEEK_DATA or SEEK_HOLE; to the block. -ENXIO. */
int fs_lseek(struct fs *fs, uint64_t ino, uint64_t offset, int whence, uint64_t *ret);
/* Make everything durable: fsync of any file is a sync of the log. */
int fs_sync(struct fs *fs);

/* --- Extended attributes --- */

/*
 * Names begin with user. (regular files and directories), trusted. or security., or are
 * system.posix_acl_access and system.posix_acl_default (directories), whose values are as
 * fs/acl.h says; setting the first sets the mode. A file has room for names of 64 KiB, each with a
 * NUL: -ENOSPC beyond.
 */
enum {
    FS_XATTR_CREATE = 1, /* as setxattr(2); ACLs are set whatever was there */
    FS_XATTR_REPLACE = 2,
    FS_XATTR_KILL_SGID = 4, /* an access ACL clears the set-group-id bit */
};
int fs_setxattr(struct fs *fs, uint64_t ino, const char *name, const void *value, size_t len,
                unsigned flags);
/* With buf_len 0 the length only. Returns the length; -ENODATA, -ERANGE. */
ssize_t fs_getxattr(struct fs *fs, uint64_t ino, const char *name, void *buf, size_t buf_len);
/* Whether an attribute is the label of SELinux; and whether no file has or ever had one. */
bool fs_xattr_is_label(const char *name);
bool fs_unlabelled(const struct fs *fs);
ssize_t fs_listxattr(struct fs *fs, uint64_t ino, char *buf, size_t buf_len);
/* -ENODATA when there is none; but an ACL that is not there counts as removed, as in Linux. */
int fs_removexattr(struct fs *fs, uint64_t ino, const char *name);

/* --- Orphans --- */

/* Whether the inode has lost its last name but not yet its contents. Costs nothing when there are
 * none. */
bool fs_is_orphan(struct fs *fs, uint64_t ino);
/* Nobody has the inode open any more: remove its contents. Does nothing unless it is an orphan. */
int fs_purge(struct fs *fs, uint64_t ino);

/* --- Facts --- */

int fs_statvfs(struct fs *fs, struct statvfs *ret);

#endif
