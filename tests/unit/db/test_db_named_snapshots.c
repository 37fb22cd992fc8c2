/*
 * Named snapshots through the public header: what they show stays as it was, across restarts and
 * whatever is flushed and compacted, until they are removed. Power cuts and failing calls are in
 * test_db_snapshot_crash.c.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/base/codec.h"
#include "lsm/base/err.h"
#include "lsm/lsm.h"

enum {
    VALUE_LEN = 1000,
    WRITER_COUNT = 2,
    SNAPSHOTS_PER_THREAD = 12
};

static struct lsm_options small_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.level_base_len = 128 << 10;
    o.l0_compact_count = 2;
    o.cache_bytes = 1 << 20;
    return o;
}

static struct lsm_db *open_or_fail(const char *dir, const struct lsm_options *o)
{
    struct lsm_db *db = NULL;
    int err = lsm_open(dir, o, &db);

    if (err)
        fail_msg("open: %d %s", err, lsm_detail());
    return db;
}

static struct lsm_db *reopen(struct lsm_db *db, const char *dir)
{
    struct lsm_options o = small_options();

    assert_int_equal(lsm_close(db), 0);
    return open_or_fail(dir, &o);
}

/* Keys 0 to count-1 get values that tell the generation. */
static void write_generation(struct lsm_db *db, unsigned count, unsigned generation)
{
    char value[VALUE_LEN];

    for (unsigned i = 0; i < count; i++) {
        char key[16];
        size_t len = (size_t)sprintf(key, "k%05u", i);
        struct rng rng = {generation * UINT64_C(100000) + i};

        /* Not compressible, so that bytes on disk tell how many versions there are. */
        for (size_t at = 0; at < sizeof(value); at += 8)
            put_le64(value + at, rng_next(&rng));
        put_le32(value, generation);
        assert_int_equal(lsm_put(db, key, len, value, sizeof(value), 0), 0);
    }
}

static void expect_generation(struct lsm_db *db, const struct lsm_snapshot *s, unsigned count,
                              unsigned generation)
{
    unsigned found = 0;
    struct lsm_iter *it;
    int at;

    assert_int_equal(lsm_iter_new(db, s, "k", 1, "l", 1, &it), 0);
    for (at = lsm_iter_first(it); at > 0; at = lsm_iter_next(it)) {
        size_t len;
        const void *value = lsm_iter_value(it, &len);

        assert_int_equal(len, VALUE_LEN);
        assert_int_equal(get_le32(value), generation);
        found++;
    }
    assert_int_equal(at, 0);
    lsm_iter_free(it);
    assert_int_equal(found, count);
}

static void expect_named(struct lsm_db *db, const char *name, unsigned count, unsigned generation)
{
    struct lsm_snapshot *s;

    assert_int_equal(lsm_snapshot_find(db, name, strlen(name), &s), 0);
    expect_generation(db, s, count, generation);
    lsm_snapshot_close(db, s);
}

static void create(struct lsm_db *db, const char *name)
{
    int err = lsm_snapshot_create(db, name, strlen(name));

    if (err)
        fail_msg("create: %d %s", err, lsm_detail());
}

static void compact(struct lsm_db *db)
{
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
}

static uint64_t tables_len(struct lsm_db *db)
{
    struct lsm_stats s;
    uint64_t len = 0;

    assert_int_equal(lsm_stats(db, &s), 0);
    for (unsigned i = 0; i < 7; i++)
        len += s.table_len[i];
    return len;
}

static void a_snapshot_shows_the_same_after_reopening_and_compaction(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    write_generation(db, 300, 1);
    create(db, "first");
    write_generation(db, 300, 2);
    /* In the log only: recovery's own flush must keep both generations. */
    create(db, "second");
    write_generation(db, 20, 3);
    expect_named(db, "first", 300, 1);
    db = reopen(db, dir);
    expect_named(db, "first", 300, 1);
    expect_named(db, "second", 300, 2);
    write_generation(db, 300, 4);
    compact(db);
    expect_named(db, "first", 300, 1);
    expect_named(db, "second", 300, 2);
    db = reopen(db, dir);
    assert_int_equal(lsm_snapshot_remove(db, "first", 5), 0);
    write_generation(db, 300, 5);
    compact(db);
    db = reopen(db, dir);
    expect_named(db, "second", 300, 2);
    expect_generation(db, NULL, 300, 5);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void what_a_removed_snapshot_held_is_compacted_away(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);
    struct lsm_snapshot *handle;
    uint64_t held;

    (void)state;
    write_generation(db, 300, 1);
    create(db, "old");
    write_generation(db, 300, 2);
    compact(db);
    held = tables_len(db);
    assert_true(held > 600 * VALUE_LEN);
    assert_int_equal(lsm_snapshot_find(db, "old", 3, &handle), 0);
    assert_int_equal(lsm_snapshot_remove(db, "old", 3), 0);
    assert_int_equal(lsm_snapshot_remove(db, "old", 3), -ENOENT);
    /* A handle that was opened by the name goes on without it. */
    write_generation(db, 300, 3);
    compact(db);
    expect_generation(db, handle, 300, 1);
    assert_true(tables_len(db) > 600 * VALUE_LEN);
    lsm_snapshot_close(db, handle);
    write_generation(db, 300, 4);
    compact(db);
    assert_true(tables_len(db) < 400 * VALUE_LEN);
    expect_generation(db, NULL, 300, 4);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

/* Nobody writes or compacts; the workers are to find it. */
static void wait_for_tables_len(struct lsm_db *db, uint64_t len)
{
    time_t until = time(NULL) + 60;

    while (tables_len(db) >= len && time(NULL) < until)
        sched_yield();
    assert_true(tables_len(db) < len);
}

static void the_space_of_a_removed_snapshot_comes_back_by_itself(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    write_generation(db, 300, 1);
    create(db, "old");
    write_generation(db, 300, 2);
    create(db, "younger");
    write_generation(db, 300, 3);
    compact(db);
    assert_true(tables_len(db) > 900 * VALUE_LEN);
    assert_int_equal(lsm_snapshot_remove(db, "old", 3), 0);
    wait_for_tables_len(db, 700 * VALUE_LEN);
    expect_named(db, "younger", 300, 2);
    assert_true(tables_len(db) > 600 * VALUE_LEN);
    /* Removed just before the store is closed: the next opening finds it. */
    assert_int_equal(lsm_snapshot_remove(db, "younger", 7), 0);
    db = reopen(db, dir);
    wait_for_tables_len(db, 400 * VALUE_LEN);
    expect_generation(db, NULL, 300, 3);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void what_was_deleted_after_a_snapshot_goes_with_it(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);
    struct lsm_batch *b;

    (void)state;
    write_generation(db, 300, 1);
    create(db, "old");
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, "k", 1, "l", 1), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    compact(db);
    expect_named(db, "old", 300, 1);
    assert_true(tables_len(db) > 300 * VALUE_LEN);
    assert_int_equal(lsm_snapshot_remove(db, "old", 3), 0);
    wait_for_tables_len(db, 10 * VALUE_LEN);
    expect_generation(db, NULL, 0, 0);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

struct listed {
    char names[8][300];
    uint64_t seqnos[8], times[8];
    unsigned count;
};

static int note_listed(void *arg, const struct lsm_snapshot_info *info)
{
    struct listed *l = arg;

    assert_true(l->count < 8 && info->name_len < sizeof(l->names[0]));
    memcpy(l->names[l->count], info->name, info->name_len);
    l->names[l->count][info->name_len] = 0;
    l->seqnos[l->count] = info->seqno;
    l->times[l->count++] = info->time_ns;
    return l->count == 4 ? 77 : 0;
}

static void snapshots_are_listed_oldest_first(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new(), longest[LSM_SNAPSHOT_NAME_LEN_MAX + 1];
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(lsm_snapshot_create(db, "empty store", 11), 0);
    write_generation(db, 1, 1);
    assert_int_equal(lsm_snapshot_create(db, longest, LSM_SNAPSHOT_NAME_LEN_MAX), 0);
    assert_int_equal(lsm_snapshot_create(db, "a\n\0b", 4), 0);
    for (unsigned round = 0; round < 2; round++) {
        struct listed l = {0};
        struct lsm_stats stats;

        assert_int_equal(lsm_snapshot_list(db, note_listed, &l), 0);
        assert_int_equal(l.count, 3);
        assert_string_equal(l.names[0], "empty store");
        assert_true(l.seqnos[0] == 0 && l.seqnos[1] == 1 && l.seqnos[2] == 1);
        assert_true(strlen(l.names[1]) == LSM_SNAPSHOT_NAME_LEN_MAX);
        assert_memory_equal(l.names[2], "a\n\0b", 4);
        assert_true(l.times[0] <= l.times[1] && l.times[1] <= l.times[2]);
        assert_int_equal(lsm_stats(db, &stats), 0);
        assert_int_equal(stats.snapshot_count, 3);
        db = reopen(db, dir);
    }
    create(db, "fourth");
    create(db, "fifth");
    {
        struct listed l = {0};

        assert_int_equal(lsm_snapshot_list(db, note_listed, &l), 77);
        assert_string_equal(l.names[3], "fourth");
    }
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static void names_that_cannot_be_are_refused(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new(), longer[LSM_SNAPSHOT_NAME_LEN_MAX + 1] = {0};
    struct lsm_db *db = open_or_fail(dir, &o);
    struct lsm_snapshot *s = NULL;

    (void)state;
    assert_int_equal(lsm_snapshot_create(db, "", 0), -EINVAL);
    assert_int_equal(lsm_snapshot_create(db, longer, sizeof(longer)), -EINVAL);
    assert_non_null(strstr(lsm_detail(), "255"));
    create(db, "one");
    assert_int_equal(lsm_snapshot_create(db, "one", 3), -EEXIST);
    assert_int_equal(lsm_snapshot_find(db, "on", 2, &s), -ENOENT);
    assert_int_equal(lsm_snapshot_remove(db, "ones", 4), -ENOENT);
    assert_null(s);
    assert_int_equal(lsm_close(db), 0);
    o.create = false;
    o.read_only = true;
    db = open_or_fail(dir, &o);
    assert_int_equal(lsm_errno(lsm_snapshot_create(db, "two", 3)), EROFS);
    assert_int_equal(lsm_errno(lsm_snapshot_remove(db, "one", 3)), EROFS);
    assert_int_equal(lsm_snapshot_find(db, "one", 3, &s), 0);
    lsm_snapshot_close(db, s);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

/* ro_compat, bit 0, of both copies: an older program may read the store and not write to it. */
static uint64_t ro_compat_of(const char *dir)
{
    uint8_t bytes[8192];
    FILE *f = fopen(scratch_path(dir, "SUPERBLOCK"), "rb");

    assert_non_null(f);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), f), sizeof(bytes));
    fclose(f);
    assert_true(get_le64(bytes + 24) == get_le64(bytes + 4096 + 24));
    return get_le64(bytes + 24);
}

static void the_first_snapshot_keeps_older_programs_from_writing(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    write_generation(db, 10, 1);
    assert_int_equal(ro_compat_of(dir), 0);
    create(db, "one");
    assert_int_equal(ro_compat_of(dir), 1);
    assert_int_equal(lsm_snapshot_remove(db, "one", 3), 0);
    db = reopen(db, dir);
    assert_int_equal(ro_compat_of(dir), 1);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

static int find_text(void *arg, const char *line)
{
    const char **wanted = arg;

    if (*wanted && strstr(line, *wanted))
        *wanted = NULL;
    return 0;
}

static void the_dump_of_a_manifest_names_them(void **state)
{
    struct lsm_options o = small_options();
    const char *wanted = "add snapshot seqno 10 time ";
    char *dir = scratch_new();
    struct lsm_db *db = open_or_fail(dir, &o);

    (void)state;
    write_generation(db, 10, 1);
    create(db, "one");
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(lsm_dump_file(dir, "MANIFEST-00000003", false, find_text, &wanted), 0);
    assert_null(wanted);
    scratch_free(dir);
}

/* --- Threads --- */

struct shared {
    struct lsm_db *db;
    atomic_bool stop;
};

struct taker {
    struct shared *shared;
    pthread_t id;
    unsigned number;
    uint64_t digests[SNAPSHOTS_PER_THREAD]; /* of what each showed when it was new */
};

static uint64_t digest_of(struct lsm_db *db, const char *name)
{
    uint64_t digest = 0;
    struct lsm_snapshot *s;
    struct lsm_iter *it;
    int at;

    CHECK(lsm_snapshot_find(db, name, strlen(name), &s) == 0);
    CHECK(lsm_iter_new(db, s, NULL, 0, NULL, 0, &it) == 0);
    for (at = lsm_iter_first(it); at > 0; at = lsm_iter_next(it)) {
        size_t key_len, value_len;
        const void *key = lsm_iter_key(it, &key_len), *value = lsm_iter_value(it, &value_len);

        digest = XXH3_64bits_withSeed(key, key_len, digest);
        digest = XXH3_64bits_withSeed(value, value_len, digest);
    }
    CHECK(at == 0);
    lsm_iter_free(it);
    lsm_snapshot_close(db, s);
    return digest;
}

static void *write_main(void *arg)
{
    struct taker *t = arg;
    struct rng rng = {t->number + 1};
    uint8_t value[500] = {0};

    while (!atomic_load(&t->shared->stop)) {
        char key[16];
        size_t len = (size_t)sprintf(key, "k%03u", (unsigned)rng_below(&rng, 300));

        put_le64(value, rng_next(&rng));
        if (rng_below(&rng, 8))
            CHECK(lsm_put(t->shared->db, key, len, value, sizeof(value), 0) == 0);
        else
            CHECK(lsm_delete(t->shared->db, key, len, 0) == 0);
    }
    return NULL;
}

static void name_of(char buf[32], const struct taker *t, unsigned i)
{
    sprintf(buf, "taker %u, %u", t->number, i);
}

static void *take_main(void *arg)
{
    struct taker *t = arg;

    for (unsigned i = 0; i < SNAPSHOTS_PER_THREAD; i++) {
        char name[32];

        name_of(name, t, i);
        CHECK(lsm_snapshot_create(t->shared->db, name, strlen(name)) == 0);
        t->digests[i] = digest_of(t->shared->db, name);
        if (i % 3 == 2)
            CHECK(lsm_snapshot_remove(t->shared->db, name, strlen(name)) == 0);
        if (i % 4 == 3)
            CHECK(lsm_flush(t->shared->db) == 0);
    }
    return NULL;
}

static void snapshots_of_a_store_that_is_written_to_stay_as_they_were(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct shared shared = {.db = open_or_fail(dir, &o)};
    struct taker writers[WRITER_COUNT], takers[2];

    (void)state;
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        writers[i] = (struct taker){.shared = &shared, .number = i};
        CHECK(pthread_create(&writers[i].id, NULL, write_main, &writers[i]) == 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        takers[i] = (struct taker){.shared = &shared, .number = i};
        CHECK(pthread_create(&takers[i].id, NULL, take_main, &takers[i]) == 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(takers[i].id, NULL);
    atomic_store(&shared.stop, true);
    for (unsigned i = 0; i < WRITER_COUNT; i++)
        pthread_join(writers[i].id, NULL);
    for (unsigned round = 0; round < 2; round++) {
        compact(shared.db);
        for (unsigned i = 0; i < 2 * SNAPSHOTS_PER_THREAD; i++) {
            const struct taker *t = &takers[i % 2];
            char name[32];

            name_of(name, t, i / 2);
            if (i / 2 % 3 == 2)
                assert_int_equal(lsm_snapshot_remove(shared.db, name, strlen(name)), -ENOENT);
            else
                assert_true(digest_of(shared.db, name) == t->digests[i / 2]);
        }
        shared.db = reopen(shared.db, dir);
    }
    assert_int_equal(lsm_verify(shared.db, NULL, NULL, NULL), 0);
    assert_int_equal(lsm_close(shared.db), 0);
    scratch_free(dir);
}

static void *create_same(void *arg)
{
    struct shared *shared = arg;

    return lsm_snapshot_create(shared->db, "same", 4) == 0 ? arg : NULL;
}

static void of_two_that_create_one_name_at_once_one_wins(void **state)
{
    struct lsm_options o = small_options();
    char *dir = scratch_new();
    struct shared shared = {.db = open_or_fail(dir, &o)};

    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        pthread_t ids[4];
        unsigned won = 0;

        for (unsigned i = 0; i < 4; i++)
            CHECK(pthread_create(&ids[i], NULL, create_same, &shared) == 0);
        for (unsigned i = 0; i < 4; i++) {
            void *answer;

            pthread_join(ids[i], &answer);
            won += answer != NULL;
        }
        assert_int_equal(won, 1);
        assert_int_equal(lsm_snapshot_remove(shared.db, "same", 4), 0);
    }
    assert_int_equal(lsm_close(shared.db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_shows_the_same_after_reopening_and_compaction),
        cmocka_unit_test(what_a_removed_snapshot_held_is_compacted_away),
        cmocka_unit_test(the_space_of_a_removed_snapshot_comes_back_by_itself),
        cmocka_unit_test(what_was_deleted_after_a_snapshot_goes_with_it),
        cmocka_unit_test(snapshots_are_listed_oldest_first),
        cmocka_unit_test(names_that_cannot_be_are_refused),
        cmocka_unit_test(the_first_snapshot_keeps_older_programs_from_writing),
        cmocka_unit_test(the_dump_of_a_manifest_names_them),
        cmocka_unit_test(snapshots_of_a_store_that_is_written_to_stay_as_they_were),
        cmocka_unit_test(of_two_that_create_one_name_at_once_one_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
