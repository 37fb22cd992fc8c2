/*
 * The blob files of a store: counted objects by number, and reading of records.
 *
 * Holders of a reference to a blob_meta: each table_meta whose table refers to the file, each
 * memtable with such entries, whoever appends to it. The last reference closes the file and removes
 * it, unless some holder let go of it with `kept`: then something on disk (a table of the current
 * version when the store is closed, a log that was not flushed, an edit that may have been written)
 * still needs it, and the next opening will judge.
 */
#ifndef LSM_BLOB_BLOB_STORE_H
#define LSM_BLOB_BLOB_STORE_H

#include <stdatomic.h>

#include "lsm/base/blob_ref.h"
#include "lsm/base/mutex.h"
#include "lsm/blob/blob_uses.h"
#include "lsm/cache/gather.h"
#include "lsm/env/env.h"
#include "lsm/iter/fold.h"

struct blob_store;

struct blob_meta {
    struct blob_store *store; /* constant */
    uint64_t number;          /* constant */
    unsigned refs;            /* [store's lock] */
    bool kept;                /* [store's lock] the file must stay when the last one lets go */
    atomic_bool writing;      /* something may still be appended */
    atomic_bool damaged;      /* a record that is referred to could not be read */
    atomic_uint_fast64_t len; /* bytes of the file; 0: not known yet */
    _Atomic(struct env_reader *) reader; /* opened when first used */
};

/*
 * Values of up to value_cache_len_max bytes go through the cache, which may be NULL. With no
 * environment (env NULL) nothing can be read and nothing is removed.
 */
int blob_store_new(struct env *env, struct block_cache *cache, size_t value_cache_len_max,
                   struct blob_store **ret);
void blob_store_free(struct blob_store *s); /* NULL is allowed; every reference must be gone */

/* Before anybody reads: no value is longer. Without it, VALUE_LEN_MAX. */
void blob_store_set_value_len_max(struct blob_store *s, size_t len);

struct env *blob_store_env(const struct blob_store *s);

/* A reference to the file's object, which is made if need be; the file is not looked at. */
int blob_store_get(struct blob_store *s, uint64_t number, struct blob_meta **ret);
/* A reference to the file's object, or NULL when nobody holds one. */
struct blob_meta *blob_store_hold(struct blob_store *s, uint64_t number);
/* The object while somebody holds it, borrowed from that holder; NULL when nobody does. */
struct blob_meta *blob_store_find(struct blob_store *s, uint64_t number);
void blob_meta_ref(struct blob_meta *m);
void blob_meta_unref(struct blob_meta *m, bool kept); /* NULL is allowed */
/* Whether the caller's reference is the only one, and nothing on disk needs the file. */
bool blob_meta_is_alone(struct blob_meta *m);
/* What was kept so far may be removed with its last reference: the logs and edits that needed it
 * have been replaced. */
void blob_store_settle(struct blob_store *s);
/* Numbers of all files with a holder, ascending, malloced. */
int blob_store_list(struct blob_store *s, uint64_t **ret, size_t *ret_count);
/* Remember that a record of the file could not be read. */
void blob_store_note_damage(struct blob_store *s, uint64_t number);
/* Bytes of the file; asks the disk when it is not known. ERR_FILE_MISSING. */
int blob_meta_len(struct blob_meta *m, uint64_t *ret);

enum blob_use_cache {
    BLOB_FILL,   /* through the cache */
    BLOB_LOOK,   /* from the cache if it is there, but do not put it in */
    BLOB_DIRECT, /* from the disk, whatever the cache has */
};

/*
 * The value that ref means, as *ret_value within *ret, of which the caller gets a reference. Read
 * from disk, the record's checksum is verified. Somebody must hold the file meanwhile. Errors name
 * file and offset: ERR_FILE_MISSING, ERR_BLOB_REF, ERR_BLOB_CHECKSUM, ERR_BLOB_COMPRESSION,
 * ERR_VALUE_LEN, for which nothing is read.
 */
int blob_read(struct blob_store *s, const struct blob_ref *ref, enum blob_use_cache use,
              struct cache_block **ret, struct slice *ret_value);
/* Describe a reference that is none. */
int blob_raise_ref(struct slice bytes);
/*
 * Replace a fold's base that is a reference by the value that it means; else do nothing. With a
 * gather (cache/gather.h), which may be NULL: GATHER_LATER when that has to read it first.
 */
int blob_fetch(struct blob_store *s, struct fold *f, enum blob_use_cache use,
               struct gather *gather);
/*
 * The record itself, verified, into *buf, which is replaced: header, key, stored bytes. The record
 * borrows from buf. For moving a value, and for checking one.
 */
struct blob_record;
int blob_read_record(struct blob_store *s, const struct blob_ref *ref, struct buf *buf,
                     struct blob_record *ret);
/* ERR_BLOB_HEADER when the file's header is damaged, which keeps nobody from reading records. */
int blob_check_header(struct blob_store *s, uint64_t number);
/*
 * All that can be verified of a record that an entry of this user key refers to; NULL where it may
 * have been written for any key. buf is scratch.
 */
int blob_check(struct blob_store *s, const struct blob_ref *ref, const struct slice *key,
               struct buf *buf);

#endif
