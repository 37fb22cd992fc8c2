/*
 * Opening tables and looking up keys. Format: lsm/FORMAT.md, "Table".
 *
 * Opening costs one read of the file's end in the usual case: footer, properties, top index and
 * range tombstones lie together there. They are kept; everything else comes through the cache.
 *
 * A look-up asks the partition's filter first. The versions of one key may go on in the next block
 * or partition. They do only if the index key of the block at hand has the same user key, because
 * an index key is shortened only where user keys differ.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/table/bloom.h"
#include "lsm/table/sst_impl.h"

enum {
    TAIL_LEN = 64 << 10
};

/* --- Opening --- */

/* The last bytes of the file, while it is being opened. */
struct tail {
    uint8_t *data;
    uint64_t offset;
    size_t len;
};

static int raise_footer(const struct block_source *s, int code, const char *reason)
{
    return err_raise(code, "%s/%s: %s", s->reader->env->path, s->reader->name, reason);
}

int sst_raise_format(const struct block_source *s, struct block_handle h, const char *text)
{
    return err_raise(ERR_SST_BLOCK_FORMAT,
                     "%s/%s: block at offset %" PRIu64 ", %" PRIu64 " bytes: %s",
                     s->reader->env->path, s->reader->name, h.offset, h.len, text);
}

int sst_raise_value(const struct block_source *s, struct block_handle h)
{
    return err_raise(ERR_VALUE_LEN, "%s/%s: block at offset %" PRIu64 ", %" PRIu64 " bytes: %s",
                     s->reader->env->path, s->reader->name, h.offset, h.len, err_detail());
}

static int read_tail(struct sst *t, struct tail *ret)
{
    uint64_t file_len;
    size_t got;
    const char *reason = "";
    int err = env_reader_len(t->src.reader, &file_len);

    if (err)
        return err;
    if (file_len < FOOTER_LEN)
        return raise_footer(&t->src, ERR_SST_FOOTER, "the file is shorter than a footer");
    ret->len = file_len < TAIL_LEN ? (size_t)file_len : TAIL_LEN;
    ret->offset = file_len - ret->len;
    ret->data = malloc(ret->len);
    if (!ret->data)
        return -ENOMEM;
    err = env_reader_read(t->src.reader, ret->offset, ret->len, ret->data, &got);
    if (err)
        return err;
    if (got < ret->len)
        return raise_footer(&t->src, ERR_SST_FOOTER, "the file became shorter");
    t->src.blocks_end = file_len - FOOTER_LEN;
    err = sst_footer_decode(ret->data + ret->len - FOOTER_LEN, t->src.number, file_len, &t->footer,
                            &reason);
    return err ? raise_footer(&t->src, err, reason) : 0;
}

/* A block that is opened with the table: from the tail if it lies there. */
static int open_block(struct sst *t, const struct tail *tail, struct block_handle h,
                      struct cache_block **ret)
{
    int err = block_check_handle(&t->src, h);

    if (err)
        return err;
    if (h.offset >= tail->offset)
        return block_decode(&t->src, h, tail->data + (h.offset - tail->offset), ret);
    return block_read(&t->src, h, BLOCK_DIRECT, CACHE_HIGH, ret);
}

static int decode_blobs(struct sst *t)
{
    struct slice rest = t->properties.rest;
    int found = blob_uses_decode(&rest, &t->blobs);

    if (found < 0)
        return found;
    return found ? 0
                 : sst_raise_format(&t->src, t->footer.properties,
                                    "the list of blob files cannot be decoded");
}

static int open_properties(struct sst *t, const struct tail *tail)
{
    struct cache_block *block;
    int err = open_block(t, tail, t->footer.properties, &block);

    if (err)
        return err;
    if (!sst_properties_decode(block_contents(block), &t->properties))
        err = sst_raise_format(&t->src, t->footer.properties, "properties cannot be decoded");
    if (!err && (t->footer.incompat & SST_INCOMPAT_BLOBS))
        err = decode_blobs(t);
    t->properties.rest = slice_of(NULL, 0);
    t->properties.stats.file_len = t->footer.file_len;
    cache_block_unref(block);
    return err;
}

static int open_top(struct sst *t, const struct tail *tail)
{
    int err = open_block(t, tail, t->footer.top, &t->top);

    return err ? err : sst_partitions_open(t);
}

/* One entry to a tombstone. Its keys must stand in the block whole, for they are borrowed. */
static bool rangedel_of(const struct block_iter *it, struct rangedel *ret)
{
    if (it->key.data == it->key_mem || ikey_kind(it->key) != KIND_DELETE_RANGE)
        return false;
    ret->start = ikey_user(it->key);
    ret->end = it->value;
    ret->seqno = ikey_seqno(it->key);
    return true;
}

static int collect_rangedels(struct block_iter *it, struct rangedel **ret, size_t *ret_count)
{
    struct rangedel *dels = NULL;
    size_t count = 0, cap = 0;

    for (block_iter_seek_first(it); it->valid; block_iter_next(it)) {
        if (count == cap) {
            size_t grown_cap = cap ? cap * 2 : 16;
            struct rangedel *grown = realloc(dels, grown_cap * sizeof(*dels));

            if (!grown) {
                free(dels);
                return -ENOMEM;
            }
            dels = grown;
            cap = grown_cap;
        }
        if (!rangedel_of(it, &dels[count++])) {
            free(dels);
            return -ERR_SST_BLOCK_FORMAT;
        }
    }
    if (it->err) {
        free(dels);
        return it->err;
    }
    *ret = dels;
    *ret_count = count;
    return 0;
}

int sst_rangedels_decode(const struct block_source *s, struct block_handle h, struct slice contents,
                         struct rangedel_list **ret, uint64_t *ret_count)
{
    struct rangedel *dels = NULL;
    struct rangedel_list *list;
    struct block_iter it;
    size_t count = 0;
    int err;

    block_iter_init(&it);
    err = block_iter_set(&it, contents);
    if (!err)
        err = collect_rangedels(&it, &dels, &count);
    block_iter_done(&it);
    if (err)
        return block_raise(s, h, err);
    err = rangedel_list_new(dels, count, &list);
    free(dels);
    if (err)
        return err;
    if (list->fragment_count == 0) {
        rangedel_list_free(list);
        list = NULL;
    }
    *ret = list;
    *ret_count = count;
    return 0;
}

static int open_rangedels(struct sst *t, const struct tail *tail)
{
    struct block_handle h = t->footer.rangedels;
    struct cache_block *block;
    uint64_t count;
    int err;

    if (h.len == 0)
        return 0;
    err = open_block(t, tail, h, &block);
    if (err)
        return err;
    err = sst_rangedels_decode(&t->src, h, block_contents(block), &t->rangedels, &count);
    cache_block_unref(block);
    return err;
}

static int open_parts(struct sst *t)
{
    struct tail tail = {0};
    int err = read_tail(t, &tail);

    if (!err)
        err = open_properties(t, &tail);
    if (!err)
        err = open_top(t, &tail);
    if (!err)
        err = open_rangedels(t, &tail);
    free(tail.data);
    return err;
}

/* What an open table keeps comes out of the cache's budget. */
static void reserve_memory(struct sst *t)
{
    t->kept_len += sizeof(*t) + t->top->len + (size_t)t->footer.rangedels.len;
    t->reserved = true;
    if (t->src.cache)
        block_cache_reserve(t->src.cache, (ptrdiff_t)t->kept_len);
}

int sst_open(struct env *env, struct block_cache *cache, uint64_t number, struct sst **ret)
{
    struct sst *t = calloc(1, sizeof(*t));
    char name[32];
    int err;

    if (!t)
        return -ENOMEM;
    atomic_init(&t->refs, 1);
    t->src.cache = cache;
    t->src.number = number;
    sst_file_name(number, name);
    err = env_reader_open(env, name, &t->src.reader);
    if (!err)
        err = open_parts(t);
    if (err) {
        sst_unref(t);
        return err;
    }
    reserve_memory(t);
    *ret = t;
    return 0;
}

void sst_ref(struct sst *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void sst_unref(struct sst *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (t->src.cache && t->reserved)
        block_cache_reserve(t->src.cache, -(ptrdiff_t)t->kept_len);
    sst_partitions_close(t);
    cache_block_unref(t->top);
    rangedel_list_free(t->rangedels);
    blob_uses_done(&t->blobs);
    env_reader_close(t->src.reader);
    free(t);
}

const struct sst_stats *sst_stats(const struct sst *t)
{
    return &t->properties.stats;
}

const struct blob_uses *sst_blobs(const struct sst *t)
{
    return &t->blobs;
}

const struct rangedel_list *sst_rangedels(const struct sst *t)
{
    return t->rangedels;
}

/* The parts are the index partitions, which the top index lists. */
int sst_each_part(struct sst *t, int (*each)(void *arg, struct slice user, uint64_t len), void *arg)
{
    uint64_t count = t->properties.partition_count;
    struct block_iter it;
    int err;

    block_iter_init(&it);
    err = block_iter_set(&it, block_contents(t->top));
    if (!err)
        block_iter_seek_first(&it);
    while (!err && it.valid) {
        err = each(arg, ikey_user(it.key), t->footer.file_len / (count ? count : 1));
        block_iter_next(&it);
    }
    if (!err && it.err)
        err = block_raise(&t->src, t->footer.top, it.err);
    block_iter_done(&it);
    return err;
}

/* --- Look-up --- */

/* What a look-up knows on its way down. Each step returns 1 to go on in the next block, else 0. */
struct search {
    struct sst *t;
    struct lookup *l;
    struct slice target; /* the newest version that may be seen */
    uint64_t hash;
};

static int read_block(const struct search *s, struct block_handle h, enum cache_priority priority,
                      struct cache_block **ret)
{
    if (s->l->gather)
        return block_gather(&s->t->src, s->l->gather, h, priority, ret);
    return block_read(&s->t->src, h, BLOCK_FILL, priority, ret);
}

/* Whether the versions can go on behind a block with this index key. */
static bool goes_on(const struct search *s, struct slice index_key)
{
    return slice_eq(ikey_user(index_key), s->l->key);
}

/* Is it one that counts, and makes the value too long? Nobody else can say where it stands. */
static int check_value_len(const struct search *s, struct block_handle h,
                           const struct block_iter *it)
{
    int err;

    if (s->l->rangedel_seqno > ikey_seqno(it->key))
        return 0;
    err = value_len_check(ikey_kind(it->key), it->value, fold_value_len_max(&s->l->fold));
    return err ? sst_raise_value(&s->t->src, h) : 0;
}

/* Feed one version. 1 to go on with older ones. */
static int feed(struct search *s, const struct block_iter *it, struct cache_block *block)
{
    struct pin pin = {0};
    int err;

    if (it->value.len) {
        cache_block_ref(block);
        pin = (struct pin){cache_block_release, block};
    }
    err = lookup_add(s->l, ikey_kind(it->key), ikey_seqno(it->key), it->value, &pin);
    return err < 0 ? err : err == 0;
}

static int search_data(struct search *s, struct block_handle h)
{
    struct cache_block *block;
    struct block_iter it;
    int err = read_block(s, h, CACHE_NORMAL, &block);

    if (err)
        return err;
    block_iter_init(&it);
    err = block_iter_set(&it, block_contents(block));
    if (!err) {
        block_iter_seek(&it, s->target);
        err = 1;
        while (err == 1 && it.valid) {
            if (!slice_eq(ikey_user(it.key), s->l->key)) {
                err = 0;
                break;
            }
            err = check_value_len(s, h, &it);
            if (!err)
                err = feed(s, &it, block);
            if (err == 1)
                block_iter_next(&it);
        }
        if (err == 1 && it.err)
            err = it.err;
    }
    err = block_raise(&s->t->src, h, err);
    block_iter_done(&it);
    cache_block_unref(block);
    return err;
}

static int search_entries(struct search *s, struct block_handle h, struct block_iter *it)
{
    uint64_t end = 0;
    int err = 1;

    block_iter_seek(it, s->target);
    if (!it->valid && !it->err)
        return sst_raise_format(&s->t->src, h, "an index ends before its key in the top index");
    for (; err == 1 && it->valid; block_iter_next(it)) {
        struct block_handle data;

        if (!index_value_decode(it->value, &data))
            return sst_raise_format(&s->t->src, h, "an index entry has no valid address");
        if (data.offset < end)
            return sst_raise_format(&s->t->src, h, "its blocks are not in order");
        end = block_end(data);
        err = search_data(s, data);
        if (err == 1 && !goes_on(s, it->key))
            err = 0;
    }
    return err == 1 && it->err ? block_raise(&s->t->src, h, it->err) : err;
}

/* An index or a filter, with a reference for the caller if *ret_owned. */
static int read_kept(struct search *s, struct sst_kept *k, struct cache_block **ret,
                     bool *ret_owned)
{
    *ret = atomic_load_explicit(&k->kept, memory_order_acquire);
    *ret_owned = false;
    if (*ret)
        return 0;
    if (!s->l->gather)
        return sst_kept_read(s->t, k, ret, ret_owned);
    *ret_owned = true;
    return read_block(s, k->handle, CACHE_HIGH, ret);
}

static int search_index(struct search *s, struct sst_kept *index)
{
    struct cache_block *block;
    struct block_iter it;
    bool owned;
    int err = read_kept(s, index, &block, &owned);

    if (err)
        return err;
    block_iter_init(&it);
    err = block_iter_set(&it, block_contents(block));
    err = err ? block_raise(&s->t->src, index->handle, err) : search_entries(s, index->handle, &it);
    block_iter_done(&it);
    if (owned)
        cache_block_unref(block);
    return err;
}

static int ask_filter(struct search *s, struct sst_kept *filter, bool *ret_may)
{
    struct cache_block *block;
    bool owned;
    int err;

    *ret_may = true;
    if (filter->handle.len == 0)
        return 0;
    err = read_kept(s, filter, &block, &owned);
    if (err)
        return err;
    *ret_may = bloom_may_contain(block_contents(block), s->hash);
    if (owned)
        cache_block_unref(block);
    return 0;
}

static int search_partitions(struct search *s)
{
    struct sst *t = s->t;
    int err = 1;

    for (size_t i = sst_partition_find(t, s->target); err == 1 && i < t->partition_count; i++) {
        bool may;

        err = ask_filter(s, &t->partitions[i].filter, &may);
        if (!err)
            err = may ? search_index(s, &t->partitions[i].index) : 1;
        if (err == 1 && !goes_on(s, t->partitions[i].last))
            err = 0;
    }
    return err;
}

int sst_lookup(struct sst *t, struct lookup *l)
{
    struct search s = {.t = t, .l = l};
    uint8_t target[IKEY_LEN_MAX];
    int err;

    if (l->key.len > USER_KEY_LEN_MAX)
        return 0;
    lookup_rangedel(l, rangedel_list_covering(t->rangedels, l->key, l->snapshot));
    if (l->key.len)
        memcpy(target, l->key.data, l->key.len);
    put_le64(target + l->key.len, l->snapshot << 8 | IKEY_SEEK_KIND);
    s.target = slice_of(target, l->key.len + IKEY_TRAILER_LEN);
    s.hash = bloom_hash(l->key);
    err = search_partitions(&s);
    return err < 0 ? err : 0;
}
