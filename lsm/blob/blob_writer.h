/*
 * Appending to a blob file, and compressing what is appended.
 */
#ifndef LSM_BLOB_BLOB_WRITER_H
#define LSM_BLOB_BLOB_WRITER_H

#include "lsm/blob/blob_effort.h"
#include "lsm/blob/blob_format.h"
#include "lsm/blob/blob_store.h"

struct blob_writer;

/* Create the file; its name is durable after env_sync_dir. */
int blob_writer_new(struct blob_store *s, uint64_t number, struct blob_writer **ret);
/*
 * Append records with one write; all or nothing, as env_writer_append. ret_refs has room for as
 * many references. One thread at a time; a sync may run beside it.
 */
int blob_writer_append(struct blob_writer *w, const struct blob_record *records, unsigned count,
                       struct blob_ref *ret_refs);
/* Covers what was appended before it began. */
int blob_writer_sync(struct blob_writer *w);
uint64_t blob_writer_len(const struct blob_writer *w);           /* bytes; any thread */
struct blob_meta *blob_writer_meta(const struct blob_writer *w); /* borrowed */
/* Lets go of the file's object, which then is no longer `writing`. NULL is allowed. */
int blob_writer_free(struct blob_writer *w);

/*
 * The value as it will be stored: appended to *scratch in LZ4 form when `compress` and it shrinks
 * by 1/16, else itself. ret->stored borrows from value or, at *ret_at, from scratch: the caller
 * points it there once scratch no longer grows. effort: NULL for all of it.
 */
enum {
    BLOB_NOT_IN_SCRATCH = -1
};
int blob_compress(struct slice key, struct slice value, bool compress, struct blob_effort *effort,
                  struct buf *scratch, struct blob_record *ret, long long *ret_at);

/* The file as text, one line per record; damaged places are named. */
int blob_to_text(struct env *env, uint64_t number, bool full_values,
                 int (*put)(void *arg, const char *line), void *arg);

#endif
