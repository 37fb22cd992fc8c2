/*
 * The environment of POSIX calls where a write fails half way and cannot be undone at once.
 */
#include "lib/cmocka_all.h"

#include <errno.h>

#include "lib/call_faults.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/env/env.h"

static void an_append_that_cannot_be_undone_is_undone_before_the_next(void **state)
{
    char *dir = scratch_new();
    struct slice part = slice_str("much too long");
    struct buf contents = {0};
    struct env_writer *w;
    struct env *env;

    (void)state;
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, &(struct slice){(const uint8_t *)"before", 6}, 1), 0);
    call_faults_arm(CALL_WRITE | CALL_TRUNCATE, 1, EDQUOT, CALL_SHORT_FOREVER);
    assert_int_equal(env_writer_append(w, &part, 1), -ENOSPC);
    assert_int_equal(w->len, 6);
    /* What was there before can be made durable; more cannot come. */
    assert_int_equal(env_writer_sync(w), 0);
    assert_int_equal(env_writer_append(w, &part, 1), -ENOSPC);
    assert_non_null(strstr(err_detail(), "/f: cannot undo a write that failed"));
    assert_true(call_faults_disarm());
    assert_int_equal(env_writer_append(w, &(struct slice){(const uint8_t *)" on", 3}, 1), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_read_small(env, "f", 100, &contents), 0);
    assert_true(slice_eq(buf_slice(&contents), slice_str("before on")));
    buf_free(&contents);
    env_close(env);
    scratch_free(dir);
}

static void a_failed_sync_lets_nothing_follow(void **state)
{
    char *dir = scratch_new();
    struct slice part = slice_str("bytes");
    struct env_writer *w;
    struct env *env;

    (void)state;
    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, &part, 1), 0);
    call_faults_arm(CALL_SYNC, 1, EIO, CALL_ONCE);
    assert_int_equal(env_writer_sync(w), -EIO);
    assert_true(call_faults_disarm());
    assert_int_equal(env_writer_sync(w), -EIO);
    assert_int_equal(env_writer_append(w, &part, 1), -EIO);
    assert_int_equal(env_writer_truncate(w, 0), -EIO);
    assert_int_equal(env_writer_close(w), -EIO);
    env_close(env);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_that_cannot_be_undone_is_undone_before_the_next),
        cmocka_unit_test(a_failed_sync_lets_nothing_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
