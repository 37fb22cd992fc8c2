/*
 * Entries of a block. Layout: lsm/FORMAT.md, "Table".
 *
 * An entry is decoded from its offset and the key before it. A key that shares nothing is borrowed
 * from the block; others are put together in key_mem, where the shared prefix mostly stands
 * already. Offsets only grow while walking, since an entry has at least three bytes, so every walk
 * ends. A restart point is believed only where its entry lies in the block and shares nothing.
 */
#include "lsm/table/block_iter.h"

#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/table/sst_format.h"

enum {
    CACHE_LINE_LEN = 64,
    PREFETCH_LEN_MAX = 2 << 10, /* more would push out itself */
    /* Blocks with more restart points than this are indexes, which are in the processor's cache. */
    PREFETCH_RESTARTS_MAX = 32,
};

struct entry {
    uint32_t shared, unshared, value_len;
    const uint8_t *suffix; /* of the key; the value follows */
};

void block_iter_init(struct block_iter *it)
{
    it->valid = false;
    it->err = 0;
    it->key = it->value = slice_of(NULL, 0);
    it->data = NULL;
    it->entries_len = 0;
    it->restart_count = 0;
    it->pos = it->next_pos = 0;
    it->restart = 0;
    it->key_mem = it->key_inline;
    it->key_cap = sizeof(it->key_inline);
}

void block_iter_done(struct block_iter *it)
{
    if (it->key_mem != it->key_inline)
        free(it->key_mem);
}

static void fail(struct block_iter *it, int err)
{
    it->valid = false;
    it->err = err;
}

int block_iter_set(struct block_iter *it, struct slice contents)
{
    size_t restarts_len;

    it->valid = false;
    it->err = -ERR_SST_BLOCK_FORMAT;
    it->data = contents.data;
    it->entries_len = 0;
    it->restart_count = 0;
    it->key = it->value = slice_of(NULL, 0);
    if (contents.len < 4 || contents.len > BLOCK_LEN_MAX)
        return it->err;
    restarts_len = contents.len - 4;
    it->restart_count = get_le32(contents.data + restarts_len);
    if (it->restart_count > restarts_len / 4) {
        it->restart_count = 0;
        return it->err;
    }
    it->entries_len = restarts_len - 4 * (size_t)it->restart_count;
    if ((it->restart_count == 0) != (it->entries_len == 0) ||
        (it->restart_count && get_le32(contents.data + it->entries_len) != 0)) {
        it->restart_count = 0;
        it->entries_len = 0;
        return it->err;
    }
    it->err = 0;
    return 0;
}

static bool entry_decode(const struct block_iter *it, size_t pos, struct entry *ret)
{
    struct slice in = slice_of(it->data + pos, it->entries_len - pos);
    const uint8_t *p = in.data;

    if (in.len >= 3 && (p[0] | p[1] | p[2]) < 0x80) {
        ret->shared = p[0];
        ret->unshared = p[1];
        ret->value_len = p[2];
        in = slice_of(p + 3, in.len - 3);
    } else if (!take_varint32(&in, &ret->shared) || !take_varint32(&in, &ret->unshared) ||
               !take_varint32(&in, &ret->value_len)) {
        return false;
    }
    ret->suffix = in.data;
    if (ret->unshared > in.len || ret->value_len > in.len - ret->unshared)
        return false;
    if (ret->shared > IKEY_LEN_MAX || ret->unshared > IKEY_LEN_MAX - ret->shared)
        return false;
    return ret->shared + ret->unshared >= IKEY_TRAILER_LEN;
}

/* Happens once at most: then there is room for every key. */
static bool key_grow(struct block_iter *it)
{
    uint8_t *mem = malloc(IKEY_LEN_MAX);

    if (!mem) {
        fail(it, -ENOMEM);
        return false;
    }
    memcpy(mem, it->key_mem, it->key_cap);
    if (it->key.data == it->key_mem)
        it->key.data = mem;
    it->key_mem = mem;
    it->key_cap = IKEY_LEN_MAX;
    return true;
}

static bool key_join(struct block_iter *it, const struct entry *e)
{
    size_t len = e->shared + e->unshared;

    if (e->shared > it->key.len) {
        fail(it, -ERR_SST_BLOCK_FORMAT);
        return false;
    }
    if (len > it->key_cap && !key_grow(it))
        return false;
    if (it->key.data != it->key_mem)
        memcpy(it->key_mem, it->key.data, e->shared);
    memcpy(it->key_mem + e->shared, e->suffix, e->unshared);
    it->key = slice_of(it->key_mem, len);
    return true;
}

/* Stand on the entry at pos. it->key is the key before it, or empty at a restart point. */
static void move_to(struct block_iter *it, size_t pos)
{
    struct entry e;

    if (pos >= it->entries_len) {
        it->valid = false;
        return;
    }
    if (!entry_decode(it, pos, &e)) {
        fail(it, -ERR_SST_BLOCK_FORMAT);
        return;
    }
    if (e.shared == 0)
        it->key = slice_of(e.suffix, e.unshared);
    else if (!key_join(it, &e))
        return;
    it->value = slice_of(e.suffix + e.unshared, e.value_len);
    it->pos = pos;
    it->next_pos = (size_t)(it->value.data + e.value_len - it->data);
    it->valid = true;
}

static size_t restart_offset(const struct block_iter *it, uint32_t i)
{
    return get_le32(it->data + it->entries_len + 4 * (size_t)i);
}

static void move_to_restart(struct block_iter *it, uint32_t i)
{
    it->err = 0;
    it->key = slice_of(NULL, 0);
    move_to(it, restart_offset(it, i));
}

void block_iter_seek_first(struct block_iter *it)
{
    it->valid = false;
    it->err = 0;
    if (it->restart_count)
        move_to_restart(it, 0);
}

/* Stand on the entry that ends at `end`, walking from a restart point before it. */
static void walk_to_end(struct block_iter *it, uint32_t restart, size_t end)
{
    if (restart_offset(it, restart) >= end) {
        fail(it, -ERR_SST_BLOCK_FORMAT);
        return;
    }
    move_to_restart(it, restart);
    while (it->valid && it->next_pos < end)
        move_to(it, it->next_pos);
    if (it->valid && it->next_pos != end)
        fail(it, -ERR_SST_BLOCK_FORMAT);
}

void block_iter_seek_last(struct block_iter *it)
{
    it->valid = false;
    it->err = 0;
    if (it->restart_count)
        walk_to_end(it, it->restart_count - 1, it->entries_len);
}

static bool restart_key(const struct block_iter *it, uint32_t i, struct slice *ret)
{
    size_t pos = restart_offset(it, i);
    struct entry e;

    if (pos >= it->entries_len || !entry_decode(it, pos, &e) || e.shared != 0)
        return false;
    *ret = slice_of(e.suffix, e.unshared);
    return true;
}

/* Have the first bytes of [start, end) on their way from memory, all at once. */
static void prefetch(const struct block_iter *it, size_t start, size_t end)
{
    if (end > it->entries_len)
        end = it->entries_len;
    if (start < end && end - start > PREFETCH_LEN_MAX)
        end = start + PREFETCH_LEN_MAX;
    for (size_t pos = start; pos < end; pos += CACHE_LINE_LEN)
        __builtin_prefetch(it->data + pos);
}

void block_iter_prefetch_contents(struct slice contents)
{
    if (contents.len)
        __builtin_prefetch(contents.data + contents.len - 1);
}

void block_iter_prefetch_restarts(const struct block_iter *it)
{
    if (it->restart_count > PREFETCH_RESTARTS_MAX)
        return;
    for (uint32_t i = 0; i < it->restart_count; i++) {
        size_t pos = restart_offset(it, i);

        if (pos < it->entries_len)
            __builtin_prefetch(it->data + pos);
    }
}

void block_iter_seek_restart(struct block_iter *it, struct slice ikey)
{
    uint32_t lo = 0, hi = it->restart_count;
    struct slice key;

    it->valid = false;
    it->err = 0;
    it->restart = 0;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (!restart_key(it, mid, &key)) {
            fail(it, -ERR_SST_BLOCK_FORMAT);
            return;
        }
        if (ikey_cmp(key, ikey) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    it->restart = lo ? lo - 1 : 0;
    /* The entries between two restart points are a chain: each says where the next one is. */
    if (it->restart_count && it->restart_count <= PREFETCH_RESTARTS_MAX)
        prefetch(it, restart_offset(it, it->restart),
                 lo < it->restart_count ? restart_offset(it, lo) : it->entries_len);
}

void block_iter_seek_walk(struct block_iter *it, struct slice ikey)
{
    if (it->err || it->restart_count == 0)
        return;
    move_to_restart(it, it->restart);
    while (it->valid && ikey_cmp(it->key, ikey) < 0)
        move_to(it, it->next_pos);
}

void block_iter_seek(struct block_iter *it, struct slice ikey)
{
    block_iter_prefetch_restarts(it);
    block_iter_seek_restart(it, ikey);
    block_iter_seek_walk(it, ikey);
}

void block_iter_next(struct block_iter *it)
{
    move_to(it, it->next_pos);
}

void block_iter_prev(struct block_iter *it)
{
    uint32_t lo = 0, hi = it->restart_count;
    size_t end = it->pos;

    if (end == 0) {
        it->valid = false;
        return;
    }
    /* The last restart point before the current entry; the first one is at 0. */
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (restart_offset(it, mid) < end)
            lo = mid;
        else
            hi = mid;
    }
    walk_to_end(it, lo, end);
}

int block_iter_check(struct block_iter *it)
{
    uint32_t restart = 0;

    for (block_iter_seek_first(it); it->valid; block_iter_next(it)) {
        if (restart == it->restart_count || restart_offset(it, restart) != it->pos)
            continue;
        if (it->data[it->pos] != 0)
            break;
        restart++;
    }
    if (!it->err && (it->valid || restart != it->restart_count))
        it->err = -ERR_SST_BLOCK_FORMAT;
    it->valid = false;
    return it->err;
}
