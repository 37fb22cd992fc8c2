/*
 * Everything that the engine asks of what lies below it: append to a file, read at an offset, sync,
 * list, delete, replace one small file atomically, lock with an owner. Hard links into another
 * place are an offer that an environment may decline. Nothing else in the engine touches the disk.
 * Paths are relative to the store's directory and hold no '/'.
 *
 * Errors are -errno or a private code (err.h), described with err_raise and naming the file.
 * Every function may be called from any thread; one env_writer from one thread at a time, except
 * that a sync may run beside an append, and then covers what was appended before it began.
 */
#ifndef LSM_ENV_ENV_H
#define LSM_ENV_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lsm/base/slice.h"

struct env;
struct env_writer;
struct env_reader;
struct env_read;

/*
 * What an environment implements. The calls below describe each one's contract. Those marked so may
 * be NULL: env.c then does the same with the others.
 */
struct env_ops {
    int (*writer_create)(struct env *env, const char *name, struct env_writer **ret);
    int (*writer_create_behind)(struct env *env, const char *name,
                                struct env_writer **ret); /* may be NULL */
    int (*writer_append)(struct env_writer *w, const struct slice *parts, unsigned part_count);
    int (*writer_append_sync)(struct env_writer *w, const struct slice *parts,
                              unsigned part_count); /* may be NULL */
    int (*writer_sync)(struct env_writer *w);
    int (*writer_reserve)(struct env_writer *w, uint64_t len);
    void (*writer_zero)(struct env_writer *w, uint64_t len); /* may be NULL */
    int (*writer_truncate)(struct env_writer *w, uint64_t len);
    int (*writer_close)(struct env_writer *w);
    int (*reader_open)(struct env *env, const char *name, struct env_reader **ret);
    int (*reader_read)(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len);
    void (*read_many)(struct env *env, struct env_read *reads, size_t count); /* may be NULL */
    int (*reader_read_parts)(struct env_reader *r, uint64_t offset, const struct iovec *parts,
                             unsigned count, size_t *ret_len); /* may be NULL */
    int (*reader_len)(struct env_reader *r, uint64_t *ret_len);
    void (*reader_prefetch)(struct env_reader *r, uint64_t offset, uint64_t len);
    void (*reader_close)(struct env_reader *r);
    int (*list)(struct env *env, int (*each)(void *arg, const char *name), void *arg);
    int (*remove)(struct env *env, const char *name);
    int (*replace_small)(struct env *env, const char *name, struct slice contents);
    int (*sync_file)(struct env *env, const char *name);
    int (*sync_dir)(struct env *env);
    int (*space)(struct env *env, uint64_t *ret_total, uint64_t *ret_free);
    int (*used)(struct env *env, uint64_t *ret_len);                        /* may be NULL */
    int (*branch)(struct env *env, const char *path, struct env **ret);     /* may be NULL */
    int (*link_out)(struct env *env, const char *name, struct env *branch); /* may be NULL */
    void (*discard)(struct env *branch);                  /* NULL where branch is */
    const char *(*uring_why_not)(struct env *env);        /* may be NULL */
    int (*keep_aside)(struct env *env, const char *name); /* may be NULL: -ENOTSUP */
    void (*close)(struct env *env);
};

/* The public head of every environment; implementations embed it first. */
struct env {
    const struct env_ops *ops;
    char *path; /* the store's directory, for messages */
    bool read_only;
    atomic_uint_fast64_t grown_len, shrunk_count; /* env_growth; kept by the calls below */
};

/* Heads of open files, embedded first by implementations. `name` is owned by the file. */
struct env_writer {
    struct env *env;
    char *name;
    uint64_t len; /* bytes appended so far, whatever is reserved beyond */
    bool behind;  /* made by env_writer_create_behind, and this environment makes a difference */
};

struct env_reader {
    struct env *env;
    char *name;
};

enum {
    ENV_READ_ONLY = 1,
    ENV_CREATE = 2,
    ENV_NO_LOCK = 4,
    ENV_NO_URING = 8,

    ENV_GAP_MAX = 8,
};

/*
 * A directory of the host, through POSIX calls. ENV_CREATE makes the
 * directory (0700) when it is missing. Without ENV_READ_ONLY it takes the store's lock (file LOCK,
 * which holds the owner's pid as text, held by an open-file-description lock until env_close); a
 * store locked by another process, or by this one, fails with ERR_STORE_LOCKED naming the pid.
 * With ENV_READ_ONLY it takes a shared lock where the file exists and can be opened, and creates
 * and changes nothing. ENV_NO_LOCK, with ENV_READ_ONLY only, takes no lock at all. A missing
 * directory: ERR_STORE_MISSING. Files are created 0600.
 */
int env_posix_open(const char *path, unsigned flags, struct env **ret);
/*
 * Of an environment of env_posix_open: every name in the directory, in no order, and whether it is
 * that of a plain file, as env_list would give it. A non-zero answer of `each` ends the listing.
 */
int env_posix_list_all(struct env *env, int (*each)(void *arg, const char *name, bool plain),
                       void *arg);
/*
 * The default environment: that of env_posix_open, with io_uring for what env_read_many,
 * env_writer_create_behind and env_writer_append_sync do. Where the kernel does not permit
 * io_uring, or with ENV_NO_URING, it is exactly that of env_posix_open and env_uring_why_not says
 * why. To be opened in the process that uses it: a forked child must not touch it.
 */
int env_uring_open(const char *path, unsigned flags, struct env **ret);
/* NULL when io_uring is in use; else the reason, in words that borrow from the environment. */
const char *env_uring_why_not(struct env *env);

/* Close files first. NULL is allowed. */
void env_close(struct env *env);

/*
 * Create a file for appending; a plain one that has the name loses it, and is not changed. The name
 * is durable after env_sync_dir.
 */
int env_writer_create(struct env *env, const char *name, struct env_writer **ret);
/*
 * Append all parts, in order. All or nothing: when it fails, the file has its old length again, or,
 * where even that failed, gets it before the next append, which fails until then. A full disk is
 * -ENOSPC (-EDQUOT is turned into it). When it returns 0 the bytes survive the end of this process.
 */
int env_writer_append(struct env_writer *w, const struct slice *parts, unsigned part_count);
/*
 * The same for a file that is of use only when it is whole: what is appended may wait in memory and
 * be written in the background, so it survives the end of this process only after a sync. A failed
 * write may show in any later call, and then every call after it fails with the same error; the
 * file may then have any length and any bytes, and is to be removed.
 */
int env_writer_create_behind(struct env *env, const char *name, struct env_writer **ret);
/*
 * env_writer_append and env_writer_sync in one. When it fails, the parts may have been appended
 * (len tells), and the rules of the call that failed hold.
 */
int env_writer_append_sync(struct env_writer *w, const struct slice *parts, unsigned part_count);
/* fdatasync. After a failure the writer refuses everything: unsynced bytes may be lost for good. */
int env_writer_sync(struct env_writer *w);
/*
 * Have the disk set aside space so that appending can go on up to `len` bytes. The file may have
 * that length at once, with zeros behind what was appended, until it is truncated or closed; after
 * a crash it keeps them.
 */
int env_writer_reserve(struct env_writer *w, uint64_t len);
/*
 * Write zeros behind what was appended, up to `len` bytes, which were reserved. It changes nothing
 * but what later syncs cost: bytes that take the place of others, where reserved space is not
 * touched yet, need no change of the file's map, which a sync would have to make durable as well.
 * At worst it is of no use.
 */
void env_writer_zero(struct env_writer *w, uint64_t len);
/* Cut the file to `len` bytes and give back what was reserved beyond. */
int env_writer_truncate(struct env_writer *w, uint64_t len);
/* Gives back what was reserved beyond len. Frees w whatever it returns. NULL is allowed. */
int env_writer_close(struct env_writer *w);

/* Open for reading at offsets. A missing file: -ENOENT. */
int env_reader_open(struct env *env, const char *name, struct env_reader **ret);
/* Up to len bytes; fewer only at the end of the file. */
int env_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf, size_t *ret_len);

struct env_read {
    struct env_reader *reader;
    uint64_t offset;
    size_t len;
    void *buf;
    size_t ret_len; /* fewer than len only at the end of the file; 0 after a failure */
    int ret_err;
};

/*
 * Many reads, all at once where the environment can; those of one stretch of a file, in order, with
 * no more than ENV_GAP_MAX bytes between them, as one. Every one is tried. Returns 0 or the error
 * of one that failed, which err_detail describes.
 */
int env_read_many(struct env *env, struct env_read *reads, size_t count);
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
/* Make what a file holds durable that somebody wrote earlier, perhaps another process. -ENOENT. */
int env_sync_file(struct env *env, const char *name);
/* Make creations and removals of names durable. */
int env_sync_dir(struct env *env);
/*
 * Keep a file in the directory `lost` of the store, which is made when it is missing: as a second
 * name of it, or as a copy of what can be read where the disk has no such names. The file itself
 * stays where it is. Another file that is kept by that name already is left alone: then the new one
 * gets a suffix ".1" to ".99". Durable when it returns. Keeping the same file again does nothing.
 */
int env_keep_aside(struct env *env, const char *name);
/*
 * Bytes of the disk below, in all and free for an ordinary user. One that does not tell its size
 * (ramfs, a tmpfs without limit, a FUSE file system without statfs) counts as a very large one.
 */
#define ENV_SPACE_UNKNOWN (UINT64_C(1) << 60)
int env_space(struct env *env, uint64_t *ret_total, uint64_t *ret_free);
/* Bytes that the plain files here take of the disk, or their length where that is more. */
int env_used(struct env *env, uint64_t *ret_len);

/* What has become of the files since the environment was opened. */
struct env_growth {
    uint64_t len;          /* bytes: they take no more than so many more; space that is reserved and
                              then used counts twice */
    uint64_t shrunk_count; /* how many were removed or cut */
};
/*
 * So that what env_used said need not be asked again: growth that was read before it, and again
 * now, tells by how much it may be more. What other programs do is not seen.
 */
void env_growth(struct env *env, struct env_growth *ret);

/*
 * A new, empty place for a store, `path`, as an environment of its own that is locked for the
 * caller. Its name is durable. -EEXIST when there is something at path; -EINVAL when path lies
 * within the store itself; -ENOTSUP where the environment cannot do that. To be closed with
 * env_close, or with env_discard.
 */
int env_branch(struct env *env, const char *path, struct env **ret);
/*
 * Let a file, which nobody will change any more, be in the branch as well, under the same name; the
 * name is durable after env_sync_dir on the branch. An offer: -ENOTSUP, with no text, when it has
 * to be copied.
 */
int env_link_out(struct env *env, const char *name, struct env *branch);
/* Close the branch, and remove it with all that is in it. Leaves err_detail alone. */
void env_discard(struct env *branch);

#endif
