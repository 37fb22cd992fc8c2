/*
 * The steps. Each walks to what it works on by name, because inode numbers depend on what has
 * failed before.
 */
#include "fault/fs_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fault/fs_text.h"
#include "lsm/base/check.h"

enum {
    BLOCK = 16384,
};

static const struct fs_cred cred = {.uid = 1000, .gid = 1000, .umask = 022};

static int find(struct fs *fs, const char *path, uint64_t *ret)
{
    struct fs_attr attr;
    int err = fs_resolve(fs, path, &attr);

    if (err >= 0)
        *ret = attr.ino;
    return err;
}

/* Bytes that do not compress, and follow from `seed`. */
static void fill(uint8_t *bytes, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static int write_at(struct fs *fs, const char *path, uint64_t offset, size_t len, uint32_t seed)
{
    static uint8_t bytes[4 * BLOCK];
    uint64_t ino;
    int err = find(fs, path, &ino);

    CHECK(len <= sizeof(bytes));
    fill(bytes, len, seed);
    return err < 0 ? err : fs_write(fs, ino, offset, bytes, len);
}

static int make(struct fs *fs, const char *dir, const char *name, uint32_t mode)
{
    struct fs_attr attr;
    uint64_t parent;
    int err = find(fs, dir, &parent);

    return err < 0 ? err : fs_mknod(fs, parent, name, mode, 0, &cred, &attr);
}

static int set_size(struct fs *fs, const char *path, uint64_t size)
{
    struct fs_attr attr = {.size = size};
    uint64_t ino;
    int err = find(fs, path, &ino);

    return err < 0 ? err : fs_setattr(fs, ino, &attr, FS_SET_SIZE, &attr);
}

/* --- The beginning --- */

void fs_steps_prepare(struct fs *fs)
{
    struct fs_attr a;
    uint64_t dir;

    CHECK(make(fs, "/", "dir", S_IFDIR | 0755) >= 0);
    CHECK(make(fs, "/", "empty", S_IFDIR | 0755) >= 0);
    CHECK(make(fs, "/dir", "file", S_IFREG | 0644) >= 0);
    CHECK(write_at(fs, "/dir/file", 0, 3 * BLOCK, 1) >= 0);
    CHECK(make(fs, "/dir", "sparse", S_IFREG | 0600) >= 0);
    CHECK(write_at(fs, "/dir/sparse", 10 * BLOCK, 100, 2) >= 0);
    CHECK(find(fs, "/dir", &dir) >= 0);
    CHECK(fs_symlink(fs, dir, "link", "a/b", &cred, &a) >= 0);
    CHECK(!lsm_flush(fs_db(fs)));
    for (char name[] = "n00"; name[1] < '3'; name[1]++) {
        for (name[2] = '0'; name[2] <= '9'; name[2]++)
            CHECK(make(fs, "/dir", name, S_IFREG | 0644) >= 0);
    }
    CHECK(write_at(fs, "/dir/n00", 0, 200, 3) >= 0);
    CHECK(find(fs, "/dir/file", &dir) >= 0);
    CHECK(fs_setxattr(fs, dir, "user.old", "value", 5, 0) >= 0);
    CHECK(!lsm_flush(fs_db(fs)));
    CHECK(write_at(fs, "/dir/file", 100, 200, 4) >= 0);
    CHECK(make(fs, "/", "logged", S_IFREG | 0644) >= 0);
    CHECK(write_at(fs, "/logged", 0, BLOCK + 5, 5) >= 0);
}

/* --- The steps --- */

static int step_lookup(struct fs *fs, struct buf *out)
{
    struct fs_attr a;
    int err = fs_resolve(fs, "/dir/file", &a);

    if (err >= 0)
        text_line(out, "%o %llu\n", a.mode, (unsigned long long)a.size);
    return err < 0 ? err : 0;
}

static int step_lookup_missing(struct fs *fs, struct buf *out)
{
    struct fs_attr a;
    int err = fs_lookup(fs, FS_ROOT_INO, "missing", &a);

    (void)out;
    return err;
}

static int step_read(struct fs *fs, struct buf *out)
{
    return text_contents(fs, "/dir/file", 50, 2 * BLOCK, out);
}

static int step_read_sparse(struct fs *fs, struct buf *out)
{
    return text_contents(fs, "/dir/sparse", 9 * BLOCK, 2 * BLOCK, out);
}

static int step_list(struct fs *fs, struct buf *out)
{
    struct names n;
    uint64_t ino;
    int err = find(fs, "/dir", &ino);

    if (err < 0)
        return err;
    err = names_list(fs, ino, true, &n);
    for (unsigned i = 0; !err && i < n.count; i++)
        text_line(out, "%s\n", n.names[i]);
    names_done(&n);
    return err;
}

static int step_readlink(struct fs *fs, struct buf *out)
{
    char target[FS_SYMLINK_LEN_MAX + 1];
    uint64_t ino;
    int err = find(fs, "/dir/link", &ino);

    if (err >= 0)
        err = fs_readlink(fs, ino, target, sizeof(target));
    if (err >= 0)
        text_line(out, "%s\n", target);
    return err;
}

static int step_seek(struct fs *fs, struct buf *out)
{
    uint64_t ino, at = 0;
    int err = find(fs, "/dir/sparse", &ino);

    if (err >= 0)
        err = fs_lseek(fs, ino, 0, SEEK_DATA, &at);
    if (err >= 0)
        text_line(out, "%llu\n", (unsigned long long)at);
    return err;
}

static int step_statvfs(struct fs *fs, struct buf *out)
{
    struct statvfs st;

    (void)out;
    return fs_statvfs(fs, &st);
}

static int step_create(struct fs *fs, struct buf *out)
{
    (void)out;
    return make(fs, "/dir", "new", S_IFREG | 0644);
}

static int step_create_again(struct fs *fs, struct buf *out)
{
    (void)out;
    return make(fs, "/dir", "new", S_IFREG | 0600);
}

static int step_mkdir(struct fs *fs, struct buf *out)
{
    (void)out;
    return make(fs, "/dir", "newdir", S_IFDIR | 0700);
}

static int step_create_below(struct fs *fs, struct buf *out)
{
    (void)out;
    return make(fs, "/dir/newdir", "below", S_IFREG | 0600);
}

static int step_symlink(struct fs *fs, struct buf *out)
{
    struct fs_attr a;

    (void)out;
    return fs_symlink(fs, FS_ROOT_INO, "sym", "target", &cred, &a);
}

static int step_write_new(struct fs *fs, struct buf *out)
{
    (void)out;
    return write_at(fs, "/dir/new", 0, 2 * BLOCK + 10, 6);
}

static int step_write_middle(struct fs *fs, struct buf *out)
{
    (void)out;
    return write_at(fs, "/dir/file", BLOCK - 10, 500, 7);
}

static int step_append(struct fs *fs, struct buf *out)
{
    uint64_t ino, at = 0;
    int err = find(fs, "/dir/n00", &ino);

    if (err >= 0)
        err = fs_append(fs, ino, "appended", 8, &at);
    if (err >= 0)
        text_line(out, "%llu\n", (unsigned long long)at);
    return err;
}

static int step_read_back(struct fs *fs, struct buf *out)
{
    return text_contents(fs, "/dir/new", 0, 4 * BLOCK, out);
}

static int step_shrink(struct fs *fs, struct buf *out)
{
    (void)out;
    return set_size(fs, "/dir/file", BLOCK + 77);
}

static int step_grow(struct fs *fs, struct buf *out)
{
    (void)out;
    return set_size(fs, "/dir/file", 6 * BLOCK);
}

static int step_punch(struct fs *fs, struct buf *out)
{
    uint64_t ino;
    int err = find(fs, "/dir/new", &ino);

    (void)out;
    return err < 0 ? err
                   : fs_fallocate(fs, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, BLOCK);
}

static int step_copy(struct fs *fs, struct buf *out)
{
    uint64_t from, to, len = 0;
    int err = find(fs, "/logged", &from);

    if (err >= 0)
        err = find(fs, "/dir/n01", &to);
    if (err >= 0)
        err = fs_copy_range(fs, from, 0, to, 0, BLOCK + 5, NULL, NULL, &len);
    if (err >= 0)
        text_line(out, "%llu\n", (unsigned long long)len);
    return err;
}

static int step_setxattr(struct fs *fs, struct buf *out)
{
    uint64_t ino;
    int err = find(fs, "/dir/new", &ino);

    (void)out;
    return err < 0 ? err : fs_setxattr(fs, ino, "user.new", "something", 9, 0);
}

static int step_getxattr(struct fs *fs, struct buf *out)
{
    char value[100];
    uint64_t ino;
    ssize_t len = find(fs, "/dir/file", &ino);

    if (len >= 0)
        len = fs_getxattr(fs, ino, "user.old", value, sizeof(value));
    if (len >= 0)
        text_bytes(out, value, (size_t)len);
    return (int)len;
}

static int step_removexattr(struct fs *fs, struct buf *out)
{
    uint64_t ino;
    int err = find(fs, "/dir/file", &ino);

    (void)out;
    return err < 0 ? err : fs_removexattr(fs, ino, "user.old");
}

static int set_acl(struct fs *fs, const char *name)
{
    /* u::rwx, u:1000:r--, g::r-x, m::r-x, o::--- (fs/README.md, "POSIX ACLs") */
    static const uint8_t acl[] = {2,    0,    0,    0,    1,    0,    7,    0,    0xff, 0xff, 0xff,
                                  0xff, 2,    0,    4,    0,    0xe8, 3,    0,    0,    4,    0,
                                  5,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,    5,    0,    0xff,
                                  0xff, 0xff, 0xff, 0x20, 0,    0,    0,    0xff, 0xff, 0xff, 0xff};
    uint64_t ino;
    int err = find(fs, "/dir", &ino);

    return err < 0 ? err : fs_setxattr(fs, ino, name, acl, sizeof(acl), 0);
}

static int step_acl(struct fs *fs, struct buf *out)
{
    (void)out;
    return set_acl(fs, "system.posix_acl_access");
}

static int step_default_acl(struct fs *fs, struct buf *out)
{
    (void)out;
    return set_acl(fs, "system.posix_acl_default");
}

static int step_inherit(struct fs *fs, struct buf *out)
{
    (void)out;
    return make(fs, "/dir", "heir", S_IFREG | 0666);
}

static int step_chmod(struct fs *fs, struct buf *out)
{
    struct fs_attr a = {.mode = 0600};
    uint64_t ino;
    int err = find(fs, "/dir/n02", &ino);

    (void)out;
    return err < 0 ? err : fs_setattr(fs, ino, &a, FS_SET_MODE, &a);
}

static int step_link(struct fs *fs, struct buf *out)
{
    struct fs_attr a;
    uint64_t ino;
    int err = find(fs, "/dir/n03", &ino);

    (void)out;
    return err < 0 ? err : fs_link(fs, ino, FS_ROOT_INO, "hard", &a);
}

static int step_rename(struct fs *fs, struct buf *out)
{
    uint64_t dir;
    int err = find(fs, "/dir", &dir);

    (void)out;
    return err < 0 ? err : fs_rename(fs, dir, "n04", FS_ROOT_INO, "moved", 0);
}

static int step_rename_over(struct fs *fs, struct buf *out)
{
    uint64_t dir;
    int err = find(fs, "/dir", &dir);

    (void)out;
    return err < 0 ? err : fs_rename(fs, dir, "n05", dir, "n06", 0);
}

static int step_rename_dir(struct fs *fs, struct buf *out)
{
    uint64_t dir;
    int err = find(fs, "/dir", &dir);

    (void)out;
    return err < 0 ? err : fs_rename(fs, dir, "newdir", FS_ROOT_INO, "movdir", 0);
}

static int step_unlink(struct fs *fs, struct buf *out)
{
    uint64_t dir, ino = 0;
    int err = find(fs, "/dir", &dir);

    (void)out;
    if (err >= 0)
        err = find(fs, "/dir/n07", &ino);
    if (err >= 0)
        err = fs_unlink(fs, dir, "n07");
    /* As the mount does when nobody has it open; a failure leaves an orphan, which is no error. */
    if (err >= 0)
        (void)fs_purge(fs, ino);
    return err;
}

static int step_rmdir(struct fs *fs, struct buf *out)
{
    (void)out;
    return fs_rmdir(fs, FS_ROOT_INO, "empty");
}

static int step_rmdir_full(struct fs *fs, struct buf *out)
{
    (void)out;
    return fs_rmdir(fs, FS_ROOT_INO, "dir");
}

static int step_tmpfile(struct fs *fs, struct buf *out)
{
    struct fs_attr a;
    int err = fs_tmpfile(fs, FS_ROOT_INO, S_IFREG | 0600, true, &cred, &a);

    (void)out;
    if (err < 0)
        return err;
    err = fs_link(fs, a.ino, FS_ROOT_INO, "tmp", &a);
    if (err < 0)
        (void)fs_purge(fs, a.ino);
    return err;
}

static int step_sync(struct fs *fs, struct buf *out)
{
    (void)out;
    return fs_sync(fs);
}

static int step_flush(struct fs *fs, struct buf *out)
{
    (void)out;
    return lsm_flush(fs_db(fs));
}

static int step_compact(struct fs *fs, struct buf *out)
{
    (void)out;
    return lsm_compact_range(fs_db(fs), NULL, 0, NULL, 0);
}

const struct fs_step fs_steps[] = {
    {"lookup", step_lookup},
    {"read", step_read},
    {"list", step_list},
    {"missing", step_lookup_missing},
    {"sparse", step_read_sparse},
    {"readlink", step_readlink},
    {"seek", step_seek},
    {"getxattr", step_getxattr},
    {"statvfs", step_statvfs},
    {"create", step_create},
    {"create again", step_create_again},
    {"mkdir", step_mkdir},
    {"create below", step_create_below},
    {"symlink", step_symlink},
    {"write new", step_write_new},
    {"write", step_write_middle},
    {"append", step_append},
    {"sync", step_sync},
    {"read back", step_read_back},
    {"shrink", step_shrink},
    {"grow", step_grow},
    {"punch", step_punch},
    {"flush", step_flush},
    {"copy", step_copy},
    {"setxattr", step_setxattr},
    {"removexattr", step_removexattr},
    {"acl", step_acl},
    {"default acl", step_default_acl},
    {"inherit", step_inherit},
    {"chmod", step_chmod},
    {"link", step_link},
    {"rename", step_rename},
    {"rename over", step_rename_over},
    {"rename dir", step_rename_dir},
    {"compact", step_compact},
    {"unlink", step_unlink},
    {"rmdir", step_rmdir},
    {"rmdir full", step_rmdir_full},
    {"tmpfile", step_tmpfile},
    {"sync at the end", step_sync},
    {"list again", step_list},
};
const unsigned fs_step_count = sizeof(fs_steps) / sizeof(fs_steps[0]);
