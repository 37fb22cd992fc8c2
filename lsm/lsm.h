/*
 * lsm.h: an embeddable, ordered, persistent key-value store: a log-structured merge tree.
 *
 * Keys and values are bytes; order is memcmp's. A store is a directory; one process has it open.
 *
 * Errors. Functions returning int give 0 (or a positive answer where stated) on success and a
 * negative code on failure. lsm_errno turns a code into an errno, lsm_strerror into fixed text, and
 * lsm_detail is the line that says which file, which offset, and what to do. -ENOENT: not found; it
 * is an answer and has no detail. Every function may also fail with -ENOMEM, and every one that
 * reads the disk with damage (lsm_is_damage) or an errno of the system. A failure of one read is no
 * failure of the store: other keys stay readable, and writing goes on. Outputs are untouched on
 * failure unless stated.
 *
 * Memory. What is passed in is borrowed during the call and copied where it is kept. What a
 * function hands out through `ret` belongs to the caller until the function that the comment names.
 * Lengths are bytes; a pointer may be NULL where its length is 0.
 *
 * Threads. Every function on a struct lsm_db may be called from any thread at once, except
 * lsm_close. A batch and an iterator belong to one thread at a time; a value and a snapshot may be
 * used and released by any thread. The library has threads of its own, which block all signals. A
 * child made by fork must not use what its parent has opened.
 *
 * Durability. When a write returns, its effects survive the end of the process. They survive the
 * loss of power once lsm_sync (or a write with LSM_WRITE_SYNC) that began after it has returned 0.
 * After any crash the store holds a prefix of the writes in the order in which they took effect,
 * whole batches only.
 */
#ifndef LSM_H
#define LSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef LSM_API
#define LSM_API __attribute__((visibility("default")))
#endif

struct lsm_db;
struct lsm_batch;
struct lsm_iter;
struct lsm_snapshot;

enum {
    LSM_KEY_LEN_MAX = 4096,      /* bytes; a key has at least 1 */
    LSM_VALUE_LEN_MAX = 1 << 30, /* bytes, also of a patch's offset plus length */
};

enum lsm_log_level {
    LSM_LOG_DEBUG,
    LSM_LOG_INFO,
    LSM_LOG_WARN,
    LSM_LOG_ERROR
};

/* How to open a store. Start from lsm_options_default(). */
struct lsm_options {
    bool create;           /* make the store when it is missing; default false */
    bool must_create;      /* with create: a store that exists is an error; default false */
    bool read_only;        /* change nothing on disk; logs are replayed in memory; default false */
    unsigned lock_wait_ms; /* wait so long for another process's lock; default 0: do not */

    /*
     * One budget of bytes for cached blocks, indexes, filters and large values, and for memtables:
     * what the memtables hold at the moment, the cache may not. At least an eighth is left to the
     * cache, whatever the memtables need. Default 160 MiB; at least 1 MiB.
     */
    size_t cache_bytes;
    size_t memtable_len;         /* bytes after which a memtable is flushed; default 32 MiB;
                                    64 KiB to 1 GiB */
    unsigned memtable_count_max; /* with those being flushed; default 3; 2 to 16 */
    size_t block_len;            /* bytes of a table's data block; default 8 KiB; 1 KiB to 1 MiB */
    uint64_t table_len;          /* bytes after which compaction starts a new table; default 32 MiB;
                                    64 KiB to 4 GiB */
    uint64_t level_base_len;     /* bytes of the first level below level 0; default 128 MiB */
    unsigned level_ratio; /* each level may be so many times the one above; default 10; 2 to 100 */
    unsigned l0_compact_count; /* flushes in level 0 that start a compaction; default 4; 1 to 64 */
    unsigned filter_bits_per_key; /* default 10; 0 for no filter; at most 30 */
    bool compress;                /* LZ4; default true */
    /*
     * No value of the store has more bytes; of a patch, offset plus length count. A write that
     * would make one longer is refused with EFBIG. What is found on disk and would be longer is
     * damage of its key, for which no memory is taken: reading the key fails, verification and
     * repair tell it as a lost value, compaction leaves it as it is; in a log that has not been
     * flushed it keeps the store from being opened. So give what the longest value that was ever
     * written had, at least. Default LSM_VALUE_LEN_MAX; 1 KiB to that.
     */
    size_t value_len_max;
    /*
     * Values of at least so many bytes are written once, to blob files, and the tree holds
     * references to them; 0: never. Default 8 KiB; 0, or 256 bytes to 1 GiB.
     */
    size_t blob_len_min;
    uint64_t
        blob_file_len; /* bytes after which a blob file is closed; default 256 MiB; 64 KiB up */
    unsigned blob_garbage_percent; /* a blob file with so much garbage is collected; default 50;
                                      1 to 99 */
    /*
     * Worker threads for flush, compaction and collection; 0: one per core that the process may
     * use. Default 0; at most 64.
     */
    unsigned worker_count;
    bool pin_workers; /* each worker stays on a core of its own; default true */
    /*
     * Workers run at a nice value so much higher than the process's, so that they take what time
     * others leave; where nobody leaves any, writers wait for them in the end. Default 0; at most
     * 19.
     */
    unsigned worker_nice;
    /* Bytes a second that compaction and collection may write; 0: no limit. Default 0. */
    uint64_t rate_limit_len;
    bool io_uring; /* where the kernel permits it, else pread and pwrite; default true */
    /*
     * The files of the store may take so many bytes of the disk: what adds data is refused when
     * they are used up, as on a disk of that size. Compaction may need a little more for a moment.
     * Default 0: no limit; at least 16 MiB.
     */
    uint64_t size_max;
    /*
     * Tables are also cut where the first so many bytes of the key change, so that streams of keys
     * that grow side by side do not overlap; default 0; at most 16.
     */
    unsigned table_prefix_len;

    /*
     * Called from any thread, from several at once, also from background ones, until lsm_close
     * returns; may be NULL. It must not call the library. text has no newline, and is valid during
     * the call.
     */
    void (*log)(void *arg, enum lsm_log_level level, const char *text);
    void *log_arg;
};

LSM_API void lsm_options_default(struct lsm_options *ret);

/*
 * Open the store in directory `path`, or with options->create make it, with its directory (not the
 * directories above it). The options are copied. *ret is to be given to lsm_close.
 *
 * One struct lsm_db at a time has a store open, in this process or any other, unless all of them
 * are read-only. Damage that cannot be the torn end of a log refuses to open; what a crash has
 * torn off the end of a log was never synced, and is dropped. By lsm_errno: ENOENT there is no
 * store; EEXIST there is one, and must_create; EINVAL an option, or the directory holds something
 * else; EBUSY it is in use; ENOTSUP its format is newer than this library; EIO it is damaged.
 */
LSM_API int lsm_open(const char *path, const struct lsm_options *options, struct lsm_db **ret);
/*
 * Make everything durable, stop the background work, and free db whatever it returns. No other call
 * may be under way; iterators, snapshot handles and values must have been released. NULL is
 * allowed. The answer is that of the last sync: not 0 means that what was written since the last
 * successful lsm_sync may not survive a loss of power.
 */
LSM_API int lsm_close(struct lsm_db *db);

LSM_API int lsm_errno(int err);            /* a negative code as a positive errno; 0 otherwise */
LSM_API const char *lsm_strerror(int err); /* static text */
LSM_API bool lsm_is_damage(int err);       /* the code means damaged bytes on disk */
/*
 * The calling thread's failure in words, without a newline, to be asked for right after it; "" when
 * there is nothing to add to lsm_strerror. Valid until the thread's next call of the library.
 */
LSM_API const char *lsm_detail(void);

/* --- Reading --- */

/*
 * A value that was read. It borrows from the store until lsm_value_done: later writes do not change
 * it, but it may keep a block or a whole memtable in memory, so it is not for keeping.
 */
struct lsm_value {
    const uint8_t *data; /* not aligned; no zero behind it */
    size_t len;          /* bytes */
    uint64_t seqno;      /* of the newest write that made it */
    void *held[2];       /* the library's */
};

/*
 * The value of key as of the snapshot, or the newest one for NULL. -ENOENT when there is none.
 * After success *ret must be given to lsm_value_done; on failure it is zeroed.
 */
LSM_API int lsm_get(struct lsm_db *db, const struct lsm_snapshot *snapshot, const void *key,
                    size_t key_len, struct lsm_value *ret);
/* Release what a value borrows, once. A zeroed value is allowed; the struct stays the caller's. */
LSM_API void lsm_value_done(struct lsm_value *value);

struct lsm_key {
    const void *data;
    size_t len;
};

/*
 * Many values as of one moment: no write is seen by some and not by others. The three arrays have
 * `count` items; ret_errs[i] is 0 or negative (-ENOENT: no such key). Values as for lsm_get.
 * Returns 0, or the first error that is not -ENOENT; the values that were read must be released in
 * either case.
 */
LSM_API int lsm_multi_get(struct lsm_db *db, const struct lsm_snapshot *snapshot,
                          const struct lsm_key *keys, size_t count, struct lsm_value *ret_values,
                          int *ret_errs);
/*
 * The same for values that the caller will not ask for again soon, or keeps himself: large ones
 * (blob_len_min) that have to be read from the disk are not put into the cache.
 */
LSM_API int lsm_multi_get_once(struct lsm_db *db, const struct lsm_snapshot *snapshot,
                               const struct lsm_key *keys, size_t count,
                               struct lsm_value *ret_values, int *ret_errs);

/* --- Writing --- */

/*
 * A batch of operations that take effect together, in order: a later one of the same key wins. It
 * is memory of the caller's and knows no store; it may be written to several, or again.
 */
LSM_API int lsm_batch_new(struct lsm_batch **ret);
LSM_API void lsm_batch_free(struct lsm_batch *b);  /* NULL is allowed */
LSM_API void lsm_batch_clear(struct lsm_batch *b); /* empty it, and keep its memory */
/*
 * Each copies its bytes. -EINVAL for an empty or too long key, a too long value, or a batch that
 * would grow beyond about 1 GiB in all; -ENOMEM. After a failure the batch is as it was.
 */
LSM_API int lsm_batch_put(struct lsm_batch *b, const void *key, size_t key_len, const void *value,
                          size_t value_len);
LSM_API int lsm_batch_delete(struct lsm_batch *b, const void *key, size_t key_len);
/* Delete the keys from start up to, without, end. An end at or before start deletes nothing. */
LSM_API int lsm_batch_delete_range(struct lsm_batch *b, const void *start, size_t start_len,
                                   const void *end, size_t end_len);
/*
 * Overwrite value_len bytes of the key's value from offset on, without reading it. A missing value
 * counts as an empty one; a gap before offset reads as zeros; the value grows as needed.
 */
LSM_API int lsm_batch_patch(struct lsm_batch *b, const void *key, size_t key_len, uint64_t offset,
                            const void *value, size_t value_len);
/*
 * Put under `to` the value that `from` has in db now: later changes of `from`, and what the batch
 * holds already, do not count. Returns 1, and its bytes in *ret_len, which may be NULL; 0 when
 * `from` has no value, and then nothing is added. A large value is read, for its checksum, but not
 * copied: both keys refer to the same bytes until one of them is overwritten. From then on the
 * batch may be written to db only, and until it is cleared or freed, which must be before
 * lsm_close, it may keep files on disk. A store with such keys is refused by programs older than
 * this call. As the other calls it may fail with -EINVAL or -ENOMEM; and as lsm_get, or as
 * lsm_write, for db.
 */
LSM_API int lsm_batch_copy(struct lsm_batch *b, struct lsm_db *db, const void *from,
                           size_t from_len, const void *to, size_t to_len, uint64_t *ret_len);
LSM_API size_t lsm_batch_count(const struct lsm_batch *b); /* operations */

enum {
    LSM_WRITE_SYNC = 1,   /* durable when it returns */
    LSM_WRITE_URGENT = 2, /* frees space: may use the reserve that is kept on a full disk */
};

/*
 * Apply the batch; flags are LSM_WRITE_ bits or 0. It stays the caller's, unchanged. When it
 * returns 0, every read that begins later sees it. It may wait: when writing outruns compaction,
 * and on a full disk, for ten seconds at most, until what was deleted just before gives its space
 * back.
 *
 * -EFBIG: a value would become longer than the option value_len_max allows; nothing was done.
 * -ENOSPC: the disk is full; nothing was done, and the same call may succeed later. EROFS (by
 * lsm_errno): the store is open read-only, or an earlier write or sync failed and made it so until
 * it is opened again; lsm_detail and lsm_stats say which failure. With LSM_WRITE_SYNC a failure may
 * also be the sync's: then the batch has taken effect, and nobody knows whether it is durable. An
 * empty batch does nothing but the sync.
 */
LSM_API int lsm_write(struct lsm_db *db, const struct lsm_batch *b, unsigned flags);
/* A batch of one; errors of lsm_batch_put and lsm_write. */
LSM_API int lsm_put(struct lsm_db *db, const void *key, size_t key_len, const void *value,
                    size_t value_len, unsigned flags);
/* The same. A key that is not there is deleted without looking: 0. */
LSM_API int lsm_delete(struct lsm_db *db, const void *key, size_t key_len, unsigned flags);
/*
 * Make every write that has returned durable. Concurrent calls share one sync. A failure makes the
 * store read-only, as lsm_write says: a sync that failed is never taken to have worked later.
 */
LSM_API int lsm_sync(struct lsm_db *db);

/* --- Iterating --- */

/*
 * An iterator over the keys in [lower, upper) as of the snapshot, or as of now for NULL: writes
 * that come later do not show. A NULL lower or upper is no bound. Bounds are copied. It is placed
 * nowhere until lsm_iter_first, lsm_iter_last or a seek. To be given to lsm_iter_free; until then
 * it holds on to the memtables and files of its moment, also when the snapshot is closed.
 */
LSM_API int lsm_iter_new(struct lsm_db *db, const struct lsm_snapshot *snapshot, const void *lower,
                         size_t lower_len, const void *upper, size_t upper_len,
                         struct lsm_iter **ret);
LSM_API void lsm_iter_free(struct lsm_iter *it); /* NULL is allowed */
/*
 * Each move returns 1 when the iterator stands on an entry, 0 when there is none there, or an
 * error. After 0 or an error only the seeks may be called.
 */
LSM_API int lsm_iter_first(struct lsm_iter *it);
LSM_API int lsm_iter_last(struct lsm_iter *it);
LSM_API int lsm_iter_seek(struct lsm_iter *it, const void *key, size_t key_len); /* first >= key */
LSM_API int lsm_iter_seek_prev(struct lsm_iter *it, const void *key,
                               size_t key_len); /* last < key */
LSM_API int lsm_iter_next(struct lsm_iter *it);
LSM_API int lsm_iter_prev(struct lsm_iter *it);
/*
 * The entry it stands on, to be asked for only when the last move returned 1; both borrow until the
 * next move or lsm_iter_free. They are not aligned, and no zero is behind them.
 */
LSM_API const void *lsm_iter_key(const struct lsm_iter *it, size_t *ret_len);
LSM_API const void *lsm_iter_value(const struct lsm_iter *it, size_t *ret_len);

/* --- Snapshots --- */

/*
 * A handle for reading the store as it is now, to be given to lsm_snapshot_close. Costs no copy;
 * but while it is open, what is overwritten or deleted keeps its space on disk.
 */
LSM_API int lsm_snapshot_open(struct lsm_db *db, struct lsm_snapshot **ret);
LSM_API void lsm_snapshot_close(struct lsm_db *db, struct lsm_snapshot *s); /* NULL is allowed */
/* The sequence number of the last operation that it shows. */
LSM_API uint64_t lsm_snapshot_seqno(const struct lsm_snapshot *s);

/*
 * Named snapshots outlive the process: they are kept in the manifest, durably when create returns,
 * until they are removed. A name has 1 to LSM_SNAPSHOT_NAME_LEN_MAX bytes of any kind.
 */
enum {
    LSM_SNAPSHOT_NAME_LEN_MAX = 255
};

/* Everything that has been written when it is called is in it, and durable. -EEXIST, -EINVAL. */
LSM_API int lsm_snapshot_create(struct lsm_db *db, const void *name, size_t name_len);
/* -ENOENT. Handles that were opened by the name stay valid. */
LSM_API int lsm_snapshot_remove(struct lsm_db *db, const void *name, size_t name_len);
/* A handle for reading, to be given to lsm_snapshot_close. -ENOENT. */
LSM_API int lsm_snapshot_find(struct lsm_db *db, const void *name, size_t name_len,
                              struct lsm_snapshot **ret);

struct lsm_snapshot_info {
    const void *name; /* no zero behind it; valid during the call */
    size_t name_len;
    uint64_t seqno;
    uint64_t time_ns; /* when it was made, CLOCK_REALTIME */
};

/* Oldest first. A non-zero answer of `each`, which may not call the library, ends it with that. */
LSM_API int lsm_snapshot_list(struct lsm_db *db,
                              int (*each)(void *arg, const struct lsm_snapshot_info *info),
                              void *arg);

/*
 * When the operation with this sequence number was committed, CLOCK_REALTIME: the time of the
 * newest remembered point at or before it. Points lie at least a millisecond apart and are
 * remembered across restarts; their number is bounded, so old ones are thinned out to coarser
 * steps. For the time of a value: lsm_value.seqno. -ENOENT when nothing that old is remembered.
 */
LSM_API int lsm_seqno_time(struct lsm_db *db, uint64_t seqno, uint64_t *ret_time_ns);

/* --- Maintenance --- */

/*
 * Write the memtables into tables and wait for it, so that the logs can go. Never needed for
 * durability. Errors as lsm_write.
 */
LSM_API int lsm_flush(struct lsm_db *db);
/*
 * Compact all tables that overlap [start, end], NULL for no bound, down to the last level, and wait
 * for it: afterwards what was overwritten or deleted there takes no space. Reading and writing go
 * on meanwhile. Errors as lsm_write.
 */
LSM_API int lsm_compact_range(struct lsm_db *db, const void *start, size_t start_len,
                              const void *end, size_t end_len);
/*
 * Make directory `path`, which must not exist, a store of its own with what this one holds now:
 * tables and blob files are hard links where the disk can (copies where not), the rest is copied.
 * Durable when it returns. On failure the directory is removed again. -EEXIST.
 */
LSM_API int lsm_checkpoint(struct lsm_db *db, const char *path);

/*
 * Make a store that refuses to open for damage openable again, losing only what is damaged: a lost
 * or damaged manifest, CURRENT or superblock is rebuilt from the tables and logs that are there,
 * logs are salvaged up to their damaged places and beyond, what cannot be read is moved into the
 * directory `lost` in the store. Nothing else may have it open. `each` (may be NULL) is called with
 * the name of a file ("" for none) and a line of text for everything that was found and done; a
 * non-zero answer ends it. With `dry_run` nothing is changed. The options are those to open the
 * store with. Returns the number of things that were (or would be) repaired, or an error; a killed
 * repair can be run again.
 */
LSM_API int lsm_repair(const char *path, const struct lsm_options *options, bool dry_run,
                       int (*each)(void *arg, const char *file, const char *text), void *arg);

/*
 * Read and verify everything on disk. `each` (may be NULL) is called for every damage found, with
 * the name of the file, the place in bytes (0 when unknown) and a line of text, all valid during
 * the call; a non-zero answer ends the verification. `progress` (may be NULL) is called now and
 * then. Both are called by the calling thread, and must not call the library. Returns the number of
 * damages, or an error that kept it from going on.
 */
LSM_API int lsm_verify(struct lsm_db *db,
                       int (*each)(void *arg, const char *file, uint64_t offset, const char *text),
                       void (*progress)(void *arg, uint64_t done_len, uint64_t total_len),
                       void *arg);

/* --- What damage has taken --- */

enum lsm_loss_kind {
    LSM_LOSS_ENTRIES = 1,    /* entries of a table, with keys from first to last */
    LSM_LOSS_VALUE = 2,      /* the value of key `first`, a large one or one that is too long */
    LSM_LOSS_DELETIONS = 3,  /* deletions of ranges of a table: older values may be back */
    LSM_LOSS_OPERATIONS = 4, /* of a log, whatever their keys; later ones may be there */
    LSM_LOSS_ORDER = 5,      /* which tables there are: what was deleted may be back */
    LSM_LOSS_FACTS = 6,      /* the store's identity, named snapshots; no keys */
};

/*
 * A loss. Keys between first and last, both inclusive, may be concerned; a NULL pointer is no
 * bound. What was lost has sequence numbers from seqno_min to seqno_max (0, UINT64_MAX: unknown).
 * Everything borrows and is valid during the call that it is handed to.
 */
struct lsm_loss {
    enum lsm_loss_kind kind;
    const char *file;     /* the damaged one, "" for none */
    uint64_t offset, len; /* of the damage, in bytes; 0 for all of a file */
    const void *first, *last;
    size_t first_len, last_len;
    uint64_t seqno_min, seqno_max;
    int level;          /* of the table; -1 when it is not known */
    const void *filter; /* the library's: lsm_loss_concerns; NULL: nothing is known */
    size_t filter_len;
};

/*
 * Can the key have been among what was lost? False is certain. True with a filter is wrong for
 * about one key in a hundred; without one it says only that the key lies in the range.
 */
LSM_API bool lsm_loss_concerns(const struct lsm_loss *loss, const void *key, size_t key_len);
/*
 * Is the key's newest value, or its deletion, younger than all that was lost? 1: reading it is not
 * touched by the loss. 0: what a read gives, if it gives something, is older than what was lost or
 * lies over it. Makes sense for a key that the loss concerns.
 */
LSM_API int lsm_loss_is_covered(struct lsm_db *db, const struct lsm_loss *loss, const void *key,
                                size_t key_len);
/*
 * As lsm_verify, and `loss` (may be NULL) is called for what cannot be read. A damage that takes
 * nothing (of a filter, an index, a spare copy) has no loss.
 */
LSM_API int lsm_verify_losses(
    struct lsm_db *db, int (*each)(void *arg, const char *file, uint64_t offset, const char *text),
    int (*loss)(void *arg, const struct lsm_loss *loss),
    void (*progress)(void *arg, uint64_t done_len, uint64_t total_len), void *arg);
/*
 * As lsm_repair, and `loss` (may be NULL) is called for everything that is lost. A repair without
 * dry_run also writes them down in the store, in the file LOSSES, before it takes effect: there
 * they stay until lsm_losses_forget, so that whoever knows what the keys mean can act on them.
 */
LSM_API int lsm_repair_losses(const char *path, const struct lsm_options *options, bool dry_run,
                              int (*each)(void *arg, const char *file, const char *text),
                              int (*loss)(void *arg, const struct lsm_loss *loss), void *arg);
/*
 * What repairs have written down. Returns the number of losses, the non-zero answer of `each`, or
 * an error. Damage of the file itself ends the list with a loss of LSM_LOSS_ORDER.
 */
LSM_API int lsm_losses(struct lsm_db *db, int (*each)(void *arg, const struct lsm_loss *loss),
                       void *arg);
/* Forget them: they have been acted on, durably. */
LSM_API int lsm_losses_forget(struct lsm_db *db);

struct lsm_stats {
    uint64_t seqno;          /* of the last visible operation; each takes one number */
    uint64_t synced_seqno;   /* known to be durable */
    uint64_t table_count[7]; /* by level */
    uint64_t table_len[7];   /* bytes by level */
    uint64_t wal_len;        /* bytes of all logs */
    uint64_t memtable_len;   /* bytes of all memtables */
    uint64_t memtable_count;
    uint64_t write_count; /* batches since it was opened */
    uint64_t write_len;   /* bytes of batches since then */
    uint64_t wal_write_len, flush_write_len, compact_read_len, compact_write_len; /* bytes */
    uint64_t wal_sync_count;
    uint64_t flush_count, compact_count, move_count;
    uint64_t delay_count;                         /* writes that were slowed down */
    uint64_t delay_us;                            /* for so long in all */
    uint64_t cache_hits, cache_misses, cache_len; /* len in bytes */
    uint64_t blob_count, blob_len;                /* blob files, and their bytes */
    uint64_t blob_garbage_len;              /* of these bytes, no table or memtable refers to */
    uint64_t blob_write_len;                /* bytes written to blob files for writers */
    uint64_t blob_collect_write_len;        /* and by collection and folding */
    uint64_t snapshot_count;                /* open or named */
    uint64_t worker_count;                  /* worker threads that run */
    bool io_uring;                          /* in use; otherwise pread and pwrite are */
    char io_uring_text[128];                /* why it is not; "" when it is */
    uint64_t disk_total_len, disk_free_len; /* bytes of the disk below, within size_max */
    uint64_t format_version;
    int sticky_err; /* the failure that made the store read-only; 0 */
    char sticky_text[256];
};

/* Figures, cheap enough to be asked for every second. Nothing in it borrows. */
LSM_API int lsm_stats(struct lsm_db *db, struct lsm_stats *ret);
/*
 * The space of the disk, in bytes, within size_max: in all, free for an ordinary user, and of that
 * what writes may still take, as some is kept for compaction. Cheap without size_max;
 * with it the files of the store are counted.
 */
LSM_API int lsm_disk_space(struct lsm_db *db, uint64_t *ret_total_len, uint64_t *ret_free_len,
                           uint64_t *ret_avail_len);

/*
 * One file of a store as text, line by line through `put` (a non-zero answer ends it): a log, a
 * table, a manifest, CURRENT, or SUPERBLOCK, by its name in the directory. Takes no lock and needs
 * no open store. A line has no newline and is valid during the call. full_values: values whole
 * instead of shortened. Returns 0, `put`'s answer, or an error; -ENOENT: there is no such file.
 */
LSM_API int lsm_dump_file(const char *path, const char *file, bool full_values,
                          int (*put)(void *arg, const char *line), void *arg);

/* The library's version, "0.1.0". */
LSM_API const char *lsm_version(void);

#ifdef __cplusplus
}
#endif

#endif
