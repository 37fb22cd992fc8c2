/*
 * A table as text, for people and for comparing: what the footer and the properties say, range
 * tombstones, then partitions, blocks and entries with their places in the file. A damaged block
 * takes one line that says so, and the text goes on behind it; the first damage is returned at the
 * end. Blocks are read past the cache.
 */
#include <inttypes.h>

#include "lsm/base/err.h"
#include "lsm/table/sst_impl.h"

enum {
    VALUE_SHORT_LEN = 32
};

struct text {
    struct sst *t;
    bool full_values;
    uint64_t data_end; /* of the data block before */
    int (*put)(void *arg, const char *line);
    void *arg;
    struct buf line;
    int damage; /* the first found */
};

/* End the line and hand it over. err: of what built it. */
static int put_line(struct text *x, int err)
{
    if (!err)
        err = buf_append(&x->line, "", 1);
    if (!err)
        err = x->put(x->arg, (const char *)x->line.data);
    x->line.len = 0;
    return err;
}

/* Damage becomes a line; anything else is returned. */
static int put_damage(struct text *x, int err)
{
    const char *detail = err_detail();

    if (!err_is_damage(err) && err != -EIO)
        return err;
    if (!x->damage)
        x->damage = err;
    return put_line(x, buf_printf(&x->line, "damaged: %s", *detail ? detail : err_text(err)));
}

static int put_head(struct text *x)
{
    const struct sst_footer *f = &x->t->footer;
    const struct sst_properties *p = &x->t->properties;
    int err = put_line(x, buf_printf(&x->line,
                                     "table %" PRIu64 ": %" PRIu64 " bytes, format version %u, "
                                     "features %08x",
                                     f->number, f->file_len, f->version, f->incompat));

    if (!err)
        err = put_line(x, buf_printf(&x->line,
                                     "footer: top index at %" PRIu64 " (%" PRIu64
                                     " bytes), range tombstones at %" PRIu64 " (%" PRIu64
                                     " bytes), properties at %" PRIu64 " (%" PRIu64 " bytes)",
                                     f->top.offset, f->top.len, f->rangedels.offset,
                                     f->rangedels.len, f->properties.offset, f->properties.len));
    if (!err)
        err = put_line(x, buf_printf(&x->line,
                                     "properties: %" PRIu64 " entries, %" PRIu64 " deletions, "
                                     "%" PRIu64 " patches, %" PRIu64 " range tombstones, %" PRIu64
                                     " raw bytes, sequence numbers %" PRIu64 " to %" PRIu64,
                                     p->stats.entry_count, p->stats.delete_count,
                                     p->stats.patch_count, p->stats.rangedel_count,
                                     p->stats.raw_len, p->stats.seqno_min, p->stats.seqno_max));
    if (!err)
        err = put_line(x, buf_printf(&x->line,
                                     "built with: %" PRIu64 " data blocks of about %zu bytes, "
                                     "%" PRIu64 " partitions of about %zu bytes, restart interval "
                                     "%u, filter bits per key %u, compression %s",
                                     p->data_block_count, p->options.block_len, p->partition_count,
                                     p->options.partition_len, p->options.restart_interval,
                                     p->options.filter_bits_per_key,
                                     p->options.compress ? "lz4" : "none"));
    return err;
}

static int put_blobs(struct text *x)
{
    const struct blob_uses *u = sst_blobs(x->t);
    int err = 0;

    for (size_t i = 0; !err && i < u->count; i++)
        err = put_line(x, buf_printf(&x->line,
                                     "blob file %" PRIu64 ": %" PRIu64 " references, %" PRIu64
                                     " bytes",
                                     u->uses[i].number, u->uses[i].count, u->uses[i].len));
    return err;
}

static int print_quoted(struct buf *line, struct slice s)
{
    int err = buf_append(line, "\"", 1);

    if (!err)
        err = buf_append_escaped(line, s);
    return err ? err : buf_append(line, "\"", 1);
}

static int print_kind(struct buf *line, enum kind kind)
{
    switch (kind) {
    case KIND_DELETE:
        return buf_printf(line, "delete");
    case KIND_PUT:
        return buf_printf(line, "put");
    case KIND_PATCH:
        return buf_printf(line, "patch");
    case KIND_DELETE_RANGE:
        return buf_printf(line, "delete range");
    case KIND_BLOB_REF:
        return buf_printf(line, "blob reference");
    }
    return buf_printf(line, "kind %u", (unsigned)kind);
}

/* "key" @seqno kind */
static int print_ikey(struct buf *line, struct slice ikey)
{
    int err = print_quoted(line, ikey_user(ikey));

    /* Shortened index keys are no versions of anything. */
    if (!err && ikey_tail(ikey) == (SEQNO_MAX << 8 | IKEY_SEEK_KIND))
        return buf_printf(line, " @max");
    if (!err)
        err = buf_printf(line, " @%" PRIu64 " ", ikey_seqno(ikey));
    return err ? err : print_kind(line, ikey_kind(ikey));
}

static int print_ref(struct buf *line, struct slice value)
{
    struct blob_ref ref;

    if (!blob_ref_decode(value, &ref))
        return buf_printf(line, ", damaged");
    return buf_printf(line,
                      ": %" PRIu64 " bytes in blob file %" PRIu64 " at %" PRIu64
                      ", record of %" PRIu64 " bytes",
                      ref.raw_len, ref.file, ref.offset, ref.len);
}

static int put_entry(struct text *x, const struct block_iter *it)
{
    bool cut = !x->full_values && it->value.len > VALUE_SHORT_LEN;
    struct slice shown = slice_of(it->value.data, cut ? VALUE_SHORT_LEN : it->value.len);
    int err = buf_printf(&x->line, "    ");

    if (!err)
        err = print_ikey(&x->line, it->key);
    if (!err && ikey_kind(it->key) == KIND_BLOB_REF)
        return put_line(x, print_ref(&x->line, it->value));
    if (!err && ikey_kind(it->key) != KIND_DELETE)
        err = buf_printf(&x->line, ", %zu bytes: ", it->value.len);
    if (!err && ikey_kind(it->key) != KIND_DELETE)
        err = print_quoted(&x->line, shown);
    if (!err && cut)
        err = buf_printf(&x->line, "...");
    return put_line(x, err);
}

/* Call `each` with every entry of a block. Damage found becomes a line. */
static int walk(struct text *x, struct block_handle h,
                int (*begin)(struct text *x, struct block_handle h, struct block_iter *it),
                int (*each)(struct text *x, const struct block_iter *it))
{
    struct cache_block *block;
    struct block_iter it;
    int err = block_read(&x->t->src, h, BLOCK_DIRECT, CACHE_NORMAL, &block);

    if (err)
        return put_damage(x, err);
    block_iter_init(&it);
    err = block_iter_set(&it, block_contents(block));
    if (!err)
        err = begin ? begin(x, h, &it) : 0;
    if (!err)
        block_iter_seek_first(&it);
    for (; it.valid && !err; block_iter_next(&it))
        err = each(x, &it);
    if (it.err)
        err = put_damage(x, block_raise(&x->t->src, h, it.err));
    block_iter_done(&it);
    cache_block_unref(block);
    return err;
}

static int begin_data(struct text *x, struct block_handle h, struct block_iter *it)
{
    uint64_t count = 0;

    for (block_iter_seek_first(it); it->valid; block_iter_next(it))
        count++;
    return put_line(x, buf_printf(&x->line,
                                  "  block at %" PRIu64 ", %" PRIu64 " bytes, %" PRIu64 " entries",
                                  h.offset, h.len, count));
}

static int put_data(struct text *x, const struct block_iter *index)
{
    struct block_handle h;

    if (index_value_decode(index->value, &h) && h.offset < x->data_end)
        return put_damage(x, sst_raise_format(&x->t->src, h, "it does not follow the one before"));
    if (index_value_decode(index->value, &h)) {
        x->data_end = block_end(h);
        return walk(x, h, begin_data, put_entry);
    }
    return put_damage(x,
                      err_raise(ERR_SST_BLOCK_FORMAT, "%s/%s: an index entry has no valid address",
                                x->t->src.reader->env->path, x->t->src.reader->name));
}

static int put_partition(struct text *x, const struct block_iter *top)
{
    struct block_handle index, filter;
    int err;

    if (!top_value_decode(top->value, &index, &filter))
        return put_damage(
            x, sst_raise_format(&x->t->src, x->t->footer.top, "an entry has no valid address"));
    err = buf_printf(&x->line,
                     "partition at %" PRIu64 ", %" PRIu64 " bytes, filter at %" PRIu64 ", %" PRIu64
                     " bytes, up to ",
                     index.offset, index.len, filter.offset, filter.len);
    if (!err)
        err = print_ikey(&x->line, top->key);
    err = put_line(x, err);
    return err ? err : walk(x, index, NULL, put_data);
}

static int put_rangedel(struct text *x, const struct block_iter *it)
{
    int err = buf_printf(&x->line, "range tombstone ");

    if (!err)
        err = print_quoted(&x->line, ikey_user(it->key));
    if (!err)
        err = buf_printf(&x->line, " to ");
    if (!err)
        err = print_quoted(&x->line, it->value);
    if (!err)
        err = buf_printf(&x->line, " @%" PRIu64, ikey_seqno(it->key));
    return put_line(x, err);
}

int sst_to_text(struct sst *t, bool full_values, int (*put)(void *arg, const char *line), void *arg)
{
    struct text x = {.t = t, .full_values = full_values, .put = put, .arg = arg};
    int err = put_head(&x);

    if (!err)
        err = put_blobs(&x);
    if (!err && t->footer.rangedels.len)
        err = walk(&x, t->footer.rangedels, NULL, put_rangedel);
    if (!err)
        err = walk(&x, t->footer.top, NULL, put_partition);
    buf_free(&x.line);
    return err ? err : x.damage;
}
