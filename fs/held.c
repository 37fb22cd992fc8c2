/*
 * Held contents. What touches is one extent, so that a whole file is mostly one.
 */
#include "fs/held.h"

#include <stdlib.h>

static int extent_add(struct held *h, uint64_t offset, size_t len)
{
    struct extent *last = h->extent_count ? &h->extents[h->extent_count - 1] : NULL;

    if (last && last->offset + last->len == offset) {
        last->len += len;
        return 0;
    }
    if (h->extent_count == h->extent_cap) {
        size_t cap = h->extent_cap ? h->extent_cap * 2 : 16;
        struct extent *extents = reallocarray(h->extents, cap, sizeof(*extents));

        if (!extents)
            return -ENOMEM;
        h->extents = extents;
        h->extent_cap = cap;
    }
    h->extents[h->extent_count++] = (struct extent){offset, h->data.len, len};
    return 0;
}

int held_add(struct held *h, uint64_t offset, const void *data, size_t len)
{
    int err = buf_reserve(&h->data, len);

    if (!err)
        err = extent_add(h, offset, len);
    return err ? err : buf_append(&h->data, data, len);
}

void held_clear(struct held *h)
{
    h->data.len = 0;
    h->extent_count = 0;
}

void held_done(struct held *h)
{
    buf_free(&h->data);
    free(h->extents);
    *h = (struct held){.extents = NULL};
}

int held_write(const struct held *h, struct fs *fs, uint64_t ino)
{
    int err = 0;

    for (size_t i = 0; i < h->extent_count && !err; i++) {
        const struct extent *x = &h->extents[i];

        err = fs_write(fs, ino, x->offset, h->data.data + x->at, x->len);
    }
    return err;
}

/* A block in pieces, put together with zeros between. */
struct piece {
    uint64_t block;
    uint8_t *buf;
    size_t end; /* bytes in buf; 0: none */
};

static int piece_put(struct bulk *b, struct inode *in, struct piece *p)
{
    int err = p->end ? bulk_block(b, in, p->block, p->buf, p->end) : 0;

    p->end = 0;
    return err;
}

/* One extent. `p` may hold the beginning of its first block, and then that of its last one. */
static int extent_blocks(const struct held *h, struct extent x, struct bulk *b, struct inode *in,
                         struct piece *p)
{
    uint32_t block_len = fs_super(b->fs)->block_len;
    int err = 0;

    while (x.len && !err) {
        size_t from = (size_t)(x.offset % block_len);
        size_t n = x.len < block_len - from ? x.len : block_len - from;

        if (x.offset / block_len != p->block)
            err = piece_put(b, in, p);
        p->block = x.offset / block_len;
        if (n == block_len && !err) {
            err = bulk_block(b, in, p->block, h->data.data + x.at, n);
        } else {
            memset(p->buf + p->end, 0, from - p->end);
            memcpy(p->buf + from, h->data.data + x.at, n);
            p->end = from + n;
        }
        x.offset += n;
        x.at += n;
        x.len -= n;
    }
    return err;
}

int held_blocks(const struct held *h, struct bulk *b, struct inode *in)
{
    struct piece p = {.end = 0};
    int err = 0;

    if (!h->extent_count)
        return 0;
    p.buf = malloc(fs_super(b->fs)->block_len);
    if (!p.buf)
        return -ENOMEM;
    for (size_t i = 0; i < h->extent_count && !err; i++)
        err = extent_blocks(h, h->extents[i], b, in, &p);
    if (!err)
        err = piece_put(b, in, &p);
    free(p.buf);
    return err;
}
