/*
 * An environment in memory, for tests that make and throw away thousands of stores.
 *
 * Everything is durable at once and nothing fails, but that more than ENV_MEMORY_LEN_MAX bytes in
 * all are a full disk. Files that are kept aside are gone. All calls may be made from any thread,
 * but for those below.
 */
#ifndef TESTS_LIB_ENV_MEMORY_H
#define TESTS_LIB_ENV_MEMORY_H

#include "lsm/env/env.h"

enum {
    ENV_MEMORY_LEN_MAX = 256 << 20
};

/* Without files. env_close on it does nothing, so that a store can be opened on it again. */
struct env *env_memory_new(void);
/* Another one with the same files. */
struct env *env_memory_copy(struct env *from);
/* Files must be closed. NULL is allowed. */
void env_memory_free(struct env *env);
/* Make or replace a file; the bytes are copied. */
void env_memory_put(struct env *env, const char *name, struct slice contents);
/* The nth file, in the order of their making, to be changed in place; NULL behind the last. */
struct buf *env_memory_nth(struct env *env, unsigned n, const char **ret_name);

#endif
