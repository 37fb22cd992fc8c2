/*
 * A memtable's range tombstones: added by any number of threads without a lock, asked through
 * fragmented lists that are built when somebody asks.
 */
#ifndef LSM_MEM_TOMBSTONES_H
#define LSM_MEM_TOMBSTONES_H

#include <stdatomic.h>

#include "lsm/base/mutex.h"
#include "lsm/iter/rangedel.h"
#include "lsm/mem/arena.h"

struct tombstone_node;
struct tombstone_set;

struct tombstones {
    struct arena *arena;
    _Atomic(struct tombstone_node *) newest; /* a chain in order of arrival */

    struct mutex mu;           /* a leaf, but for the arena's; held while lists are built */
    struct tombstone_set *set; /* [mu] what was built last; NULL at first */
};

void tombstones_init(struct tombstones *t, struct arena *arena);
void tombstones_done(struct tombstones *t); /* every list that was got has been put */
/* Copies the keys. -ENOMEM. A tombstone with end <= start is left out. */
int tombstones_add(struct tombstones *t, const struct rangedel *del);
/* The largest seqno <= snapshot of a tombstone over key, 0 when none. -ENOMEM. */
int tombstones_covering(struct tombstones *t, struct slice key, uint64_t snapshot,
                        uint64_t *ret_seqno);
/*
 * All of them in a few lists, as a set that holds these until tombstone_set_put, whatever becomes
 * of the memtable; NULL when there are none. Their number grows with the logarithm of the number of
 * tombstones. -ENOMEM.
 */
int tombstones_get_set(struct tombstones *t, struct tombstone_set **ret);
unsigned tombstone_set_count(const struct tombstone_set *s);
const struct rangedel_list *tombstone_set_list(const struct tombstone_set *s, unsigned i);
void tombstone_set_put(struct tombstone_set *s); /* NULL is allowed */
/*
 * All of them in one list, or NULL when there are none: for a memtable that gets no more, as the
 * list is built anew after each one that was added. -ENOMEM.
 */
int tombstones_get(struct tombstones *t, const struct rangedel_list **ret);
void tombstones_put(const struct rangedel_list *list); /* NULL is allowed */

static inline bool tombstones_empty(const struct tombstones *t)
{
    return atomic_load_explicit(&t->newest, memory_order_acquire) == NULL;
}

#endif
