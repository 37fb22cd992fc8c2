/*
 * Copying from file to file within the store, as copy_file_range(2).
 *
 * It goes piece by piece, each under the locks of both files and one batch. Where both offsets have
 * the same place within a block, whole blocks are copied as values of the engine, which shares the
 * bytes of large ones, and holes stay holes; the last block, when both files end with the copy, is
 * one of them. What is left, the blocks at the ends that are copied in part or all of a copy that
 * is not aligned, is read and written.
 *
 * A crash leaves whole pieces, in ascending order, as it would of a row of writes.
 */
#include "fs/data.h"

enum {
    SHARE_LEN_MAX = WRITE_LEN_MAX, /* bytes of files in one batch */
    PLAIN_LEN_MAX = 4 << 20,       /* and where they are read and written */
};

struct copy {
    struct fs *fs;
    uint64_t src, src_offset;
    uint64_t dst, dst_offset;
    uint64_t len; /* left to be copied */
};

/* --- Read and write --- */

static int plain_data(struct op *op, const struct copy *c, struct inode *to, uint8_t *data,
                      size_t len)
{
    struct fs_read r;
    size_t at = 0;
    int err = fs_read(op->fs, c->src, c->src_offset, len, &r);

    if (err)
        return err;
    for (int i = 0; i < r.iov_count; i++) {
        memcpy(data + at, r.iov[i].iov_base, r.iov[i].iov_len);
        at += r.iov[i].iov_len;
    }
    fs_read_done(&r);
    CHECK(at == len); /* the lock keeps the length as it was read */
    return file_write_batch(op, to, c->dst_offset, data, len);
}

static int plain(struct op *op, const struct copy *c, struct inode *to, uint64_t *len)
{
    uint64_t len_max = PLAIN_LEN_MAX - c->dst_offset % c->fs->super.block_len;
    uint8_t *data;
    int err;

    /* The next piece begins with a block. */
    if (*len > len_max)
        *len = len_max;
    data = malloc((size_t)*len);
    if (!data)
        return -ENOMEM;
    err = plain_data(op, c, to, data, (size_t)*len);
    free(data);
    return err;
}

/* --- Whole blocks --- */

/* How many bytes from here on are whole blocks in both files; 0 when there are none. */
static uint64_t whole_len(const struct copy *c, const struct inode *from, const struct inode *to,
                          uint64_t len)
{
    uint32_t block_len = c->fs->super.block_len;

    if (c->src_offset % block_len || c->dst_offset % block_len)
        return 0;
    /* Nothing of the last block is left out, and nothing follows it where it goes. */
    if (c->src_offset + len == from->size && c->dst_offset + len >= to->size)
        return len;
    return len - len % block_len;
}

/* Share one block: 1, 0 for a hole, or an error, which is that of reading when the block is lost.
 */
static int whole_block(struct op *op, const struct copy *c, uint64_t from_block, uint64_t to_block)
{
    struct key from, to;
    struct lsm_value v;
    uint64_t len;
    int r;

    key_block(&from, c->src, from_block);
    key_block(&to, c->dst, to_block);
    r = lsm_batch_copy(op->batch, op->fs->db, from.data, from.len, to.data, to.len, &len);
    if (r <= 0 || len <= op->fs->super.block_len)
        return r;
    r = block_get(op->fs, c->src, from_block, &v);
    CHECK(r < 0); /* the lock keeps it as it was */
    return r;
}

static int whole_blocks(struct op *op, const struct copy *c, struct inode *to, uint64_t len)
{
    uint32_t block_len = c->fs->super.block_len;
    uint64_t from_block = c->src_offset / block_len, to_block = c->dst_offset / block_len;
    uint64_t count = block_span(len, block_len);
    int r = blocks_remove(op->fs, op->batch, to, to_block, to_block + count);

    for (uint64_t i = 0; r >= 0 && i < count; i++) {
        r = whole_block(op, c, from_block + i, to_block + i);
        to->block_count += r > 0;
    }
    if (r < 0)
        return r;
    if (c->dst_offset + len > to->size)
        to->size = c->dst_offset + len;
    to->mtime = to->ctime = op->now;
    set_id_clear(op->fs, to);
    return inode_put(op->batch, to);
}

/* --- Pieces --- */

/* The next piece; *ret_len is 0 when src has ended. */
static int piece_locked(struct op *op, const struct copy *c, uint64_t *ret_len)
{
    uint32_t block_len = c->fs->super.block_len;
    uint64_t len = c->len, whole, head = block_len - c->src_offset % block_len;
    struct inode from, to;
    int err = file_inode_get(op->fs, c->src, &from);

    if (!err)
        err = file_inode_get(op->fs, c->dst, &to);
    if (err)
        return err;
    if (c->src_offset >= from.size)
        len = 0;
    else if (len > from.size - c->src_offset)
        len = from.size - c->src_offset;
    *ret_len = len;
    if (len == 0)
        return 0;
    whole = whole_len(c, &from, &to, len);
    if (whole) {
        *ret_len = whole < SHARE_LEN_MAX ? whole : SHARE_LEN_MAX;
        return whole_blocks(op, c, &to, *ret_len);
    }
    /* Up to where whole blocks begin, if they do. */
    if ((c->src_offset ^ c->dst_offset) % block_len == 0 && len > head)
        *ret_len = head;
    return plain(op, c, &to, ret_len);
}

static int piece(const struct copy *c, uint64_t *ret_len)
{
    uint64_t inos[] = {c->src, c->dst};
    struct op op;
    int err = op_begin(&op, c->fs, inos, 2);

    return err ? err : op_end(&op, piece_locked(&op, c, ret_len));
}

/* What can be said before anything is copied; cuts the length at the end of src. */
static int check(struct copy *c)
{
    struct inode from, to;
    int err = file_inode_get(c->fs, c->src, &from);

    if (!err)
        err = file_inode_get(c->fs, c->dst, &to);
    if (err)
        return err;
    if (c->src_offset >= from.size)
        c->len = 0;
    else if (c->len > from.size - c->src_offset)
        c->len = from.size - c->src_offset;
    if (c->src == c->dst && c->src_offset < c->dst_offset + c->len &&
        c->dst_offset < c->src_offset + c->len)
        return -EINVAL;
    return file_range_check(c->dst_offset, c->len);
}

int fs_copy_range(struct fs *fs, uint64_t src, uint64_t src_offset, uint64_t dst,
                  uint64_t dst_offset, uint64_t len, bool (*stop)(void *arg), void *arg,
                  uint64_t *ret_len)
{
    struct copy c = {fs, src, src_offset, dst, dst_offset, len};
    uint64_t done = 0, n = 1;
    int err;

    if (fs->read_only)
        return -EROFS;
    if (src_offset > FS_FILE_LEN_MAX || dst_offset > FS_FILE_LEN_MAX)
        return -EINVAL;
    err = check(&c);
    while (!err && c.len && n && !(done && stop && stop(arg))) {
        err = piece(&c, &n);
        if (err)
            break;
        c.src_offset += n;
        c.dst_offset += n;
        c.len -= n;
        done += n;
    }
    /* What has been copied is told; the error comes again with the rest. */
    if (err && !done)
        return err;
    *ret_len = done;
    return 0;
}
