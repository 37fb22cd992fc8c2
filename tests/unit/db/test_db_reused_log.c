/*
 * A loss of power can leave, in a new log whose header was not synced, what lay in the same space
 * before: the whole header, and the records, of a log that has been removed. The store opens, for
 * nothing of the new log was durable. The header of a log that may still be needed is another
 * matter: then somebody has put a log in the place of another.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"

static int note_log(void *arg, const char *name)
{
    uint64_t *newest = arg, number = store_file_number(name, "", ".wal");

    if (number > *newest)
        *newest = number;
    return 0;
}

/* The newest log's number and, unless NULL, its bytes. */
static uint64_t newest_log(const char *dir, struct buf *ret)
{
    struct env *env;
    uint64_t number = 0;
    char name[32];

    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY | ENV_NO_LOCK, &env), 0);
    assert_int_equal(env_list(env, note_log, &number), 0);
    wal_file_name(number, name);
    if (ret)
        assert_int_equal(env_read_small(env, name, 16 << 20, ret), 0);
    env_close(env);
    return number;
}

static void put_log(const char *dir, uint64_t number, struct slice bytes)
{
    struct env *env;
    char name[32];

    wal_file_name(number, name);
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    assert_int_equal(env_replace_small(env, name, bytes), 0);
    env_close(env);
}

static void open_store(const char *dir, bool read_only, struct lsm_db **ret)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = !read_only;
    o.read_only = read_only;
    assert_int_equal(lsm_open(dir, &o, ret), 0);
}

static void assert_has_a(struct lsm_db *db)
{
    struct lsm_value v;

    assert_int_equal(lsm_get(db, NULL, "a", 1, &v), 0);
    lsm_value_done(&v);
    assert_int_equal(lsm_get(db, NULL, "b", 1, &v), -ENOENT);
}

static void a_new_log_with_the_bytes_of_a_removed_one_is_empty(void **state)
{
    char *dir = scratch_new();
    struct buf old = {0};
    struct lsm_db *db;
    uint64_t number;

    (void)state;
    open_store(dir, false, &db);
    assert_int_equal(lsm_put(db, "a", 1, "1", 1, LSM_WRITE_SYNC), 0);
    number = newest_log(dir, &old);
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_close(db), 0);
    assert_true(newest_log(dir, NULL) > number);
    put_log(dir, newest_log(dir, NULL), buf_slice(&old));
    open_store(dir, true, &db);
    assert_has_a(db);
    assert_int_equal(lsm_close(db), 0);
    open_store(dir, false, &db);
    assert_has_a(db);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    assert_int_equal(lsm_close(db), 0);
    buf_free(&old);
    scratch_free(dir);
}

static void a_log_in_the_place_of_another_is_refused(void **state)
{
    char *dir = scratch_new();
    struct buf log = {0};
    struct lsm_options o;
    struct lsm_db *db;
    uint64_t number;

    (void)state;
    open_store(dir, false, &db);
    assert_int_equal(lsm_put(db, "a", 1, "1", 1, LSM_WRITE_SYNC), 0);
    assert_int_equal(lsm_close(db), 0);
    number = newest_log(dir, &log);
    put_log(dir, number + 1, buf_slice(&log));
    lsm_options_default(&o);
    assert_int_equal(lsm_open(dir, &o, &db), -ERR_WAL_HEADER);
    assert_non_null(strstr(lsm_detail(), "another log"));
    buf_free(&log);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_log_with_the_bytes_of_a_removed_one_is_empty),
        cmocka_unit_test(a_log_in_the_place_of_another_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
