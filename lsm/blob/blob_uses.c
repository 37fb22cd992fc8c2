/*
 * Lists of uses, sorted by file number. Most references of one table lie in few files and come in
 * runs, so an insertion into the sorted array is rare and the last entry is tried first.
 */
#include "lsm/blob/blob_uses.h"

#include <errno.h>
#include <stdlib.h>

#include "lsm/base/codec.h"

/* The first entry with a number not below `number`. */
static size_t find(const struct blob_uses *u, uint64_t number)
{
    size_t lo = 0, hi = u->count;

    if (hi && u->uses[hi - 1].number < number)
        return hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (u->uses[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int insert(struct blob_uses *u, size_t at, uint64_t number)
{
    if (u->count == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 8;
        struct blob_use *uses = realloc(u->uses, cap * sizeof(*uses));

        if (!uses)
            return -ENOMEM;
        u->uses = uses;
        u->cap = cap;
    }
    memmove(u->uses + at + 1, u->uses + at, (u->count - at) * sizeof(*u->uses));
    u->uses[at] = (struct blob_use){.number = number};
    u->count++;
    return 0;
}

int blob_uses_add(struct blob_uses *u, uint64_t number, uint64_t count, uint64_t len)
{
    size_t at = find(u, number);

    if (at == u->count || u->uses[at].number != number) {
        int err = insert(u, at, number);

        if (err)
            return err;
    }
    u->uses[at].count += count;
    u->uses[at].len += len;
    return 0;
}

int blob_uses_add_ref(struct blob_uses *u, const struct blob_ref *ref)
{
    return blob_uses_add(u, ref->file, 1, blob_padded(ref->len));
}

const struct blob_use *blob_uses_find(const struct blob_uses *u, uint64_t number)
{
    size_t at = find(u, number);

    return at < u->count && u->uses[at].number == number ? &u->uses[at] : NULL;
}

bool blob_uses_equal(const struct blob_uses *a, const struct blob_uses *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->uses[i].number != b->uses[i].number || a->uses[i].count != b->uses[i].count ||
            a->uses[i].len != b->uses[i].len)
            return false;
    }
    return true;
}

void blob_uses_done(struct blob_uses *u)
{
    free(u->uses);
    *u = (struct blob_uses){0};
}

int blob_uses_encode(const struct blob_uses *u, struct buf *ret)
{
    int err = buf_put_varint64(ret, u->count);

    for (size_t i = 0; !err && i < u->count; i++) {
        err = buf_put_varint64(ret, u->uses[i].number);
        if (!err)
            err = buf_put_varint64(ret, u->uses[i].count);
        if (!err)
            err = buf_put_varint64(ret, u->uses[i].len);
    }
    return err;
}

int blob_uses_decode(struct slice *in, struct blob_uses *ret)
{
    struct blob_uses u = {0};
    uint64_t count, last = 0;
    int err = 1;

    if (!take_varint64(in, &count))
        return 0;
    for (; err == 1 && count; count--) {
        struct blob_use use;

        /* Ascending, and small enough that sums do not overflow. */
        if (!take_varint64(in, &use.number) || !take_varint64(in, &use.count) ||
            !take_varint64(in, &use.len) || use.number <= last || use.len >> 48 || use.count >> 48)
            err = 0;
        else if (blob_uses_add(&u, use.number, use.count, use.len))
            err = -ENOMEM;
        last = use.number;
    }
    if (err != 1) {
        blob_uses_done(&u);
        return err;
    }
    blob_uses_done(ret);
    *ret = u;
    return 1;
}
