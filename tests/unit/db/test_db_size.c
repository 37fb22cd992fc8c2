/*
 * A store with a limit of its size behaves as on a disk of that size.
 */
#include "unit/db/surface_fixture.h"

#include <time.h>

#include "lib/env_fault.h"
#include "lib/rng.h"
#include "lsm/base/codec.h"
#include "lsm/db/db.h"

enum {
    LIMIT_LEN = 32 << 20,
    VALUE_COUNT_MAX = 100000
};

static struct rng rng;

/* Bytes of all files. */
static uint64_t store_len(void)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    uint64_t len = 0;

    assert_non_null(d);
    while ((e = readdir(d))) {
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            len += (uint64_t)st.st_blocks * 512;
    }
    closedir(d);
    return len;
}

/* Values that do not compress, until the store refuses one. How many it took. */
static unsigned fill(struct lsm_db *db, char prefix, size_t len, int *ret_err)
{
    static uint8_t value[64 << 10];
    unsigned count = 0;
    int err = 0;

    assert_true(len <= sizeof(value));
    while (!err && count < VALUE_COUNT_MAX) {
        char key[16];

        snprintf(key, sizeof(key), "%c%07u", prefix, count);
        for (size_t i = 0; i < len; i += 8)
            put_le64(value + i, rng_next(&rng));
        err = lsm_put(db, key, strlen(key), value, len, 0);
        count += !err;
    }
    *ret_err = err;
    return count;
}

static void delete_all(struct lsm_db *db)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, "a", 1, "z", 1), 0);
    assert_int_equal(lsm_write(db, b, LSM_WRITE_URGENT), 0);
    lsm_batch_free(b);
}

/* Wait until so many bytes may be written. */
static bool wait_for_room(struct lsm_db *db, uint64_t len)
{
    time_t give_up = time(NULL) + 60;
    uint64_t total, free_len, avail = 0;

    while (avail < len && time(NULL) < give_up) {
        assert_int_equal(lsm_disk_space(db, &total, &free_len, &avail), 0);
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    return avail >= len;
}

static void fill_and_empty(size_t value_len)
{
    uint64_t total, free_len, avail;
    struct lsm_db *db;
    unsigned count;
    int err;

    options.size_max = LIMIT_LEN;
    db = open_store();
    assert_int_equal(lsm_disk_space(db, &total, &free_len, &avail), 0);
    assert_int_equal(total, LIMIT_LEN);
    assert_true(avail < free_len && free_len < total);
    assert_true(avail > LIMIT_LEN / 2);
    count = fill(db, 'a', value_len, &err);
    assert_int_equal(err, -ENOSPC);
    if ((uint64_t)count * value_len <= LIMIT_LEN / 4)
        fail_msg("only %u values of %zu bytes fitted", count, value_len);
    assert_true((uint64_t)count * value_len < LIMIT_LEN);
    assert_true(store_len() < LIMIT_LEN + LIMIT_LEN / 4);
    delete_all(db);
    assert_true(wait_for_room(db, LIMIT_LEN / 2));
    fill(db, 'b', value_len, &err);
    assert_int_equal(err, -ENOSPC);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    close_store(db);
}

static int put_random(struct lsm_db *db, size_t len)
{
    static uint8_t value[64 << 10];

    for (size_t i = 0; i < len; i += 8)
        put_le64(value + i, rng_next(&rng));
    return lsm_put(db, "again", 5, value, len, 0);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* What was deleted has given nothing back yet; the next write waits for it. */
static void deleting_makes_room_for_the_next_write(void **state)
{
    const size_t lens[] = {1000, 64 << 10, 60000, 3000, 64 << 10, 64 << 10};
    struct lsm_db *db;
    int err;

    (void)state;
    options.size_max = LIMIT_LEN;
    db = open_store();
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        fill(db, 'a', lens[i], &err);
        assert_int_equal(err, -ENOSPC);
        delete_all(db);
        for (unsigned n = 0; n < 100; n++)
            assert_int_equal(put_random(db, lens[i]), 0);
        delete_all(db);
    }
    close_store(db);
}

/* A snapshot keeps what was deleted: there is nothing to wait for, and nobody does for long. */
static void a_full_store_does_not_wait_in_vain(void **state)
{
    struct lsm_snapshot *snapshot;
    struct lsm_db *db;
    unsigned refused = 0;
    uint64_t began;
    int err;

    (void)state;
    options.size_max = LIMIT_LEN;
    db = open_store();
    fill(db, 'a', 64 << 10, &err);
    assert_int_equal(err, -ENOSPC);
    assert_int_equal(lsm_snapshot_open(db, &snapshot), 0);
    delete_all(db);
    began = now_ms();
    for (unsigned n = 0; n < 1000; n++) {
        err = put_random(db, 64 << 10);
        assert_true(err == 0 || err == -ENOSPC);
        refused += err != 0;
    }
    assert_true(refused > 900);
    /* One wait is 10 s at most; a thousand of them would take hours. */
    assert_true(now_ms() - began < 60000);
    lsm_snapshot_close(db, snapshot);
    close_store(db);
}

static struct lsm_db *open_on_fault(struct env_fault **ret)
{
    struct env *base;
    struct lsm_db *db;

    assert_int_equal(env_posix_open(dir, ENV_CREATE, &base), 0);
    assert_int_equal(env_fault_open(base, ret), 0);
    options.create = true;
    assert_int_equal(db_open(env_fault_env(*ret), &options, &db), 0);
    return db;
}

/* As with a quota that statfs does not show. */
static void a_disk_that_refuses_the_space_it_shows_is_not_waited_for(void **state)
{
    struct env_fault *fault;
    struct lsm_db *db;
    uint64_t looks;

    (void)state;
    db = open_on_fault(&fault);
    assert_int_equal(put_random(db, 1000), 0);
    assert_int_equal(lsm_delete(db, "gone", 4, 0), 0);
    looks = env_fault_calls(fault, ENV_FAULT_SPACE);
    env_fault_fail(fault, ENV_FAULT_APPEND, 1, ENOSPC, true);
    assert_int_equal(put_random(db, 1000), -ENOSPC);
    assert_in_range(env_fault_calls(fault, ENV_FAULT_SPACE) - looks, 0, 50);
    env_fault_fail(fault, ENV_FAULT_ALL, 0, 0, false);
    assert_int_equal(put_random(db, 1000), 0);
    close_store(db);
    env_fault_close(fault);
}

static void small_values_fill_a_limited_store(void **state)
{
    (void)state;
    fill_and_empty(1000);
}

static void large_values_fill_a_limited_store(void **state)
{
    (void)state;
    fill_and_empty(64 << 10);
}

static void a_store_that_is_larger_already_opens_and_shrinks(void **state)
{
    uint64_t total, free_len, avail;
    struct lsm_db *db = open_store();
    char value[10000], key[16];

    (void)state;
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)rng_next(&rng);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        assert_int_equal(lsm_put(db, key, strlen(key), value, sizeof(value), 0), 0);
    }
    close_store(db);
    options.size_max = LIMIT_LEN;
    db = open_store();
    assert_int_equal(lsm_disk_space(db, &total, &free_len, &avail), 0);
    assert_int_equal(total, LIMIT_LEN);
    assert_int_equal(free_len, 0);
    assert_int_equal(avail, 0);
    assert_int_equal(lsm_put(db, "x", 1, "x", 1, 0), -ENOSPC);
    delete_all(db);
    assert_true(wait_for_room(db, LIMIT_LEN / 2));
    put(db, "x", "x");
    close_store(db);
}

static void a_limit_above_the_disk_is_none(void **state)
{
    uint64_t total, free_len, avail, disk;
    struct lsm_stats stats;
    struct lsm_db *db = open_store();

    (void)state;
    assert_int_equal(lsm_disk_space(db, &disk, &free_len, &avail), 0);
    close_store(db);
    options.size_max = INT64_MAX;
    db = open_store();
    assert_int_equal(lsm_disk_space(db, &total, &free_len, &avail), 0);
    assert_int_equal(total, disk);
    assert_true(avail <= free_len && free_len <= total);
    assert_int_equal(lsm_stats(db, &stats), 0);
    assert_int_equal(stats.disk_total_len, disk);
    close_store(db);
    options.size_max = (16 << 20) - 1;
    assert_int_equal(lsm_open(dir, &options, &db), -EINVAL);
}

/* Listing costs as much as there are files, and writers ask for the space all the time. */
static void writing_seldom_lists_the_files(void **state)
{
    enum {
        PLENTY_LEN = 1 << 30,
        WRITTEN_LEN = 96 << 20, /* asked for every 4 MiB */
        VALUE_LEN = 4 << 10,
        LISTINGS_MAX = 8
    };
    struct env_fault *fault;
    struct lsm_db *db;
    uint64_t before;
    int err = 0;

    (void)state;
    options.size_max = PLENTY_LEN;
    db = open_on_fault(&fault);
    before = env_fault_calls(fault, ENV_FAULT_LIST);
    for (unsigned i = 0; i < WRITTEN_LEN / VALUE_LEN && !err; i++) {
        uint8_t value[VALUE_LEN];
        char key[16];

        snprintf(key, sizeof(key), "k%07u", i);
        for (size_t at = 0; at < sizeof(value); at += 8)
            put_le64(value + at, rng_next(&rng));
        err = lsm_put(db, key, strlen(key), value, sizeof(value), 0);
    }
    assert_int_equal(err, 0);
    assert_in_range(env_fault_calls(fault, ENV_FAULT_LIST) - before, 1, LISTINGS_MAX);
    close_store(db);
    env_fault_close(fault);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_values_fill_a_limited_store),
        TEST(large_values_fill_a_limited_store),
        TEST(deleting_makes_room_for_the_next_write),
        TEST(a_full_store_does_not_wait_in_vain),
        TEST(a_disk_that_refuses_the_space_it_shows_is_not_waited_for),
        TEST(a_store_that_is_larger_already_opens_and_shrinks),
        TEST(a_limit_above_the_disk_is_none),
        TEST(writing_seldom_lists_the_files),
    };

    rng.state = rng_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
