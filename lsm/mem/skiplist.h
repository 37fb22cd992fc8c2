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
    SKIP_HEIGHT_MAX = 12
};

/* Constant once linked, except the links. Key and value bytes follow the links. */
struct skip_node {
    uint32_t key_len; /* of the internal key */
    uint32_t value_len;
    uint32_t height;
    _Atomic(struct skip_node *) next[]; /* `height` of them */
};

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

static inline struct skip_node *skip_node_next(const struct skip_node *n)
{
    return atomic_load_explicit(&n->next[0], memory_order_acquire);
}

static inline struct slice skip_node_key(const struct skip_node *n)
{
    return slice_of((const uint8_t *)&n->next[n->height], n->key_len);
}

static inline struct slice skip_node_value(const struct skip_node *n)
{
    return slice_of((const uint8_t *)&n->next[n->height] + n->key_len, n->value_len);
}

#endif
