/*
 * A table and the sorted array of what was put into it, for the tests of this room.
 */
#ifndef TESTS_UNIT_TABLE_FIXTURE_H
#define TESTS_UNIT_TABLE_FIXTURE_H

#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/table/sst.h"

struct pair {
    struct buf key; /* internal */
    struct buf value;
};

struct model {
    struct pair *pairs; /* ascending after model_sort */
    size_t count, cap;
    struct rangedel dels[64]; /* of string literals */
    size_t del_count;
};

static inline void model_add(struct model *m, struct slice user, uint64_t seqno, enum kind kind,
                             struct slice value)
{
    struct pair *p;

    if (m->count == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->pairs = realloc(m->pairs, m->cap * sizeof(*m->pairs));
        assert_non_null(m->pairs);
    }
    p = &m->pairs[m->count++];
    *p = (struct pair){0};
    assert_int_equal(ikey_make(&p->key, user, seqno, (unsigned)kind), 0);
    assert_int_equal(buf_append(&p->value, value.data, value.len), 0);
}

static inline int model_cmp(const void *a, const void *b)
{
    return ikey_cmp(buf_slice(&((const struct pair *)a)->key),
                    buf_slice(&((const struct pair *)b)->key));
}

/* Sort, and drop what has the same internal key as its neighbour. */
static inline void model_sort(struct model *m)
{
    size_t kept = 0;

    if (m->count)
        qsort(m->pairs, m->count, sizeof(*m->pairs), model_cmp);
    for (size_t i = 0; i < m->count; i++) {
        struct slice tail = buf_slice(&m->pairs[i].key);

        if (kept && ikey_seqno(buf_slice(&m->pairs[kept - 1].key)) == ikey_seqno(tail) &&
            slice_eq(ikey_user(buf_slice(&m->pairs[kept - 1].key)), ikey_user(tail))) {
            buf_free(&m->pairs[i].key);
            buf_free(&m->pairs[i].value);
            continue;
        }
        m->pairs[kept++] = m->pairs[i];
    }
    m->count = kept;
}

static inline void model_free(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        buf_free(&m->pairs[i].key);
        buf_free(&m->pairs[i].value);
    }
    free(m->pairs);
    *m = (struct model){0};
}

static inline size_t model_find(const struct model *m, struct slice ikey)
{
    size_t i = 0;

    while (i < m->count && ikey_cmp(buf_slice(&m->pairs[i].key), ikey) < 0)
        i++;
    return i;
}

/* The value at a snapshot, told from the oldest version to the newest. */
static inline bool model_get(const struct model *m, struct slice key, uint64_t snapshot,
                             struct buf *ret)
{
    uint64_t deleted = 0;
    bool exists = false;

    for (size_t i = 0; i < m->del_count; i++) {
        const struct rangedel *d = &m->dels[i];

        if (slice_cmp(d->start, key) <= 0 && slice_cmp(key, d->end) < 0 && d->seqno <= snapshot &&
            d->seqno > deleted)
            deleted = d->seqno;
    }
    ret->len = 0;
    for (size_t i = m->count; i-- > 0;) {
        struct slice ikey = buf_slice(&m->pairs[i].key), value = buf_slice(&m->pairs[i].value);

        if (!slice_eq(ikey_user(ikey), key) || ikey_seqno(ikey) > snapshot ||
            ikey_seqno(ikey) < deleted)
            continue;
        exists = ikey_kind(ikey) != KIND_DELETE;
        if (ikey_kind(ikey) == KIND_PATCH)
            assert_int_equal(patch_apply(ret, value), 0);
        else
            assert_int_equal(buf_assign(ret, value.data, value.len), 0);
    }
    return exists;
}

/* Random bytes from a small alphabet with both ends of the byte range in it. */
static inline struct slice random_key(struct rng *r, uint8_t mem[32], size_t len_max)
{
    static const uint8_t alphabet[] = {0x00, 0x01, 'a', 'b', 0xfe, 0xff};
    size_t len = (size_t)rng_below(r, len_max + 1);

    for (size_t i = 0; i < len; i++)
        mem[i] = alphabet[rng_below(r, sizeof(alphabet))];
    return slice_of(mem, len);
}

/* A value for the kind, of up to len_max bytes; half of it repeats, half does not. */
static inline struct slice random_value(struct rng *r, enum kind kind, size_t len_max,
                                        struct buf *mem)
{
    size_t len = kind == KIND_DELETE ? 0 : (size_t)rng_below(r, len_max + 1);
    uint8_t offset = (uint8_t)rng_below(r, 100);

    mem->len = 0;
    if (kind == KIND_PATCH)
        assert_int_equal(buf_append(mem, &offset, 1), 0);
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = i < len / 2 ? 'x' : (uint8_t)rng_next(r);

        assert_int_equal(buf_append(mem, &byte, 1), 0);
    }
    return buf_slice(mem);
}

/* `count` keys, some of them with many versions. */
static inline void random_model(struct model *m, struct rng *r, size_t count, size_t value_len_max)
{
    static const enum kind kinds[] = {KIND_PUT, KIND_PUT, KIND_PATCH, KIND_DELETE};
    struct buf value = {0};
    uint8_t mem[32];

    for (size_t i = 0; i < count; i++) {
        struct slice key = random_key(r, mem, 6);
        size_t versions = rng_below(r, 20) ? 1 + (size_t)rng_below(r, 3) : 100;

        for (size_t k = 0; k < versions; k++) {
            enum kind kind = kinds[rng_below(r, 4)];

            model_add(m, key, 1 + rng_below(r, 499), kind,
                      random_value(r, kind, value_len_max, &value));
        }
    }
    model_sort(m);
    buf_free(&value);
}

static inline void model_write(const struct model *m, struct env *env, uint64_t number,
                               const struct sst_builder_options *options, struct sst_stats *ret)
{
    struct sst_builder *b;

    assert_int_equal(sst_builder_new(env, number, options, &b), 0);
    for (size_t i = 0; i < m->del_count / 2; i++)
        assert_int_equal(sst_builder_add_rangedel(b, &m->dels[i]), 0);
    for (size_t i = 0; i < m->count; i++)
        assert_int_equal(
            sst_builder_add(b, buf_slice(&m->pairs[i].key), buf_slice(&m->pairs[i].value)), 0);
    for (size_t i = m->del_count / 2; i < m->del_count; i++)
        assert_int_equal(sst_builder_add_rangedel(b, &m->dels[i]), 0);
    assert_int_equal(sst_builder_finish(b, ret), 0);
    assert_int_equal(sst_builder_len(b), ret->file_len);
    sst_builder_free(b);
}

/* Look a key up in one table. 1, 0, or an error; the value into *ret. */
static inline int table_get(struct sst *t, struct slice key, uint64_t snapshot, struct buf *ret)
{
    struct lookup l = {.key = key, .snapshot = snapshot};
    struct slice value;
    int err;

    fold_begin(&l.fold);
    err = sst_lookup(t, &l);
    if (!err) {
        fold_end(&l.fold);
        err = fold_value(&l.fold, &value);
    }
    if (err == 1)
        assert_int_equal(buf_assign(ret, value.data, value.len), 0);
    fold_done(&l.fold);
    return err;
}

#endif
