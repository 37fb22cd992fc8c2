/*
 * Requests of io_uring that fail, below the environment alone: what each answer of the kernel must
 * lead to. For many seeds, as what happens depends on the order in which requests are done.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/call_faults.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"
#include "lsm/env/env.h"

enum {
    SEED_COUNT = 40,
    FILE_LEN = 3000000, /* more than the buffers of a writer, and no whole number of them */
    READ_COUNT = 100,
};

static char *dir;
static struct env *env;
static uint8_t bytes[FILE_LEN];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILE_LEN; i++)
        bytes[i] = (uint8_t)(i * i * 31 >> 7);
    return 0;
}

static void open_env(uint64_t seed)
{
    dir = scratch_new();
    call_ring_seed(seed);
    assert_int_equal(env_uring_open(dir, 0, &env), 0);
    assert_null(env_uring_why_not(env));
}

static void close_env(void)
{
    env_close(env);
    scratch_free(dir);
}

static int append_all(struct env_writer *w)
{
    int err = 0;

    for (size_t at = 0; at < FILE_LEN && !err; at += 100000) {
        const struct slice part = slice_of(bytes + at, 100000);

        err = env_writer_append(w, &part, 1);
    }
    return err;
}

/* Without failures: they are over. */
static void assert_file(const char *name, struct slice want)
{
    struct buf contents = {0};

    assert_int_equal(env_read_small(env, name, FILE_LEN, &contents), 0);
    assert_true(slice_eq(buf_slice(&contents), want));
    buf_free(&contents);
}

/* Fail the nth request for each n until there is none, and say what the file must hold. */
static void write_behind(unsigned kind, uint64_t seed, int code, enum call_scope scope)
{
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        struct env_writer *w;

        open_env(seed + n);
        assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
        call_faults_arm(kind, n, code, scope);
        assert_int_equal(append_all(w), 0);
        assert_int_equal(env_writer_sync(w), 0);
        failed = call_faults_disarm();
        assert_true(call_faults_all_synced());
        assert_int_equal(env_writer_close(w), 0);
        assert_file("f", slice_of(bytes, FILE_LEN));
        close_env();
    }
}

static void a_write_that_fails_is_done_again(void **state)
{
    static const int codes[] = {EIO, ENOSPC, EINTR, EAGAIN};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        write_behind(CALL_RING_WRITE, i * 100, codes[i], CALL_ONCE);
        write_behind(CALL_RING_WRITE, i * 100, codes[i], CALL_SHORT);
    }
}

static void what_a_failed_writeback_loses_is_written_again(void **state)
{
    (void)state;
    write_behind(CALL_RING_START, 1, EIO, CALL_ONCE);
    write_behind(CALL_RING_START, 2, ENOSPC, CALL_FOREVER);
}

static void a_kernel_that_takes_no_requests_is_not_waited_for_for_ever(void **state)
{
    static const int codes[] = {EAGAIN, EBUSY, EPERM, ENOMEM};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        write_behind(CALL_RING_ENTER, i * 100, codes[i], CALL_ONCE);
        write_behind(CALL_RING_ENTER, i * 100, codes[i], CALL_FOREVER);
        write_behind(CALL_RING_ENTER, i * 100, codes[i], CALL_SHORT_FOREVER);
    }
}

static void a_read_that_fails_is_done_again(void **state)
{
    static const int codes[] = {EIO, EINTR, EAGAIN, ECANCELED};
    static uint8_t got[READ_COUNT][1000];
    struct env_read reads[READ_COUNT];
    const struct slice all = slice_of(bytes, FILE_LEN);
    struct env_writer *w;
    struct env_reader *r;

    (void)state;
    open_env(1);
    assert_int_equal(env_writer_create(env, "f", &w), 0);
    assert_int_equal(env_writer_append(w, &all, 1), 0);
    assert_int_equal(env_writer_close(w), 0);
    assert_int_equal(env_reader_open(env, "f", &r), 0);
    for (uint64_t n = 1; n <= READ_COUNT; n++) {
        for (size_t i = 0; i < READ_COUNT; i++)
            reads[i] = (struct env_read){
                .reader = r, .offset = i * 29000, .len = sizeof(got[i]), .buf = got[i]};
        call_faults_arm(CALL_RING_READ, n, codes[n % 4], n % 2 ? CALL_ONCE : CALL_SHORT);
        assert_int_equal(env_read_many(env, reads, READ_COUNT), 0);
        assert_true(call_faults_disarm() || n == READ_COUNT);
        for (size_t i = 0; i < READ_COUNT; i++) {
            assert_int_equal(reads[i].ret_len, sizeof(got[i]));
            assert_memory_equal(got[i], bytes + i * 29000, sizeof(got[i]));
        }
    }
    env_reader_close(r);
    close_env();
}

/* --- Append and sync in one --- */

static int append_sync(uint64_t seed, unsigned kinds, int code, enum call_scope scope,
                       struct env_writer **ret)
{
    const struct slice parts[] = {slice_str("so"), slice_str("me bytes")};
    int err;

    open_env(seed);
    assert_int_equal(env_writer_create(env, "f", ret), 0);
    call_faults_arm(kinds, 1, code, scope);
    err = env_writer_append_sync(*ret, parts, 2);
    assert_true(call_faults_disarm());
    return err;
}

static void assert_appended(struct env_writer *w, bool synced)
{
    assert_int_equal(w->len, 10);
    assert_true(!synced || call_faults_all_synced());
    assert_int_equal(env_writer_close(w), 0);
    assert_file("f", slice_str("some bytes"));
    close_env();
}

static void a_sync_that_may_have_come_before_its_write_does_not_count(void **state)
{
    struct env_writer *w;

    (void)state;
    for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
        assert_int_equal(append_sync(seed, CALL_RING_ENTER, EINTR, CALL_SHORT, &w), 0);
        assert_appended(w, true);
    }
}

static void a_failed_write_cancels_the_sync_and_both_are_done_again(void **state)
{
    static const int codes[] = {EIO, ENOSPC, EINTR, EAGAIN};
    struct env_writer *w;

    (void)state;
    for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
        const enum call_scope scope = seed % 2 ? CALL_ONCE : CALL_SHORT_FOREVER;

        assert_int_equal(append_sync(seed, CALL_RING_WRITE, codes[seed % 4], scope, &w), 0);
        assert_appended(w, true);
    }
}

static void a_cancelled_or_interrupted_sync_is_done_again(void **state)
{
    struct env_writer *w;

    (void)state;
    for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
        const int code = seed % 2 ? ECANCELED : EINTR;

        assert_int_equal(append_sync(seed, CALL_RING_SYNC, code, CALL_ONCE, &w), 0);
        assert_appended(w, true);
    }
}

static void a_sync_that_failed_lets_nothing_follow(void **state)
{
    static const int codes[] = {EIO, ENOSPC, EDQUOT, EIO};
    struct env_writer *w;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const int want = codes[i] == EDQUOT ? -ENOSPC : -codes[i];

        assert_int_equal(append_sync(i, CALL_RING_SYNC, codes[i], CALL_ONCE, &w), want);
        assert_non_null(strstr(err_detail(), "/f: cannot sync"));
        assert_int_equal(env_writer_sync(w), want);
        assert_int_equal(env_writer_append(w, &(struct slice){(const uint8_t *)"x", 1}, 1), want);
        assert_int_equal(env_writer_close(w), want);
        close_env();
    }
}

/* --- Without rings --- */

static void a_ring_that_cannot_be_made_is_done_without(void **state)
{
    static const int codes[] = {ENOMEM, EPERM, ENOSYS, EMFILE};
    const struct slice all = slice_of(bytes, FILE_LEN);
    struct env_writer *w;

    (void)state;
    for (uint64_t n = 1; n <= 12; n++) {
        dir = scratch_new();
        call_faults_arm(CALL_RING_SETUP, n, codes[n % 4], n % 3 ? CALL_FOREVER : CALL_ONCE);
        assert_int_equal(env_uring_open(dir, 0, &env), 0);
        assert_int_equal(env_writer_create_behind(env, "f", &w), 0);
        assert_int_equal(env_writer_append(w, &all, 1), 0);
        call_faults_disarm();
        assert_true(n > 2 || env_uring_why_not(env));
        assert_int_equal(env_writer_close(w), 0);
        assert_file("f", all);
        close_env();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails_is_done_again),
        cmocka_unit_test(what_a_failed_writeback_loses_is_written_again),
        cmocka_unit_test(a_kernel_that_takes_no_requests_is_not_waited_for_for_ever),
        cmocka_unit_test(a_read_that_fails_is_done_again),
        cmocka_unit_test(a_sync_that_may_have_come_before_its_write_does_not_count),
        cmocka_unit_test(a_failed_write_cancels_the_sync_and_both_are_done_again),
        cmocka_unit_test(a_cancelled_or_interrupted_sync_is_done_again),
        cmocka_unit_test(a_sync_that_failed_lets_nothing_follow),
        cmocka_unit_test(a_ring_that_cannot_be_made_is_done_without),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
