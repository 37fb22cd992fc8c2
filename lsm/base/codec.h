/*
 * Numbers as bytes. Fixed-width fields are little-endian on disk; the be variants are for keys,
 * where the order of bytes must be the order of numbers. Varints are LEB128: seven bits a byte, low
 * bits first.
 */
#ifndef LSM_BASE_CODEC_H
#define LSM_BASE_CODEC_H

#include <endian.h>

#include "lsm/base/slice.h"

enum {
    VARINT64_LEN_MAX = 10,
    VARINT32_LEN_MAX = 5
};

#define CODEC_FIXED(bits, order)                                                                   \
    static inline void put_##order##bits(void *p, uint##bits##_t v)                                \
    {                                                                                              \
        v = hto##order##bits(v);                                                                   \
        memcpy(p, &v, sizeof(v));                                                                  \
    }                                                                                              \
    static inline uint##bits##_t get_##order##bits(const void *p)                                  \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
        memcpy(&v, p, sizeof(v));                                                                  \
        return order##bits##toh(v);                                                                \
    }

CODEC_FIXED(16, le)
CODEC_FIXED(32, le)
CODEC_FIXED(64, le)
CODEC_FIXED(16, be)
CODEC_FIXED(32, be)
CODEC_FIXED(64, be)
#undef CODEC_FIXED

/* Write v at p, which has room for VARINT64_LEN_MAX bytes; returns the first byte after it. */
static inline uint8_t *put_varint64(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline size_t varint64_len(uint64_t v)
{
    size_t n = 1;

    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

/*
 * Take a varint, `len` raw bytes, or a length-prefixed slice from the front of *in. False when the
 * bytes do not hold one; then *in and *ret are unspecified. A slice taken borrows from *in.
 */
static inline bool take_varint64(struct slice *in, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && in->len; shift += 7) {
        uint8_t byte = *in->data++;

        in->len--;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static inline bool take_varint32(struct slice *in, uint32_t *ret)
{
    uint64_t v;

    if (!take_varint64(in, &v) || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static inline bool take_bytes(struct slice *in, size_t len, struct slice *ret)
{
    if (in->len < len)
        return false;
    *ret = slice_of(in->data, len);
    in->data += len;
    in->len -= len;
    return true;
}

static inline bool take_prefixed(struct slice *in, struct slice *ret)
{
    uint64_t len;

    return take_varint64(in, &len) && len <= in->len && take_bytes(in, (size_t)len, ret);
}

static inline int buf_put_varint64(struct buf *b, uint64_t v)
{
    uint8_t tmp[VARINT64_LEN_MAX];

    return buf_append(b, tmp, (size_t)(put_varint64(tmp, v) - tmp));
}

static inline int buf_put_le32(struct buf *b, uint32_t v)
{
    uint8_t tmp[4];

    put_le32(tmp, v);
    return buf_append(b, tmp, sizeof(tmp));
}

static inline int buf_put_le64(struct buf *b, uint64_t v)
{
    uint8_t tmp[8];

    put_le64(tmp, v);
    return buf_append(b, tmp, sizeof(tmp));
}

static inline int buf_put_prefixed(struct buf *b, struct slice s)
{
    int err = buf_put_varint64(b, s.len);

    return err ? err : buf_append(b, s.data, s.len);
}

#endif
