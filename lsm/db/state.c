/*
 * Messages, file numbers, and the sticky failure: after a write or sync that failed in a way that
 * retrying cannot cure, nobody knows what of it is on disk, so the store takes no more writes. It
 * stays readable. Only opening it again, which replays what really is on disk, starts afresh.
 */
#include "lsm/db/db.h"

#include <stdarg.h>
#include <time.h>

uint64_t now_ns(int clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void db_log(struct lsm_db *db, enum lsm_log_level level, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    if (!db->options.log)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    db->options.log(db->options.log_arg, level, text);
}

int db_fail(struct lsm_db *db, int err, const char *what)
{
    const char *detail = err_detail();
    bool first;

    if (!*detail)
        detail = err_text(err);
    /* Whoever finds the store read-only finds the reason as well. */
    mutex_lock(&db->mu);
    first = atomic_load(&db->sticky_err) == 0;
    if (first) {
        snprintf(db->sticky_text, sizeof(db->sticky_text), "%s: %s", what, detail);
        atomic_store(&db->sticky_err, err);
        /* Writers that wait for room must learn of it. */
        cond_broadcast(&db->done_cond);
    }
    mutex_unlock(&db->mu);
    if (first)
        db_log(db, LSM_LOG_ERROR, "%s: the store is read-only from now on: %s: %s", db->env->path,
               what, detail);
    return db_writable(db);
}

int db_writable(struct lsm_db *db)
{
    char text[256];

    if (db->options.read_only)
        return err_raise(ERR_READ_ONLY, "%s: the store is open read-only", db->env->path);
    if (atomic_load_explicit(&db->sticky_err, memory_order_relaxed) == 0)
        return 0;
    mutex_lock(&db->mu);
    memcpy(text, db->sticky_text, sizeof(text));
    mutex_unlock(&db->mu);
    return err_raise(ERR_STICKY, "%s: the store is read-only after a failure: %s", db->env->path,
                     text);
}

uint64_t db_new_file(struct lsm_db *db)
{
    return atomic_fetch_add(&db->next_file, 1);
}
