/*
 * Keys that are patched again and again stay quick to read. A value that had to be put together
 * from many patches, the newest of which is in the memtable that takes the writes, is put there
 * whole, with the sequence number of that newest patch: laying the patch over it once more changes
 * nothing, so no reader can tell, and whoever reads the key next stops there. It is not in the log;
 * after a crash the patches are.
 *
 * Readers do this with what they have put together anyway. So that a key that is only written does
 * not become arbitrarily slow for its first reader, a writer looks at the key of every 64th
 * operation, and reads it when there are many patches.
 *
 * In tables, flush and compaction merge and fold patches (lsm/compact).
 */
#include "lsm/db/db.h"

enum {
    LAYER_COUNT_MAX = 32, /* a value of more layers is kept whole */
    LOOK_EVERY = 64,      /* operations */
};

void fold_limit_keep(struct memtable *mem, struct slice key, const struct fold *f,
                     struct slice value)
{
    /* Without memory for it the value is put together again the next time. */
    if (f->layer_count > LAYER_COUNT_MAX)
        (void)memtable_add_folded(mem, f->newest_seqno, key, value);
}

static bool has_many_patches(struct memtable *mem, struct slice key, uint64_t seqno)
{
    struct lookup l = {.key = key, .snapshot = seqno};
    int err = memtable_lookup(mem, &l);
    bool many = !err && l.fold.layer_count > LAYER_COUNT_MAX;

    fold_done(&l.fold);
    return many;
}

/* The key of the batch's operation `index`, when that is a patch. */
static bool find_patch(struct slice batch, uint64_t index, struct slice *ret_key)
{
    struct batch_op op;

    while (batch_next(&batch, &op) > 0) {
        if (index-- > 0)
            continue;
        *ret_key = op.key;
        return op.kind == KIND_PATCH;
    }
    return false;
}

void fold_limit_after_write(struct lsm_db *db, const struct lsm_batch *b, uint64_t first_seqno)
{
    uint64_t index = (LOOK_EVERY - first_seqno % LOOK_EVERY) % LOOK_EVERY;
    struct superversion *sv;
    struct lsm_value value;
    struct slice key;
    bool many;

    if (index >= b->count || !find_patch(buf_slice(&b->bytes), index, &key))
        return;
    sv = sv_get(db);
    many = has_many_patches(sv->mem, key, atomic_load(&db->visible_seqno));
    sv_put(sv);
    /* Whatever is wrong with it, this write is done; readers will hear of it. */
    if (many && lsm_get(db, NULL, key.data, key.len, &value) == 0)
        lsm_value_done(&value);
    err_clear();
}
