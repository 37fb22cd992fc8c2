/*
 * The tables' top indexes say, every few hundred blocks, which key the table has reached. These
 * anchors of all inputs, sorted, give the bytes along the keys well enough: ranges differ by a few
 * partitions. Cuts are user keys, so all versions of a key fall into one range.
 */
#include "lsm/compact/subrange.h"

#include <errno.h>
#include <stdlib.h>

struct collecting {
    struct buf bytes;
    struct anchor *anchors; /* keys are offsets into bytes until all are known */
    size_t count, cap;
};

static int add_anchor(void *arg, struct slice key, uint64_t len)
{
    struct collecting *c = arg;

    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        struct anchor *anchors = realloc(c->anchors, cap * sizeof(*anchors));

        if (!anchors)
            return -ENOMEM;
        c->anchors = anchors;
        c->cap = cap;
    }
    c->anchors[c->count++] = (struct anchor){{NULL, key.len}, len};
    return buf_append(&c->bytes, key.data, key.len);
}

static int anchor_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct anchor *)a)->key, ((const struct anchor *)b)->key);
}

size_t subrange_choose(struct anchor *anchors, size_t count, unsigned part_count,
                       struct slice *ret_cuts)
{
    uint64_t total = 0, before = 0;
    size_t cuts = 0;

    if (count)
        qsort(anchors, count, sizeof(*anchors), anchor_cmp);
    for (size_t i = 0; i < count; i++)
        total += anchors[i].len;
    for (size_t i = 0; i + 1 < count && cuts + 1 < part_count; i++) {
        before += anchors[i].len;
        if (before < total / part_count * (cuts + 1))
            continue;
        /* Nothing would lie between two equal cuts, nor behind the last key. */
        if (cuts && slice_eq(ret_cuts[cuts - 1], anchors[i].key))
            continue;
        if (slice_eq(anchors[i].key, anchors[count - 1].key))
            break;
        ret_cuts[cuts++] = anchors[i].key;
    }
    return cuts;
}

static int collect(const struct compaction *c, struct table_store *store, struct collecting *ret)
{
    int err = 0;

    for (unsigned which = 0; which < 2; which++) {
        for (size_t i = 0; !err && i < c->input_count[which]; i++) {
            struct sst *sst;

            err = table_meta_sst(c->inputs[which][i], store, &sst);
            if (!err)
                err = sst_each_part(sst, add_anchor, ret);
        }
    }
    return err;
}

int subranges_of(const struct compaction *c, struct table_store *store, unsigned part_count,
                 struct subranges *ret)
{
    struct collecting all = {0};
    struct slice *cuts = NULL;
    int err = 0;

    *ret = (struct subranges){0};
    if (part_count > 1)
        err = collect(c, store, &all);
    if (!err && all.count > 1) {
        const uint8_t *p = all.bytes.data;

        for (size_t i = 0; i < all.count; i++) {
            all.anchors[i].key.data = p;
            p += all.anchors[i].key.len;
        }
        cuts = calloc(part_count, sizeof(*cuts));
        err = cuts ? 0 : -ENOMEM;
    }
    if (!err && cuts) {
        ret->cuts = cuts;
        ret->cut_count = subrange_choose(all.anchors, all.count, part_count, cuts);
        ret->bytes = all.bytes;
    } else {
        buf_free(&all.bytes);
    }
    free(all.anchors);
    return err;
}

void subranges_done(struct subranges *s)
{
    free(s->cuts);
    buf_free(&s->bytes);
    *s = (struct subranges){0};
}
