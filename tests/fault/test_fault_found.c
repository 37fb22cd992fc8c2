/*
 * Bugs that failing calls have found, each on a store so small that every call of it can fail in
 * every run. (test_fault_engine_memory lets a sample fail, unless it is told otherwise.)
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fault/engine_trial.h"
#include "lib/scratch.h"

static char *dir;
static char path[600], killed[600];

static struct lsm_options options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.cache_bytes = 1 << 20;
    o.memtable_len = 64 << 10;
    o.worker_count = 1;
    o.pin_workers = false;
    o.io_uring = false;
    return o;
}

static int open_store(struct lsm_db **ret)
{
    struct lsm_options o = options();

    return lsm_open(path, &o, ret);
}

static void put(struct lsm_db *db, const char *key)
{
    assert_int_equal(lsm_put(db, key, strlen(key), "value", 5, LSM_WRITE_SYNC), 0);
}

static bool has(struct lsm_db *db, const char *key)
{
    struct lsm_value v;
    int err = lsm_get(db, NULL, key, strlen(key), &v);

    if (!err)
        lsm_value_done(&v);
    assert_true(!err || err == -ENOENT);
    return !err;
}

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    snprintf(path, sizeof(path), "%s/store", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    call_faults_disarm();
    scratch_free(dir);
    return 0;
}

/* Let the nth allocation fail in try(), which makes what it needs; until there is no nth. */
static void for_each_allocation(bool (*try)(uint64_t n))
{
    uint64_t n = 1;

    while (try(n))
        n++;
    assert_true(n > 3);
}

static bool is_sticky(struct lsm_db *db)
{
    struct lsm_stats stats;

    assert_int_equal(lsm_stats(db, &stats), 0);
    return stats.sticky_err != 0;
}

/* What has failed in the background makes the store read-only, now or soon. */
static void close_failed(struct lsm_db *db, bool may_be_sticky)
{
    int err = lsm_close(db);

    assert_true(err == 0 || (may_be_sticky && err == -ERR_STICKY));
}

/*
 * Log and memtable had parted, or manifest and tables. What fails in the caller, before the flush
 * has begun, leaves the store writable.
 */
static bool flush_failing(uint64_t n, enum call_scope scope)
{
    struct lsm_db *db;
    bool failed, wrote;
    int err;

    assert_int_equal(open_store(&db), 0);
    put(db, "before");
    call_faults_arm(CALL_ALLOC, n, ENOMEM, scope);
    (void)lsm_flush(db);
    failed = call_faults_disarm();
    assert_true(scope != CALL_MINE || !is_sticky(db));
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    assert_true(has(db, "before"));
    err = lsm_put(db, "after", 5, "value", 5, LSM_WRITE_SYNC);
    assert_true(err == 0 || (scope != CALL_MINE && err == -ERR_STICKY));
    wrote = !err;
    close_failed(db, scope != CALL_MINE);
    assert_int_equal(open_store(&db), 0);
    assert_true(has(db, "before") && (!wrote || has(db, "after")));
    put(db, "before");
    assert_int_equal(lsm_close(db), 0);
    return failed;
}

static bool flush_without_memory(uint64_t n)
{
    return flush_failing(n, CALL_ONCE);
}

static bool begin_a_flush_without_memory(uint64_t n)
{
    return flush_failing(n, CALL_MINE);
}

static void a_flush_without_memory_does_not_part_what_belongs_together(void **state)
{
    (void)state;
    for_each_allocation(flush_without_memory);
}

static void a_flush_that_cannot_begin_leaves_the_store_writable(void **state)
{
    (void)state;
    for_each_allocation(begin_a_flush_without_memory);
}

/* The old version was freed twice. */
static bool repair_without_memory(uint64_t n)
{
    struct lsm_options o = options();
    struct lsm_db *db;
    char current[700];
    bool failed;
    int err;

    assert_int_equal(open_store(&db), 0);
    put(db, "before");
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_close(db), 0);
    snprintf(current, sizeof(current), "%s/CURRENT", path);
    assert_int_equal(unlink(current), 0);
    call_faults_arm(CALL_ALLOC, n, ENOMEM, CALL_ONCE);
    err = lsm_repair(path, &o, false, NULL, NULL);
    failed = call_faults_disarm();
    assert_true(err >= 0 || err == -ENOMEM);
    assert_true(lsm_repair(path, &o, false, NULL, NULL) >= 0);
    assert_int_equal(open_store(&db), 0);
    assert_true(has(db, "before"));
    assert_int_equal(lsm_close(db), 0);
    return failed;
}

static void a_repair_without_memory_can_be_run_again(void **state)
{
    (void)state;
    for_each_allocation(repair_without_memory);
}

/*
 * The memtable of what the log held had been put away, and there was none to take its place. The
 * store is as a program that was killed has left it.
 */
static bool open_without_memory(uint64_t n)
{
    struct lsm_options o = options();
    char copy[700];
    struct lsm_db *db;
    bool failed;
    int err;

    snprintf(copy, sizeof(copy), "%s/copy-%llu", dir, (unsigned long long)n);
    trial_copy_dir(killed, copy);
    call_faults_arm(CALL_ALLOC, n, ENOMEM, CALL_ONCE);
    err = lsm_open(copy, &o, &db);
    failed = call_faults_disarm();
    assert_true(err == 0 || err == -ENOMEM);
    if (err)
        assert_int_equal(lsm_open(copy, &o, &db), 0);
    assert_true(has(db, "before"));
    close_failed(db, failed && !err);
    return failed;
}

static void opening_without_memory_fails_and_can_be_done_again(void **state)
{
    struct lsm_db *db;

    (void)state;
    assert_int_equal(open_store(&db), 0);
    put(db, "before");
    snprintf(killed, sizeof(killed), "%s/killed", dir);
    trial_copy_dir(path, killed);
    assert_int_equal(lsm_close(db), 0);
    for_each_allocation(open_without_memory);
}

/* --- What others see while the store turns read-only --- */

static struct lsm_db *watched;
static bool seen_without_reason;

void __real_mutex_lock(struct mutex *mu);
void __wrap_mutex_lock(struct mutex *mu);
void __wrap_mutex_lock(struct mutex *mu)
{
    __real_mutex_lock(mu);
    if (watched && mu == &watched->mu && atomic_load(&watched->sticky_err))
        seen_without_reason = seen_without_reason || !*watched->sticky_text;
}

static void whoever_finds_the_store_read_only_finds_the_reason(void **state)
{
    struct lsm_db *db;

    (void)state;
    assert_int_equal(open_store(&db), 0);
    watched = db;
    assert_int_equal(lsm_errno(db_fail(db, -EIO, "what has happened")), EROFS);
    watched = NULL;
    assert_non_null(strstr(lsm_detail(), "what has happened"));
    assert_false(seen_without_reason);
    lsm_close(db);
}

/* --- What happens beside a verification --- */

static uint64_t cut_log_to; /* bytes; 0: do not */

int __real_env_reader_len(struct env_reader *r, uint64_t *ret_len);
int __wrap_env_reader_len(struct env_reader *r, uint64_t *ret_len);
int __wrap_env_reader_len(struct env_reader *r, uint64_t *ret_len)
{
    int err = __real_env_reader_len(r, ret_len);
    char log[700];

    if (!cut_log_to || !strstr(r->name, ".wal"))
        return err;
    snprintf(log, sizeof(log), "%s/%s", path, r->name);
    assert_true(*ret_len > cut_log_to);
    assert_int_equal(truncate(log, (off_t)cut_log_to), 0);
    cut_log_to = 0;
    return err;
}

/* As closing a log does that has been flushed: what was reserved behind its records goes. */
static void a_log_that_is_closed_meanwhile_is_no_damage(void **state)
{
    struct lsm_db *db;

    (void)state;
    assert_int_equal(open_store(&db), 0);
    put(db, "before");
    cut_log_to = wal_writer_len(db->wals_oldest->writer);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    assert_int_equal(cut_log_to, 0);
    assert_int_equal(lsm_close(db), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flush_without_memory_does_not_part_what_belongs_together),
        TEST(a_flush_that_cannot_begin_leaves_the_store_writable),
        TEST(a_repair_without_memory_can_be_run_again),
        TEST(opening_without_memory_fails_and_can_be_done_again),
        TEST(whoever_finds_the_store_read_only_finds_the_reason),
        TEST(a_log_that_is_closed_meanwhile_is_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
