/*
 * The mark of a block whose contents damage has taken: a value of block_len + LOST_MARK_LEN bytes
 * that ends with the mark. As it is longer than any block may be, reading it fails, also for a
 * program that does not know the mark. It is written as a patch at block_len, so that it needs no
 * room and whatever is under or over it does not matter. A block that is put, deleted or punched is
 * whole again; one that is patched stays lost.
 */
#ifndef FS_LOST_MARK_H
#define FS_LOST_MARK_H

#include "fs/key.h"
#include "lsm/lsm.h"

enum {
    LOST_MARK_LEN = 8
};

static const uint8_t lost_mark[LOST_MARK_LEN] = {'F', 'L', 'U', 'X', 'L', 'O', 'S', 'T'};

static inline bool block_is_lost(const void *data, size_t len, uint32_t block_len)
{
    return len == (size_t)block_len + LOST_MARK_LEN &&
           memcmp((const uint8_t *)data + block_len, lost_mark, LOST_MARK_LEN) == 0;
}

/* Add to the batch that a block is lost. */
static inline int block_mark_lost(struct lsm_batch *b, uint64_t ino, uint64_t block,
                                  uint32_t block_len)
{
    struct key k;

    key_block(&k, ino, block);
    return lsm_batch_patch(b, k.data, k.len, block_len, lost_mark, LOST_MARK_LEN);
}

#endif
