/*
 * The writing half of a compaction: a row of tables, cut between user keys, each with its share of
 * the range tombstones that stay.
 */
#ifndef LSM_COMPACT_OUTPUT_H
#define LSM_COMPACT_OUTPUT_H

#include "lsm/compact/run.h"

struct output {
    struct compact_run *run;          /* gets the finished tables */
    const struct rangedel_list *kept; /* tombstones to write; NULL for none */
    struct sst_builder *builder;      /* the table being written; NULL between tables */
    uint64_t number;                  /* of that table */
    struct buf start;                 /* its range begins here, inclusive */
    bool has_start;                   /* false: it begins at the lowest key */
    size_t next_cut;                  /* the first of the run's cuts that is not passed */
    struct buf first, last;           /* its smallest and largest user key so far */
    uint64_t last_seqno;              /* of the version that was added last */
    uint64_t held_count;              /* versions in it that are there for snapshots only */
};

/* All fields but run and kept zero before; output_done frees what is left, also after a failure. */
void output_done(struct output *o);
/* Before everything else: the first table's range begins where the run's does. */
int output_begin(struct output *o);
/* Append a version; versions come in the order of internal keys. */
int output_add(struct output *o, struct slice user, uint64_t seqno, enum kind kind,
               struct slice value);
/* Close the last table. */
int output_finish(struct output *o);

#endif
