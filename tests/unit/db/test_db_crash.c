/*
 * Power cuts and failing calls under a store with small memtables, so that flushes, compactions and
 * manifest edits are always under way.
 *
 * After each batch the test notes a digest of what the model holds. When the store is opened again
 * it must hold exactly the state after some batch: no earlier one than the last that was synced,
 * and after a mere kill no earlier one than the last that was acknowledged. Then the test goes on
 * from there, so that recovery itself is cut and recovered.
 *
 * TEST_SEED repeats a run; TEST_ROUNDS makes it longer.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/env_fault.h"
#include "lib/kv_load.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    KEY_COUNT = 120,
    BATCH_COUNT_MAX = 4000
};

struct batch_log {
    struct buf ops;  /* as in a write batch */
    uint64_t digest; /* of the model after it */
};

struct run {
    char *dir;
    struct env_fault *fault;
    struct lsm_db *db;
    struct rng rng;
    uint64_t seed;
    bool blobs;
    unsigned round;
    struct kv_model model;
    struct batch_log log[BATCH_COUNT_MAX]; /* [0]: the state at the start of the round */
    size_t count;                          /* batches written, the last perhaps without an answer */
    size_t acked;                          /* the first so many were acknowledged */
    size_t synced;                         /* and so many were synced */
};

static void fail_round(const struct run *r, const char *what)
{
    fail_msg("seed %llu round %u, %zu batches, %zu acknowledged, %zu synced: %s (%s)",
             (unsigned long long)r->seed, r->round, r->count, r->acked, r->synced, what,
             lsm_detail());
}

static uint64_t digest_store(struct run *r)
{
    struct kv_model now;
    uint64_t digest;

    if (kv_load(r->db, NULL, &now))
        fail_round(r, "scan");
    digest = kv_digest(&now);
    kv_clear(&now);
    return digest;
}

/*
 * A copy, in the log of the test as the put that it amounts to. Where the store refuses, having
 * failed, so will the write.
 */
static void random_copy(struct run *r, struct lsm_batch *b, struct lsm_batch *shown)
{
    char from[32], to[32];
    size_t from_len = (size_t)sprintf(from, "key%04u", (unsigned)rng_below(&r->rng, KEY_COUNT));
    size_t to_len = (size_t)sprintf(to, "key%04u", (unsigned)rng_below(&r->rng, KEY_COUNT));
    const struct kv_pair *pair = kv_get(&r->model, slice_of(from, from_len));
    int copied = lsm_batch_copy(b, r->db, from, from_len, to, to_len, NULL);

    if (copied < 0)
        return;
    if (copied != (pair != NULL))
        fail_round(r, "copy");
    if (pair)
        assert_int_equal(lsm_batch_put(shown, to, to_len, pair->value.data, pair->value.len), 0);
}

/* What is to be written, and what it amounts to. */
static void random_batch(struct run *r, struct lsm_batch *b, struct lsm_batch *shown)
{
    uint8_t value[2000];

    if (r->blobs && rng_below(&r->rng, 3) == 0)
        random_copy(r, b, shown);
    for (uint64_t n = 1 + rng_below(&r->rng, 6); n; n--) {
        char key[32], end[32];
        size_t key_len = (size_t)sprintf(key, "key%04u", (unsigned)rng_below(&r->rng, KEY_COUNT));
        size_t end_len = (size_t)sprintf(end, "key%04u", (unsigned)rng_below(&r->rng, KEY_COUNT));
        size_t len = (size_t)rng_below(&r->rng, sizeof(value));
        uint64_t what = rng_below(&r->rng, 20);
        bool err;

        memset(value, (int)rng_next(&r->rng), len);
        /* Some do not compress. */
        for (size_t i = rng_below(&r->rng, 2) ? 0 : len; i < len; i++)
            value[i] = (uint8_t)rng_next(&r->rng);
        if (what < 3)
            err = lsm_batch_delete(b, key, key_len) || lsm_batch_delete(shown, key, key_len);
        else if (what == 3)
            err = lsm_batch_delete_range(b, key, key_len, end, end_len) ||
                  lsm_batch_delete_range(shown, key, key_len, end, end_len);
        else if (what < 8)
            err = lsm_batch_patch(b, key, key_len, 100, value, len / 8) ||
                  lsm_batch_patch(shown, key, key_len, 100, value, len / 8);
        else
            err = lsm_batch_put(b, key, key_len, value, len) ||
                  lsm_batch_put(shown, key, key_len, value, len);
        assert_false(err);
    }
}

/* With blobs, values of many lengths lie in blob files, which are short and soon collected. */
static struct lsm_options small_options(struct run *r)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.level_base_len = 128 << 10;
    o.l0_compact_count = 2;
    o.cache_bytes = 1 << 20;
    o.blob_len_min = r->blobs ? 256 + (size_t)rng_below(&r->rng, 3) * 256 : 0;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 30;
    return o;
}

static int open_store(struct run *r)
{
    struct lsm_options o = small_options(r);

    return db_open(env_fault_env(r->fault), &o, &r->db);
}

/* One batch; 0 or the store's answer. */
static int write_one(struct run *r)
{
    struct lsm_batch *b, *shown;
    bool sync = rng_below(&r->rng, 10) == 0;
    int err;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_new(&shown), 0);
    random_batch(r, b, shown);
    kv_apply(&r->model, buf_slice(&shown->bytes));
    r->count++;
    assert_true(r->count < BATCH_COUNT_MAX);
    assert_int_equal(buf_assign(&r->log[r->count].ops, shown->bytes.data, shown->bytes.len), 0);
    r->log[r->count].digest = kv_digest(&r->model);
    err = lsm_write(r->db, b, sync ? LSM_WRITE_SYNC : 0);
    lsm_batch_free(b);
    lsm_batch_free(shown);
    if (!err) {
        r->acked = r->count;
        if (sync)
            r->synced = r->count;
    }
    return err;
}

/* The store must hold the state after one of the batches from `least` on; make it the model's. */
static void settle(struct run *r, const struct kv_model *start, size_t least)
{
    uint64_t digest = digest_store(r);
    size_t found = r->count + 1;

    for (size_t i = r->count + 1; i-- > least && found > r->count;) {
        if (r->log[i].digest == digest)
            found = i;
    }
    if (found > r->count)
        fail_round(r, "the store holds none of the states that it may hold");
    kv_clear(&r->model);
    kv_copy(&r->model, start);
    for (size_t i = 1; i <= found; i++)
        kv_apply(&r->model, buf_slice(&r->log[i].ops));
    if (lsm_verify(r->db, NULL, NULL, NULL) != 0)
        fail_round(r, "verify");
}

static void begin_round(struct run *r, struct kv_model *ret_start)
{
    kv_copy(ret_start, &r->model);
    r->count = r->acked = r->synced = 0;
    r->log[0].digest = kv_digest(&r->model);
}

static struct run *run_new(uint64_t seed, bool blobs)
{
    struct run *r = calloc(1, sizeof(*r));
    struct env *base;

    assert_non_null(r);
    r->seed = seed;
    r->blobs = blobs;
    r->rng.state = seed;
    r->dir = scratch_new();
    assert_int_equal(env_uring_open(r->dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &r->fault), 0);
    return r;
}

static void run_free(struct run *r)
{
    for (size_t i = 0; i < BATCH_COUNT_MAX; i++)
        buf_free(&r->log[i].ops);
    kv_clear(&r->model);
    env_fault_close(r->fault);
    scratch_free(r->dir);
    free(r);
}

static void cut_power_again_and_again(bool blobs)
{
    struct run *r = run_new(rng_seed(7), blobs);

    env_fault_remember_removed(r->fault);
    if (open_store(r))
        fail_round(r, "open");
    for (r->round = 0; r->round < rng_rounds(120); r->round++) {
        struct kv_model start;
        size_t batches = (size_t)rng_below(&r->rng, 300);
        /* Cut at a call in the middle of something, or between two batches. */
        if (rng_below(&r->rng, 3) == 0)
            env_fault_fail(r->fault, ENV_FAULT_CHANGES, 1 + rng_below(&r->rng, 400), EIO, true);
        begin_round(r, &start);
        while (r->count < batches && write_one(r) == 0)
            ;
        env_fault_cut_power(r->fault);
        lsm_close(r->db);
        r->db = NULL;
        assert_int_equal(
            env_fault_crash(r->fault, (unsigned)rng_below(&r->rng, 16), rng_next(&r->rng)), 0);
        if (open_store(r))
            fail_round(r, "the store does not open after a power cut");
        settle(r, &start, r->synced);
        kv_clear(&start);
    }
    assert_int_equal(lsm_close(r->db), 0);
    run_free(r);
}

static void power_cuts_leave_a_prefix_with_all_that_was_synced(void **state)
{
    (void)state;
    cut_power_again_and_again(false);
}

static void power_cuts_leave_a_prefix_with_all_large_values(void **state)
{
    (void)state;
    cut_power_again_and_again(true);
}

/* Fail the nth changing call with err, then open again without losing anything: as after a kill. */
static void fail_nth(struct run *r, uint64_t nth, int err, bool forever)
{
    struct kv_model start;
    int answer;

    begin_round(r, &start);
    env_fault_fail(r->fault, ENV_FAULT_CHANGES | ENV_FAULT_RESERVE, nth, err, forever);
    answer = open_store(r);
    while (!answer && r->count < 60) {
        answer = write_one(r);
        /* A full disk refuses; what was refused must not be there. */
        if (answer == -ENOSPC) {
            kv_clear(&r->model);
            kv_copy(&r->model, &start);
            r->count--;
            for (size_t i = 1; i <= r->count; i++)
                kv_apply(&r->model, buf_slice(&r->log[i].ops));
        }
    }
    lsm_close(r->db);
    r->db = NULL;
    env_fault_fail(r->fault, 0, 0, 0, false);
    if (open_store(r))
        fail_round(r, "the store does not open after a failed call");
    settle(r, &start, r->acked);
    kv_clear(&start);
    lsm_close(r->db);
    r->db = NULL;
}

static void fail_every_call(bool blobs)
{
    struct run *r = run_new(rng_seed(11), blobs);

    for (r->round = 1; r->round <= rng_rounds(150); r->round++)
        fail_nth(r, r->round, r->round % 2 ? EIO : ENOSPC, r->round % 3 == 0);
    run_free(r);
}

static void every_failing_call_leaves_all_that_was_acknowledged(void **state)
{
    (void)state;
    fail_every_call(false);
}

static void every_failing_call_leaves_all_acknowledged_large_values(void **state)
{
    (void)state;
    fail_every_call(true);
}

static void fill_the_disk(bool blobs)
{
    struct run *r = run_new(rng_seed(13), blobs);
    struct lsm_batch *b;
    uint8_t value[10000];
    unsigned written = 0;
    int err = 0;

    assert_int_equal(open_store(r), 0);
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)rng_next(&r->rng);
    env_fault_limit(r->fault, 16 << 20);
    while (!err && written < 10000) {
        char key[16];
        size_t len = (size_t)sprintf(key, "k%05u", written);

        err = lsm_put(r->db, key, len, value, sizeof(value), 0);
        written += !err;
    }
    assert_int_equal(err, -ENOSPC);
    assert_true(written > 50);
    for (unsigned i = 0; i < written; i++) {
        char key[16];
        size_t len = (size_t)sprintf(key, "k%05u", i);
        struct lsm_value v;

        assert_int_equal(lsm_get(r->db, NULL, key, len, &v), 0);
        assert_int_equal(v.len, sizeof(value));
        lsm_value_done(&v);
    }
    /* Deleting works, and gives the space back without more ado. */
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, "k", 1, "l", 1), 0);
    assert_int_equal(lsm_write(r->db, b, LSM_WRITE_URGENT), 0);
    lsm_batch_free(b);
    for (unsigned i = 0; i < 20000; i++) {
        struct timespec nap = {0, 1000000};

        err = lsm_put(r->db, "again", 5, value, sizeof(value), 0);
        if (!err)
            break;
        assert_int_equal(err, -ENOSPC);
        /* A full disk's writer can only try again: there is no event to wait for. */
        nanosleep(&nap, NULL);
    }
    assert_int_equal(err, 0);
    assert_int_equal(lsm_verify(r->db, NULL, NULL, NULL), 0);
    env_fault_limit(r->fault, 0);
    assert_int_equal(lsm_close(r->db), 0);
    run_free(r);
}

static void full_disk_refuses_and_recovers_when_space_returns(void **state)
{
    (void)state;
    fill_the_disk(false);
}

static void a_disk_full_of_large_values_recovers_when_they_are_deleted(void **state)
{
    (void)state;
    fill_the_disk(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cuts_leave_a_prefix_with_all_that_was_synced),
        cmocka_unit_test(power_cuts_leave_a_prefix_with_all_large_values),
        cmocka_unit_test(every_failing_call_leaves_all_that_was_acknowledged),
        cmocka_unit_test(every_failing_call_leaves_all_acknowledged_large_values),
        cmocka_unit_test(full_disk_refuses_and_recovers_when_space_returns),
        cmocka_unit_test(a_disk_full_of_large_values_recovers_when_they_are_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
