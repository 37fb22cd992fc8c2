/*
 * The memtable: the newest versions, in a lock-free skip list in an arena, with the range
 * tombstones in a second list. Entries are only ever added, by any number of threads at once;
 * readers run beside them without a lock.
 */
#ifndef LSM_MEM_MEMTABLE_H
#define LSM_MEM_MEMTABLE_H

#include "lsm/iter/fold.h"
#include "lsm/iter/iter.h"
#include "lsm/iter/rangedel.h"
#include "lsm/mem/arena.h"

struct memtable;

/* Holds one reference for the caller. `number` is that of the log it belongs to. */
int memtable_new(uint64_t number, struct memtable **ret);
/* Tell somebody of the memory that it takes, and gives back at its end. Before it is shared. */
void memtable_set_account(struct memtable *mt, struct arena_account account);
void memtable_ref(struct memtable *mt);
void memtable_unref(struct memtable *mt); /* NULL is allowed */
uint64_t memtable_number(const struct memtable *mt);

/*
 * Add one version. Copies key and value. Two versions never have the same key and seqno. A
 * KIND_DELETE_RANGE with end <= key is accepted and deletes nothing. Visible to readers at once:
 * callers keep snapshots below seqnos that are still being added.
 */
int memtable_add(struct memtable *mt, uint64_t seqno, enum kind kind, struct slice key,
                 struct slice value);
/* Feed l (lookup_rangedel, lookup_add); values borrow from the memtable, so no pins. */
int memtable_lookup(struct memtable *mt, struct lookup *l);
/* The iterator holds a reference; its values live as long as the memtable. */
int memtable_iter_new(struct memtable *mt, struct iter **ret);
/*
 * The range tombstones with seqno <= snapshot at least (newer ones may be among them), as a list
 * that stays valid while the caller holds a reference to the memtable... and until
 * memtable_rangedels_put. *ret is NULL when there are none. Cached until another one is added.
 */
int memtable_rangedels_get(struct memtable *mt, const struct rangedel_list **ret);
void memtable_rangedels_put(struct memtable *mt, const struct rangedel_list *list);

size_t memtable_len(const struct memtable *mt);           /* bytes of memory in use */
uint64_t memtable_entry_count(const struct memtable *mt); /* with range tombstones */
bool memtable_empty(const struct memtable *mt);

#endif
