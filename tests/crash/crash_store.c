/*
 * Writing to the store under test, and what is noted of it.
 */
#include "crash/crash_store.h"

#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    KEY_COUNT = 12
};

struct lsm_options crash_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.cache_bytes = 1 << 20;
    o.memtable_len = 64 << 10;
    o.block_len = 1 << 10;
    o.table_len = 64 << 10;
    o.level_base_len = 64 << 10;
    o.l0_compact_count = 64;
    o.blob_len_min = 0;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 30;
    o.worker_count = 1;
    o.pin_workers = false;
    return o;
}

struct crash_store *crash_store_new(const char *scenario, unsigned env_flags)
{
    struct crash_store *s = calloc(1, sizeof(*s));
    struct disk_image *empty = disk_image_new();

    assert_non_null(s);
    s->scenario = scenario;
    s->options = crash_options();
    s->env_flags = env_flags;
    s->disk = env_record_new(empty, env_flags);
    s->rng.state = crash_seed();
    s->states[0].digest = kv_digest(&s->model);
    for (size_t i = 0; i < CRASH_SNAPSHOT_MAX; i++)
        s->snapshots[i].made = s->snapshots[i].removed = (struct crash_span){SIZE_MAX, SIZE_MAX};
    s->copy = s->snapshots[0];
    disk_image_free(empty);
    return s;
}

void crash_store_free(struct crash_store *s)
{
    env_record_free(s->disk);
    kv_clear(&s->model);
    free(s);
}

static void check(struct crash_store *s, int err, const char *doing)
{
    if (err)
        fail_msg("%s: %s: %s (%s)", s->scenario, doing, lsm_strerror(err), lsm_detail());
}

/* What the model holds now is durable from this point on. */
static void note_synced(struct crash_store *s, size_t state)
{
    assert_true(s->sync_count < CRASH_SYNC_MAX);
    s->syncs[s->sync_count++] = (struct crash_synced){env_record_point(s->disk), state};
}

void crash_store_open(struct crash_store *s)
{
    uint64_t digest = 0;
    bool mark;

    check(s, db_open(env_record_env(s->disk), &s->options, &s->db), "open");
    note_synced(s, s->state_count);
    check(s, crash_digest_store(s->db, NULL, &digest, &mark), "scan");
    assert_int_equal(digest, s->states[s->state_count].digest);
}

void crash_store_kill(struct crash_store *s)
{
    env_record_kill(s->disk);
    (void)lsm_close(s->db);
    s->db = NULL;
    env_record_revive(s->disk);
}

void crash_store_close(struct crash_store *s)
{
    check(s, lsm_close(s->db), "close");
    s->db = NULL;
    note_synced(s, s->state_count);
}

void crash_store_write(struct crash_store *s, const struct lsm_batch *b,
                       const struct lsm_batch *shown, bool sync)
{
    struct crash_state *state;

    assert_true(s->state_count + 1 < CRASH_STATE_MAX);
    kv_apply(&s->model, buf_slice(&shown->bytes));
    state = &s->states[++s->state_count];
    state->digest = kv_digest(&s->model);
    state->begun = env_record_point(s->disk);
    check(s, lsm_write(s->db, b, sync ? LSM_WRITE_SYNC : 0), "write");
    if (sync)
        note_synced(s, s->state_count);
}

static size_t key_of(unsigned n, char key[32])
{
    return (size_t)sprintf(key, "key%02u", n % KEY_COUNT);
}

/* Half of the values do not compress. */
static void any_value(struct crash_store *s, uint8_t *value, size_t len)
{
    bool random = rng_below(&s->rng, 2);

    memset(value, (int)rng_next(&s->rng), len);
    for (size_t i = 0; random && i < len; i++)
        value[i] = (uint8_t)rng_next(&s->rng);
}

void crash_store_put(struct crash_store *s, unsigned n, size_t value_len, bool sync)
{
    uint8_t *value = malloc(value_len + 1);
    struct lsm_batch *b;
    char key[32];

    assert_non_null(value);
    any_value(s, value, value_len);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_put(b, key, key_of(n, key), value, value_len), 0);
    crash_store_write(s, b, b, sync);
    lsm_batch_free(b);
    free(value);
}

void crash_store_delete(struct crash_store *s, unsigned n, bool sync)
{
    struct lsm_batch *b;
    char key[32];

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete(b, key, key_of(n, key)), 0);
    crash_store_write(s, b, b, sync);
    lsm_batch_free(b);
}

/* Both batches get it; a copy is shown as the put that it amounts to. */
static void add_any(struct crash_store *s, struct lsm_batch *b, struct lsm_batch *shown,
                    size_t value_len_max)
{
    uint8_t *value = malloc(value_len_max + 1);
    char key[32], other[32];
    size_t key_len = key_of((unsigned)rng_below(&s->rng, KEY_COUNT), key);
    size_t other_len = key_of((unsigned)rng_below(&s->rng, KEY_COUNT), other);
    size_t len = (size_t)rng_below(&s->rng, value_len_max) + 1;
    const struct kv_pair *pair = kv_get(&s->model, slice_of(other, other_len));
    uint64_t what = rng_below(&s->rng, 10), offset = rng_below(&s->rng, 40);
    struct lsm_batch *both[] = {b, shown};

    assert_non_null(value);
    any_value(s, value, len);
    if (what == 0 && pair && !lsm_batch_count(b)) {
        assert_int_equal(lsm_batch_copy(b, s->db, other, other_len, key, key_len, NULL), 1);
        assert_int_equal(lsm_batch_put(shown, key, key_len, pair->value.data, pair->value.len), 0);
        free(value);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        int err;

        if (what == 1)
            err = lsm_batch_delete(both[i], key, key_len);
        else if (what == 2)
            err = lsm_batch_delete_range(both[i], key, key_len, other, other_len);
        else if (what < 5)
            err = lsm_batch_patch(both[i], key, key_len, offset, value, len / 4 + 1);
        else
            err = lsm_batch_put(both[i], key, key_len, value, len);
        assert_int_equal(err, 0);
    }
    free(value);
}

void crash_store_write_any(struct crash_store *s, size_t value_len_max, bool sync)
{
    struct lsm_batch *b, *shown;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_new(&shown), 0);
    for (uint64_t n = 1 + rng_below(&s->rng, 3); n; n--)
        add_any(s, b, shown, value_len_max);
    crash_store_write(s, b, shown, sync);
    lsm_batch_free(b);
    lsm_batch_free(shown);
}

void crash_store_sync(struct crash_store *s)
{
    check(s, lsm_sync(s->db), "sync");
    note_synced(s, s->state_count);
}

/* Waited for until the worker has committed it: then it is durable. */
void crash_store_flush(struct crash_store *s)
{
    check(s, lsm_flush(s->db), "flush");
    note_synced(s, s->state_count);
}

void crash_store_switch(struct crash_store *s)
{
    struct memtable *mem = NULL;

    check(s, queue_switch_memtable(s->db, &mem), "switch");
    memtable_unref(mem);
}

void crash_store_compact(struct crash_store *s)
{
    check(s, lsm_compact_range(s->db, NULL, 0, NULL, 0), "compact");
}

void crash_store_snapshot(struct crash_store *s, unsigned number)
{
    struct crash_kept *k = &s->snapshots[number];
    char name = (char)('a' + number);

    k->state = s->state_count;
    k->made.begun = env_record_point(s->disk);
    check(s, lsm_snapshot_create(s->db, &name, 1), "snapshot");
    k->made.done = env_record_point(s->disk);
    note_synced(s, s->state_count);
}

void crash_store_forget(struct crash_store *s, unsigned number)
{
    struct crash_kept *k = &s->snapshots[number];
    char name = (char)('a' + number);

    k->removed.begun = env_record_point(s->disk);
    check(s, lsm_snapshot_remove(s->db, &name, 1), "removal of a snapshot");
    k->removed.done = env_record_point(s->disk);
}

void crash_store_checkpoint(struct crash_store *s)
{
    s->copy.state = s->state_count;
    s->copy.made.begun = env_record_point(s->disk);
    check(s, lsm_checkpoint(s->db, "copy"), "checkpoint");
    s->copy.made.done = env_record_point(s->disk);
    note_synced(s, s->state_count);
}
