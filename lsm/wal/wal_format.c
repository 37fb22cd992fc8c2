/*
 * A log's header and records, version 2.
 *
 * A record's header has a check of its own, so that a wrong length is noticed before anything is
 * read by it, and so that the search for records behind damage is cheap. Both checksums are seeded
 * with the log's number and the record's offset: bytes of an older file in reused space, or a log
 * that a user keeps as a value in this log, do not pass for records. The payload's is also seeded
 * with the header's, so it covers both.
 *
 * Numbers are varints: most records are small, and all that is written of them counts twice or more
 * until it has become a table.
 */
#include "lsm/wal/wal_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"

enum {
    HDR_MAGIC = 0,
    HDR_VERSION = 8,
    HDR_CHECKSUM = 12, /* of the header with this field as zeros */
    HDR_NUMBER = 16,
    HDR_LAST_SEQNO = 24,
    HDR_END = 32,

    REC_CHECKSUM = 0,     /* of the stored payload, seeded with the header's */
    REC_HEADER_CHECK = 4, /* of the header from here's end on */
    REC_HEADER_LEN = 6,
    REC_FLAGS = 7,
    REC_NUMBERS = 8,

    FLAG_LZ4 = 1,
};

_Static_assert((int)HDR_END == (int)WAL_HEADER_LEN, "the header's fields fill it");
_Static_assert(REC_NUMBERS + 2 * VARINT32_LEN_MAX + VARINT64_LEN_MAX * 3 + VARINT32_LEN_MAX <=
                   WAL_RECORD_HEADER_LEN_MAX,
               "a record header has room for every number");

static const uint8_t magic[8] = {'F', 'L', 'U', 'X', 'W', 'A', 'L', '1'};

void wal_file_name(uint64_t number, char buf[32])
{
    snprintf(buf, 32, "%08" PRIu64 ".wal", number);
}

static uint32_t header_checksum(const uint8_t p[WAL_HEADER_LEN])
{
    uint8_t copy[WAL_HEADER_LEN];

    memcpy(copy, p, sizeof(copy));
    put_le32(copy + HDR_CHECKSUM, 0);
    return (uint32_t)XXH3_64bits(copy, sizeof(copy));
}

void wal_header_encode(uint64_t number, uint64_t last_seqno, uint8_t p[WAL_HEADER_LEN])
{
    memcpy(p + HDR_MAGIC, magic, sizeof(magic));
    put_le32(p + HDR_VERSION, WAL_FORMAT_VERSION);
    put_le64(p + HDR_NUMBER, number);
    put_le64(p + HDR_LAST_SEQNO, last_seqno);
    put_le32(p + HDR_CHECKSUM, header_checksum(p));
}

bool wal_header_intact(const uint8_t p[WAL_HEADER_LEN])
{
    return memcmp(p + HDR_MAGIC, magic, sizeof(magic)) == 0 &&
           checksum_matches(get_le32(p + HDR_CHECKSUM), header_checksum(p));
}

uint64_t wal_header_number(const uint8_t p[WAL_HEADER_LEN])
{
    return get_le64(p + HDR_NUMBER);
}

const char *wal_header_decode(const uint8_t p[WAL_HEADER_LEN], uint64_t number,
                              uint64_t *ret_last_seqno, uint32_t *ret_version)
{
    uint32_t version = get_le32(p + HDR_VERSION);

    if (memcmp(p + HDR_MAGIC, magic, sizeof(magic)) != 0)
        return "it has no magic number";
    if (!checksum_matches(get_le32(p + HDR_CHECKSUM), header_checksum(p)))
        return "its checksum is wrong";
    if (version > WAL_FORMAT_VERSION)
        return "its format is newer than this program";
    if (version < 1)
        return "its format has version 0, which there never was";
    if (get_le64(p + HDR_NUMBER) != number)
        return "it has the number of another log";
    if (get_le64(p + HDR_LAST_SEQNO) > SEQNO_MAX)
        return "its sequence number is out of range";
    *ret_last_seqno = get_le64(p + HDR_LAST_SEQNO);
    *ret_version = version;
    return NULL;
}

/* Of what the header holds behind its check; also the seed of the payload's. */
static uint64_t header_hash(const uint8_t *p, size_t len, uint64_t number, uint64_t offset)
{
    uint64_t seed = offset * UINT64_C(0x9e3779b97f4a7c15) + number;

    return XXH3_64bits_withSeed(p + REC_HEADER_LEN, len - REC_HEADER_LEN, seed);
}

static uint64_t payload_hash(struct slice stored, uint64_t seed)
{
    return XXH3_64bits_withSeed(stored.len ? (const void *)stored.data : "", stored.len, seed);
}

static uint8_t *put_numbers(uint8_t *p, const struct wal_record *r, size_t stored_len,
                            bool compressed)
{
    p = put_varint64(p, stored_len);
    if (compressed)
        p = put_varint64(p, r->payload.len);
    p = put_varint64(p, r->first_seqno);
    p = put_varint64(p, r->op_count);
    p = put_varint64(p, r->time_ns);
    return put_varint64(p, r->first_seqno - r->synced_seqno);
}

size_t wal_record_encode(const struct wal_record *record, struct slice stored, bool compressed,
                         uint64_t number, uint64_t offset, uint8_t p[WAL_RECORD_HEADER_LEN_MAX])
{
    size_t len = (size_t)(put_numbers(p + REC_NUMBERS, record, stored.len, compressed) - p);
    uint64_t hash;

    p[REC_HEADER_LEN] = (uint8_t)len;
    p[REC_FLAGS] = compressed ? FLAG_LZ4 : 0;
    hash = header_hash(p, len, number, offset);
    put_le16(p + REC_HEADER_CHECK, (uint16_t)hash);
    put_le32(p + REC_CHECKSUM, (uint32_t)payload_hash(stored, hash));
    return len;
}

uint64_t wal_record_plain_len(const struct wal_record *record)
{
    uint8_t numbers[WAL_RECORD_HEADER_LEN_MAX];

    return (uint64_t)(put_numbers(numbers, record, record->payload.len, false) - numbers) +
           REC_NUMBERS + record->payload.len;
}

static bool take_numbers(struct slice in, bool compressed, struct wal_record_header *ret)
{
    struct wal_record *r = &ret->record;
    uint64_t since_synced;

    if (!take_varint64(&in, &ret->stored_len))
        return false;
    ret->payload_len = ret->stored_len;
    if (compressed && !take_varint64(&in, &ret->payload_len))
        return false;
    if (!take_varint64(&in, &r->first_seqno) || !take_varint64(&in, &r->op_count) ||
        !take_varint64(&in, &r->time_ns) || !take_varint64(&in, &since_synced) || in.len)
        return false;
    if (!r->op_count && ret->payload_len)
        return false;
    if (r->op_count > UINT32_MAX || r->first_seqno == 0 || r->first_seqno > SEQNO_MAX ||
        r->op_count > SEQNO_MAX - r->first_seqno + 1)
        return false;
    if (since_synced == 0 || since_synced > r->first_seqno)
        return false;
    r->synced_seqno = r->first_seqno - since_synced;
    return ret->payload_len <= WAL_PAYLOAD_LEN_MAX && ret->stored_len <= ret->payload_len;
}

static bool v2_record_decode(const uint8_t *p, size_t len, uint64_t number, uint64_t offset,
                             struct wal_record_header *ret)
{
    struct wal_record_header h = {0};
    uint64_t hash;

    if (len < WAL_RECORD_HEADER_LEN_MIN)
        return false;
    h.header_len = p[REC_HEADER_LEN];
    h.compressed = p[REC_FLAGS] & FLAG_LZ4;
    /* These first: they cost least, and a search meets millions of places that fail here. */
    if (h.header_len < WAL_RECORD_HEADER_LEN_MIN || h.header_len > WAL_RECORD_HEADER_LEN_MAX ||
        p[REC_FLAGS] > FLAG_LZ4 || h.header_len > len)
        return false;
    hash = header_hash(p, h.header_len, number, offset);
    if (!checksum_matches(get_le16(p + REC_HEADER_CHECK), (uint16_t)hash))
        return false;
    if (!take_numbers(slice_of(p + REC_NUMBERS, h.header_len - REC_NUMBERS), h.compressed, &h))
        return false;
    h.record_len = h.header_len + h.stored_len;
    h.checksum = get_le32(p + REC_CHECKSUM);
    h.seed = hash;
    *ret = h;
    return true;
}

bool wal_record_decode(uint32_t version, const uint8_t *p, size_t len, uint64_t number,
                       uint64_t offset, struct wal_record_header *ret)
{
    return version == 1 ? wal_v1_record_decode(p, len, number, offset, ret)
                        : v2_record_decode(p, len, number, offset, ret);
}

bool wal_record_verify(uint32_t version, const struct wal_record_header *h, struct slice stored)
{
    if (version == 1)
        return checksum_matches(h->checksum, payload_hash(stored, h->seed));
    return checksum_matches(h->checksum, (uint32_t)payload_hash(stored, h->seed));
}
