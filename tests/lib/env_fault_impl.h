/*
 * What the two files of the fault-injecting environment share.
 */
#ifndef TESTS_LIB_ENV_FAULT_IMPL_H
#define TESTS_LIB_ENV_FAULT_IMPL_H

#include "lib/env_fault.h"
#include "lsm/base/mutex.h"

enum {
    FAULT_KIND_COUNT = 14
};

/* A file that is or was there. All fields are guarded by env_fault.mu. */
struct fault_file {
    struct fault_file *next;
    char *name;
    uint64_t len, synced_len, reserved;
    bool name_synced;
    bool removed;        /* its name is gone, or belongs to a newer file */
    bool removal_synced; /* and cannot come back */
    struct buf contents; /* of a removed file that may come back */
};

struct env_fault {
    struct env env;
    struct env *base;
    struct env_fault *origin; /* of a branch: it decides what fails; else NULL */

    struct mutex mu;
    struct fault_file *files;         /* [mu] freed by a crash and at the end */
    unsigned writer_count;            /* [mu] */
    uint64_t calls[FAULT_KIND_COUNT]; /* [mu] */
    unsigned fail_kinds;              /* [mu] */
    uint64_t fail_in;                 /* [mu] calls until the failure; 0: it has happened */
    int fail_code;                    /* [mu] */
    bool fail_forever;                /* [mu] */
    enum env_fault_way fail_way;      /* [mu] */
    bool happened;                    /* [mu] */
    bool remember_removed;            /* [mu] */
    bool no_links;                    /* [mu] */
    uint64_t limit;                   /* [mu] */
    uint64_t used;                    /* [mu] */
    struct cond used_less;            /* it has become less */
};

extern const struct env_ops env_fault_ops;

static inline struct env_fault *env_fault_of(struct env *env)
{
    return (struct env_fault *)env;
}

struct fault_file *fault_file_new_locked(struct env_fault *f, const char *name) REQUIRES(f->mu);
struct fault_file *fault_file_find_locked(struct env_fault *f, const char *name) REQUIRES(f->mu);
/* Account for the file's new extent: -ENOSPC and no change when the disk is full. */
int fault_file_resize_locked(struct env_fault *f, struct fault_file *file, uint64_t len,
                             uint64_t reserved) REQUIRES(f->mu);

/*
 * What calls that fail have done in the wrapped environment: env_fault_part.c. Failures of it are
 * of no interest, and leave the thread's err_detail alone.
 */
void fault_part_append(struct env_writer *base, const struct slice *parts, unsigned part_count,
                       enum env_fault_way way);
void fault_part_create(struct env *base, const char *name, enum env_fault_way way);
void fault_part_replace(struct env *base, const char *name, struct slice contents,
                        enum env_fault_way way);

#endif
