/*
 * Prefix compression with restart points. Every restart_interval entries a key is stored whole, and
 * its offset goes into the array at the end of the block, so that a reader can search by halves and
 * then walk a few entries.
 *
 * A block without entries has no restart point: its contents are a count of zero.
 */
#include "lsm/table/block_builder.h"

#include <errno.h>

#include "lsm/base/codec.h"

enum {
    KEEP_LEN = 1 << 20 /* a larger buffer is given back at reset */
};

static size_t shared_len(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len, i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t differs = slice_word(a.data + i) ^ slice_word(b.data + i);

        if (differs)
            return i + (size_t)__builtin_clzll(differs) / 8;
    }
    while (i < n && a.data[i] == b.data[i])
        i++;
    return i;
}

int block_builder_add(struct block_builder *b, struct slice key, struct slice value)
{
    size_t shared = 0;
    uint8_t *p;
    int err;

    if (b->out.len > UINT32_MAX)
        return -EFBIG;
    if (b->entry_count == 0 || b->since_restart >= b->restart_interval) {
        err = buf_put_le32(&b->restarts, (uint32_t)b->out.len);
        if (err)
            return err;
        b->since_restart = 0;
    } else {
        shared = shared_len(buf_slice(&b->last_key), key);
    }
    err = buf_reserve(&b->out, 3 * VARINT64_LEN_MAX + key.len - shared + value.len);
    if (!err)
        err = buf_assign(&b->last_key, key.data, key.len);
    if (err)
        return err;
    p = b->out.data + b->out.len;
    p = put_varint64(p, shared);
    p = put_varint64(p, key.len - shared);
    p = put_varint64(p, value.len);
    b->out.len = (size_t)(p - b->out.data);
    (void)buf_append(&b->out, key.data + shared, key.len - shared);
    (void)buf_append(&b->out, value.data, value.len);
    b->since_restart++;
    b->entry_count++;
    return 0;
}

int block_builder_finish(struct block_builder *b, struct slice *ret)
{
    int err = buf_append(&b->out, b->restarts.data, b->restarts.len);

    if (!err)
        err = buf_put_le32(&b->out, (uint32_t)(b->restarts.len / 4));
    if (err)
        return err;
    *ret = buf_slice(&b->out);
    return 0;
}

void block_builder_reset(struct block_builder *b)
{
    if (b->out.cap > KEEP_LEN)
        buf_free(&b->out);
    b->out.len = 0;
    b->restarts.len = 0;
    b->last_key.len = 0;
    b->since_restart = 0;
    b->entry_count = 0;
}

void block_builder_done(struct block_builder *b)
{
    buf_free(&b->out);
    buf_free(&b->restarts);
    buf_free(&b->last_key);
}
