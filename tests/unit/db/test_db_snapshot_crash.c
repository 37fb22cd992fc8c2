/*
 * Named snapshots under power cuts and failing calls. After each crash every snapshot whose
 * creation was acknowledged must be there and show what it showed, every one whose removal was
 * acknowledged must be gone, and one that was being created or removed is there, whole, or not.
 * Then the test goes on from there.
 *
 * TEST_SEED repeats a run; TEST_ROUNDS makes it longer.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/env_fault.h"
#include "lib/kv_load.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    KEY_COUNT = 60,
    NAME_COUNT = 6
};

enum fate {
    ABSENT,
    PRESENT,
    IN_DOUBT
};

struct named {
    enum fate fate;
    struct kv_model shows; /* unless absent */
};

struct run {
    char *dir;
    struct env_fault *fault;
    struct lsm_db *db;
    struct rng rng;
    uint64_t seed;
    unsigned round;
    struct kv_model model;
    struct named named[NAME_COUNT];
};

static void fail_round(const struct run *r, const char *what)
{
    fail_msg("seed %llu round %u: %s (%s)", (unsigned long long)r->seed, r->round, what,
             lsm_detail());
}

static int open_store(struct run *r)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.level_base_len = 128 << 10;
    o.l0_compact_count = 2;
    o.cache_bytes = 1 << 20;
    return db_open(env_fault_env(r->fault), &o, &r->db);
}

static bool shows(struct run *r, const struct lsm_snapshot *s, const struct kv_model *m)
{
    struct kv_model now;
    bool same;

    if (kv_load(r->db, s, &now))
        fail_round(r, "scan");
    same = kv_equal(&now, m);
    kv_clear(&now);
    return same;
}

static int write_one(struct run *r)
{
    uint8_t value[3000];
    char key[16];
    size_t key_len = (size_t)sprintf(key, "k%02u", (unsigned)rng_below(&r->rng, KEY_COUNT));
    size_t len = (size_t)rng_below(&r->rng, sizeof(value));
    bool put = rng_below(&r->rng, 5) > 0;
    int err;

    memset(value, (int)rng_next(&r->rng), len);
    err = put ? lsm_put(r->db, key, key_len, value, len, 0) : lsm_delete(r->db, key, key_len, 0);
    if (!err && put)
        kv_put(&r->model, slice_of(key, key_len), slice_of(value, len));
    else if (!err)
        kv_delete(&r->model, slice_of(key, key_len));
    return err;
}

static int name_one(struct run *r)
{
    unsigned n = (unsigned)rng_below(&r->rng, NAME_COUNT);
    struct named *one = &r->named[n];
    char name = (char)('a' + n);
    int err;

    if (one->fate == PRESENT) {
        err = lsm_snapshot_remove(r->db, &name, 1);
        one->fate = err ? IN_DOUBT : ABSENT;
        if (!err)
            kv_clear(&one->shows);
    } else {
        kv_copy(&one->shows, &r->model);
        err = lsm_snapshot_create(r->db, &name, 1);
        one->fate = err ? IN_DOUBT : PRESENT;
    }
    return err;
}

/* What a snapshot must show after a crash, and whether it must be there. */
static void check_one(struct run *r, unsigned n)
{
    struct named *one = &r->named[n];
    char name = (char)('a' + n);
    struct lsm_snapshot *s = NULL;
    int err = lsm_snapshot_find(r->db, &name, 1, &s);

    if (err && err != -ENOENT)
        fail_round(r, "find");
    if (err ? one->fate == PRESENT : one->fate == ABSENT)
        fail_round(r, err ? "a snapshot is lost" : "a removed snapshot is back");
    if (!err && !shows(r, s, &one->shows))
        fail_round(r, "a snapshot shows something else");
    lsm_snapshot_close(r->db, s);
    if (err)
        kv_clear(&one->shows);
    one->fate = err ? ABSENT : PRESENT;
}

/* Unsynced writes may be gone: the store itself says what it holds now. */
static void adopt(struct run *r)
{
    kv_clear(&r->model);
    assert_int_equal(kv_load(r->db, NULL, &r->model), 0);
}

static struct run *run_new(uint64_t seed)
{
    struct run *r = calloc(1, sizeof(*r));
    struct env *base;

    assert_non_null(r);
    r->seed = seed;
    r->rng.state = seed;
    r->dir = scratch_new();
    assert_int_equal(env_posix_open(r->dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &r->fault), 0);
    return r;
}

static void run_free(struct run *r)
{
    for (unsigned i = 0; i < NAME_COUNT; i++)
        kv_clear(&r->named[i].shows);
    kv_clear(&r->model);
    env_fault_close(r->fault);
    scratch_free(r->dir);
    free(r);
}

static void work(struct run *r, uint64_t steps)
{
    int err = 0;

    while (!err && steps--) {
        err = rng_below(&r->rng, 12) ? write_one(r) : name_one(r);
        if (!err && rng_below(&r->rng, 200) == 0)
            err = lsm_compact_range(r->db, NULL, 0, NULL, 0);
    }
}

static void settle(struct run *r)
{
    if (open_store(r))
        fail_round(r, "the store does not open");
    for (unsigned n = 0; n < NAME_COUNT; n++)
        check_one(r, n);
    adopt(r);
    if (lsm_verify(r->db, NULL, NULL, NULL) != 0)
        fail_round(r, "verify");
}

static void power_cuts_leave_snapshots_whole_or_not_at_all(void **state)
{
    struct run *r = run_new(rng_seed(17));

    (void)state;
    env_fault_remember_removed(r->fault);
    if (open_store(r))
        fail_round(r, "open");
    for (r->round = 0; r->round < rng_rounds(120); r->round++) {
        if (rng_below(&r->rng, 3))
            env_fault_fail(r->fault, ENV_FAULT_CHANGES, 1 + rng_below(&r->rng, 120), EIO, true);
        work(r, rng_below(&r->rng, 300));
        env_fault_cut_power(r->fault);
        lsm_close(r->db);
        assert_int_equal(
            env_fault_crash(r->fault, (unsigned)rng_below(&r->rng, 16), rng_next(&r->rng)), 0);
        settle(r);
    }
    assert_int_equal(lsm_close(r->db), 0);
    run_free(r);
}

static void every_failing_call_leaves_snapshots_whole_or_not_at_all(void **state)
{
    struct run *r = run_new(rng_seed(19));

    (void)state;
    if (open_store(r))
        fail_round(r, "open");
    for (r->round = 1; r->round <= rng_rounds(120); r->round++) {
        env_fault_fail(r->fault, ENV_FAULT_CHANGES, 1 + rng_below(&r->rng, 40),
                       r->round % 2 ? EIO : ENOSPC, r->round % 3 == 0);
        work(r, 100);
        lsm_close(r->db);
        env_fault_fail(r->fault, 0, 0, 0, false);
        settle(r);
    }
    assert_int_equal(lsm_close(r->db), 0);
    run_free(r);
}

/* As after a power cut on a disk that lied about a sync: the manifest knows better. */
static void a_log_that_ends_before_a_snapshot_refuses_to_open(void **state)
{
    struct run *r = run_new(1);
    struct env_writer *w;

    (void)state;
    assert_int_equal(open_store(r), 0);
    assert_int_equal(write_one(r), 0);
    assert_int_equal(name_one(r), 0);
    lsm_close(r->db);
    assert_int_equal(env_writer_create(env_fault_env(r->fault), "00000002.wal", &w), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(open_store(r), -ERR_WAL_DAMAGED);
    assert_non_null(strstr(lsm_detail(), "named snapshot"));
    run_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cuts_leave_snapshots_whole_or_not_at_all),
        cmocka_unit_test(every_failing_call_leaves_snapshots_whole_or_not_at_all),
        cmocka_unit_test(a_log_that_ends_before_a_snapshot_refuses_to_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
