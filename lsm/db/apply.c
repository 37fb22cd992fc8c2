/*
 * From a batch's bytes into the memtable; used by writers and by recovery.
 */
#include "lsm/db/db.h"

static void *hold_file(void *store, uint64_t number)
{
    struct blob_meta *m;

    return blob_store_get(store, number, &m) ? NULL : m;
}

/* What was not flushed, the log needs. */
static void release_file(void *file, bool flushed)
{
    blob_meta_unref(file, !flushed);
}

void memtable_hold_blobs(struct lsm_db *db, struct memtable *mt)
{
    const struct memtable_files files = {hold_file, release_file, db->store.blobs};

    memtable_set_files(mt, &files);
}

int batch_insert(struct memtable *mt, struct slice batch, uint64_t first_seqno)
{
    struct batch_op op;
    int more, err = 0;

    while (!err && (more = batch_next(&batch, &op)) != 0) {
        if (more < 0)
            return more;
        err = memtable_add(mt, first_seqno++, op.kind, op.key, op.value);
    }
    return err;
}
