/*
 * A log's header and records.
 *
 * Each record's header carries its own checksum, so that a wrong payload length is noticed before
 * anything is read by it, and so that the search for records behind damage is cheap. Checksums are
 * seeded with the log's number, and a record names its own offset: bytes of an older file in reused
 * space, or a log that a user keeps as a value in this log, do not pass for records.
 */
#include "lsm/wal/wal_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"

enum {
    HDR_MAGIC = 0,
    HDR_VERSION = 8,
    HDR_CHECKSUM = 12, /* of the header with this field as zeros */
    HDR_NUMBER = 16,
    HDR_LAST_SEQNO = 24,
    HDR_END = 32,

    REC_CHECKSUM = 0, /* of the rest of the record's header */
    REC_PAYLOAD_LEN = 4,
    REC_PAYLOAD_CHECKSUM = 8,
    REC_FIRST_SEQNO = 16,
    REC_OP_COUNT = 24,
    REC_RESERVED = 28,
    REC_TIME = 32,
    REC_SYNCED_SEQNO = 40,
    REC_OFFSET = 48,
    REC_END = 56,
};

_Static_assert((int)HDR_END == (int)WAL_HEADER_LEN, "the header's fields fill it");
_Static_assert((int)REC_END == (int)WAL_RECORD_HEADER_LEN, "a record header's fields fill it");
_Static_assert(WAL_HEADER_LEN % WAL_ALIGN == 0, "the first record is aligned");
_Static_assert(WAL_RECORD_HEADER_LEN % WAL_ALIGN == 0, "records stay aligned");

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
           get_le32(p + HDR_CHECKSUM) == header_checksum(p);
}

const char *wal_header_decode(const uint8_t p[WAL_HEADER_LEN], uint64_t number,
                              uint64_t *ret_last_seqno)
{
    uint32_t version = get_le32(p + HDR_VERSION);

    if (memcmp(p + HDR_MAGIC, magic, sizeof(magic)) != 0)
        return "it has no magic number";
    if (get_le32(p + HDR_CHECKSUM) != header_checksum(p))
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
    return NULL;
}

static uint32_t record_checksum(const uint8_t *p, uint64_t number)
{
    return (uint32_t)XXH3_64bits_withSeed(p + REC_PAYLOAD_LEN, REC_END - REC_PAYLOAD_LEN, number);
}

uint64_t wal_payload_checksum(uint64_t number, struct slice payload)
{
    return XXH3_64bits_withSeed(payload.len ? (const void *)payload.data : "", payload.len, number);
}

void wal_record_encode(const struct wal_record *record, uint64_t number, uint64_t offset,
                       uint8_t p[WAL_RECORD_HEADER_LEN])
{
    put_le32(p + REC_PAYLOAD_LEN, (uint32_t)record->payload.len);
    put_le64(p + REC_PAYLOAD_CHECKSUM, wal_payload_checksum(number, record->payload));
    put_le64(p + REC_FIRST_SEQNO, record->first_seqno);
    put_le32(p + REC_OP_COUNT, (uint32_t)record->op_count);
    put_le32(p + REC_RESERVED, 0);
    put_le64(p + REC_TIME, record->time_ns);
    put_le64(p + REC_SYNCED_SEQNO, record->synced_seqno);
    put_le64(p + REC_OFFSET, offset);
    put_le32(p + REC_CHECKSUM, record_checksum(p, number));
}

bool wal_record_decode(const uint8_t p[WAL_RECORD_HEADER_LEN], uint64_t number, uint64_t offset,
                       struct wal_record_header *ret)
{
    struct wal_record r = {.first_seqno = get_le64(p + REC_FIRST_SEQNO),
                           .op_count = get_le32(p + REC_OP_COUNT),
                           .time_ns = get_le64(p + REC_TIME),
                           .synced_seqno = get_le64(p + REC_SYNCED_SEQNO)};

    /* The offset first: it costs least, and a search meets millions of places that fail here. */
    if (get_le64(p + REC_OFFSET) != offset)
        return false;
    if (get_le32(p + REC_CHECKSUM) != record_checksum(p, number) || get_le32(p + REC_RESERVED))
        return false;
    if (r.op_count == 0 || r.first_seqno == 0 || r.first_seqno > SEQNO_MAX ||
        r.op_count - 1 > SEQNO_MAX - r.first_seqno)
        return false;
    if (get_le32(p + REC_PAYLOAD_LEN) > WAL_PAYLOAD_LEN_MAX)
        return false;
    ret->payload_len = get_le32(p + REC_PAYLOAD_LEN);
    ret->payload_checksum = get_le64(p + REC_PAYLOAD_CHECKSUM);
    ret->record = r;
    return true;
}
