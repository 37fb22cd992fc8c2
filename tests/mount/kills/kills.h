/*
 * kills: a daemon is killed in the middle of its work, again and again, and what is found each time
 * is compared with a model. See kills_main.c.
 *
 * Each of a few threads has a directory with a fixed set of names (slots), and writes down every
 * call before it makes it. The names and contents after the nth call follow from the calls, so what
 * is found is right if and only if it is the state after some call: the last one that has returned,
 * or the one that was on its way. When unsynced bytes were lost with the daemon it may be any since
 * the last sync by anybody, and those of the threads must fit together: all states together are
 * the tree of one moment.
 */
#ifndef KILLS_H
#define KILLS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    THREAD_COUNT = 3,
    SLOT_COUNT = 8,
    FILE_LEN_MAX = 96 << 10,
    OP_COUNT_MAX = 1 << 16,
    PAGE_LEN = 4096
};

enum op_kind {
    OP_CREATE,
    OP_WRITE,
    OP_TRUNCATE,
    OP_PUNCH,
    OP_RENAME,
    OP_EXCHANGE,
    OP_LINK,
    OP_UNLINK,
    OP_CHMOD,
    OP_SETXATTR,
    OP_COPY,
    OP_FSYNC,
    OP_FSYNC_DIR,
    OP_KIND_COUNT
};

/* All that is needed to make the call, and to know what it changes. */
struct op {
    enum op_kind kind;
    unsigned a, b;         /* slots */
    uint32_t offset, len;  /* bytes */
    uint64_t seed;         /* of the contents; mode or attribute */
    uint64_t begun, ended; /* places in the order of all threads' calls */
};

struct file {
    uint32_t size, mode;
    uint64_t mark; /* value of its extended attribute; 0: none */
    uint8_t bytes[FILE_LEN_MAX];
};

struct state {
    int slots[SLOT_COUNT]; /* index of the file with this name; -1: there is none */
    struct file files[SLOT_COUNT];
};

struct worker {
    unsigned number;
    uint64_t random;
    char dir[4096];
    struct kills *kills;
    pthread_t thread;

    struct state base; /* at the beginning of the round */
    struct state now;  /* as the thread knows it, after all that has returned */
    struct op ops[OP_COUNT_MAX];
    atomic_uint made;     /* calls that have begun */
    atomic_uint returned; /* calls that have succeeded; at most one behind `made` */
    unsigned durable;     /* [sync_mu] calls that a sync has covered */

    unsigned first, last; /* what was found is the state after so many calls, or some between */
    bool is_cut;          /* and a part of the write that follows */
};

struct kills {
    struct worker workers[THREAD_COUNT];
    atomic_bool stop;   /* make no further calls */
    atomic_bool killed; /* calls may fail from now on */
    bool seldom_syncs;  /* in this round */
    atomic_uint_fast64_t clock;
    pthread_mutex_t sync_mu;
};

/* kills_model.c */
bool is_sync(enum op_kind kind);
unsigned state_links(const struct state *s, int file);
/* `len` bytes of a write have been done; all other calls are whole. */
void state_apply(struct state *s, const struct op *op, uint32_t len);
/* NULL when they are alike, else what differs. */
const char *state_compare(const struct state *want, const struct state *found);
/* A call that can succeed in this state. */
void op_choose(const struct state *s, bool seldom_syncs, uint64_t *random, struct op *op);
void op_print(unsigned number, const struct op *op);

/* kills_load.c */
void slot_path(const struct worker *w, unsigned slot, char *path, size_t path_len);
void *worker_run(void *worker);
/* Large files come and go in DIR/noise until kills->stop: work for the engine. */
void noise_run(const char *dir, struct kills *k);

/* kills_check.c */
/*
 * Compare DIR with the model; base and now become what was found. Without `lost` nothing that had
 * returned may be missing. Ends the program with an explanation when something is wrong.
 */
void workers_check(struct kills *k, bool lost);

#endif
