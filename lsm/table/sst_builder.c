/*
 * Writes a table from front to back. Format: lsm/FORMAT.md, "Table".
 *
 * A data block that is full is written at once, but its entry in the index waits for the next key,
 * so that the index can hold a short key between the two (`has_pending`). A full index partition is
 * written with the filter over the keys of its blocks; the top index grows in memory until the end.
 * All versions of one key need not lie in one block or partition: a key enters the filter of every
 * partition that has a version of it.
 *
 * The file is whole if and only if its footer is, and the footer is written last. A crash leaves a
 * file without one, which no manifest names. The first error sticks; the file is then removed.
 */
#include <stdlib.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/table/block_builder.h"
#include "lsm/table/block_io.h"
#include "lsm/table/bloom.h"

enum {
    OUT_LEN = 256 << 10, /* bytes collected before they go to the file */
    OUT_KEEP_LEN = 4 << 20
};

/* A range tombstone; its start and then its end stand in del_bytes. */
struct waiting_del {
    size_t at, start_len, end_len;
    uint64_t seqno;
};

struct sst_builder {
    struct env *env;
    struct env_writer *w; /* NULL once closed */
    uint64_t number;
    struct sst_properties properties;
    bool any_seqno;
    bool finished;
    int err; /* the first failure */

    struct buf out; /* blocks not yet appended to the file */
    struct block_builder data, index, top;
    struct bloom_builder bloom;
    struct buf last; /* internal key; also the last of the pending block */
    bool any_key;
    bool has_pending; /* a data block is written and not yet in the index */
    struct block_handle pending;
    struct buf scratch;
    struct blob_uses blobs; /* of the entries so far */

    struct waiting_del *dels;
    size_t del_count, del_cap;
    struct buf del_bytes;
};

static void clamp_options(struct sst_builder_options *o)
{
    if (o->block_len > BLOCK_CUT_LEN_MAX)
        o->block_len = BLOCK_CUT_LEN_MAX;
    if (o->partition_len > BLOCK_CUT_LEN_MAX)
        o->partition_len = BLOCK_CUT_LEN_MAX;
    if (o->restart_interval == 0)
        o->restart_interval = 1;
}

int sst_builder_new(struct env *env, uint64_t number, const struct sst_builder_options *options,
                    struct sst_builder **ret)
{
    struct sst_builder *b = calloc(1, sizeof(*b));
    char name[32];
    int err;

    if (!b)
        return -ENOMEM;
    b->env = env;
    b->number = number;
    b->properties.options = *options;
    clamp_options(&b->properties.options);
    b->data.restart_interval = b->properties.options.restart_interval;
    /* Index keys have little in common after shortening, and whole keys are searched fastest. */
    b->index.restart_interval = 1;
    b->top.restart_interval = 1;
    sst_file_name(number, name);
    err = env_writer_create_behind(env, name, &b->w);
    if (err) {
        free(b);
        return err;
    }
    *ret = b;
    return 0;
}

void sst_builder_free(struct sst_builder *b)
{
    char name[32];

    if (!b)
        return;
    if (b->w)
        (void)env_writer_close(b->w);
    if (!b->finished) {
        /* What stays behind costs space only: no manifest names it. */
        sst_file_name(b->number, name);
        (void)env_remove(b->env, name);
    }
    block_builder_done(&b->data);
    block_builder_done(&b->index);
    block_builder_done(&b->top);
    bloom_builder_done(&b->bloom);
    buf_free(&b->out);
    buf_free(&b->last);
    buf_free(&b->scratch);
    buf_free(&b->del_bytes);
    blob_uses_done(&b->blobs);
    free(b->dels);
    free(b);
}

const struct blob_uses *sst_builder_blobs(const struct sst_builder *b)
{
    return &b->blobs;
}

uint64_t sst_builder_len(const struct sst_builder *b)
{
    uint64_t waiting = b->data.entry_count ? block_builder_len(&b->data) : 0;

    return (b->w ? b->w->len : b->properties.stats.file_len) + b->out.len + waiting;
}

static int flush_out(struct sst_builder *b)
{
    struct slice part = buf_slice(&b->out);
    int err;

    if (part.len == 0)
        return 0;
    err = env_writer_append(b->w, &part, 1);
    if (err)
        return err;
    b->out.len = 0;
    if (b->out.cap > OUT_KEEP_LEN)
        buf_free(&b->out);
    return 0;
}

static int write_block(struct sst_builder *b, struct slice contents, bool compress,
                       struct block_handle *ret)
{
    uint64_t offset = b->w->len + b->out.len, len;
    int err = block_encode(contents, compress, b->number, offset, &b->out, &len);

    if (err)
        return err;
    *ret = (struct block_handle){offset, len};
    return b->out.len >= OUT_LEN ? flush_out(b) : 0;
}

static int write_built(struct sst_builder *b, struct block_builder *block, struct block_handle *ret)
{
    struct slice contents;
    int err = block_builder_finish(block, &contents);

    if (!err)
        err = write_block(b, contents, b->properties.options.compress, ret);
    block_builder_reset(block);
    return err;
}

/* Write the index partition and its filter, and enter them into the top index. */
static int flush_partition(struct sst_builder *b)
{
    unsigned bits = b->properties.options.filter_bits_per_key;
    struct block_handle filter = {0}, index;
    uint8_t value[2 * HANDLE_LEN_MAX], *end;
    struct slice key;
    int err = 0;

    if (bits) {
        err = bloom_builder_finish(&b->bloom, bits, &b->scratch);
        if (!err)
            err = write_block(b, buf_slice(&b->scratch), false, &filter);
    }
    if (err)
        return err;
    /* The partition's last key outlives the reset only in the copy. */
    err = buf_assign(&b->scratch, b->index.last_key.data, b->index.last_key.len);
    if (!err)
        err = write_built(b, &b->index, &index);
    if (err)
        return err;
    key = buf_slice(&b->scratch);
    end = put_handle(put_handle(value, index), filter);
    b->properties.partition_count++;
    return block_builder_add(&b->top, key, slice_of(value, (size_t)(end - value)));
}

/*
 * A key >= last and < next, as short as is cheap to find. Where the user keys are equal, or nothing
 * can be left out, it is last itself: the reader relies on it that an index key with the user key
 * of the following block is a real key.
 */
static int separator(struct slice last, struct slice next, struct buf *ret)
{
    struct slice a = ikey_user(last), b = ikey_user(next);
    size_t n = 0, min_len = a.len < b.len ? a.len : b.len;
    int err;

    while (n < min_len && a.data[n] == b.data[n])
        n++;
    if (n + 1 >= a.len || n >= min_len || a.data[n] + 1 >= b.data[n])
        return buf_assign(ret, last.data, last.len);
    err = ikey_make(ret, slice_of(a.data, n + 1), SEQNO_MAX, IKEY_SEEK_KIND);
    if (!err)
        ret->data[n]++;
    return err;
}

/* Enter the pending block into the index. next: the key that follows, NULL at the end. */
static int index_pending(struct sst_builder *b, const struct slice *next)
{
    uint8_t value[HANDLE_LEN_MAX], *end;
    int err;

    if (next)
        err = separator(buf_slice(&b->last), *next, &b->scratch);
    else
        err = buf_assign(&b->scratch, b->last.data, b->last.len);
    if (err)
        return err;
    end = put_handle(value, b->pending);
    err = block_builder_add(&b->index, buf_slice(&b->scratch),
                            slice_of(value, (size_t)(end - value)));
    b->has_pending = false;
    if (!err && block_builder_len(&b->index) >= b->properties.options.partition_len)
        err = flush_partition(b);
    return err;
}

static int flush_data(struct sst_builder *b)
{
    int err = write_built(b, &b->data, &b->pending);

    b->has_pending = !err;
    b->properties.data_block_count++;
    return err;
}

static void count_seqno(struct sst_builder *b, uint64_t seqno)
{
    struct sst_stats *s = &b->properties.stats;

    if (!b->any_seqno || seqno < s->seqno_min)
        s->seqno_min = seqno;
    if (!b->any_seqno || seqno > s->seqno_max)
        s->seqno_max = seqno;
    b->any_seqno = true;
}

static void count_entry(struct sst_builder *b, struct slice ikey, struct slice value)
{
    struct sst_stats *s = &b->properties.stats;
    enum kind kind = ikey_kind(ikey);

    s->entry_count++;
    if (kind == KIND_DELETE)
        s->delete_count++;
    else if (kind == KIND_PATCH)
        s->patch_count++;
    s->raw_len += ikey.len + value.len;
    count_seqno(b, ikey_seqno(ikey));
}

static int refuse(const struct sst_builder *b, int code, const char *text)
{
    return err_raise(code, "%s/%s: %s", b->env->path, b->w->name, text);
}

static int check_entry(const struct sst_builder *b, struct slice ikey, struct slice value)
{
    enum kind kind;

    if (ikey.len < IKEY_TRAILER_LEN || ikey.len > IKEY_LEN_MAX)
        return refuse(b, EINVAL, "a key that is too long cannot be added");
    if (value.len > VALUE_LEN_MAX + (size_t)VARINT64_LEN_MAX)
        return refuse(b, EINVAL, "a value that is too long cannot be added");
    kind = ikey_kind(ikey);
    if (kind != KIND_PUT && kind != KIND_DELETE && kind != KIND_PATCH && kind != KIND_BLOB_REF)
        return refuse(b, ERR_KIND_UNKNOWN, "a record of this kind cannot be a point entry");
    if (b->any_key && ikey_cmp(buf_slice(&b->last), ikey) >= 0)
        return refuse(b, ERR_SST_ORDER, "a key was added that does not follow the one before");
    return 0;
}

static int count_ref(struct sst_builder *b, struct slice value)
{
    struct blob_ref ref;

    if (!blob_ref_decode(value, &ref))
        return refuse(b, ERR_BLOB_REF, "a reference that cannot be decoded cannot be added");
    return blob_uses_add_ref(&b->blobs, &ref);
}

static int add_entry(struct sst_builder *b, struct slice ikey, struct slice value)
{
    const struct sst_builder_options *o = &b->properties.options;
    int err = 0;

    /* A large value stays alone, so that reading a small neighbour does not cost reading it. */
    if (b->data.entry_count && value.len > o->block_len)
        err = flush_data(b);
    if (!err && b->has_pending)
        err = index_pending(b, &ikey);
    if (!err)
        err = block_builder_add(&b->data, ikey, value);
    if (!err && o->filter_bits_per_key)
        err = bloom_builder_add(&b->bloom, bloom_hash(ikey_user(ikey)));
    if (!err)
        err = buf_assign(&b->last, ikey.data, ikey.len);
    if (err)
        return err;
    b->any_key = true;
    count_entry(b, ikey, value);
    return block_builder_len(&b->data) >= o->block_len ? flush_data(b) : 0;
}

int sst_builder_add(struct sst_builder *b, struct slice ikey, struct slice value)
{
    int err;

    CHECK(!b->finished);
    if (b->err)
        return b->err;
    err = check_entry(b, ikey, value);
    if (!err && ikey_kind(ikey) == KIND_BLOB_REF)
        err = count_ref(b, value);
    if (!err)
        err = add_entry(b, ikey, value);
    b->err = err;
    return err;
}

static int keep_rangedel(struct sst_builder *b, const struct rangedel *del)
{
    struct waiting_del w = {b->del_bytes.len, del->start.len, del->end.len, del->seqno};
    int err;

    if (del->start.len > USER_KEY_LEN_MAX || del->end.len > USER_KEY_LEN_MAX)
        return refuse(b, EINVAL, "a range tombstone's key is too long");
    if (b->del_count == b->del_cap) {
        size_t cap = b->del_cap ? b->del_cap * 2 : 16;
        struct waiting_del *dels = realloc(b->dels, cap * sizeof(*dels));

        if (!dels)
            return -ENOMEM;
        b->dels = dels;
        b->del_cap = cap;
    }
    err = buf_append(&b->del_bytes, del->start.data, del->start.len);
    if (!err)
        err = buf_append(&b->del_bytes, del->end.data, del->end.len);
    if (err)
        return err;
    b->dels[b->del_count++] = w;
    b->properties.stats.rangedel_count++;
    b->properties.stats.raw_len += del->start.len + IKEY_TRAILER_LEN + del->end.len;
    count_seqno(b, del->seqno);
    return 0;
}

int sst_builder_add_rangedel(struct sst_builder *b, const struct rangedel *del)
{
    CHECK(!b->finished);
    if (!b->err)
        b->err = keep_rangedel(b, del);
    return b->err;
}

static struct slice del_start(const struct sst_builder *b, const struct waiting_del *d)
{
    return slice_of(b->del_bytes.data + d->at, d->start_len);
}

static int compare_dels(const void *pa, const void *pb, void *arg)
{
    const struct waiting_del *x = pa, *y = pb;
    int c = slice_cmp(del_start(arg, x), del_start(arg, y));

    return c ? c : (x->seqno < y->seqno) - (x->seqno > y->seqno);
}

static int write_rangedels(struct sst_builder *b, struct block_handle *ret)
{
    struct block_builder block = {.restart_interval = 1};
    int err = 0;

    if (b->del_count == 0)
        return 0;
    qsort_r(b->dels, b->del_count, sizeof(*b->dels), compare_dels, b);
    for (size_t i = 0; i < b->del_count && !err; i++) {
        const struct waiting_del *d = &b->dels[i];

        err = ikey_make(&b->scratch, del_start(b, d), d->seqno, KIND_DELETE_RANGE);
        if (!err)
            err = block_builder_add(&block, buf_slice(&b->scratch),
                                    slice_of(b->del_bytes.data + d->at + d->start_len, d->end_len));
    }
    if (!err)
        err = write_built(b, &block, ret);
    block_builder_done(&block);
    return err;
}

static int write_tail(struct sst_builder *b)
{
    struct sst_footer footer = {.number = b->number};
    uint8_t bytes[FOOTER_LEN];
    int err = write_rangedels(b, &footer.rangedels);

    if (!err && b->blobs.count) {
        footer.incompat = SST_INCOMPAT_BLOBS;
        b->last.len = 0;
        err = blob_uses_encode(&b->blobs, &b->last);
        b->properties.rest = buf_slice(&b->last);
    }
    if (!err)
        err = sst_properties_encode(&b->properties, &b->scratch);
    if (!err)
        err = write_block(b, buf_slice(&b->scratch), false, &footer.properties);
    if (!err)
        err = write_built(b, &b->top, &footer.top);
    if (err)
        return err;
    footer.file_len = b->w->len + b->out.len + FOOTER_LEN;
    sst_footer_encode(&footer, bytes);
    err = buf_append(&b->out, bytes, sizeof(bytes));
    b->properties.stats.file_len = footer.file_len;
    return err ? err : flush_out(b);
}

static int finish(struct sst_builder *b)
{
    int err = 0;

    if (b->data.entry_count)
        err = flush_data(b);
    if (!err && b->has_pending)
        err = index_pending(b, NULL);
    if (!err && b->index.entry_count)
        err = flush_partition(b);
    if (!err)
        err = write_tail(b);
    if (!err)
        err = env_writer_sync(b->w);
    if (err)
        return err;
    err = env_writer_close(b->w);
    b->w = NULL;
    return err;
}

int sst_builder_finish(struct sst_builder *b, struct sst_stats *ret)
{
    CHECK(!b->finished);
    if (!b->err)
        b->err = finish(b);
    if (b->err)
        return b->err;
    b->finished = true;
    *ret = b->properties.stats;
    return 0;
}
