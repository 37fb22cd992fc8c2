/*
 * Everything at once, on a store with very small limits and large values: batches of all kinds,
 * snapshots with and without names, iterators in both directions, flushes, manual compactions,
 * checkpoints and verification, while calls to the disk fail, the disk is full, or the power is
 * cut. Options change with every opening.
 *
 * A digest is noted after each batch, and for each snapshot that is taken. When the store is opened
 * again it must hold exactly the state after some batch, no earlier one than was promised, and
 * named snapshots must show what they showed. A checkpoint that succeeded must hold the state of
 * its moment.
 *
 * TEST_SEED repeats a run as far as threads allow; TEST_ROUNDS makes it longer.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lib/env_fault.h"
#include "lib/kv_model.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/db/db.h"

enum {
    KEY_COUNT = 150,
    BATCH_COUNT_MAX = 500,
    NAMED_COUNT = 3,
    SNAPSHOT_COUNT = 3,
    VALUE_LEN_MAX_HERE = 4000
};

enum presence {
    ABSENT,
    PRESENT,
    IN_DOUBT
};

struct named {
    enum presence is;
    uint64_t digest;
};

struct taken {
    struct lsm_snapshot *snapshot;
    struct lsm_iter *it; /* made when the snapshot was */
    uint64_t digest;
};

struct run {
    char *dir;
    struct env_fault *fault;
    struct lsm_db *db;
    struct rng rng;
    uint64_t seed;
    unsigned round;
    struct kv_model model, start;
    struct buf ops[BATCH_COUNT_MAX + 1];
    uint64_t digests[BATCH_COUNT_MAX + 1]; /* [0]: at the start of the round */
    size_t count, acked, synced;           /* batches, as in test_db_crash.c */
    struct named named[NAMED_COUNT];
    struct taken taken[SNAPSHOT_COUNT];
    char last_log[300];
};

static void fail_round(const struct run *r, const char *what)
{
    fail_msg("seed %llu round %u, %zu batches, %zu acknowledged, %zu synced: %s (%s) last: %s",
             (unsigned long long)r->seed, r->round, r->count, r->acked, r->synced, what,
             lsm_detail(), r->last_log);
}

/* --- Digests: sums, so that the direction of a scan does not matter --- */

static uint64_t digest_pair(struct slice key, struct slice value)
{
    return XXH3_64bits_withSeed(value.data, value.len, XXH3_64bits(key.data, key.len));
}

static uint64_t digest_model(const struct kv_model *m)
{
    uint64_t sum = m->count;

    for (size_t i = 0; i < m->count; i++)
        sum += digest_pair(buf_slice(&m->pairs[i].key), buf_slice(&m->pairs[i].value));
    return sum;
}

static uint64_t digest_iter(const struct run *r, struct lsm_iter *it, bool backwards)
{
    uint64_t sum = 0;
    int at;

    for (at = backwards ? lsm_iter_last(it) : lsm_iter_first(it); at > 0;
         at = backwards ? lsm_iter_prev(it) : lsm_iter_next(it)) {
        size_t key_len, value_len;
        const void *key = lsm_iter_key(it, &key_len), *value = lsm_iter_value(it, &value_len);

        sum += 1 + digest_pair(slice_of(key, key_len), slice_of(value, value_len));
    }
    if (at < 0)
        fail_round(r, "scan");
    return sum;
}

static uint64_t digest_store(const struct run *r, struct lsm_db *db, const struct lsm_snapshot *s)
{
    struct lsm_iter *it;
    uint64_t forwards;

    if (lsm_iter_new(db, s, NULL, 0, NULL, 0, &it))
        fail_round(r, "no iterator");
    forwards = digest_iter(r, it, false);
    if (digest_iter(r, it, true) != forwards)
        fail_round(r, "a scan backwards shows something else");
    lsm_iter_free(it);
    return forwards;
}

/* --- Batches --- */

static size_t random_key(struct run *r, char key[32])
{
    return (size_t)sprintf(key, "key%04u", (unsigned)rng_below(&r->rng, KEY_COUNT));
}

static size_t random_value(struct run *r, uint8_t *value)
{
    size_t max = rng_below(&r->rng, 3) ? VALUE_LEN_MAX_HERE : 300;
    size_t len = (size_t)rng_below(&r->rng, max);

    memset(value, (int)rng_next(&r->rng), len);
    /* Some do not compress. */
    for (size_t i = rng_below(&r->rng, 2) ? 0 : len; i < len; i++)
        value[i] = (uint8_t)rng_next(&r->rng);
    return len;
}

static void random_op(struct run *r, struct lsm_batch *b)
{
    uint8_t value[VALUE_LEN_MAX_HERE];
    char key[32], end[32];
    size_t key_len = random_key(r, key), end_len = random_key(r, end);
    size_t len = random_value(r, value), offset = (size_t)rng_below(&r->rng, 1500);
    uint64_t what = rng_below(&r->rng, 40);

    if (what < 4)
        assert_int_equal(lsm_batch_delete(b, key, key_len), 0);
    else if (what == 4)
        assert_int_equal(lsm_batch_delete_range(b, key, key_len, end, end_len), 0);
    else if (what < 15)
        assert_int_equal(lsm_batch_patch(b, key, key_len, offset, value, len / 8), 0);
    else
        assert_int_equal(lsm_batch_put(b, key, key_len, value, len), 0);
    if (what == 20) /* the same key once more */
        assert_int_equal(lsm_batch_put(b, key, key_len, value, len / 2), 0);
}

/* The model as it was without the last batch. */
static void take_back(struct run *r)
{
    r->count--;
    kv_clear(&r->model);
    kv_copy(&r->model, &r->start);
    for (size_t i = 1; i <= r->count; i++)
        kv_apply(&r->model, buf_slice(&r->ops[i]));
}

static int write_one(struct run *r)
{
    unsigned flags = (rng_below(&r->rng, 10) ? 0 : LSM_WRITE_SYNC) |
                     (rng_below(&r->rng, 20) ? 0 : LSM_WRITE_URGENT);
    struct lsm_batch *b;
    int err;

    assert_int_equal(lsm_batch_new(&b), 0);
    for (uint64_t n = 1 + rng_below(&r->rng, 6); n; n--)
        random_op(r, b);
    kv_apply(&r->model, buf_slice(&b->bytes));
    r->count++;
    assert_int_equal(buf_assign(&r->ops[r->count], b->bytes.data, b->bytes.len), 0);
    r->digests[r->count] = digest_model(&r->model);
    err = lsm_write(r->db, b, flags);
    lsm_batch_free(b);
    if (!err) {
        r->acked = r->count;
        if (flags & LSM_WRITE_SYNC)
            r->synced = r->count;
    } else if (err == -ENOSPC) {
        take_back(r); /* what was refused must not be there */
    }
    return err;
}

/* --- Everything else. All return the store's answer. --- */

static int check_get(struct run *r)
{
    const struct kv_pair *want;
    struct lsm_value v;
    char key[32];
    size_t len = random_key(r, key);
    int err = lsm_get(r->db, NULL, key, len, &v);

    want = kv_get(&r->model, slice_of(key, len));
    if (err && err != -ENOENT)
        fail_round(r, "get");
    if ((err == 0) != (want != NULL) ||
        (want && !slice_eq(buf_slice(&want->value), slice_of(v.data, v.len))))
        fail_round(r, "get shows something else");
    if (!err)
        lsm_value_done(&v);
    return 0;
}

static int scan(struct run *r)
{
    if (digest_store(r, r->db, NULL) != r->digests[r->count])
        fail_round(r, "a scan shows something else");
    return 0;
}

static void let_go(struct run *r, struct taken *t)
{
    if (!t->snapshot)
        return;
    if (digest_iter(r, t->it, rng_below(&r->rng, 2)) != t->digest)
        fail_round(r, "an iterator shows something else than it did");
    if (digest_store(r, r->db, t->snapshot) != t->digest)
        fail_round(r, "a snapshot shows something else than it did");
    lsm_iter_free(t->it);
    lsm_snapshot_close(r->db, t->snapshot);
    *t = (struct taken){0};
}

static int change_snapshot(struct run *r)
{
    struct taken *t = &r->taken[rng_below(&r->rng, SNAPSHOT_COUNT)];

    if (t->snapshot) {
        let_go(r, t);
        return 0;
    }
    assert_int_equal(lsm_snapshot_open(r->db, &t->snapshot), 0);
    assert_int_equal(lsm_iter_new(r->db, NULL, NULL, 0, NULL, 0, &t->it), 0);
    t->digest = r->digests[r->count];
    return 0;
}

static size_t name_of(size_t i, char name[16])
{
    return (size_t)sprintf(name, "named%zu", i);
}

/* Is it there when it should be, and does it show what it did? Settles a doubt. */
static void check_named(struct run *r, size_t i)
{
    struct named *n = &r->named[i];
    struct lsm_snapshot *s;
    char name[16];
    int err = lsm_snapshot_find(r->db, name, name_of(i, name), &s);

    if (err && err != -ENOENT)
        fail_round(r, "finding a snapshot");
    if (n->is != IN_DOUBT && (n->is == PRESENT) != (err == 0))
        fail_round(r, err ? "a named snapshot is gone" : "a removed snapshot is there");
    n->is = err ? ABSENT : PRESENT;
    if (err)
        return;
    if (digest_store(r, r->db, s) != n->digest)
        fail_round(r, "a named snapshot shows something else than it did");
    lsm_snapshot_close(r->db, s);
}

static int change_named(struct run *r)
{
    size_t i = (size_t)rng_below(&r->rng, NAMED_COUNT);
    struct named *n = &r->named[i];
    bool create = n->is == ABSENT;
    char name[16];
    size_t len = name_of(i, name);
    int err;

    if (!create)
        check_named(r, i);
    err = create ? lsm_snapshot_create(r->db, name, len) : lsm_snapshot_remove(r->db, name, len);
    if (create)
        n->digest = r->digests[r->count];
    if (!err)
        n->is = create ? PRESENT : ABSENT;
    else if (err != -ENOSPC)
        n->is = IN_DOUBT;
    if (!err && create)
        r->synced = r->count;
    return err;
}

static int check_checkpoint(struct run *r)
{
    char *dir = scratch_new(), *path = strdup(scratch_path(dir, "checkpoint"));
    struct lsm_options o;
    struct lsm_db *db;
    int err;

    assert_non_null(path);
    lsm_options_default(&o);
    o.worker_count = 1;
    err = lsm_checkpoint(r->db, path);
    if (!err) {
        r->synced = r->count;
        if (lsm_open(path, &o, &db))
            fail_round(r, "a checkpoint does not open");
        if (digest_store(r, db, NULL) != r->digests[r->count])
            fail_round(r, "a checkpoint shows something else");
        if (lsm_verify(db, NULL, NULL, NULL))
            fail_round(r, "a checkpoint is damaged");
        assert_int_equal(lsm_close(db), 0);
    }
    free(path);
    scratch_free(dir);
    return err;
}

static int verify(struct run *r)
{
    if (lsm_verify(r->db, NULL, NULL, NULL))
        fail_round(r, "verify");
    return 0;
}

static int compact(struct run *r)
{
    char from[32], to[32];
    size_t from_len = random_key(r, from), to_len = random_key(r, to);
    bool all = rng_below(&r->rng, 2);

    return lsm_compact_range(r->db, all ? NULL : from, from_len, all ? NULL : to, to_len);
}

static int flush_or_sync(struct run *r)
{
    int err = rng_below(&r->rng, 2) ? lsm_flush(r->db) : lsm_sync(r->db);

    if (!err)
        r->synced = r->count;
    return err;
}

static int one_step(struct run *r)
{
    uint64_t n = rng_below(&r->rng, 400);
    int err = write_one(r);

    if (err && err != -ENOSPC)
        return err;
    if (n < 100)
        return check_get(r);
    if (n < 106)
        return scan(r);
    if (n < 120)
        return change_snapshot(r);
    if (n < 124)
        return change_named(r);
    if (n < 126)
        return check_checkpoint(r);
    if (n < 128)
        return verify(r);
    if (n < 130)
        return compact(r);
    return n < 140 ? flush_or_sync(r) : 0;
}

/* --- Rounds --- */

static void log_line(void *arg, enum lsm_log_level level, const char *text)
{
    struct run *r = arg;

    if (level >= LSM_LOG_WARN)
        snprintf(r->last_log, sizeof(r->last_log), "%s", text);
}

static struct lsm_options random_options(struct run *r)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.memtable_count_max = 2 + (unsigned)rng_below(&r->rng, 3);
    o.table_len = 64 << 10;
    o.block_len = 1024;
    o.level_base_len = 64 << 10;
    o.level_ratio = 2 + (unsigned)rng_below(&r->rng, 3);
    o.l0_compact_count = 1 + (unsigned)rng_below(&r->rng, 2);
    o.cache_bytes = 1 << 20;
    o.compress = rng_below(&r->rng, 2);
    o.worker_count = 1 + (unsigned)rng_below(&r->rng, 3);
    o.table_prefix_len = rng_below(&r->rng, 2) ? 0 : 5;
    o.blob_len_min = rng_below(&r->rng, 8) ? 256 + (size_t)rng_below(&r->rng, 3) * 256 : 0;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 20;
    o.log = log_line;
    o.log_arg = r;
    return o;
}

static int open_store(struct run *r)
{
    struct lsm_options o = random_options(r);

    r->last_log[0] = '\0';
    return db_open(env_fault_env(r->fault), &o, &r->db);
}

static void begin_round(struct run *r)
{
    kv_clear(&r->start);
    kv_copy(&r->start, &r->model);
    r->count = r->acked = r->synced = 0;
    r->digests[0] = digest_model(&r->model);
}

/* The store must hold the state after one of the batches from `least` on; make it the model's. */
static void settle(struct run *r, size_t least)
{
    uint64_t digest = digest_store(r, r->db, NULL);
    size_t found = r->count;

    while (found > least && r->digests[found] != digest)
        found--;
    if (r->digests[found] != digest)
        fail_round(r, "the store holds none of the states that it may hold");
    r->count = found + 1;
    take_back(r);
    for (size_t i = 0; i < NAMED_COUNT; i++)
        check_named(r, i);
    (void)verify(r);
}

/* What goes wrong in this round. */
static void set_trap(struct run *r)
{
    uint64_t what = rng_below(&r->rng, 6), nth = 1 + rng_below(&r->rng, 600);
    bool forever = rng_below(&r->rng, 3) == 0;

    if (what < 2)
        env_fault_fail(r->fault, ENV_FAULT_CHANGES, nth, EIO, true);
    else if (what == 2)
        env_fault_fail(r->fault, ENV_FAULT_CHANGES | ENV_FAULT_RESERVE, nth, EIO, forever);
    else if (what == 3)
        env_fault_fail(r->fault, ENV_FAULT_CHANGES | ENV_FAULT_RESERVE, nth, ENOSPC, forever);
    else if (what == 4)
        env_fault_limit(r->fault,
                        env_fault_used(r->fault) + (256 << 10) + rng_below(&r->rng, 4 << 20));
}

static void end_round(struct run *r)
{
    bool power = rng_below(&r->rng, 3) != 0;
    size_t least = r->acked;

    for (size_t i = 0; i < SNAPSHOT_COUNT; i++)
        let_go(r, &r->taken[i]);
    if (power) {
        env_fault_cut_power(r->fault);
        least = r->synced;
    }
    lsm_close(r->db);
    r->db = NULL;
    env_fault_limit(r->fault, 0);
    if (power)
        assert_int_equal(
            env_fault_crash(r->fault, (unsigned)rng_below(&r->rng, 16), rng_next(&r->rng)), 0);
    env_fault_fail(r->fault, 0, 0, 0, false);
    if (open_store(r))
        fail_round(r, "the store does not open");
    settle(r, least);
}

static void nothing_is_lost_whatever_goes_wrong(void **state)
{
    struct run *r = calloc(1, sizeof(*r));
    struct env *base;

    (void)state;
    assert_non_null(r);
    r->seed = r->rng.state = rng_seed(17);
    r->dir = scratch_new();
    assert_int_equal(env_uring_open(r->dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, &r->fault), 0);
    env_fault_remember_removed(r->fault);
    if (open_store(r))
        fail_round(r, "open");
    for (r->round = 0; r->round < rng_rounds(60); r->round++) {
        size_t steps = 1 + (size_t)rng_below(&r->rng, BATCH_COUNT_MAX);
        int err = 0;

        begin_round(r);
        set_trap(r);
        for (size_t i = 0; i < steps && (!err || err == -ENOSPC); i++)
            err = one_step(r);
        end_round(r);
    }
    assert_int_equal(lsm_close(r->db), 0);
    for (size_t i = 0; i <= BATCH_COUNT_MAX; i++)
        buf_free(&r->ops[i]);
    kv_clear(&r->model);
    kv_clear(&r->start);
    env_fault_close(r->fault);
    scratch_free(r->dir);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_whatever_goes_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
