/*
 * The write path. Writers queue; the head leads a group: it makes room, writes one log append for
 * all, inserts into the memtable (members with much data insert their own, side by side), makes the
 * group visible, and hands the lead to the next. Syncing is not part of it: see logs.c.
 *
 * Nothing is visible before its record has been handed to the kernel, and sequence numbers are
 * given in the order of the log, so a killed process loses nothing that was acknowledged, and what
 * is left after a crash is a prefix.
 */
#include "lsm/db/db.h"

#include <time.h>

#include "lsm/base/waiting.h"

enum {
    GROUP_LEN_MAX = 4 << 20,    /* bytes of batches in one append */
    GROUP_COUNT_MAX = 64,       /* batches in one append */
    OWN_INSERT_LEN_MIN = 16384, /* a member with more than this inserts for itself */
};

enum writer_state {
    WRITER_QUEUED,
    WRITER_LEADS,
    WRITER_INSERTS,
    WRITER_DONE
};

struct group;

/* A call of lsm_write, on the caller's stack. Fields are guarded by queue_mu. */
struct writer {
    struct writer *next;
    const struct lsm_batch *batch;
    uint64_t moved_len; /* bytes of the caller's batch that went to blob files */
    bool urgent;
    enum writer_state state;
    int err;
    uint64_t first_seqno;
    struct group *group; /* of a member that inserts for itself */
    bool has_cond;       /* it has waited: most never do */
    struct cond cond;
};

struct group {
    struct writer *members[GROUP_COUNT_MAX]; /* [0] is the leader */
    unsigned count;
    uint64_t op_count;
    size_t len;         /* bytes of their batches */
    uint64_t moved_len; /* and of what went to blob files instead */
    struct memtable *mem;
    unsigned inserting; /* [queue_mu] members that still insert for themselves */
};

static void writer_wait(struct lsm_db *db, struct writer *w) REQUIRES(db->queue_mu)
{
    const char *before = waiting_begin("another write, which leads this one");

    if (!w->has_cond)
        cond_init(&w->cond);
    w->has_cond = true;
    cond_wait(&w->cond, &db->queue_mu);
    waiting_end(before);
}

/* Under the queue's lock, so that whoever does not wait yet sees what has changed. */
static void writer_wake(struct writer *w)
{
    if (w->has_cond)
        cond_signal(&w->cond);
}

static void writer_done(struct writer *w)
{
    if (w->has_cond)
        cond_done(&w->cond);
}

/* Stand in the queue until it is this writer's turn to lead, to insert, or to return. */
static void enqueue(struct lsm_db *db, struct writer *w) REQUIRES(db->queue_mu)
{
    if (db->queue_tail)
        db->queue_tail->next = w;
    else
        db->queue_head = w;
    db->queue_tail = w;
    if (db->queue_head == w)
        w->state = WRITER_LEADS;
    while (w->state == WRITER_QUEUED)
        writer_wait(db, w);
}

static void collect(struct lsm_db *db, struct group *g) REQUIRES(db->queue_mu)
{
    struct writer *leader = db->queue_head;

    for (struct writer *w = leader; w && g->count < GROUP_COUNT_MAX; w = w->next) {
        size_t len = w->batch->bytes.len;

        if (g->count && (g->len + len > GROUP_LEN_MAX || w->urgent != leader->urgent))
            break;
        if (w->batch->count == 0) /* queue_switch_memtable's: it leads for itself */
            break;
        g->members[g->count++] = w;
        g->len += len;
        g->moved_len += w->moved_len;
        g->op_count += w->batch->count;
    }
}

/* The workers hear of the first one: they will flush deletions when nothing else is written. */
static void note_deletions(struct lsm_db *db, const struct group *g)
{
    uint64_t before = atomic_load(&db->delete_count), count = before;

    for (unsigned i = 0; i < g->count; i++)
        count += g->members[i]->batch->delete_count;
    if (count == before)
        return;
    atomic_store(&db->delete_count, count);
    atomic_store(&db->deleted_ns, now_ns(CLOCK_MONOTONIC));
    if (before)
        return;
    mutex_lock(&db->mu);
    cond_signal(&db->work_cond);
    mutex_unlock(&db->mu);
}

/* A counter that nobody else changes. */
static void count_as_leader(atomic_uint_fast64_t *counter, uint64_t more)
{
    uint64_t count = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, count + more, memory_order_relaxed);
}

/* One append for the whole group. Sequence numbers count only when it succeeds. */
static int append(struct lsm_db *db, struct group *g)
{
    struct wal_record records[GROUP_COUNT_MAX];
    uint64_t seqno = db->last_seqno, time_ns = now_ns(CLOCK_REALTIME);
    uint64_t synced = atomic_load(&db->synced_seqno);
    struct wal_writer *wal = wals_newest(db);
    uint64_t len = wal_writer_len(wal);
    int err;

    if (g->op_count > SEQNO_MAX - seqno)
        return -EOVERFLOW;
    for (unsigned i = 0; i < g->count; i++) {
        struct writer *w = g->members[i];

        w->first_seqno = seqno + 1;
        records[i] = (struct wal_record){.first_seqno = w->first_seqno,
                                         .op_count = w->batch->count,
                                         .time_ns = time_ns,
                                         .synced_seqno = synced,
                                         .payload = buf_slice(&w->batch->bytes)};
        seqno += w->batch->count;
    }
    err = wal_writer_append(wal, records, g->count, g->members[0]->urgent);
    if (err)
        return err == -ENOSPC ? err : db_fail(db, err, "writing the log failed");
    db->last_seqno = seqno;
    db_note_time(db, records[0].first_seqno, time_ns);
    note_deletions(db, g);
    count_as_leader(&db->counters.wal_write_len, wal_writer_len(wal) - len);
    return 0;
}

static int insert(struct writer *w, struct memtable *mem)
{
    return batch_insert(mem, buf_slice(&w->batch->bytes), w->first_seqno);
}

/* Member 0 leads and always inserts for itself; others do when it is worth waking them. */
static bool inserts_itself(const struct group *g, unsigned i)
{
    return i > 0 && g->members[i]->batch->bytes.len >= OWN_INSERT_LEN_MIN;
}

static bool any_inserts_itself(const struct group *g)
{
    for (unsigned i = 1; i < g->count; i++) {
        if (inserts_itself(g, i))
            return true;
    }
    return false;
}

static int insert_all(struct group *g)
{
    int err = 0;

    for (unsigned i = 0; !err && i < g->count; i++)
        err = insert(g->members[i], g->mem);
    return err;
}

/* Let the big members insert for themselves, insert for the others, and wait for all. */
static int insert_group(struct lsm_db *db, struct group *g)
{
    int err = 0;

    if (!any_inserts_itself(g))
        return insert_all(g);
    mutex_lock(&db->queue_mu);
    for (unsigned i = 1; i < g->count; i++) {
        if (!inserts_itself(g, i))
            continue;
        g->members[i]->group = g;
        g->members[i]->state = WRITER_INSERTS;
        g->inserting++;
        writer_wake(g->members[i]);
    }
    mutex_unlock(&db->queue_mu);
    for (unsigned i = 0; i < g->count; i++) {
        int one = inserts_itself(g, i) ? 0 : insert(g->members[i], g->mem);

        err = err ? err : one;
    }
    mutex_lock(&db->queue_mu);
    while (g->inserting)
        writer_wait(db, g->members[0]);
    for (unsigned i = 1; i < g->count; i++)
        err = err ? err : g->members[i]->err;
    mutex_unlock(&db->queue_mu);
    return err;
}

/* A member's share of the work above. */
static void insert_own(struct lsm_db *db, struct writer *w) REQUIRES(db->queue_mu)
{
    struct group *g = w->group;
    int err;

    mutex_unlock(&db->queue_mu);
    err = insert(w, g->mem);
    mutex_lock(&db->queue_mu);
    w->err = err;
    w->state = WRITER_QUEUED;
    if (--g->inserting == 0)
        writer_wake(g->members[0]);
    while (w->state == WRITER_QUEUED)
        writer_wait(db, w);
}

/* Take the group off the queue, tell its members, and wake who leads next. */
static void leave(struct lsm_db *db, struct group *g, int err) REQUIRES(db->queue_mu)
{
    for (unsigned i = 0; i < g->count; i++) {
        struct writer *w = g->members[i];

        db->queue_head = w->next;
        w->err = err;
        w->state = WRITER_DONE;
        if (i)
            writer_wake(w);
    }
    if (db->queue_head) {
        db->queue_head->state = WRITER_LEADS;
        writer_wake(db->queue_head);
    } else {
        db->queue_tail = NULL;
    }
}

/* The leader's work, without the queue's lock. */
static int commit_group(struct lsm_db *db, struct group *g)
{
    int err = append(db, g);

    if (err)
        return err;
    g->mem = db->lead_mem;
    err = insert_group(db, g);
    /* The log has it and the memtable may hold a part: only replaying can put that right. */
    if (err)
        return db_fail(db, err, "no memory for a write that is in the log");
    atomic_store_explicit(&db->visible_seqno, db->last_seqno, memory_order_release);
    count_as_leader(&db->counters.write_count, g->count);
    count_as_leader(&db->counters.write_len, g->len + g->moved_len);
    return 0;
}

static void lead(struct lsm_db *db, struct writer *w) REQUIRES(db->queue_mu)
{
    struct group g;
    int err;

    /* Its list is long, and mostly empty. */
    g.count = g.inserting = 0;
    g.op_count = g.moved_len = g.len = 0;
    mutex_unlock(&db->queue_mu);
    err = db_make_room(db, w->batch->bytes.len, w->urgent);
    mutex_lock(&db->queue_mu);
    collect(db, &g);
    if (!err) {
        mutex_unlock(&db->queue_mu);
        err = commit_group(db, &g);
        mutex_lock(&db->queue_mu);
    }
    leave(db, &g, err);
}

/* The leader's words about a failure stay with its thread; a member gets its own. */
static int describe(struct lsm_db *db, int err)
{
    if (err == 0 || *err_detail())
        return err;
    if (err == -ERR_STICKY)
        return db_writable(db);
    return err_raise(-err, "%s: written together with others, which failed: %s", db->env->path,
                     err_text(err));
}

static int write_batch(struct lsm_db *db, const struct lsm_batch *b, uint64_t moved_len,
                       bool urgent)
{
    struct writer w = {
        .batch = b, .moved_len = moved_len, .urgent = urgent, .state = WRITER_QUEUED};

    mutex_lock(&db->queue_mu);
    enqueue(db, &w);
    if (w.state == WRITER_INSERTS)
        insert_own(db, &w);
    if (w.state == WRITER_LEADS)
        lead(db, &w);
    mutex_unlock(&db->queue_mu);
    writer_done(&w);
    if (!w.err && b->patch_count)
        fold_limit_after_write(db, b, w.first_seqno);
    return describe(db, w.err);
}

/* Large values are on their way to the disk before the batch joins the queue. */
static int write_made(struct lsm_db *db, struct blob_batch *bb, uint64_t len, bool urgent)
{
    int err = write_batch(db, bb->batch, len - bb->batch->bytes.len, urgent);

    blob_batch_done(db, bb, err);
    return err;
}

static int write_moved(struct lsm_db *db, const struct lsm_batch *b, bool urgent)
{
    struct blob_batch bb;
    int err = blob_batch_make(db, b, urgent, &bb);

    if (err)
        return err;
    err = write_made(db, &bb, b->bytes.len, urgent);
    if (err && err != -ENOSPC)
        batch_files_keep(b);
    return err;
}

/* On a full disk what was deleted a moment ago may still have to give its space back. */
static bool try_again(struct lsm_db *db, int err, size_t len, unsigned flags, struct patience *p)
{
    if (err != -ENOSPC || flags & LSM_WRITE_URGENT || !db_await_space(db, len, p))
        return false;
    err_clear();
    return true;
}

static int sync_if_asked(struct lsm_db *db, unsigned flags)
{
    return flags & LSM_WRITE_SYNC ? db_sync_to(db, atomic_load(&db->visible_seqno)) : 0;
}

int lsm_write(struct lsm_db *db, const struct lsm_batch *b, unsigned flags)
{
    struct patience patience = {0};
    int err;

    err_clear();
    err = db_writable(db);
    if (!err && b->db && b->db != db)
        err = err_raise(EINVAL, "%s: the batch holds copies of values of another store",
                        db->env->path);
    if (!err)
        err = db_check_value_len(db, b->value_len);
    if (!err && b->count) {
        do {
            err = write_moved(db, b, flags & LSM_WRITE_URGENT);
        } while (try_again(db, err, b->bytes.len, flags, &patience));
    }
    return err ? err : sync_if_asked(db, flags);
}

static int put_large_once(struct lsm_db *db, struct slice key, struct slice value, bool urgent)
{
    struct blob_batch bb;
    int err = blob_batch_make_put(db, key, value, urgent, &bb);

    return err ? err : write_made(db, &bb, key.len + value.len, urgent);
}

int db_put_large(struct lsm_db *db, struct slice key, struct slice value, unsigned flags)
{
    struct patience patience = {0};
    int err;

    err_clear();
    err = db_writable(db);
    if (!err) {
        do {
            err = put_large_once(db, key, value, flags & LSM_WRITE_URGENT);
        } while (try_again(db, err, key.len + value.len, flags, &patience));
    }
    return err ? err : sync_if_asked(db, flags);
}

int lsm_sync(struct lsm_db *db)
{
    err_clear();
    if (db->options.read_only)
        return 0;
    if (atomic_load(&db->sticky_err))
        return db_writable(db);
    return db_sync_to(db, atomic_load(&db->visible_seqno));
}

/* Lead the queue for once without writing, to switch the memtable. */
int queue_switch_memtable(struct lsm_db *db, struct memtable **ret)
{
    static const struct lsm_batch nothing;
    struct writer w = {.batch = &nothing, .state = WRITER_QUEUED};
    struct group g = {.members = {&w}, .count = 1};
    struct superversion *sv;
    int err = 0;

    *ret = NULL;
    mutex_lock(&db->queue_mu);
    enqueue(db, &w);
    mutex_unlock(&db->queue_mu);
    sv = sv_get(db);
    if (!memtable_empty(sv->mem))
        err = db_renew_memtable(db, sv->imm_count, false);
    if (!err) {
        *ret = !memtable_empty(sv->mem) ? sv->mem : sv->imm_count ? sv->imms[0] : NULL;
        if (*ret)
            memtable_ref(*ret);
    }
    sv_put(sv);
    mutex_lock(&db->queue_mu);
    leave(db, &g, err);
    mutex_unlock(&db->queue_mu);
    writer_done(&w);
    return err;
}

void queue_try_switch_memtable(struct lsm_db *db)
{
    static const struct lsm_batch nothing;
    struct writer w = {.batch = &nothing, .state = WRITER_QUEUED};
    struct group g = {.members = {&w}, .count = 1};
    struct superversion *sv;
    int err = 0;

    mutex_lock(&db->queue_mu);
    if (db->queue_head) {
        mutex_unlock(&db->queue_mu);
        return;
    }
    enqueue(db, &w);
    mutex_unlock(&db->queue_mu);
    sv = sv_get(db);
    /* Never wait here: those for whom one waits may be waiting for this thread. */
    if (!memtable_empty(sv->mem) && sv->imm_count + 1 < db->options.memtable_count_max &&
        db_writable(db) == 0)
        err = db_switch_memtable(db);
    sv_put(sv);
    mutex_lock(&db->queue_mu);
    leave(db, &g, err);
    mutex_unlock(&db->queue_mu);
    writer_done(&w);
}
