/*
 * The log's header and records as bytes. Format: lsm/FORMAT.md, "Log".
 */
#ifndef LSM_WAL_WAL_FORMAT_H
#define LSM_WAL_WAL_FORMAT_H

#include "lsm/wal/wal.h"

enum {
    WAL_FORMAT_VERSION = 1,
    WAL_HEADER_LEN = 32,
    WAL_RECORD_HEADER_LEN = 56,
    WAL_ALIGN = 8,
};

/* A record's header, decoded. */
struct wal_record_header {
    uint32_t payload_len; /* bytes, without padding */
    uint64_t payload_checksum;
    struct wal_record record; /* without the payload */
};

static inline uint64_t wal_padded(uint64_t len)
{
    return (len + WAL_ALIGN - 1) / WAL_ALIGN * WAL_ALIGN;
}

/* Bytes of a whole record in the file. */
static inline uint64_t wal_record_len(uint64_t payload_len)
{
    return WAL_RECORD_HEADER_LEN + wal_padded(payload_len);
}

void wal_header_encode(uint64_t number, uint64_t last_seqno, uint8_t p[WAL_HEADER_LEN]);
/* Magic number and checksum are right: these bytes were written as a header. */
bool wal_header_intact(const uint8_t p[WAL_HEADER_LEN]);
/* NULL and *ret_last_seqno, or what is wrong. */
const char *wal_header_decode(const uint8_t p[WAL_HEADER_LEN], uint64_t number,
                              uint64_t *ret_last_seqno);

/* `offset` is the record's own, in the file of log `number`. */
void wal_record_encode(const struct wal_record *record, uint64_t number, uint64_t offset,
                       uint8_t p[WAL_RECORD_HEADER_LEN]);
/* Whether the header is one, of this log, and at this place. */
bool wal_record_decode(const uint8_t p[WAL_RECORD_HEADER_LEN], uint64_t number, uint64_t offset,
                       struct wal_record_header *ret);
uint64_t wal_payload_checksum(uint64_t number, struct slice payload);

#endif
