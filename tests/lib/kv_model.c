/*
 * Everything is a linear or binary search in a sorted array.
 */
#include "lib/kv_model.h"

#include <stdlib.h>
#include <xxhash.h>

#include "lsm/base/check.h"
#include "lsm/wal/batch.h"

size_t kv_find(const struct kv_model *m, struct slice key)
{
    size_t lo = 0, hi = m->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (slice_cmp(buf_slice(&m->pairs[mid].key), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct kv_pair *kv_get(const struct kv_model *m, struct slice key)
{
    size_t i = kv_find(m, key);

    return i < m->count && slice_eq(buf_slice(&m->pairs[i].key), key) ? &m->pairs[i] : NULL;
}

/* The pair of the key, made with an empty value when it is missing. */
static struct kv_pair *make(struct kv_model *m, struct slice key)
{
    size_t i = kv_find(m, key);

    if (i < m->count && slice_eq(buf_slice(&m->pairs[i].key), key))
        return &m->pairs[i];
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->pairs = realloc(m->pairs, m->cap * sizeof(*m->pairs));
        CHECK(m->pairs);
    }
    memmove(&m->pairs[i + 1], &m->pairs[i], (m->count - i) * sizeof(*m->pairs));
    m->count++;
    m->pairs[i] = (struct kv_pair){{0}, {0}};
    CHECK(buf_assign(&m->pairs[i].key, key.data, key.len) == 0);
    return &m->pairs[i];
}

void kv_put(struct kv_model *m, struct slice key, struct slice value)
{
    CHECK(buf_assign(&make(m, key)->value, value.data, value.len) == 0);
}

void kv_patch(struct kv_model *m, struct slice key, size_t offset, struct slice bytes)
{
    struct buf *v = &make(m, key)->value;

    if (v->len < offset + bytes.len) {
        size_t old = v->len;

        CHECK(buf_reserve(v, offset + bytes.len - old) == 0);
        memset(v->data + old, 0, offset + bytes.len - old);
        v->len = offset + bytes.len;
    }
    if (bytes.len)
        memcpy(v->data + offset, bytes.data, bytes.len);
}

static void remove_pairs(struct kv_model *m, size_t from, size_t to)
{
    if (to <= from)
        return;
    for (size_t i = from; i < to; i++) {
        buf_free(&m->pairs[i].key);
        buf_free(&m->pairs[i].value);
    }
    memmove(&m->pairs[from], &m->pairs[to], (m->count - to) * sizeof(*m->pairs));
    m->count -= to - from;
}

void kv_delete(struct kv_model *m, struct slice key)
{
    if (kv_get(m, key)) {
        size_t i = kv_find(m, key);

        remove_pairs(m, i, i + 1);
    }
}

void kv_delete_range(struct kv_model *m, struct slice start, struct slice end)
{
    remove_pairs(m, kv_find(m, start), kv_find(m, end));
}

void kv_apply(struct kv_model *m, struct slice ops)
{
    struct batch_op op;
    uint64_t offset;
    struct slice bytes;
    int more;

    while ((more = batch_next(&ops, &op)) > 0) {
        switch (op.kind) {
        case KIND_PUT:
            kv_put(m, op.key, op.value);
            break;
        case KIND_DELETE:
            kv_delete(m, op.key);
            break;
        case KIND_DELETE_RANGE:
            kv_delete_range(m, op.key, op.value);
            break;
        default:
            CHECK(patch_decode(op.value, &offset, &bytes));
            kv_patch(m, op.key, (size_t)offset, bytes);
        }
    }
    CHECK(!more);
}

bool kv_equal(const struct kv_model *a, const struct kv_model *b)
{
    bool equal = a->count == b->count;

    for (size_t i = 0; i < a->count && equal; i++)
        equal = slice_eq(buf_slice(&a->pairs[i].key), buf_slice(&b->pairs[i].key)) &&
                slice_eq(buf_slice(&a->pairs[i].value), buf_slice(&b->pairs[i].value));
    return equal;
}

uint64_t kv_digest_pair(uint64_t digest, struct slice key, struct slice value)
{
    digest = XXH3_64bits_withSeed(key.data, key.len, digest);
    return XXH3_64bits_withSeed(value.data, value.len, digest);
}

uint64_t kv_digest(const struct kv_model *m)
{
    uint64_t digest = KV_DIGEST_EMPTY;

    for (size_t i = 0; i < m->count; i++)
        digest = kv_digest_pair(digest, buf_slice(&m->pairs[i].key), buf_slice(&m->pairs[i].value));
    return digest;
}

void kv_copy(struct kv_model *ret, const struct kv_model *m)
{
    *ret = (struct kv_model){0};
    for (size_t i = 0; i < m->count; i++)
        kv_put(ret, buf_slice(&m->pairs[i].key), buf_slice(&m->pairs[i].value));
}

void kv_clear(struct kv_model *m)
{
    remove_pairs(m, 0, m->count);
    free(m->pairs);
    *m = (struct kv_model){0};
}
