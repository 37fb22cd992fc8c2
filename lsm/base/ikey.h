/*
 * Internal keys: a user key followed by eight bytes, le64(seqno << 8 | kind). Order: user key
 * ascending (memcmp), then sequence number descending, so that of one key the newest comes first.
 *
 * The numbers of enum kind are on disk, in logs and in tables, and may never change.
 */
#ifndef LSM_BASE_IKEY_H
#define LSM_BASE_IKEY_H

#include "lsm/base/codec.h"

enum kind {
    KIND_DELETE = 0,       /* value empty */
    KIND_PUT = 1,          /* value: the value */
    KIND_PATCH = 2,        /* value: varint64 offset, then the bytes that overwrite from there */
    KIND_DELETE_RANGE = 3, /* key: start, inclusive; value: end, exclusive */
    KIND_BLOB_REF = 4,     /* value: a reference into a blob file, blob_ref.h */
};

#define SEQNO_MAX ((UINT64_C(1) << 56) - 1)

enum {
    IKEY_TRAILER_LEN = 8,
    USER_KEY_LEN_MAX = 4096
};

static inline uint64_t ikey_trailer(uint64_t seqno, enum kind kind)
{
    return seqno << 8 | (uint64_t)kind;
}

/* The parts of an internal key, which has at least IKEY_TRAILER_LEN bytes. */
static inline struct slice ikey_user(struct slice ikey)
{
    return slice_of(ikey.data, ikey.len - IKEY_TRAILER_LEN);
}

static inline uint64_t ikey_tail(struct slice ikey)
{
    return get_le64(ikey.data + ikey.len - IKEY_TRAILER_LEN);
}

static inline uint64_t ikey_seqno(struct slice ikey)
{
    return ikey_tail(ikey) >> 8;
}

static inline enum kind ikey_kind(struct slice ikey)
{
    return (enum kind)(ikey_tail(ikey) & 0xff);
}

static inline int ikey_cmp(struct slice a, struct slice b)
{
    int c = slice_cmp(ikey_user(a), ikey_user(b));
    uint64_t ta, tb;

    if (c)
        return c;
    ta = ikey_tail(a);
    tb = ikey_tail(b);
    return (ta < tb) - (ta > tb);
}

/* Replace *ret by the internal key. To seek the newest version at or below seqno use kind 0xff. */
static inline int ikey_make(struct buf *ret, struct slice user, uint64_t seqno, unsigned kind)
{
    uint8_t tail[IKEY_TRAILER_LEN];
    int err = buf_assign(ret, user.data, user.len);

    put_le64(tail, seqno << 8 | kind);
    return err ? err : buf_append(ret, tail, sizeof(tail));
}

enum {
    IKEY_SEEK_KIND = 0xff
};

#endif
