/*
 * The blob files that a store appends to: a few at once, so that threads write side by side.
 */
#ifndef LSM_DB_BLOBS_H
#define LSM_DB_BLOBS_H

#include "lsm/blob/blob_writer.h"
#include "lsm/compact/pick_garbage.h"

struct lsm_db;
struct lsm_batch;
struct superversion;
struct blobs;

/* What writers hand over, and what compaction and collection move: it lives longer. */
enum blob_heat {
    BLOB_HOT,
    BLOB_COLD
};

int blobs_new(struct lsm_db *db, struct blobs **ret);
/* Close the files. Nothing may be appended any more. NULL is allowed. */
void blobs_free(struct blobs *b);
/*
 * Append records to one file, which *ret_file is then a reference to. -ENOSPC: nothing was done.
 * Other failures of the disk make the store read-only. Any thread.
 */
int blobs_append(struct lsm_db *db, enum blob_heat heat, const struct blob_record *records,
                 unsigned count, struct blob_ref *ret_refs, struct blob_meta **ret_file);
/*
 * Make everything durable, names too, that was appended before the call. When a file cannot be
 * synced the store is read-only from then on: it can never be tried again. -ENOSPC: the directory
 * could not be synced for want of space.
 */
int blobs_sync(struct lsm_db *db);
/*
 * Append no more to any file that has a record now (number 0), or to this one. False when there was
 * none, or somebody was just appending to it.
 */
bool blobs_retire(struct lsm_db *db, uint64_t number);
/* The same for all files of compaction and collection: those that nothing refers to go at once. */
void blobs_retire_moved(struct lsm_db *db);

/* blob_batch.c: a batch whose large values have been moved to blob files. */
struct blob_batch {
    const struct lsm_batch *batch; /* what is to be written; the caller's own if nothing moved */
    struct blob_scratch *scratch;  /* its memory */
    struct blob_meta **files;      /* held until the references are in the memtable */
    size_t file_count, file_cap;
};

/* -ENOSPC: the disk is full. On failure there is nothing to be done. */
int blob_batch_make(struct lsm_db *db, const struct lsm_batch *b, bool urgent,
                    struct blob_batch *ret);
/* The same for a batch that would be one put of a large value, which is not copied. */
int blob_batch_make_put(struct lsm_db *db, struct slice key, struct slice value, bool urgent,
                        struct blob_batch *ret);
/* err: what writing it gave. */
void blob_batch_done(struct lsm_db *db, struct blob_batch *bb, int err);

/* Memory for making batches, of which a few are kept for the next ones. */
struct blob_scratch *blobs_scratch_get(struct lsm_db *db); /* NULL: no memory */
void blobs_scratch_put(struct lsm_db *db, struct blob_scratch *s);

/* blob_usage.c */
struct blob_file_usage {
    uint64_t number;
    uint64_t len;          /* bytes of the file */
    uint64_t table_len;    /* of them, records that tables refer to */
    uint64_t memtable_len; /* and memtables */
    bool writing;          /* something may still be appended */
    bool damaged;          /* a record could not be read: it cannot be emptied */
};

struct blob_usage {
    struct blob_file_usage *files; /* ascending by number */
    size_t count;
};

/* All files that somebody holds, and what a superversion refers to in them. Reads lengths from the
 * disk if need be. */
int blob_usage_of(struct lsm_db *db, const struct superversion *sv, struct blob_usage *ret);
void blob_usage_done(struct blob_usage *u);
/* Bytes of a file that nothing refers to. */
uint64_t blob_garbage_len(const struct blob_file_usage *f);

/* collect.c: the files that are to be emptied. */
struct garbage_list {
    struct garbage_file *files;
    uint64_t *numbers; /* ascending */
    size_t count;
    bool retired; /* a file was closed that may be among them the next time */
};

int garbage_find(struct lsm_db *db, struct garbage_list *ret);
void garbage_done(struct garbage_list *list);
/* Empty what is mostly garbage and tables that touch [start, end] refer to; NULL: no bound. */
int collect_range(struct lsm_db *db, const struct slice *start, const struct slice *end);

#endif
