/*
 * Reading records of blob files.
 *
 * A record is read as a whole. A value that is stored as it is stays where it was read; in the
 * cache such a block is header, key and value; of a compressed one header and value. So the value
 * always ends the block, and the header tells whether the block is the record that is asked for.
 */
#include <inttypes.h>
#include <lz4.h>

#include "lsm/base/err.h"
#include "lsm/blob/blob_format.h"
#include "lsm/blob/blob_store_impl.h"

enum {
    BELIEVED_LEN_MAX = 1 << 20, /* a record may be so long without a look at its file's length */
    LZ4_RATIO_MAX = 255,        /* a byte of LZ4 never makes more than so many */
};

#define AT_FMT   "%s/%08" PRIu64 ".blob: record at offset %" PRIu64 ", %" PRIu64 " bytes: "
#define AT(s, r) (s)->env->path, (r)->file, (r)->offset, (r)->len

static int missing(const struct blob_store *s, uint64_t number)
{
    return err_raise(ERR_FILE_MISSING, "%s/%08" PRIu64 ".blob: missing, though values lie in it",
                     s->env->path, number);
}

static int read_header(const struct blob_meta *m, struct env_reader *r, enum blob_header_state *ret)
{
    uint8_t header[BLOB_HEADER_LEN];
    size_t got;
    int err = env_reader_read(r, 0, sizeof(header), header, &got);

    if (!err)
        *ret = got < sizeof(header) ? BLOB_HEADER_DAMAGED : blob_header_check(header, m->number);
    return err;
}

/* A header that is damaged is no reason to refuse records that are whole; a newer format is. */
static int refuse_newer(const struct blob_meta *m, struct env_reader *r)
{
    enum blob_header_state state = BLOB_HEADER_WHOLE;
    int err = read_header(m, r, &state);

    if (err || state != BLOB_HEADER_NEWER)
        return err;
    return err_raise(ERR_BLOB_VERSION, "%s/%s: it has a newer format than this program",
                     r->env->path, r->name);
}

/* The open file, borrowed from the meta. Two may open it at once; one closes its own again. */
static int meta_reader(struct blob_meta *m, struct env_reader **ret)
{
    struct env_reader *r = atomic_load_explicit(&m->reader, memory_order_acquire), *other = NULL;
    char name[32];
    int err;

    if (r) {
        *ret = r;
        return 0;
    }
    blob_file_name(m->number, name);
    err = env_reader_open(m->store->env, name, &r);
    if (err)
        return err == -ENOENT ? missing(m->store, m->number) : err;
    err = refuse_newer(m, r);
    if (err) {
        env_reader_close(r);
        return err;
    }
    if (!atomic_compare_exchange_strong(&m->reader, &other, r)) {
        env_reader_close(r);
        r = other;
    }
    *ret = r;
    return 0;
}

int blob_check_header(struct blob_store *s, uint64_t number)
{
    struct blob_meta *m = blob_store_find(s, number);
    enum blob_header_state state = BLOB_HEADER_WHOLE;
    struct env_reader *r = NULL;
    int err = m ? meta_reader(m, &r) : missing(s, number);

    if (!err)
        err = read_header(m, r, &state);
    if (err || state == BLOB_HEADER_WHOLE)
        return err;
    return err_raise(ERR_BLOB_HEADER, "%s/%s: the header is damaged; records can be read",
                     r->env->path, r->name);
}

int blob_meta_len(struct blob_meta *m, uint64_t *ret)
{
    struct env_reader *r;
    uint64_t len = atomic_load(&m->len);
    uint_fast64_t none = 0;
    char name[32];
    int err;

    if (len) {
        *ret = len;
        return 0;
    }
    blob_file_name(m->number, name);
    err = env_reader_open(m->store->env, name, &r);
    if (err)
        return err == -ENOENT ? missing(m->store, m->number) : err;
    err = env_reader_len(r, &len);
    env_reader_close(r);
    if (err)
        return err;
    /* Who appends to the file, and began just now, knows better. */
    *ret = atomic_compare_exchange_strong(&m->len, &none, len) ? len : none;
    return 0;
}

static int reader_of(struct blob_store *s, const struct blob_ref *ref, struct env_reader **ret)
{
    struct blob_meta *m = blob_store_find(s, ref->file);

    return m ? meta_reader(m, ret) : missing(s, ref->file);
}

/* A record is never longer than what it makes: it is not stored compressed else. */
static int check_value_len(const struct blob_store *s, const struct blob_ref *ref)
{
    uint64_t most = BLOB_RECORD_HEADER_LEN + USER_KEY_LEN_MAX + (uint64_t)s->value_len_max;

    if (ref->raw_len <= s->value_len_max && ref->len <= most)
        return 0;
    return err_raise(ERR_VALUE_LEN,
                     AT_FMT "a value of %llu bytes, where the store takes %llu at most", AT(s, ref),
                     (unsigned long long)ref->raw_len, (unsigned long long)s->value_len_max);
}

/* Before memory is taken for a long record: no length is believed further than the file reaches. */
static int check_reach(struct blob_store *s, const struct blob_ref *ref)
{
    struct env_reader *r;
    uint64_t len = 0;
    int err = check_value_len(s, ref);

    if (err || ref->len <= BELIEVED_LEN_MAX)
        return err;
    err = reader_of(s, ref, &r);
    if (!err)
        err = env_reader_len(r, &len);
    if (err || (ref->offset <= len && ref->len <= len - ref->offset))
        return err;
    return err_raise(ERR_BLOB_REF, AT_FMT "the file ends at %llu", AT(s, ref),
                     (unsigned long long)len);
}

static int read_raw(struct blob_store *s, const struct blob_ref *ref, uint8_t *p)
{
    struct env_reader *r;
    size_t got;
    int err = reader_of(s, ref, &r);

    if (!err)
        err = env_reader_read(r, ref->offset, (size_t)ref->len, p, &got);
    if (!err && got < ref->len)
        err = err_raise(ERR_BLOB_REF, AT_FMT "the file ends after %zu of them", AT(s, ref), got);
    return err;
}

/* Is this the record that ref means, and whole? */
static int check_record(const struct blob_store *s, const struct blob_ref *ref, const uint8_t *p,
                        struct blob_record *ret)
{
    struct blob_record_header h;

    if (!blob_record_header_decode(p, ref->file, ref->offset, &h))
        return err_raise(ERR_BLOB_CHECKSUM, AT_FMT "the record's header is damaged", AT(s, ref));
    if (h.checksum != ref->checksum || blob_record_len(h.key_len, h.stored_len) != ref->len ||
        h.raw_len != ref->raw_len)
        return err_raise(ERR_BLOB_REF, AT_FMT "another record stands there", AT(s, ref));
    ret->key = slice_of(p + BLOB_RECORD_HEADER_LEN, h.key_len);
    ret->stored = slice_of(ret->key.data + h.key_len, h.stored_len);
    ret->raw_len = h.raw_len;
    ret->compression = h.compression;
    ret->stored_hash = blob_hash(ret->stored);
    if (blob_record_intact(p, ret->key, ret->stored, ref->file, ref->offset))
        return 0;
    return err_raise(ERR_BLOB_CHECKSUM, AT_FMT "checksum mismatch", AT(s, ref));
}

int blob_read_record(struct blob_store *s, const struct blob_ref *ref, struct buf *buf,
                     struct blob_record *ret)
{
    int err = check_reach(s, ref);

    buf->len = 0;
    if (!err)
        err = buf_reserve(buf, (size_t)ref->len);
    if (!err)
        err = read_raw(s, ref, buf->data);
    if (!err)
        err = check_record(s, ref, buf->data, ret);
    if (!err)
        buf->len = (size_t)ref->len;
    return err;
}

/* A block of the record's header and the value. */
static int decompress(const struct blob_store *s, const struct blob_ref *ref,
                      const struct blob_record *r, struct cache_block **ret)
{
    struct cache_block *b;
    int err, is;

    if (r->raw_len > r->stored.len * LZ4_RATIO_MAX)
        return err_raise(ERR_BLOB_COMPRESSION, AT_FMT "%zu bytes never decompress to %u",
                         AT(s, ref), r->stored.len, r->raw_len);
    err = cache_block_new(BLOB_RECORD_HEADER_LEN + (size_t)r->raw_len, &b);
    if (err)
        return err;
    is = LZ4_decompress_safe((const char *)r->stored.data, (char *)b->data + BLOB_RECORD_HEADER_LEN,
                             (int)r->stored.len, (int)r->raw_len);
    if (is < 0 || (uint32_t)is != r->raw_len) {
        cache_block_unref(b);
        return err_raise(ERR_BLOB_COMPRESSION, AT_FMT "does not decompress to %u bytes", AT(s, ref),
                         r->raw_len);
    }
    memcpy(b->data, r->key.data - BLOB_RECORD_HEADER_LEN, BLOB_RECORD_HEADER_LEN);
    *ret = b;
    return 0;
}

/* The record as it is in the file, unverified. GATHER_LATER: the gather has to read it first. */
static int raw_block(struct blob_store *s, const struct blob_ref *ref, struct gather *gather,
                     struct cache_block **ret)
{
    struct cache_block *raw;
    struct env_reader *r;
    int err = check_reach(s, ref), is = 0;

    if (!err && gather) {
        err = reader_of(s, ref, &r);
        if (!err)
            is = gather_get(gather, r, ref->offset, (size_t)ref->len, ret);
    }
    if (err || is)
        return is == 1 ? 0 : err ? err : is;
    err = cache_block_new((size_t)ref->len, &raw);
    if (err)
        return err;
    err = read_raw(s, ref, raw->data);
    if (err)
        cache_block_unref(raw);
    else
        *ret = raw;
    return err;
}

static int read_block(struct blob_store *s, const struct blob_ref *ref, struct gather *gather,
                      struct cache_block **ret)
{
    struct cache_block *raw;
    struct blob_record r;
    int err = raw_block(s, ref, gather, &raw);

    if (err)
        return err;
    err = check_record(s, ref, raw->data, &r);
    if (!err && r.compression == BLOB_PLAIN) {
        *ret = raw;
        return 0;
    }
    if (!err)
        err = decompress(s, ref, &r, ret);
    cache_block_unref(raw);
    return err;
}

int blob_check(struct blob_store *s, const struct blob_ref *ref, const struct slice *key,
               struct buf *buf)
{
    struct cache_block *b;
    struct blob_record r;
    int err = blob_read_record(s, ref, buf, &r);

    if (err)
        return err;
    if (key && !slice_eq(r.key, *key))
        return err_raise(ERR_BLOB_REF, AT_FMT "written for another key", AT(s, ref));
    if (r.compression == BLOB_PLAIN)
        return 0;
    err = decompress(s, ref, &r, &b);
    if (!err)
        cache_block_unref(b);
    return err;
}

static bool is_meant(const struct cache_block *b, const struct blob_ref *ref)
{
    struct blob_record_header h;

    return blob_record_header_decode(b->data, ref->file, ref->offset, &h) &&
           h.checksum == ref->checksum && h.raw_len == ref->raw_len;
}

/* As blob_read; GATHER_LATER when the gather, which may be NULL, has to read it first. */
static int read_value(struct blob_store *s, const struct blob_ref *ref, enum blob_use_cache use,
                      struct gather *gather, struct cache_block **ret, struct slice *ret_value)
{
    bool cached = s->cache && ref->raw_len <= s->value_cache_len_max;
    struct cache_block *b = NULL;
    int err;

    if (cached && use != BLOB_DIRECT)
        b = block_cache_get(s->cache, ref->file, ref->offset);
    if (b && !is_meant(b, ref)) {
        cache_block_unref(b);
        b = NULL;
    }
    if (!b) {
        err = read_block(s, ref, gather, &b);
        if (err)
            return err;
        if (cached && use == BLOB_FILL)
            block_cache_put(s->cache, ref->file, ref->offset, b, CACHE_NORMAL);
    }
    *ret_value = slice_of(b->data + b->len - ref->raw_len, (size_t)ref->raw_len);
    *ret = b;
    return 0;
}

int blob_read(struct blob_store *s, const struct blob_ref *ref, enum blob_use_cache use,
              struct cache_block **ret, struct slice *ret_value)
{
    return read_value(s, ref, use, NULL, ret, ret_value);
}

int blob_raise_ref(struct slice bytes)
{
    return err_raise(ERR_BLOB_REF, "a reference of %zu bytes to a large value cannot be decoded",
                     bytes.len);
}

int blob_fetch(struct blob_store *s, struct fold *f, enum blob_use_cache use, struct gather *gather)
{
    struct slice bytes, value;
    struct cache_block *b;
    struct blob_ref ref;
    int err;

    if (!fold_base_ref(f, &bytes))
        return 0;
    if (!blob_ref_decode(bytes, &ref))
        return blob_raise_ref(bytes);
    err = read_value(s, &ref, use, gather, &b, &value);
    if (!err)
        fold_resolve(f, value, (struct pin){cache_block_release, b});
    return err;
}
