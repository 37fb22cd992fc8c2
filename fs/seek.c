/*
 * SEEK_DATA and SEEK_HOLE, to the block: a block that exists is data, a missing one a hole, and
 * there is a hole at the end of every file. Record and blocks are read from one snapshot; no lock.
 */
#include <unistd.h>

#include "fs/data.h"

/* The first block at or behind `block` that exists: 1 and its number, 0 for none, or an error. */
static int next_data(struct lsm_iter *it, uint64_t ino, uint64_t block, uint64_t *ret)
{
    struct key k;
    int r;

    key_block(&k, ino, block);
    for (r = lsm_iter_seek(it, k.data, k.len); r > 0; r = lsm_iter_next(it)) {
        size_t len;
        const uint8_t *found = lsm_iter_key(it, &len);

        if (len != KEY_BLOCK_LEN)
            continue;
        *ret = get_be64(found + KEY_INODE_LEN);
        return 1;
    }
    return r;
}

/* The first block at or behind `block` that does not exist. */
static int next_hole(struct lsm_iter *it, uint64_t ino, uint64_t block, uint64_t *ret)
{
    struct key k;
    int r;

    key_block(&k, ino, block);
    for (r = lsm_iter_seek(it, k.data, k.len); r > 0; r = lsm_iter_next(it)) {
        size_t len;
        const uint8_t *found = lsm_iter_key(it, &len);

        if (len == KEY_BLOCK_LEN && get_be64(found + KEY_INODE_LEN) != block)
            break;
        block += len == KEY_BLOCK_LEN;
    }
    if (r < 0)
        return r;
    *ret = block;
    return 0;
}

/* In a file with holes; offset < in->size. */
static int seek_sparse(struct lsm_iter *it, const struct inode *in, uint32_t block_len,
                       uint64_t offset, int whence, uint64_t *ret)
{
    uint64_t block = 0, found;
    int r;

    if (whence == SEEK_DATA) {
        r = next_data(it, in->ino, offset / block_len, &block);
        if (r < 0)
            return r;
        if (r == 0 || block >= block_span(in->size, block_len))
            return -ENXIO;
    } else {
        r = next_hole(it, in->ino, offset / block_len, &block);
        if (r < 0)
            return r;
        if (block >= block_span(in->size, block_len)) {
            *ret = in->size;
            return 0;
        }
    }
    found = block * block_len;
    *ret = found > offset ? found : offset;
    return 0;
}

static int inode_get_at(struct fs *fs, const struct lsm_snapshot *s, uint64_t ino,
                        struct inode *ret)
{
    struct lsm_value v;
    struct inode in;
    struct key k;
    int err;

    key_ino(&k, KEY_INODE, ino);
    err = lsm_get(fs->db, s, k.data, k.len, &v);
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    err = inode_decode(ino, v.data, v.len, &in);
    lsm_value_done(&v);
    if (!err)
        err = file_check(&in);
    if (err)
        return err;
    in.target = slice_of(NULL, 0);
    *ret = in;
    return 0;
}

static int seek_at(struct fs *fs, const struct lsm_snapshot *s, uint64_t ino, uint64_t offset,
                   int whence, uint64_t *ret)
{
    uint32_t block_len = fs->super.block_len;
    struct key lower, upper;
    struct lsm_iter *it;
    struct inode in;
    int err = inode_get_at(fs, s, ino, &in);

    if (err)
        return err;
    if (offset >= in.size)
        return -ENXIO;
    if (inode_is_dense(&in, block_len)) {
        *ret = whence == SEEK_DATA ? offset : in.size;
        return 0;
    }
    key_block(&lower, ino, 0);
    key_ino(&upper, KEY_BLOCK, ino + 1);
    err = lsm_iter_new(fs->db, s, lower.data, lower.len, upper.data, upper.len, &it);
    if (err)
        return err;
    err = seek_sparse(it, &in, block_len, offset, whence, ret);
    lsm_iter_free(it);
    return err;
}

int fs_lseek(struct fs *fs, uint64_t ino, uint64_t offset, int whence, uint64_t *ret)
{
    struct lsm_snapshot *s;
    int err;

    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return -EINVAL;
    err = lsm_snapshot_open(fs->db, &s);
    if (err)
        return err;
    err = seek_at(fs, s, ino, offset, whence, ret);
    lsm_snapshot_close(fs->db, s);
    return err;
}
