/*
 * The scenarios of the engine. A failure in one call must not keep the next ones from giving right
 * answers, so nothing here stops at the first.
 */
#include "fault/engine_scenarios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"

static void arm(struct trial *t)
{
    call_faults_arm(t->kinds, t->nth, t->code, t->scope);
}

static void open_whole(struct trial *t)
{
    if (trial_open(t))
        trial_fail(t, "does not open: %s", lsm_detail());
}

static void open_and_close(struct trial *t)
{
    int err;

    arm(t);
    err = trial_answer(t, "open", trial_open(t));
    if (err)
        t->db = NULL;
    else
        trial_answer(t, "close", lsm_close(t->db));
    t->db = NULL;
    call_faults_disarm();
    open_whole(t);
}

static void write_and_sync(struct trial *t)
{
    open_whole(t);
    arm(t);
    for (unsigned i = 1; i <= 24; i++) {
        trial_write(t, i % 8 == 0 ? LSM_WRITE_SYNC : i % 5 == 0 ? LSM_WRITE_URGENT : 0);
        if (i % 6 == 0)
            trial_sync(t);
    }
    call_faults_disarm();
    if (!trial_sync(t) && t->synced != t->acked)
        trial_fail(t, "a sync that says nothing");
}

static void write_one(struct trial *t)
{
    open_whole(t);
    arm(t);
    trial_write(t, LSM_WRITE_SYNC);
    trial_write(t, LSM_WRITE_SYNC);
}

static void flush(struct trial *t)
{
    open_whole(t);
    for (unsigned i = 0; i < 6; i++)
        trial_write(t, 0);
    arm(t);
    trial_answer(t, "flush", lsm_flush(t->db));
    trial_write(t, 0);
    trial_answer(t, "flush", lsm_flush(t->db));
    trial_sync(t);
}

static void compact(struct trial *t)
{
    open_whole(t);
    trial_write(t, 0);
    arm(t);
    trial_answer(t, "compact", lsm_compact_range(t->db, NULL, 0, NULL, 0));
    trial_write(t, 0);
    trial_sync(t);
}

/* All large values are overwritten, so that the files that they lie in are emptied. */
static void collect_blobs(struct trial *t)
{
    open_whole(t);
    for (unsigned i = 0; i < 30; i++)
        trial_write(t, 0);
    if (lsm_flush(t->db) || lsm_compact_range(t->db, NULL, 0, NULL, 0))
        trial_fail(t, "compact: %s", lsm_detail());
    for (unsigned i = 0; i < 10; i++)
        trial_write(t, 0);
    arm(t);
    trial_answer(t, "flush", lsm_flush(t->db));
    trial_answer(t, "compact", lsm_compact_range(t->db, NULL, 0, NULL, 0));
    trial_answer(t, "compact", lsm_compact_range(t->db, NULL, 0, NULL, 0));
    trial_sync(t);
}

static void walk(struct trial *t, const struct lsm_snapshot *snapshot)
{
    struct lsm_iter *it;
    int more;

    if (trial_answer(t, "iterator", lsm_iter_new(t->db, snapshot, NULL, 0, NULL, 0, &it)))
        return;
    for (more = lsm_iter_first(it); more > 0; more = lsm_iter_next(it))
        ;
    trial_answer(t, "iterator", more);
    for (more = lsm_iter_last(it); more > 0; more = lsm_iter_prev(it))
        ;
    trial_answer(t, "iterator backwards", more);
    more = lsm_iter_seek(it, "key0030", 7);
    trial_answer(t, "seek", more);
    lsm_iter_free(it);
}

enum {
    READ_COUNT = 12
};

/* What the scenario of reading asks for, and the answers without a failure. */
struct reading {
    char names[READ_COUNT][16];
    struct lsm_key keys[READ_COUNT];
    struct lsm_value values[READ_COUNT];
    int errs[READ_COUNT];
    struct buf want[READ_COUNT];
    bool is_there[READ_COUNT];
};

static void learn(struct trial *t, struct reading *r)
{
    for (unsigned i = 0; i < READ_COUNT; i++)
        r->keys[i] = (struct lsm_key){r->names[i], (size_t)sprintf(r->names[i], "key%04u", i * 5)};
    CHECK(!lsm_multi_get(t->db, NULL, r->keys, READ_COUNT, r->values, r->errs));
    for (unsigned i = 0; i < READ_COUNT; i++) {
        r->is_there[i] = !r->errs[i];
        if (r->errs[i])
            continue;
        CHECK(!buf_assign(&r->want[i], r->values[i].data, r->values[i].len));
        lsm_value_done(&r->values[i]);
    }
}

/* What is read is what it was without a failure, or an error. */
static void check_read(struct trial *t, struct reading *r, unsigned i)
{
    int err = r->errs[i];

    if (err && err != -ENOENT)
        return;
    if (!err != r->is_there[i] ||
        (!err && !slice_eq(slice_of(r->values[i].data, r->values[i].len), buf_slice(&r->want[i]))))
        trial_fail(t, "%s gives something else", r->names[i]);
    if (!err)
        lsm_value_done(&r->values[i]);
}

/* The store is opened again first, so that nothing is in the cache. */
static void read_all(struct trial *t)
{
    struct reading r = {0};

    open_whole(t);
    learn(t, &r);
    CHECK(!lsm_close(t->db));
    open_whole(t);
    arm(t);
    trial_answer(t, "multi-get", lsm_multi_get(t->db, NULL, r.keys, READ_COUNT, r.values, r.errs));
    for (unsigned i = 0; i < READ_COUNT; i++)
        check_read(t, &r, i);
    for (unsigned i = 0; i < READ_COUNT; i++) {
        r.errs[i] = lsm_get(t->db, NULL, r.keys[i].data, r.keys[i].len, &r.values[i]);
        if (r.errs[i] != -ENOENT)
            trial_answer(t, "get", r.errs[i]);
        check_read(t, &r, i);
    }
    call_faults_pause();
    for (unsigned i = 0; i < READ_COUNT; i++)
        buf_free(&r.want[i]);
    call_faults_resume();
    walk(t, NULL);
}

/* The store is closed and opened again first, so that everything must be read. */
static void read_cold(struct trial *t)
{
    struct lsm_value v;

    open_whole(t);
    arm(t);
    walk(t, NULL);
    for (unsigned i = 0; i < 8; i++) {
        char key[16];
        int err = lsm_get(t->db, NULL, key, (size_t)sprintf(key, "key%04u", i * 7), &v);

        if (!err)
            lsm_value_done(&v);
        else if (err != -ENOENT)
            trial_answer(t, "get", err);
    }
}

static int count_snapshot(void *arg, const struct lsm_snapshot_info *info)
{
    (void)info;
    ++*(int *)arg;
    return 0;
}

static void snapshots(struct trial *t)
{
    struct lsm_snapshot *s;
    int count = 0, want;
    int created, removed, found;

    open_whole(t);
    arm(t);
    created = trial_answer(t, "create a snapshot", lsm_snapshot_create(t->db, "new", 3));
    found = lsm_snapshot_find(t->db, "new", 3, &s);
    if (!found) {
        walk(t, s);
        lsm_snapshot_close(t->db, s);
    }
    if (!created && found && found != -ENOMEM)
        trial_fail(t, "a snapshot that was made is not found: %s", lsm_strerror(found));
    trial_write(t, 0);
    removed = trial_answer(t, "remove a snapshot", lsm_snapshot_remove(t->db, "old", 3));
    call_faults_disarm();
    want = 1 + !created - !removed;
    if (lsm_snapshot_list(t->db, count_snapshot, &count) || count != want)
        trial_fail(t, "%d snapshots instead of %d", count, want);
}

static void checkpoint(struct trial *t)
{
    struct lsm_options o = trial_options(t);
    const char *path = scratch_path(t->dir, "copy");
    struct lsm_db *copy;
    char made[600];
    int err;

    snprintf(made, sizeof(made), "%s", path);
    open_whole(t);
    trial_write(t, 0);
    arm(t);
    err = trial_answer(t, "checkpoint", lsm_checkpoint(t->db, made));
    call_faults_disarm();
    if (err) {
        /* Where removing it failed, nothing else can remove it. */
        if (access(made, F_OK) == 0 && !(t->kinds & (CALL_REMOVE | CALL_LIST)) &&
            t->scope != CALL_FOREVER)
            trial_fail(t, "a failed checkpoint has left its directory");
        return;
    }
    if (lsm_open(made, &o, &copy))
        trial_fail(t, "the checkpoint does not open: %s", lsm_detail());
    trial_check_store(t, copy, t->acked);
    CHECK(!lsm_close(copy));
}

static int tell_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct trial *t = arg;

    (void)offset;
    /* A file that cannot be read at the moment may be told, but not as damaged. */
    if (!call_faults_happened())
        trial_fail(t, "verify finds %s: %s", file, text);
    return 0;
}

static void verify(struct trial *t)
{
    open_whole(t);
    arm(t);
    trial_answer(t, "verify", lsm_verify(t->db, tell_damage, NULL, t));
}

/* Without a manifest all has to be found out from tables and logs. Logs are replayed whole. */
static void repair(struct trial *t)
{
    struct lsm_options o = trial_options(t);

    CHECK(!unlink(scratch_path(t->store, "CURRENT")));
    arm(t);
    trial_answer(t, "repair", lsm_repair(t->store, &o, false, NULL, NULL));
    call_faults_disarm();
    if (lsm_repair(t->store, &o, false, NULL, NULL) < 0)
        trial_fail(t, "a second repair fails: %s", lsm_detail());
    if (trial_open(t))
        trial_fail(t, "does not open after a repair: %s", lsm_detail());
    if (lsm_losses_forget(t->db))
        trial_fail(t, "losses: %s", lsm_detail());
}

/* A batch that could not grow is as it was. */
static void build_batch(struct trial *t)
{
    char value[3000] = {0};
    struct lsm_batch *b;
    size_t count = 0;

    open_whole(t);
    arm(t);
    if (trial_answer(t, "batch", lsm_batch_new(&b)))
        return;
    for (size_t i = 0; i < 20; i++) {
        char key[16];
        size_t len = (size_t)sprintf(key, "zbatch%02zu", i);

        count += !trial_answer(t, "put", lsm_batch_put(b, key, len, value, 150 * i));
        count += !trial_answer(t, "patch", lsm_batch_patch(b, key, len, 9, value, i));
        count += !trial_answer(t, "delete", lsm_batch_delete(b, key, len));
        if (lsm_batch_count(b) != count)
            trial_fail(t, "%zu operations instead of %zu", lsm_batch_count(b), count);
    }
    trial_answer(t, "write", lsm_write(t->db, b, 0));
    lsm_batch_free(b);
}

/* A large value under another key: the same bytes for both. */
static void copy_value(struct trial *t)
{
    struct lsm_batch *b;
    int copied;

    open_whole(t);
    arm(t);
    if (trial_answer(t, "batch", lsm_batch_new(&b)))
        return;
    copied = trial_answer(t, "copy", lsm_batch_copy(b, t->db, "zlarge", 6, "zcopy", 5, NULL));
    if (lsm_batch_count(b) != (copied > 0))
        trial_fail(t, "a copy is in the batch, or not");
    if (!trial_answer(t, "write", lsm_write(t->db, b, LSM_WRITE_SYNC)) && copied > 0) {
        struct lsm_value v;

        call_faults_disarm();
        if (lsm_get(t->db, NULL, "zcopy", 5, &v))
            trial_fail(t, "the copy is not there");
        lsm_value_done(&v);
    }
    lsm_batch_free(b);
}

static void close_full(struct trial *t)
{
    int err;

    open_whole(t);
    for (unsigned i = 0; i < 4; i++)
        trial_write(t, 0);
    arm(t);
    err = trial_answer(t, "close", lsm_close(t->db));
    t->db = NULL;
    if (!err)
        t->synced = t->acked;
}

static void create(struct trial *t)
{
    struct lsm_options o = trial_options(t);
    char made[600];
    struct lsm_db *db;

    snprintf(made, sizeof(made), "%s", scratch_path(t->dir, "made"));
    o.create = true;
    arm(t);
    if (!trial_answer(t, "create", lsm_open(made, &o, &db))) {
        lsm_put(db, "k", 1, "v", 1, LSM_WRITE_SYNC);
        trial_answer(t, "close", lsm_close(db));
    }
    call_faults_disarm();
    if (lsm_open(made, &o, &db))
        trial_fail(t, "cannot be made after a failure: %s", lsm_detail());
    CHECK(!lsm_put(db, "k", 1, "v", 1, LSM_WRITE_SYNC));
    CHECK(!lsm_close(db));
}

const struct scenario scenarios[] = {
    {"open", open_and_close, true},  {"write", write_and_sync, false},
    {"write one", write_one, false}, {"flush", flush, false},
    {"compact", compact, false},     {"collect", collect_blobs, false},
    {"read", read_all, false},       {"read cold", read_cold, false},
    {"snapshots", snapshots, false}, {"checkpoint", checkpoint, true},
    {"verify", verify, false},       {"repair", repair, true},
    {"close", close_full, false},    {"create", create, true},
    {"batch", build_batch, false},   {"copy", copy_value, false},
};
const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

/* --- Trying them --- */

static char *pattern_dir;
static char pattern_path[600];
static unsigned pattern_batches;

int scenario_pattern_make(void **state)
{
    (void)state;
    pattern_dir = scratch_new();
    snprintf(pattern_path, sizeof(pattern_path), "%s/pattern", pattern_dir);
    pattern_batches = trial_pattern_make(pattern_path);
    return 0;
}

int scenario_pattern_remove(void **state)
{
    (void)state;
    scratch_free(pattern_dir);
    return 0;
}

/* Returns the calls that there were; *ret_failed is whether one has failed. */
static uint64_t try_once(const struct scenario *s, struct trial *t, bool *ret_failed)
{
    uint64_t count;

    t->name = s->name;
    t->pattern = pattern_path;
    trial_begin(t, pattern_batches);
    s->run(t);
    count = call_faults_count();
    *ret_failed = call_faults_happened();
    trial_stop(t);
    trial_end(t);
    return count;
}

unsigned scenario_try(const struct scenario *s, const struct trial *plan, unsigned tries,
                      uint64_t *seed)
{
    struct rng rng = {*seed};
    struct trial t = *plan;
    uint64_t count, step;
    unsigned failures = 0;
    bool failed;

    t.nth = UINT64_MAX;
    count = try_once(s, &t, &failed);
    step = count / tries + 1;
    /* With threads no two runs make the same calls: the end is where nothing fails any more. */
    for (t.nth = 1 + rng_below(&rng, step); tries && (t.nth <= count || failed);
         t.nth += step, tries--) {
        try_once(s, &t, &failed);
        failures += failed;
    }
    *seed = rng.state;
    return failures;
}

unsigned scenario_tries_wanted(unsigned fallback)
{
    const char *s = getenv("TEST_ROUNDS");
    unsigned n = s ? (unsigned)strtoul(s, NULL, 0) : fallback;

    return n ? n : SCENARIO_TRIES_ALL;
}

bool scenario_is_wanted(const struct scenario *s)
{
    const char *only = getenv("TEST_SCENARIO");

    return !only || !strcmp(only, s->name);
}
