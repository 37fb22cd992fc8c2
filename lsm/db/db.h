/*
 * The inside of struct lsm_db, for lsm/db only. Locks and their order: lsm/LOCKING.md.
 *
 * A superversion is what a reader needs: the memtables and the version, one reference for all. A
 * reader takes it first and the visible sequence number second: everything that was visible when it
 * took the superversion is inside, and what compaction drops later, it drops from later ones.
 */
#ifndef LSM_DB_DB_H
#define LSM_DB_DB_H

#include <stdatomic.h>

#include "lsm/base/check.h"
#include "lsm/base/err.h"
#include "lsm/base/mutex.h"
#include "lsm/blob/blob_effort.h"
#include "lsm/compact/pick.h"
#include "lsm/compact/run.h"
#include "lsm/compact/stale.h"
#include "lsm/db/blobs.h"
#include "lsm/db/pace.h"
#include "lsm/db/workers.h"
#include "lsm/lsm.h"
#include "lsm/mem/memtable.h"
#include "lsm/version/superblock.h"
#include "lsm/version/version.h"
#include "lsm/wal/batch.h"
#include "lsm/wal/wal.h"

/* Holders: the database for the current one, each reader while it reads, each iterator. */
struct superversion {
    atomic_uint refs;
    struct memtable *mem;                 /* takes the writes */
    struct memtable *imms[IMM_COUNT_MAX]; /* full, being flushed; newest first */
    unsigned imm_count;
    struct version *version;
};

/* A log and the memtable's number that it belongs to. Holders: the list of logs, a running sync. */
struct wal_ref {
    struct wal_ref *next; /* [mu] towards newer logs */
    struct wal_writer *writer;
    uint64_t begin_seqno; /* its records come after this one */
    atomic_uint refs;
    atomic_bool sealed;        /* nothing more will be appended */
    atomic_bool sealed_synced; /* and all of it is durable */
    atomic_bool name_synced;   /* the directory entry is durable */
};

struct lsm_snapshot {
    struct lsm_snapshot *prev, *next;
    uint64_t seqno;
};

struct lsm_batch {
    struct buf bytes;
    uint64_t count;
    uint64_t delete_count; /* of them, deletions of keys and ranges */
    uint64_t patch_count;  /* of them, patches */
    size_t put_len_max;    /* bytes of the longest value that is put */
    uint64_t value_len;    /* bytes that an operation gives its key's value, at most */

    /* batch_copy.c: with copies of references the batch is one store's. */
    struct lsm_db *db;        /* NULL: of none */
    struct blob_meta **files; /* references to the files that they lie in */
    size_t file_count, file_cap;
};

/* Memory in which a batch's large values are moved to blob files; blob_batch.c. */
struct blob_scratch {
    struct blob_scratch *next;
    struct buf stored; /* compressed values */
    struct blob_record *records;
    struct blob_ref *refs;
    long long *at; /* where a record's bytes begin in `stored` */
    struct lsm_batch batch;
};
void blob_scratch_free(struct blob_scratch *s); /* NULL is allowed */

/* Counters behind lsm_stats; all relaxed. */
struct db_counters {
    atomic_uint_fast64_t blob_write_len, blob_collect_write_len;
    atomic_uint_fast64_t write_count, write_len, wal_write_len, flush_write_len;
    atomic_uint_fast64_t compact_read_len, compact_write_len, wal_sync_count;
    atomic_uint_fast64_t flush_count, compact_count, move_count, delay_count, delay_us;
};

struct writer;

struct lsm_db {
    /* Set by lsm_open, then constant. */
    struct lsm_options options;
    struct env *env;
    struct block_cache *cache;
    struct table_store store;
    struct blobs *blobs;
    struct pick_options pick;
    struct sst_builder_options builder;
    uint64_t replayed_len; /* bytes of the logs that were replayed, open read-only; 0 otherwise */

    /* Atomic. */
    atomic_uint_fast64_t visible_seqno;   /* readers see everything up to it */
    atomic_uint_fast64_t synced_seqno;    /* durable; grows under sync_mu */
    atomic_uint_fast64_t delete_count;    /* deletions in the memtable; written by the leader */
    atomic_uint_fast64_t next_file;       /* number of the next file to create */
    atomic_uint_fast64_t log_numbers_end; /* logs must have lower ones; grows under manifest_mu */
    atomic_int sticky_err;                /* the first failed write or sync; never cleared */
    atomic_bool closing;
    /* The last reading of the disk, see room.c. */
    atomic_uint_fast64_t space_total, space_free, space_checked_ns, space_written;
    atomic_uint_fast64_t deleted_ns;    /* when something was deleted last; CLOCK_MONOTONIC */
    atomic_uint_fast64_t await_vain_ns; /* that deletion was waited for in vain */
    atomic_uint_fast64_t full_count;    /* writes that we refused for want of space */
    /* Of the superversion's full memtables; written under mu, for the pace of writers. */
    atomic_uint imm_count;
    atomic_uint_fast64_t imms_len; /* bytes */
    struct blob_effort blob_effort;
    struct db_counters counters;

    struct mutex queue_mu;                  /* order 1 */
    struct writer *queue_head, *queue_tail; /* [queue_mu] the head leads */

    /* Touched only by the writer that leads the queue. */
    uint64_t last_seqno;       /* given to an operation */
    struct memtable *lead_mem; /* that of the superversion, which holds it */
    uint64_t time_due_ns;      /* when the next point of time is to be remembered */
    struct pace pace;

    struct mutex space_mu;          /* order 4 */
    bool files_listed;              /* [space_mu] the next two are known */
    uint64_t files_len;             /* [space_mu] what the files took */
    struct env_growth files_growth; /* [space_mu] read before that */

    struct mutex sync_mu; /* order 1 */
    struct cond sync_cond;
    bool sync_running; /* [sync_mu] */

    struct mutex manifest_mu;           /* order 2; held during the manifest's I/O */
    struct manifest *manifest;          /* [manifest_mu] NULL after a failure that space may cure */
    uint64_t log_number, flushed_seqno; /* [manifest_mu] as the manifest has them */
    uint64_t manifest_number;           /* [manifest_mu] */
    uint64_t manifest_fresh_len;        /* [manifest_mu] bytes when it was new */
    struct superblock superblock;       /* feature bits: [manifest_mu]; else constant */
    atomic_bool shares_blobs;           /* FEATURE_SHARED_BLOBS is known to be on disk */
    /* Changes while both manifest_mu and mu are held, so either is enough to read it. */
    struct named_snapshots named;

    struct mutex times_mu;    /* order 4 */
    struct time_points times; /* [times_mu] of seqnos up to last_seqno */

    struct mutex mu;                           /* order 3; never held during I/O */
    struct superversion *sv;                   /* [mu] */
    struct wal_ref *wals_oldest, *wals_newest; /* [mu] */
    struct lsm_snapshot snapshots;             /* [mu] ring of open ones, in no order */
    size_t snapshot_count;                     /* [mu] in the ring */
    bool garbage_hint;         /* [mu] the version has changed: there may be files to empty */
    bool stale_hint;           /* [mu] a snapshot is gone: tables may hold versions for nobody */
    struct cond work_cond;     /* [mu] there may be work for background threads */
    struct cond done_cond;     /* [mu] a flush or compaction has ended */
    unsigned compacting_count; /* [mu] */
    unsigned manual_count;     /* [mu] compact_range calls in progress */
    bool disk_full;            /* [mu] the last flush or compaction found no space */
    char sticky_text[256];     /* [mu] */

    struct background background; /* see workers.h */
};

/*
 * open.c: lsm_open on any environment, which db owns from then on, also when it fails. The options
 * have been checked.
 */
int db_open(struct env *env, const struct lsm_options *options, struct lsm_db **ret);
/* -EINVAL when one is out of range. */
int db_check_options(const struct lsm_options *o);
/* How tables are built with these options. */
struct sst_builder_options db_builder_options(const struct lsm_options *o);
/* Open the store's directory, waiting for another process's lock as long as the options say. */
int db_open_env(const char *path, const struct lsm_options *o, struct env **ret);

/*
 * repair.c: lsm_repair_losses on any environment, which stays the caller's. The options have been
 * checked.
 */
int db_repair(struct env *env, const struct lsm_options *options, bool dry_run,
              int (*each)(void *arg, const char *file, const char *text),
              int (*loss)(void *arg, const struct lsm_loss *loss), void *arg);

/* superversion.c */
struct superversion *sv_get(struct lsm_db *db); /* a reference to the current one */
void sv_put(struct superversion *sv);           /* NULL is allowed */
/* An empty one, to be made before anything is changed for it. NULL when there is no memory. */
struct superversion *sv_new(void);
/* What it consists of, once; memtables and version get a reference each. */
void sv_fill(struct superversion *sv, struct memtable *mem, struct memtable *const *imms,
             unsigned imm_count, struct version *version);
/* Make sv the current one; returns the old one for the caller to put after unlocking. */
struct superversion *sv_install_locked(struct lsm_db *db, struct superversion *sv) REQUIRES(db->mu);

/* state.c: failures and messages. */
void db_log(struct lsm_db *db, enum lsm_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The store becomes read-only because of err (err_detail says more). Returns -ERR_STICKY. */
int db_fail(struct lsm_db *db, int err, const char *what);
/* 0, or why nothing may be written. */
int db_writable(struct lsm_db *db);
uint64_t db_new_file(struct lsm_db *db);
/*
 * A number for a new log: one that the manifest has promised, for which it may have to be written.
 * Called by the leader of the queue.
 */
int db_log_number(struct lsm_db *db, uint64_t *ret);
uint64_t now_ns(int clock);

/*
 * budget.c: a memtable whose memory is counted, how long one may become, and how much of indexes
 * and filters may be kept outside the cache's order.
 */
int db_memtable_new(struct lsm_db *db, uint64_t number, struct memtable **ret);
size_t budget_memtable_len(const struct lsm_options *o);
size_t budget_keep_len(const struct lsm_options *o);

/* logs.c: the list of logs and their durability. */
/* The log becomes the newest; its records come after begin_seqno. */
int wals_add(struct lsm_db *db, struct wal_writer *writer, uint64_t begin_seqno);
/* The log that takes the writes. Only the leader of the queue may ask, who alone changes it. */
struct wal_writer *wals_newest(struct lsm_db *db);
/* Where the log with this number begins; [mu]. */
uint64_t wals_begin_locked(struct lsm_db *db, uint64_t number) REQUIRES(db->mu);
/* Forget and delete the logs below number, whose contents are in tables. */
void wals_drop(struct lsm_db *db, uint64_t number);
void wals_close(struct lsm_db *db);
/* Make everything up to `seqno` durable. */
int db_sync_to(struct lsm_db *db, uint64_t seqno);
/* Tables hold everything up to seqno durably. */
void db_note_synced(struct lsm_db *db, uint64_t seqno);
/*
 * Leave word in the log that all of it is durable. For closing, when nobody else is there any more.
 * It is not synced: without it a damaged end of the log looks like one that was never durable.
 */
void db_mark_closed(struct lsm_db *db);

/* await_space.c: how long one write has waited for space. All zeros before it. */
struct patience {
    uint64_t give_up_ns;
    unsigned try_count;
    uint64_t seen_full_count; /* db.full_count at the last try */
    unsigned refused_count;   /* times that the disk refused although it showed space */
};
/*
 * After -ENOSPC, wait until there is space for `len` bytes; false when there is nothing to wait for
 * any more. All calls for a write together wait ten seconds at most. Not by who leads the queue.
 */
bool db_await_space(struct lsm_db *db, size_t len, struct patience *p);

/* room.c: what must be so before the leader may write. */
int db_make_room(struct lsm_db *db, size_t len, bool urgent);
/* Is there space for `len` bytes more in blob files? Any thread. -ENOSPC. */
int db_check_space(struct lsm_db *db, size_t len);
/* Start a new memtable and log. Only the leader. */
int db_switch_memtable(struct lsm_db *db);

/* Start a new memtable when there may be one more, after waiting for a flush if need be. Only the
 * leader. With `urgent` a full disk is no error: the old one goes on. */
int db_renew_memtable(struct lsm_db *db, unsigned imm_count, bool urgent);

/* space.c: bytes of the disk, and free of them, within what the store may take. */
int db_space(struct lsm_db *db, uint64_t *ret_total, uint64_t *ret_free);
/* The same without listing the files each time: *ret_free may be less than there is, not more. */
int db_space_quick(struct lsm_db *db, uint64_t *ret_total, uint64_t *ret_free);

/* Is there space for `len` bytes beside what flushes and compactions may need? Reads the disk anew.
 */
bool db_has_space(struct lsm_db *db, size_t len);
/* Kept free for flushes and compactions on a full disk, in proportion on a small one. */
uint64_t db_space_reserve(uint64_t total_len);
/*
 * Bytes that may be written to give space back: not what memtables need, nor all of the reserve.
 * UINT64_MAX - 1 when the disk cannot be asked.
 */
uint64_t db_space_to_spare(struct lsm_db *db);

/* write.c: lsm_put of a value that goes to a blob file. Lengths have been checked. */
int db_put_large(struct lsm_db *db, struct slice key, struct slice value, unsigned flags);
/* write.c: switch the memtable, unless somebody is writing just now. */
void queue_try_switch_memtable(struct lsm_db *db);
/* write.c: switch the memtable from outside; *ret is the last one to wait for, referenced, or NULL.
 */
int queue_switch_memtable(struct lsm_db *db, struct memtable **ret);

/*
 * read.c: the versions of l->key as of the sequence number, in l->fold, down to the base; values
 * are borrowed from sv and l. *ret_mem is where the oldest of them lies, NULL: not in a memtable.
 */
int sv_lookup(struct superversion *sv, uint64_t seqno, struct lookup *l, struct memtable **ret_mem,
              bool *ret_newest_first);

/* batch_api.c: -EFBIG when the store does not take values of so many bytes. */
int db_check_value_len(const struct lsm_db *db, uint64_t len);
/* batch_api.c: append an operation after checking its lengths. */
int batch_add(struct lsm_batch *b, enum kind kind, struct slice key, struct slice value);

/* batch_copy.c: let go of the files of a batch's references. */
void batch_files_done(struct lsm_batch *b);
/* The batch may be in a log although its write failed: the files must stay. */
void batch_files_keep(const struct lsm_batch *b);

/*
 * fold_limit.c. keep: the key's newest version is in mem, and the fold has given this value.
 * after_write: the batch has been written, and got these sequence numbers.
 */
void fold_limit_keep(struct memtable *mem, struct slice key, const struct fold *f,
                     struct slice value);
void fold_limit_after_write(struct lsm_db *db, const struct lsm_batch *b, uint64_t first_seqno);

/* apply.c: the memtable holds the blob files that its entries will refer to. */
void memtable_hold_blobs(struct lsm_db *db, struct memtable *mt);
int batch_insert(struct memtable *mt, struct slice batch, uint64_t first_seqno);

/*
 * manifest_edit.c: commit an edit durably and make the version that it leads to current. -ENOSPC:
 * surely not done, and so are -EEXIST and -ENOENT, for a snapshot's name that is taken or not
 * there. After any other failure the edit may or may not be on disk, so its files must stay.
 */
int db_commit_edit(struct lsm_db *db, struct version_edit *edit, const struct memtable *flushed);

/* seqno_time.c: an operation with that number is being committed. Only the leader, and recovery. */
void db_note_time(struct lsm_db *db, uint64_t first_seqno, uint64_t time_ns);
/* What a flush of the numbers after `after` up to `last` puts into the manifest; *ret is owned. */
int db_flushed_times(struct lsm_db *db, uint64_t after, uint64_t last, struct time_points *ret);
/* Everything that is known up to `last`; *ret is owned. */
int db_all_times(struct lsm_db *db, uint64_t last, struct time_points *ret);

/*
 * checkpoint.c: a file of this store, by name, into a checkpoint's environment; durable there once
 * its directory is synced. The caller keeps the file from being removed meanwhile.
 */
/* One that nobody will change any more: linked, or copied where that cannot be. */
int checkpoint_add_file(struct lsm_db *db, struct env *to, const char *name);
/* At most the first len bytes, copied and synced: of one that may still grow. */
int checkpoint_copy_file(struct lsm_db *db, struct env *to, const char *name, uint64_t len);

/* features.c: set these bits of the superblock, durably, unless they are set. */
int db_need_features(struct lsm_db *db, uint64_t ro_compat, uint64_t incompat);

/* files.c: the files of the directory, at open. */
struct file_numbers {
    uint64_t *numbers; /* ascending */
    size_t count, cap;
};

struct store_files {
    struct file_numbers logs, tables, blobs;
};

/* The number in "NNNNNNNN.suffix" or "prefixNNNNNNNN"; 0 when the name is none of that kind. */
uint64_t store_file_number(const char *name, const char *prefix, const char *suffix);
int file_numbers_add(struct file_numbers *n, uint64_t number);
void file_numbers_sort(struct file_numbers *n);
bool file_numbers_have(const struct file_numbers *n, uint64_t number); /* sorted */

/* Also keeps next_file above every number in use. On failure call store_files_done as well. */
int store_files_list(struct lsm_db *db, struct store_files *ret);
void store_files_done(struct store_files *files);
/* ERR_FILE_MISSING when something that the manifest counts on is not there. */
int store_files_check(struct lsm_db *db, const struct store_files *files, const struct version *v);
/* Remove what neither the current version nor the manifest needs. */
int store_files_clean(struct lsm_db *db);

/* recover.c */
int db_recover(struct lsm_db *db);

/* background.c */
int background_start(struct lsm_db *db);
void background_stop(struct lsm_db *db);
/* A compaction failed. A full disk is tried again later, anything else makes the store read-only.
 */
void background_failed(struct lsm_db *db, int err, const char *what);
/* The set of tables has changed: writers are paced by what is left to do. */
void background_note_version_locked(struct lsm_db *db) REQUIRES(db->mu);
/* The disk is not full any more. */
void background_has_space_locked(struct lsm_db *db) REQUIRES(db->mu);
/* Those who wait for room, and the workers, look again. */
void background_wake_locked(struct lsm_db *db) REQUIRES(db->mu);

/* flush.c */
/* How many memtables nobody has taken, for flush_wanted. Call it when that may have changed. */
void flush_count_locked(struct lsm_db *db) REQUIRES(db->mu);
/*
 * Flush the oldest memtable that nobody has taken, and commit it and those that waited for it.
 * False when there is none, or the disk was full a moment ago. Releases the lock meanwhile.
 */
bool flush_one_locked(struct lsm_db *db) REQUIRES(db->mu);
/* Forget flushes that were not committed; no worker runs any more. */
void flush_abandon(struct lsm_db *db);
/*
 * Tables of one memtable, added to the edit. Metas are referenced by the edit. f: where to note
 * progress; NULL for nowhere.
 */
int flush_memtable(struct lsm_db *db, struct memtable *mt, struct version_edit *edit,
                   struct flush *f);

/* blobs.c: what flushes and compactions do with large values. */
struct compact_blobs db_compact_blobs(struct lsm_db *db);

/* compact_job.c: a picked compaction, alone or in pieces for several workers. */
/*
 * Pick a compaction: a move is done at once, of others any worker may take pieces from now on.
 * False when there is none. Releases the lock meanwhile.
 */
bool compact_pick_locked(struct lsm_db *db, const struct pick_options *options, uint64_t len_max)
    REQUIRES(db->mu);
/* Do one piece of a compaction, of level 0 only or any. False when there is none to take. Releases
 * the lock meanwhile. */
bool compact_piece_locked(struct lsm_db *db, bool level0_only) REQUIRES(db->mu);
/* Do a compaction here, with whatever help workers give, and wait for it. *c stays the caller's. */
int compact_here(struct lsm_db *db, struct compaction *c);
/* manual.c: the same for a caller of the library, with words for its failure. */
int compact_awaited(struct lsm_db *db, struct compaction *c);
/* compact_job.c: forget what nobody has begun; no worker runs any more. */
void compact_abandon(struct lsm_db *db);

/*
 * compact_inputs.c: append the tombstones of a list (NULL: none) that readers with these snapshots
 * can tell apart to a malloced array; keys borrow from the list. All of them may be the square of
 * what was written.
 */
int rangedels_of_list(const struct rangedel_list *list, const uint64_t *snapshots,
                      size_t snapshot_count, struct rangedel **ret, size_t *ret_count);

/* snapshot.c: sequence numbers of all snapshots, open or named; ascending, each once, malloced. */
int snapshots_list(struct lsm_db *db, uint64_t **ret, size_t *ret_count);

#endif
