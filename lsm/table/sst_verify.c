/*
 * Verification of a whole table, from the disk and past the cache: also of the blocks that were
 * read when it was opened, since what is in memory says nothing of the disk today.
 *
 * One running key (`last`) proves the order of everything: each entry must be greater, and after a
 * block it is replaced by the block's index key, which no entry of that block may exceed. So a
 * damaged block is skipped without losing the order of those around it. Counts and the sum of all
 * blocks' lengths are compared only when nothing was damaged.
 */
#include <inttypes.h>

#include "lsm/base/err.h"
#include "lsm/table/bloom.h"
#include "lsm/table/sst_impl.h"

struct verify {
    struct sst *t;
    size_t value_len_max;
    int (*each)(void *arg, int err, uint64_t offset, uint64_t len);
    void *arg;
    bool damaged;
    struct buf last; /* internal key that the next one must follow; empty at first */
    struct sst_properties counted;
    struct blob_uses blobs; /* counted */
    bool any_seqno;
    uint64_t covered_len; /* bytes of blocks and footer that were seen */
    uint64_t data_end;    /* of the data block before */
};

/* Damage is handed to the caller, who decides whether to go on; anything else ends it all. */
static int report(struct verify *v, int err, struct block_handle h)
{
    if (!err_is_damage(err) && err != -EIO)
        return err;
    v->damaged = true;
    return v->each ? v->each(v->arg, err, h.offset, h.len) : err;
}

static int read_block(struct verify *v, struct block_handle h, struct cache_block **ret)
{
    v->covered_len += h.len + BLOCK_TRAILER_LEN;
    return block_read(&v->t->src, h, BLOCK_DIRECT, CACHE_NORMAL, ret);
}

static int raise_order(struct verify *v, struct block_handle h, const char *text)
{
    return err_raise(ERR_SST_ORDER, "%s/%s: block at offset %" PRIu64 ", %" PRIu64 " bytes: %s",
                     v->t->src.reader->env->path, v->t->src.reader->name, h.offset, h.len, text);
}

static void count_seqno(struct verify *v, uint64_t seqno)
{
    struct sst_stats *s = &v->counted.stats;

    if (!v->any_seqno || seqno < s->seqno_min)
        s->seqno_min = seqno;
    if (!v->any_seqno || seqno > s->seqno_max)
        s->seqno_max = seqno;
    v->any_seqno = true;
}

/* Open a block for walking and check its restart points. Done with close_block, also on error. */
static int open_block(struct verify *v, struct block_handle h, struct block_iter *it,
                      struct cache_block **ret)
{
    int err = read_block(v, h, ret);

    block_iter_init(it);
    if (err) {
        *ret = NULL;
        return err;
    }
    err = block_iter_set(it, block_contents(*ret));
    if (!err)
        err = block_iter_check(it);
    return block_raise(&v->t->src, h, err);
}

static void close_block(struct block_iter *it, struct cache_block *block)
{
    block_iter_done(it);
    cache_block_unref(block);
}

static int check_kind(struct verify *v, struct block_handle h, const struct block_iter *it)
{
    enum kind kind = ikey_kind(it->key);
    uint64_t offset;
    struct slice bytes;

    if (kind == KIND_PATCH && !patch_decode(it->value, &offset, &bytes))
        return err_raise(ERR_PATCH_DAMAGED,
                         "%s/%s: block at offset %" PRIu64 ": a patch of %zu "
                         "bytes cannot be decoded",
                         v->t->src.reader->env->path, v->t->src.reader->name, h.offset,
                         it->value.len);
    if (kind == KIND_DELETE && it->value.len)
        return sst_raise_format(&v->t->src, h, "a deletion has a value");
    if (kind == KIND_BLOB_REF) {
        struct blob_ref ref;

        if (blob_ref_decode(it->value, &ref))
            return blob_uses_add_ref(&v->blobs, &ref);
        return err_raise(ERR_BLOB_REF,
                         "%s/%s: block at offset %" PRIu64 ": a reference to a large value cannot "
                         "be decoded",
                         v->t->src.reader->env->path, v->t->src.reader->name, h.offset);
    }
    if (kind == KIND_PUT || kind == KIND_PATCH || kind == KIND_DELETE)
        return 0;
    return err_raise(ERR_KIND_UNKNOWN,
                     "%s/%s: block at offset %" PRIu64 ": an entry has the "
                     "unknown kind %u",
                     v->t->src.reader->env->path, v->t->src.reader->name, h.offset, (unsigned)kind);
}

static void count_entry(struct verify *v, const struct block_iter *it)
{
    struct sst_stats *s = &v->counted.stats;

    s->entry_count++;
    s->delete_count += ikey_kind(it->key) == KIND_DELETE;
    s->patch_count += ikey_kind(it->key) == KIND_PATCH;
    s->raw_len += it->key.len + it->value.len;
    count_seqno(v, ikey_seqno(it->key));
}

/* filter: NULL when there is none, or when it is damaged itself. */
static int check_entry(struct verify *v, struct block_handle h, const struct block_iter *it,
                       struct slice index_key, const struct slice *filter)
{
    int err = check_kind(v, h, it);

    if (err)
        return err;
    if (v->last.len && ikey_cmp(buf_slice(&v->last), it->key) >= 0)
        return raise_order(v, h, "an entry does not follow the one before");
    if (ikey_cmp(it->key, index_key) > 0)
        return raise_order(v, h, "an entry lies behind the block's key in the index");
    if (filter && !bloom_may_contain(*filter, bloom_hash(ikey_user(it->key))))
        return raise_order(v, h, "a key is not in its filter");
    count_entry(v, it);
    return buf_assign(&v->last, it->key.data, it->key.len);
}

/* The entry can be read, but not the value. Those of references are verified with their records. */
static int check_value_len(struct verify *v, struct block_handle h, const struct block_iter *it)
{
    enum kind kind = ikey_kind(it->key);

    if (kind == KIND_BLOB_REF || !value_len_check(kind, it->value, v->value_len_max))
        return 0;
    return report(v, sst_raise_value(&v->t->src, h), h);
}

static int verify_data(struct verify *v, struct block_handle h, struct slice index_key,
                       const struct slice *filter)
{
    struct cache_block *block;
    struct block_iter it;
    int err = open_block(v, h, &it, &block), told = 0;

    v->counted.data_block_count++;
    if (!block_check_handle(&v->t->src, h))
        v->data_end = block_end(h);
    if (!err) {
        for (block_iter_seek_first(&it); it.valid && !err && !told; block_iter_next(&it)) {
            err = check_entry(v, h, &it, index_key, filter);
            if (!err)
                told = check_value_len(v, h, &it);
        }
        if (!err && !told)
            err = block_raise(&v->t->src, h, it.err);
    }
    close_block(&it, block);
    if (err)
        err = report(v, err, h);
    err = told ? told : err;
    return err ? err : buf_assign(&v->last, index_key.data, index_key.len);
}

static int verify_entries(struct verify *v, struct block_handle h, struct block_iter *it,
                          struct slice top_key, const struct slice *filter)
{
    bool ends_right = false;
    int err = 0;

    for (block_iter_seek_first(it); it->valid && !err; block_iter_next(it)) {
        struct block_handle data;

        if (v->last.len && ikey_cmp(buf_slice(&v->last), it->key) >= 0)
            err = report(v, raise_order(v, h, "an index key does not follow the one before"), h);
        else if (!index_value_decode(it->value, &data))
            err = report(v, sst_raise_format(&v->t->src, h, "an entry has no valid address"), h);
        else if (data.offset < v->data_end)
            err = report(v, raise_order(v, h, "a block does not follow the one before"), h);
        else
            err = verify_data(v, data, it->key, filter);
        ends_right = slice_eq(it->key, top_key);
    }
    if (!err && it->err)
        return report(v, block_raise(&v->t->src, h, it->err), h);
    if (!err && !ends_right)
        err = report(v, raise_order(v, h, "it does not end with its key in the top index"), h);
    return err;
}

static int verify_index(struct verify *v, struct block_handle h, struct slice top_key,
                        const struct slice *filter)
{
    struct cache_block *block;
    struct block_iter it;
    int err = open_block(v, h, &it, &block);

    v->counted.partition_count++;
    if (err)
        err = report(v, err, h);
    else
        err = verify_entries(v, h, &it, top_key, filter);
    close_block(&it, block);
    return err ? err : buf_assign(&v->last, top_key.data, top_key.len);
}

/* *ret_block stays NULL when there is no filter, or a damaged one. */
static int verify_filter(struct verify *v, struct block_handle h, struct cache_block **ret_block)
{
    struct cache_block *block = NULL;
    int err;

    if (h.len == 0)
        return 0;
    err = read_block(v, h, &block);
    if (!err && !bloom_check(block_contents(block)))
        err = sst_raise_format(&v->t->src, h, "not a filter");
    if (!err) {
        *ret_block = block;
        return 0;
    }
    cache_block_unref(block);
    return report(v, err, h);
}

static int verify_partition(struct verify *v, const struct block_iter *top)
{
    struct block_handle index, filter_handle, h = v->t->footer.top;
    struct cache_block *filter = NULL;
    struct slice contents;
    int err;

    if (!top_value_decode(top->value, &index, &filter_handle))
        return report(v, sst_raise_format(&v->t->src, h, "an entry has no valid address"), h);
    if (v->last.len && ikey_cmp(buf_slice(&v->last), top->key) >= 0)
        return report(v, raise_order(v, h, "a key does not follow the one before"), h);
    err = verify_filter(v, filter_handle, &filter);
    if (filter)
        contents = block_contents(filter);
    if (!err)
        err = verify_index(v, index, top->key, filter ? &contents : NULL);
    cache_block_unref(filter);
    return err;
}

static int verify_top(struct verify *v)
{
    struct block_handle h = v->t->footer.top;
    struct cache_block *block;
    struct block_iter it;
    int err = open_block(v, h, &it, &block);

    if (err) {
        /* The table can still be walked by the copy that was read at opening. */
        err = report(v, err, h);
        close_block(&it, block);
        if (err)
            return err;
        block = v->t->top;
        cache_block_ref(block);
        block_iter_init(&it);
        err = block_raise(&v->t->src, h, block_iter_set(&it, block_contents(block)));
    }
    if (!err)
        block_iter_seek_first(&it);
    for (; it.valid && !err; block_iter_next(&it))
        err = verify_partition(v, &it);
    if (!err && it.err)
        err = report(v, block_raise(&v->t->src, h, it.err), h);
    close_block(&it, block);
    return err;
}

static int verify_footer(struct verify *v)
{
    const struct block_source *s = &v->t->src;
    struct block_handle at = {s->blocks_end, FOOTER_LEN};
    struct sst_footer footer;
    uint8_t bytes[FOOTER_LEN];
    const char *reason = "";
    uint64_t file_len;
    size_t got;
    int err = env_reader_len(s->reader, &file_len);

    v->covered_len += FOOTER_LEN;
    if (!err)
        err = env_reader_read(s->reader, at.offset, sizeof(bytes), bytes, &got);
    if (err)
        return report(v, err, at);
    if (got < sizeof(bytes) || file_len != v->t->footer.file_len) {
        err = ERR_SST_FOOTER;
        reason = "the file has another length than when it was opened";
    } else {
        err = sst_footer_decode(bytes, s->number, file_len, &footer, &reason);
    }
    if (!err)
        return 0;
    return report(v, err_raise(err, "%s/%s: %s", s->reader->env->path, s->reader->name, reason),
                  at);
}

static int count_rangedels(struct verify *v, struct block_handle h)
{
    struct sst_stats *s = &v->counted.stats;
    struct rangedel_list *list = NULL;
    struct cache_block *block;
    struct block_iter it;
    int err = open_block(v, h, &it, &block);

    if (!err)
        err = sst_rangedels_decode(&v->t->src, h, block_contents(block), &list, &s->rangedel_count);
    rangedel_list_free(list);
    if (!err) {
        for (block_iter_seek_first(&it); it.valid; block_iter_next(&it)) {
            s->raw_len += it.key.len + it.value.len;
            count_seqno(v, ikey_seqno(it.key));
        }
    }
    close_block(&it, block);
    return err;
}

static int verify_rangedels(struct verify *v)
{
    struct block_handle h = v->t->footer.rangedels;
    int err = h.len ? count_rangedels(v, h) : 0;

    return err ? report(v, err, h) : 0;
}

static int raise_stats(struct verify *v, const char *field, uint64_t said, uint64_t found)
{
    return err_raise(ERR_SST_STATS, "%s/%s: %s: the table says %" PRIu64 ", it is %" PRIu64,
                     v->t->src.reader->env->path, v->t->src.reader->name, field, said, found);
}

static int compare(struct verify *v, const struct sst_properties *said)
{
    const struct sst_properties *is = &v->counted;
    const struct {
        const char *field;
        uint64_t said, is;
    } pairs[] = {
        {"number of entries", said->stats.entry_count, is->stats.entry_count},
        {"number of deletions", said->stats.delete_count, is->stats.delete_count},
        {"number of patches", said->stats.patch_count, is->stats.patch_count},
        {"number of range tombstones", said->stats.rangedel_count, is->stats.rangedel_count},
        {"raw length", said->stats.raw_len, is->stats.raw_len},
        {"smallest sequence number", said->stats.seqno_min, is->stats.seqno_min},
        {"largest sequence number", said->stats.seqno_max, is->stats.seqno_max},
        {"number of data blocks", said->data_block_count, is->data_block_count},
        {"number of partitions", said->partition_count, is->partition_count},
        {"bytes in blocks", v->t->footer.file_len, v->covered_len},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].said != pairs[i].is)
            return raise_stats(v, pairs[i].field, pairs[i].said, pairs[i].is);
    }
    if (!blob_uses_equal(&v->blobs, sst_blobs(v->t)))
        return err_raise(ERR_SST_STATS,
                         "%s/%s: its references lie in other blob files than it says",
                         v->t->src.reader->env->path, v->t->src.reader->name);
    return 0;
}

/* Last: compares with what was counted. */
static int verify_properties(struct verify *v)
{
    struct block_handle h = v->t->footer.properties;
    struct sst_properties said;
    struct cache_block *block = NULL;
    int err = read_block(v, h, &block);

    if (!err && !sst_properties_decode(block_contents(block), &said))
        err = sst_raise_format(&v->t->src, h, "properties cannot be decoded");
    cache_block_unref(block);
    if (!err && !v->damaged)
        err = compare(v, &said);
    return err ? report(v, err, h) : 0;
}

int sst_verify(struct sst *t, size_t value_len_max,
               int (*each_damage)(void *arg, int err, uint64_t offset, uint64_t len), void *arg)
{
    struct verify v = {.t = t, .value_len_max = value_len_max, .each = each_damage, .arg = arg};
    int err = verify_footer(&v);

    if (!err)
        err = verify_top(&v);
    if (!err)
        err = verify_rangedels(&v);
    if (!err)
        err = verify_properties(&v);
    buf_free(&v.last);
    blob_uses_done(&v.blobs);
    return err;
}
