/*
 * The pool of memory for blocks.
 *
 * Lengths are rounded up to one of 32 between a power of two and the next, so a block of 8 KiB
 * leaves at most 256 bytes unused, and a list of idle pieces for each of these classes serves
 * without a search. The least that is kept idle, whatever the limit, lets a full cache put each new
 * block where the one before it was evicted. When more must go, the class with the most idle bytes
 * loses first: that is one which is no longer asked for.
 *
 * The lock, a leaf, is held for some tens of nanoseconds by somebody who has a block to read or to
 * decompress.
 */
#include "lsm/cache/block_pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lsm/base/mutex.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, len)   ((void)(p), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(p, len) ((void)(p), (void)(len))
#endif

enum {
    CLASS_BITS = 5, /* 32 classes from a power of two to the next */
    EXPONENT_MIN = 9,
    EXPONENT_MAX = 20, /* longer pieces are not kept */
    CLASS_COUNT = (EXPONENT_MAX - EXPONENT_MIN) << CLASS_BITS,
    KEPT_LEN_MIN = 1 << 20,
};

/* At the beginning of an idle piece. */
struct idle {
    struct idle *next;
    size_t len; /* bytes of the piece; for what is taken off */
};

struct class_list {
    struct idle *first;
    size_t idle_len; /* bytes in all */
};

static struct {
    struct mutex mu;                        /* a leaf */
    long long limit_len;                    /* [mu] bytes */
    size_t held_len;                        /* [mu] bytes in use and idle */
    size_t idle_len;                        /* [mu] */
    struct class_list classes[CLASS_COUNT]; /* [mu] */
} pool = {.mu = {PTHREAD_MUTEX_INITIALIZER}};

static bool is_kept(size_t len)
{
    return len <= (size_t)1 << EXPONENT_MAX;
}

/* The class of a length, which is rounded up to all that the class has. */
static unsigned class_of(size_t *len)
{
    size_t last = *len > (size_t)1 << EXPONENT_MIN ? *len - 1 : (size_t)1 << EXPONENT_MIN;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(last);
    unsigned shift = exponent - CLASS_BITS;
    size_t step = last >> shift; /* from 32 to 63 */

    *len = (step + 1) << shift;
    return ((exponent - EXPONENT_MIN) << CLASS_BITS) + (unsigned)(step - (1 << CLASS_BITS));
}

static struct idle *pop_locked(unsigned class, size_t len) REQUIRES(pool.mu)
{
    struct idle *p = pool.classes[class].first;

    if (!p)
        return NULL;
    pool.classes[class].first = p->next;
    pool.classes[class].idle_len -= len;
    pool.idle_len -= len;
    return p;
}

static unsigned most_idle_locked(void) REQUIRES(pool.mu)
{
    unsigned most = 0;

    for (unsigned i = 1; i < CLASS_COUNT; i++)
        if (pool.classes[i].idle_len > pool.classes[most].idle_len)
            most = i;
    return most;
}

static size_t class_len(unsigned class)
{
    unsigned exponent = EXPONENT_MIN + (class >> CLASS_BITS);
    size_t step = (class & ((1U << CLASS_BITS) - 1)) + (1U << CLASS_BITS);

    return (step + 1) << (exponent - CLASS_BITS);
}

static bool has_too_much_locked(size_t kept_len) REQUIRES(pool.mu)
{
    return pool.idle_len > kept_len && (long long)pool.held_len > pool.limit_len;
}

/* Take off what is idle above the limit; the caller frees the list when it has let go of mu. */
static struct idle *trim_locked(void) REQUIRES(pool.mu)
{
    size_t kept_len = pool.limit_len > 0 ? KEPT_LEN_MIN : 0;
    struct idle *dead = NULL;

    while (has_too_much_locked(kept_len)) {
        unsigned class = most_idle_locked();
        size_t len = class_len(class);

        while (pool.classes[class].first && has_too_much_locked(kept_len)) {
            struct idle *p = pop_locked(class, len);

            pool.held_len -= len;
            p->len = len;
            p->next = dead;
            dead = p;
        }
    }
    return dead;
}

static void free_all(struct idle *dead)
{
    while (dead) {
        struct idle *next = dead->next;

        free(dead);
        dead = next;
    }
}

void *block_pool_get(size_t *len)
{
    struct idle *p, *dead = NULL;
    unsigned class;

    if (!is_kept(*len))
        return malloc(*len);
    class = class_of(len);
    mutex_lock(&pool.mu);
    p = pop_locked(class, *len);
    if (!p) {
        pool.held_len += *len;
        dead = trim_locked();
    }
    mutex_unlock(&pool.mu);
    free_all(dead);
    if (p) {
        ASAN_UNPOISON_MEMORY_REGION(p, *len);
        return p;
    }
    p = malloc(*len);
    if (!p) {
        mutex_lock(&pool.mu);
        pool.held_len -= *len;
        mutex_unlock(&pool.mu);
    }
    return p;
}

void block_pool_put(void *memory, size_t len)
{
    struct idle *p = memory, *dead;
    unsigned class;

    if (!is_kept(len)) {
        free(memory);
        return;
    }
    class = class_of(&len);
    ASAN_POISON_MEMORY_REGION(p + 1, len - sizeof(*p));
    mutex_lock(&pool.mu);
    p->next = pool.classes[class].first;
    pool.classes[class].first = p;
    pool.classes[class].idle_len += len;
    pool.idle_len += len;
    dead = trim_locked();
    mutex_unlock(&pool.mu);
    free_all(dead);
}

/*
 * free keeps most memory for this process. So the whole pages of a piece go back to the system
 * before it; that is half of a piece of 8 KiB, and nearly all of a long one.
 */
static void give_back(const struct idle *p)
{
    uintptr_t page_len = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)(p + 1) + page_len - 1) / page_len * page_len;
    uintptr_t to = ((uintptr_t)p + p->len) / page_len * page_len;

    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

void block_pool_change_limit(ptrdiff_t change_len)
{
    struct idle *dead;

    mutex_lock(&pool.mu);
    pool.limit_len += change_len;
    dead = trim_locked();
    mutex_unlock(&pool.mu);
    for (const struct idle *p = dead; p; p = p->next)
        give_back(p);
    free_all(dead);
}

void block_pool_stats(struct block_pool_stats *ret)
{
    mutex_lock(&pool.mu);
    *ret = (struct block_pool_stats){(size_t)pool.limit_len, pool.held_len, pool.idle_len};
    mutex_unlock(&pool.mu);
}
