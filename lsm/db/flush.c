/*
 * Flush: full memtables become tables of level 0. Several workers flush one each, side by side, but
 * their edits go into the manifest in order, oldest first: an edit says that the logs up to the
 * memtable's own are no longer needed, and recovery replays what follows without a gap. Whose
 * elders are not committed yet leaves its edit behind and goes back to work; whoever commits an
 * elder goes on with the next.
 *
 * A crash leaves tables that no manifest names, and their logs: recovery removes the ones and
 * replays the others.
 */
#include "lsm/db/db.h"

enum {
    RETRY_MS = 200,
    COST_MEAN_PART = 4 /* the newest flush's part in the mean cost, one in so many */
};

struct flush_run {
    struct lsm_db *db;
    struct flush *flush;
    double len_per_entry; /* bytes of the memtable */
};

static uint64_t flush_new_number(void *arg)
{
    return db_new_file(((struct flush_run *)arg)->db);
}

/* Say how much is done: writers are paced by it. */
static int flush_yield(void *arg, const struct compact_run *r)
{
    struct flush_run *run = arg;
    uint64_t done = (uint64_t)((double)r->read_count * run->len_per_entry);

    if (run->flush) {
        atomic_fetch_add(&run->db->background.flush_done_len, done - run->flush->done_len);
        run->flush->done_len = done;
    }
    return 0;
}

int flush_memtable(struct lsm_db *db, struct memtable *mt, struct version_edit *edit,
                   struct flush *f)
{
    uint64_t entry_count = memtable_entry_count(mt);
    struct flush_run arg = {db, f, (double)memtable_len(mt) / (double)(entry_count + 1)};
    struct compact_run run = {.store = &db->store,
                              .builder = db->builder,
                              .table_len = db->options.table_len,
                              .prefix_len = db->options.table_prefix_len,
                              .blobs = db_compact_blobs(db),
                              .run = memtable_number(mt),
                              .new_number = flush_new_number,
                              .yield = flush_yield,
                              .arg = &arg};
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
    /* What the memtable refers to, and what was written just now. */
    if (!err)
        err = blobs_sync(db);
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

static struct flush *flush_of_locked(struct lsm_db *db, const struct memtable *mt) REQUIRES(db->mu)
{
    for (unsigned i = 0; i < IMM_COUNT_MAX; i++) {
        if (db->background.flushes[i].mt == mt)
            return &db->background.flushes[i];
    }
    return NULL;
}

void flush_count_locked(struct lsm_db *db)
{
    unsigned wanted = 0;

    for (unsigned i = 0; i < db->sv->imm_count; i++)
        wanted += flush_of_locked(db, db->sv->imms[i]) == NULL;
    atomic_store(&db->background.flush_wanted, wanted);
}

/* Have the oldest memtable that nobody has. */
static struct flush *take_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    struct superversion *sv = db->sv;

    if (atomic_load(&db->sticky_err) || now_ns(CLOCK_MONOTONIC) < db->background.flush_retry_ns)
        return NULL;
    for (unsigned i = sv->imm_count; i-- > 0;) {
        struct flush *f;

        if (flush_of_locked(db, sv->imms[i]))
            continue;
        f = flush_of_locked(db, NULL);
        CHECK(f);
        *f = (struct flush){.mt = sv->imms[i], .began_ns = now_ns(CLOCK_MONOTONIC)};
        memtable_ref(f->mt);
        flush_count_locked(db);
        return f;
    }
    return NULL;
}

/* Give the place up. The memtable's reference and the edit pass to the caller. */
static void leave_locked(struct lsm_db *db, struct flush *f, struct memtable **ret_mt,
                         struct version_edit *ret_edit) REQUIRES(db->mu)
{
    *ret_mt = f->mt;
    *ret_edit = f->edit;
    atomic_fetch_sub(&db->background.flush_done_len, f->done_len);
    *f = (struct flush){0};
    flush_count_locked(db);
}

/* The files of tables that no manifest names. */
static void discard(struct version_edit *edit)
{
    for (size_t i = 0; i < edit->added_count; i++)
        atomic_store(&edit->added[i].meta->obsolete, true);
}

/* A flush that came to nothing: after a full disk somebody tries it again from the start. */
static void give_up(struct lsm_db *db, struct flush *f, int err)
{
    struct version_edit edit;
    struct memtable *mt;

    if (err != -ENOSPC)
        db_fail(db, err, "flush failed");
    mutex_lock(&db->mu);
    leave_locked(db, f, &mt, &edit);
    if (err == -ENOSPC) {
        db->disk_full = true;
        db->background.flush_retry_ns = now_ns(CLOCK_MONOTONIC) + RETRY_MS * UINT64_C(1000000);
    }
    background_wake_locked(db);
    mutex_unlock(&db->mu);
    if (err == -ENOSPC)
        discard(&edit);
    edit_done(&edit, &db->store);
    if (err == -ENOSPC)
        blobs_retire_moved(db);
    memtable_unref(mt);
}

/* The oldest memtable's flush when it is written; with the log that follows its own. */
static struct flush *next_to_commit_locked(struct lsm_db *db, uint64_t *ret_next_log)
    REQUIRES(db->mu)
{
    struct superversion *sv = db->sv;
    unsigned last = sv->imm_count - 1;
    struct flush *f = sv->imm_count ? flush_of_locked(db, sv->imms[last]) : NULL;

    if (!f || !f->written)
        return NULL;
    *ret_next_log = memtable_number(last ? sv->imms[last - 1] : sv->mem);
    f->edit.has_log_number = f->edit.has_flushed_seqno = true;
    f->edit.log_number = *ret_next_log;
    f->edit.flushed_seqno = wals_begin_locked(db, *ret_next_log);
    return f;
}

static int commit(struct lsm_db *db, struct flush *f, uint64_t next_log)
{
    struct version_edit edit;
    struct memtable *mt;
    /* Names of the new tables must be durable before the manifest speaks of them. */
    int err = env_sync_dir(db->env);

    if (!err)
        err = db_commit_edit(db, &f->edit, f->mt);
    if (err) {
        give_up(db, f, err);
        return err;
    }
    memtable_set_flushed(f->mt);
    db_note_synced(db, f->edit.flushed_seqno);
    wals_drop(db, next_log);
    atomic_fetch_add_explicit(&db->counters.flush_count, 1, memory_order_relaxed);
    mutex_lock(&db->mu);
    leave_locked(db, f, &mt, &edit);
    background_wake_locked(db);
    mutex_unlock(&db->mu);
    edit_done(&edit, &db->store);
    memtable_unref(mt);
    return 0;
}

/* Commit what is written and has no elder, one after the other, unless somebody is at it. */
static int commit_all_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    struct flush *f;
    uint64_t next_log;
    int err = 0;

    if (db->background.committing)
        return 0;
    db->background.committing = true;
    while (!err && !atomic_load(&db->sticky_err) && (f = next_to_commit_locked(db, &next_log))) {
        mutex_unlock(&db->mu);
        err = commit(db, f, next_log);
        mutex_lock(&db->mu);
    }
    db->background.committing = false;
    return err;
}

/* Learn what flushing costs; flushes side by side share the time since the last one ended. */
static void note_cost_locked(struct lsm_db *db, const struct flush *f) REQUIRES(db->mu)
{
    struct background *bg = &db->background;
    uint64_t now = now_ns(CLOCK_MONOTONIC), mean = atomic_load(&bg->flush_ps_per_b);
    uint64_t from = f->began_ns > bg->flush_ended_ns ? f->began_ns : bg->flush_ended_ns;
    uint64_t cost = (now - from) * 1000 / (memtable_len(f->mt) + 1);

    bg->flush_ended_ns = now;
    atomic_store(&bg->flush_ps_per_b,
                 mean ? mean - mean / COST_MEAN_PART + cost / COST_MEAN_PART : cost);
}

bool flush_one_locked(struct lsm_db *db)
{
    struct flush *f = take_locked(db);
    bool relieved = false;
    int err;

    if (!f)
        return false;
    mutex_unlock(&db->mu);
    err = flush_memtable(db, f->mt, &f->edit, f);
    if (err)
        give_up(db, f, err);
    mutex_lock(&db->mu);
    if (!err) {
        f->written = true;
        note_cost_locked(db, f);
        err = commit_all_locked(db);
    }
    if (!err && db->disk_full) {
        mutex_unlock(&db->mu);
        relieved = db_has_space(db, 0);
        mutex_lock(&db->mu);
    }
    if (relieved)
        background_has_space_locked(db);
    return true;
}

void flush_abandon(struct lsm_db *db)
{
    for (unsigned i = 0; i < IMM_COUNT_MAX; i++) {
        struct flush *f = &db->background.flushes[i];

        /* What was handed to the manifest and failed is not here any more. */
        discard(&f->edit);
        edit_done(&f->edit, &db->store);
        memtable_unref(f->mt);
        *f = (struct flush){0};
    }
}
