/*
 * Blocks between memory and disk.
 *
 * The checksum covers payload and compression type, and is seeded with the file's number and the
 * block's offset, so that a block that landed in another place or file is noticed. It is verified
 * before a byte of the payload is used. Even so no length is believed without bounds: a file can be
 * made on purpose, with right checksums. An address is bounded by the file's length; a decompressed
 * length by the greatest block there can be, and by what LZ4 can make of so many bytes.
 */
#include "lsm/table/block_io.h"

#include <lz4.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/err.h"

enum {
    STACK_RAW_LEN = 16 << 10 /* blocks up to this length are read without an allocation */
};

_Static_assert(BLOCK_LEN_MAX <= LZ4_MAX_INPUT_SIZE, "every block can be compressed");

static uint64_t checksum(const uint8_t *raw, size_t payload_len, uint64_t number, uint64_t offset)
{
    return XXH3_64bits_withSeed(raw, payload_len + 1, number ^ offset);
}

/* Append the payload in LZ4 form. 0 with *ret_len 0 when that does not pay. */
static int append_lz4(struct slice contents, struct buf *out, size_t *ret_len)
{
    size_t room = contents.len - contents.len / 16, head = varint64_len(contents.len);
    uint8_t *p;
    int len, err;

    *ret_len = 0;
    if (room <= head)
        return 0;
    err = buf_reserve(out, room + BLOCK_TRAILER_LEN);
    if (err)
        return err;
    p = put_varint64(out->data + out->len, contents.len);
    len = LZ4_compress_default((const char *)contents.data, (char *)p, (int)contents.len,
                               (int)(room - head));
    if (len > 0)
        *ret_len = head + (size_t)len;
    out->len += *ret_len;
    return 0;
}

int block_encode(struct slice contents, bool compress, uint64_t number, uint64_t offset,
                 struct buf *out, uint64_t *ret_len)
{
    uint8_t trailer[BLOCK_TRAILER_LEN] = {BLOCK_TYPE_PLAIN};
    size_t start = out->len, len = 0;
    int err = 0;

    if (contents.len > BLOCK_LEN_MAX)
        return err_raise(EFBIG, "a block of %zu bytes is too long", contents.len);
    if (compress)
        err = append_lz4(contents, out, &len);
    if (err)
        return err;
    if (len) {
        trailer[BLOCK_TRAILER_TYPE] = BLOCK_TYPE_LZ4;
    } else {
        err = buf_reserve(out, contents.len + BLOCK_TRAILER_LEN);
        if (!err)
            err = buf_append(out, contents.data, contents.len);
        len = contents.len;
    }
    if (!err)
        err = buf_append(out, trailer, sizeof(trailer));
    if (err) {
        out->len = start;
        return err;
    }
    put_le64(out->data + start + len + BLOCK_TRAILER_CHECKSUM,
             checksum(out->data + start, len, number, offset));
    *ret_len = len;
    return 0;
}

#define AT_FMT "%s/%s: block at offset %llu, %llu bytes: "
#define AT(s, h)                                                                                   \
    (s)->reader->env->path, (s)->reader->name, (unsigned long long)(h).offset,                     \
        (unsigned long long)(h).len

int block_raise(const struct block_source *s, struct block_handle h, int err)
{
    if (err != -ERR_SST_BLOCK_FORMAT)
        return err;
    return err_raise(ERR_SST_BLOCK_FORMAT, AT_FMT "its entries cannot be decoded", AT(s, h));
}

int block_check_handle(const struct block_source *s, struct block_handle h)
{
    if (h.len > 0 && h.len <= BLOCK_LEN_MAX && h.len <= s->blocks_end &&
        s->blocks_end - h.len >= BLOCK_TRAILER_LEN &&
        h.offset <= s->blocks_end - h.len - BLOCK_TRAILER_LEN)
        return 0;
    return err_raise(ERR_SST_HANDLE, AT_FMT "the blocks of the file end at %llu", AT(s, h),
                     (unsigned long long)s->blocks_end);
}

static int check_trailer(const struct block_source *s, struct block_handle h, const uint8_t *raw)
{
    uint64_t stored = get_le64(raw + h.len + BLOCK_TRAILER_CHECKSUM);
    uint64_t is = checksum(raw, (size_t)h.len, s->number, h.offset);

    if (checksum_matches(stored, is))
        return 0;
    return err_raise(ERR_SST_BLOCK_CHECKSUM, AT_FMT "checksum %016llx, expected %016llx", AT(s, h),
                     (unsigned long long)is, (unsigned long long)stored);
}

static int decompress(const struct block_source *s, struct block_handle h, struct slice payload,
                      struct cache_block **ret)
{
    struct slice in = payload;
    struct cache_block *b;
    uint64_t len;
    int err, is;

    if (!take_varint64(&in, &len) || len > BLOCK_LEN_MAX || in.len > BLOCK_LEN_MAX ||
        len > (uint64_t)in.len * LZ4_RATIO_MAX)
        return err_raise(ERR_SST_BLOCK_COMPRESSION, AT_FMT "impossible uncompressed length",
                         AT(s, h));
    err = cache_block_new((size_t)len + BLOCK_TRAILER_LEN, &b);
    if (err)
        return err;
    is = LZ4_decompress_safe((const char *)in.data, (char *)b->data, (int)in.len, (int)len);
    if (is < 0 || (uint64_t)is != len) {
        cache_block_unref(b);
        return err_raise(ERR_SST_BLOCK_COMPRESSION, AT_FMT "does not decompress to %llu bytes",
                         AT(s, h), (unsigned long long)len);
    }
    memset(b->data + len, 0, BLOCK_TRAILER_LEN);
    *ret = b;
    return 0;
}

/* Verified bytes to a block. */
static int open_payload(const struct block_source *s, struct block_handle h, const uint8_t *raw,
                        struct cache_block **ret)
{
    unsigned type = raw[h.len + BLOCK_TRAILER_TYPE];
    int err;

    if (type == BLOCK_TYPE_LZ4)
        return decompress(s, h, slice_of(raw, (size_t)h.len), ret);
    if (type != BLOCK_TYPE_PLAIN)
        return err_raise(ERR_SST_BLOCK_COMPRESSION, AT_FMT "unknown compression type %u", AT(s, h),
                         type);
    err = cache_block_new((size_t)h.len + BLOCK_TRAILER_LEN, ret);
    if (!err)
        memcpy((*ret)->data, raw, (size_t)h.len + BLOCK_TRAILER_LEN);
    return err;
}

int block_decode(const struct block_source *s, struct block_handle h, const uint8_t *raw,
                 struct cache_block **ret)
{
    int err = check_trailer(s, h, raw);

    return err ? err : open_payload(s, h, raw, ret);
}

static int read_raw(const struct block_source *s, struct block_handle h, uint8_t *raw)
{
    size_t len = (size_t)h.len + BLOCK_TRAILER_LEN, got;
    int err = env_reader_read(s->reader, h.offset, len, raw, &got);

    if (err)
        return err;
    if (got < len)
        return err_raise(ERR_SST_HANDLE, AT_FMT "the file ends after %zu of them", AT(s, h), got);
    return 0;
}

static int read_small(const struct block_source *s, struct block_handle h, struct cache_block **ret)
{
    uint8_t raw[STACK_RAW_LEN];
    int err = read_raw(s, h, raw);

    return err ? err : block_decode(s, h, raw, ret);
}

int block_open(const struct block_source *s, struct block_handle h, struct cache_block *raw,
               struct cache_block **ret)
{
    int err = check_trailer(s, h, raw->data);

    if (err || raw->data[h.len + BLOCK_TRAILER_TYPE] != BLOCK_TYPE_PLAIN)
        return err ? err : open_payload(s, h, raw->data, ret);
    cache_block_ref(raw);
    *ret = raw;
    return 0;
}

/* Read in place; a compressed block is then replaced by what it holds. */
static int read_large(const struct block_source *s, struct block_handle h, struct cache_block **ret)
{
    struct cache_block *raw;
    int err = cache_block_new((size_t)h.len + BLOCK_TRAILER_LEN, &raw);

    if (err)
        return err;
    err = read_raw(s, h, raw->data);
    if (!err)
        err = block_open(s, h, raw, ret);
    cache_block_unref(raw);
    return err;
}

int block_read(const struct block_source *s, struct block_handle h, enum block_use use,
               enum cache_priority priority, struct cache_block **ret)
{
    struct cache_block *b = NULL;
    int err;

    if (s->cache && use != BLOCK_DIRECT)
        b = block_cache_get(s->cache, s->number, h.offset);
    if (b) {
        *ret = b;
        return 0;
    }
    err = block_check_handle(s, h);
    if (err)
        return err;
    if (h.len + BLOCK_TRAILER_LEN <= STACK_RAW_LEN)
        err = read_small(s, h, &b);
    else
        err = read_large(s, h, &b);
    if (err)
        return err;
    if (s->cache && use == BLOCK_FILL)
        block_cache_put(s->cache, s->number, h.offset, b, priority);
    *ret = b;
    return 0;
}

int block_gather(const struct block_source *s, struct gather *g, struct block_handle h,
                 enum cache_priority priority, struct cache_block **ret)
{
    struct cache_block *raw;
    struct cache_block *b = s->cache ? block_cache_get(s->cache, s->number, h.offset) : NULL;
    int err;

    if (b) {
        *ret = b;
        return 0;
    }
    err = block_check_handle(s, h);
    if (err)
        return err;
    err = gather_get(g, s->reader, h.offset, (size_t)h.len + BLOCK_TRAILER_LEN, &raw);
    if (err < 0)
        return err;
    if (err == 0)
        return block_read(s, h, BLOCK_FILL, priority, ret);
    err = block_open(s, h, raw, &b);
    cache_block_unref(raw);
    if (err)
        return err;
    if (s->cache)
        block_cache_put(s->cache, s->number, h.offset, b, priority);
    *ret = b;
    return 0;
}
