/*
 * A skip list of internal keys and values in an arena. Any number of threads insert at once, by
 * compare-and-swap; readers run beside them without a lock. Nothing is ever removed, so a node that
 * was found stays valid as long as the arena.
 *
 * Keys are given as the user key and the trailer (ikey_trailer), so that a search copies nothing.
 */
#ifndef LSM_MEM_SKIPLIST_H
#define LSM_MEM_SKIPLIST_H

#include <stdatomic.h>

#include "lsm/base/ikey.h"
#include "lsm/mem/arena.h"

enum {
    SKIP_HEIGHT_MAX = 20 /* enough for a memtable of 1 GiB */
};

/*
 * Constant once linked. The internal key follows, then the value; the links lie before it, that of
 * level 0 last. So a key's place does not depend on the height: a comparison waits for one line of
 * memory and not for a second one that only the first one names.
 */
struct skip_node {
    uint32_t key_len; /* of the internal key */
    uint32_t value_len;
};

typedef _Atomic(struct skip_node *) skip_link;

struct skiplist {
    struct arena *arena;
    struct skip_node *head; /* before all keys */
    uint64_t id;            /* unique in the process, never used again */
};

/* -ENOMEM. There is nothing to undo but the arena. */
int skiplist_init(struct skiplist *list, struct arena *arena);
/*
 * Copy the key and the value in. -ENOMEM leaves the list as it was. The key must not be in the list
 * already; the lengths fit into 32 bits. When it returns, every later search finds the entry.
 */
int skiplist_insert(struct skiplist *list, struct slice user, uint64_t trailer, struct slice value);

/* Each returns NULL when there is no such node. */
struct skip_node *skiplist_first(const struct skiplist *list);
struct skip_node *skiplist_last(const struct skiplist *list);
struct skip_node *skiplist_seek(const struct skiplist *list, struct slice user,
                                uint64_t trailer); /* first >= the key */
struct skip_node *skiplist_seek_prev(const struct skiplist *list, struct slice user,
                                     uint64_t trailer); /* last < the key */

/* The link of a level that the node has. */
static inline skip_link *skip_node_link(const struct skip_node *n, unsigned level)
{
    return (skip_link *)(uintptr_t)n - 1 - level;
}

static inline struct skip_node *skip_node_next(const struct skip_node *n)
{
    return atomic_load_explicit(skip_node_link(n, 0), memory_order_acquire);
}

/* Have a node (or NULL) on its way from memory, with what follows it, up to a short value's end. */
static inline void skip_node_prefetch(const struct skip_node *n)
{
    enum {
        LINE_LEN = 64,
        LINE_COUNT = 3
    };

    for (unsigned i = 0; i < LINE_COUNT; i++)
        __builtin_prefetch((const void *)((uintptr_t)n + i * LINE_LEN));
}

static inline struct slice skip_node_key(const struct skip_node *n)
{
    return slice_of((const uint8_t *)(n + 1), n->key_len);
}

static inline struct slice skip_node_value(const struct skip_node *n)
{
    return slice_of((const uint8_t *)(n + 1) + n->key_len, n->value_len);
}

#endif
