/*
 * A reference to a record of a blob file: the value of a KIND_BLOB_REF entry, in batches, memtables
 * and tables. Format: lsm/FORMAT.md, "Blob file".
 */
#ifndef LSM_BASE_BLOB_REF_H
#define LSM_BASE_BLOB_REF_H

#include "lsm/base/slice.h"

struct blob_ref {
    uint64_t file;     /* its number */
    uint64_t offset;   /* of the record in the file */
    uint64_t len;      /* bytes of the record, with header and key, without padding */
    uint64_t raw_len;  /* bytes of the value */
    uint64_t checksum; /* as in the record's header */
};

enum {
    BLOB_REF_LEN_MAX = 4 * 10 + 8,
    BLOB_ALIGN = 8,
    BLOB_HEADER_LEN = 32,        /* of the file */
    BLOB_RECORD_HEADER_LEN = 32, /* then key and value */
    BLOB_VALUE_LEN_MAX = 1 << 30
};

/* Write at p, which has room for BLOB_REF_LEN_MAX bytes; returns how many were written. */
size_t blob_ref_encode(const struct blob_ref *ref, uint8_t *p);
/* False when the bytes are not exactly one reference to a record that can exist. */
bool blob_ref_decode(struct slice in, struct blob_ref *ret);

/* Bytes that the record takes in its file. */
static inline uint64_t blob_padded(uint64_t len)
{
    return (len + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
}

#endif
