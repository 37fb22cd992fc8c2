/*
 * A blob file's header and records as bytes.
 *
 * Every checksum is seeded with the file's number XOR the record's offset: a record that landed in
 * another file or place is noticed. The record's checksum covers its header and the hashes of its
 * two parts, so that the hash of a large value is computed before the place is known, and is used
 * again when the value moves to another file. The header has a check of its own, so that a walk
 * through a damaged file believes no length that was not written.
 */
#include "lsm/blob/blob_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"

enum {
    HDR_MAGIC = 0,
    HDR_VERSION = 8,
    HDR_RESERVED = 12,
    HDR_NUMBER = 16,
    HDR_CHECKSUM = 24,
    HDR_END = 32,

    REC_CHECKSUM = 0,
    REC_CHECK = 8, /* of the rest of the header */
    REC_STORED_LEN = 12,
    REC_RAW_LEN = 16,
    REC_KEY_LEN = 20,
    REC_COMPRESSION = 22,
    REC_RESERVED = 23,
    REC_END = 32,

    SEALED_LEN = REC_END - REC_CHECK + 16 /* what the record's checksum is computed from */
};

_Static_assert((int)HDR_END == (int)BLOB_HEADER_LEN, "the header's fields fill it");
_Static_assert((int)REC_END == (int)BLOB_RECORD_HEADER_LEN, "a record header's fields fill it");
_Static_assert(BLOB_HEADER_LEN % BLOB_ALIGN == 0, "the first record is aligned");

static const uint8_t magic[8] = {'F', 'L', 'U', 'X', 'B', 'L', 'B', '1'};

void blob_file_name(uint64_t number, char buf[32])
{
    snprintf(buf, 32, "%08" PRIu64 ".blob", number);
}

void blob_header_encode(uint64_t number, uint8_t p[BLOB_HEADER_LEN])
{
    memcpy(p + HDR_MAGIC, magic, sizeof(magic));
    put_le32(p + HDR_VERSION, BLOB_FORMAT_VERSION);
    put_le32(p + HDR_RESERVED, 0);
    put_le64(p + HDR_NUMBER, number);
    put_le64(p + HDR_CHECKSUM, XXH3_64bits(p, HDR_CHECKSUM));
}

enum blob_header_state blob_header_check(const uint8_t p[BLOB_HEADER_LEN], uint64_t number)
{
    if (memcmp(p + HDR_MAGIC, magic, sizeof(magic)) != 0 ||
        !checksum_matches(get_le64(p + HDR_CHECKSUM), XXH3_64bits(p, HDR_CHECKSUM)))
        return BLOB_HEADER_DAMAGED;
    if (get_le32(p + HDR_VERSION) > BLOB_FORMAT_VERSION)
        return BLOB_HEADER_NEWER;
    if (get_le32(p + HDR_VERSION) < 1 || get_le64(p + HDR_NUMBER) != number)
        return BLOB_HEADER_DAMAGED;
    return BLOB_HEADER_WHOLE;
}

uint64_t blob_hash(struct slice bytes)
{
    return XXH3_64bits(bytes.len ? (const void *)bytes.data : "", bytes.len);
}

static uint32_t header_check(const uint8_t *p, uint64_t seed)
{
    return (uint32_t)XXH3_64bits_withSeed(p + REC_STORED_LEN, REC_END - REC_STORED_LEN, seed);
}

static uint64_t record_checksum(const uint8_t *p, uint64_t key_hash, uint64_t stored_hash,
                                uint64_t seed)
{
    uint8_t sealed[SEALED_LEN];

    memcpy(sealed, p + REC_CHECK, REC_END - REC_CHECK);
    put_le64(sealed + REC_END - REC_CHECK, key_hash);
    put_le64(sealed + REC_END - REC_CHECK + 8, stored_hash);
    return XXH3_64bits_withSeed(sealed, sizeof(sealed), seed);
}

uint64_t blob_record_encode(const struct blob_record *r, uint64_t number, uint64_t offset,
                            uint8_t p[BLOB_RECORD_HEADER_LEN])
{
    uint64_t checksum, seed = number ^ offset;

    memset(p, 0, BLOB_RECORD_HEADER_LEN);
    put_le32(p + REC_STORED_LEN, (uint32_t)r->stored.len);
    put_le32(p + REC_RAW_LEN, r->raw_len);
    put_le16(p + REC_KEY_LEN, (uint16_t)r->key.len);
    p[REC_COMPRESSION] = r->compression;
    put_le32(p + REC_CHECK, header_check(p, seed));
    checksum = record_checksum(p, blob_hash(r->key), r->stored_hash, seed);
    put_le64(p + REC_CHECKSUM, checksum);
    return checksum;
}

bool blob_record_header_decode(const uint8_t p[BLOB_RECORD_HEADER_LEN], uint64_t number,
                               uint64_t offset, struct blob_record_header *ret)
{
    struct blob_record_header h = {.checksum = get_le64(p + REC_CHECKSUM),
                                   .stored_len = get_le32(p + REC_STORED_LEN),
                                   .raw_len = get_le32(p + REC_RAW_LEN),
                                   .key_len = get_le16(p + REC_KEY_LEN),
                                   .compression = p[REC_COMPRESSION]};

    if (!checksum_matches(get_le32(p + REC_CHECK), header_check(p, number ^ offset)))
        return false;
    if (h.key_len < 1 || h.key_len > USER_KEY_LEN_MAX || h.raw_len > BLOB_VALUE_LEN_MAX ||
        h.stored_len > h.raw_len || h.compression > BLOB_LZ4)
        return false;
    if (h.compression == BLOB_PLAIN && h.stored_len != h.raw_len)
        return false;
    *ret = h;
    return true;
}

bool blob_record_intact(const uint8_t p[BLOB_RECORD_HEADER_LEN], struct slice key,
                        struct slice stored, uint64_t number, uint64_t offset)
{
    return checksum_matches(get_le64(p + REC_CHECKSUM),
                            record_checksum(p, blob_hash(key), blob_hash(stored), number ^ offset));
}
