/*
 * The differential test: the same sequence of system calls on a mounted FluxFS and on a directory
 * of ext4, every result compared.
 *
 * A step is made from the seed and its number alone (diff_make.c), never from what happened before:
 * so any subset of the steps is a sequence too, which is what shrinking needs. Two processes, the
 * *sides*, each run all steps of a phase in a root of their own (chroot) and write what they saw
 * into shared memory; the parent compares. A phase begins and ends without open descriptors.
 */
#ifndef TESTS_MOUNT_DIFFERENTIAL_DIFF_H
#define TESTS_MOUNT_DIFFERENTIAL_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum {
    PHASE_LEN = 1000, /* steps */
    SLOT_COUNT = 8,   /* descriptors that a side may hold */
    NO_SLOT = -1,
    STEP_PATH_LEN_MAX = 900,
    DATA_LEN_MAX = 300000, /* bytes of one read or write */
    SEEN_COUNT = 4,
    BROKEN_LEN_MAX = 160,
};

enum call {
#define X(name, weight, uses) CALL_##name,
#include "mount/differential/calls.def"
#undef X
    CALL_COUNT
};

/* What a call uses of a step, and which objects are therefore looked at before and after it. */
enum {
    USES_PATH = 1,
    USES_PATH2 = 2,
    USES_SLOT = 4,
    USES_SLOT2 = 8,
    USES_CWD = 16, /* the call has no form that takes a directory's descriptor */
};

struct step {
    enum call call;
    uint64_t number;
    unsigned user; /* index into side_users */
    mode_t umask;
    int base; /* slot of the directory that paths begin at; NO_SLOT: the root */
    int slot, slot2;
    int flags;
    uint32_t mode, uid, gid;
    uint64_t offset, len;
    uint64_t seed; /* of the data written, and of small choices */
    bool
        looks_before; /* objects are looked at before the call too, so that changes of times show */
    char path[STEP_PATH_LEN_MAX], path2[STEP_PATH_LEN_MAX];
};

/* An object as both file systems must show it. */
struct seen {
    int err;
    uint32_t mode, uid, gid;
    uint64_t nlink, size, rdev;
    int64_t atime, mtime; /* ns since 1970; TIME_NOW for about now */
    unsigned changed;     /* bits: atime, mtime, ctime differ from before; 8: another object */
};
#define TIME_NOW INT64_MIN

struct result {
    bool is_done;
    int64_t ret;
    int err;
    uint64_t data; /* hash of what was read */
    struct seen seen[SEEN_COUNT];
    char broken[BROKEN_LEN_MAX]; /* a promise that this side has broken, by itself */
};

/* One side: a process in its own root. */
struct side {
    bool is_mount;
    bool is_shared; /* others change the tree at the same time */
    int drop_fd;    /* /proc/sys/vm/drop_caches, or -1 */
    int fds[SLOT_COUNT];
    bool is_direct[SLOT_COUNT]; /* opened with O_DIRECT: offsets and lengths must be aligned */
    unsigned user;
    mode_t umask;
    struct result *result; /* of the step that runs */
};

struct side_user {
    uid_t uid;
    gid_t gid, group; /* and one supplementary group */
};
enum {
    USER_COUNT = 3
};
extern const struct side_user side_users[USER_COUNT];

/* --- diff_make.c --- */

extern const char *const call_names[CALL_COUNT];
extern const unsigned call_uses[CALL_COUNT];
void step_make(uint64_t seed, uint64_t number, struct step *ret);
void step_print(const struct step *st);
void data_fill(uint64_t seed, uint8_t *buf, size_t len);

/* --- diff_known.c --- */

/* Find out what the options of the mount exclude; before anything else. */
void known_probe(const char *mounted);
/* The errno with which the mount answers this step by design, though ext4 does not; or 0. */
int known_refusal(const struct step *st);
/* Whether the step is made on neither, because they differ by design in what it does. */
bool known_left_out(const struct step *st);
/* A mode as far as both agree on it. */
uint32_t mode_known(uint32_t mode);
/* Whether both agree on the times of such an object. */
bool times_known(const struct stat *st);
/* Whether both agree on which times the step changes. */
bool changes_known(const struct step *st);

/* --- diff_side.c --- */

/* Enter the root; from then on the process sees nothing else. Ends the process when it can't. */
void side_enter(struct side *s, const char *root);
void side_run(struct side *s, const struct step *st, struct result *ret);
void side_close_all(struct side *s);
void side_become(struct side *s, unsigned user);
void side_broken(struct side *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The slot's descriptor, -1 for none. */
int side_fd(const struct side *s, int slot);
int side_base(const struct side *s, const struct step *st);

/* --- the calls: as the system's, -1 and errno --- */

typedef int64_t call_fn(struct side *s, const struct step *st);
#define X(name, weight, uses) call_fn call_##name;
#include "mount/differential/calls.def"
#undef X

/* --- diff_list.c --- */

/* Every name in the directory; returns their count. The caller frees each name and the array. */
struct listed {
    char *name;
    uint64_t ino;
    unsigned char type;
    int64_t offset; /* d_off */
};
ssize_t list_read(int fd, size_t buf_len, struct listed **ret);
void list_free(struct listed *all, size_t count);

/* --- diff_tree.c --- */

/* Write the tree below the current root to `out`, a line for each object; counts its faults. */
int tree_dump(int out, bool with_times);

#endif
