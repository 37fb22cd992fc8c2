/*
 * Operations on the tree that tree_base_new makes: files a and d/b, directories d and e, a symlink
 * l. Each is one call of fs.h, or two where Linux needs two system calls.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <linux/falloc.h>

#include "crash/crash_store.h"
#include "crash/tree.h"

static const struct fs_cred cred = {.uid = 1000, .gid = 1000};

/* The inode of a path; 0: there is none. */
static uint64_t find(struct tree *t, const char *path)
{
    struct fs_attr a;

    return fs_resolve(t->fs, path, &a) < 0 ? 0 : a.ino;
}

/* The directory of a path, and the name in it. */
static uint64_t dir_of(struct tree *t, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char dir[64];

    *ret_name = slash ? slash + 1 : path;
    if (!slash)
        return FS_ROOT_INO;
    memcpy(dir, path, (size_t)(slash - path));
    dir[slash - path] = 0;
    return find(t, dir);
}

/* Answers that a tree may give; anything else is a failure of the test. */
static void done(struct tree *t, int err)
{
    if (err < 0 && tree_may_fail(t, err)) {
        tree_note_failure(t, err);
        return;
    }
    if (err < 0 && err != -ENOENT && err != -EEXIST && err != -ENOTEMPTY && err != -ENOTDIR &&
        err != -EISDIR && err != -EINVAL && err != -EPERM && err != -ENODATA && err != -ESTALE &&
        err != -EACCES)
        fail_msg("%s: %s (%s)", t->scenario, lsm_strerror(err), lsm_detail());
    if (err >= 0)
        tree_note(t);
}

static void make(struct tree *t, const char *path, uint32_t mode)
{
    struct fs_attr a;
    const char *name;
    uint64_t dir = dir_of(t, path, &name);

    done(t, dir ? fs_mknod(t->fs, dir, name, mode, 0, &cred, &a) : -ENOENT);
}

static void link_to(struct tree *t, const char *from, const char *to)
{
    struct fs_attr a;
    const char *name;
    uint64_t ino = find(t, from), dir = dir_of(t, to, &name);

    done(t, ino && dir ? fs_link(t->fs, ino, dir, name, &a) : -ENOENT);
}

static void move(struct tree *t, const char *from, const char *to, unsigned flags)
{
    const char *name, *new_name;
    uint64_t dir = dir_of(t, from, &name), new_dir = dir_of(t, to, &new_name);

    done(t, dir && new_dir ? fs_rename(t->fs, dir, name, new_dir, new_name, flags) : -ENOENT);
}

static void put(struct tree *t, const char *path, uint64_t offset, size_t len)
{
    uint64_t ino = find(t, path);
    uint8_t bytes[16384];

    assert_true(len <= sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)rng_next(&t->rng);
    done(t, ino ? fs_write(t->fs, ino, offset, bytes, len) : -ENOENT);
}

static void resize(struct tree *t, const char *path, uint64_t size)
{
    struct fs_attr a = {.size = size}, after;
    uint64_t ino = find(t, path);

    done(t, ino ? fs_setattr(t->fs, ino, &a, FS_SET_SIZE, &after) : -ENOENT);
}

static void allocate(struct tree *t, const char *path, int mode, uint64_t offset, uint64_t len)
{
    uint64_t ino = find(t, path);

    done(t, ino ? fs_fallocate(t->fs, ino, mode, offset, len) : -ENOENT);
}

static void copy(struct tree *t, const char *from, uint64_t from_offset, const char *to,
                 uint64_t to_offset, uint64_t len)
{
    uint64_t src = find(t, from), dst = find(t, to), copied;

    done(t, src && dst
                ? fs_copy_range(t->fs, src, from_offset, dst, to_offset, len, NULL, NULL, &copied)
                : -ENOENT);
}

static void set_xattr(struct tree *t, const char *path, const char *name, size_t len)
{
    uint64_t ino = find(t, path);
    uint8_t value[4000];

    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)rng_next(&t->rng);
    done(t, ino ? fs_setxattr(t->fs, ino, name, value, len, 0) : -ENOENT);
}

static void set_attr(struct tree *t, const char *path, unsigned which)
{
    struct fs_attr a = {.mode = S_ISUID | 0711, .uid = 7, .gid = 8, .mtime = {1, 2}}, after;
    uint64_t ino = find(t, path);

    done(t, ino ? fs_setattr(t->fs, ino, &a, which, &after) : -ENOENT);
}

static void unlink_path(struct tree *t, const char *path)
{
    const char *name;
    uint64_t dir = dir_of(t, path, &name);

    done(t, dir ? fs_unlink(t->fs, dir, name) : -ENOENT);
}

static void rmdir_path(struct tree *t, const char *path)
{
    const char *name;
    uint64_t dir = dir_of(t, path, &name);

    done(t, dir ? fs_rmdir(t->fs, dir, name) : -ENOENT);
}

/* As the last close of an unlinked file does. */
static void unlink_and_purge(struct tree *t, const char *path)
{
    uint64_t ino = find(t, path);

    unlink_path(t, path);
    tree_begin(t);
    if (ino && fs_is_orphan(t->fs, ino))
        done(t, fs_purge(t->fs, ino));
}

static void make_whiteout(struct tree *t)
{
    done(t, fs_rename_whiteout(t->fs, FS_ROOT_INO, "a", FS_ROOT_INO, "w", 0, &cred));
}

static void make_symlink(struct tree *t)
{
    struct fs_attr a;

    done(t, fs_symlink(t->fs, FS_ROOT_INO, "s", "somewhere/else", &cred, &a));
}

static void append_to_a(struct tree *t)
{
    uint64_t ino = find(t, "a"), at;
    uint8_t bytes[5000];

    memset(bytes, 7, sizeof(bytes));
    done(t, ino ? fs_append(t->fs, ino, bytes, sizeof(bytes), &at) : -ENOENT);
}

static void make_tmpfile(struct tree *t)
{
    struct fs_attr a;

    done(t, fs_tmpfile(t->fs, FS_ROOT_INO, 0600, true, &cred, &a));
}

static void make_tmpfile_with_a_name(struct tree *t)
{
    struct fs_attr a, after;
    int err = fs_tmpfile(t->fs, FS_ROOT_INO, 0600, true, &cred, &a);

    done(t, err);
    if (err < 0)
        return;
    done(t, fs_write(t->fs, a.ino, 0, "contents", 8));
    done(t, fs_link(t->fs, a.ino, FS_ROOT_INO, "t", &after));
}

static void remove_xattr(struct tree *t)
{
    uint64_t ino = find(t, "d/b");

    done(t, ino ? fs_removexattr(t->fs, ino, "user.x") : -ENOENT);
}

/* u::rwx, u:1000:r-x, g::r-x, m::r-x, o::r-x */
static void set_default_acl(struct tree *t)
{
    static const uint8_t acl[] = {2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  5,
                                  0, 0, 4,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                                  5, 0, 255, 255, 255, 255, 32, 0, 5,   0,   255, 255, 255, 255};
    uint64_t ino = find(t, "e");

    done(t,
         ino ? fs_setxattr(t->fs, ino, "system.posix_acl_default", acl, sizeof(acl), 0) : -ENOENT);
}

#define OP(id, call)                                                                               \
    static void op_##id(struct tree *t)                                                            \
    {                                                                                              \
        call;                                                                                      \
    }

OP(create, make(t, "c", S_IFREG | 0644))
OP(create_in_d, make(t, "d/c", S_IFREG | 0644))
OP(create_in_e, make(t, "e/c", S_IFREG | 0644))
OP(mkdir, make(t, "f", S_IFDIR | 0755))
OP(mkdir_in_d, make(t, "d/f", S_IFDIR | 0755))
OP(mkfifo, make(t, "p", S_IFIFO | 0644))
OP(link_a, link_to(t, "a", "d/la"))
OP(link_b, link_to(t, "d/b", "lb"))
OP(unlink_a, unlink_path(t, "a"))
OP(unlink_b, unlink_path(t, "d/b"))
OP(purge_a, unlink_and_purge(t, "a"))
OP(rmdir_e, rmdir_path(t, "e"))
OP(rename, move(t, "a", "c", 0))
OP(rename_over_b, move(t, "a", "d/b", 0))
OP(rename_over_a, move(t, "d/b", "a", 0))
OP(rename_noreplace, move(t, "a", "c", FS_RENAME_NOREPLACE))
OP(exchange, move(t, "a", "d/b", FS_RENAME_EXCHANGE))
OP(exchange_dir, move(t, "a", "e", FS_RENAME_EXCHANGE))
OP(rename_dir, move(t, "e", "d/e", 0))
OP(rename_dir_over, move(t, "d", "e", 0))
OP(overwrite, put(t, "a", 0, 4096))
OP(patch, put(t, "a", 1000, 100))
OP(write_over_end, put(t, "a", 5990, 200))
OP(write_far, put(t, "d/b", 20000, 300))
OP(write_long, put(t, "d/b", 100, 12000))
OP(truncate, resize(t, "a", 0))
OP(shorten, resize(t, "a", 5000))
OP(lengthen, resize(t, "a", 10000))
OP(punch_block, allocate(t, "a", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096))
OP(punch, allocate(t, "a", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 4000))
OP(zero_range, allocate(t, "a", FALLOC_FL_ZERO_RANGE, 4000, 4000))
OP(fallocate, allocate(t, "a", 0, 0, 9000))
OP(set_xattr, set_xattr(t, "a", "user.y", 10))
OP(set_long_xattr, set_xattr(t, "d/b", "user.x", 3000))
OP(chmod, set_attr(t, "a", FS_SET_MODE))
OP(chown, set_attr(t, "d", FS_SET_UID | FS_SET_GID))
OP(utimens, set_attr(t, "a", FS_SET_MTIME))
OP(copy_block, copy(t, "a", 0, "d/b", 0, 4096))
OP(copy_bytes, copy(t, "a", 100, "d/b", 4000, 1000))
OP(copy_within, copy(t, "a", 0, "a", 8192, 4096))

#define ROW(id)                                                                                    \
    {                                                                                              \
#id, op_##id                                                                               \
    }

const struct tree_op tree_ops[] = {
    ROW(create),
    ROW(create_in_d),
    ROW(create_in_e),
    ROW(mkdir),
    ROW(mkdir_in_d),
    ROW(mkfifo),
    ROW(link_a),
    ROW(link_b),
    ROW(unlink_a),
    ROW(unlink_b),
    ROW(purge_a),
    ROW(rmdir_e),
    ROW(rename),
    ROW(rename_over_b),
    ROW(rename_over_a),
    ROW(rename_noreplace),
    ROW(exchange),
    ROW(exchange_dir),
    ROW(rename_dir),
    ROW(rename_dir_over),
    ROW(overwrite),
    ROW(patch),
    ROW(write_over_end),
    ROW(write_far),
    ROW(write_long),
    ROW(truncate),
    ROW(shorten),
    ROW(lengthen),
    ROW(punch_block),
    ROW(punch),
    ROW(zero_range),
    ROW(fallocate),
    ROW(set_xattr),
    ROW(set_long_xattr),
    ROW(chmod),
    ROW(chown),
    ROW(utimens),
    ROW(copy_block),
    ROW(copy_bytes),
    ROW(copy_within),
    {"whiteout", make_whiteout},
    {"symlink", make_symlink},
    {"append", append_to_a},
    {"tmpfile", make_tmpfile},
    {"tmpfile_link", make_tmpfile_with_a_name},
    {"remove_xattr", remove_xattr},
    {"default_acl", set_default_acl},
};

const size_t tree_op_count = sizeof(tree_ops) / sizeof(tree_ops[0]);
