/*
 * A bump allocator: memory is handed out piece by piece by any number of threads at once, and given
 * back all together.
 */
#ifndef LSM_MEM_ARENA_H
#define LSM_MEM_ARENA_H

#include <stdatomic.h>
#include <stddef.h>

#include "lsm/base/mutex.h"

struct arena_block;

/* Told of memory that is taken (bytes) or given back (negative). Any thread, under no lock. */
struct arena_account {
    void (*change)(void *arg, ptrdiff_t change_len);
    void *arg;
};

struct arena {
    _Atomic(struct arena_block *) current; /* pieces are cut from here; NULL at first */
    atomic_size_t large_len;               /* bytes of pieces that have a block of their own */

    struct arena_account account; /* constant once two threads use the arena; change may be NULL */
    atomic_size_t taken_len;      /* bytes of all blocks */

    struct mutex mu;            /* a leaf: no lock is taken under it */
    struct arena_block *blocks; /* [mu] all of them, to be freed */
};

void arena_init(struct arena *a);
void arena_done(struct arena *a); /* frees everything; nobody may be using it */
/* Tell somebody of all that is and will be taken. Before the arena is shared, and once. */
void arena_set_account(struct arena *a, struct arena_account account);
/* `len` bytes, aligned to 8, uninitialised; NULL when there is no memory. Any thread. */
void *arena_alloc(struct arena *a, size_t len);
/* Bytes handed out (with the unused ends of full blocks). Any thread. */
size_t arena_len(const struct arena *a);

#endif
