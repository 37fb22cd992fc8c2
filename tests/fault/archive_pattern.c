/*
 * The stores and archives that the trials of import and export begin with.
 */
#include "fault/archive_pattern.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fault/engine_trial.h"
#include "fs/acl.h"
#include "lib/rng.h"
#include "lsm/base/check.h"

enum {
    BLOCK_LEN = 16384,
    LARGE_LEN = (1 << 20) + 3 * BLOCK_LEN + 77, /* more than tree_put holds in memory */
    SMALL_LEN = 300,
};

static const struct fs_cred cred = {.uid = 1000, .gid = 1000};

static uint64_t make(struct fs *fs, const char *dir, const char *name, uint32_t mode)
{
    struct fs_attr parent, a;

    CHECK(fs_resolve(fs, dir, &parent) >= 0);
    CHECK(!fs_mknod(fs, parent.ino, name, mode, makedev(4, 5), &cred, &a));
    return a.ino;
}

static void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
    struct rng rng = {seed};

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
}

static void write_at(struct fs *fs, uint64_t ino, uint64_t offset, size_t len, uint64_t seed)
{
    static uint8_t bytes[LARGE_LEN];

    CHECK(len <= sizeof(bytes));
    fill(bytes, len, seed);
    CHECK(!fs_write(fs, ino, offset, bytes, len));
}

static uint64_t file(struct fs *fs, const char *dir, const char *name, size_t len)
{
    uint64_t ino = make(fs, dir, name, S_IFREG | 0640);

    write_at(fs, ino, 0, len, len);
    return ino;
}

static void link_to(struct fs *fs, uint64_t ino, const char *dir, const char *name)
{
    struct fs_attr parent, a;

    CHECK(fs_resolve(fs, dir, &parent) >= 0);
    CHECK(!fs_link(fs, ino, parent.ino, name, &a));
}

static void symlink_to(struct fs *fs, const char *dir, const char *name, const char *target)
{
    struct fs_attr parent, a;

    CHECK(fs_resolve(fs, dir, &parent) >= 0);
    CHECK(!fs_symlink(fs, parent.ino, name, target, &cred, &a));
}

static void set_acl(struct fs *fs, uint64_t ino, const char *name)
{
    const struct acl a = {.count = 5,
                          .entries = {{ACL_TAG_USER_OBJ, 7, ACL_ID_NONE},
                                      {ACL_TAG_USER, 5, 77},
                                      {ACL_TAG_GROUP_OBJ, 5, ACL_ID_NONE},
                                      {ACL_TAG_MASK, 5, ACL_ID_NONE},
                                      {ACL_TAG_OTHER, 0, ACL_ID_NONE}}};
    uint8_t value[ACL_LEN_MAX];

    CHECK(!fs_setxattr(fs, ino, name, value, acl_encode(&a, value), 0));
}

static void set_mtime(struct fs *fs, const char *path, time_t sec)
{
    struct fs_attr a;

    CHECK(fs_resolve(fs, path, &a) >= 0);
    a.mtime = (struct timespec){sec, 123456789};
    CHECK(!fs_setattr(fs, a.ino, &a, FS_SET_MTIME, &a));
}

static void fill_source(struct fs *fs)
{
    uint64_t dir = make(fs, "/", "dir", S_IFDIR | 02750), ino;

    CHECK(!fs_setxattr(fs, dir, "user.of a dir", "value", 5, 0));
    set_acl(fs, dir, "system.posix_acl_default");
    link_to(fs, file(fs, "/dir", "small", SMALL_LEN), "/", "small again");
    link_to(fs, file(fs, "/dir", "large", LARGE_LEN), "/dir", "large again");
    ino = file(fs, "/", "attributes", 5);
    CHECK(!fs_setxattr(fs, ino, "user.one", "1", 1, 0));
    CHECK(!fs_setxattr(fs, ino, "user.two=2", "", 0, 0));
    set_acl(fs, ino, "system.posix_acl_access");
    ino = file(fs, "/", "holes", 100);
    write_at(fs, ino, 4 * BLOCK_LEN, BLOCK_LEN, 7);
    write_at(fs, ino, 9 * BLOCK_LEN, 10, 8);
    make(fs, "/", "fifo", S_IFIFO | 0600);
    make(fs, "/", "socket", S_IFSOCK | 0600);
    make(fs, "/", "device", S_IFCHR | 0600);
    make(fs, "/", "nothing", S_IFREG | 0600);
    symlink_to(fs, "/dir", "symlink", "../nowhere/at/all");
    make(fs, "/dir", "deep", S_IFDIR | 0700);
    make(fs, "/dir/deep", "empty", S_IFDIR | 0755);
    file(fs, "/dir/deep", "last", BLOCK_LEN + 1);
    set_mtime(fs, "/dir/deep", 1000);
    set_mtime(fs, "/dir", 2000);
    set_mtime(fs, "/", 3000);
}

/* Of what the source has: a file, a directory, a symlink where it has a file, an empty directory
 * where it has a FIFO, and a directory with a file where it has a symlink, which stays. */
static void fill_target(struct fs *fs)
{
    make(fs, "/", "beside", S_IFDIR | 0700);
    file(fs, "/beside", "file", BLOCK_LEN * 2);
    make(fs, "/", "in", S_IFDIR | 0700);
    file(fs, "/in", "untouched", SMALL_LEN);
    link_to(fs, file(fs, "/in", "attributes", BLOCK_LEN + 9), "/beside", "attributes");
    symlink_to(fs, "/in", "nothing", "untouched");
    make(fs, "/in", "fifo", S_IFDIR | 0700);
    make(fs, "/in", "dir", S_IFDIR | 0700);
    file(fs, "/in/dir", "large", SMALL_LEN);
    make(fs, "/in/dir", "symlink", S_IFDIR | 0700);
    file(fs, "/in/dir/symlink", "keeps it", SMALL_LEN);
    set_mtime(fs, "/beside", 4000);
}

static void store_make(const char *dir, const char *name, void (*fill_in)(struct fs *fs))
{
    const struct fs_mkfs_options o = {.block_len = BLOCK_LEN};
    const struct fs_options options = {.cache_len = 1 << 20};
    char made[600], kept[600];
    struct fs *fs;

    snprintf(made, sizeof(made), "%s/%s.made", dir, name);
    snprintf(kept, sizeof(kept), "%s/%s", dir, name);
    CHECK(!fs_mkfs(made, &o));
    CHECK(!fs_open(made, &options, &fs));
    if (fill_in)
        fill_in(fs);
    trial_copy_dir(made, kept);
    CHECK(!fs_close(fs));
}

/* --- The loose archive --- */

static void loose_entry(struct archive *a, const char *path, int64_t ino, unsigned names,
                        size_t len)
{
    struct archive_entry *e = archive_entry_new();
    uint8_t bytes[BLOCK_LEN];

    CHECK(e && len <= sizeof(bytes));
    fill(bytes, len, (uint64_t)ino);
    archive_entry_set_pathname(e, path);
    archive_entry_set_mode(e, S_IFREG | 0644);
    archive_entry_set_size(e, (la_int64_t)len);
    archive_entry_set_ino64(e, ino);
    archive_entry_set_dev(e, 1);
    archive_entry_set_nlink(e, names);
    archive_entry_set_mtime(e, 5000, 0);
    CHECK(archive_write_header(a, e) == ARCHIVE_OK);
    CHECK(archive_write_data(a, bytes, len) == (la_ssize_t)len);
    archive_entry_free(e);
}

static void loose_make(const char *file_name)
{
    struct archive *a = archive_write_new();

    CHECK(a && archive_write_set_format_cpio_newc(a) == ARCHIVE_OK);
    CHECK(archive_write_open_filename(a, file_name) == ARCHIVE_OK);
    loose_entry(a, "implied/on/the/way", 1, 1, SMALL_LEN);
    loose_entry(a, "implied/twice", 2, 1, SMALL_LEN);
    loose_entry(a, "late first", 3, 2, 0);
    loose_entry(a, "implied/on/another", 4, 1, SMALL_LEN);
    loose_entry(a, "late second", 3, 2, BLOCK_LEN);
    loose_entry(a, "implied/twice", 5, 1, SMALL_LEN + 1);
    CHECK(archive_write_close(a) == ARCHIVE_OK);
    archive_write_free(a);
}

bool archive_pattern_changes(const char *path)
{
    return !strcmp(path, "/implied/twice") || !strncmp(path, "/late ", 6);
}

void archive_pattern_make(const char *dir)
{
    char name[600];

    store_make(dir, "source", fill_source);
    store_make(dir, "target", fill_target);
    store_make(dir, "empty", NULL);
    snprintf(name, sizeof(name), "%s/loose.cpio", dir);
    loose_make(name);
}
