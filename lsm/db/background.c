/*
 * The background threads: one flushes, the others compact. Each sleeps until there may be work.
 *
 * A failure for want of space is not the end: the thread waits a little and tries again, and what
 * frees space (deletions, then compactions) helps it. Any other failure of a flush makes the store
 * read-only. A compaction that meets damaged bytes says so and makes the store read-only as well:
 * it would meet them again and again.
 */
#include "lsm/db/db.h"

#include <signal.h>
#include <time.h>

enum {
    RETRY_MS = 200
};

/* Let a little time pass before the disk is tried again, whatever else is announced meanwhile. */
static void nap_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    uint64_t until = now_ns(CLOCK_MONOTONIC) + RETRY_MS * UINT64_C(1000000), now;

    while (!atomic_load(&db->closing) && (now = now_ns(CLOCK_MONOTONIC)) < until)
        cond_wait_ms(&db->work_cond, &db->mu, (until - now) / 1000000 + 1);
}

static void handle_failure(struct lsm_db *db, int err, const char *what)
{
    if (err == -ECANCELED)
        return;
    if (err != -ENOSPC) {
        db_fail(db, err, what);
        return;
    }
    mutex_lock(&db->mu);
    db->disk_full = true;
    cond_broadcast(&db->done_cond);
    nap_locked(db);
    mutex_unlock(&db->mu);
}

/* A flush or compaction has ended, well or not: those who wait for room look again. */
static void note_done_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    cond_broadcast(&db->done_cond);
    cond_broadcast(&db->work_cond);
}

/*
 * The disk is full. What was deleted lies in the memtable and frees nothing until it has been
 * flushed and compacted, so do not wait until the memtable is full. Called and returns with the
 * lock.
 */
static void relieve_full_disk(struct lsm_db *db) REQUIRES(db->mu)
{
    bool low;

    mutex_unlock(&db->mu);
    queue_try_switch_memtable(db);
    low = db_space_is_low(db);
    mutex_lock(&db->mu);
    if (!low)
        db->disk_full = false;
    note_done_locked(db);
    if (db->disk_full && db->sv->imm_count == 0)
        nap_locked(db);
}

static void *flush_main(void *arg)
{
    struct lsm_db *db = arg;

    mutex_lock(&db->mu);
    while (!atomic_load(&db->closing)) {
        bool low;
        int err;

        if (atomic_load(&db->sticky_err) || (db->sv->imm_count == 0 && !db->disk_full)) {
            cond_wait(&db->work_cond, &db->mu);
            continue;
        }
        if (db->sv->imm_count == 0) {
            relieve_full_disk(db);
            continue;
        }
        db->flushing = true;
        mutex_unlock(&db->mu);
        err = flush_oldest(db);
        if (err)
            handle_failure(db, err, "flush failed");
        low = err || db_space_is_low(db);
        mutex_lock(&db->mu);
        db->flushing = false;
        if (!low)
            db->disk_full = false;
        note_done_locked(db);
    }
    mutex_unlock(&db->mu);
    return NULL;
}

static void mark_locked(const struct compaction *c, bool compacting)
{
    for (unsigned which = 0; which < 2; which++) {
        for (size_t i = 0; i < c->input_count[which]; i++)
            c->inputs[which][i]->compacting = compacting;
    }
}

/* On a nearly full disk only compactions that surely fit are tried. */
static uint64_t compaction_len_max(struct lsm_db *db, bool disk_full)
{
    uint64_t total, free_len;

    if (!disk_full || env_space(db->env, &total, &free_len))
        return 0;
    return free_len > 1 << 20 ? free_len : 1 << 20;
}

/* Pick under the lock: it reads only memory. 1 when there is something to do. */
static int pick_locked(struct lsm_db *db, uint64_t len_max, struct compaction *ret) REQUIRES(db->mu)
{
    int picked;

    /* A manual compaction wants the tables for itself. */
    if (db->manual_count || atomic_load(&db->sticky_err))
        return 0;
    picked = pick_compaction(db->sv->version, &db->pick, len_max, ret);
    if (picked > 0) {
        mark_locked(ret, true);
        db->compacting_count++;
    }
    return picked;
}

static void *compact_main(void *arg)
{
    struct lsm_db *db = arg;

    mutex_lock(&db->mu);
    while (!atomic_load(&db->closing)) {
        struct compaction c = {0};
        bool disk_full = db->disk_full;
        uint64_t len_max;
        int err;

        mutex_unlock(&db->mu);
        len_max = compaction_len_max(db, disk_full);
        mutex_lock(&db->mu);
        if (atomic_load(&db->closing))
            break;
        if (pick_locked(db, len_max, &c) <= 0) {
            cond_wait(&db->work_cond, &db->mu);
            continue;
        }
        mutex_unlock(&db->mu);
        err = db_compact(db, &c);
        if (err)
            handle_failure(db, err, "compaction failed");
        mutex_lock(&db->mu);
        mark_locked(&c, false);
        db->compacting_count--;
        note_done_locked(db);
        mutex_unlock(&db->mu);
        compaction_done(&c, &db->store);
        mutex_lock(&db->mu);
    }
    mutex_unlock(&db->mu);
    return NULL;
}

int background_start(struct lsm_db *db)
{
    unsigned count = db->options.worker_count ? db->options.worker_count : 1;
    sigset_t all, old;
    int err;

    db->compact_threads = calloc(count, sizeof(*db->compact_threads));
    if (!db->compact_threads)
        return -ENOMEM;
    /* Signals are the host program's business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&db->flush_thread, NULL, flush_main, db);
    db->flush_started = !err;
    for (unsigned i = 0; !err && i < count; i++) {
        err = pthread_create(&db->compact_threads[i], NULL, compact_main, db);
        db->compact_thread_count += !err;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err ? err_raise(err, "%s: cannot start a thread", db->env->path) : 0;
}

void background_stop(struct lsm_db *db)
{
    mutex_lock(&db->mu);
    atomic_store(&db->closing, true);
    cond_broadcast(&db->work_cond);
    cond_broadcast(&db->done_cond);
    mutex_unlock(&db->mu);
    if (db->flush_started)
        pthread_join(db->flush_thread, NULL);
    for (unsigned i = 0; i < db->compact_thread_count; i++)
        pthread_join(db->compact_threads[i], NULL);
    free(db->compact_threads);
    db->compact_threads = NULL;
    db->compact_thread_count = 0;
}

/* Ask for a memtable switch from inside the queue: only the leader may. */
int lsm_flush(struct lsm_db *db)
{
    struct memtable *mem;
    int err;

    err_clear();
    err = db_writable(db);
    if (err)
        return err;
    err = queue_switch_memtable(db, &mem);
    if (err || !mem)
        return err;
    mutex_lock(&db->mu);
    for (;;) {
        bool waiting = false;

        for (unsigned i = 0; i < db->sv->imm_count; i++)
            waiting |= db->sv->imms[i] == mem;
        if (!waiting)
            break;
        if (atomic_load(&db->sticky_err) || db->disk_full) {
            err = -ENOSPC;
            break;
        }
        cond_wait(&db->done_cond, &db->mu);
    }
    mutex_unlock(&db->mu);
    if (err)
        err = atomic_load(&db->sticky_err)
                  ? db_writable(db)
                  : err_raise(ENOSPC, "%s: the disk is full", db->env->path);
    memtable_unref(mem);
    return err;
}
