/*
 * An environment for tests that wraps another and lets it go wrong: calls that fail, a disk that is
 * full, a power cut that takes everything not yet synced.
 *
 * What counts as durable: a file's bytes up to its length when its last successful sync began; a
 * name once env_sync_dir has succeeded after its creation; everything that was there at
 * env_fault_open. A removal is durable at once unless ENV_FAULT_RESURRECT is asked for.
 *
 * All calls may be made from any thread, except env_fault_crash and env_fault_close.
 */
#ifndef TESTS_LIB_ENV_FAULT_H
#define TESTS_LIB_ENV_FAULT_H

#include "lsm/env/env.h"

struct env_fault;

/* Kinds of calls; several make a mask. */
enum {
    ENV_FAULT_CREATE = 1 << 0,
    ENV_FAULT_APPEND = 1 << 1,
    ENV_FAULT_SYNC = 1 << 2,     /* of a file; the writer then refuses everything */
    ENV_FAULT_SYNC_DIR = 1 << 3, /* of the directory */
    ENV_FAULT_RESERVE = 1 << 4,
    ENV_FAULT_TRUNCATE = 1 << 5,
    ENV_FAULT_OPEN = 1 << 6, /* for reading */
    ENV_FAULT_READ = 1 << 7, /* also of a length */
    ENV_FAULT_REMOVE = 1 << 8,
    ENV_FAULT_REPLACE = 1 << 9,
    ENV_FAULT_LIST = 1 << 10,
    ENV_FAULT_SPACE = 1 << 11,
    ENV_FAULT_LINK = 1 << 12,
    ENV_FAULT_ZERO = 1 << 13, /* zeros ahead: one that fails does nothing */
    ENV_FAULT_CHANGES = ENV_FAULT_CREATE | ENV_FAULT_APPEND | ENV_FAULT_SYNC | ENV_FAULT_SYNC_DIR |
                        ENV_FAULT_TRUNCATE | ENV_FAULT_REMOVE | ENV_FAULT_REPLACE,
    ENV_FAULT_ALL = (1 << 14) - 1,
};

/* Takes base over; on failure base stays the caller's. */
int env_fault_open(struct env *base, struct env_fault **ret);
/* Close files first. Closes base. NULL is allowed. */
void env_fault_close(struct env_fault *f);
/*
 * The environment; env_close on it does nothing, so that a store can be opened on it again.
 *
 * A branch of it counts its calls here and fails with it. Closing a branch is a power cut for it:
 * what is not durable by then is gone.
 */
struct env *env_fault_env(struct env_fault *f);

/*
 * Let the nth call (from 1, counted from now) of the kinds in the mask fail with the errno or
 * private code, and with `forever` all later ones too. Replaces what was set before; code 0: none.
 */
void env_fault_fail(struct env_fault *f, unsigned kinds, uint64_t nth, int code, bool forever);
/*
 * What a call that fails has done all the same. An append that fails is undone, as env.h says, but
 * the bytes were there. A call that is not named does nothing.
 */
enum env_fault_way {
    ENV_FAULT_BEFORE, /* nothing; this is so at first */
    ENV_FAULT_HALF, /* half of an append; half of the temporary file of a small one's replacement */
    ENV_FAULT_LATE, /* all of an append, a sync, a replacement, a creation, a cut */
};
void env_fault_fail_way(struct env_fault *f, enum env_fault_way way);
/* Whether a failure that was set has happened. */
bool env_fault_happened(struct env_fault *f);
/* Calls of the kinds so far, failed ones included. */
uint64_t env_fault_calls(struct env_fault *f, unsigned kinds);
/* From now on every call fails with -EIO, until env_fault_crash. */
void env_fault_cut_power(struct env_fault *f);

/* From now on no file is linked out: -ENOTSUP, as between two disks. */
void env_fault_refuse_links(struct env_fault *f, bool refuse);

/* Let the disk have room for so many bytes, lengths and reserved space; 0: no limit. */
void env_fault_limit(struct env_fault *f, uint64_t len);
/* Bytes in use. */
uint64_t env_fault_used(struct env_fault *f);
/* Wait until less than `len` bytes are in use. False: a minute has passed. */
bool env_fault_wait_used_below(struct env_fault *f, uint64_t len);

/* What a crash leaves of what was not durable; without a flag it loses all of it. */
enum {
    ENV_FAULT_KEEP_BYTES = 1, /* each file keeps a random prefix of its unsynced bytes */
    ENV_FAULT_KEEP_NAMES = 2, /* each name that was not synced stays by chance */
    ENV_FAULT_KEEP_LEN = 4,   /* by chance a file keeps its length, with zeros for lost bytes */
    ENV_FAULT_RESURRECT = 8,  /* a removed file comes back by chance; see below */
};

/* Remember removed files until env_sync_dir, so that a crash can bring them back. */
void env_fault_remember_removed(struct env_fault *f);
/*
 * What the disk holds after the power came back; ends all failures. All files must be closed:
 * -EBUSY when one is still open for writing.
 */
int env_fault_crash(struct env_fault *f, unsigned flags, uint64_t seed);

#endif
