/*
 * The nth call below the file system fails, be it of the kernel or for memory: operations answer
 * right, or with an error that fits, and then they have changed nothing; fsck finds nothing
 * afterwards; mkfs, opening, checking and repairing can be done again.
 *
 * TEST_ROUNDS=0 lets each call fail, other numbers so many of each kind; TEST_SEED chooses which;
 * TEST_SCENARIO names a trial.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "fault/fs_trial.h"
#include "lib/rng.h"
#include "lib/scratch.h"

enum {
    CALL_TRIES = 1,
    MEMORY_TRIES = 10,
};

static const struct fs_failure failures[] = {
    {.kinds = CALL_OPEN, .code = EMFILE},
    {.kinds = CALL_CREATE, .code = ENOSPC},
    {.kinds = CALL_CREATE, .code = EMFILE},
    {.kinds = CALL_READ, .code = EIO},
    {.kinds = CALL_READ, .code = EIO, .scope = CALL_FOREVER},
    {.kinds = CALL_WRITE, .code = EIO},
    {.kinds = CALL_WRITE, .code = ENOSPC},
    {.kinds = CALL_WRITE, .code = EDQUOT, .scope = CALL_SHORT},
    {.kinds = CALL_WRITE, .code = ENOSPC, .scope = CALL_FOREVER},
    {.kinds = CALL_SYNC, .code = EIO},
    {.kinds = CALL_SYNC_DIR, .code = EIO},
    {.kinds = CALL_RENAME | CALL_REMOVE, .code = EIO},
    {.kinds = CALL_TRUNCATE | CALL_RESERVE, .code = EIO},
    {.kinds = CALL_RESERVE, .code = ENOSPC, .scope = CALL_FOREVER},
    {.kinds = CALL_LIST | CALL_STAT | CALL_SPACE, .code = EIO},
    {.kinds = CALL_MKDIR | CALL_LINK | CALL_COPY, .code = EIO},
    {.kinds = CALL_RING_SETUP, .code = ENOMEM},
    {.kinds = CALL_RING_ENTER, .code = EPERM, .scope = CALL_FOREVER},
    {.kinds = CALL_RING_READ | CALL_READ, .code = EIO, .scope = CALL_FOREVER},
    {.kinds = CALL_RING_WRITE | CALL_WRITE, .code = EIO, .scope = CALL_SHORT},
    {.kinds = CALL_RING_WRITE | CALL_WRITE, .code = ENOSPC, .scope = CALL_SHORT_FOREVER},
};

static char *pattern_dir;
static char pattern[600];

static void a_call_that_fails_gives_an_error_and_nothing_wrong(void **state)
{
    uint64_t seed = rng_seed(3);

    (void)state;
    for (unsigned i = 0; i < fs_trial_count; i++) {
        unsigned failed = 0;

        for (size_t k = 0; k < sizeof(failures) / sizeof(failures[0]); k++)
            failed += fs_trial_all(&fs_trials[i], pattern, failures[k],
                                   fs_trial_tries_wanted(CALL_TRIES), &seed);
        printf("%s: %u calls have failed\n", fs_trials[i].name, failed);
    }
}

static void no_memory_gives_an_error_and_nothing_wrong(void **state)
{
    static const enum call_scope scopes[] = {CALL_ONCE, CALL_MINE, CALL_FOREVER};
    uint64_t seed = rng_seed(3);

    (void)state;
    for (unsigned i = 0; i < fs_trial_count; i++) {
        unsigned failed = 0;

        for (size_t k = 0; k < 3; k++) {
            const struct fs_failure f = {.kinds = CALL_ALLOC, .code = ENOMEM, .scope = scopes[k]};

            failed +=
                fs_trial_all(&fs_trials[i], pattern, f, fs_trial_tries_wanted(MEMORY_TRIES), &seed);
        }
        printf("%s: %u allocations have failed\n", fs_trials[i].name, failed);
    }
}

static int make_pattern(void **state)
{
    (void)state;
    pattern_dir = scratch_new();
    snprintf(pattern, sizeof(pattern), "%s/pattern", pattern_dir);
    fs_pattern_make(pattern);
    return 0;
}

static int remove_pattern(void **state)
{
    (void)state;
    scratch_free(pattern_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_gives_an_error_and_nothing_wrong),
        cmocka_unit_test(no_memory_gives_an_error_and_nothing_wrong),
    };

    return cmocka_run_group_tests(tests, make_pattern, remove_pattern);
}
