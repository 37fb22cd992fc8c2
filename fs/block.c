/*
 * Blocks of a file as keys: reading one, counting and removing many.
 *
 * Removing keeps block_count exact without reading in the usual cases: a dense file has every block
 * of its span, and removing all blocks needs no count. Only a part of a sparse file is counted with
 * an iterator. Few blocks are removed by their keys, many by one range, so that truncating a large
 * file costs one small record.
 *
 * Everything goes into the caller's batch: after a crash either all of it has happened or nothing.
 */
#include "fs/data.h"

static uint8_t zeros[FS_BLOCK_LEN_MAX];
const uint8_t *const file_zeros = zeros;

int file_check(const struct inode *in)
{
    if (S_ISREG(in->mode))
        return 0;
    return S_ISDIR(in->mode) ? -EISDIR : -EINVAL;
}

int file_inode_get(struct fs *fs, uint64_t ino, struct inode *ret)
{
    struct inode in;
    int err = inode_get(fs, ino, &in);

    if (!err)
        err = file_check(&in);
    if (err)
        return err;
    *ret = in;
    return 0;
}

int file_range_check(uint64_t offset, uint64_t len)
{
    return offset > FS_FILE_LEN_MAX || len > FS_FILE_LEN_MAX - offset ? -EFBIG : 0;
}

int block_len_raise(const struct fs *fs, uint64_t ino, uint64_t block, const void *data, size_t len)
{
    if (block_is_lost(data, len, fs->super.block_len))
        return err_raise(ERR_BLOCK_LOST,
                         "inode %llu: block %llu is lost to damage that fsck.fluxfs found; writing "
                         "all of it makes it whole again",
                         (unsigned long long)ino, (unsigned long long)block);
    return err_raise(ERR_BLOCK_LEN,
                     "inode %llu: block %llu has %zu bytes, but a block has at most %u; "
                     "fsck.fluxfs tells more",
                     (unsigned long long)ino, (unsigned long long)block, len, fs->super.block_len);
}

int block_get(struct fs *fs, uint64_t ino, uint64_t block, struct lsm_value *ret)
{
    struct lsm_value v;
    struct key k;
    int err;

    key_block(&k, ino, block);
    err = lsm_get(fs->db, NULL, k.data, k.len, &v);
    if (err)
        return err;
    if (v.len > fs->super.block_len) {
        err = block_len_raise(fs, ino, block, v.data, v.len);
        lsm_value_done(&v);
        return err;
    }
    *ret = v;
    return 0;
}

/* The end of the keys of the blocks before `end`; UINT64_MAX means all of the inode's. */
static void blocks_upper(struct key *k, uint64_t ino, uint64_t end)
{
    if (end == UINT64_MAX)
        key_ino(k, KEY_BLOCK, ino + 1);
    else
        key_block(k, ino, end);
}

/*
 * Count the blocks in [first, end), and keep the numbers of the first BLOCK_POINT_DELETES_MAX of
 * them in `kept`, which may be NULL.
 */
static int blocks_scan(struct fs *fs, uint64_t ino, uint64_t first, uint64_t end, uint64_t *kept,
                       uint64_t *ret)
{
    struct key lower, upper;
    struct lsm_iter *it;
    uint64_t count = 0;
    int r;

    key_block(&lower, ino, first);
    blocks_upper(&upper, ino, end);
    r = lsm_iter_new(fs->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (r < 0)
        return r;
    for (r = lsm_iter_first(it); r > 0; r = lsm_iter_next(it)) {
        size_t len;
        const uint8_t *k = lsm_iter_key(it, &len);

        if (len != KEY_BLOCK_LEN)
            continue;
        if (kept && count < BLOCK_POINT_DELETES_MAX)
            kept[count] = get_be64(k + KEY_INODE_LEN);
        count++;
    }
    lsm_iter_free(it);
    if (r < 0)
        return r;
    *ret = count;
    return 0;
}

int blocks_count(struct fs *fs, uint64_t ino, uint64_t first, uint64_t end, uint64_t *ret)
{
    return blocks_scan(fs, ino, first, end, NULL, ret);
}

static int delete_span(struct lsm_batch *b, uint64_t ino, uint64_t first, uint64_t end)
{
    struct key lower, upper;

    key_block(&lower, ino, first);
    blocks_upper(&upper, ino, end);
    return lsm_batch_delete_range(b, lower.data, lower.len, upper.data, upper.len);
}

static int delete_one(struct lsm_batch *b, uint64_t ino, uint64_t block)
{
    struct key k;

    key_block(&k, ino, block);
    return lsm_batch_delete(b, k.data, k.len);
}

/* A part of a sparse file: only an iterator knows which blocks are there. */
static int remove_sparse(struct fs *fs, struct lsm_batch *b, struct inode *in, uint64_t first,
                         uint64_t end)
{
    uint64_t kept[BLOCK_POINT_DELETES_MAX], count;
    int err = blocks_scan(fs, in->ino, first, end, kept, &count);

    if (!err && count > BLOCK_POINT_DELETES_MAX)
        err = delete_span(b, in->ino, first, end);
    else
        for (uint64_t i = 0; !err && i < count; i++)
            err = delete_one(b, in->ino, kept[i]);
    if (!err)
        in->block_count -= count < in->block_count ? count : in->block_count;
    return err;
}

int blocks_remove(struct fs *fs, struct lsm_batch *b, struct inode *in, uint64_t first,
                  uint64_t end)
{
    uint64_t span = block_span(in->size, fs->super.block_len);
    int err = 0;

    if (end > span)
        end = span;
    if (in->block_count == 0 || first >= end)
        return 0;
    if (!inode_is_dense(in, fs->super.block_len)) {
        if (first > 0 || end < span)
            return remove_sparse(fs, b, in, first, end);
        err = delete_span(b, in->ino, 0, UINT64_MAX);
        if (!err)
            in->block_count = 0;
        return err;
    }
    if (end - first > BLOCK_POINT_DELETES_MAX)
        err = delete_span(b, in->ino, first, end);
    else
        for (uint64_t n = first; !err && n < end; n++)
            err = delete_one(b, in->ino, n);
    if (!err)
        in->block_count -= end - first;
    return err;
}

int file_delete_blocks(struct lsm_batch *b, const struct inode *in, uint32_t block_len)
{
    uint64_t span = block_span(in->size, block_len);
    int err = 0;

    if (!S_ISREG(in->mode) || in->block_count == 0)
        return 0;
    if (!inode_is_dense(in, block_len) || span > BLOCK_POINT_DELETES_MAX)
        return delete_span(b, in->ino, 0, UINT64_MAX);
    for (uint64_t n = 0; !err && n < span; n++)
        err = delete_one(b, in->ino, n);
    return err;
}
