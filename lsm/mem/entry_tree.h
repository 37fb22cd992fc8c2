/*
 * A B+-tree of entries (internal keys and values) in an arena. Any number of threads insert at
 * once; readers run beside them without a lock. Nothing is ever removed, and an entry never moves,
 * so one that was found stays valid as long as the arena.
 *
 * Keys are given as the user key and the trailer (ikey_trailer), so that a search copies nothing.
 */
#ifndef LSM_MEM_ENTRY_TREE_H
#define LSM_MEM_ENTRY_TREE_H

#include <stdatomic.h>

#include "lsm/base/ikey.h"
#include "lsm/mem/arena.h"

/* Constant. The internal key follows, then the value. */
struct entry {
    uint32_t key_len; /* of the internal key */
    uint32_t value_len;
};

struct tree_node;

struct entry_tree {
    struct arena *arena;
    _Atomic(struct tree_node *) root;
};

/* A place in the tree: one thread's, valid as long as the arena. */
struct entry_cursor {
    const struct entry *entry; /* NULL: there is none */

    /* The tree's: where the entry was found. */
    const struct entry_tree *tree;
    const struct tree_node *leaf;
    uint64_t version;
    unsigned pos;
};

/* -ENOMEM. There is nothing to undo but the arena. */
int entry_tree_init(struct entry_tree *tree, struct arena *arena);
/*
 * Copy the key and the value in. -ENOMEM leaves the tree as it was. The key must not be in the tree
 * already; the lengths fit into 32 bits. When it returns, every later search finds the entry.
 */
int entry_tree_insert(struct entry_tree *tree, struct slice user, uint64_t trailer,
                      struct slice value);

/* Each places the cursor, whatever it held before; without such an entry its entry is NULL. */
void entry_tree_first(const struct entry_tree *tree, struct entry_cursor *c);
void entry_tree_last(const struct entry_tree *tree, struct entry_cursor *c);
void entry_tree_seek(const struct entry_tree *tree, struct slice user, uint64_t trailer,
                     struct entry_cursor *c); /* first >= the key */
void entry_tree_seek_prev(const struct entry_tree *tree, struct slice user, uint64_t trailer,
                          struct entry_cursor *c); /* last < the key */
/* To the neighbour of the entry that it stands on, as of now. */
void entry_cursor_next(struct entry_cursor *c);
void entry_cursor_prev(struct entry_cursor *c);

static inline struct slice entry_key(const struct entry *e)
{
    return slice_of((const uint8_t *)(e + 1), e->key_len);
}

static inline struct slice entry_value(const struct entry *e)
{
    return slice_of((const uint8_t *)(e + 1) + e->key_len, e->value_len);
}

#endif
