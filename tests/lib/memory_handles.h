/*
 * What environments in memory have in common: readers, and the listing of names. How files are kept
 * is the environment's own; it embeds the head below and offers the calls.
 */
#ifndef TESTS_LIB_MEMORY_HANDLES_H
#define TESTS_LIB_MEMORY_HANDLES_H

#include "lsm/base/mutex.h"
#include "lsm/env/env.h"

/* All are called with the environment's lock held. */
struct memory_calls {
    /* The file of that name, with a reference for the caller; NULL: there is none. */
    void *(*open)(struct env *env, const char *name);
    void (*close)(struct env *env, void *file);
    uint64_t (*len)(const void *file);
    /* Fewer bytes than asked for only at the end of the file. */
    size_t (*read)(const void *file, uint64_t offset, size_t len, void *buf);
    /* The nth name; NULL behind the last. */
    const char *(*nth_name)(struct env *env, size_t n);
};

struct memory_head {
    struct env env;
    const struct memory_calls *calls;
    struct mutex *mu; /* of the environment */
};

/* For struct env_ops, which gets all of them by MEMORY_HANDLE_OPS in its initializer. */
int memory_reader_open(struct env *env, const char *name, struct env_reader **ret);
int memory_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len);
int memory_reader_len(struct env_reader *r, uint64_t *ret_len);
void memory_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len);
void memory_reader_close(struct env_reader *r);
/* `each` may change the directory: it gets the names of the moment when the listing began. */
int memory_list(struct env *env, int (*each)(void *arg, const char *name), void *arg);
/* Such an environment outlives the stores that are opened on it. */
void memory_close_nothing(struct env *env);

#define MEMORY_HANDLE_OPS                                                                          \
    .reader_open = memory_reader_open, .reader_read = memory_reader_read,                          \
    .reader_len = memory_reader_len, .reader_prefetch = memory_reader_prefetch,                    \
    .reader_close = memory_reader_close, .list = memory_list, .close = memory_close_nothing

#endif
