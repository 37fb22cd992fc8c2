/*
 * From a batch's bytes into the memtable; used by writers and by recovery.
 */
#include "lsm/db/db.h"

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
