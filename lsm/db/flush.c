/*
 * Flush: the oldest immutable memtable becomes tables of level 0. The edit that adds them also says
 * that logs up to the memtable's own are no longer needed; only then are they removed.
 */
#include "lsm/db/db.h"

static uint64_t run_new_number(void *arg)
{
    return db_new_file(arg);
}

int flush_memtable(struct lsm_db *db, struct memtable *mt, struct version_edit *edit)
{
    struct compact_run run = {.env = db->env,
                              .builder = db->builder,
                              .table_len = db->options.table_len,
                              .prefix_len = db->options.table_prefix_len,
                              .run = memtable_number(mt),
                              .new_number = run_new_number,
                              .arg = db};
    const struct rangedel_list *list = NULL;
    struct rangedel *dels = NULL;
    uint64_t *snapshots = NULL;
    struct iter *input = NULL;
    int err = memtable_iter_new(mt, &input);

    if (!err)
        err = memtable_rangedels_get(mt, &list);
    if (!err)
        err = snapshots_list(db, &snapshots, &run.snapshot_count);
    if (!err)
        err = rangedels_of_list(list, snapshots, run.snapshot_count, &dels, &run.del_count);
    run.input = input;
    run.dels = dels;
    run.snapshots = snapshots;
    if (!err)
        err = compact_run(&run);
    for (size_t i = 0; !err && i < run.table_count; i++)
        err = edit_add_table(edit, 0, run.tables[i]);
    atomic_fetch_add_explicit(&db->counters.flush_write_len, run.written_len, memory_order_relaxed);
    compact_run_done(&run, &db->store);
    memtable_rangedels_put(mt, list);
    iter_free(input);
    free(dels);
    free(snapshots);
    return err;
}

/*
 * The oldest immutable memtable with a reference, and the log that follows its own: its number, and
 * the last sequence number before it, which is the last in the memtable.
 */
static struct memtable *oldest_imm(struct lsm_db *db, uint64_t *ret_next_log, uint64_t *ret_seqno)
{
    struct memtable *mt = NULL;

    mutex_lock(&db->mu);
    if (db->sv->imm_count) {
        unsigned last = db->sv->imm_count - 1;

        mt = db->sv->imms[last];
        memtable_ref(mt);
        *ret_next_log = memtable_number(last ? db->sv->imms[last - 1] : db->sv->mem);
        *ret_seqno = wals_begin_locked(db, *ret_next_log);
    }
    mutex_unlock(&db->mu);
    return mt;
}

/* The files of tables that no manifest names. */
static void discard(struct version_edit *edit)
{
    for (size_t i = 0; i < edit->added_count; i++)
        atomic_store(&edit->added[i].meta->obsolete, true);
}

int flush_oldest(struct lsm_db *db)
{
    struct version_edit edit = {0};
    uint64_t next_log = 0;
    struct memtable *mt = oldest_imm(db, &next_log, &edit.flushed_seqno);
    int err;

    if (!mt)
        return 0;
    err = flush_memtable(db, mt, &edit);
    edit.has_log_number = edit.has_flushed_seqno = true;
    edit.log_number = next_log;
    /* Names of the new tables must be durable before the manifest speaks of them. */
    if (!err)
        err = env_sync_dir(db->env);
    if (!err)
        err = db_commit_edit(db, &edit, mt);
    if (!err) {
        db_note_synced(db, edit.flushed_seqno);
        wals_drop(db, next_log);
        atomic_fetch_add_explicit(&db->counters.flush_count, 1, memory_order_relaxed);
    } else if (err == -ENOSPC) {
        discard(&edit);
    }
    edit_done(&edit, &db->store);
    memtable_unref(mt);
    return err;
}
