/*
 * Versions: immutable, reference-counted sets of tables by level. The manifest is the log of edits
 * that lead from one version to the next; format: lsm/FORMAT.md, "Manifest".
 *
 * Level 0 holds flushed memtables, newest first (by seqno_max, descending); its tables may overlap,
 * but those of one flush do not. In each deeper level tables are disjoint and ascending.
 */
#ifndef LSM_VERSION_VERSION_H
#define LSM_VERSION_VERSION_H

#include <stdatomic.h>

#include "lsm/blob/blob_store.h"
#include "lsm/env/env.h"
#include "lsm/table/sst.h"
#include "lsm/version/named_snapshots.h"
#include "lsm/version/time_points.h"

enum {
    LEVEL_COUNT = 7
};

/*
 * A table of a version. Holders of a reference: each version that lists it, and a running
 * compaction. The last reference closes the table and, when `obsolete` is set, removes the file.
 */
struct table_meta {
    /* Constant. */
    uint64_t number;
    uint64_t run; /* the flush that made it; counts in level 0 only, 0 for compaction's tables */
    struct sst_stats stats;
    struct slice smallest;         /* user key, inclusive; memory belongs to the meta */
    struct slice largest;          /* user key */
    bool largest_exclusive;        /* largest came from the end of a range tombstone */
    struct blob_uses blobs;        /* what its references lie in */
    struct blob_meta **blob_files; /* the same, a reference each; NULL: they are not held */
    /* Set by its maker: versions that are there for snapshots only, and how many those were. */
    uint64_t held_count, held_snapshots;

    atomic_uint refs;
    atomic_bool obsolete;
    _Atomic(struct sst *) sst; /* opened when first used */
    bool compacting;           /* guarded by the database's lock */
};

/*
 * Copies the keys. One reference for the caller. `run`: tables of one flush have the same, such as
 * the number of the memtable's log; 0 for a table that compaction makes. -EINVAL for what no table
 * can be: number 0, an empty key range, seqnos out of order, more deletions than entries.
 */
int table_meta_new(uint64_t number, uint64_t run, const struct sst_stats *stats,
                   struct slice smallest, struct slice largest, bool largest_exclusive,
                   struct table_meta **ret);
void table_meta_ref(struct table_meta *m);
/* Where the files are and how to drop them; constant while any meta lives. */
struct table_store {
    struct env *env;
    struct block_cache *cache;
    struct blob_store *blobs; /* NULL: blob files are not held */
    size_t value_len_max;     /* bytes; 0: VALUE_LEN_MAX */
};
/* Before anybody else sees the meta: what its references lie in, which it holds from now on. */
int table_meta_set_blobs(struct table_meta *m, struct table_store *store,
                         const struct blob_uses *uses);
void table_meta_unref(struct table_meta *m, struct table_store *store);
/* The open table, borrowed from the meta; opens it on first use. Any thread. */
int table_meta_sst(struct table_meta *m, struct table_store *store, struct sst **ret);
/* Does the table's key range touch [start, end]? A NULL pointer is no bound; end is inclusive. */
bool table_meta_overlaps(const struct table_meta *m, const struct slice *start,
                         const struct slice *end);
/* key lies behind the table's last key. */
bool table_meta_ends_before(const struct table_meta *m, struct slice key);

struct table_array; /* table_array.h */

struct level {
    struct table_meta **tables;
    size_t count;
    uint64_t len;                /* bytes of all tables */
    size_t rangedel_table_count; /* tables that have range tombstones */
    struct table_array
        *array; /* owns `tables`; versions share it while the level does not change */
};

struct version {
    atomic_uint refs;
    struct table_store *store;
    struct level levels[LEVEL_COUNT];
};

void version_ref(struct version *v);
void version_unref(struct version *v); /* NULL is allowed */
/* Add up what all tables refer to in blob files. */
int version_blob_uses(const struct version *v, struct blob_uses *ret);
/* Index of the first table of a level >= 1 that does not end before key; count when none. */
size_t level_find(const struct level *level, struct slice key);
/* Feed l from level 0 (newest first) downwards until it is done. */
int version_lookup(struct version *v, struct lookup *l);
/*
 * The same with a part of the tables: those of level 0 with no sequence number below seqno_min, and
 * those of levels 1 up to, without, level_end.
 */
int version_lookup_part(struct version *v, uint64_t seqno_min, unsigned level_end,
                        struct lookup *l);
/*
 * Append to (*children, *count, *cap) one iterator per level-0 table and one per deeper level that
 * touches [lower, upper] (NULL: no bound). On failure, what was appended stays for the caller to
 * free.
 */
int version_add_iters(struct version *v, const struct slice *lower, const struct slice *upper,
                      unsigned sst_flags, struct iter ***children, unsigned *count, unsigned *cap);
/* An iterator over tables[0..count) that are disjoint and ascending; holds references to them. */
int level_iter_new(struct table_store *store, struct table_meta **tables, size_t count,
                   unsigned sst_flags, struct iter **ret);
/*
 * ERR_LEVEL_ORDER when a level >= 1 is not ascending and disjoint, ERR_MANIFEST_DAMAGED when a
 * table is listed twice.
 */
int version_check(const struct version *v);

/* --- Edits --- */

struct edit_table {
    unsigned level;
    struct table_meta *meta; /* for added tables: holds a reference */
    uint64_t number;         /* for removed tables */
};

/* One atomic change. All zeros is an empty edit. */
struct version_edit {
    struct edit_table *added, *removed;
    size_t added_count, added_cap, removed_count, removed_cap;
    bool has_log_number, has_flushed_seqno, has_next_file, has_log_numbers_end;
    uint64_t log_number;    /* logs below it are no longer needed */
    uint64_t flushed_seqno; /* everything up to it is in tables */
    uint64_t next_file;     /* no file with this number or a higher one exists */
    /* No log gets this number or a higher one before an edit says so. */
    uint64_t log_numbers_end;
    struct named_snapshots snapshots_added, snapshots_removed; /* of the latter the names count */
    struct time_points times;                                  /* at or below flushed_seqno */
};

int edit_add_table(struct version_edit *e, unsigned level, struct table_meta *meta); /* refs meta */
int edit_remove_table(struct version_edit *e, unsigned level, uint64_t number);
void edit_done(struct version_edit *e, struct table_store *store);
int edit_encode(const struct version_edit *e, struct buf *ret); /* appends */
/* Decode; ERR_MANIFEST_RECORD. */
int edit_decode(struct slice in, struct version_edit *ret, struct table_store *store);
int edit_to_text(const struct version_edit *e, struct buf *ret); /* appends lines, each with '\n' */
/*
 * A new version (one reference) that is `base` (NULL: empty) with the edit applied, removals first.
 * Removing a table that is not in that level, or adding one that is, is ERR_MANIFEST_DAMAGED.
 * Levels that the edit does not touch are shared, so the cost is that of the touched ones.
 */
int version_apply(struct table_store *store, const struct version *base,
                  const struct version_edit *e, struct version **ret);

/*
 * Apply the part of the edit that concerns named snapshots, removals first. On failure *s may have
 * changed: -ENOENT for one that is not there, -EEXIST for one that is, -ENOMEM.
 */
int edit_apply_snapshots(const struct version_edit *e, struct named_snapshots *s);

/* --- Manifest --- */

struct manifest;

/* What replaying a manifest leaves. */
struct manifest_state {
    struct version *version; /* one reference */
    uint64_t log_number, flushed_seqno, next_file;
    uint64_t log_numbers_end; /* 0: an older program wrote it */
    uint64_t manifest_number;
    uint64_t torn_len; /* bytes of a torn last record that were cut off; 0 when there was none */
    struct named_snapshots snapshots;
    struct time_points times; /* at or below flushed_seqno */
};
void manifest_state_done(struct manifest_state *s); /* drop what it holds; all zeros is allowed */

/*
 * Write a new manifest file holding `state` as its first edit, sync it, and switch CURRENT to it.
 * Older manifests are left for the caller to remove.
 */
int manifest_create(struct env *env, uint64_t number, const struct manifest_state *state,
                    struct manifest **ret);
/*
 * Read CURRENT and replay. A torn last record is cut off (it was never acknowledged), damage before
 * it is ERR_MANIFEST_DAMAGED. Checks the levels' order.
 */
int manifest_replay(struct env *env, struct table_store *store, struct manifest_state *ret);
/* The number of the manifest that CURRENT names. ERR_CURRENT_DAMAGED. */
int manifest_current(struct env *env, uint64_t *ret_number);
/* As manifest_replay, of the manifest with this number, whatever CURRENT says. -ENOENT. */
int manifest_replay_number(struct env *env, struct table_store *store, uint64_t number,
                           struct manifest_state *ret);
/*
 * For repair: every record that is valid and can be decoded, in order, also behind damaged places.
 * `first`: it stands where the record with the whole state does. -ENOENT.
 */
int manifest_salvage(struct env *env, struct table_store *store, uint64_t number,
                     int (*each)(void *arg, const struct version_edit *edit, bool first),
                     void *arg);
/* Append one edit and sync. After a failure every later call fails: start a new manifest. */
int manifest_append(struct manifest *m, const struct version_edit *e);
uint64_t manifest_len(const struct manifest *m);        /* bytes */
void manifest_close(struct manifest *m);                /* NULL is allowed */
void manifest_file_name(uint64_t number, char buf[32]); /* "MANIFEST-00000012" */
/* Record by record; damaged places are named, and reading goes on behind them. */
int manifest_to_text(struct env *env, const char *name, int (*put)(void *arg, const char *line),
                     void *arg);

#endif
