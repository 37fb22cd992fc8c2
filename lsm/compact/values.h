/*
 * How a version's value is written by a flush or compaction: inline, to a blob file, as the
 * reference that it was, or as a reference to where it has been moved.
 */
#ifndef LSM_COMPACT_VALUES_H
#define LSM_COMPACT_VALUES_H

#include "lsm/compact/output.h"

struct values {
    struct compact_run *run;
    struct output *output;
    struct buf scratch, record;
    struct blob_meta **held; /* files that were written to, until the tables hold them */
    size_t held_count, held_cap;
};

/* All fields but run and output zero before; done frees also after a failure. */
void values_done(struct values *v);
/* A full value: to a blob file if it is large. */
int values_put(struct values *v, struct slice user, uint64_t seqno, struct slice value);
/* A reference, which is moved if its file is to be emptied. */
int values_put_ref(struct values *v, struct slice user, uint64_t seqno, struct slice bytes);

#endif
