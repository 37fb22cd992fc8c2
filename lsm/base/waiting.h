/*
 * What each thread waits for at the moment, in words, for whoever watches over it: a daemon that
 * tells why a request takes so long. Noted around what can take long (the disk, room, other
 * threads), at the cost of two stores.
 */
#ifndef LSM_BASE_WAITING_H
#define LSM_BASE_WAITING_H

#include <stdatomic.h>

/* Static text; NULL: for nothing that is known. Other threads may read it while the thread lives.
 */
typedef _Atomic(const char *) waiting_note;
extern _Thread_local waiting_note waiting_here;

/* From now on the calling thread waits for `what`, which is static text. Give the answer back. */
static inline const char *waiting_begin(const char *what)
{
    const char *before = atomic_load_explicit(&waiting_here, memory_order_relaxed);

    atomic_store_explicit(&waiting_here, what, memory_order_relaxed);
    return before;
}

static inline void waiting_end(const char *before)
{
    atomic_store_explicit(&waiting_here, before, memory_order_relaxed);
}

#endif
