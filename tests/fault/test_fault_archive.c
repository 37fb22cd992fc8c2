/*
 * The nth call below import and export fails, be it of the kernel, for memory, or on the way to a
 * daemon: the commands succeed, or say what has failed; the store is whole afterwards and has lost
 * nothing, an archive that looks complete is, and both can be run again.
 *
 * TEST_ROUNDS=0 lets each call fail, other numbers so many of each kind; TEST_SEED chooses which;
 * TEST_SCENARIO names a trial.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/archive_trial.h"
#include "lib/rng.h"
#include "lib/scratch.h"

enum {
    CALL_TRIES = 1,
    MEMORY_TRIES = 8,
};

static const struct fs_failure failures[] = {
    {.kinds = CALL_OPEN, .code = EMFILE},
    {.kinds = CALL_CREATE, .code = ENOSPC},
    {.kinds = CALL_CREATE, .code = EMFILE, .scope = CALL_FOREVER},
    {.kinds = CALL_READ, .code = EIO},
    {.kinds = CALL_READ | CALL_RING_READ, .code = EIO, .scope = CALL_FOREVER},
    {.kinds = CALL_WRITE | CALL_RING_WRITE, .code = EIO},
    {.kinds = CALL_WRITE | CALL_RING_WRITE, .code = EDQUOT, .scope = CALL_SHORT},
    {.kinds = CALL_WRITE | CALL_RING_WRITE | CALL_REMOVE,
     .code = ENOSPC,
     .scope = CALL_SHORT_FOREVER},
    {.kinds = CALL_SYNC | CALL_RING_SYNC, .code = EIO},
    {.kinds = CALL_SYNC_DIR, .code = EIO},
    {.kinds = CALL_RENAME | CALL_REMOVE, .code = EIO},
    {.kinds = CALL_TRUNCATE | CALL_RESERVE, .code = EIO},
    {.kinds = CALL_RESERVE, .code = ENOSPC, .scope = CALL_FOREVER},
    {.kinds = CALL_LIST | CALL_STAT | CALL_SPACE, .code = EIO},
    {.kinds = CALL_SEEK, .code = ESPIPE},
    {.kinds = CALL_CLOSE, .code = EIO},
    {.kinds = CALL_THREAD, .code = EAGAIN},
    {.kinds = CALL_RING_SETUP, .code = ENOMEM},
    {.kinds = CALL_RING_ENTER, .code = EPERM, .scope = CALL_FOREVER},
    {.kinds = CALL_SEND, .code = ENOBUFS, .scope = CALL_FOREVER},
    {.kinds = CALL_SEND, .code = ENOBUFS, .scope = CALL_SHORT},
    {.kinds = CALL_RECEIVE, .code = EIO, .scope = CALL_SHORT},
};

static char *dir;

static unsigned let_fail(const struct archive_trial *t, struct fs_failure f, unsigned fallback,
                         uint64_t *seed)
{
    return archive_trial_all(t, f, fs_trial_tries_wanted(fallback), seed);
}

static void a_call_that_fails_is_told_and_harms_nothing(void **state)
{
    uint64_t seed = rng_seed(3);

    (void)state;
    for (unsigned i = 0; i < archive_trial_count; i++) {
        unsigned failed = 0;

        for (size_t k = 0; k < sizeof(failures) / sizeof(failures[0]); k++)
            failed += let_fail(&archive_trials[i], failures[k], CALL_TRIES, &seed);
        printf("%s: %u calls have failed\n", archive_trials[i].name, failed);
    }
}

static void no_memory_is_told_and_harms_nothing(void **state)
{
    static const enum call_scope scopes[] = {CALL_ONCE, CALL_FOREVER};
    uint64_t seed = rng_seed(3);

    (void)state;
    for (unsigned i = 0; i < archive_trial_count; i++) {
        unsigned failed = 0;

        for (size_t k = 0; k < 2; k++) {
            const struct fs_failure f = {.kinds = CALL_ALLOC, .code = ENOMEM, .scope = scopes[k]};

            failed += let_fail(&archive_trials[i], f, MEMORY_TRIES, &seed);
        }
        printf("%s: %u allocations have failed\n", archive_trials[i].name, failed);
    }
}

/* It was told as a store that somebody else has open, and that is to be unmounted. */
static void a_daemon_that_cannot_be_reached_is_told_with_the_reason(void **state)
{
    const struct fs_failure f = {.kinds = CALL_CONNECT, .code = EMFILE};
    uint64_t seed = rng_seed(3);
    unsigned failed = 0;

    (void)state;
    for (unsigned i = 0; i < archive_trial_count; i++)
        if (archive_trials[i].mounted)
            failed += archive_trial_all(&archive_trials[i], f, UINT_MAX, &seed);
    assert_true(failed >= 2 || getenv("TEST_SCENARIO"));
}

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    archive_trials_begin(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    archive_trials_end();
    scratch_free(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_is_told_and_harms_nothing),
        cmocka_unit_test(no_memory_is_told_and_harms_nothing),
        cmocka_unit_test(a_daemon_that_cannot_be_reached_is_told_with_the_reason),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
