/*
 * Salvage of a table. Format: lsm/FORMAT.md, "Table".
 *
 * With a footer and a top index the table is walked block by block, and what is damaged is stepped
 * over: the key in the index says how far the loss reaches. Where the index itself is damaged, the
 * blocks are found without it: they stand in the file without gaps, and a block ends where the
 * checksum behind it is right. So a region is read from its start, block by block, up to the first
 * place where no block can be found. It is never taken up again behind such a place: there, the
 * entry of an index could pass for one of data whose block is not known.
 *
 * What a block of the index holds never passes for data otherwise: its keys are those of blocks
 * that were read before it, and do not ascend, or have a kind that no entry has.
 *
 * Every entry is checked as verification does it. Keys are told in ascending order only: `last` is
 * the last one, or a bound from the index that no earlier block may exceed.
 */
#include "lsm/table/sst_salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lsm/base/err.h"
#include "lsm/table/bloom.h"
#include "lsm/table/sst_impl.h"

enum {
    SCAN_LEN_MAX = 8 << 20 /* a longer block is not looked for without its index */
};

struct salvage {
    const struct sst_salvage_calls *calls;
    struct block_source src;
    struct sst_footer footer;
    uint64_t file_len;
    struct buf last;               /* internal key that the next one must follow; empty at first */
    struct buf before;             /* the entry before the one that is judged */
    uint64_t data_end;             /* of the last block that an index led to */
    bool rest_told;                /* that nothing can be read from some place on */
    bool tail_seen;                /* the properties: no data lies behind them */
    struct block_handle filter_at; /* of the partition at hand; length 0: none */
    struct cache_block *filter;    /* once it was needed */
};

static bool is_fatal(int err)
{
    return err && !err_is_damage(err) && err != -EIO && err != -ERR_SST_BLOCK_FORMAT;
}

/* The filter of the partition at hand; false when there is none that can be used. */
static bool load_filter(struct salvage *s, struct slice *ret)
{
    if (!s->filter_at.len)
        return false;
    if (!s->filter && block_read(&s->src, s->filter_at, BLOCK_DIRECT, CACHE_NORMAL, &s->filter))
        s->filter = NULL;
    if (!s->filter || !bloom_check(block_contents(s->filter))) {
        s->filter_at.len = 0;
        return false;
    }
    *ret = block_contents(s->filter);
    return true;
}

static void set_filter(struct salvage *s, struct block_handle h)
{
    cache_block_unref(s->filter);
    s->filter = NULL;
    s->filter_at = h;
}

/*
 * Tell of a loss between `last` and the internal key `to` (NULL: the end). loss has its place and
 * what was there; the keys, the filter and the text are filled in.
 */
static int tell_lost(struct salvage *s, struct sst_loss loss, const struct slice *to,
                     const char *text)
{
    struct slice from_user = {0}, to_user = {0}, filter = {0};
    char kept[512];

    snprintf(kept, sizeof(kept), "%s", text);
    if (s->last.len >= IKEY_TRAILER_LEN) {
        from_user = ikey_user(buf_slice(&s->last));
        loss.from = &from_user;
    }
    if (to) {
        to_user = ikey_user(*to);
        loss.to = &to_user;
    }
    if (!loss.deletions && load_filter(s, &filter))
        loss.filter = &filter;
    loss.text = kept;
    return s->calls->lost(s->calls->arg, &loss);
}

static struct sst_loss entries_at(uint64_t offset, uint64_t len)
{
    return (struct sst_loss){.offset = offset, .len = len, .entries = true};
}

static int lost_block(struct salvage *s, struct block_handle h, const struct slice *to, int err)
{
    if (is_fatal(err))
        return err;
    err = block_raise(&s->src, h, err);
    return tell_lost(s, entries_at(h.offset, h.len), to,
                     *err_detail() ? err_detail() : err_text(err));
}

static int read_block(struct salvage *s, struct block_handle h, struct block_iter *it,
                      struct cache_block **ret)
{
    int err = block_read(&s->src, h, BLOCK_DIRECT, CACHE_NORMAL, ret);

    block_iter_init(it);
    if (err) {
        *ret = NULL;
        return err;
    }
    err = block_iter_set(it, block_contents(*ret));
    return err ? err : block_iter_check(it);
}

static void close_block(struct block_iter *it, struct cache_block *block)
{
    block_iter_done(it);
    cache_block_unref(block);
}

/* --- Entries --- */

static bool entry_ok(const struct block_iter *it, struct slice before, const struct slice *to)
{
    uint64_t offset;
    struct slice bytes;

    if (before.len && ikey_cmp(before, it->key) >= 0)
        return false;
    if ((to && ikey_cmp(it->key, *to) > 0) || ikey_user(it->key).len == 0)
        return false;
    switch (ikey_kind(it->key)) {
    case KIND_PUT:
    case KIND_BLOB_REF:
        return true;
    case KIND_DELETE:
        return it->value.len == 0;
    case KIND_PATCH:
        return patch_decode(it->value, &offset, &bytes);
    case KIND_DELETE_RANGE:
        break;
    }
    return false;
}

/* Does the block hold entries of data, in order, and nothing else? 1, 0 or -ENOMEM. */
static int data_ok(struct salvage *s, struct block_iter *it, const struct slice *to)
{
    int err = buf_assign(&s->before, s->last.data, s->last.len);

    block_iter_seek_first(it);
    if (!it->valid)
        return it->err == -ENOMEM ? -ENOMEM : 0;
    for (; it->valid && !err; block_iter_next(it)) {
        if (!entry_ok(it, buf_slice(&s->before), to))
            return 0;
        err = buf_assign(&s->before, it->key.data, it->key.len);
    }
    return err ? err : it->err == -ENOMEM ? -ENOMEM : !it->err;
}

/* No later entry is told that does not lie behind this key. */
static int pass(struct salvage *s, struct slice ikey)
{
    if (s->last.len && ikey_cmp(buf_slice(&s->last), ikey) >= 0)
        return 0;
    return buf_assign(&s->last, ikey.data, ikey.len);
}

static int tell_entries(struct salvage *s, struct block_iter *it)
{
    int err = 0;

    for (block_iter_seek_first(it); it->valid && !err; block_iter_next(it)) {
        err = s->calls->entry(s->calls->arg, it->key, it->value);
        if (!err)
            err = buf_assign(&s->last, it->key.data, it->key.len);
    }
    return err ? err : it->err;
}

static int salvage_data(struct salvage *s, struct block_handle h, struct slice to)
{
    struct cache_block *block;
    struct block_iter it;
    int err;

    if (h.offset < s->data_end) {
        err = lost_block(s, h, &to, sst_raise_format(&s->src, h, "it stands out of order"));
        return err ? err : pass(s, to);
    }
    if (!block_check_handle(&s->src, h))
        s->data_end = block_end(h);
    err = read_block(s, h, &it, &block);
    if (!err)
        err = data_ok(s, &it, &to);
    if (!err)
        err = sst_raise_format(&s->src, h, "its entries break the rules of a data block");
    err = err < 0 ? lost_block(s, h, &to, err) : tell_entries(s, &it);
    close_block(&it, block);
    return err ? err : pass(s, to);
}

/* --- Range tombstones --- */

static bool dels_ok(struct block_iter *it)
{
    block_iter_seek_first(it);
    if (!it->valid)
        return false;
    for (; it->valid; block_iter_next(it)) {
        if (ikey_kind(it->key) != KIND_DELETE_RANGE || it->value.len > USER_KEY_LEN_MAX)
            return false;
    }
    return !it->err;
}

static int tell_dels(struct salvage *s, struct block_iter *it)
{
    int err = 0;

    for (block_iter_seek_first(it); it->valid && !err; block_iter_next(it)) {
        struct rangedel del = {ikey_user(it->key), it->value, ikey_seqno(it->key)};

        err = s->calls->rangedel(s->calls->arg, &del);
    }
    return err ? err : it->err;
}

/* Any key may be concerned. */
static int lost_dels(struct salvage *s, struct block_handle h, int err)
{
    struct sst_loss loss = {.offset = h.offset, .len = h.len, .deletions = true};
    char text[512];

    if (is_fatal(err))
        return err;
    err = block_raise(&s->src, h, err);
    snprintf(text, sizeof(text), "range tombstones, so what they deleted may be back: %s",
             *err_detail() ? err_detail() : err_text(err));
    s->last.len = 0;
    return tell_lost(s, loss, NULL, text);
}

static int salvage_dels(struct salvage *s)
{
    struct block_handle h = s->footer.rangedels;
    struct cache_block *block;
    struct block_iter it;
    int err;

    if (h.len == 0)
        return 0;
    err = read_block(s, h, &it, &block);
    if (!err && !dels_ok(&it))
        err = sst_raise_format(&s->src, h, "its entries are no range tombstones");
    err = err ? lost_dels(s, h, err) : tell_dels(s, &it);
    close_block(&it, block);
    return err;
}

/* --- Blocks without an index --- */

/*
 * The length of the payload of the block that begins with these bytes; 0 when none does. A search
 * by checksum and no comparison with one, so it is the same in every build (base/checksum.h).
 */
static size_t block_len_of(const struct salvage *s, const uint8_t *p, size_t len, uint64_t offset)
{
    XXH3_state_t *hash = XXH3_createState();
    size_t hashed = 0, found = 0;

    if (!hash || XXH3_64bits_reset_withSeed(hash, s->src.number ^ offset) == XXH_ERROR)
        len = 0;
    /* n: bytes of the payload. The type behind it is one of two, which spares most of the work. */
    for (size_t n = 1; !found && n + BLOCK_TRAILER_LEN <= len; n++) {
        if (p[n] != BLOCK_TYPE_PLAIN && p[n] != BLOCK_TYPE_LZ4)
            continue;
        XXH3_64bits_update(hash, p + hashed, n + 1 - hashed);
        hashed = n + 1;
        if (XXH3_64bits_digest(hash) == get_le64(p + n + BLOCK_TRAILER_CHECKSUM))
            found = n;
    }
    XXH3_freeState(hash);
    return found;
}

/* Find the block at `offset`, before `end`; length 0 when there is none. */
static int find_block(struct salvage *s, uint64_t offset, uint64_t end, struct block_handle *ret)
{
    size_t want, got = 0;
    uint8_t *p;
    int err = 0;

    *ret = (struct block_handle){offset, 0};
    /* Most blocks are short: read little first. */
    for (want = 64 << 10; !err && ret->len == 0 && want <= SCAN_LEN_MAX; want *= 8) {
        size_t len = end - offset < want ? (size_t)(end - offset) : want;

        p = malloc(len);
        if (!p)
            return -ENOMEM;
        err = env_reader_read(s->src.reader, offset, len, p, &got);
        if (!err)
            ret->len = block_len_of(s, p, got, offset);
        free(p);
        if (len < want)
            break;
    }
    return is_fatal(err) ? err : 0;
}

/* A filter, an index or the properties. */
static int note_other(struct salvage *s, const struct cache_block *block)
{
    struct sst_properties p;

    if (block && sst_properties_decode(block_contents(block), &p))
        s->tail_seen = true;
    return 0;
}

/* A block of any kind: tell what it holds if that is data or tombstones. */
static int salvage_found(struct salvage *s, struct block_handle h)
{
    struct cache_block *block;
    struct block_iter it;
    int err = read_block(s, h, &it, &block);

    if (!err && dels_ok(&it)) {
        err = tell_dels(s, &it);
    } else {
        if (!err)
            err = data_ok(s, &it, NULL);
        if (err > 0)
            err = tell_entries(s, &it);
        else if (!is_fatal(err))
            err = note_other(s, block);
    }
    close_block(&it, block);
    return err;
}

/* Read the blocks of a region one after another, as far as they can be found. */
static int scan(struct salvage *s, uint64_t offset, uint64_t end, const struct slice *to)
{
    int err = 0;

    while (!err && offset < end) {
        struct block_handle h;

        err = find_block(s, offset, end, &h);
        if (!err && h.len == 0 && s->tail_seen)
            return 0;
        if (!err && h.len == 0) {
            struct sst_loss loss = entries_at(offset, end - offset);

            loss.deletions = end == s->file_len; /* the whole rest of the table */
            s->rest_told = true;
            return tell_lost(s, loss, to, "no block can be found here");
        }
        if (!err)
            err = salvage_found(s, h);
        offset += h.len + BLOCK_TRAILER_LEN;
    }
    return err;
}

/* --- The walk --- */

/* Is this an index whose entries all have addresses? */
static bool index_ok(struct block_iter *it)
{
    struct block_handle h;

    block_iter_seek_first(it);
    if (!it->valid)
        return false;
    for (; it->valid; block_iter_next(it)) {
        if (!index_value_decode(it->value, &h))
            return false;
    }
    return !it->err;
}

static int salvage_index(struct salvage *s, struct block_handle h, uint64_t begin,
                         uint64_t data_end, struct slice to)
{
    struct cache_block *block;
    struct block_iter it;
    int err = read_block(s, h, &it, &block);

    if (!err && !index_ok(&it))
        err = -ERR_SST_BLOCK_FORMAT;
    if (!err) {
        for (block_iter_seek_first(&it); it.valid && !err; block_iter_next(&it)) {
            struct block_handle data = {0};

            index_value_decode(it.value, &data);
            err = salvage_data(s, data, it.key);
        }
    } else if (!is_fatal(err)) {
        err = begin < data_end ? scan(s, begin, data_end, &to) : 0;
    }
    close_block(&it, block);
    return err;
}

static int salvage_partitions(struct salvage *s, struct block_iter *top)
{
    uint64_t begin = 0;
    int err = 0;

    for (block_iter_seek_first(top); top->valid && !err; block_iter_next(top)) {
        struct block_handle index, filter;
        uint64_t data_end;

        if (!top_value_decode(top->value, &index, &filter) || index.offset < begin) {
            set_filter(s, (struct block_handle){0});
            err = tell_lost(s, entries_at(s->footer.top.offset, s->footer.top.len), &top->key,
                            "an entry of the top index has no address that can be right");
            continue;
        }
        data_end = filter.len ? filter.offset : index.offset;
        set_filter(s, filter);
        err = salvage_index(s, index, begin, data_end, top->key);
        if (!err)
            err = pass(s, top->key);
        begin = block_end(index);
    }
    set_filter(s, (struct block_handle){0});
    return err;
}

/* By the top index; *ret_known is false when there is none that can be read. */
static int salvage_by_index(struct salvage *s, bool *ret_known)
{
    struct cache_block *block;
    struct block_iter top;
    int err = read_block(s, s->footer.top, &top, &block);

    *ret_known = !err;
    if (!err)
        err = salvage_partitions(s, &top);
    else if (!is_fatal(err))
        err = 0;
    close_block(&top, block);
    return err;
}

static int read_footer(struct salvage *s, bool *ret_whole)
{
    uint8_t bytes[FOOTER_LEN];
    const char *reason = "";
    size_t got;
    int err;

    *ret_whole = false;
    s->src.blocks_end = s->file_len;
    if (s->file_len < FOOTER_LEN)
        return 0;
    err = env_reader_read(s->src.reader, s->file_len - FOOTER_LEN, sizeof(bytes), bytes, &got);
    if (err || got < sizeof(bytes))
        return is_fatal(err) ? err : 0;
    err = sst_footer_decode(bytes, s->src.number, s->file_len, &s->footer, &reason);
    if (err == ERR_SST_VERSION)
        return err_raise(err, "%s/%s: %s", s->src.reader->env->path, s->src.reader->name, reason);
    if (!err) {
        *ret_whole = true;
        s->src.blocks_end = s->file_len - FOOTER_LEN;
    }
    return 0;
}

static uint64_t data_end(const struct sst_footer *f)
{
    return f->rangedels.len ? f->rangedels.offset : f->properties.offset;
}

/* Without a footer. Where the properties are missing, the table has been cut off before them. */
static int scan_all(struct salvage *s)
{
    struct sst_loss loss = entries_at(s->file_len, 0);
    int err = scan(s, 0, s->file_len, NULL);

    if (err || s->tail_seen || s->rest_told)
        return err;
    loss.deletions = true;
    return tell_lost(s, loss, NULL, "the file ends too early");
}

static int salvage(struct salvage *s)
{
    bool whole, known = false;
    int err = read_footer(s, &whole);

    if (!err && whole)
        err = salvage_by_index(s, &known);
    if (err)
        return err;
    if (!whole)
        return scan_all(s);
    if (!known)
        err = scan(s, 0, data_end(&s->footer), NULL);
    return err ? err : salvage_dels(s);
}

int sst_salvage(struct env *env, uint64_t number, const struct sst_salvage_calls *calls)
{
    struct salvage s = {.calls = calls, .src = {.number = number}};
    char name[32];
    int err;

    sst_file_name(number, name);
    err = env_reader_open(env, name, &s.src.reader);
    if (err)
        return err;
    err = env_reader_len(s.src.reader, &s.file_len);
    if (!err)
        err = salvage(&s);
    set_filter(&s, (struct block_handle){0});
    env_reader_close(s.src.reader);
    buf_free(&s.last);
    buf_free(&s.before);
    return err;
}
