/*
 * The lengths that versions claim. They come from disk: what does not decode claims nothing here.
 */
#include "lsm/base/value_len.h"

#include "lsm/base/blob_ref.h"
#include "lsm/base/err.h"

bool patch_decode(struct slice record, uint64_t *ret_offset, struct slice *ret_bytes)
{
    uint64_t offset;

    if (!take_varint64(&record, &offset) || offset > VALUE_LEN_MAX ||
        record.len > VALUE_LEN_MAX - offset)
        return false;
    *ret_offset = offset;
    *ret_bytes = record;
    return true;
}

uint64_t value_len_of(enum kind kind, struct slice value)
{
    struct blob_ref ref;
    struct slice bytes;
    uint64_t offset;

    switch (kind) {
    case KIND_PUT:
        return value.len;
    case KIND_PATCH:
        return patch_decode(value, &offset, &bytes) ? offset + bytes.len : 0;
    case KIND_BLOB_REF:
        return blob_ref_decode(value, &ref) ? ref.raw_len : 0;
    case KIND_DELETE:
    case KIND_DELETE_RANGE:
        break;
    }
    return 0;
}

int value_len_raise(uint64_t len, uint64_t max)
{
    return err_raise(ERR_VALUE_LEN, "a value of %llu bytes, where the store takes %llu at most",
                     (unsigned long long)len, (unsigned long long)max);
}

int value_len_check(enum kind kind, struct slice value, uint64_t max)
{
    uint64_t len = value_len_of(kind, value);

    return len > max ? value_len_raise(len, max) : 0;
}
