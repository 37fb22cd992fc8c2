/*
 * The logs that are still needed, oldest first, and how far they are durable.
 *
 * A sync goes through the logs in order, so that no record becomes durable on our word before all
 * earlier ones. It runs beside appends: nobody who only writes waits for a disk. Concurrent callers
 * share: one runs, and covers everything that was visible when it began; the others wait for it,
 * and one of those whom it did not cover runs the next.
 */
#include "lsm/base/waiting.h"
#include "lsm/db/db.h"

static void wal_ref_put(struct wal_ref *w)
{
    if (atomic_fetch_sub(&w->refs, 1) != 1)
        return;
    wal_writer_close(w->writer);
    free(w);
}

int wals_add(struct lsm_db *db, struct wal_writer *writer, uint64_t begin_seqno)
{
    struct wal_ref *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->writer = writer;
    w->begin_seqno = begin_seqno;
    atomic_init(&w->refs, 1);
    mutex_lock(&db->mu);
    if (db->wals_newest) {
        atomic_store(&db->wals_newest->sealed, true);
        db->wals_newest->next = w;
    } else {
        db->wals_oldest = w;
    }
    db->wals_newest = w;
    mutex_unlock(&db->mu);
    return 0;
}

struct wal_writer *wals_newest(struct lsm_db *db)
{
    return db->wals_newest->writer;
}

uint64_t wals_begin_locked(struct lsm_db *db, uint64_t number)
{
    struct wal_ref *w = db->wals_oldest;

    while (wal_writer_number(w->writer) != number) {
        w = w->next;
        CHECK(w);
    }
    return w->begin_seqno;
}

/* Take the oldest log off the list when its number is below `number`. */
static struct wal_ref *pop_below(struct lsm_db *db, uint64_t number)
{
    struct wal_ref *w;

    mutex_lock(&db->mu);
    w = db->wals_oldest;
    if (w && wal_writer_number(w->writer) < number) {
        db->wals_oldest = w->next;
        if (!w->next)
            db->wals_newest = NULL;
    } else {
        w = NULL;
    }
    mutex_unlock(&db->mu);
    return w;
}

void wals_drop(struct lsm_db *db, uint64_t number)
{
    struct wal_ref *w;

    while ((w = pop_below(db, number))) {
        char name[32];

        wal_file_name(wal_writer_number(w->writer), name);
        wal_ref_put(w);
        /* A log that stays behind is removed by the next open. */
        env_remove(db->env, name);
    }
}

void wals_close(struct lsm_db *db)
{
    struct wal_ref *w;

    while ((w = pop_below(db, UINT64_MAX)))
        wal_ref_put(w);
}

/* The oldest log at or after `from` that may hold unsynced records, with a reference. */
static struct wal_ref *next_unsynced(struct lsm_db *db, uint64_t from)
{
    struct wal_ref *w;

    mutex_lock(&db->mu);
    for (w = db->wals_oldest; w; w = w->next) {
        if (wal_writer_number(w->writer) >= from && !atomic_load(&w->sealed_synced))
            break;
    }
    if (w)
        atomic_fetch_add(&w->refs, 1);
    mutex_unlock(&db->mu);
    return w;
}

static int sync_one(struct lsm_db *db, struct wal_ref *w)
{
    bool sealed = atomic_load(&w->sealed);
    int err = wal_writer_sync(w->writer);

    atomic_fetch_add_explicit(&db->counters.wal_sync_count, 1, memory_order_relaxed);
    if (!err && !atomic_load(&w->name_synced)) {
        err = env_sync_dir(db->env);
        if (!err)
            atomic_store(&w->name_synced, true);
    }
    if (!err && sealed)
        atomic_store(&w->sealed_synced, true);
    return err;
}

static int sync_all(struct lsm_db *db)
{
    struct wal_ref *w;
    uint64_t from = 0;
    /* First what the records refer to. */
    int err = blobs_sync(db);

    while (!err && (w = next_unsynced(db, from))) {
        from = wal_writer_number(w->writer) + 1;
        err = sync_one(db, w);
        wal_ref_put(w);
    }
    return err;
}

/* Grow synced_seqno; the caller holds sync_mu. */
static void note_synced_locked(struct lsm_db *db, uint64_t seqno) REQUIRES(db->sync_mu)
{
    if (seqno > atomic_load(&db->synced_seqno))
        atomic_store(&db->synced_seqno, seqno);
}

void db_note_synced(struct lsm_db *db, uint64_t seqno)
{
    mutex_lock(&db->sync_mu);
    note_synced_locked(db, seqno);
    mutex_unlock(&db->sync_mu);
}

int db_sync_to(struct lsm_db *db, uint64_t seqno)
{
    int err = 0;

    mutex_lock(&db->sync_mu);
    while (!err && atomic_load(&db->synced_seqno) < seqno) {
        uint64_t cover;

        if (db->sync_running) {
            const char *before = waiting_begin("the store's disk to sync for another thread");

            cond_wait(&db->sync_cond, &db->sync_mu);
            waiting_end(before);
            err = atomic_load(&db->sticky_err) ? db_writable(db) : 0;
            continue;
        }
        db->sync_running = true;
        mutex_unlock(&db->sync_mu);
        err = db_writable(db);
        cover = atomic_load(&db->visible_seqno);
        if (!err) {
            err = sync_all(db);
            if (err)
                err = db_fail(db, err, "sync failed");
        }
        mutex_lock(&db->sync_mu);
        db->sync_running = false;
        if (!err)
            note_synced_locked(db, cover);
        cond_broadcast(&db->sync_cond);
    }
    mutex_unlock(&db->sync_mu);
    return err;
}

void db_mark_closed(struct lsm_db *db)
{
    struct wal_record mark = {.first_seqno = db->last_seqno + 1,
                              .time_ns = now_ns(CLOCK_REALTIME),
                              .synced_seqno = atomic_load(&db->synced_seqno)};
    bool tables_have_all;

    mutex_lock(&db->manifest_mu);
    tables_have_all = db->flushed_seqno >= db->last_seqno;
    mutex_unlock(&db->manifest_mu);
    if (tables_have_all || db->options.read_only || atomic_load(&db->sticky_err) ||
        mark.first_seqno > SEQNO_MAX)
        return;
    /* On a full disk the store is as it would be after a power cut. */
    (void)wal_writer_append(wals_newest(db), &mark, 1, true);
}
