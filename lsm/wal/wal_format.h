/*
 * The log's header and records as bytes. Format: lsm/FORMAT.md, "Log". Version 2 is written,
 * version 1 is still read.
 */
#ifndef LSM_WAL_WAL_FORMAT_H
#define LSM_WAL_WAL_FORMAT_H

#include "lsm/wal/wal.h"

enum {
    WAL_FORMAT_VERSION = 2,
    WAL_HEADER_LEN = 32,
    WAL_RECORD_HEADER_LEN_MAX = 56,
    WAL_RECORD_HEADER_LEN_MIN = 13, /* the fixed bytes, and a byte for each number */
};

/* A record's header, decoded. */
struct wal_record_header {
    uint32_t header_len;      /* bytes */
    uint64_t stored_len;      /* bytes of the payload in the file */
    uint64_t record_len;      /* bytes from this record to the next: with padding, if any */
    uint64_t payload_len;     /* bytes of the payload */
    bool compressed;          /* LZ4; otherwise stored_len is payload_len */
    struct wal_record record; /* without the payload */
    uint64_t checksum, seed;  /* of the stored payload */
};

void wal_header_encode(uint64_t number, uint64_t last_seqno, uint8_t p[WAL_HEADER_LEN]);
/* Magic number and checksum are right: these bytes were written as a header. */
bool wal_header_intact(const uint8_t p[WAL_HEADER_LEN]);
/* Of an intact header: which log's it is. */
uint64_t wal_header_number(const uint8_t p[WAL_HEADER_LEN]);
/* NULL and the outputs, or what is wrong. */
const char *wal_header_decode(const uint8_t p[WAL_HEADER_LEN], uint64_t number,
                              uint64_t *ret_last_seqno, uint32_t *ret_version);

/*
 * Write the header of a record that stands at `offset` in the file of log `number`, before the
 * `stored` bytes of its payload, which are LZ4's of record->payload when `compressed`, else those
 * themselves. Returns the header's length.
 */
size_t wal_record_encode(const struct wal_record *record, struct slice stored, bool compressed,
                         uint64_t number, uint64_t offset, uint8_t p[WAL_RECORD_HEADER_LEN_MAX]);
/* Bytes of a record in the file when its payload is not compressed. */
uint64_t wal_record_plain_len(const struct wal_record *record);

/*
 * Whether the `len` bytes begin with the header of a record of this log, at this place. For either
 * version a header is whole within WAL_RECORD_HEADER_LEN_MAX bytes.
 */
bool wal_record_decode(uint32_t version, const uint8_t *p, size_t len, uint64_t number,
                       uint64_t offset, struct wal_record_header *ret);
/* Whether these are the stored bytes that the header speaks of. */
bool wal_record_verify(uint32_t version, const struct wal_record_header *h, struct slice stored);
/* Records begin at multiples of it. */
static inline unsigned wal_align(uint32_t version)
{
    return version == 1 ? 8 : 1;
}

/* wal_format_v1.c */
bool wal_v1_record_decode(const uint8_t *p, size_t len, uint64_t number, uint64_t offset,
                          struct wal_record_header *ret);

#endif
