/*
 * The memtable: the newest versions, in a tree in an arena, with the range tombstones in a list.
 * Entries are only ever added, by any number of threads at once; readers run beside them without a
 * lock.
 */
#ifndef LSM_MEM_MEMTABLE_H
#define LSM_MEM_MEMTABLE_H

#include "lsm/iter/fold.h"
#include "lsm/iter/iter.h"
#include "lsm/iter/rangedel.h"
#include "lsm/mem/arena.h"
#include "lsm/mem/tombstones.h"

struct memtable;

/*
 * How a memtable holds the files that its references (KIND_BLOB_REF) lie in: `hold` is called once
 * for each file, when the first reference to it is added, from any thread, and gives an object or
 * NULL when there is no memory; `release` for each object when the memtable goes. With `flushed`
 * tables have its contents durably; else only the log has.
 */
struct memtable_files {
    void *(*hold)(void *arg, uint64_t number);
    void (*release)(void *object, bool flushed);
    void *arg;
};

/* Holds one reference for the caller. `number` is that of the log it belongs to. */
int memtable_new(uint64_t number, struct memtable **ret);
/* Tell somebody of the memory that it takes, and gives back at its end. Before it is shared. */
void memtable_set_account(struct memtable *mt, struct arena_account account);
void memtable_ref(struct memtable *mt);
void memtable_unref(struct memtable *mt); /* NULL is allowed */
uint64_t memtable_number(const struct memtable *mt);
/* Before the first reference is added; without it files are counted and not held. */
void memtable_set_files(struct memtable *mt, const struct memtable_files *files);
/* Tables have everything durably. */
void memtable_set_flushed(struct memtable *mt);
/* Call `each` for every file that references lie in; a non-zero answer ends it with that. */
int memtable_each_file(struct memtable *mt,
                       int (*each)(void *arg, uint64_t number, uint64_t count, uint64_t len),
                       void *arg);
/* Bytes in files that references name. */
uint64_t memtable_file_len(const struct memtable *mt);

/*
 * Add one version. Copies key and value. Two versions never have the same key and seqno. A
 * KIND_DELETE_RANGE with end <= key is accepted and deletes nothing. Visible to readers at once:
 * callers keep snapshots below seqnos that are still being added.
 */
int memtable_add(struct memtable *mt, uint64_t seqno, enum kind kind, struct slice key,
                 struct slice value);
/*
 * Add the whole value of a key whose newest version here is the patch with this seqno, as KIND_PUT
 * with the same one: it stands behind the patch in the order of versions. Done once: a second call
 * does nothing. Any thread.
 */
int memtable_add_folded(struct memtable *mt, uint64_t seqno, struct slice key, struct slice value);
/* Feed l (lookup_rangedel, lookup_add); values borrow from the memtable, so no pins. */
int memtable_lookup(struct memtable *mt, struct lookup *l);
/* The iterator holds a reference; its values live as long as the memtable. */
int memtable_iter_new(struct memtable *mt, struct iter **ret);
/*
 * The range tombstones that are there, and perhaps newer ones, in a few lists (mem/tombstones.h),
 * to be given to tombstone_set_put; NULL when there are none. For reading beside writers: what it
 * costs does not grow with the number of those that were there at the last call.
 */
int memtable_rangedel_lists(struct memtable *mt, struct tombstone_set **ret);
/*
 * The same in one list, until memtable_rangedels_put. *ret is NULL when there are none. It is built
 * anew after another one was added: for a memtable that gets no more.
 */
int memtable_rangedels_get(struct memtable *mt, const struct rangedel_list **ret);
void memtable_rangedels_put(struct memtable *mt, const struct rangedel_list *list);

size_t memtable_len(const struct memtable *mt);           /* bytes of memory in use */
uint64_t memtable_entry_count(const struct memtable *mt); /* with range tombstones */
bool memtable_empty(const struct memtable *mt);

#endif
