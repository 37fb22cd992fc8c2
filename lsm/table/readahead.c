/*
 * Reading ahead.
 *
 * An iterator that has missed a few blocks in a row, each behind the one before (or before it, when
 * it goes backwards), will want the next ones too: then a piece of the file is read into a buffer
 * with one call, and the blocks are taken from there. Pieces grow as long as that goes on. While
 * one is worked on, the environment is told of the next, so that the disk is not waited for. A
 * compaction reads large pieces from the first block on.
 *
 * The blocks of an index and a filter lie between the data blocks and are skipped over; they make
 * small gaps, which still count as one after the other. A piece that cannot be read is no error:
 * its blocks are then read one by one, so that damage concerns only the block that it is in.
 */
#include "lsm/table/readahead.h"

#include <stdlib.h>

enum {
    GAP_LEN_MAX = 32 << 10,
    RUN_MIN = 2, /* blocks in a row before the first piece */
    PIECE_LEN_MIN = 64 << 10,
    PIECE_LEN_MAX = 1 << 20,
    COMPACT_PIECE_LEN = 512 << 10,
};

void readahead_done(struct readahead *r)
{
    free(r->data);
    *r = (struct readahead){0};
}

static uint64_t end_of(struct block_handle h)
{
    return h.offset + h.len + BLOCK_TRAILER_LEN;
}

/* The block's bytes in the piece at hand, or NULL. */
static const uint8_t *find(const struct readahead *r, struct block_handle h)
{
    if (h.offset < r->start || end_of(h) > r->start + r->len)
        return NULL;
    return r->data + (h.offset - r->start);
}

/* Begin anew: `run` blocks in a row so far. */
static void restart(struct readahead *r, unsigned run, size_t len)
{
    r->run = run;
    r->next_len = len;
}

/* Count the blocks in a row; whether so many are worth a piece. */
static bool note_miss(struct readahead *r, struct block_handle h, bool whole_table, bool backward)
{
    uint64_t end = end_of(h);
    bool in_row = backward ? end <= r->last && r->last - end <= GAP_LEN_MAX
                           : h.offset >= r->after && h.offset - r->after <= GAP_LEN_MAX;

    if (r->next_len == 0 && whole_table)
        restart(r, RUN_MIN, COMPACT_PIECE_LEN);
    else if (r->next_len == 0 || !in_row)
        restart(r, 0, PIECE_LEN_MIN);
    else
        r->run++;
    r->last = h.offset;
    r->after = end;
    return r->run >= RUN_MIN;
}

static bool reserve(struct readahead *r, size_t len)
{
    if (len <= r->cap)
        return true;
    free(r->data);
    r->data = malloc(len);
    r->cap = r->data ? len : 0;
    return r->data != NULL;
}

/* The environment may begin with the piece that follows [start, end). */
static void tell_next(const struct readahead *r, const struct block_source *s, uint64_t start,
                      uint64_t end, bool backward)
{
    uint64_t len = backward ? start : s->blocks_end - end;

    if (len > r->next_len)
        len = r->next_len;
    if (len)
        env_reader_prefetch(s->reader, backward ? start - len : end, len);
}

/* Read a piece that has the block at its near end. False when that was not possible. */
static bool read_piece(struct readahead *r, const struct block_source *s, struct block_handle h,
                       bool backward)
{
    uint64_t start = h.offset, end = end_of(h);
    size_t got;

    if (backward)
        start = end > r->next_len ? end - r->next_len : 0;
    else
        end = s->blocks_end - start > r->next_len ? start + r->next_len : s->blocks_end;
    if (start > h.offset || end < end_of(h))
        return false;
    r->len = 0;
    if (!reserve(r, (size_t)(end - start)))
        return false;
    if (r->next_len < PIECE_LEN_MAX)
        r->next_len *= 2;
    tell_next(r, s, start, end, backward);
    if (env_reader_read(s->reader, start, (size_t)(end - start), r->data, &got)) {
        restart(r, 0, PIECE_LEN_MIN);
        return false;
    }
    r->start = start;
    r->len = got;
    return find(r, h) != NULL;
}

static int read_missing(struct readahead *r, const struct block_source *s, struct block_handle h,
                        bool whole_table, bool backward, struct cache_block **ret)
{
    const uint8_t *raw = find(r, h);

    if (raw) {
        r->last = h.offset;
        r->after = end_of(h);
        return block_decode(s, h, raw, ret);
    }
    if (note_miss(r, h, whole_table, backward) && read_piece(r, s, h, backward))
        return block_decode(s, h, find(r, h), ret);
    return block_read(s, h, BLOCK_DIRECT, CACHE_NORMAL, ret);
}

int readahead_block(struct readahead *r, const struct block_source *s, struct block_handle h,
                    enum block_use use, bool backward, struct cache_block **ret)
{
    struct cache_block *b = s->cache ? block_cache_get(s->cache, s->number, h.offset) : NULL;
    int err;

    if (b) {
        *ret = b;
        return 0;
    }
    err = block_check_handle(s, h);
    if (!err)
        err = read_missing(r, s, h, use == BLOCK_LOOK, backward, &b);
    if (err)
        return err;
    if (s->cache && use == BLOCK_FILL)
        block_cache_put(s->cache, s->number, h.offset, b, CACHE_NORMAL);
    *ret = b;
    return 0;
}
