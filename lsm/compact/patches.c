/*
 * Merging patches. Over any base a row of patches amounts to a set of ranges: within a range the
 * newest patch counts for each byte, and the value reaches at least to the end of the last one. So
 * patches are sorted by offset, those that overlap or touch make one range, and each range is
 * filled from its oldest patch to its newest. A merged range has no more bytes than its patches.
 */
#include "lsm/compact/patches.h"

#include <errno.h>
#include <stdlib.h>

struct piece {
    uint64_t offset, end;
    struct slice bytes;
    size_t index; /* in the row: the newest has 0 */
};

static int by_offset(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int oldest_first(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;

    return (x->index < y->index) - (x->index > y->index);
}

/* False when one of them cannot be decoded. */
static bool decode_all(const struct fold_layer *layers, size_t count, struct piece *pieces)
{
    for (size_t i = 0; i < count; i++) {
        struct piece *p = &pieces[i];

        if (!patch_decode(layers[i].value, &p->offset, &p->bytes))
            return false;
        p->end = p->offset + p->bytes.len;
        p->index = i;
    }
    return true;
}

static void keep_all(const struct fold_layer *layers, size_t count, struct patch_row *row)
{
    for (size_t i = 0; i < count; i++) {
        row->records[i] = layers[i].value;
        row->len += layers[i].value.len;
    }
    row->count = count;
}

/* Write the range of pieces[0..count) at the end of the row's bytes, which have room. */
static void put_range(struct piece *pieces, size_t count, uint64_t end, struct patch_row *row)
{
    uint64_t offset = pieces[0].offset;
    uint8_t *begin = row->bytes.data + row->bytes.len;
    uint8_t *at = put_varint64(begin, offset);

    qsort(pieces, count, sizeof(*pieces), oldest_first);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].bytes.len)
            memcpy(at + (pieces[i].offset - offset), pieces[i].bytes.data, pieces[i].bytes.len);
    }
    at += end - offset;
    row->records[row->count++] = slice_of(begin, (size_t)(at - begin));
    row->len += end - offset;
    row->bytes.len += (size_t)(at - begin);
}

static int merge(struct piece *pieces, size_t count, struct patch_row *row)
{
    size_t room = 0;
    int err;

    for (size_t i = 0; i < count; i++)
        room += pieces[i].bytes.len + VARINT64_LEN_MAX;
    err = buf_reserve(&row->bytes, room);
    if (err)
        return err;
    qsort(pieces, count, sizeof(*pieces), by_offset);
    for (size_t first = 0, next; first < count; first = next) {
        uint64_t end = pieces[first].end;

        for (next = first + 1; next < count && pieces[next].offset <= end; next++)
            end = pieces[next].end > end ? pieces[next].end : end;
        put_range(pieces + first, next - first, end, row);
    }
    return 0;
}

int patches_merge(const struct fold_layer *layers, size_t count, struct patch_row *ret)
{
    struct patch_row row = {.records = calloc(count ? count : 1, sizeof(*row.records))};
    struct piece *pieces = calloc(count ? count : 1, sizeof(*pieces));
    int err = 0;

    if (!row.records || !pieces)
        err = -ENOMEM;
    else if (count > 1 && decode_all(layers, count, pieces))
        err = merge(pieces, count, &row);
    else
        keep_all(layers, count, &row);
    free(pieces);
    if (err)
        patch_row_done(&row);
    else
        *ret = row;
    return err;
}

void patch_row_done(struct patch_row *row)
{
    free(row->records);
    buf_free(&row->bytes);
    *row = (struct patch_row){0};
}
