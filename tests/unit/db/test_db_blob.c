/*
 * Large values in blob files: when they move there, what recovery makes of them, and when their
 * space comes back.
 */
#include "blob_fixture.h"

#include <pthread.h>

static void large_values_go_to_blob_files_and_small_ones_do_not(void **state)
{
    struct store s;
    struct lsm_stats stats;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 1, 0, LEN_MIN - 1, 0), 0);
    assert_int_equal(files(&s, ".blob").count, 0);
    assert_int_equal(s.db->superblock.incompat, 0);
    assert_int_equal(put(&s, 2, 0, LEN_MIN, 0), 0);
    assert_int_equal(files(&s, ".blob").count, 1);
    assert_int_equal(s.db->superblock.incompat, FEATURE_BLOBS);
    check(&s, 1, 0, LEN_MIN - 1);
    check(&s, 2, 0, LEN_MIN);
    assert_int_equal(lsm_flush(s.db), 0);
    check(&s, 2, 0, LEN_MIN);
    assert_int_equal(lsm_stats(s.db, &stats), 0);
    assert_int_equal(stats.blob_count, 1);
    assert_true(stats.blob_write_len > LEN_MIN && stats.blob_write_len < LEN_MIN + 64);
    assert_int_equal(stats.blob_len, stats.blob_write_len + BLOB_HEADER_LEN);
    assert_int_equal(stats.blob_garbage_len, 0);
    assert_true(stats.flush_write_len < 2 * LEN_MIN);
    close_store(&s);
    s.options.read_only = true;
    s.options.create = false;
    open_store(&s);
    check(&s, 2, 0, LEN_MIN);
    store_done(&s);
}

static void a_batch_keeps_its_order_and_stays_the_callers(void **state)
{
    static uint8_t large[LARGE_LEN];
    struct store s;
    struct lsm_batch *b;
    struct lsm_value v;
    struct buf copy = {0};

    (void)state;
    store_init(&s, false);
    assert_int_equal(lsm_batch_new(&b), 0);
    memset(large, 'x', sizeof(large));
    assert_int_equal(lsm_batch_put(b, "a", 1, large, sizeof(large)), 0);
    assert_int_equal(lsm_batch_patch(b, "a", 1, 1, "yy", 2), 0);
    assert_int_equal(lsm_batch_put(b, "b", 1, large, sizeof(large)), 0);
    assert_int_equal(lsm_batch_delete(b, "b", 1), 0);
    for (unsigned i = 0; i < 200; i++) {
        char key[8];

        sprintf(key, "c%03u", i);
        large[0] = (uint8_t)i;
        assert_int_equal(lsm_batch_put(b, key, 4, large, sizeof(large)), 0);
    }
    assert_int_equal(buf_assign(&copy, b->bytes.data, b->bytes.len), 0);
    assert_int_equal(lsm_write(s.db, b, 0), 0);
    assert_true(slice_eq(buf_slice(&copy), buf_slice(&b->bytes)));
    assert_int_equal(lsm_get(s.db, NULL, "a", 1, &v), 0);
    assert_int_equal(v.len, sizeof(large));
    assert_memory_equal(v.data, "xyyx", 4);
    lsm_value_done(&v);
    assert_int_equal(lsm_get(s.db, NULL, "b", 1, &v), -ENOENT);
    for (unsigned i = 0; i < 200; i++) {
        char key[8];

        sprintf(key, "c%03u", i);
        assert_int_equal(lsm_get(s.db, NULL, key, 4, &v), 0);
        assert_int_equal(v.data[0], i);
        lsm_value_done(&v);
    }
    buf_free(&copy);
    lsm_batch_free(b);
    store_done(&s);
}

static void iterators_see_large_values_both_ways(void **state)
{
    struct store s;
    struct lsm_iter *it;
    int at;

    (void)state;
    store_init(&s, false);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(put(&s, i, round, i % 3 ? LARGE_LEN : 10, 0), 0);
        assert_int_equal(lsm_flush(s.db), 0);
    }
    assert_int_equal(lsm_iter_new(s.db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (unsigned way = 0; way < 2; way++) {
        unsigned seen = 0;

        for (at = way ? lsm_iter_last(it) : lsm_iter_first(it); at > 0;
             at = way ? lsm_iter_prev(it) : lsm_iter_next(it), seen++) {
            unsigned key = way ? 19 - seen : seen;
            static uint8_t want[LARGE_LEN];
            const void *value;
            size_t len;

            value = lsm_iter_value(it, &len);
            assert_int_equal(len, key % 3 ? LARGE_LEN : 10);
            make_value(key, 1, want, len);
            assert_memory_equal(value, want, len);
        }
        assert_int_equal(at, 0);
        assert_int_equal(seen, 20);
    }
    lsm_iter_free(it);
    store_done(&s);
}

/* Flip a byte in the middle of the only blob file. */
static void damage(struct store *s, uint64_t offset)
{
    DIR *dir = opendir(s->dir);
    struct dirent *d;

    assert_non_null(dir);
    while ((d = readdir(dir))) {
        uint8_t byte;
        int fd;

        if (!strstr(d->d_name, ".blob"))
            continue;
        fd = openat(dirfd(dir), d->d_name, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
        close(fd);
    }
    closedir(dir);
}

static int count_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    (void)text;
    if (strstr(file, ".blob") && offset == 32)
        ++*(int *)arg;
    return 0;
}

static void damage_is_an_error_of_its_value_and_is_found(void **state)
{
    struct store s;
    struct lsm_value v;
    int found = 0;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), 0);
    assert_int_equal(put(&s, 2, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_flush(s.db), 0);
    assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
    damage(&s, 5000);
    assert_int_equal(lsm_get(s.db, NULL, "k000001", 7, &v), -ERR_BLOB_CHECKSUM);
    check(&s, 2, 0, LARGE_LEN);
    assert_int_equal(lsm_verify(s.db, count_damage, NULL, &found), 1);
    assert_int_equal(found, 1);
    /* Compacting and collecting go on around it. */
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    assert_int_equal(put(&s, 3, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_get(s.db, NULL, "k000001", 7, &v), -ERR_BLOB_CHECKSUM);
    check(&s, 2, 0, LARGE_LEN);
    store_done(&s);
}

/* After a crash: the values of the first `whole` puts are there, and no others. */
static void check_prefix(struct store *s, unsigned whole, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        struct lsm_value v;

        if (i < whole) {
            check(s, i, 0, LARGE_LEN);
            continue;
        }
        sprintf(name, "k%06u", i);
        assert_int_equal(lsm_get(s->db, NULL, name, strlen(name), &v), -ENOENT);
    }
}

static void a_log_whose_large_value_is_torn_ends_there(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 0, 0, LARGE_LEN, LSM_WRITE_SYNC), 0);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    /* As after a power cut: what is in the log, but for one value. */
    atomic_store(&s.db->sticky_err, -EIO); /* so that closing syncs and flushes nothing */
    assert_int_not_equal(lsm_close(s.db), 0);
    damage(&s, 32 + 2 * blob_padded(blob_record_len(7, LARGE_LEN)) + 100);
    open_store(&s);
    check_prefix(&s, 2, 4);
    store_done(&s);
}

/* The file was never synced, for a sync of any record makes the header durable as well. */
static void a_log_whose_large_value_lies_behind_a_torn_header_ends_there(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    assert_int_equal(put(&s, 0, 0, 10, LSM_WRITE_SYNC), 0);
    for (unsigned i = 1; i < 3; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    atomic_store(&s.db->sticky_err, -EIO); /* so that closing syncs and flushes nothing */
    assert_int_not_equal(lsm_close(s.db), 0);
    damage(&s, 3);
    open_store(&s);
    check(&s, 0, 0, 10);
    assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
    store_done(&s);
}

/*
 * Each read of opening fails in turn. A log must not end where the disk only does not read: what is
 * behind was acknowledged, and may be there. Opened read-only, so that the store stays as it is.
 */
static void a_large_value_that_the_disk_cannot_read_does_not_end_the_log(void **state)
{
    unsigned refused = 0;
    struct store s;

    (void)state;
    store_init(&s, true);
    assert_int_equal(put(&s, 0, 0, LARGE_LEN, LSM_WRITE_SYNC), 0);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    atomic_store(&s.db->sticky_err, -EIO);
    assert_int_not_equal(lsm_close(s.db), 0);
    s.db = NULL;
    s.options.create = false;
    s.options.read_only = true;
    for (uint64_t nth = 1;; nth++) {
        int err;

        env_fault_fail(s.fault, ENV_FAULT_READ, nth, EIO, false);
        err = db_open(env_fault_env(s.fault), &s.options, &s.db);
        if (!env_fault_happened(s.fault))
            break;
        if (err) {
            refused++;
            continue;
        }
        for (unsigned i = 0; i < 4; i++)
            check(&s, i, 0, LARGE_LEN);
        close_store(&s);
    }
    assert_true(refused >= 3); /* a read for each value that was not synced */
    env_fault_fail(s.fault, 0, 0, 0, false);
    for (unsigned i = 0; i < 4; i++)
        check(&s, i, 0, LARGE_LEN);
    store_done(&s);
}

static void damage_before_the_synced_end_costs_one_value(void **state)
{
    struct store s;
    struct lsm_value v;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_sync(s.db), 0);
    /* The next record says so. */
    assert_int_equal(put(&s, 4, 0, 10, 0), 0);
    atomic_store(&s.db->sticky_err, -EIO);
    assert_int_not_equal(lsm_close(s.db), 0);
    damage(&s, 32 + 2 * blob_padded(blob_record_len(7, LARGE_LEN)) + 100);
    open_store(&s);
    assert_int_equal(lsm_get(s.db, NULL, "k000002", 7, &v), -ERR_BLOB_CHECKSUM);
    check(&s, 0, 0, LARGE_LEN);
    check(&s, 3, 0, LARGE_LEN);
    check(&s, 4, 0, 10);
    store_done(&s);
}

static void remove_blobs(struct store *s)
{
    DIR *dir = opendir(s->dir);
    struct dirent *d;

    assert_non_null(dir);
    while ((d = readdir(dir))) {
        if (strstr(d->d_name, ".blob"))
            assert_int_equal(unlinkat(dirfd(dir), d->d_name, 0), 0);
    }
    closedir(dir);
}

static void a_missing_file_refuses_to_open(void **state)
{
    (void)state;
    /* Named by a log, and by a table. */
    for (int flushed = 0; flushed < 2; flushed++) {
        struct store s;

        store_init(&s, false);
        assert_int_equal(put(&s, 1, 0, LARGE_LEN, LSM_WRITE_SYNC), 0);
        assert_int_equal(put(&s, 2, 0, 10, 0), 0);
        if (flushed)
            assert_int_equal(lsm_flush(s.db), 0);
        atomic_store(&s.db->sticky_err, -EIO);
        assert_int_not_equal(lsm_close(s.db), 0);
        s.db = NULL;
        remove_blobs(&s);
        assert_int_equal(lsm_open(s.dir, &s.options, &s.db), -ERR_FILE_MISSING);
        assert_non_null(strstr(lsm_detail(), ".blob: missing"));
        s.db = NULL;
        store_done(&s);
    }
}

static void a_sync_makes_large_values_durable_before_the_log(void **state)
{
    struct store s;

    (void)state;
    for (unsigned seed = 0; seed < 10; seed++) {
        store_init(&s, true);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
        assert_int_equal(lsm_sync(s.db), 0);
        for (unsigned i = 3; i < 6; i++)
            assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
        env_fault_cut_power(s.fault);
        lsm_close(s.db);
        assert_int_equal(env_fault_crash(s.fault, seed ? 15 : 0, seed), 0);
        open_store(&s);
        for (unsigned i = 0; i < 3; i++)
            check(&s, i, 0, LARGE_LEN);
        if (seed == 0)
            check_prefix(&s, 3, 6);
        assert_int_equal(lsm_verify(s.db, NULL, NULL, NULL), 0);
        store_done(&s);
    }
}

static void a_failed_write_leaves_nothing_that_stays(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, true);
    assert_int_equal(put(&s, 0, 0, 10, 0), 0);
    /* The superblock, the file's header, a record, and then the log. */
    env_fault_fail(s.fault, ENV_FAULT_REPLACE, 1, ENOSPC, false);
    assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), -ENOSPC);
    for (unsigned nth = 1; nth <= 3; nth++) {
        env_fault_fail(s.fault, ENV_FAULT_APPEND, nth < 3 ? 1 : 2, ENOSPC, false);
        assert_int_equal(put(&s, 1, 0, LARGE_LEN, 0), -ENOSPC);
        assert_true(env_fault_happened(s.fault));
        env_fault_fail(s.fault, 0, 0, 0, false);
        if (nth == 1)
            assert_int_equal(put(&s, 2, 0, LARGE_LEN, 0), 0);
    }
    check(&s, 0, 0, 10);
    check(&s, 2, 0, LARGE_LEN);
    close_store(&s);
    open_store(&s);
    check(&s, 0, 0, 10);
    check(&s, 2, 0, LARGE_LEN);
    assert_int_equal(files(&s, ".blob").count, 1);
    store_done(&s);
}

struct writing {
    struct store *s;
    unsigned thread;
};

enum {
    THREAD_COUNT = 4,
    WRITES_PER_THREAD = 100
};

static void *write_many(void *arg)
{
    struct writing *w = arg;

    for (unsigned i = 0; i < WRITES_PER_THREAD; i++) {
        if (put(w->s, w->thread * 1000 + i, 0, LARGE_LEN, i % 20 ? 0 : LSM_WRITE_SYNC))
            return w;
    }
    return NULL;
}

static void threads_write_side_by_side(void **state)
{
    pthread_t threads[THREAD_COUNT];
    struct writing w[THREAD_COUNT];
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        w[i] = (struct writing){&s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREAD_COUNT; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (unsigned reopened = 0; reopened < 2; reopened++) {
        for (unsigned t = 0; t < THREAD_COUNT; t++) {
            for (unsigned i = 0; i < WRITES_PER_THREAD; i++)
                check(&s, t * 1000 + i, 0, LARGE_LEN);
        }
        close_store(&s);
        open_store(&s);
    }
    store_done(&s);
}

static void files_nobody_needs_are_gone(void **state)
{
    struct store s;

    (void)state;
    store_init(&s, false);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    assert_true(files(&s, ".blob").count >= 3);
    assert_int_equal(lsm_flush(s.db), 0);
    for (unsigned i = 0; i < 200; i++) {
        char name[16];

        sprintf(name, "k%06u", i);
        assert_int_equal(lsm_delete(s.db, name, strlen(name), 0), 0);
    }
    assert_int_equal(lsm_compact_range(s.db, NULL, 0, NULL, 0), 0);
    close_store(&s);
    assert_int_equal(files(&s, ".blob").count, 0);
    open_store(&s);
    store_done(&s);
}

/* Each read of a verification fails in turn: it is told, and the verification goes on. */
static void what_the_disk_cannot_read_is_told_by_verification(void **state)
{
    struct store s;
    unsigned told = 0, again = 0;

    (void)state;
    store_init(&s, true);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(put(&s, i, 0, LARGE_LEN, 0), 0);
    assert_int_equal(lsm_flush(s.db), 0);
    for (uint64_t nth = 1;; nth++) {
        int answer;

        env_fault_fail(s.fault, ENV_FAULT_READ, nth, EIO, false);
        answer = lsm_verify(s.db, NULL, NULL, NULL);
        if (!env_fault_happened(s.fault)) {
            assert_int_equal(answer, 0);
            break;
        }
        if (answer < 0)
            fail_msg("read %u fails: %d %s", (unsigned)nth, answer, lsm_detail());
        told += answer > 0;
        again += answer == 0;
    }
    assert_true(told > 8);
    assert_true(again <= 1); /* the table's blocks ahead, which are then read one by one */
    env_fault_fail(s.fault, 0, 0, 0, false);
    store_done(&s);
}

static void what_a_repair_left_half_written_goes(void **state)
{
    const char *name = "00000077.blob.tmp";
    struct store s;
    int fd;

    (void)state;
    store_init(&s, false);
    close_store(&s);
    fd = open(scratch_path(s.dir, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    open_store(&s);
    assert_int_equal(access(scratch_path(s.dir, name), F_OK), -1);
    store_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_values_go_to_blob_files_and_small_ones_do_not),
        cmocka_unit_test(what_the_disk_cannot_read_is_told_by_verification),
        cmocka_unit_test(what_a_repair_left_half_written_goes),
        cmocka_unit_test(a_batch_keeps_its_order_and_stays_the_callers),
        cmocka_unit_test(iterators_see_large_values_both_ways),
        cmocka_unit_test(damage_is_an_error_of_its_value_and_is_found),
        cmocka_unit_test(a_log_whose_large_value_is_torn_ends_there),
        cmocka_unit_test(a_log_whose_large_value_lies_behind_a_torn_header_ends_there),
        cmocka_unit_test(a_large_value_that_the_disk_cannot_read_does_not_end_the_log),
        cmocka_unit_test(damage_before_the_synced_end_costs_one_value),
        cmocka_unit_test(a_missing_file_refuses_to_open),
        cmocka_unit_test(a_sync_makes_large_values_durable_before_the_log),
        cmocka_unit_test(a_failed_write_leaves_nothing_that_stays),
        cmocka_unit_test(threads_write_side_by_side),
        cmocka_unit_test(files_nobody_needs_are_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
