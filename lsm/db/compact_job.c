/*
 * One compaction, from picked inputs to the new version. Inputs that can move down as they are cost
 * one edit and no I/O. Others are divided into pieces, ranges of user keys of about as many bytes,
 * and any worker may take one; whoever does the last one commits all of them in one edit. So the
 * result is that of one long merge. When a piece fails, the others end as soon as they yield, those
 * that nobody has begun are never begun, and the files of all are removed.
 *
 * The merge yields every few hundred versions. There a worker flushes a memtable when no other
 * worker is free to, however long the compaction, and waits when writing is limited.
 */
#include "lsm/db/compact_job.h"

enum {
    RATE_STEP_MS = 10 /* waiting for the rate limit looks around so often */
};

/* --- Pieces --- */

static uint64_t piece_new_number(void *arg)
{
    return db_new_file(((struct compact_piece *)arg)->job->db);
}

static bool piece_must_end(const struct compact_piece *p)
{
    const struct lsm_db *db = p->job->db;

    return atomic_load_explicit(&db->closing, memory_order_relaxed) ||
           atomic_load_explicit(&db->sticky_err, memory_order_relaxed) ||
           atomic_load_explicit(&p->job->failed, memory_order_relaxed);
}

/* Flush here what no idle worker will. */
static void flush_first(struct lsm_db *db)
{
    struct background *bg = &db->background;

    if (atomic_load_explicit(&bg->flush_wanted, memory_order_relaxed) == 0 ||
        atomic_load_explicit(&bg->idle_count, memory_order_relaxed))
        return;
    mutex_lock(&db->mu);
    flush_one_locked(db);
    mutex_unlock(&db->mu);
}

/* Wait until the rate limit lets more be written. */
static void pay_rate(struct compact_piece *p, uint64_t written_len)
{
    struct lsm_db *db = p->job->db;
    uint64_t until, now = now_ns(CLOCK_MONOTONIC);

    if (written_len <= p->paid_len)
        return;
    mutex_lock(&db->mu);
    until = rate_limit_take(&db->background.rate_limit, written_len - p->paid_len, now);
    p->paid_len = written_len;
    while (until > now && !piece_must_end(p)) {
        uint64_t ms = (until - now) / 1000000 + 1;

        cond_wait_ms(&db->work_cond, &db->mu, ms < RATE_STEP_MS ? ms : RATE_STEP_MS);
        mutex_unlock(&db->mu);
        flush_first(db);
        mutex_lock(&db->mu);
        now = now_ns(CLOCK_MONOTONIC);
    }
    mutex_unlock(&db->mu);
}

static int piece_yield(void *arg, const struct compact_run *r)
{
    struct compact_piece *p = arg;
    struct lsm_db *db = p->job->db;

    flush_first(db);
    if (db->options.rate_limit_len)
        pay_rate(p, r->written_len + r->open_len + r->blob_written_len);
    return piece_must_end(p) ? -ECANCELED : 0;
}

static int run_piece(struct lsm_db *db, struct compact_piece *p)
{
    int err = piece_must_end(p) ? -ECANCELED : piece_open_input(db, p);

    if (!err)
        err = compact_run(&p->run);
    piece_close_input(p);
    return err;
}

/* --- Jobs --- */

static uint64_t newest_run(const struct compaction *c)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < c->input_count[0]; i++)
        newest = c->inputs[0][i]->run > newest ? c->inputs[0][i]->run : newest;
    return newest;
}

/* Where a split cuts: at the first key of each table of the level that it is to be merged with. */
static int choose_cuts(struct lsm_db *db, struct compact_job *job)
{
    struct level_targets targets;
    const struct level *level;

    job->sv = sv_get(db);
    pick_level_targets(job->sv->version, &db->pick, &targets);
    level = &job->sv->version->levels[targets.base_level];
    job->cuts = malloc((level->count + 1) * sizeof(*job->cuts));
    if (!job->cuts)
        return -ENOMEM;
    for (size_t i = 0; i < level->count; i++)
        job->cuts[i] = level->tables[i]->smallest;
    job->cut_count = level->count;
    return 0;
}

/* As many pieces as workers, but none so small that its tables would be dwarfs. */
static unsigned wished_pieces(struct lsm_db *db, const struct compaction *c)
{
    uint64_t count = c->input_len / (db->options.table_len / 2 + 1);
    unsigned max = db->background.worker_count;
    bool alone;

    mutex_lock(&db->mu);
    alone = db->disk_full || c->split;
    mutex_unlock(&db->mu);
    if (alone || count <= 1)
        return 1;
    return count < max ? (unsigned)count : max;
}

static int make_pieces(struct lsm_db *db, struct compact_job *job)
{
    unsigned count = (unsigned)job->ranges.cut_count + 1;
    struct compact_blobs blobs = db_compact_blobs(db);

    blobs.moved = job->garbage.numbers;
    blobs.moved_count = job->garbage.count;

    job->pieces = calloc(count, sizeof(*job->pieces));
    if (!job->pieces)
        return -ENOMEM;
    job->piece_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct compact_piece *p = &job->pieces[i];

        p->job = job;
        p->run = (struct compact_run){.store = &db->store,
                                      .blobs = blobs,
                                      .builder = db->builder,
                                      .table_len = db->options.table_len,
                                      .prefix_len = db->options.table_prefix_len,
                                      .cuts = job->cuts,
                                      .cut_count = job->cut_count,
                                      .begin = i ? &job->ranges.cuts[i - 1] : NULL,
                                      .end = i + 1 < count ? &job->ranges.cuts[i] : NULL,
                                      .run = job->c.split ? newest_run(&job->c) : 0,
                                      .dels = job->dels,
                                      .del_count = job->del_count,
                                      .snapshots = job->snapshots,
                                      .snapshot_count = job->snapshot_count,
                                      .bottom = job->c.bottom,
                                      .new_number = piece_new_number,
                                      .yield = piece_yield,
                                      .arg = p};
    }
    return 0;
}

static void job_free(struct compact_job *job)
{
    if (!job)
        return;
    for (unsigned i = 0; i < job->piece_count; i++)
        compact_run_done(&job->pieces[i].run, &job->db->store);
    free(job->pieces);
    free(job->snapshots);
    free(job->dels);
    free(job->cuts);
    garbage_done(&job->garbage);
    subranges_done(&job->ranges);
    sv_put(job->sv);
    free(job);
}

/* Bytes that the inputs have in a blob file. */
static uint64_t len_in_file(const struct compaction *c, uint64_t number)
{
    uint64_t len = 0;

    for (unsigned which = 0; which < 2; which++) {
        for (size_t i = 0; i < c->input_count[which]; i++) {
            const struct blob_use *use = blob_uses_find(&c->inputs[which][i]->blobs, number);

            len += use ? use->len : 0;
        }
    }
    return len;
}

/*
 * Which blob files are to be emptied: as many as the disk has room for. A merge goes on without,
 * since on a full disk it is what may give space back; what was to do nothing else has failed.
 */
static int choose_moved(struct lsm_db *db, struct compact_job *job)
{
    const struct compaction *c = &job->c;
    uint64_t room = db_space_to_spare(db), need = c->input_len;
    struct garbage_list *list = &job->garbage;
    size_t kept = 0;
    bool left = false, any = false;
    int err = garbage_find(db, list);

    for (size_t i = 0; !err && i < list->count; i++) {
        uint64_t len = len_in_file(c, list->numbers[i]);

        if (len && (need > room || len > room - need)) {
            left = true;
            continue;
        }
        any |= len > 0;
        need += len;
        list->numbers[kept] = list->numbers[i];
        list->files[kept++] = list->files[i];
    }
    list->count = kept;
    if (!err && left && !any && job->awaited && c->input_level == c->output_level)
        err = -ENOSPC;
    return err;
}

static int job_new(struct lsm_db *db, const struct compaction *c, bool awaited,
                   struct compact_job **ret)
{
    struct compact_job *job = calloc(1, sizeof(*job));
    int err;

    if (!job)
        return -ENOMEM;
    job->db = db;
    job->c = *c;
    job->awaited = awaited;
    err = job_open_inputs(db, job);
    if (!err && c->split)
        err = choose_cuts(db, job);
    if (!err)
        err = choose_moved(db, job);
    if (!err)
        err = subranges_of(c, &db->store, wished_pieces(db, c), &job->ranges);
    if (!err)
        err = make_pieces(db, job);
    if (err) {
        job_free(job);
        return err;
    }
    *ret = job;
    return 0;
}

static void enlist_locked(struct lsm_db *db, struct compact_job *job) REQUIRES(db->mu)
{
    struct compact_job **at = &db->background.jobs;

    while (*at)
        at = &(*at)->next;
    *at = job;
    cond_broadcast(&db->work_cond);
}

static void delist_locked(struct lsm_db *db, struct compact_job *job) REQUIRES(db->mu)
{
    struct compact_job **at = &db->background.jobs;

    while (*at && *at != job)
        at = &(*at)->next;
    if (*at)
        *at = job->next;
    job->next = NULL;
}

/* --- Committing --- */

static int remove_inputs(const struct compaction *c, struct version_edit *edit)
{
    int err = 0;

    for (unsigned which = 0; which < 2; which++) {
        unsigned level = which ? c->output_level : c->input_level;

        for (size_t i = 0; !err && i < c->input_count[which]; i++)
            err = edit_remove_table(edit, level, c->inputs[which][i]->number);
    }
    return err;
}

static int move_down(struct lsm_db *db, const struct compaction *c)
{
    struct version_edit edit = {0};
    int err = remove_inputs(c, &edit);

    for (size_t i = 0; !err && i < c->input_count[0]; i++)
        err = edit_add_table(&edit, c->output_level, c->inputs[0][i]);
    if (!err)
        err = db_commit_edit(db, &edit, NULL);
    if (!err)
        atomic_fetch_add_explicit(&db->counters.move_count, 1, memory_order_relaxed);
    edit_done(&edit, &db->store);
    return err;
}

/* The files of tables that no manifest names. */
static void discard_outputs(struct compact_job *job)
{
    for (unsigned k = 0; k < job->piece_count; k++) {
        const struct compact_run *run = &job->pieces[k].run;

        for (size_t i = 0; i < run->table_count; i++)
            atomic_store(&run->tables[i]->obsolete, true);
    }
}

static int commit_outputs(struct lsm_db *db, struct compact_job *job)
{
    struct version_edit edit = {0};
    uint64_t written_len = 0, blob_len = 0;
    int err = remove_inputs(&job->c, &edit);

    for (unsigned k = 0; k < job->piece_count; k++) {
        const struct compact_run *run = &job->pieces[k].run;

        written_len += run->written_len;
        blob_len += run->blob_written_len;
        for (size_t i = 0; !err && i < run->table_count; i++)
            err = edit_add_table(&edit, job->c.output_level, run->tables[i]);
    }
    if (!err && blob_len)
        err = blobs_sync(db);
    if (!err)
        err = env_sync_dir(db->env);
    if (!err)
        err = db_commit_edit(db, &edit, NULL);
    edit_done(&edit, &db->store);
    if (err)
        return err;
    atomic_fetch_add_explicit(&db->counters.compact_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->counters.compact_read_len, job->c.input_len,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&db->counters.compact_write_len, written_len, memory_order_relaxed);
    return 0;
}

static void mark_locked(const struct compaction *c, bool compacting)
{
    for (unsigned which = 0; which < 2; which++) {
        for (size_t i = 0; i < c->input_count[which]; i++)
            c->inputs[which][i]->compacting = compacting;
    }
}

/* The compaction is over, well or not: its tables are free again. */
static void release(struct lsm_db *db, struct compaction *c, int err)
{
    mutex_lock(&db->mu);
    mark_locked(c, false);
    db->compacting_count--;
    if (!err) /* there may be space now */
        db->background.flush_retry_ns = db->background.compact_retry_ns = 0;
    background_wake_locked(db);
    mutex_unlock(&db->mu);
    compaction_done(c, &db->store);
}

/* What was moved in vain must not keep the disk full: it would be tried again with ever less. */
static void give_back_moved(struct lsm_db *db, int err)
{
    if (err == -ENOSPC)
        blobs_retire_moved(db);
}

/* All pieces are done: commit them, or remove their files. */
static void finish(struct lsm_db *db, struct compact_job *job)
{
    int err = job->err;

    if (!err) {
        err = commit_outputs(db, job);
        background_failed(db, err, "compaction failed");
    }
    /* After other failures the manifest may name them. */
    if (job->err || err == -ENOSPC)
        discard_outputs(job);
    if (!job->awaited) {
        release(db, &job->c, err);
        job_free(job);
        give_back_moved(db, err);
        return;
    }
    mutex_lock(&db->mu);
    job->err = err;
    job->ended = true;
    cond_broadcast(&db->done_cond);
    mutex_unlock(&db->mu);
}

/* --- Taking part --- */

/* A piece has failed: nobody begins those that are left. */
static void fail_job_locked(struct lsm_db *db, struct compact_job *job, int err) REQUIRES(db->mu)
{
    if (!job->err || job->err == -ECANCELED)
        job->err = err;
    atomic_store(&job->failed, true);
    job->done += job->piece_count - job->taken;
    job->taken = job->piece_count;
    delist_locked(db, job);
    cond_broadcast(&db->work_cond); /* those that wait for the rate limit */
}

/* Take a piece of the job and do it; whoever does the last one finishes the job. */
static void work_on_locked(struct lsm_db *db, struct compact_job *job) REQUIRES(db->mu)
{
    struct compact_piece *p = &job->pieces[job->taken++];
    bool last;
    int err;

    if (job->taken == job->piece_count)
        delist_locked(db, job);
    mutex_unlock(&db->mu);
    err = run_piece(db, p);
    background_failed(db, err, "compaction failed"); /* here, as this thread has words for it */
    mutex_lock(&db->mu);
    if (err)
        fail_job_locked(db, job, err);
    last = ++job->done == job->piece_count;
    mutex_unlock(&db->mu);
    if (last)
        finish(db, job);
    mutex_lock(&db->mu);
}

bool compact_piece_locked(struct lsm_db *db, bool level0_only)
{
    struct compact_job *job = db->background.jobs;

    while (job && level0_only && job->c.input_level != 0)
        job = job->next;
    if (job)
        work_on_locked(db, job);
    return job != NULL;
}

/* Look once for a table to rewrite since snapshots are gone. Lets go of the lock meanwhile. */
static int pick_stale_locked(struct lsm_db *db, uint64_t len_max, struct compaction *ret)
    REQUIRES(db->mu)
{
    uint64_t *snapshots;
    size_t count;
    int picked;

    db->stale_hint = false;
    mutex_unlock(&db->mu);
    picked = snapshots_list(db, &snapshots, &count);
    mutex_lock(&db->mu);
    if (picked)
        return picked;
    /* The callers' conditions, which may have changed. */
    if (db->manual_count || atomic_load(&db->closing) || atomic_load(&db->sticky_err)) {
        db->stale_hint = true;
        free(snapshots);
        return 0;
    }
    picked = pick_stale(db->sv->version, snapshots, count, len_max, ret);
    free(snapshots);
    if (picked > 0)
        db->stale_hint = true; /* there may be more */
    return picked;
}

/* Look once for a table to rewrite so that a blob file gets empty. */
static int pick_garbage_locked(struct lsm_db *db, uint64_t len_max, struct compaction *ret)
    REQUIRES(db->mu)
{
    struct garbage_list list = {0};
    uint64_t room;
    int picked;

    db->garbage_hint = false;
    mutex_unlock(&db->mu);
    room = db_space_to_spare(db);
    len_max = len_max && len_max < room ? len_max : room + 1; /* 0 would be no limit */
    picked = garbage_find(db, &list);
    background_failed(db, picked, "counting the garbage of blob files failed");
    mutex_lock(&db->mu);
    if (!picked && !db->manual_count && !atomic_load(&db->closing) && !atomic_load(&db->sticky_err))
        picked = pick_garbage(db->sv->version, list.files, list.count, NULL, NULL, len_max, ret);
    /* There may be more; and when a manual compaction is over, somebody looks again. */
    if (picked > 0 || list.retired || db->manual_count)
        db->garbage_hint = true;
    garbage_done(&list);
    return picked;
}

/* Something to rewrite though no level is too full. */
static int pick_in_place_locked(struct lsm_db *db, uint64_t len_max, struct compaction *ret)
    REQUIRES(db->mu)
{
    int picked = db->stale_hint ? pick_stale_locked(db, len_max, ret) : 0;

    return picked == 0 && db->garbage_hint ? pick_garbage_locked(db, len_max, ret) : picked;
}

bool compact_pick_locked(struct lsm_db *db, const struct pick_options *options, uint64_t len_max)
{
    struct compaction c = {0};
    struct compact_job *job = NULL;
    int err;

    if (pick_compaction(db->sv->version, options, len_max, &c) <= 0) {
        if (!db->stale_hint && !db->garbage_hint)
            return false;
        /* While the lock was free something else may have come up: let the caller look again. */
        if (pick_in_place_locked(db, len_max, &c) <= 0)
            return true;
    }
    mark_locked(&c, true);
    db->compacting_count++;
    mutex_unlock(&db->mu);
    err = c.trivial_move ? move_down(db, &c) : job_new(db, &c, false, &job);
    background_failed(db, err, "compaction failed");
    if (!job)
        release(db, &c, err);
    mutex_lock(&db->mu);
    if (job)
        enlist_locked(db, job);
    return true;
}

int compact_here(struct lsm_db *db, struct compaction *c)
{
    struct compact_job *job;
    int err = c->trivial_move ? move_down(db, c) : job_new(db, c, true, &job);

    background_failed(db, err, "compaction failed");
    if (err || c->trivial_move)
        return err;
    mutex_lock(&db->mu);
    enlist_locked(db, job);
    while (job->taken < job->piece_count)
        work_on_locked(db, job);
    while (!job->ended)
        cond_wait(&db->done_cond, &db->mu);
    err = job->err;
    mutex_unlock(&db->mu);
    job_free(job);
    give_back_moved(db, err);
    return err;
}

void compact_abandon(struct lsm_db *db)
{
    struct compact_job *job;

    mutex_lock(&db->mu);
    while ((job = db->background.jobs)) {
        fail_job_locked(db, job, -ECANCELED);
        mutex_unlock(&db->mu);
        finish(db, job);
        mutex_lock(&db->mu);
    }
    mutex_unlock(&db->mu);
}
