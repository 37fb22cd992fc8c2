/*
 * Values copied from key to key: large ones are shared, and stay as long as one of the keys needs
 * them.
 */
#include "blob_fixture.h"

#include <pthread.h>

enum {
    KEY_COUNT = 200 /* 4 MB of values */
};

static void name_of(unsigned key, char name[16])
{
    sprintf(name, "k%06u", key);
}

static void add_copy(struct store *s, struct lsm_batch *b, unsigned from, unsigned to)
{
    char from_name[16], to_name[16];

    name_of(from, from_name);
    name_of(to, to_name);
    assert_int_equal(lsm_batch_copy(b, s->db, from_name, 7, to_name, 7, NULL), 1);
}

static void copy(struct store *s, unsigned from, unsigned to, unsigned flags)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    add_copy(s, b, from, to);
    assert_int_equal(lsm_write(s->db, b, flags), 0);
    lsm_batch_free(b);
}

/* `key` holds what was put for the key `made_for`. */
static void check_copy(struct store *s, unsigned key, unsigned made_for, unsigned round)
{
    uint8_t *want = malloc(LARGE_LEN);
    struct lsm_value v;
    char name[16];

    assert_non_null(want);
    make_value(made_for, round, want, LARGE_LEN);
    name_of(key, name);
    if (lsm_get(s->db, NULL, name, 7, &v))
        fail_msg("key %u: %s", key, lsm_detail());
    assert_int_equal(v.len, LARGE_LEN);
    assert_memory_equal(v.data, want, LARGE_LEN);
    lsm_value_done(&v);
    free(want);
}

static void delete_key(struct store *s, unsigned key)
{
    char name[16];

    name_of(key, name);
    assert_int_equal(lsm_delete(s->db, name, 7, 0), 0);
}

static void compact(struct store *s)
{
    assert_int_equal(lsm_compact_range(s->db, NULL, 0, NULL, 0), 0);
}

static void assert_whole(struct store *s)
{
    assert_int_equal(lsm_verify(s->db, NULL, NULL, NULL), 0);
}

static struct lsm_stats stats_of(struct store *s)
{
    struct lsm_stats stats;

    assert_int_equal(lsm_stats(s->db, &stats), 0);
    return stats;
}

static void a_large_value_is_shared(void **state)
{
    struct store s;
    uint64_t written;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    assert_int_equal(s.db->superblock.incompat, FEATURE_BLOBS);
    written = stats_of(&s).blob_write_len;
    copy(&s, 1, 2, 0);
    assert_int_equal(s.db->superblock.incompat, FEATURE_BLOBS | FEATURE_SHARED_BLOBS);
    assert_int_equal(stats_of(&s).blob_write_len, written);
    for (unsigned i = 0; i < 3; i++) {
        check(&s, 1, 0, LARGE_LEN);
        check_copy(&s, 2, 1, 0);
        assert_whole(&s);
        if (i == 0)
            assert_int_equal(lsm_flush(s.db), 0);
        if (i == 1) {
            close_store(&s);
            open_store(&s);
        }
    }
    /* Either may change. */
    assert_int_equal(put(&s, 1, 1, LARGE_LEN, 0), 0);
    check(&s, 1, 1, LARGE_LEN);
    check_copy(&s, 2, 1, 0);
    copy(&s, 2, 3, 0);
    delete_key(&s, 2);
    compact(&s);
    check_copy(&s, 3, 1, 0);
    assert_whole(&s);
    store_done(&s);
}

static void small_and_patched_values_are_copied_and_missing_ones_are_not_there(void **state)
{
    static uint8_t want[LARGE_LEN];
    struct store s;
    struct lsm_batch *b;
    uint64_t len;
    struct lsm_value v;

    (void)state;
    store_init(&s, false);
    assert_int_equal(lsm_put(s.db, "small", 5, "abc", 3, 0), 0);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_patch(b, "k000001", 7, 100, "patched", 7), 0);
    assert_int_equal(lsm_write(s.db, b, 0), 0);
    lsm_batch_clear(b);
    assert_int_equal(lsm_batch_copy(b, s.db, "none", 4, "x", 1, NULL), 0);
    assert_int_equal(lsm_batch_count(b), 0);
    assert_int_equal(lsm_batch_copy(b, s.db, "small", 5, "x", 1, &len), 1);
    assert_int_equal(len, 3);
    assert_int_equal(lsm_batch_copy(b, s.db, "k000001", 7, "y", 1, &len), 1);
    assert_int_equal(len, LARGE_LEN);
    assert_int_equal(lsm_batch_copy(b, s.db, "small", 5, "", 0, NULL), -EINVAL);
    assert_int_equal(lsm_batch_count(b), 2);
    /* What the batch holds does not count. */
    assert_int_equal(lsm_batch_delete(b, "small", 5), 0);
    assert_int_equal(lsm_batch_copy(b, s.db, "small", 5, "z", 1, NULL), 1);
    assert_int_equal(lsm_write(s.db, b, 0), 0);
    lsm_batch_free(b);
    assert_int_equal(lsm_get(s.db, NULL, "z", 1, &v), 0);
    assert_int_equal(v.len, 3);
    assert_memory_equal(v.data, "abc", 3);
    lsm_value_done(&v);
    assert_int_equal(lsm_get(s.db, NULL, "small", 5, &v), -ENOENT);
    make_value(1, 0, want, sizeof(want));
    memcpy(want + 100, "patched", 7);
    assert_int_equal(lsm_get(s.db, NULL, "y", 1, &v), 0);
    assert_int_equal(v.len, sizeof(want));
    assert_memory_equal(v.data, want, sizeof(want));
    lsm_value_done(&v);
    assert_whole(&s);
    store_done(&s);
}

/* The files of all values go, but for the fifth part of them that has a copy. */
static void what_a_copy_needs_stays_and_the_rest_goes(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    for (unsigned i = 0; i < KEY_COUNT; i += 5)
        copy(&s, i, 1000 + i, 0);
    compact(&s);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        delete_key(&s, i);
    compact(&s);
    assert_true(stats_of(&s).blob_collect_write_len > KEY_COUNT / 5 * LARGE_LEN);
    for (unsigned reopened = 0; reopened < 2; reopened++) {
        for (unsigned i = 0; i < KEY_COUNT; i += 5)
            check_copy(&s, 1000 + i, i, 0);
        assert_whole(&s);
        close_store(&s);
        assert_true(files(&s, ".blob").len < KEY_COUNT / 4 * LARGE_LEN);
        open_store(&s);
    }
    store_done(&s);
}

/* Both keys of a record live when its file is emptied; then one is overwritten. */
static void a_shared_record_is_moved_for_each_of_its_keys(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    for (unsigned i = 0; i < KEY_COUNT; i += 5)
        copy(&s, i, 1000 + i, 0);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (i % 5)
            delete_key(&s, i);
    }
    compact(&s);
    assert_true(stats_of(&s).blob_collect_write_len > KEY_COUNT / 5 * 2 * LARGE_LEN);
    for (unsigned i = 0; i < KEY_COUNT; i += 5) {
        check(&s, i, 0, LARGE_LEN);
        check_copy(&s, 1000 + i, i, 0);
    }
    for (unsigned i = 0; i < KEY_COUNT; i += 5)
        assert_int_equal(put(&s, i, 1, LARGE_LEN, 0), 0);
    compact(&s);
    assert_whole(&s);
    for (unsigned i = 0; i < KEY_COUNT; i += 5) {
        check(&s, i, 1, LARGE_LEN);
        check_copy(&s, 1000 + i, i, 0);
    }
    store_done(&s);
}

/* Between the copy and its writing the original goes, and would have taken its file along. */
static void a_batch_keeps_what_it_refers_to(void **state)
{
    struct lsm_batch *b, *never;
    struct store s;

    (void)state;
    store_init(&s, false);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_new(&never), 0);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_flush(s.db), 0);
    add_copy(&s, b, 1, 2);
    add_copy(&s, never, 1, 3);
    delete_key(&s, 1);
    compact(&s);
    assert_int_equal(files(&s, ".blob").count, 1);
    assert_int_equal(lsm_write(s.db, b, 0), 0);
    lsm_batch_clear(b);
    check_copy(&s, 2, 1, 0);
    delete_key(&s, 2);
    compact(&s);
    assert_int_equal(files(&s, ".blob").count, 1); /* the other batch's */
    lsm_batch_free(b);
    lsm_batch_free(never);
    close_store(&s);
    assert_int_equal(files(&s, ".blob").count, 0);
    open_store(&s);
    store_done(&s);
}

static void a_batch_with_copies_is_one_stores(void **state)
{
    struct store s, other;
    struct lsm_batch *b;

    (void)state;
    store_init(&s, false);
    store_init(&other, false);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    assert_int_equal(put(&other, 1, 0, LARGE_LEN, 0), 0);
    add_copy(&s, b, 1, 2);
    assert_int_equal(lsm_errno(lsm_write(other.db, b, 0)), EINVAL);
    assert_int_equal(lsm_errno(lsm_batch_copy(b, other.db, "k000001", 7, "x", 1, NULL)), EINVAL);
    lsm_batch_clear(b);
    add_copy(&other, b, 1, 2);
    assert_int_equal(lsm_write(other.db, b, 0), 0);
    check_copy(&other, 2, 1, 0);
    lsm_batch_free(b);
    store_done(&s);
    store_done(&other);
}

static void flip_byte(struct store *s, uint64_t number, uint64_t offset)
{
    char name[32];
    uint8_t byte;
    int fd;

    sprintf(name, "%08llu.blob", (unsigned long long)number);
    fd = open(scratch_path(s->dir, name), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static int note_number(void *arg, const char *name)
{
    uint64_t number = store_file_number(name, "", ".blob");

    if (number)
        *(uint64_t *)arg = number;
    return 0;
}

/* At recovery a reference to it would end the log, and take along what was written after it. */
static void a_record_that_cannot_be_read_is_not_shared(void **state)
{
    struct store s;
    struct lsm_batch *b;
    uint64_t number = 0;

    (void)state;
    store_init(&s, true);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_flush(s.db), 0);
    assert_int_equal(env_list(env_fault_env(s.fault), note_number, &number), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    flip_byte(&s, number, LARGE_LEN / 2);
    assert_true(err_is_damage(lsm_batch_copy(b, s.db, "k000001", 7, "k000002", 7, NULL)));
    flip_byte(&s, number, LARGE_LEN / 2);
    env_fault_fail(s.fault, ENV_FAULT_READ, 1, EIO, false);
    assert_int_equal(lsm_batch_copy(b, s.db, "k000001", 7, "k000002", 7, NULL), -EIO);
    assert_int_equal(lsm_batch_count(b), 0);
    add_copy(&s, b, 1, 2);
    assert_int_equal(lsm_write(s.db, b, 0), 0);
    lsm_batch_free(b);
    check_copy(&s, 2, 1, 0);
    store_done(&s);
}

/* Without the feature bit a record under another key would be damage. */
static void verification_wants_the_feature_bit(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    copy(&s, 1, 2, 0);
    assert_int_equal(lsm_flush(s.db), 0);
    s.db->superblock.incompat = FEATURE_BLOBS;
    assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 1);
    s.db->superblock.incompat |= FEATURE_SHARED_BLOBS;
    assert_whole(&s);
    store_done(&s);
}

static void repair_finds_nothing_in_a_store_that_shares(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    copy(&s, 1, 2, 0);
    assert_int_equal(lsm_flush(s.db), 0);
    copy(&s, 2, 3, 0);                     /* in the log */
    atomic_store(&s.db->sticky_err, -EIO); /* so that closing flushes nothing */
    assert_int_not_equal(lsm_close(s.db), 0);
    s.db = NULL;
    for (int dry = 1; dry >= 0; dry--)
        assert_int_equal(lsm_repair(s.dir, &s.options, dry, NULL, NULL), 0);
    open_store(&s);
    check_copy(&s, 2, 1, 0);
    check_copy(&s, 3, 1, 0);
    assert_whole(&s);
    store_done(&s);
}

static void a_checkpoint_has_what_is_shared(void **state)
{
    struct store s, other;
    char *dir = scratch_new();
    char path[300];

    (void)state;
    store_init(&s, false);
    snprintf(path, sizeof(path), "%s/copy", dir);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    copy(&s, 1, 2, 0);
    delete_key(&s, 1);
    assert_int_equal(lsm_checkpoint(s.db, path), 0);
    other = (struct store){.dir = path, .options = s.options};
    store_done(&s);
    open_store(&other);
    assert_true(other.db->superblock.incompat & FEATURE_SHARED_BLOBS);
    check_copy(&other, 2, 1, 0);
    assert_whole(&other);
    close_store(&other);
    scratch_free(dir);
}

static void a_synced_copy_survives_a_power_cut_with_what_it_shares(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 10; seed++) {
        struct store s;

        store_init(&s, true);
        /* The original has not been synced, or only in a table. */
        assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
        if (seed % 2)
            assert_int_equal(lsm_flush(s.db), 0);
        copy(&s, 1, 2, LSM_WRITE_SYNC);
        copy(&s, 2, 3, 0);
        env_fault_cut_power(s.fault);
        lsm_close(s.db);
        assert_int_equal(env_fault_crash(s.fault, seed ? 15 : 0, seed), 0);
        open_store(&s);
        check(&s, 1, 0, LARGE_LEN);
        check_copy(&s, 2, 1, 0);
        delete_key(&s, 1);
        compact(&s);
        check_copy(&s, 2, 1, 0);
        assert_whole(&s);
        store_done(&s);
    }
}

/* The write fails, but the log may have it: closing must not take the file away. */
static void a_failed_write_of_a_copy_leaves_its_file(void **state)
{
    struct lsm_batch *b;
    struct store s;

    (void)state;
    store_init(&s, true);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, LSM_WRITE_SYNC), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    add_copy(&s, b, 1, 2);
    env_fault_fail(s.fault, ENV_FAULT_APPEND, 1, EIO, false);
    assert_int_not_equal(lsm_write(s.db, b, 0), 0);
    lsm_batch_free(b);
    assert_int_not_equal(lsm_close(s.db), 0);
    s.db = NULL;
    env_fault_fail(s.fault, 0, 0, 0, false);
    open_store(&s);
    check(&s, 1, 0, LARGE_LEN);
    assert_whole(&s);
    store_done(&s);
}

/* --- Threads --- */

enum {
    SHARED_KEYS = 20,
    THREAD_ROUNDS = 60
};

/* Values that tell their round, so that any whole one can be told from a torn one. */
static void put_round(struct store *s, unsigned key, unsigned round)
{
    uint8_t value[LARGE_LEN];
    char name[16];

    make_value(key, round, value, sizeof(value));
    memcpy(value, &round, sizeof(round));
    name_of(key, name);
    assert_int_equal(lsm_put(s->db, name, 7, value, sizeof(value), 0), 0);
}

static bool is_some_round(struct store *s, unsigned key, unsigned made_for)
{
    uint8_t want[LARGE_LEN];
    struct lsm_value v;
    unsigned round;
    char name[16];
    bool is;

    name_of(key, name);
    if (lsm_get(s->db, NULL, name, 7, &v) || v.len != LARGE_LEN)
        return false;
    memcpy(&round, v.data, sizeof(round));
    make_value(made_for, round, want, sizeof(want));
    memcpy(want, &round, sizeof(round));
    is = memcmp(v.data, want, sizeof(want)) == 0;
    lsm_value_done(&v);
    return is;
}

static void *overwrite(void *arg)
{
    for (unsigned round = 1; round <= THREAD_ROUNDS; round++) {
        for (unsigned key = 0; key < SHARED_KEYS; key++)
            put_round(arg, key, round);
    }
    return NULL;
}

static void *compact_often(void *arg)
{
    for (unsigned i = 0; i < 10; i++)
        compact(arg);
    return NULL;
}

static void copies_beside_overwriting_and_collection_are_whole(void **state)
{
    pthread_t threads[2];
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned key = 0; key < SHARED_KEYS; key++)
        put_round(&s, key, 0);
    assert_int_equal(pthread_create(&threads[0], NULL, overwrite, &s), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, compact_often, &s), 0);
    for (unsigned round = 0; round < THREAD_ROUNDS; round++) {
        for (unsigned key = 0; key < SHARED_KEYS; key++) {
            copy(&s, key, 1000 + key, 0);
            copy(&s, 1000 + key, 2000 + key, 0);
            assert_true(is_some_round(&s, 2000 + key, key));
        }
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    compact(&s);
    for (unsigned key = 0; key < SHARED_KEYS; key++) {
        assert_true(is_some_round(&s, 1000 + key, key));
        assert_true(is_some_round(&s, 2000 + key, key));
    }
    assert_whole(&s);
    store_done(&s);
}

static void nothing_is_copied_in_a_store_that_is_only_read(void **state)
{
    struct lsm_batch *b;
    struct store s;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    close_store(&s);
    s.options.read_only = true;
    s.options.create = false;
    open_store(&s);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_errno(lsm_batch_copy(b, s.db, "k000001", 7, "x", 1, NULL)), EROFS);
    lsm_batch_free(b);
    store_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_value_is_shared),
        cmocka_unit_test(small_and_patched_values_are_copied_and_missing_ones_are_not_there),
        cmocka_unit_test(what_a_copy_needs_stays_and_the_rest_goes),
        cmocka_unit_test(a_shared_record_is_moved_for_each_of_its_keys),
        cmocka_unit_test(a_batch_keeps_what_it_refers_to),
        cmocka_unit_test(a_batch_with_copies_is_one_stores),
        cmocka_unit_test(a_record_that_cannot_be_read_is_not_shared),
        cmocka_unit_test(verification_wants_the_feature_bit),
        cmocka_unit_test(repair_finds_nothing_in_a_store_that_shares),
        cmocka_unit_test(a_checkpoint_has_what_is_shared),
        cmocka_unit_test(a_synced_copy_survives_a_power_cut_with_what_it_shares),
        cmocka_unit_test(a_failed_write_of_a_copy_leaves_its_file),
        cmocka_unit_test(copies_beside_overwriting_and_collection_are_whole),
        cmocka_unit_test(nothing_is_copied_in_a_store_that_is_only_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
