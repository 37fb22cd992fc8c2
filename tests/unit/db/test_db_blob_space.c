/*
 * The space of large values that nobody needs any more comes back, and that of those that somebody
 * needs does not go.
 */
#include "blob_fixture.h"

#include <time.h>

enum {
    KEY_COUNT = 200 /* 4 MB of values */
};

static uint64_t live_len(void)
{
    return (uint64_t)KEY_COUNT * LARGE_LEN;
}

static struct lsm_stats stats_of(struct store *s)
{
    struct lsm_stats stats;

    assert_int_equal(lsm_stats(s->db, &stats), 0);
    return stats;
}

static void compact(struct store *s)
{
    assert_int_equal(lsm_compact_range(s->db, NULL, 0, NULL, 0), 0);
}

static void delete_key(struct store *s, unsigned key)
{
    char name[16];

    sprintf(name, "k%06u", key);
    assert_int_equal(lsm_delete(s->db, name, strlen(name), 0), 0);
}

static void overwriting_again_and_again_takes_bounded_space(void **state)
{
    struct store s;
    uint64_t most = 0;

    (void)state;
    store_init(&s, false);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < KEY_COUNT; i++)
            assert_int_equal(put(&s, i, round, LARGE_LEN, 0), 0);
        if (files(&s, ".blob").len > most)
            most = files(&s, ".blob").len;
    }
    /* 40 MB have been written. */
    assert_true(stats_of(&s).blob_write_len > 10 * live_len());
    if (most > 6 * live_len())
        fail_msg("%llu bytes of blob files for %llu", (unsigned long long)most,
                 (unsigned long long)live_len());
    compact(&s);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        check(&s, i, 9, LARGE_LEN);
    /* A compaction in the background that is just over may still hold what it read. */
    close_store(&s);
    assert_true(files(&s, ".blob").len < 2 * live_len() + (2 << 20));
    open_store(&s);
    store_done(&s);
}

/* Every fourth value stays: no file goes by itself. */
static void files_that_are_mostly_garbage_are_emptied(void **state)
{
    struct store s;
    struct lsm_stats stats;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    compact(&s);
    stats = stats_of(&s);
    assert_true(stats.blob_len > live_len());
    assert_int_equal(stats.blob_collect_write_len, 0);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (i % 4)
            delete_key(&s, i);
    }
    compact(&s);
    stats = stats_of(&s);
    assert_true(stats.blob_collect_write_len > live_len() / 4);
    assert_true(stats.blob_collect_write_len < live_len() / 3);
    for (unsigned reopened = 0; reopened < 2; reopened++) {
        for (unsigned i = 0; i < KEY_COUNT; i += 4)
            check(&s, i, 0, LARGE_LEN);
        assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
        close_store(&s);
        assert_true(files(&s, ".blob").len < live_len() / 3);
        open_store(&s);
    }
    store_done(&s);
}

static void files_with_little_garbage_are_left_alone(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    for (unsigned i = 0; i < KEY_COUNT; i += 4)
        delete_key(&s, i);
    compact(&s);
    assert_int_equal(stats_of(&s).blob_collect_write_len, 0);
    assert_true(stats_of(&s).blob_garbage_len > live_len() / 5);
    store_done(&s);
}

static void what_a_snapshot_shows_stays(void **state)
{
    struct lsm_snapshot *snapshot;
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_snapshot_open(s.db, &snapshot), 0);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (i % 4)
            delete_key(&s, i);
        else
            assert_int_equal(put(&s, i, 1, LARGE_LEN, 0), 0);
    }
    compact(&s);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        check_at(&s, snapshot, i, 0, LARGE_LEN);
    assert_true(stats_of(&s).blob_len > live_len());
    lsm_snapshot_close(s.db, snapshot);
    compact(&s);
    for (unsigned i = 0; i < KEY_COUNT; i += 4)
        check(&s, i, 1, LARGE_LEN);
    assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
    store_done(&s);
}

static void an_iterator_keeps_the_files_that_it_reads(void **state)
{
    static uint8_t want[LARGE_LEN];
    struct store s;
    struct lsm_iter *it;
    unsigned seen = 0;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_iter_new(s.db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        delete_key(&s, i);
    compact(&s);
    for (int at = lsm_iter_first(it); at; at = lsm_iter_next(it), seen++) {
        size_t len;
        const void *value;

        assert_int_equal(at, 1);
        value = lsm_iter_value(it, &len);
        make_value(seen, 0, want, LARGE_LEN);
        assert_int_equal(len, LARGE_LEN);
        assert_memory_equal(value, want, len);
    }
    assert_int_equal(seen, KEY_COUNT);
    lsm_iter_free(it);
    close_store(&s);
    assert_int_equal(files(&s, ".blob").count, 0);
    open_store(&s);
    store_done(&s);
}

/* It replays the manifest, old versions too, whose tables the iterator holds. */
static void verifying_does_not_keep_files_that_an_iterator_held(void **state)
{
    struct store s;
    struct lsm_iter *it;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_flush(s.db), 0);
    assert_int_equal(lsm_iter_new(s.db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        delete_key(&s, i);
    compact(&s);
    assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
    lsm_iter_free(it);
    close_store(&s);
    assert_int_equal(files(&s, ".blob").count, 0);
    open_store(&s);
    store_done(&s);
}

static void patch(struct store *s, const char *key, uint64_t offset, const void *bytes, size_t len)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_patch(b, key, strlen(key), offset, bytes, len), 0);
    assert_int_equal(lsm_write(s->db, b, 0), 0);
    lsm_batch_free(b);
}

static void check_patched(struct store *s, const uint8_t *want)
{
    struct lsm_value v;

    assert_int_equal(lsm_get(s->db, NULL, "k000001", 7, &v), 0);
    assert_int_equal(v.len, LARGE_LEN);
    assert_memory_equal(v.data, want, LARGE_LEN);
    lsm_value_done(&v);
}

static void a_large_value_is_written_anew_only_after_many_patches(void **state)
{
    static uint8_t want[LARGE_LEN];
    struct store s;

    (void)state;
    store_init(&s, false);
    make_value(1, 0, want, LARGE_LEN);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    for (unsigned i = 0; i < 100; i++) {
        /* Most of them overlap. */
        patch(&s, "k000001", 1000 + i * 10, "0123456789abcdef", 16);
        memcpy(want + 1000 + i * 10, "0123456789abcdef", 16);
        if (i % 10 == 0)
            assert_int_equal(lsm_flush(s.db), 0);
    }
    compact(&s);
    check_patched(&s, want);
    assert_int_equal(stats_of(&s).blob_collect_write_len, 0);
    /* Now more than a quarter of it. */
    memset(want + 5000, 'x', 5500);
    patch(&s, "k000001", 5000, want + 5000, 5500);
    compact(&s);
    check_patched(&s, want);
    assert_true(stats_of(&s).blob_collect_write_len > LARGE_LEN / 2);
    assert_true(stats_of(&s).blob_collect_write_len < 3 * LARGE_LEN);
    compact(&s);
    check_patched(&s, want);
    close_store(&s);
    open_store(&s);
    check_patched(&s, want);
    store_done(&s);
}

static void scattered_patches_are_folded_too(void **state)
{
    static uint8_t want[LARGE_LEN];
    struct store s;

    (void)state;
    store_init(&s, false);
    make_value(1, 0, want, LARGE_LEN);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    for (unsigned i = 0; i < 17; i++) {
        patch(&s, "k000001", i * 1000, "!", 1);
        want[i * 1000] = '!';
        if (i == 15) {
            compact(&s);
            assert_int_equal(stats_of(&s).blob_collect_write_len, 0);
        }
    }
    compact(&s);
    assert_true(stats_of(&s).blob_collect_write_len > LARGE_LEN);
    check_patched(&s, want);
    store_done(&s);
}

/* As it is when a store of an older program is compacted. */
static void large_values_in_tables_move_to_blob_files(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    close_store(&s);
    s.options.blob_len_min = 0;
    open_store(&s);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    compact(&s);
    assert_int_equal(files(&s, ".blob").count, 0);
    assert_int_equal(s.db->superblock.incompat, 0);
    close_store(&s);
    s.options.blob_len_min = LEN_MIN;
    open_store(&s);
    /* Something to merge with, all over the range. */
    for (unsigned i = 0; i < KEY_COUNT; i += 2)
        assert_int_equal(put(&s, i, 1, 10, 0), 0);
    compact(&s);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        check(&s, i, i % 2 == 0, i % 2 ? LARGE_LEN : 10);
    assert_true(files(&s, ".blob").count >= 1);
    assert_int_equal(s.db->superblock.incompat, FEATURE_BLOBS);
    store_done(&s);
}

static void verifying_keeps_no_file_from_going(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    compact(&s);
    assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        delete_key(&s, i);
    compact(&s);
    close_store(&s);
    assert_true(files(&s, ".blob").len < live_len() / 4);
    open_store(&s);
    store_done(&s);
}

/* Nobody asks for it: the last deletions are flushed and compacted when it has been quiet. */
static void what_is_deleted_gives_its_space_back_by_itself(void **state)
{
    time_t give_up = time(NULL) + 60;
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    compact(&s);
    assert_true(files(&s, ".blob").len >= live_len());
    for (unsigned i = 0; i < KEY_COUNT; i++)
        delete_key(&s, i);
    while (files(&s, ".blob").len > live_len() / 4 && time(NULL) < give_up)
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    assert_true(files(&s, ".blob").len <= live_len() / 4);
    store_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwriting_again_and_again_takes_bounded_space),
        cmocka_unit_test(files_that_are_mostly_garbage_are_emptied),
        cmocka_unit_test(files_with_little_garbage_are_left_alone),
        cmocka_unit_test(what_a_snapshot_shows_stays),
        cmocka_unit_test(an_iterator_keeps_the_files_that_it_reads),
        cmocka_unit_test(verifying_does_not_keep_files_that_an_iterator_held),
        cmocka_unit_test(a_large_value_is_written_anew_only_after_many_patches),
        cmocka_unit_test(scattered_patches_are_folded_too),
        cmocka_unit_test(large_values_in_tables_move_to_blob_files),
        cmocka_unit_test(verifying_keeps_no_file_from_going),
        cmocka_unit_test(what_is_deleted_gives_its_space_back_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
