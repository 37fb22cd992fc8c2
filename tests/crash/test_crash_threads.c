/*
 * Loss of power while several threads write and sync, and while flushes and compactions run in the
 * background. The order of the batches is that of their sequence numbers, which are asked for when
 * all have been written.
 *
 * Which thread comes first is another in each run, and so is the record: to look at a disk again
 * that fails, keep it with TEST_KEEP.
 */
#include "lib/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "crash/crash_store.h"

enum {
    THREAD_COUNT = 3,
    BATCHES = 9, /* of each */
    ALL = THREAD_COUNT * BATCHES
};

struct written {
    struct lsm_batch *batch;
    char key[16];
    bool sync;
    uint64_t seqno;
    struct crash_span span;
};

struct writer {
    struct crash_store *s;
    struct written *batches;
    pthread_t thread;
    int err;
};

/* A key of its own, by which its number can be told, and one that all write. */
static void prepare(struct crash_store *s, struct written *w, unsigned thread, unsigned n)
{
    uint8_t value[600];
    size_t len = 100 + (size_t)rng_below(&s->rng, 400);

    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)rng_next(&s->rng);
    sprintf(w->key, "t%u-%02u", thread, n);
    w->sync = n % 3 == thread;
    assert_int_equal(lsm_batch_new(&w->batch), 0);
    assert_int_equal(lsm_batch_put(w->batch, w->key, strlen(w->key), value, len), 0);
    assert_int_equal(lsm_batch_put(w->batch, "all", 3, value, 20), 0);
}

static void *write_batches(void *arg)
{
    struct writer *t = arg;

    for (unsigned i = 0; i < BATCHES && !t->err; i++) {
        struct written *w = &t->batches[i];

        w->span.begun = env_record_point(t->s->disk);
        t->err = lsm_write(t->s->db, w->batch, w->sync ? LSM_WRITE_SYNC : 0);
        w->span.done = env_record_point(t->s->disk);
        if (i == BATCHES / 2 && t->batches[0].key[1] == '0' && !t->err)
            t->err = lsm_flush(t->s->db);
    }
    return NULL;
}

static int by_seqno(const void *a, const void *b)
{
    const struct written *x = a, *y = b;

    return (x->seqno > y->seqno) - (x->seqno < y->seqno);
}

/* Bring the batches into the order in which they took effect, and make the states of it. */
static void put_in_order(struct crash_store *s, struct written *all)
{
    for (unsigned i = 0; i < ALL; i++) {
        struct lsm_value v;

        assert_int_equal(lsm_get(s->db, NULL, all[i].key, strlen(all[i].key), &v), 0);
        all[i].seqno = v.seqno;
        lsm_value_done(&v);
    }
    qsort(all, ALL, sizeof(*all), by_seqno);
    for (unsigned i = 0; i < ALL; i++) {
        kv_apply(&s->model, buf_slice(&all[i].batch->bytes));
        s->states[++s->state_count] = (struct crash_state){kv_digest(&s->model), all[i].span.begun};
        if (all[i].sync)
            s->syncs[s->sync_count++] = (struct crash_synced){all[i].span.done, s->state_count};
        lsm_batch_free(all[i].batch);
    }
}

static void run_threads(struct crash_store *s)
{
    struct written *all = calloc(ALL, sizeof(*all));
    struct writer threads[THREAD_COUNT];

    assert_non_null(all);
    for (unsigned t = 0; t < THREAD_COUNT; t++) {
        for (unsigned i = 0; i < BATCHES; i++)
            prepare(s, &all[t * BATCHES + i], t, i);
        threads[t] = (struct writer){.s = s, .batches = &all[t * BATCHES]};
    }
    for (unsigned t = 0; t < THREAD_COUNT; t++)
        assert_int_equal(pthread_create(&threads[t].thread, NULL, write_batches, &threads[t]), 0);
    for (unsigned t = 0; t < THREAD_COUNT; t++) {
        assert_int_equal(pthread_join(threads[t].thread, NULL), 0);
        assert_int_equal(threads[t].err, 0);
    }
    put_in_order(s, all);
    free(all);
}

static void syncs_of_several_threads(bool blobs, const char *scenario)
{
    struct crash_store *s;

    if (crash_skipped(scenario))
        return;
    s = crash_store_new(scenario, ENV_RECORD_SLOW);
    s->options.blob_len_min = blobs ? 256 : 0;
    crash_store_open(s);
    run_threads(s);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void syncs_of_several_threads_cover_what_came_before(void **state)
{
    (void)state;
    syncs_of_several_threads(false, "threads");
}

static void syncs_of_several_threads_cover_large_values(void **state)
{
    (void)state;
    syncs_of_several_threads(true, "threads-blobs");
}

static void background(bool blobs, const char *scenario)
{
    struct crash_store *s;
    struct lsm_stats stats;

    if (crash_skipped(scenario))
        return;
    s = crash_store_new(scenario, ENV_RECORD_SLOW);
    s->options.l0_compact_count = 2;
    s->options.blob_len_min = blobs ? 1024 : 0;
    crash_store_open(s);
    for (unsigned i = 0; i < (blobs ? 400u : 220u); i++)
        crash_store_write_any(s, 1500, i % 20 == 19);
    /* Waits for what is under way; without it all could still be in memory. */
    crash_store_flush(s);
    assert_int_equal(lsm_stats(s->db, &stats), 0);
    assert_true(stats.flush_count > 1);
    crash_store_sweep(s, 8);
    crash_store_free(s);
}

static void flushes_and_compactions_in_the_background(void **state)
{
    (void)state;
    background(false, "background");
}

static void collections_in_the_background(void **state)
{
    (void)state;
    background(true, "background-blobs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syncs_of_several_threads_cover_what_came_before),
        cmocka_unit_test(syncs_of_several_threads_cover_large_values),
        cmocka_unit_test(flushes_and_compactions_in_the_background),
        cmocka_unit_test(collections_in_the_background),
    };

    return cmocka_run_group_tests(tests, NULL, crash_sweep_report);
}
