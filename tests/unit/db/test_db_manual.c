/*
 * Compacting a range on request while the background work fails: the caller is told.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"
#include "quiet_fixture.h"

/* The compaction's table, after one of each of two flushes, is held back and then fails. */
static struct {
    const struct env_ops *real;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    unsigned tables;
    bool blocked, released;
} hook = {.mu = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static int create_hook(struct env *env, const char *name, struct env_writer **ret)
{
    bool third = false;

    if (strstr(name, ".sst")) {
        pthread_mutex_lock(&hook.mu);
        third = ++hook.tables == 3;
        hook.blocked = hook.blocked || third;
        pthread_cond_broadcast(&hook.cond);
        while (third && !hook.released)
            pthread_cond_wait(&hook.cond, &hook.mu);
        pthread_mutex_unlock(&hook.mu);
    }
    return third ? err_raise(EIO, "%s: injected", name) : hook.real->writer_create(env, name, ret);
}

static void *compact_all(void *arg)
{
    static int answer;

    answer = lsm_compact_range(arg, NULL, 0, NULL, 0);
    return &answer;
}

static bool manual_has_begun(struct lsm_db *db)
{
    bool begun;

    mutex_lock(&db->mu);
    begun = db->manual_count > 0;
    mutex_unlock(&db->mu);
    return begun;
}

static void failure_of_another_compaction_is_not_called_success(void **state)
{
    struct lsm_options o;
    struct env_ops ops;
    struct lsm_db *db;
    struct env *env;
    char *dir = scratch_new();
    pthread_t thread;
    void *answer;

    (void)state;
    lsm_options_default(&o);
    o.create = true;
    o.l0_compact_count = 1;
    assert_int_equal(env_posix_open(dir, ENV_CREATE, &env), 0);
    hook.real = env->ops;
    ops = *hook.real;
    ops.writer_create = create_hook;
    env->ops = &ops;
    assert_int_equal(db_open(env, &o, &db), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lsm_put(db, "a", 1, "1", 1, 0), 0);
        assert_int_equal(lsm_put(db, "b", 1, "2", 1, 0), 0);
        assert_int_equal(lsm_flush(db), 0);
    }
    pretend_quiet(db);
    pthread_mutex_lock(&hook.mu);
    while (!hook.blocked)
        pthread_cond_wait(&hook.cond, &hook.mu);
    pthread_mutex_unlock(&hook.mu);
    assert_int_equal(pthread_create(&thread, NULL, compact_all, db), 0);
    while (!manual_has_begun(db))
        sched_yield();
    pthread_mutex_lock(&hook.mu);
    hook.released = true;
    pthread_cond_broadcast(&hook.cond);
    pthread_mutex_unlock(&hook.mu);
    assert_int_equal(pthread_join(thread, &answer), 0);
    assert_int_equal(*(int *)answer, -ERR_STICKY);
    assert_int_equal(lsm_close(db), -ERR_STICKY);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_of_another_compaction_is_not_called_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
