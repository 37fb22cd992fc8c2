/*
 * A store in a temporary directory with one empty file in it, for the tests of contents.
 */
#ifndef TESTS_FILE_FIXTURE_H
#define TESTS_FILE_FIXTURE_H

#include "fs/data.h"
#include "lib/rng.h"
#include "unit/fs/fs_fixture.h"

struct file_test {
    struct fixture *base;
    struct fs *fs; /* as in base */
    uint64_t ino;  /* of "file" in the root */
};

static inline void file_test_reopen(struct file_test *f)
{
    fixture_reopen(f->base);
    f->fs = f->base->fs;
}

static inline uint64_t file_test_mknod(struct file_test *f, const char *name, uint32_t mode)
{
    return make(f->fs, FS_ROOT_INO, name, mode);
}

static inline void file_test_new(struct file_test *f, uint32_t block_len)
{
    struct fs_mkfs_options options = {.block_len = block_len};

    f->base = fixture_dir();
    assert_int_equal(fs_mkfs(f->base->path, &options), 0);
    assert_int_equal(fixture_open(f->base, false), 0);
    f->fs = f->base->fs;
    f->ino = file_test_mknod(f, "file", S_IFREG | 0644);
}

static inline void file_test_done(struct file_test *f)
{
    everything_agrees(f->fs);
    assert_int_equal(fs_close(f->fs), 0);
    fixture_free(f->base);
}

/* block_count is what an iterator counts, and no block lies behind the end. */
static inline void assert_blocks_exact(struct file_test *f, uint64_t ino)
{
    uint32_t block_len = fs_super(f->fs)->block_len;
    struct inode in;
    uint64_t all, inside;

    assert_int_equal(inode_get(f->fs, ino, &in), 0);
    assert_int_equal(blocks_count(f->fs, ino, 0, UINT64_MAX, &all), 0);
    assert_int_equal(blocks_count(f->fs, ino, 0, block_span(in.size, block_len), &inside), 0);
    assert_int_equal(in.block_count, all);
    assert_int_equal(inside, all);
}

static inline uint64_t file_size(struct file_test *f, uint64_t ino)
{
    struct fs_attr attr;

    assert_int_equal(fs_getattr(f->fs, ino, &attr), 0);
    return attr.size;
}

static inline int file_truncate(struct file_test *f, uint64_t ino, uint64_t size)
{
    struct fs_attr attr = {.size = size}, changed;

    return fs_setattr(f->fs, ino, &attr, FS_SET_SIZE, &changed);
}

/* Read into buf; returns how many bytes there were. */
static inline size_t file_read(struct file_test *f, uint64_t ino, uint64_t offset, void *buf,
                               size_t len)
{
    struct fs_read r;
    size_t at = 0;

    assert_int_equal(fs_read(f->fs, ino, offset, len, &r), 0);
    assert_true(r.len <= len);
    for (int i = 0; i < r.iov_count; i++) {
        assert_true(at + r.iov[i].iov_len <= r.len);
        memcpy((uint8_t *)buf + at, r.iov[i].iov_base, r.iov[i].iov_len);
        at += r.iov[i].iov_len;
    }
    assert_int_equal(at, r.len);
    fs_read_done(&r);
    return at;
}

#endif
