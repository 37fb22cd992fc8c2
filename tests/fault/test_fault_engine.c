/*
 * The nth call of a kind fails, for each scenario of the engine: an error in words, no crash, no
 * wrong answer; afterwards all that was acknowledged is there, after a power cut all that was
 * synced, and nothing is damaged. What a failure does to the store: a full disk nothing, a failed
 * write or sync makes it read-only.
 *
 * For every kind n begins at 1 and ends with the first run in which nothing has failed. A run takes
 * a number of calls at a time (TEST_ROUNDS=0: each one), from a place that TEST_SEED chooses.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/engine_scenarios.h"
#include "lib/rng.h"

enum {
    TRIES_PER_KIND = 1, /* unless TEST_ROUNDS says otherwise; 0: no limit */
};

static const struct {
    unsigned kinds;
    int codes[4];
    enum call_scope scope;
} failures[] = {
    {CALL_OPEN, {EMFILE, EIO, ENOMEM, EACCES}, CALL_ONCE},
    {CALL_CREATE, {ENOSPC, EMFILE, EIO, EDQUOT}, CALL_ONCE},
    {CALL_READ, {EIO, ENOMEM, EIO, EIO}, CALL_ONCE},
    {CALL_READ, {EIO, EIO, EIO, EIO}, CALL_SHORT},
    {CALL_WRITE, {EIO, ENOSPC, EDQUOT, EIO}, CALL_ONCE},
    {CALL_WRITE, {EIO, ENOSPC, EDQUOT, EIO}, CALL_SHORT},
    {CALL_WRITE, {EIO, ENOSPC, EDQUOT, EIO}, CALL_FOREVER},
    {CALL_WRITE | CALL_TRUNCATE | CALL_RESERVE,
     {ENOSPC, EDQUOT, ENOSPC, EDQUOT},
     CALL_SHORT_FOREVER},
    {CALL_SYNC, {EIO, ENOSPC, EDQUOT, EIO}, CALL_ONCE},
    {CALL_SYNC_DIR, {EIO, ENOSPC, EIO, EDQUOT}, CALL_ONCE},
    {CALL_SYNC | CALL_SYNC_DIR, {EIO, EIO, EIO, EIO}, CALL_FOREVER},
    {CALL_RENAME, {EIO, ENOSPC, EDQUOT, EROFS}, CALL_ONCE},
    {CALL_REMOVE, {EIO, EBUSY, EROFS, ENOSPC}, CALL_ONCE},
    {CALL_TRUNCATE, {EIO, ENOSPC, EIO, EDQUOT}, CALL_ONCE},
    {CALL_RESERVE, {ENOSPC, EIO, EOPNOTSUPP, EDQUOT}, CALL_ONCE},
    {CALL_MKDIR | CALL_LINK | CALL_COPY, {EIO, ENOSPC, EMLINK, EDQUOT}, CALL_ONCE},
    {CALL_LIST | CALL_STAT | CALL_SPACE, {EIO, ENOMEM, EIO, ENOMEM}, CALL_ONCE},
    {CALL_THREAD, {EAGAIN, EAGAIN, EAGAIN, EAGAIN}, CALL_ONCE},
    {CALL_WRITE | CALL_SYNC | CALL_SYNC_DIR | CALL_RENAME | CALL_REMOVE | CALL_TRUNCATE |
         CALL_CREATE,
     {EIO, EROFS, EIO, ENOSPC},
     CALL_FOREVER},
};

static void try_scenario(const struct scenario *s, bool cut_power)
{
    unsigned failed = 0, tries = scenario_tries_wanted(TRIES_PER_KIND);
    uint64_t seed = rng_seed(17), at = seed;
    const char *only = getenv("TEST_FAILURE");

    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct trial t = {
            .cut_power = cut_power, .kinds = failures[i].kinds, .scope = failures[i].scope};

        if (only && strtoul(only, NULL, 0) != i)
            continue;
        /* In a short run each is tried with a power cut or without. */
        if (tries == TRIES_PER_KIND && (i + strlen(s->name)) % 2 == cut_power && !s->by_path)
            continue;
        for (unsigned k = 0; k < 4; k++) {
            t.code = failures[i].codes[k];
            /* One of the errors, or all. */
            if (tries == SCENARIO_TRIES_ALL || k == at % 4)
                failed += scenario_try(s, &t, tries, &at);
        }
    }
    printf("%s%s: %u calls have failed, TEST_SEED=%llu\n", s->name, cut_power ? ", power cut" : "",
           failed, (unsigned long long)seed);
    assert_true(failed > 0 || only);
}

static void any_call_that_fails_leaves_what_was_acknowledged(void **state)
{
    (void)state;
    for (unsigned i = 0; i < scenario_count; i++) {
        if (scenario_is_wanted(&scenarios[i]))
            try_scenario(&scenarios[i], false);
    }
}

static void any_call_that_fails_and_a_power_cut_leave_what_was_synced(void **state)
{
    (void)state;
    for (unsigned i = 0; i < scenario_count; i++) {
        if (!scenarios[i].by_path && scenario_is_wanted(&scenarios[i]))
            try_scenario(&scenarios[i], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_call_that_fails_leaves_what_was_acknowledged),
        cmocka_unit_test(any_call_that_fails_and_a_power_cut_leave_what_was_synced),
    };

    return cmocka_run_group_tests(tests, scenario_pattern_make, scenario_pattern_remove);
}
