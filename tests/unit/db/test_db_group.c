/*
 * Writers whose batches go down in one append share its failure: each is told, with words.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"

/* The first append to a log is held back, the second one fails. */
static struct {
    const struct env_ops *real;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    bool armed, blocked, released;
} hook = {.mu = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static int append_hook(struct env_writer *w, const struct slice *parts, unsigned part_count)
{
    bool fails;

    pthread_mutex_lock(&hook.mu);
    fails = hook.armed && hook.released;
    if (hook.armed && !fails) {
        hook.blocked = true;
        pthread_cond_broadcast(&hook.cond);
        while (!hook.released)
            pthread_cond_wait(&hook.cond, &hook.mu);
    }
    pthread_mutex_unlock(&hook.mu);
    return fails ? err_raise(EIO, "%s: injected", w->name)
                 : hook.real->writer_append(w, parts, part_count);
}

struct call {
    struct lsm_db *db;
    pthread_t thread;
    int err;
    char detail[256];
};

static void *write_one(void *arg)
{
    struct call *c = arg;

    c->err = lsm_put(c->db, "key", 3, "value", 5, 0);
    snprintf(c->detail, sizeof(c->detail), "%s", lsm_detail());
    return NULL;
}

/* Start a writer and see it queued, behind those that are there. */
static void start(struct call *c, struct lsm_db *db)
{
    struct writer *tail, *now;

    c->db = db;
    mutex_lock(&db->queue_mu);
    tail = db->queue_tail;
    mutex_unlock(&db->queue_mu);
    assert_int_equal(pthread_create(&c->thread, NULL, write_one, c), 0);
    do {
        sched_yield();
        mutex_lock(&db->queue_mu);
        now = db->queue_tail;
        mutex_unlock(&db->queue_mu);
    } while (now == tail);
}

static void every_member_of_a_failed_group_has_words_for_it(void **state)
{
    struct call calls[3] = {0};
    struct lsm_options o;
    struct env_ops ops;
    struct lsm_db *db;
    struct env *env;
    char *dir = scratch_new();

    (void)state;
    lsm_options_default(&o);
    o.create = true;
    assert_int_equal(env_posix_open(dir, ENV_CREATE, &env), 0);
    hook.real = env->ops;
    ops = *hook.real;
    ops.writer_append = append_hook;
    env->ops = &ops;
    assert_int_equal(db_open(env, &o, &db), 0);
    pthread_mutex_lock(&hook.mu);
    hook.armed = true;
    pthread_mutex_unlock(&hook.mu);
    start(&calls[0], db);
    pthread_mutex_lock(&hook.mu);
    while (!hook.blocked)
        pthread_cond_wait(&hook.cond, &hook.mu);
    pthread_mutex_unlock(&hook.mu);
    start(&calls[1], db);
    start(&calls[2], db);
    pthread_mutex_lock(&hook.mu);
    hook.released = true;
    pthread_cond_broadcast(&hook.cond);
    pthread_mutex_unlock(&hook.mu);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(calls[i].thread, NULL), 0);
    assert_int_equal(calls[0].err, 0);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(calls[i].err, -ERR_STICKY);
        assert_non_null(strstr(calls[i].detail, "injected"));
    }
    assert_int_equal(lsm_close(db), -ERR_STICKY);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_of_a_failed_group_has_words_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
