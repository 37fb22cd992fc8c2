/*
 * The work of a flush or compaction: merge the inputs, leave out what nobody can see any more, lay
 * patches over their values, and write tables.
 *
 * Live snapshots divide the sequence numbers into stripes; versions in one stripe look the same to
 * every reader but the newest of them, so each stripe keeps one version at most (or a row of
 * patches whose base lies further down).
 */
#ifndef LSM_COMPACT_RUN_H
#define LSM_COMPACT_RUN_H

#include "lsm/version/version.h"

/* What a run does with large values. All zeros: references, and patches over them, stay as they
 * are. */
struct compact_blobs {
    struct blob_store *store; /* where references lead */
    size_t len_min;           /* values of at least so many bytes go to blob files; 0: none */
    bool compress;
    const uint64_t *moved; /* files whose records are to be moved to others, ascending */
    size_t moved_count;
    /* Append a record, *ret_file is a reference. Synced by the caller of
     * compact_run, before the tables count. */
    int (*append)(void *arg, const struct blob_record *r, struct blob_ref *ret_ref,
                  struct blob_meta **ret_file);
    void *arg;
};

struct compact_run {
    /* Inputs; borrowed. */
    struct table_store *store;
    struct sst_builder_options builder;
    uint64_t table_len;       /* start a new table after so many bytes */
    unsigned prefix_len;      /* and where the first so many bytes of the key change */
    const struct slice *cuts; /* and at these user keys, ascending; NULL for none */
    size_t cut_count;
    const struct slice *begin, *end; /* only user keys in [begin, end); NULL: no bound */
    uint64_t run;                    /* table_meta.run of the outputs */
    struct iter *input;              /* points, merged */
    const struct rangedel *dels;     /* range tombstones of all inputs, in any order */
    size_t del_count;
    const uint64_t *snapshots; /* ascending */
    size_t snapshot_count;
    struct compact_blobs blobs;
    bool bottom; /* no older version of any key lies below the outputs */
    uint64_t (*new_number)(void *arg);
    /*
     * Called every few hundred versions, and may take its time: here the thread does what is more
     * urgent. A negative answer ends the run with it. May be NULL.
     */
    int (*yield)(void *arg, const struct compact_run *r);
    void *arg;

    /* Outputs: one reference each, for compact_run_done to drop. */
    struct table_meta **tables;
    size_t table_count, table_cap;
    uint64_t written_len;      /* bytes of finished tables */
    uint64_t open_len;         /* bytes of the one being written, as of the last yield */
    uint64_t read_count;       /* versions taken from input, as of the last yield */
    uint64_t blob_written_len; /* bytes written to blob files */
};

/*
 * Fill the outputs: tables that are whole and synced, ascending and disjoint. Range tombstones are
 * clipped to the bounds, so runs over neighbouring ranges make what one over both would make but
 * for where tables are cut. On failure there are none, and no file is left behind.
 */
int compact_run(struct compact_run *r);
/*
 * The index of the next seqno of a fragment, behind k, that some reader can tell from seqnos[k]:
 * one in an older stripe. seqno_count when there is none: the rest is deleted by seqnos[k] as well.
 */
uint32_t rangedel_next_stripe(const struct rangedel_fragment *f, uint32_t k,
                              const uint64_t *snapshots, size_t snapshot_count);
void compact_run_done(struct compact_run *r, struct table_store *store);

#endif
