/*
 * Locks of inodes.
 *
 * A lock is a mutex with a count of those who hold or wait for it. The table finds it by number: 64
 * shards, each a chain under a mutex of its own. A lock is in the table only while its count is not
 * zero, so a chain is never longer than the number of threads, and mostly empty; that is why it is
 * a list rather than a hash table. Each shard keeps the memory of one, so that an operation seldom
 * allocates; the mutex in it is made anew, as it stands in another order for another number.
 *
 * Order: locks of one operation in ascending order of number; a shard's mutex is never held while
 * waiting for a lock.
 */
#include "fs/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/check.h"
#include "lsm/base/mutex.h"
#include "lsm/base/waiting.h"

enum {
    SHARD_COUNT = 64
};

struct inode_lock {
    struct mutex mu;         /* the lock itself */
    uint64_t ino;            /* constant while refs > 0 */
    unsigned refs;           /* [shard] holders and waiters */
    struct inode_lock *next; /* [shard] */
};

struct shard {
    _Alignas(64) struct mutex mu; /* order: leaf */
    struct inode_lock *chain;     /* [mu] */
    struct inode_lock *spare;     /* [mu] NULL or memory for one */
};

struct lock_table {
    struct shard shards[SHARD_COUNT];
};

/* Numbers of one directory are neighbours: spread them, and the groups too. */
static struct shard *shard_of(struct lock_table *t, uint64_t ino)
{
    return &t->shards[(ino ^ ino >> 16) % SHARD_COUNT];
}

int lock_table_new(struct lock_table **ret)
{
    struct lock_table *t = aligned_alloc(_Alignof(struct lock_table), sizeof(*t));

    if (!t)
        return -ENOMEM;
    memset(t, 0, sizeof(*t));
    for (int i = 0; i < SHARD_COUNT; i++)
        mutex_init(&t->shards[i].mu);
    *ret = t;
    return 0;
}

void lock_table_free(struct lock_table *t)
{
    if (!t)
        return;
    for (int i = 0; i < SHARD_COUNT; i++) {
        CHECK(!t->shards[i].chain);
        free(t->shards[i].spare);
        mutex_done(&t->shards[i].mu);
    }
    free(t);
}

static struct inode_lock *lock_new(struct shard *s) REQUIRES(s->mu)
{
    struct inode_lock *l = s->spare;

    if (l)
        s->spare = NULL;
    else
        l = malloc(sizeof(*l));
    if (l)
        mutex_init(&l->mu);
    return l;
}

/* The lock of a number, with one more reference; NULL without memory. */
static struct inode_lock *lock_ref(struct lock_table *t, uint64_t ino)
{
    struct shard *s = shard_of(t, ino);
    struct inode_lock *l;

    mutex_lock(&s->mu);
    for (l = s->chain; l && l->ino != ino; l = l->next)
        ;
    if (l) {
        l->refs++;
    } else {
        l = lock_new(s);
        if (l) {
            l->ino = ino;
            l->refs = 1;
            l->next = s->chain;
            s->chain = l;
        }
    }
    mutex_unlock(&s->mu);
    return l;
}

static void lock_unref(struct lock_table *t, struct inode_lock *l)
{
    struct shard *s = shard_of(t, l->ino);
    struct inode_lock **at;

    mutex_lock(&s->mu);
    if (--l->refs) {
        l = NULL;
    } else {
        for (at = &s->chain; *at != l; at = &(*at)->next)
            ;
        *at = l->next;
        mutex_done(&l->mu);
        if (!s->spare) {
            s->spare = l;
            l = NULL;
        }
    }
    mutex_unlock(&s->mu);
    free(l);
}

/* Insert into the sorted numbers unless it is zero or there; returns the new count. */
static int number_insert(uint64_t *sorted, int count, uint64_t ino)
{
    int at = count;

    while (at > 0 && sorted[at - 1] > ino)
        at--;
    if (!ino || (at > 0 && sorted[at - 1] == ino))
        return count;
    memmove(sorted + at + 1, sorted + at, (size_t)(count - at) * sizeof(*sorted));
    sorted[at] = ino;
    return count + 1;
}

NO_TSA int inode_locks_take_sorted(struct lock_table *t, const uint64_t *sorted, int count,
                                   struct inode_lock **ret_held)
{
    for (int i = 0; i < count; i++) {
        struct inode_lock *l = lock_ref(t, sorted[i]);
        const char *before;

        if (!l) {
            inode_locks_drop_sorted(t, ret_held, i);
            return -ENOMEM;
        }
        before = waiting_begin("an inode that another request changes");
        mutex_lock(&l->mu);
        waiting_end(before);
        ret_held[i] = l;
    }
    return 0;
}

NO_TSA void inode_locks_drop_sorted(struct lock_table *t, struct inode_lock **held, int count)
{
    while (count) {
        struct inode_lock *l = held[--count];

        mutex_unlock(&l->mu);
        lock_unref(t, l);
    }
}

int inode_locks_take(struct lock_table *t, const uint64_t *inos, int count, struct inode_locks *ret)
{
    uint64_t sorted[INODE_LOCKS_MAX];
    int n = 0, err;

    CHECK(count <= INODE_LOCKS_MAX);
    for (int i = 0; i < count; i++)
        n = number_insert(sorted, n, inos[i]);
    err = inode_locks_take_sorted(t, sorted, n, ret->held);
    ret->count = err ? 0 : n;
    return err;
}

void inode_locks_drop(struct lock_table *t, struct inode_locks *locks)
{
    inode_locks_drop_sorted(t, locks->held, locks->count);
    locks->count = 0;
}
