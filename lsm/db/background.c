/*
 * The workers: one thread per core, each pinned to its core. A worker takes the most urgent job
 * that there is:
 *
 *   1. the flush of the oldest memtable that nobody has taken;
 *   2. a piece of a running compaction of level 0, and if level 0 is behind, picking one;
 *   3. a piece of any other running compaction;
 *   4. picking a compaction;
 *   5. on a full disk, what gives space back.
 *
 * A compaction yields every few hundred versions, and a worker then flushes first when no other one
 * is free to: one worker is enough to flush while a long compaction runs.
 *
 * A failure for want of space is not the end: the same is tried again after a moment, while the
 * worker looks for other jobs, and what frees space (deletions, then compactions) helps it. Any
 * other failure makes the store read-only; a compaction that meets damaged bytes too: it would meet
 * them again and again.
 */
#include "lsm/db/db.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    RETRY_MS = 200,
    QUIET_MS = 10000, /* after so long without a full memtable, level 0 is put in order */
    TIDY_MS = 5000,   /* after so long without a write, what was deleted gives its space back */
    L0_PATIENCE = 3   /* times l0_compact_count: so many runs may gather before that */
};

#define NS_PER_MS UINT64_C(1000000)

void background_wake_locked(struct lsm_db *db)
{
    cond_broadcast(&db->done_cond);
    cond_broadcast(&db->work_cond);
}

void background_note_version_locked(struct lsm_db *db)
{
    const struct version *v = db->sv->version;

    atomic_store(&db->background.l0_runs, pick_l0_run_count(v));
    atomic_store(&db->background.debt_len, pick_debt_len(v, &db->pick));
}

void background_has_space_locked(struct lsm_db *db)
{
    struct background *bg = &db->background;

    db->disk_full = false;
    db->garbage_hint = true; /* there was no room to move things to */
    bg->flush_retry_ns = bg->compact_retry_ns = bg->relieve_retry_ns = 0;
    background_wake_locked(db);
}

void background_failed(struct lsm_db *db, int err, const char *what)
{
    if (err == 0 || err == -ECANCELED)
        return;
    if (err != -ENOSPC) {
        db_fail(db, err, what);
        return;
    }
    mutex_lock(&db->mu);
    db->disk_full = true;
    db->background.compact_retry_ns = now_ns(CLOCK_MONOTONIC) + RETRY_MS * NS_PER_MS;
    background_wake_locked(db);
    mutex_unlock(&db->mu);
}

/*
 * The disk is full. What was deleted lies in the memtable and frees nothing until it has been
 * flushed and compacted, so do not wait until the memtable is full.
 */
static bool relieve_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    struct background *bg = &db->background;
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    bool has_space;

    if (!db->disk_full || db->sv->imm_count || bg->relieving || now < bg->relieve_retry_ns)
        return false;
    bg->relieving = true;
    mutex_unlock(&db->mu);
    queue_try_switch_memtable(db);
    has_space = db_has_space(db, 0);
    mutex_lock(&db->mu);
    bg->relieving = false;
    bg->relieve_retry_ns = now_ns(CLOCK_MONOTONIC) + RETRY_MS * NS_PER_MS;
    if (has_space)
        background_has_space_locked(db);
    background_wake_locked(db);
    return true;
}

/*
 * Deletions free nothing as long as they lie in the memtable, and nobody else flushes the last
 * ones. So when nothing has been written for a while they are flushed; compaction then sees them.
 */
static bool tidy_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    struct background *bg = &db->background;
    uint64_t now = now_ns(CLOCK_MONOTONIC), seqno = atomic_load(&db->visible_seqno);

    if (!atomic_load(&db->delete_count) || db->sv->imm_count || bg->tidying || db->disk_full)
        return false;
    if (bg->still_seqno != seqno) {
        bg->still_seqno = seqno;
        bg->still_ns = now;
    }
    if (now - bg->still_ns < TIDY_MS * NS_PER_MS)
        return false;
    bg->tidying = true;
    bg->still_ns = now;
    mutex_unlock(&db->mu);
    queue_try_switch_memtable(db);
    mutex_lock(&db->mu);
    bg->tidying = false;
    return true;
}

/* On a nearly full disk only compactions that surely fit are tried; 0: any. */
static uint64_t compaction_len_max_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    uint64_t total, free_len;
    int err;

    if (!db->disk_full)
        return 0;
    mutex_unlock(&db->mu);
    err = db_space(db, &total, &free_len);
    mutex_lock(&db->mu);
    if (err)
        return 0;
    return free_len > 1 << 20 ? free_len : 1 << 20;
}

/* Do writes come in, so that compacting level 0 later saves rewriting the base level? */
static bool is_busy_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    uint64_t filled = db->background.filled_ns;

    return now_ns(CLOCK_MONOTONIC) < filled + QUIET_MS * NS_PER_MS;
}

static bool pick_locked(struct lsm_db *db, uint64_t len_max) REQUIRES(db->mu)
{
    struct pick_options options = db->pick;

    if (is_busy_locked(db))
        options.l0_patience_count = L0_PATIENCE * options.l0_compact_count;

    /* A manual compaction wants the tables for itself. */
    if (db->manual_count || atomic_load(&db->closing) || atomic_load(&db->sticky_err) ||
        now_ns(CLOCK_MONOTONIC) < db->background.compact_retry_ns)
        return false;
    return compact_pick_locked(db, &options, len_max);
}

static bool level0_is_behind_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    return atomic_load(&db->background.l0_runs) >= db->options.l0_compact_count;
}

/*
 * Do one job. False when there is none: then the lock was held all the time, so that whoever waits
 * now has missed no signal.
 */
static bool work_locked(struct lsm_db *db, uint64_t len_max) REQUIRES(db->mu)
{
    if (flush_one_locked(db) || compact_piece_locked(db, true))
        return true;
    if (level0_is_behind_locked(db))
        return pick_locked(db, len_max) || compact_piece_locked(db, false) || relieve_locked(db) ||
               tidy_locked(db);
    return compact_piece_locked(db, false) || pick_locked(db, len_max) || relieve_locked(db) ||
           tidy_locked(db);
}

static void wait_for_work_locked(struct lsm_db *db) REQUIRES(db->mu)
{
    /* Looking for work lets go of the lock: closing may have begun, and was announced, since. */
    if (atomic_load(&db->closing))
        return;
    atomic_fetch_add(&db->background.idle_count, 1);
    if (db->disk_full)
        cond_wait_ms(&db->work_cond, &db->mu, RETRY_MS);
    else if (level0_is_behind_locked(db) && is_busy_locked(db))
        cond_wait_ms(&db->work_cond, &db->mu, QUIET_MS / 8);
    else if (atomic_load(&db->delete_count))
        cond_wait_ms(&db->work_cond, &db->mu, TIDY_MS / 2);
    else
        cond_wait(&db->work_cond, &db->mu);
    atomic_fetch_sub(&db->background.idle_count, 1);
}

static void pin(const struct worker *w)
{
    cpu_set_t set;

    if (w->core < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)w->core, &set);
    /* Where it is refused, the worker runs anywhere. */
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* On Linux a nice value is a thread's own. */
static void step_back(unsigned nice_more)
{
    id_t thread = (id_t)gettid();

    if (nice_more)
        (void)setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + (int)nice_more);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct lsm_db *db = w->db;

    pin(w);
    step_back(db->options.worker_nice);
    mutex_lock(&db->mu);
    while (!atomic_load(&db->closing)) {
        uint64_t len_max = compaction_len_max_locked(db); /* may let go of the lock */

        if (!atomic_load(&db->closing) && !work_locked(db, len_max))
            wait_for_work_locked(db);
    }
    mutex_unlock(&db->mu);
    return NULL;
}

/* The cores that the process may use, in order, up to `max`. */
static unsigned list_cores(int *cores, unsigned max)
{
    unsigned count = 0;
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        return 0;
    for (int core = 0; core < CPU_SETSIZE && count < max; core++) {
        if (CPU_ISSET((unsigned)core, &set))
            cores[count++] = core;
    }
    return count;
}

int background_start(struct lsm_db *db)
{
    struct background *bg = &db->background;
    int cores[WORKER_COUNT_MAX], err = 0;
    unsigned core_count = list_cores(cores, WORKER_COUNT_MAX), count = db->options.worker_count;
    sigset_t all, old;

    if (count == 0)
        count = core_count ? core_count : 1;
    bg->workers = calloc(count, sizeof(*bg->workers));
    if (!bg->workers)
        return -ENOMEM;
    bg->filled_ns = now_ns(CLOCK_MONOTONIC);
    rate_limit_init(&bg->rate_limit, db->options.rate_limit_len, now_ns(CLOCK_MONOTONIC));
    /* Signals are the host program's business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    /* Workers read the count: it is set before the first one runs. */
    bg->worker_count = count;
    for (unsigned i = 0; !err && i < count; i++) {
        struct worker *w = &bg->workers[i];

        w->db = db;
        w->core = db->options.pin_workers && core_count ? cores[i % core_count] : -1;
        err = pthread_create(&w->thread, NULL, worker_main, w);
        w->runs = !err;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err ? err_raise(err, "%s: cannot start a thread: %s", db->env->path, strerror(err)) : 0;
}

void background_stop(struct lsm_db *db)
{
    struct background *bg = &db->background;

    mutex_lock(&db->mu);
    atomic_store(&db->closing, true);
    background_wake_locked(db);
    mutex_unlock(&db->mu);
    for (unsigned i = 0; i < bg->worker_count; i++) {
        if (bg->workers[i].runs)
            pthread_join(bg->workers[i].thread, NULL);
    }
    compact_abandon(db);
    flush_abandon(db);
    free(bg->workers);
    bg->workers = NULL;
    bg->worker_count = 0;
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
