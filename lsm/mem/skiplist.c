/*
 * The lock-free skip list.
 *
 * A node is linked from the bottom up, each level by a compare-and-swap with release order; readers
 * load links with acquire order, so they see a node's bytes when they see the node. A node that is
 * linked at a level is linked at all levels below it.
 *
 * Each thread remembers where its last insertion went: for every level the node before and the node
 * after it (struct splice). The next search starts from the lowest level where that pair still
 * encloses the new key and still is a pair of neighbours, so inserting near the last place, as
 * batches do, costs a few comparisons. A pair of neighbours that was torn apart never becomes one
 * again, as nothing is removed; this is why a successful swap proves that the pair encloses the
 * key.
 */
#include "lsm/mem/skiplist.h"

#include <errno.h>

#include "lsm/base/check.h"

enum {
    NODE_LOOK_LEN = 32, /* of a node: what is mostly compared lies before it */
    LOOK_DOWN = 2       /* levels */
};

/* prev[h] < the last key < next[h]; NULL is the end. Positions of prev ascend towards level 0. */
struct splice {
    uint64_t list_id; /* 0: none */
    struct skip_node *prev[SKIP_HEIGHT_MAX], *next[SKIP_HEIGHT_MAX];
};

static _Thread_local struct splice last_splice;
static _Thread_local uint32_t random_state;
static atomic_uint_fast64_t next_id = 1;

static inline struct skip_node *load_next(const struct skip_node *n, unsigned level)
{
    return atomic_load_explicit(skip_node_link(n, level), memory_order_acquire);
}

/* NULL is allowed. */
static inline void prefetch_look(const struct skip_node *n)
{
    __builtin_prefetch((const void *)(uintptr_t)n);
    __builtin_prefetch((const void *)((uintptr_t)n + NODE_LOOK_LEN));
}

static inline int compare(const struct skip_node *n, struct slice user, uint64_t trailer)
{
    struct slice key = skip_node_key(n);
    int c = slice_cmp(ikey_user(key), user);
    uint64_t mine;

    if (c)
        return c;
    mine = ikey_tail(key);
    return (mine < trailer) - (mine > trailer);
}

static struct skip_node *node_new(struct arena *arena, unsigned height, size_t bytes_len)
{
    skip_link *links;

    if (bytes_len > SIZE_MAX - sizeof(struct skip_node) - height * sizeof(*links))
        return NULL;
    links = arena_alloc(arena, height * sizeof(*links) + sizeof(struct skip_node) + bytes_len);
    if (!links)
        return NULL;
    for (unsigned i = 0; i < height; i++)
        atomic_init(&links[i], NULL);
    return (struct skip_node *)(links + height);
}

int skiplist_init(struct skiplist *list, struct arena *arena)
{
    list->arena = arena;
    list->id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
    list->head = node_new(arena, SKIP_HEIGHT_MAX, 0);
    if (!list->head)
        return -ENOMEM;
    list->head->key_len = 0;
    list->head->value_len = 0;
    return 0;
}

/*
 * Each level is half as likely as the one below: a search then looks at fewer nodes that no cache
 * holds than with a quarter, though at more that one does. xorshift32, seeded once per thread.
 */
static unsigned random_height(void)
{
    unsigned height = 1;
    uint32_t x = random_state;

    if (x == 0) {
        x = (uint32_t)(atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed) *
                       UINT64_C(2654435761));
        x = x ? x : 1;
    }
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    random_state = x;
    for (x >>= 6; height < SKIP_HEIGHT_MAX && (x & 1) == 0; x >>= 1)
        height++;
    return height;
}

/*
 * From `from`, which lies before the key, walk `level` to the neighbours that enclose it. `bound`
 * is a node known to lie behind the key, or NULL.
 */
static struct skip_node *walk(struct skip_node *from, unsigned level, struct slice user,
                              uint64_t trailer, const struct skip_node *bound,
                              struct skip_node **ret_next)
{
    for (;;) {
        struct skip_node *n = load_next(from, level);

        /* Fetch what may come next, if the search goes down from here, while n is compared. */
        for (unsigned down = 1; down <= LOOK_DOWN && down <= level; down++)
            prefetch_look(load_next(from, level - down));
        if (!n || n == bound || compare(n, user, trailer) >= 0) {
            *ret_next = n;
            return from;
        }
        from = n;
    }
}

/* The last node before the key (maybe the head), and the one after that. */
static struct skip_node *find(const struct skiplist *list, struct slice user, uint64_t trailer,
                              struct skip_node **ret_next)
{
    struct skip_node *prev = list->head, *next = NULL;

    for (unsigned level = SKIP_HEIGHT_MAX; level-- > 0;)
        prev = walk(prev, level, user, trailer, next, &next);
    *ret_next = next;
    return prev;
}

static void splice_reset(struct splice *s, const struct skiplist *list)
{
    s->list_id = list->id;
    for (unsigned i = 0; i < SKIP_HEIGHT_MAX; i++) {
        s->prev[i] = list->head;
        s->next[i] = NULL;
    }
}

/* The lowest level whose pair still are neighbours and enclose the key. */
static unsigned splice_level(const struct splice *s, const struct skiplist *list, struct slice user,
                             uint64_t trailer)
{
    const struct skip_node *before = NULL, *behind = NULL; /* known to be on the wrong side */
    unsigned level;

    for (level = 0; level < SKIP_HEIGHT_MAX; level++) {
        const struct skip_node *prev = s->prev[level], *next = s->next[level];

        if (prev == behind || (next && next == before) || load_next(prev, level) != next)
            continue;
        if (prev != list->head && compare(prev, user, trailer) >= 0)
            behind = prev;
        else if (next && compare(next, user, trailer) < 0)
            before = next;
        else
            break;
    }
    return level;
}

/* Make the splice enclose the key at every level. */
static void splice_find(struct splice *s, const struct skiplist *list, struct slice user,
                        uint64_t trailer)
{
    unsigned level;
    struct skip_node *prev = list->head, *next = NULL;

    if (s->list_id != list->id)
        splice_reset(s, list);
    level = splice_level(s, list, user, trailer);
    if (level < SKIP_HEIGHT_MAX) {
        prev = s->prev[level];
        next = s->next[level];
    }
    while (level-- > 0) {
        prev = walk(prev, level, user, trailer, next, &next);
        s->prev[level] = prev;
        s->next[level] = next;
    }
}

/* Link n, whose key is given again, at one level. */
static void link_level(struct splice *s, unsigned level, struct skip_node *n, struct slice user,
                       uint64_t trailer)
{
    for (;;) {
        struct skip_node *next = s->next[level];

        atomic_store_explicit(skip_node_link(n, level), next, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(skip_node_link(s->prev[level], level), &next, n,
                                                    memory_order_release, memory_order_relaxed))
            break;
        s->prev[level] = walk(s->prev[level], level, user, trailer, NULL, &s->next[level]);
    }
    DCHECK(!s->next[level] || compare(s->next[level], user, trailer) > 0);
    s->prev[level] = n;
}

int skiplist_insert(struct skiplist *list, struct slice user, uint64_t trailer, struct slice value)
{
    struct splice *s = &last_splice;
    unsigned height = random_height();
    size_t key_len = user.len + IKEY_TRAILER_LEN;
    struct skip_node *n = NULL;
    uint8_t *bytes;

    if (value.len <= SIZE_MAX - key_len)
        n = node_new(list->arena, height, key_len + value.len);
    if (!n)
        return -ENOMEM;
    n->key_len = (uint32_t)key_len;
    n->value_len = (uint32_t)value.len;
    bytes = (uint8_t *)(n + 1);
    if (user.len)
        memcpy(bytes, user.data, user.len);
    put_le64(bytes + user.len, trailer);
    if (value.len)
        memcpy(bytes + key_len, value.data, value.len);
    splice_find(s, list, user, trailer);
    for (unsigned level = 0; level < height; level++)
        link_level(s, level, n, user, trailer);
    return 0;
}

struct skip_node *skiplist_first(const struct skiplist *list)
{
    return load_next(list->head, 0);
}

struct skip_node *skiplist_last(const struct skiplist *list)
{
    struct skip_node *n = list->head, *next;

    for (unsigned level = SKIP_HEIGHT_MAX; level-- > 0;)
        while ((next = load_next(n, level)) != NULL)
            n = next;
    return n == list->head ? NULL : n;
}

struct skip_node *skiplist_seek(const struct skiplist *list, struct slice user, uint64_t trailer)
{
    struct skip_node *next;

    find(list, user, trailer, &next);
    return next;
}

struct skip_node *skiplist_seek_prev(const struct skiplist *list, struct slice user,
                                     uint64_t trailer)
{
    struct skip_node *next, *prev = find(list, user, trailer, &next);

    return prev == list->head ? NULL : prev;
}
