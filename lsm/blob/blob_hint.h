/*
 * Telling the disk what is about to be read of the blob files: many records that lie side by side,
 * as those of a file that was written in one go do, then come in a few large reads while the first
 * of them are being checked and decompressed.
 */
#ifndef LSM_BLOB_BLOB_HINT_H
#define LSM_BLOB_BLOB_HINT_H

#include "lsm/blob/blob_store.h"

/* All zeros but the store is an empty hint. One thread at a time. */
struct blob_hint {
    struct blob_store *store;
    uint64_t file, start, end; /* a range that has not been told yet; empty: none */
    unsigned count;            /* of all that was noted */
};

/*
 * If the fold's base is a reference to a value that is not in memory, note it and return true.
 * Somebody holds the file.
 */
bool blob_hint_note(struct blob_hint *h, const struct fold *f);
/* Tell the disk of what was noted last. */
void blob_hint_tell(struct blob_hint *h);

#endif
