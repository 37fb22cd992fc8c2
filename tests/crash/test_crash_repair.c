/*
 * Loss of power at every operation of a repair (lsm_repair) of a damaged store. The next repair
 * completes it: then the store opens, has no damage, and holds what it holds after a repair that
 * nothing cuts, with its named snapshot; and where something was lost, that is still told. More may
 * be told: a log that was just being made, and holds other bytes than were written, looks as if it
 * had held something.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "crash/crash_store.h"

struct damaged {
    struct crash_store *s;
    struct disk_image *disk;
    uint64_t digest; /* after a repair that is not cut */
    uint64_t losses; /* 1: something was lost */
    uint64_t named;  /* 1: the named snapshot is there */
};

/*
 * Tables of several blocks in two levels, large values, a log that was synced in part. Each has
 * keys that the later ones leave alone, so that what is lost of it shows.
 */
static struct crash_store *make_store(const char *scenario)
{
    struct crash_store *s = crash_store_new(scenario, 0);

    s->options.blob_len_min = 2000;
    crash_store_open(s);
    for (unsigned i = 0; i < 10; i++)
        crash_store_put(s, i, i % 3 ? 900 : 2500, false);
    crash_store_flush(s);
    crash_store_compact(s);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 4; i++)
            crash_store_put(s, 4 + 2 * round + i, i % 2 ? 900 : 2600, false);
        crash_store_delete(s, 3 - round, false);
        crash_store_flush(s);
    }
    crash_store_snapshot(s, 0);
    for (unsigned i = 0; i < 6; i++)
        crash_store_put(s, 7 + i, i % 2 ? 2600 : 60, i == 3);
    crash_store_kill(s);
    return s;
}

/* The nth name, from 1, that ends or begins so; NULL: there is none. */
static struct disk_name *find_name(struct disk_image *d, const char *part, unsigned nth)
{
    struct disk_dir *dir = &d->dirs[DISK_DIR_STORE];

    for (size_t i = 0; i < dir->count; i++)
        if (strstr(dir->names[i].name, part) && --nth == 0)
            return &dir->names[i];
    return NULL;
}

/* Turn over the bits of len bytes at a part of the file: 0 its beginning, 100 its end. */
static void spoil(struct disk_image *d, const char *part, unsigned nth, unsigned percent,
                  size_t len)
{
    struct disk_name *n = find_name(d, part, nth);
    struct disk_bytes *old, *spoiled;
    size_t at;

    assert_non_null(n);
    old = d->files[n->file];
    spoiled = disk_bytes_new(old->data, old->data_len, old->len);
    at = (spoiled->data_len - len) * percent / 100;
    for (size_t i = 0; i < len; i++)
        spoiled->data[at + i] ^= 0xff;
    d->files[n->file] = disk_bytes_new(spoiled->data, spoiled->data_len, spoiled->len);
    disk_bytes_unref(old);
    disk_bytes_unref(spoiled);
}

static void lose(struct disk_image *d, const char *part, unsigned nth)
{
    struct disk_dir *dir = &d->dirs[DISK_DIR_STORE];
    struct disk_name *n = find_name(d, part, nth);
    size_t at;

    assert_non_null(n);
    at = (size_t)(n - dir->names);
    free(n->name);
    memmove(n, n + 1, (--dir->count - at) * sizeof(*n));
}

/* --- What is damaged --- */

static void damage_current(struct disk_image *d)
{
    lose(d, "CURRENT", 1);
}

static void damage_superblock(struct disk_image *d)
{
    spoil(d, "SUPERBLOCK", 1, 0, 100);
}

static void damage_both_superblocks(struct disk_image *d)
{
    spoil(d, "SUPERBLOCK", 1, 0, 100);
    spoil(d, "SUPERBLOCK", 1, 100, 8);
}

static void damage_manifest(struct disk_image *d)
{
    spoil(d, "MANIFEST", 1, 0, 50);
}

static void damage_log(struct disk_image *d)
{
    spoil(d, ".wal", 1, 20, 8);
}

static void damage_log_header(struct disk_image *d)
{
    spoil(d, ".wal", 1, 0, 8);
}

static void damage_table(struct disk_image *d)
{
    spoil(d, ".sst", 1, 0, 8);
}

static void damage_table_end(struct disk_image *d)
{
    spoil(d, ".sst", 2, 100, 40);
}

static void damage_missing_table(struct disk_image *d)
{
    lose(d, ".sst", 2);
}

static void damage_blob(struct disk_image *d)
{
    spoil(d, ".blob", 1, 40, 8);
}

static void damage_blob_header(struct disk_image *d)
{
    spoil(d, ".blob", 1, 0, 8);
}

static void damage_missing_blob(struct disk_image *d)
{
    lose(d, ".blob", 1);
}

static void damage_much(struct disk_image *d)
{
    lose(d, "CURRENT", 1);
    spoil(d, "MANIFEST", 1, 0, 50);
    spoil(d, ".sst", 1, 0, 8);
    spoil(d, ".wal", 1, 20, 8);
    spoil(d, ".blob", 1, 40, 8);
}

/* --- Repairs --- */

static int repair(const struct crash_store *s, struct env_record *disk)
{
    struct lsm_options o = s->options;

    o.create = false;
    return db_repair(env_record_env(disk), &o, false, NULL, NULL, NULL);
}

static int note_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct crash_outcome *o = arg;

    snprintf(o->text, sizeof(o->text), "verify: %.60s at %llu: %.180s", file,
             (unsigned long long)offset, text);
    return 0;
}

static bool has_snapshot(struct lsm_db *db)
{
    struct lsm_snapshot *s = NULL;
    int err = lsm_snapshot_find(db, "a", 1, &s);

    lsm_snapshot_close(db, s);
    return !err;
}

static void recover(void *arg, struct env_record *disk, struct crash_outcome *ret)
{
    const struct damaged *d = arg;
    struct lsm_options o = d->s->options;
    struct lsm_db *db;
    int err = repair(d->s, disk);

    o.create = false;
    if (err >= 0)
        err = db_open(env_record_env(disk), &o, &db);
    if (err) {
        crash_outcome_fail(ret, err, "repair and open");
        return;
    }
    err = lsm_verify(db, note_damage, NULL, ret);
    if (!err)
        err = crash_digest_store(db, NULL, &ret->digest, &ret->mark);
    if (err)
        crash_outcome_fail(ret, err, "read");
    ret->extra[0] = lsm_losses(db, NULL, NULL) > 0;
    ret->extra[1] = has_snapshot(db);
    err = lsm_close(db);
    if (err)
        crash_outcome_fail(ret, err, "close");
}

static int again(void *arg, struct env_record *disk, size_t *ret_marked)
{
    const struct damaged *d = arg;
    struct lsm_db *db;
    int err = repair(d->s, disk);

    if (err >= 0)
        err = db_open(env_record_env(disk), &d->s->options, &db);
    if (err)
        return err;
    err = crash_put_mark(db);
    *ret_marked = env_record_point(disk);
    if (!err)
        err = lsm_close(db);
    return err;
}

static const char *judge(void *arg, size_t point, const struct crash_outcome *o)
{
    const struct damaged *d = arg;

    (void)point;
    if (o->digest != d->digest)
        return "holds something else than after a repair that is not cut";
    if (o->extra[1] < d->named)
        return "has lost its named snapshot";
    return o->extra[0] >= d->losses ? NULL : "does not tell what was lost";
}

static void cut_repair(const char *scenario, void (*damage)(struct disk_image *d))
{
    struct damaged d = {0};
    const struct crash_subject subject = {recover, again, judge, &d, true};
    struct crash_outcome whole = {0};
    struct crash_sweep sweep = {.scenario = scenario, .subject = &subject};
    struct env_record *r;

    if (crash_skipped(scenario))
        return;
    d.s = make_store(scenario);
    d.disk = env_record_image(d.s->disk);
    damage(d.disk);
    r = env_record_new(d.disk, 0);
    recover(&d, r, &whole);
    if (whole.err)
        fail_msg("%s: %s", scenario, whole.text);
    env_record_free(r);
    d.digest = whole.digest;
    d.losses = whole.extra[0];
    d.named = whole.extra[1];
    r = env_record_new(d.disk, 0);
    assert_true(repair(d.s, r) > 0);
    sweep.record = env_record_get(r);
    crash_sweep_run(&sweep);
    env_record_free(r);
    disk_image_free(d.disk);
    crash_store_free(d.s);
}

#define REPAIR_TEST(what)                                                                          \
    static void a_repair_of_##what(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        cut_repair(#what, damage_##what);                                                          \
    }

REPAIR_TEST(current)
REPAIR_TEST(superblock)
REPAIR_TEST(both_superblocks)
REPAIR_TEST(manifest)
REPAIR_TEST(log)
REPAIR_TEST(log_header)
REPAIR_TEST(table)
REPAIR_TEST(table_end)
REPAIR_TEST(missing_table)
REPAIR_TEST(blob)
REPAIR_TEST(blob_header)
REPAIR_TEST(missing_blob)
REPAIR_TEST(much)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repair_of_current),
        cmocka_unit_test(a_repair_of_superblock),
        cmocka_unit_test(a_repair_of_both_superblocks),
        cmocka_unit_test(a_repair_of_manifest),
        cmocka_unit_test(a_repair_of_log),
        cmocka_unit_test(a_repair_of_log_header),
        cmocka_unit_test(a_repair_of_table),
        cmocka_unit_test(a_repair_of_table_end),
        cmocka_unit_test(a_repair_of_missing_table),
        cmocka_unit_test(a_repair_of_blob),
        cmocka_unit_test(a_repair_of_blob_header),
        cmocka_unit_test(a_repair_of_missing_blob),
        cmocka_unit_test(a_repair_of_much),
    };

    return cmocka_run_group_tests(tests, NULL, crash_sweep_report);
}
