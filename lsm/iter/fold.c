/*
 * Folding versions into a value.
 *
 * Layers are collected newest first. The common case, one full value and no patch, allocates and
 * copies nothing: the layer stands in the struct and the value is the base's own bytes. With
 * patches, the length of the result is known before any byte is copied, so that the merged buffer
 * is grown once and the work is linear in the bytes of all layers, however many there are.
 *
 * Values come from disk: a patch is decoded with bounds before it is believed, and nothing grows
 * past the bound that the store was opened with.
 */
#include "lsm/iter/fold.h"

#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"

enum {
    MERGED_KEEP_LEN = 1 << 20 /* a larger buffer is given back before the next key */
};

void fold_begin(struct fold *f)
{
    for (size_t i = 0; i < f->layer_count; i++)
        pin_release(&f->layers[i].pin);
    f->layer_count = 0;
    f->done = false;
    f->has_base = f->base_is_ref = false;
    f->newest_seqno = f->oldest_seqno = 0;
    f->err = 0;
    f->merged.len = 0;
    if (f->merged.cap > MERGED_KEEP_LEN)
        buf_free(&f->merged);
}

void fold_done(struct fold *f)
{
    fold_begin(f);
    if (f->layer_cap > FOLD_INLINE_LAYERS)
        free(f->layers);
    f->layers = NULL;
    f->layer_cap = 0;
    buf_free(&f->merged);
}

/* Room for one more layer. */
static int reserve_layer(struct fold *f)
{
    struct fold_layer *layers;
    size_t cap;

    /* Set anew for each key: the struct may have been moved in between. */
    if (f->layer_count == 0 && f->layer_cap <= FOLD_INLINE_LAYERS) {
        f->layers = f->inline_layers;
        f->layer_cap = FOLD_INLINE_LAYERS;
    }
    if (f->layer_count < f->layer_cap)
        return 0;
    if (f->layer_cap > SIZE_MAX / 2 / sizeof(*layers))
        return -ENOMEM;
    cap = f->layer_cap * 2;
    if (f->layer_cap > FOLD_INLINE_LAYERS) {
        layers = realloc(f->layers, cap * sizeof(*layers));
    } else {
        layers = malloc(cap * sizeof(*layers));
        if (layers)
            memcpy(layers, f->inline_layers, f->layer_count * sizeof(*layers));
    }
    if (!layers)
        return -ENOMEM;
    f->layers = layers;
    f->layer_cap = cap;
    return 0;
}

static int fail(struct fold *f, struct pin *pin, int err)
{
    pin_release(pin);
    f->done = true;
    f->err = err;
    return err;
}

int fold_add(struct fold *f, enum kind kind, uint64_t seqno, struct slice value, struct pin *pin)
{
    int err;

    if (f->done) {
        pin_release(pin);
        return f->err ? f->err : 1;
    }
    if (f->newest_seqno == 0)
        f->newest_seqno = seqno;
    f->oldest_seqno = seqno;
    if (kind == KIND_DELETE) {
        pin_release(pin);
        f->done = true;
        return 1;
    }
    if (kind != KIND_PUT && kind != KIND_PATCH && kind != KIND_BLOB_REF)
        return fail(f, pin,
                    err_raise(ERR_KIND_UNKNOWN, "version %llu of a key has the unknown kind %u",
                              (unsigned long long)seqno, (unsigned)kind));
    err = reserve_layer(f);
    if (err)
        return fail(f, pin, err);
    f->layers[f->layer_count++] = (struct fold_layer){value, *pin};
    *pin = (struct pin){0};
    if (kind == KIND_PATCH)
        return 0;
    f->has_base = true;
    f->base_is_ref = kind == KIND_BLOB_REF;
    f->done = true;
    return 1;
}

bool fold_base_ref(const struct fold *f, struct slice *ret)
{
    if (!f->base_is_ref)
        return false;
    *ret = f->layers[f->layer_count - 1].value;
    return true;
}

void fold_resolve(struct fold *f, struct slice value, struct pin pin)
{
    struct fold_layer *base = &f->layers[f->layer_count - 1];

    CHECK(f->base_is_ref);
    pin_release(&base->pin);
    *base = (struct fold_layer){value, pin};
    f->base_is_ref = false;
}

void fold_end(struct fold *f)
{
    f->done = true;
}

static int patch_damaged(struct slice record)
{
    return err_raise(ERR_PATCH_DAMAGED, "a patch record of %zu bytes cannot be decoded",
                     record.len);
}

/* Bytes that the value has in the end; checks every layer. */
static int merged_len(const struct fold *f, size_t patch_count, size_t *ret)
{
    size_t len = f->has_base ? f->layers[patch_count].value.len : 0;

    for (size_t i = 0; i < patch_count; i++) {
        uint64_t offset;
        struct slice bytes;

        if (!patch_decode(f->layers[i].value, &offset, &bytes))
            return patch_damaged(f->layers[i].value);
        if ((size_t)offset + bytes.len > len)
            len = (size_t)offset + bytes.len;
    }
    if (len > fold_value_len_max(f))
        return value_len_raise(len, fold_value_len_max(f));
    *ret = len;
    return 0;
}

static int merge(struct fold *f)
{
    size_t patch_count = f->layer_count - (f->has_base ? 1 : 0), len = 0, base_len = 0;
    int err = merged_len(f, patch_count, &len);

    if (err)
        return err;
    f->merged.len = 0;
    err = buf_reserve(&f->merged, len);
    if (err)
        return err;
    if (f->has_base) {
        base_len = f->layers[patch_count].value.len;
        if (base_len)
            memcpy(f->merged.data, f->layers[patch_count].value.data, base_len);
    }
    if (len > base_len)
        memset(f->merged.data + base_len, 0, len - base_len);
    f->merged.len = len;
    for (size_t i = patch_count; i-- > 0;) {
        uint64_t offset;
        struct slice bytes;

        CHECK(patch_decode(f->layers[i].value, &offset, &bytes));
        if (bytes.len)
            memcpy(f->merged.data + offset, bytes.data, bytes.len);
    }
    return 0;
}

int fold_value(struct fold *f, struct slice *ret)
{
    int err;

    if (f->err)
        return f->err;
    if (f->layer_count == 0)
        return 0;
    if (f->base_is_ref)
        return err_raise(ERR_BLOB_REF, "a reference to a large value was not followed");
    if (f->has_base && f->layer_count == 1) {
        if (f->layers[0].value.len > fold_value_len_max(f))
            return value_len_raise(f->layers[0].value.len, fold_value_len_max(f));
        *ret = f->layers[0].value;
        return 1;
    }
    err = merge(f);
    if (err)
        return err;
    *ret = buf_slice(&f->merged);
    return 1;
}

int patch_apply(struct buf *value, struct slice record)
{
    uint64_t offset;
    struct slice bytes;
    size_t end;
    int err;

    if (!patch_decode(record, &offset, &bytes))
        return patch_damaged(record);
    end = (size_t)offset + bytes.len;
    if (end > value->len) {
        err = buf_reserve(value, end - value->len);
        if (err)
            return err;
        memset(value->data + value->len, 0, end - value->len);
        value->len = end;
    }
    if (bytes.len)
        memcpy(value->data + offset, bytes.data, bytes.len);
    return 0;
}

int lookup_add(struct lookup *l, enum kind kind, uint64_t seqno, struct slice value,
               struct pin *pin)
{
    if (seqno < l->rangedel_seqno) {
        pin_release(pin);
        fold_end(&l->fold);
        return l->fold.err ? l->fold.err : 1;
    }
    return fold_add(&l->fold, kind, seqno, value, pin);
}
