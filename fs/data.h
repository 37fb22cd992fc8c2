/*
 * Blocks of files: what data.c, data_read.c, copy_range.c, fallocate.c and seek.c share.
 *
 * Contents are kept in blocks of super.block_len bytes, block n at key 'B' ino n. A missing block
 * is a hole; a block shorter than the block length reads as zeros behind its end. No block exists
 * at or behind the end of the file, and the last one holds no byte behind it, so that a file that
 * grows again shows zeros. block_count in the inode record is exact.
 */
#ifndef FS_DATA_H
#define FS_DATA_H

#include "fs/lost_mark.h"
#include "fs/op.h"

enum {
    WRITE_LEN_MAX = 16 << 20,     /* bytes in one fs_write */
    BLOCK_POINT_DELETES_MAX = 16, /* more blocks than these go by one range */
};

/* FS_BLOCK_LEN_MAX zeros, never written to. */
extern const uint8_t *const file_zeros;

/* How many blocks a file of `size` bytes spans. */
static inline uint64_t block_span(uint64_t size, uint32_t block_len)
{
    return size / block_len + (size % block_len != 0);
}

/* The inode of a regular file: 0, -ESTALE, -EISDIR, -EINVAL for what has no contents, or damage. */
int file_inode_get(struct fs *fs, uint64_t ino, struct inode *ret);
/* 0 when the inode may have contents, or the error as above. */
int file_check(const struct inode *in);
/* -EFBIG when [offset, offset + len) does not fit into a file. */
int file_range_check(uint64_t offset, uint64_t len);
/* One block of a file, as lsm_get; ERR_BLOCK_LEN when it is too long, ERR_BLOCK_LOST. */
int block_get(struct fs *fs, uint64_t ino, uint64_t block, struct lsm_value *ret);
/* Describe a block that is longer than block_len, or is marked as lost. Returns the error. */
int block_len_raise(const struct fs *fs, uint64_t ino, uint64_t block, const void *data,
                    size_t len);
/* How many blocks exist in [first, end). */
int blocks_count(struct fs *fs, uint64_t ino, uint64_t first, uint64_t end, uint64_t *ret);
/*
 * Add to the batch the removal of the blocks in [first, end), and take those that exist off
 * in->block_count. The caller holds the inode's lock.
 */
int blocks_remove(struct fs *fs, struct lsm_batch *b, struct inode *in, uint64_t first,
                  uint64_t end);

/* To be called for every change of contents, before the inode's record is written. */
static inline void set_id_clear(const struct fs *fs, struct inode *in)
{
    if (fs->options.clear_set_id)
        in->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
}

/*
 * What chown(2), and writing by somebody without CAP_FSETID, take from what is no directory. A
 * set-group-id bit without permission for the group to execute means something else. Whether there
 * was any.
 */
static inline bool set_id_kill(struct inode *in)
{
    uint32_t old = in->mode;

    if (S_ISDIR(old))
        return false;
    in->mode &= ~(uint32_t)(old & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
    return in->mode != old;
}

/*
 * Add a write to the batch, with the inode's record, and change `in` as it does; len is not 0, and
 * the range fits into a file. The caller holds the inode's lock.
 */
int file_write_batch(struct op *op, struct inode *in, uint64_t offset, const void *data,
                     size_t len);

#endif
