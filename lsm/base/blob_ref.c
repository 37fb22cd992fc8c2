/*
 * References as bytes. They come from disk: what is decoded has been checked against everything
 * that can be known without the file, so that sums of its fields do not overflow. Whether the
 * record is there, and is the one that is meant, its checksum says when it is read.
 */
#include "lsm/base/blob_ref.h"

#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"

/* Far above any disk. */
#define FILE_LEN_MAX (UINT64_C(1) << 48)

size_t blob_ref_encode(const struct blob_ref *ref, uint8_t *p)
{
    uint8_t *end = put_varint64(p, ref->file);

    end = put_varint64(end, ref->offset);
    end = put_varint64(end, ref->len);
    end = put_varint64(end, ref->raw_len);
    put_le64(end, ref->checksum);
    return (size_t)(end + 8 - p);
}

bool blob_ref_decode(struct slice in, struct blob_ref *ret)
{
    struct blob_ref r;

    if (!take_varint64(&in, &r.file) || !take_varint64(&in, &r.offset) ||
        !take_varint64(&in, &r.len) || !take_varint64(&in, &r.raw_len) || in.len != 8)
        return false;
    r.checksum = get_le64(in.data);
    if (r.file == 0 || r.offset < BLOB_HEADER_LEN || r.offset % BLOB_ALIGN ||
        r.offset > FILE_LEN_MAX || r.raw_len > BLOB_VALUE_LEN_MAX)
        return false;
    if (r.len <= BLOB_RECORD_HEADER_LEN ||
        r.len > BLOB_RECORD_HEADER_LEN + USER_KEY_LEN_MAX + (uint64_t)BLOB_VALUE_LEN_MAX)
        return false;
    *ret = r;
    return true;
}
