/*
 * Which files keep their descriptors. The hand of a clock goes round those that have one (second
 * chance), so that a read costs two atomic operations and no lock.
 *
 * A pin is one more in `pins`. Closing exchanges a count of zero for FD_CLOSED, so a descriptor is
 * never closed under a reader; whoever pins afterwards sees the mark and opens the file again,
 * under the lock. When all are pinned the limit is exceeded rather than anybody kept waiting.
 */
#include "lsm/env/fd_cache.h"

#include <sys/resource.h>
#include <unistd.h>

#include "lsm/base/check.h"

enum {
    COUNT_MAX = 1 << 16,
    COUNT_MIN = 16,
};

#define FD_CLOSED (1u << 31)

unsigned fd_cache_default_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / 2 > COUNT_MAX)
        return COUNT_MAX;
    return limit.rlim_cur / 2 > COUNT_MIN ? (unsigned)(limit.rlim_cur / 2) : COUNT_MIN;
}

void fd_cache_init(struct fd_cache *c, unsigned count_max)
{
    mutex_init(&c->mu);
    c->count_max = count_max;
    c->hand = NULL;
    c->count = 0;
}

void fd_cache_done(struct fd_cache *c)
{
    mutex_done(&c->mu);
}

/* Behind the hand: it comes there last. */
static void link_locked(struct fd_cache *c, struct fd_entry *e) REQUIRES(c->mu)
{
    if (c->hand) {
        e->next = c->hand;
        e->prev = c->hand->prev;
        e->prev->next = e->next->prev = e;
    } else {
        c->hand = e->next = e->prev = e;
    }
    c->count++;
}

static void unlink_locked(struct fd_cache *c, struct fd_entry *e) REQUIRES(c->mu)
{
    if (c->hand == e)
        c->hand = e->next == e ? NULL : e->next;
    e->prev->next = e->next;
    e->next->prev = e->prev;
    c->count--;
}

/* Take the descriptor of the entry under the hand, unless it is in use or was a while ago. */
static bool try_evict_locked(struct fd_cache *c) REQUIRES(c->mu)
{
    struct fd_entry *e = c->hand;
    unsigned none = 0;

    c->hand = e->next;
    if (atomic_exchange_explicit(&e->used, false, memory_order_relaxed))
        return false;
    if (!atomic_compare_exchange_strong_explicit(&e->pins, &none, FD_CLOSED, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    unlink_locked(c, e);
    close(e->fd);
    return true;
}

/* Make room for one more; twice round, the first time may only take the marks off. */
static void evict_locked(struct fd_cache *c) REQUIRES(c->mu)
{
    for (unsigned tries = 2 * c->count; tries > 0 && c->count >= c->count_max; tries--)
        (void)try_evict_locked(c);
}

void fd_cache_add(struct fd_cache *c, struct fd_entry *e, int fd)
{
    e->fd = fd;
    atomic_init(&e->pins, 0);
    atomic_init(&e->used, true);
    mutex_lock(&c->mu);
    evict_locked(c);
    link_locked(c, e);
    mutex_unlock(&c->mu);
}

void fd_cache_remove(struct fd_cache *c, struct fd_entry *e)
{
    bool closed;

    mutex_lock(&c->mu);
    closed = atomic_load(&e->pins) & FD_CLOSED;
    if (!closed)
        unlink_locked(c, e);
    mutex_unlock(&c->mu);
    CHECK((atomic_load(&e->pins) & ~FD_CLOSED) == 0);
    if (!closed)
        close(e->fd);
}

/* The entry is pinned, so that nobody else closes it once it is open. */
static int open_again(struct fd_cache *c, struct fd_entry *e, int (*reopen)(void *arg, int *ret_fd),
                      void *arg)
{
    int err = 0;

    mutex_lock(&c->mu);
    if (atomic_load_explicit(&e->pins, memory_order_acquire) & FD_CLOSED) {
        evict_locked(c);
        err = reopen(arg, &e->fd);
        if (!err) {
            link_locked(c, e);
            atomic_fetch_and_explicit(&e->pins, ~FD_CLOSED, memory_order_release);
        }
    }
    mutex_unlock(&c->mu);
    return err;
}

int fd_cache_pin(struct fd_cache *c, struct fd_entry *e, int (*reopen)(void *arg, int *ret_fd),
                 void *arg, int *ret_fd)
{
    int err = 0;

    if (atomic_fetch_add_explicit(&e->pins, 1, memory_order_acquire) & FD_CLOSED)
        err = open_again(c, e, reopen, arg);
    if (err) {
        fd_cache_unpin(e);
        return err;
    }
    if (!atomic_load_explicit(&e->used, memory_order_relaxed))
        atomic_store_explicit(&e->used, true, memory_order_relaxed);
    *ret_fd = e->fd;
    return 0;
}
