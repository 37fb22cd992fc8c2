/*
 * What the files of the POSIX environment share.
 */
#ifndef LSM_ENV_ENV_POSIX_H
#define LSM_ENV_ENV_POSIX_H

#include "lsm/env/env.h"
#include "lsm/env/fd_cache.h"
#include "lsm/env/read_around.h"

/* All other fields are constant after open. */
struct env_posix {
    struct env env;
    int dir_fd;
    int lock_fd;         /* holds the lock while it is open; -1 without one */
    bool overwrites;     /* the disk writes again where it wrote: no copy on write */
    struct fd_cache fds; /* of the readers; has a lock of its own */
    struct around_budget around;
};

static inline struct env_posix *env_posix_of(struct env *env)
{
    return (struct env_posix *)env;
}

/*
 * "STORE/NAME: cannot DOING: REASON" as the thread's text, without "/NAME" when name is NULL.
 * -EDQUOT becomes -ENOSPC: for a user with a quota that is what a full disk is.
 */
int env_posix_raise(const struct env *env, const char *name, const char *doing, int errnum);

/* Open, retrying after signals: a descriptor or -1 and errno. */
int env_posix_openat(int dir_fd, const char *name, int flags);
/* A file of the environment, for reading: opened read-only, not even its atime changes (where we
 * own it). */
int env_posix_open_file(const struct env_posix *e, const char *name, int flags);
/* fsync or, with data_only, fdatasync, retrying after signals: 0, or -1 and errno. */
int env_posix_fsync(int fd, bool data_only);
/* Write everything at the offset: 0, or a positive errno. *ret_len counts what was written. */
int env_posix_write(int fd, const struct slice *parts, unsigned part_count, uint64_t offset,
                    uint64_t *ret_len);

int env_posix_lock(struct env_posix *e);

int env_posix_branch(struct env *env, const char *path, struct env **ret);
int env_posix_link_out(struct env *env, const char *name, struct env *branch);
void env_posix_discard(struct env *branch);

/*
 * For environments that embed a struct env_posix first: env_posix_open's work on memory that is all
 * zeros; the ops are set and may be replaced. env_posix_done also frees what init left when it
 * failed.
 */
extern const struct env_ops env_posix_ops;
int env_posix_init(struct env_posix *e, const char *path, unsigned flags);
void env_posix_done(struct env_posix *e);

int env_posix_writer_create(struct env *env, const char *name, struct env_writer **ret);
int env_posix_writer_append(struct env_writer *w, const struct slice *parts, unsigned part_count);
int env_posix_writer_sync(struct env_writer *w);
int env_posix_writer_reserve(struct env_writer *w, uint64_t len);
void env_posix_writer_zero(struct env_writer *w, uint64_t len);
int env_posix_writer_truncate(struct env_writer *w, uint64_t len);
int env_posix_writer_close(struct env_writer *w);
int env_posix_writer_fd(const struct env_writer *w);
/* To be called before bytes are put at the end: 0, or the error of a call that none may follow. */
int env_posix_writer_prepare(struct env_writer *w);
/* A sync of the file failed with this errno: refuse everything from now on. */
int env_posix_writer_fail_sync(struct env_writer *w, int errnum);

int env_posix_reader_open(struct env *env, const char *name, struct env_reader **ret);
int env_posix_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                          size_t *ret_len);
int env_posix_reader_len(struct env_reader *r, uint64_t *ret_len);
int env_posix_reader_read_parts(struct env_reader *r, uint64_t offset, const struct iovec *parts,
                                unsigned count, size_t *ret_len);
void env_posix_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len);
void env_posix_reader_close(struct env_reader *r);
/* A descriptor that stays open until unpin; an error is described. */
int env_posix_reader_pin(struct env_reader *r, int *ret_fd);
void env_posix_reader_unpin(struct env_reader *r);

int env_posix_keep_aside(struct env *env, const char *name);

#endif
