/*
 * The write batch as bytes: the payload of a log record, and what is inserted into the memtable.
 * Format: lsm/FORMAT.md, "Batch". Each operation takes one sequence number, in order.
 */
#ifndef LSM_WAL_BATCH_H
#define LSM_WAL_BATCH_H

#include "lsm/base/value_len.h"

struct batch_op {
    enum kind kind;
    struct slice key;
    struct slice value; /* as in enum kind: patch record, range end, value */
};

enum {
    BATCH_OP_HEADER_LEN_MAX = 1 + 2 * VARINT64_LEN_MAX /* what an operation adds to key and value */
};

/* Take the next operation from the front of *in: 1 and *ret, 0 at the end, ERR_BATCH_DAMAGED. */
int batch_next(struct slice *in, struct batch_op *ret);
/* Append an operation. */
int batch_append(struct buf *batch, enum kind kind, struct slice key, struct slice value);
/* Append a patch without copying the bytes twice. */
int batch_append_patch(struct buf *batch, struct slice key, uint64_t offset, struct slice bytes);
/*
 * Check every operation: kinds, key lengths, patch encoding, and that none makes a value longer
 * than value_len_max bytes (ERR_VALUE_LEN). *ret_count gets their number.
 */
int batch_check(struct slice batch, size_t value_len_max, uint64_t *ret_count);

#endif
