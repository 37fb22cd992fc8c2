/*
 * One budget of memory, options.cache_bytes, for everything that grows with the store: cached
 * blocks, what open tables keep, and memtables. The block cache keeps the account: what others take
 * is reserved there, and the blocks make room for it.
 *
 * Memtables cannot wait for memory like blocks can, so they come first; that is why they may not be
 * so long that all of them together would take more than seven eighths of the budget. An eighth
 * stays for blocks: without the indexes and filters nothing can be read.
 */
#include "lsm/db/db.h"

static void change(void *arg, ptrdiff_t change_len)
{
    struct lsm_db *db = arg;

    block_cache_reserve(db->cache, change_len);
}

int db_memtable_new(struct lsm_db *db, uint64_t number, struct memtable **ret)
{
    int err = memtable_new(number, ret);

    if (err)
        return err;
    memtable_set_account(*ret, (struct arena_account){change, db});
    memtable_hold_blobs(db, *ret);
    return 0;
}

size_t budget_memtable_len(const struct lsm_options *o)
{
    size_t share = o->cache_bytes / 8 * 7 / o->memtable_count_max;

    return share < o->memtable_len ? share : o->memtable_len;
}

/* Half of what the memtables can never need. */
size_t budget_keep_len(const struct lsm_options *o)
{
    return (o->cache_bytes - budget_memtable_len(o) * o->memtable_count_max) / 2;
}
