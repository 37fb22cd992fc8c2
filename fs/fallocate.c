/*
 * fallocate: reserving room, punching holes, zeroing ranges.
 *
 * The store never overwrites in place and compresses what it keeps, so that no block can be set
 * aside for later: reserving checks that the disk has the room now, and sets the length. Holes and
 * zeroed ranges lose their whole blocks; in blocks that are touched in part, zeros are patched
 * over what is stored there and nothing is made where there is a hole.
 *
 * Each call is one batch.
 */
#include <linux/falloc.h>

#include "fs/data.h"

/* Zero [offset, end) inside one block, as far as the block holds bytes there. */
static int zero_part(struct fs *fs, struct lsm_batch *b, uint64_t ino, uint64_t offset,
                     uint64_t end)
{
    uint64_t block = offset / fs->super.block_len;
    size_t from = (size_t)(offset % fs->super.block_len);
    size_t len = (size_t)(end - offset);
    struct lsm_value v;
    struct key k;
    int err = block_get(fs, ino, block, &v);

    if (err)
        return err == -ENOENT ? 0 : err;
    if (v.len > from) {
        if (len > v.len - from)
            len = v.len - from;
        key_block(&k, ino, block);
        err = lsm_batch_patch(b, k.data, k.len, from, file_zeros, len);
    }
    lsm_value_done(&v);
    return err;
}

/* Make [offset, end) read as zeros. Behind the end of the file everything does already. */
static int zero_range(struct fs *fs, struct lsm_batch *b, struct inode *in, uint64_t offset,
                      uint64_t end)
{
    uint64_t block_len = fs->super.block_len;
    uint64_t first_whole = block_span(offset, (uint32_t)block_len), end_whole;
    int err;

    if (end > in->size)
        end = in->size;
    if (offset >= end || in->block_count == 0)
        return 0;
    /* The last block counts as whole when the range reaches the end of the file. */
    end_whole = end == in->size ? block_span(end, (uint32_t)block_len) : end / block_len;
    if (first_whole > end_whole)
        return zero_part(fs, b, in->ino, offset, end);
    if (offset % block_len) {
        err = zero_part(fs, b, in->ino, offset,
                        first_whole * block_len < end ? first_whole * block_len : end);
        if (err)
            return err;
    }
    if (end != in->size && end % block_len) {
        err = zero_part(fs, b, in->ino, end_whole * block_len, end);
        if (err)
            return err;
    }
    return blocks_remove(fs, b, in, first_whole, end_whole);
}

/* -ENOSPC when the disk cannot take what a reservation asks for. */
static int room_check(struct fs *fs, const struct inode *in, uint64_t offset, uint64_t end)
{
    uint64_t total, free_len, room, need = end - offset;
    int err;

    if (inode_is_dense(in, fs->super.block_len))
        need = end <= in->size ? 0 : end - (offset > in->size ? offset : in->size);
    if (need == 0)
        return 0;
    err = lsm_disk_space(fs->db, &total, &free_len, &room);
    if (err)
        return err;
    return need > room ? -ENOSPC : 0;
}

static int fallocate_locked(struct op *op, uint64_t ino, int mode, uint64_t offset, uint64_t end)
{
    struct inode in;
    int err = file_inode_get(op->fs, ino, &in);

    if (err)
        return err;
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        err = zero_range(op->fs, op->batch, &in, offset, end);
    } else {
        err = room_check(op->fs, &in, offset, end);
    }
    if (err)
        return err;
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > in.size)
        in.size = end;
    in.mtime = in.ctime = op->now; /* also when nothing shows of it, as on ext4 */
    set_id_clear(op->fs, &in);
    op->urgent = mode & FALLOC_FL_PUNCH_HOLE;
    return inode_put(op->batch, &in);
}

static bool mode_known(int mode)
{
    switch (mode) {
    case 0:
    case FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        return true;
    default:
        return false;
    }
}

int fs_fallocate(struct fs *fs, uint64_t ino, int mode, uint64_t offset, uint64_t len)
{
    struct op op;
    int err;

    if (!mode_known(mode))
        return -EOPNOTSUPP;
    if (len == 0)
        return -EINVAL;
    err = file_range_check(offset, len);
    if (!err)
        err = op_begin(&op, fs, &ino, 1);
    return err ? err : op_end(&op, fallocate_locked(&op, ino, mode, offset, offset + len));
}
