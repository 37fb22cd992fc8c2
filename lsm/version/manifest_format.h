/*
 * The bytes of a manifest, without any file. Format, the rule of a valid record and of the torn
 * tail: lsm/FORMAT.md, "Manifest".
 */
#ifndef LSM_VERSION_MANIFEST_FORMAT_H
#define LSM_VERSION_MANIFEST_FORMAT_H

#include "lsm/base/slice.h"

enum {
    MANIFEST_FORMAT_VERSION = 1,
    MANIFEST_HEADER_LEN = 32,
    MANIFEST_RECORD_HEADER_LEN = 16,
    MANIFEST_ALIGN = 8,        /* every record starts and ends at a multiple */
    MANIFEST_LEN_MAX = 1 << 30 /* bytes of a whole manifest */
};

void manifest_header_encode(uint64_t number, uint8_t p[MANIFEST_HEADER_LEN]);
/* NULL when the header is right, else what is wrong with it. */
const char *manifest_header_check(struct slice file, uint64_t number);

/*
 * Turn *b into a record that is to stand at `offset` of manifest `number`: it holds
 * MANIFEST_RECORD_HEADER_LEN bytes to be filled in, then the payload. -EFBIG when it is too long.
 */
int manifest_record_seal(struct buf *b, uint64_t number, uint64_t offset);
/* Is there a valid record at offset? *ret_payload borrows from file; *ret_end is where it ends. */
bool manifest_record_at(struct slice file, uint64_t number, size_t offset,
                        struct slice *ret_payload, size_t *ret_end);
/* The first valid record that starts behind offset; file.len when there is none. */
size_t manifest_record_after(struct slice file, uint64_t number, size_t offset);

#endif
