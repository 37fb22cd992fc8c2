/*
 * Walks the entries of one decoded block, in both directions. Trusts nothing in the block: whatever
 * its bytes are, no move reads outside of it or goes on for ever.
 *
 * `valid`, `key`, `value` and `err` are read directly. key (an internal key, 8 to IKEY_LEN_MAX
 * bytes) and value borrow until the next move; value lies in the block itself. At either end valid
 * is false and err is 0. err is -ENOMEM or -ERR_SST_BLOCK_FORMAT, which the owner describes: only
 * it knows the block's file and place. The struct must not be moved.
 */
#ifndef LSM_TABLE_BLOCK_ITER_H
#define LSM_TABLE_BLOCK_ITER_H

#include "lsm/base/slice.h"

enum {
    BLOCK_ITER_INLINE_LEN = 256 /* keys up to this length need no allocation */
};

struct block_iter {
    bool valid;
    int err;
    struct slice key, value;

    const uint8_t *data;
    size_t entries_len; /* the restart array begins there */
    uint32_t restart_count;
    size_t pos, next_pos; /* of the current entry, and of the one after it */
    uint32_t restart;     /* between the halves of a seek: walk from there */
    uint8_t *key_mem;     /* where keys with a shared prefix are put together */
    size_t key_cap;
    uint8_t key_inline[BLOCK_ITER_INLINE_LEN];
};

/* Over no block: not valid. */
void block_iter_init(struct block_iter *it);
void block_iter_done(struct block_iter *it);
/* Walk these contents, borrowed until the next set; not valid before a seek. Sets err. */
int block_iter_set(struct block_iter *it, struct slice contents);

void block_iter_seek_first(struct block_iter *it);
void block_iter_seek_last(struct block_iter *it);
/* The first entry >= ikey, which must not borrow from the iterator. */
void block_iter_seek(struct block_iter *it, struct slice ikey);
/*
 * The same in two halves: at the last restart point before ikey, maybe an invalid one, with what
 * lies behind it on its way from memory; and from there to the entry. Meanwhile not valid.
 */
void block_iter_seek_restart(struct block_iter *it, struct slice ikey);
void block_iter_seek_walk(struct block_iter *it, struct slice ikey);
/* Have the restart points, and then the keys there, on their way from memory. */
void block_iter_prefetch_contents(struct slice contents);
void block_iter_prefetch_restarts(const struct block_iter *it);
void block_iter_next(struct block_iter *it); /* valid before */
void block_iter_prev(struct block_iter *it); /* valid before */
/* Walk all entries and see that every restart point is one of them. Sets err; not valid after. */
int block_iter_check(struct block_iter *it);

#endif
