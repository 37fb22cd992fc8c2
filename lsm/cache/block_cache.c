/*
 * The block cache.
 *
 * A block is one piece of the pool's memory: this header, then its data. While it is cached, the
 * header also links it into its shard's hash table and into one of the shard's two lists. A new
 * block enters the probation list; a second request moves it to the protected list, which may hold
 * four fifths of the shard's budget and hands its least recently used back to probation. Eviction
 * takes the least recently used of probation, so blocks that are read once only push out each
 * other.
 *
 * What memtables and open tables hold is reserved: taken from every shard's share alike.
 *
 * Each shard has a share of the budget and a mutex, a leaf. Blocks are let go after it is released.
 * A cache that is too small for many shards has fewer, so that a shard always has room for several
 * of the largest usual blocks.
 */
#include "lsm/cache/block_cache.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lsm/base/check.h"
#include "lsm/base/mutex.h"
#include "lsm/cache/block_pool.h"
#include "lsm/cache/block_table.h"

#include <utlist.h>

enum {
    SHARD_COUNT_MAX = 16,
    SHARD_LEN_MIN = 4 << 20, /* no second shard before each has so many bytes */
    CACHE_LINE_LEN = 64,
    TICK_PART = 16, /* a block keeps its place until so great a part of the shard has come in */
};

struct cache_key {
    uint64_t file, offset;
};

/* Holders of a reference: whoever was given a pointer, and the cache that it is in. */
struct cached {
    struct cache_block block; /* first: pointers to it are pointers to this */
    size_t charge;            /* bytes that it counts for; constant */

    atomic_uint refs;
    atomic_bool placed; /* in a cache, or on the way in or out: the rest is that cache's */

    /* Guarded by the mutex of the shard that it is in. First what every request looks at. */
    bool is_protected;
    struct cache_key key;
    uint64_t placed_tick; /* the shard's tick when it was last put at the head of its list */
    struct cached *prev, *next;
    _Alignas(16) uint8_t bytes[];
};

struct shard {
    _Alignas(CACHE_LINE_LEN) struct mutex mu; /* a leaf */
    atomic_size_t capacity_len;               /* what is left of the shard's share */

    /* All guarded by mu. */
    struct block_table table;              /* by hash of the key */
    struct cached *probation, *protected_; /* most recently used first */
    size_t len, protected_len;             /* bytes charged, in all and in the protected list */
    uint64_t block_count, hits, misses;
    uint64_t tick; /* counts the blocks that came in */
};

struct block_cache {
    unsigned shard_count; /* a power of two; constant */
    size_t capacity_len;  /* constant */
    size_t keep_len_max;  /* constant once shared */
    atomic_llong reserved_len;
    atomic_size_t kept_len; /* bytes of blocks that are kept outside the lists */
    struct shard shards[];
};

/* --- Blocks --- */

int cache_block_new(size_t len, struct cache_block **ret)
{
    struct cached *b;
    size_t taken_len = sizeof(*b) + len;

    if (len > SIZE_MAX - sizeof(*b))
        return -ENOMEM;
    b = block_pool_get(&taken_len);
    if (!b)
        return -ENOMEM;
    b->block.len = len;
    b->block.data = b->bytes;
    b->charge = taken_len + BLOCK_TABLE_ENTRY_LEN;
    atomic_init(&b->refs, 1);
    atomic_init(&b->placed, false);
    *ret = &b->block;
    return 0;
}

void cache_block_ref(struct cache_block *b)
{
    atomic_fetch_add_explicit(&((struct cached *)b)->refs, 1, memory_order_relaxed);
}

void cache_block_unref(struct cache_block *b)
{
    struct cached *c = (struct cached *)b;

    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        block_pool_put(c, c->charge - BLOCK_TABLE_ENTRY_LEN);
}

void cache_block_release(void *block)
{
    cache_block_unref(block);
}

/* --- Shards --- */

static uint64_t key_hash(const struct cache_key *key)
{
    uint64_t x = key->file * UINT64_C(0x9e3779b97f4a7c15) + key->offset;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The top bits choose the shard, the low ones the place in its table. */
static struct shard *shard_of(struct block_cache *c, uint64_t hash)
{
    return &c->shards[hash >> 60 & (c->shard_count - 1)];
}

static struct cached *find_locked(struct shard *s, const struct cache_key *key, uint64_t hash)
    REQUIRES(s->mu)
{
    struct cached *b;
    uint64_t at = hash;

    do
        b = block_table_next(&s->table, hash, &at);
    while (b && (b->key.file != key->file || b->key.offset != key->offset));
    return b;
}

static void list_add_locked(struct shard *s, struct cached *b, bool is_protected) REQUIRES(s->mu)
{
    b->is_protected = is_protected;
    b->placed_tick = s->tick;
    if (is_protected) {
        DL_PREPEND(s->protected_, b);
        s->protected_len += b->charge;
    } else {
        DL_PREPEND(s->probation, b);
    }
}

static void list_remove_locked(struct shard *s, struct cached *b) REQUIRES(s->mu)
{
    if (b->is_protected) {
        DL_DELETE(s->protected_, b);
        s->protected_len -= b->charge;
    } else {
        DL_DELETE(s->probation, b);
    }
}

/* Put b at the head of the protected list; what no longer fits goes back to probation. */
static void protect_locked(struct shard *s, struct cached *b) REQUIRES(s->mu)
{
    size_t capacity_len = atomic_load_explicit(&s->capacity_len, memory_order_relaxed);

    list_add_locked(s, b, true);
    while (s->protected_len > capacity_len - capacity_len / 5 &&
           s->protected_->prev != b) { /* the head's prev is the tail */
        struct cached *tail = s->protected_->prev;

        list_remove_locked(s, tail);
        list_add_locked(s, tail, false);
    }
}

/* Take b out and put it on the list of those to be let go without the lock. */
static void remove_locked(struct shard *s, struct cached *b, struct cached **dead) REQUIRES(s->mu)
{
    list_remove_locked(s, b);
    block_table_remove(&s->table, key_hash(&b->key), b);
    s->len -= b->charge;
    s->block_count--;
    b->next = *dead;
    *dead = b;
}

static void let_go(struct cached *dead)
{
    while (dead) {
        struct cached *next = dead->next;

        atomic_store_explicit(&dead->placed, false, memory_order_release);
        cache_block_unref(&dead->block);
        dead = next;
    }
}

/* Keep to the budget without evicting `fresh`. */
static void evict_locked(struct shard *s, const struct cached *fresh, struct cached **dead)
    REQUIRES(s->mu)
{
    while (s->len > atomic_load_explicit(&s->capacity_len, memory_order_relaxed)) {
        struct cached *victim = s->probation ? s->probation->prev : NULL;

        if (!victim || victim == fresh)
            victim = s->protected_ ? s->protected_->prev : NULL;
        if (!victim || victim == fresh)
            break;
        remove_locked(s, victim, dead);
    }
}

/* --- The cache --- */

int block_cache_new(size_t capacity_len, struct block_cache **ret)
{
    struct block_cache *c;
    unsigned count = 1;
    size_t len;

    while (count < SHARD_COUNT_MAX && capacity_len / (2 * count) >= SHARD_LEN_MIN)
        count *= 2;
    len = sizeof(*c) + count * sizeof(c->shards[0]);
    c = aligned_alloc(CACHE_LINE_LEN, len);
    if (!c)
        return -ENOMEM;
    memset(c, 0, len);
    c->shard_count = count;
    c->capacity_len = capacity_len;
    c->keep_len_max = capacity_len / 2;
    atomic_init(&c->reserved_len, 0);
    atomic_init(&c->kept_len, 0);
    for (unsigned i = 0; i < count; i++) {
        mutex_init(&c->shards[i].mu);
        atomic_init(&c->shards[i].capacity_len, capacity_len / count);
    }
    block_pool_change_limit((ptrdiff_t)capacity_len);
    *ret = c;
    return 0;
}

/* Remove the blocks of one file, or all. */
static void drop(struct block_cache *c, const uint64_t *file)
{
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];
        struct cached *b, *next, *dead = NULL;

        mutex_lock(&s->mu);
        DL_FOREACH_SAFE (s->probation, b, next)
            if (!file || b->key.file == *file)
                remove_locked(s, b, &dead);
        DL_FOREACH_SAFE (s->protected_, b, next)
            if (!file || b->key.file == *file)
                remove_locked(s, b, &dead);
        mutex_unlock(&s->mu);
        let_go(dead);
    }
}

void block_cache_free(struct block_cache *c)
{
    if (!c)
        return;
    drop(c, NULL);
    for (unsigned i = 0; i < c->shard_count; i++) {
        block_table_done(&c->shards[i].table);
        mutex_done(&c->shards[i].mu);
    }
    block_pool_change_limit(
        (ptrdiff_t)(atomic_load(&c->reserved_len) - (long long)atomic_load(&c->kept_len)) -
        (ptrdiff_t)c->capacity_len);
    free(c);
}

void block_cache_drop_file(struct block_cache *c, uint64_t file)
{
    drop(c, &file);
}

struct cache_block *block_cache_get(struct block_cache *c, uint64_t file, uint64_t offset)
{
    struct cache_key key = {file, offset};
    uint64_t hash = key_hash(&key);
    struct shard *s = shard_of(c, hash);
    struct cached *b;

    mutex_lock(&s->mu);
    b = find_locked(s, &key, hash);
    if (b) {
        s->hits++;
        cache_block_ref(&b->block);
        /* As long as nothing comes in, nothing goes out, and the order does not matter. */
        if (!b->is_protected || s->tick - b->placed_tick > s->block_count / TICK_PART) {
            list_remove_locked(s, b);
            protect_locked(s, b);
        }
    } else {
        s->misses++;
    }
    mutex_unlock(&s->mu);
    return b ? &b->block : NULL;
}

void block_cache_prefetch_slot(struct block_cache *c, uint64_t file, uint64_t offset)
{
    uint64_t hash = key_hash(&(struct cache_key){file, offset});

    block_table_prefetch(&shard_of(c, hash)->table, hash);
}

void block_cache_prefetch(struct block_cache *c, uint64_t file, uint64_t offset)
{
    uint64_t hash = key_hash(&(struct cache_key){file, offset}), at = hash;
    struct shard *s = shard_of(c, hash);
    const char *b;

    mutex_lock(&s->mu);
    b = block_table_next(&s->table, hash, &at);
    mutex_unlock(&s->mu);
    if (!b)
        return;
    __builtin_prefetch(b);
    __builtin_prefetch(b + CACHE_LINE_LEN);
}

/* Whether b was taken in. */
static bool insert_locked(struct shard *s, struct cached *b, uint64_t hash,
                          enum cache_priority priority) REQUIRES(s->mu)
{
    if (find_locked(s, &b->key, hash))
        return false;
    if (block_table_add(&s->table, hash, b))
        return false;
    cache_block_ref(&b->block);
    s->len += b->charge;
    s->block_count++;
    s->tick++;
    if (priority == CACHE_HIGH)
        protect_locked(s, b);
    else
        list_add_locked(s, b, false);
    return true;
}

void block_cache_put(struct block_cache *c, uint64_t file, uint64_t offset, struct cache_block *b,
                     enum cache_priority priority)
{
    struct cached *fresh = (struct cached *)b, *dead = NULL;
    struct cache_key key = {file, offset};
    uint64_t hash = key_hash(&key);
    struct shard *s = shard_of(c, hash);
    bool added;

    /* One block must not push out most of a shard. */
    if (fresh->charge > atomic_load_explicit(&s->capacity_len, memory_order_relaxed) / 2 ||
        atomic_exchange_explicit(&fresh->placed, true, memory_order_acquire))
        return;
    fresh->key = key;
    mutex_lock(&s->mu);
    added = insert_locked(s, fresh, hash, priority);
    if (added)
        evict_locked(s, fresh, &dead);
    mutex_unlock(&s->mu);
    if (!added)
        atomic_store_explicit(&fresh->placed, false, memory_order_release);
    let_go(dead);
}

/* The share of a shard, from what is reserved at this moment. */
static size_t shard_capacity(const struct block_cache *c)
{
    long long reserved = atomic_load(&c->reserved_len);
    size_t left_min = c->capacity_len / 8, left = left_min;

    if (reserved < (long long)(c->capacity_len - left_min))
        left = reserved > 0 ? c->capacity_len - (size_t)reserved : c->capacity_len;
    return left / c->shard_count;
}

static void reserve(struct block_cache *c, ptrdiff_t change_len)
{
    atomic_fetch_add(&c->reserved_len, change_len);
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];
        struct cached *dead = NULL;

        mutex_lock(&s->mu);
        /* Under the lock: the last one here sees all that was added. */
        atomic_store_explicit(&s->capacity_len, shard_capacity(c), memory_order_relaxed);
        evict_locked(s, NULL, &dead);
        mutex_unlock(&s->mu);
        let_go(dead);
    }
}

void block_cache_reserve(struct block_cache *c, ptrdiff_t change_len)
{
    reserve(c, change_len);
    block_pool_change_limit(-change_len);
}

void block_cache_set_keep_max(struct block_cache *c, size_t keep_len_max)
{
    c->keep_len_max = keep_len_max;
}

bool block_cache_may_keep(const struct block_cache *c)
{
    return atomic_load_explicit(&c->kept_len, memory_order_relaxed) < c->keep_len_max;
}

bool block_cache_keep(struct block_cache *c, size_t len)
{
    size_t before = atomic_fetch_add(&c->kept_len, len);

    if (len > c->keep_len_max || before > c->keep_len_max - len) {
        atomic_fetch_sub(&c->kept_len, len);
        return false;
    }
    reserve(c, (ptrdiff_t)len); /* from the lists, but still a block's memory */
    return true;
}

void block_cache_unkeep(struct block_cache *c, size_t len)
{
    atomic_fetch_sub(&c->kept_len, len);
    reserve(c, -(ptrdiff_t)len);
}

void block_cache_stats(struct block_cache *c, struct block_cache_stats *ret)
{
    *ret = (struct block_cache_stats){.capacity_len = c->capacity_len};
    ret->reserved_len = (size_t)atomic_load(&c->reserved_len);
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct shard *s = &c->shards[i];

        mutex_lock(&s->mu);
        ret->hits += s->hits;
        ret->misses += s->misses;
        ret->len += s->len;
        ret->block_count += s->block_count;
        mutex_unlock(&s->mu);
    }
}
