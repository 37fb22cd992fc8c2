/*
 * An environment in memory that records, in order, everything that changes the disk. A store can be
 * opened on it; later the record tells what a loss of power could have left at each of its points
 * (power_loss.h).
 *
 * Point n is the moment after the first n operations of the record. A replaced small file is what
 * the host's environment makes of it: a new file NAME.tmp, its bytes, their sync, the rename, the
 * sync of the directory, each an operation of its own. What has several parts is one operation
 * where the host does it in one call.
 *
 * All calls may be made from any thread, except env_record_new and env_record_free.
 */
#ifndef TESTS_CRASH_ENV_RECORD_H
#define TESTS_CRASH_ENV_RECORD_H

#include "crash/disk_image.h"
#include "lsm/env/env.h"

enum record_kind {
    RECORD_WRITE,    /* len bytes at `offset` of the file; data NULL: zeros */
    RECORD_LEN,      /* the file's length is `offset` now; what was behind is gone */
    RECORD_SYNC,     /* of the file: bytes and length; as of the point `covers`, when it began */
    RECORD_NAME,     /* in dir: stands for the file, or for none */
    RECORD_RENAME,   /* in dir: from `name` to `to`, which stood for something else, or nothing */
    RECORD_MAKE_DIR, /* dir, in its parent */
    RECORD_SYNC_DIR, /* the same for names */
};

struct record_op {
    enum record_kind kind;
    uint32_t file, dir;
    char *name, *to;
    uint64_t offset;
    size_t len;
    uint8_t *data;
    size_t covers;
};

struct record_dir {
    char *path; /* from the top; NULL: not there yet */
    uint32_t parent;
};

struct record {
    struct disk_image *base; /* what was there at the beginning, all of it durable */
    struct record_op *ops;
    size_t count, cap;
    struct record_dir dirs[DISK_DIR_MAX];
    uint32_t file_count; /* the first ones are the base's */
};

struct env_record;

enum {
    ENV_RECORD_RESERVES = 1, /* reserved space counts in a file's length at once, as on the host;
                                without it the disk cannot reserve */
    ENV_RECORD_SLOW = 2,     /* a sync gives other threads a chance to change something meanwhile */
};

/* On a copy of the image; flags are ENV_RECORD_ bits. */
struct env_record *env_record_new(const struct disk_image *base, unsigned flags);
/* Close files and stores first. NULL is allowed. */
void env_record_free(struct env_record *r);
/* The directory `store`; env_close on it does nothing, so that it can be opened again. */
struct env *env_record_env(struct env_record *r);
/* Another directory that a branch has made, by its path; NULL: there is none. */
struct env *env_record_env_of(struct env_record *r, const char *path);
/*
 * The end of the process: from now on every change fails and does nothing, until env_record_revive.
 * What was not synced is still not.
 */
void env_record_kill(struct env_record *r);
void env_record_revive(struct env_record *r);
/*
 * Let whoever creates a file with a name that ends so wait, until another end, or NULL for none, is
 * named.
 */
void env_record_hold(struct env_record *r, const char *end);
/* How many operations there are so far. */
size_t env_record_point(struct env_record *r);
/* What was recorded; nobody may use the environment any more. Borrows. */
const struct record *env_record_get(struct env_record *r);
/* What the disk holds now when all of it is kept: as after the end of the process. */
struct disk_image *env_record_image(struct env_record *r);
/* Bytes in files that have names. */
uint64_t env_record_used(struct env_record *r);

#endif
