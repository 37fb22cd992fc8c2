/*
 * Room for a write: memory in the memtable, space on the disk, and a pace that the background work
 * can follow. Called by the writer that leads, before each group.
 *
 * Space. A store that fills the disk to the last byte could not even delete: logs, flushes and
 * compactions need space before they give any back. So writes that add data are refused with
 * -ENOSPC while what the memtables will need and a reserve are still free; writes that free space
 * go on into the log's reserved space. Near a full disk memtables are kept small, so that they need
 * little.
 *
 * Pace. Writers are slowed down little by little as memory fills, runs gather in level 0, or
 * compaction falls behind (pace.c), and every delay is counted. So memory is seldom full, and
 * nobody is stopped for seconds at once. A memtable may grow by a quarter while it waits for room.
 */
#include "lsm/db/db.h"

#include <time.h>

#include "lsm/base/waiting.h"

enum {
    SPACE_CHECK_LEN = 4 << 20,         /* ask the disk again after so many bytes */
    SPACE_CHECK_NS = 100 * 1000000,    /* or after so long */
    SPACE_RESERVE_LEN_MAX = 512 << 20, /* bytes */
    SPACE_RESERVE_PART = 16,           /* of the disk, at most */
    RESERVE_KEPT_PART = 4,             /* of the reserve: not even collection may use it */
    MEMTABLE_LEN_MIN = 256 << 10,
    BLOB_LEN_FACTOR = 4, /* a memtable may refer to so many times its length in blob files */
    FULL_RETRY_MS = 200,
    MEMTABLE_DELETE_COUNT_MAX = 1 << 16, /* flush earlier, so that deletions give space back */
};

/*
 * Free bytes of the disk, from a reading that is at most a little old. The leader and those who
 * append to blob files use the same one; two that read anew at once do no harm. Where the last one
 * was thrown away it is to be exact.
 */
static int refresh_space(struct lsm_db *db, size_t len)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC_COARSE), total, free_len;
    int err;

    db->space_written += len;
    if (db->space_checked_ns && now - db->space_checked_ns < SPACE_CHECK_NS &&
        db->space_written < SPACE_CHECK_LEN)
        return 0;
    err = db->space_checked_ns ? db_space_quick(db, &total, &free_len)
                               : db_space(db, &total, &free_len);
    if (err)
        return err;
    db->space_total = total;
    db->space_free = free_len;
    db->space_checked_ns = now;
    db->space_written = 0;
    return 0;
}

uint64_t db_space_reserve(uint64_t total_len)
{
    uint64_t part = total_len / SPACE_RESERVE_PART;

    return part < SPACE_RESERVE_LEN_MAX ? part : SPACE_RESERVE_LEN_MAX;
}

/* Near a full disk a small memtable needs little space to be flushed. */
static size_t memtable_limit(const struct lsm_db *db)
{
    uint64_t part = db->space_free / 16;

    if (part >= db->options.memtable_len)
        return db->options.memtable_len;
    return part > MEMTABLE_LEN_MIN ? (size_t)part : MEMTABLE_LEN_MIN;
}

/* The full memtables, as the leader sees them: it alone makes them more. */
struct full {
    unsigned count;
    uint64_t len; /* bytes */
};

static struct full full_memtables(struct lsm_db *db)
{
    return (struct full){
        .count = atomic_load_explicit(&db->imm_count, memory_order_relaxed),
        .len = atomic_load_explicit(&db->imms_len, memory_order_relaxed),
    };
}

/* For those who do not lead. */
static uint64_t memtables_len(struct lsm_db *db)
{
    struct superversion *sv = sv_get(db);
    uint64_t len = memtable_len(sv->mem);

    for (unsigned i = 0; i < sv->imm_count; i++)
        len += memtable_len(sv->imms[i]);
    sv_put(sv);
    return len;
}

/* What must be free before `len` more bytes are taken. */
static uint64_t space_needed(uint64_t mem_len, size_t len, uint64_t total_len)
{
    return mem_len + 2 * (uint64_t)len + db_space_reserve(total_len);
}

bool db_has_space(struct lsm_db *db, size_t len)
{
    uint64_t total, free_len;

    return db_space(db, &total, &free_len) == 0 &&
           free_len >= space_needed(memtables_len(db), len, total);
}

uint64_t db_space_to_spare(struct lsm_db *db)
{
    uint64_t total, free_len, kept;

    /* A disk that does not tell is no full one: writing to it will show. */
    if (db_space(db, &total, &free_len))
        return UINT64_MAX - 1;
    /* The reserve is there for this: on a full disk nothing else gives space back. */
    kept = memtables_len(db) + db_space_reserve(total) / RESERVE_KEPT_PART;
    return free_len > kept ? free_len - kept : 0;
}

static int check_space(struct lsm_db *db, uint64_t mem_len, size_t len)
{
    int err = refresh_space(db, len);

    if (err)
        return err;
    if (db->space_free >= space_needed(mem_len, len, db->space_total) + db->space_written)
        return 0;
    /* Look again at once before refusing: space may just have come back. */
    db->space_checked_ns = 0;
    err = refresh_space(db, 0);
    if (err || db->space_free >= space_needed(mem_len, len, db->space_total))
        return err;
    atomic_fetch_add(&db->full_count, 1);
    mutex_lock(&db->mu);
    db->disk_full = true;
    cond_broadcast(&db->work_cond);
    mutex_unlock(&db->mu);
    return err_raise(ENOSPC, "%s: the disk is full", db->env->path);
}

int db_check_space(struct lsm_db *db, size_t len)
{
    return check_space(db, memtables_len(db), len);
}

static uint64_t price(struct lsm_db *db, struct full full, size_t len)
{
    const struct background *bg = &db->background;
    uint64_t done = atomic_load_explicit(&bg->flush_done_len, memory_order_relaxed);
    struct pace_debt debt = {
        .memtable_len = db->options.memtable_len,
        .mem_len = memtable_len(db->lead_mem) + len,
        .imm_count = full.count,
        .imm_count_max = db->options.memtable_count_max - 1,
        .unflushed_len = full.len > done ? full.len - done : 0,
        .l0_runs = atomic_load_explicit(&bg->l0_runs, memory_order_relaxed),
        .l0_compact_count = db->options.l0_compact_count,
        .debt_len = atomic_load_explicit(&bg->debt_len, memory_order_relaxed),
        .level_base_len = db->pick.level_base_len,
        .flush_ps_per_b = atomic_load_explicit(&bg->flush_ps_per_b, memory_order_relaxed),
    };

    return pace_ps_per_b(&debt);
}

static void pace(struct lsm_db *db, size_t len)
{
    uint64_t ps_per_b = price(db, full_memtables(db), len), now, ns;
    struct timespec ts;

    if (ps_per_b == 0)
        return;
    now = now_ns(CLOCK_MONOTONIC);
    ns = pace_take(&db->pace, db->lead_mem, memtable_len(db->lead_mem), ps_per_b, now);
    if (ns == 0)
        return;
    ts = (struct timespec){0, (long)ns};
    nanosleep(&ts, NULL);
    atomic_fetch_add_explicit(&db->counters.delay_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->counters.delay_us, (now_ns(CLOCK_MONOTONIC) - now) / 1000,
                              memory_order_relaxed);
}

/* A new log, the newest. The old one gives back its reserve, at once where the new one needs it. */
static int switch_log(struct lsm_db *db, uint64_t number)
{
    struct wal_writer *old = wals_newest(db), *wal = NULL;
    int err = wal_writer_create(db->env, number, db->last_seqno, &wal);

    if (err == -ENOSPC) {
        err = wal_writer_seal(old);
        if (!err)
            err = wal_writer_create(db->env, number, db->last_seqno, &wal);
    } else if (!err) {
        err = wal_writer_seal(old);
    }
    if (!err)
        err = wals_add(db, wal, db->last_seqno);
    if (err && wal) {
        char name[32];

        /* Left behind, an empty log could end a replay before a newer one. */
        wal_writer_close(wal);
        wal_file_name(number, name);
        env_remove(db->env, name);
    }
    return err;
}

int db_switch_memtable(struct lsm_db *db)
{
    struct superversion *sv = sv_new(), *old;
    struct memtable *imms[IMM_COUNT_MAX], *mem = NULL;
    uint64_t number = 0;
    int err = sv ? db_log_number(db, &number) : -ENOMEM;

    if (!err)
        err = db_memtable_new(db, number, &mem);

    /* The last that may fail: log and memtable may not part. */
    if (!err)
        err = switch_log(db, number);
    if (err) {
        free(sv);
        memtable_unref(mem);
        return err;
    }
    mutex_lock(&db->mu);
    imms[0] = db->sv->mem;
    for (unsigned i = 0; i < db->sv->imm_count; i++)
        imms[i + 1] = db->sv->imms[i];
    sv_fill(sv, mem, imms, db->sv->imm_count + 1, db->sv->version);
    old = sv_install_locked(db, sv);
    db->lead_mem = mem;
    flush_count_locked(db);
    db->background.filled_ns = now_ns(CLOCK_MONOTONIC);
    cond_broadcast(&db->work_cond);
    mutex_unlock(&db->mu);
    atomic_store(&db->delete_count, 0);
    sv_put(old);
    memtable_unref(mem);
    return 0;
}

/* Wait until a memtable has been flushed. 1 when there is room again; 0 to write without. */
static int wait_for_flush(struct lsm_db *db, bool urgent)
{
    const char *before = waiting_begin("room in the memtables: a flush");
    uint64_t began = now_ns(CLOCK_MONOTONIC);
    int answer = 1;

    mutex_lock(&db->mu);
    while (db->sv->imm_count + 1 >= db->options.memtable_count_max && !db->sticky_err) {
        if (db->disk_full) {
            /* What frees space must go on; a memtable may grow a little for it. */
            answer = urgent ? 0 : -ENOSPC;
            break;
        }
        cond_broadcast(&db->work_cond);
        cond_wait_ms(&db->done_cond, &db->mu, FULL_RETRY_MS);
    }
    mutex_unlock(&db->mu);
    waiting_end(before);
    atomic_fetch_add_explicit(&db->counters.delay_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->counters.delay_us, (now_ns(CLOCK_MONOTONIC) - began) / 1000,
                              memory_order_relaxed);
    return answer == -ENOSPC ? err_raise(ENOSPC, "%s: the disk is full", db->env->path) : answer;
}

/* The memtable is full: start another. A full disk stops only those that would add data. */
int db_renew_memtable(struct lsm_db *db, unsigned imm_count, bool urgent)
{
    int err, room = 1;

    if (imm_count + 1 >= db->options.memtable_count_max)
        room = wait_for_flush(db, urgent);
    if (room <= 0)
        return room;
    err = db_writable(db);
    if (!err)
        err = db_switch_memtable(db);
    if (err == -ENOSPC && urgent)
        return 0;
    return err;
}

/*
 * Is it time for another memtable? Also because of what it refers to: overwritten large values give
 * their space back only after their references were flushed.
 */
static bool memtable_is_full(struct lsm_db *db, struct full full)
{
    struct memtable *mem = db->lead_mem;
    size_t limit = memtable_limit(db);
    uint64_t len = memtable_len(mem), blob_len = memtable_file_len(mem) / BLOB_LEN_FACTOR;

    if (memtable_empty(mem))
        return false;
    len = len > blob_len ? len : blob_len;
    if (len < limit && atomic_load(&db->delete_count) < MEMTABLE_DELETE_COUNT_MAX)
        return false;
    /* Rather than wait for a flush, let this one grow a little. */
    return full.count + 1 < db->options.memtable_count_max || limit < db->options.memtable_len ||
           len >= limit + limit / PACE_STRETCH_PART;
}

int db_make_room(struct lsm_db *db, size_t len, bool urgent)
{
    struct full full = full_memtables(db);
    int err = db_writable(db);

    if (!err && !urgent)
        err = check_space(db, memtable_len(db->lead_mem) + full.len, len);
    else if (!err)
        err = refresh_space(db, len);
    if (!err && memtable_is_full(db, full))
        err = db_renew_memtable(db, full.count, urgent);
    if (!err && !urgent)
        pace(db, len);
    return err;
}
