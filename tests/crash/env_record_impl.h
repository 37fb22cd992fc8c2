/*
 * What the two files of the recording environment share.
 */
#ifndef TESTS_CRASH_ENV_RECORD_IMPL_H
#define TESTS_CRASH_ENV_RECORD_IMPL_H

#include "crash/env_record.h"
#include "lib/memory_handles.h"

/* Holders: each of its names, readers and writers. All fields are guarded by env_record.mu. */
struct memory_file {
    unsigned refs;
    uint32_t number;
    struct disk_bytes *bytes; /* as long as nobody writes to it; else NULL: */
    struct buf data;          /* bytes behind it, up to len, are zeros */
    uint64_t len;
};

struct memory_name {
    char *name;
    struct memory_file *file;
};

struct memory_dir {
    struct memory_name *names; /* in no order */
    size_t count, cap;
};

/* A directory as an environment. */
struct record_env {
    struct memory_head head;
    struct env_record *owner;
    uint32_t dir;
};

struct env_record {
    struct mutex mu;
    unsigned flags;                       /* constant */
    bool killed;                          /* [mu] */
    const char *held;                     /* [mu] how names end that wait; NULL: none */
    struct cond held_cond;                /* [mu] */
    struct record record;                 /* [mu] */
    struct memory_dir dirs[DISK_DIR_MAX]; /* [mu] */
    struct record_env envs[DISK_DIR_MAX]; /* constant once the directory is there */
};

extern const struct env_ops env_record_ops;
extern const struct memory_calls env_record_calls;

static inline struct record_env *record_env_of(struct env *env)
{
    return (struct record_env *)env;
}

/* Append an operation; names and data are copied. */
void record_add_locked(struct env_record *r, const struct record_op *op) REQUIRES(r->mu);
struct memory_name *memory_find_locked(struct env_record *r, uint32_t dir, const char *name)
    REQUIRES(r->mu);
/* A file without a name; the caller has a reference. */
struct memory_file *memory_file_new_locked(struct env_record *r) REQUIRES(r->mu);
void memory_file_unref_locked(struct memory_file *f);
/* Let a name stand for the file, which may be NULL, and record it. */
void memory_bind_locked(struct env_record *r, uint32_t dir, const char *name,
                        struct memory_file *file) REQUIRES(r->mu);
void memory_write_locked(struct env_record *r, struct memory_file *f, uint64_t offset,
                         const struct slice *parts, unsigned part_count) REQUIRES(r->mu);
/* Zeros that are written, and change nothing that is read. */
void memory_zero_locked(struct env_record *r, struct memory_file *f, uint64_t offset, uint64_t len)
    REQUIRES(r->mu);
void memory_set_len_locked(struct env_record *r, struct memory_file *f, uint64_t len)
    REQUIRES(r->mu);
/* Fewer bytes than asked for only at the end of the file. */
size_t memory_read_locked(const struct memory_file *f, uint64_t offset, size_t len, void *buf);
/* A new directory in `parent`, recorded; -EEXIST. */
int memory_make_dir_locked(struct env_record *r, uint32_t parent, const char *path,
                           uint32_t *ret_dir) REQUIRES(r->mu);

#endif
