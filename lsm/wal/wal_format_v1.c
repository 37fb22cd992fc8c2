/*
 * Records of logs of version 1, which are only read: a header of fixed fields, the payload as it
 * is, and padding up to a multiple of 8.
 */
#include <xxhash.h>

#include "lsm/base/checksum.h"
#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"
#include "lsm/wal/wal_format.h"

enum {
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

_Static_assert((int)REC_END <= (int)WAL_RECORD_HEADER_LEN_MAX, "a reader looks at enough bytes");

static uint32_t header_checksum(const uint8_t *p, uint64_t number)
{
    return (uint32_t)XXH3_64bits_withSeed(p + REC_PAYLOAD_LEN, REC_END - REC_PAYLOAD_LEN, number);
}

bool wal_v1_record_decode(const uint8_t *p, size_t len, uint64_t number, uint64_t offset,
                          struct wal_record_header *ret)
{
    struct wal_record r;
    uint64_t payload_len;

    /* The offset first: it costs least, and a search meets millions of places that fail here. */
    if (len < REC_END || get_le64(p + REC_OFFSET) != offset)
        return false;
    if (!checksum_matches(get_le32(p + REC_CHECKSUM), header_checksum(p, number)) ||
        get_le32(p + REC_RESERVED))
        return false;
    r = (struct wal_record){.first_seqno = get_le64(p + REC_FIRST_SEQNO),
                            .op_count = get_le32(p + REC_OP_COUNT),
                            .time_ns = get_le64(p + REC_TIME),
                            .synced_seqno = get_le64(p + REC_SYNCED_SEQNO)};
    payload_len = get_le32(p + REC_PAYLOAD_LEN);
    if (r.op_count == 0 || r.first_seqno == 0 || r.first_seqno > SEQNO_MAX ||
        r.op_count - 1 > SEQNO_MAX - r.first_seqno || payload_len > WAL_PAYLOAD_LEN_MAX)
        return false;
    *ret = (struct wal_record_header){.header_len = REC_END,
                                      .stored_len = payload_len,
                                      .payload_len = payload_len,
                                      .record_len = REC_END + (payload_len + 7) / 8 * 8,
                                      .record = r,
                                      .checksum = get_le64(p + REC_PAYLOAD_CHECKSUM),
                                      .seed = number};
    return true;
}
