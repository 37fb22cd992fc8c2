/*
 * A blob file's header and records as bytes. Format: lsm/FORMAT.md, "Blob file".
 */
#ifndef LSM_BLOB_BLOB_FORMAT_H
#define LSM_BLOB_BLOB_FORMAT_H

#include "lsm/base/blob_ref.h"

enum {
    BLOB_FORMAT_VERSION = 1,

    BLOB_PLAIN = 0, /* the stored bytes are the value */
    BLOB_LZ4 = 1    /* they are one LZ4 block that holds it */
};

/* A value as it is stored. Nothing is owned. */
struct blob_record {
    struct slice key;          /* user key */
    struct slice stored;       /* the value, compressed or not */
    uint64_t stored_hash;      /* XXH3-64 of it, seed 0 */
    uint32_t raw_len;          /* bytes of the value */
    unsigned char compression; /* BLOB_PLAIN or BLOB_LZ4 */
};

/* What a record's header says. */
struct blob_record_header {
    uint64_t checksum;
    uint32_t stored_len, raw_len;
    unsigned key_len;
    unsigned char compression;
};

/* "00000012.blob" into buf. */
void blob_file_name(uint64_t number, char buf[32]);

/* Bytes of a record without padding. */
static inline uint64_t blob_record_len(size_t key_len, size_t stored_len)
{
    return BLOB_RECORD_HEADER_LEN + (uint64_t)key_len + stored_len;
}

void blob_header_encode(uint64_t number, uint8_t p[BLOB_HEADER_LEN]);
enum blob_header_state {
    BLOB_HEADER_WHOLE,
    BLOB_HEADER_NEWER,   /* a format that this program does not know */
    BLOB_HEADER_DAMAGED, /* or missing: records tell for themselves what they are */
};
enum blob_header_state blob_header_check(const uint8_t p[BLOB_HEADER_LEN], uint64_t number);

uint64_t blob_hash(struct slice bytes);
/* The header of a record at `offset` of file `number`; returns its checksum. */
uint64_t blob_record_encode(const struct blob_record *r, uint64_t number, uint64_t offset,
                            uint8_t p[BLOB_RECORD_HEADER_LEN]);
/* Whether the header is one, of this file and at this place; lengths are then in range. */
bool blob_record_header_decode(const uint8_t p[BLOB_RECORD_HEADER_LEN], uint64_t number,
                               uint64_t offset, struct blob_record_header *ret);
/* Is the checksum of a record, whose header has been decoded, right? */
bool blob_record_intact(const uint8_t p[BLOB_RECORD_HEADER_LEN], struct slice key,
                        struct slice stored, uint64_t number, uint64_t offset);

#endif
