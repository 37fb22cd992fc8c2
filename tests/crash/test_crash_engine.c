/*
 * Loss of power at every operation on the disk that the engine makes: writing, flushing,
 * compacting, large values, snapshots, checkpoints, logs that follow one another, and opening.
 *
 * After it the store opens, has no damage, and holds the state after some batch: none older than
 * the last that was synced. See crash_sweep.h for what the environment can ask for.
 */
#include "lib/cmocka_all.h"

#include <stdlib.h>

#include "crash/crash_store.h"
#include "lib/scratch.h"

static void batches_of_all_kinds(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("batches"))
        return;
    s = crash_store_new("batches", 0);
    crash_store_open(s);
    for (unsigned i = 0; i < 30; i++)
        crash_store_write_any(s, 300, i % 6 == 5);
    crash_store_sync(s);
    for (unsigned i = 0; i < 4; i++)
        crash_store_write_any(s, 1500, false);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void flushes_and_logs_that_follow_one_another(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("flush"))
        return;
    s = crash_store_new("flush", 0);
    crash_store_open(s);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 4; k++)
            crash_store_write_any(s, 200, false);
        if (i % 2)
            crash_store_sync(s);
        crash_store_write_any(s, 200, false);
        crash_store_flush(s);
    }
    crash_store_write_any(s, 200, true);
    crash_store_write_any(s, 200, false);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

/* The workers wait, so that three logs are needed at once, which may all be torn. */
static void switch_logs(const char *scenario, size_t blob_len_min)
{
    struct crash_store *s;

    if (crash_skipped(scenario))
        return;
    s = crash_store_new(scenario, 0);
    s->options.blob_len_min = blob_len_min;
    s->options.memtable_count_max = 8;
    crash_store_open(s);
    crash_store_write_any(s, 100, true);
    env_record_hold(s->disk, ".sst");
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 3; k++)
            crash_store_write_any(s, 400, false);
        crash_store_switch(s);
    }
    crash_store_write_any(s, 100, false);
    crash_store_write_any(s, 100, true);
    crash_store_write_any(s, 300, false);
    crash_store_switch(s);
    crash_store_write_any(s, 300, false);
    env_record_hold(s->disk, NULL);
    crash_store_flush(s);
    crash_store_write_any(s, 300, false);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void several_logs_at_once(void **state)
{
    (void)state;
    switch_logs("logs", 0);
}

static void several_logs_that_refer_to_large_values(void **state)
{
    (void)state;
    switch_logs("logs-blobs", 256);
}

static void compactions(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("compact"))
        return;
    s = crash_store_new("compact", 0);
    crash_store_open(s);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3; i++) {
            for (unsigned k = 0; k < 4; k++)
                crash_store_write_any(s, 400, false);
            crash_store_flush(s);
        }
        crash_store_write_any(s, 100, false);
        crash_store_compact(s);
        crash_store_write_any(s, 100, round == 0);
    }
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void large_values(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("blobs"))
        return;
    s = crash_store_new("blobs", 0);
    s->options.blob_len_min = 256;
    crash_store_open(s);
    for (unsigned i = 0; i < 14; i++)
        crash_store_write_any(s, 1200, i % 5 == 4);
    crash_store_flush(s);
    for (unsigned i = 0; i < 5; i++)
        crash_store_write_any(s, 900, i == 2);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

/* What is overwritten is garbage, and compaction empties the files that have much of it. */
static void collection_of_large_values(void **state)
{
    struct crash_store *s;
    struct lsm_stats stats;

    (void)state;
    if (crash_skipped("collect"))
        return;
    s = crash_store_new("collect", 0);
    s->options.blob_len_min = 256;
    crash_store_open(s);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 6; i++)
            crash_store_put(s, i * (round + 1), 400 + 100 * i, false);
        crash_store_flush(s);
        crash_store_close(s);
        crash_store_open(s);
    }
    crash_store_compact(s);
    crash_store_put(s, 1, 500, false);
    crash_store_compact(s);
    assert_int_equal(lsm_stats(s->db, &stats), 0);
    assert_true(stats.blob_collect_write_len > 0);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void named_snapshots(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("snapshots"))
        return;
    s = crash_store_new("snapshots", 0);
    crash_store_open(s);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 3; k++)
            crash_store_write_any(s, 200, false);
        crash_store_snapshot(s, i);
        crash_store_write_any(s, 200, false);
        if (i == 1)
            crash_store_flush(s);
        if (i == 2)
            crash_store_forget(s, 0);
    }
    crash_store_flush(s);
    crash_store_compact(s);
    crash_store_forget(s, 2);
    crash_store_compact(s);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void checkpoints(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("checkpoint"))
        return;
    s = crash_store_new("checkpoint", 0);
    s->options.blob_len_min = 256;
    crash_store_open(s);
    for (unsigned i = 0; i < 5; i++)
        crash_store_write_any(s, 500, false);
    crash_store_flush(s);
    for (unsigned i = 0; i < 3; i++)
        crash_store_write_any(s, 500, false);
    crash_store_checkpoint(s);
    crash_store_write_any(s, 500, true);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static void opening_again_and_again(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("reopen"))
        return;
    s = crash_store_new("reopen", 0);
    s->options.blob_len_min = 256;
    for (unsigned i = 0; i < 4; i++) {
        crash_store_open(s);
        for (unsigned k = 0; k < i + 2; k++)
            crash_store_write_any(s, 400, k == 1);
        if (i == 2)
            crash_store_snapshot(s, 0);
        crash_store_close(s);
    }
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

/* What recovery finds may be in the kernel's memory only, and must be made durable. */
static void loss_of_power_after_the_end_of_the_process(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("kill"))
        return;
    s = crash_store_new("kill", 0);
    s->options.blob_len_min = 256;
    for (unsigned i = 0; i < 4; i++) {
        crash_store_open(s);
        for (unsigned k = 0; k < 4; k++)
            crash_store_write_any(s, 500, i == 1 && k == 1);
        if (i == 2)
            crash_store_flush(s);
        crash_store_kill(s);
    }
    crash_store_open(s);
    crash_store_sweep(s, 1);
    crash_store_free(s);
}

static bool wrote_zeros(const struct record *record)
{
    for (size_t i = 0; i < record->count; i++)
        if (record->ops[i].kind == RECORD_WRITE && !record->ops[i].data)
            return true;
    return false;
}

/* Space that is reserved shows as zeros, and many syncs make the log write some ahead. */
static void reserved_space_and_zeros_ahead(void **state)
{
    struct crash_store *s;

    (void)state;
    if (crash_skipped("zeros"))
        return;
    s = crash_store_new("zeros", ENV_RECORD_RESERVES);
    crash_store_open(s);
    for (unsigned i = 0; i < 11; i++)
        crash_store_write_any(s, 100, true);
    for (unsigned i = 0; i < 3; i++)
        crash_store_write_any(s, 600, false);
    crash_store_flush(s);
    crash_store_write_any(s, 100, false);
    assert_true(wrote_zeros(env_record_get(s->disk)));
    /* A torn log is searched to its end, a mebibyte: that takes long. */
    crash_store_sweep(s, crash_exhaustive() ? 40 : 6);
    crash_store_free(s);
}

/* In a directory of the host: lsm_open looks at what is there before it makes a store of it. */
static void recover_on_host(void *arg, struct env_record *disk, struct crash_outcome *ret)
{
    const struct crash_store *s = arg;
    struct disk_image *image = env_record_image(disk);
    char *dir = scratch_new();
    struct lsm_db *db;
    int err;

    disk_image_save(image, dir);
    err = lsm_open(scratch_path(dir, "store"), &s->options, &db);
    if (err) {
        crash_outcome_fail(ret, err, "open");
    } else {
        err = crash_digest_store(db, NULL, &ret->digest, &ret->mark);
        if (err)
            crash_outcome_fail(ret, err, "scan");
        lsm_close(db);
    }
    disk_image_free(image);
    scratch_free(dir);
}

static const char *judge_empty(void *arg, size_t point, const struct crash_outcome *o)
{
    const struct crash_store *s = arg;

    (void)point;
    return o->digest == s->states[0].digest ? NULL : "is not empty";
}

static void making_a_store(void **state)
{
    struct crash_store *s;
    struct crash_subject subject = {recover_on_host, NULL, judge_empty, NULL, false};
    struct crash_sweep sweep = {.scenario = "create", .subject = &subject};

    (void)state;
    if (crash_skipped("create"))
        return;
    s = crash_store_new("create", 0);
    subject.arg = s;
    crash_store_open(s);
    crash_store_close(s);
    sweep.record = env_record_get(s->disk);
    crash_sweep_run(&sweep);
    crash_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making_a_store),
        cmocka_unit_test(batches_of_all_kinds),
        cmocka_unit_test(flushes_and_logs_that_follow_one_another),
        cmocka_unit_test(several_logs_at_once),
        cmocka_unit_test(several_logs_that_refer_to_large_values),
        cmocka_unit_test(compactions),
        cmocka_unit_test(large_values),
        cmocka_unit_test(collection_of_large_values),
        cmocka_unit_test(named_snapshots),
        cmocka_unit_test(checkpoints),
        cmocka_unit_test(opening_again_and_again),
        cmocka_unit_test(loss_of_power_after_the_end_of_the_process),
        cmocka_unit_test(reserved_space_and_zeros_ahead),
    };

    scratch_in_memory();
    return cmocka_run_group_tests(tests, NULL, crash_sweep_report);
}
