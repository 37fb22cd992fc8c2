/*
 * Writing: contents and length of files.
 *
 * A write is one batch: the blocks it touches and the inode record with the new length, times and
 * count of blocks. A block that is covered whole, or from its first byte to or beyond the end of
 * the file, is put; any other is patched, so that no write reads what it overwrites. A patch over a
 * hole makes a block with zeros in front.
 *
 * Whether a touched block is new must be known for block_count: behind the blocks that the old
 * length spans all are, in a dense file none of the others is; only inside a sparse file the store
 * is asked. A crash leaves a write done or not done.
 */
#include "fs/data.h"

/* Blocks asked for at once. */
enum {
    EXIST_CHUNK = 64
};

/* How many of the blocks [first, end) are missing, end - first <= EXIST_CHUNK. */
static int chunk_missing(struct fs *fs, uint64_t ino, uint64_t first, uint64_t end, uint64_t *ret)
{
    struct key keys[EXIST_CHUNK];
    struct lsm_key refs[EXIST_CHUNK] = {{NULL, 0}};
    struct lsm_value values[EXIST_CHUNK] = {{.len = 0}};
    int errs[EXIST_CHUNK], err;
    size_t count = (size_t)(end - first);
    uint64_t missing = 0;

    for (size_t i = 0; i < count; i++) {
        key_block(&keys[i], ino, first + i);
        refs[i] = (struct lsm_key){keys[i].data, keys[i].len};
    }
    err = lsm_multi_get(fs->db, NULL, refs, count, values, errs);
    for (size_t i = 0; i < count; i++) {
        if (errs[i] == 0)
            lsm_value_done(&values[i]);
        missing += errs[i] == -ENOENT;
    }
    if (err)
        return err;
    *ret = missing;
    return 0;
}

/* How many of the blocks [first, end) a write adds to the file. */
static int blocks_new(struct fs *fs, const struct inode *in, uint64_t first, uint64_t end,
                      uint64_t *ret)
{
    uint64_t span = block_span(in->size, fs->super.block_len);
    uint64_t inside = end < span ? end : span;
    uint64_t total = end - (first > span ? first : end < span ? end : span);
    int err = 0;

    if (in->block_count && inode_is_dense(in, fs->super.block_len)) {
        *ret = total;
        return 0;
    }
    if (in->block_count == 0) {
        *ret = end - first;
        return 0;
    }
    for (uint64_t n = first; !err && n < inside; n += EXIST_CHUNK) {
        uint64_t stop = inside - n < EXIST_CHUNK ? inside : n + EXIST_CHUNK;
        uint64_t missing = 0;

        err = chunk_missing(fs, in->ino, n, stop, &missing);
        total += missing;
    }
    if (!err)
        *ret = total;
    return err;
}

/* Add the blocks of a write to the batch; `in` has the length from before. */
static int write_blocks(struct fs *fs, struct lsm_batch *b, const struct inode *in, uint64_t offset,
                        const uint8_t *data, size_t len)
{
    uint32_t block_len = fs->super.block_len;

    while (len) {
        uint64_t block = offset / block_len;
        size_t from = (size_t)(offset % block_len);
        size_t n = len < block_len - from ? len : block_len - from;
        struct key k;
        int err;

        key_block(&k, in->ino, block);
        if (from == 0 && (n == block_len || offset + n >= in->size))
            err = lsm_batch_put(b, k.data, k.len, data, n);
        else
            err = lsm_batch_patch(b, k.data, k.len, from, data, n);
        if (err)
            return err;
        offset += n;
        data += n;
        len -= n;
    }
    return 0;
}

int file_write_batch(struct op *op, struct inode *in, uint64_t offset, const void *data, size_t len)
{
    uint32_t block_len = op->fs->super.block_len;
    uint64_t added;
    int err =
        blocks_new(op->fs, in, offset / block_len, block_span(offset + len, block_len), &added);

    if (!err)
        err = write_blocks(op->fs, op->batch, in, offset, data, len);
    if (err)
        return err;
    in->block_count += added;
    if (offset + len > in->size)
        in->size = offset + len;
    in->mtime = in->ctime = op->now;
    set_id_clear(op->fs, in);
    return inode_put(op->batch, in);
}

struct write {
    uint64_t offset; /* at_end: set to where the end was */
    const void *data;
    size_t len;
    bool at_end;
    bool kill_set_id, killed; /* whether it takes them, and has found some */
};

static int write_locked(struct op *op, uint64_t ino, struct write *w)
{
    struct inode in;
    int err = file_inode_get(op->fs, ino, &in);

    if (err)
        return err;
    if (w->at_end)
        w->offset = in.size;
    if (w->len == 0)
        return 0;
    err = file_range_check(w->offset, w->len);
    if (err)
        return err;
    w->killed = w->kill_set_id && set_id_kill(&in);
    return file_write_batch(op, &in, w->offset, w->data, w->len);
}

static int write_any(struct fs *fs, uint64_t ino, struct write *w)
{
    struct op op;
    int err;

    if (w->len > WRITE_LEN_MAX)
        return -EINVAL;
    err = op_begin(&op, fs, &ino, 1);
    return err ? err : op_end(&op, write_locked(&op, ino, w));
}

int fs_write(struct fs *fs, uint64_t ino, uint64_t offset, const void *data, size_t len)
{
    struct write w = {.offset = offset, .data = data, .len = len};

    return write_any(fs, ino, &w);
}

int fs_write_kill_set_id(struct fs *fs, uint64_t ino, uint64_t offset, const void *data, size_t len,
                         bool *ret_killed)
{
    struct write w = {.offset = offset, .data = data, .len = len, .kill_set_id = true};
    int err = write_any(fs, ino, &w);

    *ret_killed = w.killed;
    return err;
}

int fs_append(struct fs *fs, uint64_t ino, const void *data, size_t len, uint64_t *ret_offset)
{
    struct write w = {.data = data, .len = len, .at_end = true};
    int err = write_any(fs, ino, &w);

    if (!err)
        *ret_offset = w.offset;
    return err;
}

/*
 * Cut the block that the new end falls into, so that no byte is left behind the end. A lost one
 * stays lost.
 */
static int shorten_last(struct fs *fs, struct lsm_batch *b, const struct inode *in, uint64_t size)
{
    size_t keep = (size_t)(size % fs->super.block_len);
    struct lsm_value v;
    struct key k;
    int err;

    if (keep == 0 || in->block_count == 0)
        return 0;
    key_block(&k, in->ino, size / fs->super.block_len);
    err = lsm_get(fs->db, NULL, k.data, k.len, &v);
    if (err)
        return err == -ENOENT ? 0 : err;
    if (v.len > keep && !block_is_lost(v.data, v.len, fs->super.block_len))
        err = lsm_batch_put(b, k.data, k.len, v.data, keep);
    lsm_value_done(&v);
    return err;
}

int file_resize(struct fs *fs, struct lsm_batch *b, struct inode *in, uint64_t size)
{
    int err;

    if (size > FS_FILE_LEN_MAX)
        return -EFBIG;
    if (size < in->size) {
        err = blocks_remove(fs, b, in, block_span(size, fs->super.block_len), UINT64_MAX);
        if (!err)
            err = shorten_last(fs, b, in, size);
        if (err)
            return err;
    }
    in->size = size;
    return 0;
}
