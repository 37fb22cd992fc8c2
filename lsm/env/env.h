/*
 * Everything that the engine asks of what lies below it: append to a file, read at an offset, sync,
 * list, delete, replace one small file atomically, lock with an owner. Nothing else in the engine
 * touches the disk. Paths are relative to the store's directory and hold no '/'.
 *
 * Errors are -errno or a private code (err.h), described with err_raise and naming the file.
 * Every function may be called from any thread; one env_writer from one thread at a time.
 */
#ifndef LSM_ENV_ENV_H
#define LSM_ENV_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "lsm/base/slice.h"

struct env;
struct env_writer;
struct env_reader;

/* What an environment implements. The calls below describe each one's contract. */
struct env_ops {
    int (*writer_create)(struct env *env, const char *name, struct env_writer **ret);
    int (*writer_append)(struct env_writer *w, const struct slice *parts, unsigned part_count);
    int (*writer_sync)(struct env_writer *w);
    int (*writer_reserve)(struct env_writer *w, uint64_t len);
    int (*writer_truncate)(struct env_writer *w, uint64_t len);
    int (*writer_close)(struct env_writer *w);
    int (*reader_open)(struct env *env, const char *name, struct env_reader **ret);
    int (*reader_read)(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len);
    int (*reader_len)(struct env_reader *r, uint64_t *ret_len);
    void (*reader_prefetch)(struct env_reader *r, uint64_t offset, uint64_t len);
    void (*reader_close)(struct env_reader *r);
    int (*list)(struct env *env, int (*each)(void *arg, const char *name), void *arg);
    int (*remove)(struct env *env, const char *name);
    int (*replace_small)(struct env *env, const char *name, struct slice contents);
    int (*sync_dir)(struct env *env);
    int (*space)(struct env *env, uint64_t *ret_total, uint64_t *ret_free);
    void (*close)(struct env *env);
};

/* The public head of every environment; implementations embed it first. */
struct env {
    const struct env_ops *ops;
    char *path; /* the store's directory, for messages */
    bool read_only;
};

/* Heads of open files, embedded first by implementations. `name` is owned by the file. */
struct env_writer {
    struct env *env;
    char *name;
    uint64_t len; /* bytes appended so far, whatever is reserved beyond */
};

struct env_reader {
    struct env *env;
    char *name;
};

enum {
    ENV_READ_ONLY = 1,
    ENV_CREATE = 2,
    ENV_NO_LOCK = 4,
};

/*
 * The default environment: a directory of the host, through POSIX calls. ENV_CREATE makes the
 * directory (0700) when it is missing. Without ENV_READ_ONLY it takes the store's lock (file LOCK,
 * which holds the owner's pid as text, held by an open-file-description lock until env_close); a
 * store locked by another process, or by this one, fails with ERR_STORE_LOCKED naming the pid.
 * With ENV_READ_ONLY it takes a shared lock where the file exists and can be opened, and creates
 * and changes nothing. ENV_NO_LOCK, with ENV_READ_ONLY only, takes no lock at all. A missing
 * directory: ERR_STORE_MISSING. Files are created 0600.
 */
int env_posix_open(const char *path, unsigned flags, struct env **ret);

/* Close files first. NULL is allowed. */
void env_close(struct env *env);

/* Create a file for appending; an existing one is emptied. The name is durable after env_sync_dir.
 */
int env_writer_create(struct env *env, const char *name, struct env_writer **ret);
/*
 * Append all parts, in order. All or nothing: when it fails, the file has its old length again, or,
 * where even that failed, every later call on this writer fails with the same error. A full disk is
 * -ENOSPC (-EDQUOT is turned into it). When it returns 0 the bytes survive the end of this process.
 */
int env_writer_append(struct env_writer *w, const struct slice *parts, unsigned part_count);
/* fdatasync. After a failure the writer refuses everything: unsynced bytes may be lost for good. */
int env_writer_sync(struct env_writer *w);
/* Have the disk set aside space so that the file can grow to `len` bytes; its length stays. */
int env_writer_reserve(struct env_writer *w, uint64_t len);
/* Cut the file to `len` bytes and give back what was reserved beyond. */
int env_writer_truncate(struct env_writer *w, uint64_t len);
/* Gives back what was reserved beyond len. Frees w whatever it returns. NULL is allowed. */
int env_writer_close(struct env_writer *w);

/* Open for reading at offsets. A missing file: -ENOENT. */
int env_reader_open(struct env *env, const char *name, struct env_reader **ret);
/* Up to len bytes; fewer only at the end of the file. */
int env_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf, size_t *ret_len);
int env_reader_len(struct env_reader *r, uint64_t *ret_len);
/* A hint that the range will be read soon. Never fails. */
void env_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len);
void env_reader_close(struct env_reader *r);
/* The whole of a small file (at most len_max bytes, else -EFBIG) into ret, which is replaced. */
int env_read_small(struct env *env, const char *name, size_t len_max, struct buf *ret);

/* Each plain file's name, in no order. A non-zero answer of `each` ends the listing with it. */
int env_list(struct env *env, int (*each)(void *arg, const char *name), void *arg);
/* Remove a file; a missing one is -ENOENT. Durable after env_sync_dir. */
int env_remove(struct env *env, const char *name);
/*
 * Atomically and durably make `name` hold exactly `contents` (through a temporary file, synced,
 * renamed, and the directory synced): after a crash it holds either the old or the new contents.
 */
int env_replace_small(struct env *env, const char *name, struct slice contents);
/* Make creations and removals of names durable. */
int env_sync_dir(struct env *env);
/* Bytes of the disk below, in all and free for an ordinary user. */
int env_space(struct env *env, uint64_t *ret_total, uint64_t *ret_free);

#endif
