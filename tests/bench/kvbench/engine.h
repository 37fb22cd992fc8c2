/*
 * What kvbench asks of a store, and the engines that answer. Every function fails with bench_fail;
 * -ENOENT, as false or NULL data, is the only answer that comes back. All but open and close may be
 * called from any thread at once; a cursor and a value belong to one thread.
 */
#ifndef KVBENCH_ENGINE_H
#define KVBENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/kvbench/dataset.h"

enum {
    MEMTABLE_LEN = 64 << 20, /* bytes; of every engine */
    CACHE_LEN = 512 << 20,   /* bytes */
    BLOOM_BITS = 10,         /* per key */
    MULTI_GET_COUNT = 32,    /* keys; the most in one multi_get */
};

struct config;
struct store;  /* each engine's own */
struct cursor; /* and this */

/* A value that was read. data is NULL when there is none. */
struct value {
    const void *data;
    size_t len; /* bytes */
    void *held[2];
};

struct engine {
    const char *name;
    const char *settings; /* what differs from its defaults, one line */
    const char *(*version)(void);

    struct store *(*open)(const struct config *c, const char *path, bool create);
    void (*close)(struct store *s);

    void (*put)(struct store *s, const struct key *key, const void *value, size_t len, bool sync);
    /* False when there is none. A true answer must be given to value_done. */
    bool (*get)(struct store *s, const struct key *key, struct value *ret);
    void (*value_done)(struct value *v); /* one without data is allowed */
    void (*multi_get)(struct store *s, const struct key *keys, size_t count, struct value *ret);
    /* Overwrite a part of a value that exists and is long enough. */
    void (*patch)(struct store *s, const struct key *key, size_t offset, const void *bytes,
                  size_t len);
    void (*delete_range)(struct store *s, const struct key *start, const struct key *end);

    struct cursor *(*cursor_open)(struct store *s);
    void (*cursor_close)(struct cursor *c);
    /* True when it stands on an entry. */
    bool (*first)(struct cursor *c);
    bool (*last)(struct cursor *c);
    bool (*seek)(struct cursor *c, const struct key *key); /* the first at or after key */
    bool (*next)(struct cursor *c);
    bool (*prev)(struct cursor *c);
    /* The entry it stands on; both borrow until the next move. */
    const void *(*key)(struct cursor *c, size_t *ret_len);
    const void *(*value)(struct cursor *c, size_t *ret_len);
};

extern const struct engine engine_lsm, engine_rocksdb, engine_leveldb;

/* NULL for one that is unknown or not built in. */
const struct engine *engine_find(const char *name);
/* By position from 0, in the order of the tables; NULL behind the last. Ours comes first. */
const struct engine *engine_at(size_t i);

/* For engines without patches: read, modify, write. */
void engine_patch_by_rewriting(const struct engine *e, struct store *s, const struct key *key,
                               size_t offset, const void *bytes, size_t len);

#endif
