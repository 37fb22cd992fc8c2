/*
 * What must not grow: descriptors of blob files, what collection writes in a second, what failed
 * compactions leave on a full disk, and hope after a sync that failed.
 */
#include "blob_fixture.h"

#include <sys/resource.h>
#include <time.h>

enum {
    KEY_COUNT = 200 /* 4 MB of values */
};

static void put_all(struct store *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(put(s, i, 0, LARGE_LEN, 0), 0);
}

static int delete_with(struct store *s, unsigned key, unsigned flags)
{
    char name[16];

    sprintf(name, "k%06u", key);
    return lsm_delete(s->db, name, strlen(name), flags);
}

/* Every fourth value stays. */
static void delete_most(struct store *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(i % 4 == 0 || delete_with(s, i, 0) == 0);
}

static void check_rest(struct store *s)
{
    for (unsigned i = 0; i < KEY_COUNT; i += 4)
        check(s, i, 0, LARGE_LEN);
}

static void unsynced_files_do_not_use_up_the_descriptors(void **state)
{
    struct rlimit usual, few;
    struct store s;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    few = usual;
    few.rlim_cur = 160;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    store_init(&s, false);
    close_store(&s);
    s.options.blob_file_len = 64 << 10; /* four values */
    s.options.cache_bytes = 256 << 20;
    s.options.memtable_len = 32 << 20;
    open_store(&s);
    put_all(&s, 800);
    for (unsigned i = 0; i < 800; i++)
        check(&s, i, 0, LARGE_LEN);
    store_done(&s);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
}

static void moving_large_values_is_limited_like_other_writing(void **state)
{
    struct timespec from, to;
    struct store s;

    (void)state;
    store_init(&s, false);
    put_all(&s, KEY_COUNT);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    close_store(&s);
    s.options.rate_limit_len = 500000;
    open_store(&s);
    delete_most(&s, KEY_COUNT);
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    clock_gettime(CLOCK_MONOTONIC, &to);
    /* A million bytes, but for a burst and what is written before the limit is looked at. */
    assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 > 1000);
    check_rest(&s);
    store_done(&s);
}

/* A sync that failed for want of space has failed for good, like any other. */
static void a_failed_sync_of_large_values_is_never_tried_again(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, true);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    /* The first sync is that of the table. */
    env_fault_fail(s.fault, ENV_FAULT_SYNC, 2, ENOSPC, false);
    assert_int_equal(lsm_flush(s.db), -ERR_STICKY);
    assert_true(env_fault_happened(s.fault));
    assert_int_equal(put(&s, 2, 0, 10, 0), -ERR_STICKY);
    assert_int_equal(lsm_close(s.db), -ERR_STICKY);
    env_fault_fail(s.fault, 0, 0, 0, false);
    open_store(&s);
    check(&s, 1, 0, LARGE_LEN);
    store_done(&s);
}

static void a_file_that_nobody_refers_to_needs_no_sync_to_go(void **state)
{
    uint8_t value[LARGE_LEN];
    struct blob_record r;
    struct buf scratch = {0};
    struct blob_meta *file;
    struct blob_ref ref;
    struct store s;
    long long at;

    (void)state;
    store_init(&s, false);
    make_value(1, 0, value, LARGE_LEN);
    assert_int_equal(blob_compress(slice_of((const uint8_t *)"k", 1), slice_of(value, LARGE_LEN),
                                   false, NULL, &scratch, &r, &at),
                     0);
    assert_int_equal(blobs_append(s.db, BLOB_COLD, &r, 1, &ref, &file), 0);
    assert_int_equal(files(&s, ".blob").count, 1);
    blob_meta_unref(file, false);
    assert_true(blobs_retire(s.db, 0));
    assert_int_equal(files(&s, ".blob").count, 0);
    buf_free(&scratch);
    store_done(&s);
}

static void compactions_that_find_the_disk_full_give_back_what_they_wrote(void **state)
{
    struct store s;
    uint64_t used;

    (void)state;
    store_init(&s, true);
    put_all(&s, KEY_COUNT);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    close_store(&s);
    s.options.blob_garbage_percent = 99;
    s.options.blob_file_len = 8 << 20;
    open_store(&s);
    delete_most(&s, KEY_COUNT);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    close_store(&s);
    s.options.blob_garbage_percent = 50;
    /* Before the workers begin; the log's reserve does not count. */
    used = env_fault_used(s.fault) + (1 << 20);
    env_fault_fail(s.fault, ENV_FAULT_APPEND, 30, ENOSPC, true);
    open_store(&s);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), -ENOSPC);
    assert_true(env_fault_wait_used_below(s.fault, used + (100 << 10)));
    env_fault_fail(s.fault, 0, 0, 0, false);
    check_rest(&s);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    check_rest(&s);
    store_done(&s);
}

/* All that is to be moved at once, from one table's files, does not fit. */
static void a_nearly_full_disk_is_emptied_as_far_as_there_is_room(void **state)
{
    enum {
        COUNT = 600,
        GONE_COUNT = 156 /* of three files */
    };
    struct store s;
    uint64_t used;

    (void)state;
    store_init(&s, true);
    put_all(&s, COUNT);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    close_store(&s);
    s.options.blob_garbage_percent = 99;
    s.options.l0_compact_count = 1;
    open_store(&s);
    delete_most(&s, COUNT);
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    close_store(&s);
    s.options.blob_garbage_percent = 50;
    s.options.worker_count = 1;
    /* Before the worker begins. */
    used = env_fault_used(s.fault);
    env_fault_limit(s.fault, used + (3 << 20));
    open_store(&s);
    for (unsigned i = 0; i < GONE_COUNT; i += 4)
        assert_int_equal(delete_with(&s, i, LSM_WRITE_URGENT), 0);
    assert_true(env_fault_wait_used_below(s.fault, used - (2 << 20)));
    env_fault_limit(s.fault, 0);
    for (unsigned i = GONE_COUNT; i < COUNT; i += 4)
        check(&s, i, 0, LARGE_LEN);
    store_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moving_large_values_is_limited_like_other_writing),
        cmocka_unit_test(a_failed_sync_of_large_values_is_never_tried_again),
        cmocka_unit_test(a_file_that_nobody_refers_to_needs_no_sync_to_go),
        cmocka_unit_test(compactions_that_find_the_disk_full_give_back_what_they_wrote),
        cmocka_unit_test(a_nearly_full_disk_is_emptied_as_far_as_there_is_room),
        cmocka_unit_test(unsynced_files_do_not_use_up_the_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
