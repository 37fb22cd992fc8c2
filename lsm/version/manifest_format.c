/*
 * A manifest's header and records.
 *
 * A record is valid if and only if its header check and its checksum are right. Both depend on the
 * manifest's number, and the header check on the record's offset, so that bytes of an older file,
 * or of another place, never pass for a record. The header check is what makes the search for later
 * records cheap: a wrong length is found without reading so many bytes.
 */
#include "lsm/version/manifest_format.h"

#include <errno.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/codec.h"

enum {
    HDR_MAGIC = 0,
    HDR_VERSION = 8,
    HDR_RESERVED = 12,
    HDR_NUMBER = 16,
    HDR_CHECKSUM = 24,
    REC_CHECKSUM = 0, /* of everything from REC_LEN to the end of the padding */
    REC_LEN = 8,
    REC_HEADER_CHECK = 12,
    REC_PAYLOAD = 16,
};

_Static_assert(HDR_CHECKSUM + 8 == MANIFEST_HEADER_LEN, "the header ends with its checksum");
_Static_assert(MANIFEST_HEADER_LEN % MANIFEST_ALIGN == 0, "records are aligned");
_Static_assert((int)REC_PAYLOAD == (int)MANIFEST_RECORD_HEADER_LEN,
               "the payload follows the header");

static const uint8_t magic[8] = {'F', 'L', 'U', 'X', 'M', 'A', 'N', '1'};

void manifest_header_encode(uint64_t number, uint8_t p[MANIFEST_HEADER_LEN])
{
    memset(p, 0, MANIFEST_HEADER_LEN);
    memcpy(p + HDR_MAGIC, magic, sizeof(magic));
    put_le32(p + HDR_VERSION, MANIFEST_FORMAT_VERSION);
    put_le64(p + HDR_NUMBER, number);
    put_le64(p + HDR_CHECKSUM, XXH3_64bits(p, HDR_CHECKSUM));
}

const char *manifest_header_check(struct slice file, uint64_t number)
{
    const uint8_t *p = file.data;

    if (file.len < MANIFEST_HEADER_LEN)
        return "the file is shorter than its header";
    if (memcmp(p + HDR_MAGIC, magic, sizeof(magic)) != 0)
        return "no magic number";
    if (!checksum_matches(get_le64(p + HDR_CHECKSUM), XXH3_64bits(p, HDR_CHECKSUM)))
        return "header checksum mismatch";
    if (get_le32(p + HDR_VERSION) != MANIFEST_FORMAT_VERSION)
        return "a format version that this program does not know";
    if (get_le64(p + HDR_NUMBER) != number)
        return "the header has the number of another manifest";
    return NULL;
}

static size_t padded(size_t len)
{
    return (len + MANIFEST_ALIGN - 1) / MANIFEST_ALIGN * MANIFEST_ALIGN;
}

static uint32_t header_check(uint32_t payload_len, uint64_t number, uint64_t offset)
{
    uint8_t p[12];

    put_le32(p, payload_len);
    put_le64(p + 4, offset);
    return (uint32_t)XXH3_64bits_withSeed(p, sizeof(p), number);
}

int manifest_record_seal(struct buf *b, uint64_t number, uint64_t offset)
{
    static const uint8_t zeros[MANIFEST_ALIGN];
    size_t payload_len = b->len - REC_PAYLOAD;
    int err;

    if (b->len > MANIFEST_LEN_MAX || offset > MANIFEST_LEN_MAX - padded(b->len))
        return -EFBIG;
    err = buf_append(b, zeros, padded(b->len) - b->len);
    if (err)
        return err;
    put_le32(b->data + REC_LEN, (uint32_t)payload_len);
    put_le32(b->data + REC_HEADER_CHECK, header_check((uint32_t)payload_len, number, offset));
    put_le64(b->data + REC_CHECKSUM,
             XXH3_64bits_withSeed(b->data + REC_LEN, b->len - REC_LEN, number));
    return 0;
}

bool manifest_record_at(struct slice file, uint64_t number, size_t offset,
                        struct slice *ret_payload, size_t *ret_end)
{
    const uint8_t *p;
    size_t rest, record_len;
    uint32_t payload_len;

    if (offset > file.len || file.len - offset < REC_PAYLOAD)
        return false;
    p = file.data + offset;
    rest = file.len - offset;
    payload_len = get_le32(p + REC_LEN);
    if (!checksum_matches(get_le32(p + REC_HEADER_CHECK),
                          header_check(payload_len, number, offset)))
        return false;
    if (payload_len > rest - REC_PAYLOAD)
        return false;
    record_len = padded(REC_PAYLOAD + (size_t)payload_len);
    if (record_len > rest)
        return false;
    if (!checksum_matches(get_le64(p + REC_CHECKSUM),
                          XXH3_64bits_withSeed(p + REC_LEN, record_len - REC_LEN, number)))
        return false;
    *ret_payload = slice_of(p + REC_PAYLOAD, payload_len);
    *ret_end = offset + record_len;
    return true;
}

size_t manifest_record_after(struct slice file, uint64_t number, size_t offset)
{
    struct slice payload;
    size_t end;

    for (offset = padded(offset + 1); offset < file.len; offset += MANIFEST_ALIGN) {
        if (manifest_record_at(file, number, offset, &payload, &end))
            return offset;
    }
    return file.len;
}
