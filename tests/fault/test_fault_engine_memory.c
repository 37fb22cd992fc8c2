/*
 * The nth allocation fails, of any thread or of the one that calls the engine, for each scenario:
 * -ENOMEM or success, or a store that is read-only for want of memory and says so; no crash, no
 * leak (under the address sanitizer), and afterwards all that was acknowledged is there.
 *
 * TEST_ROUNDS=0 lets each allocation fail, other numbers so many of each scenario; TEST_SEED
 * chooses which; TEST_SCENARIO names a scenario.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/engine_scenarios.h"
#include "lib/rng.h"

enum {
    TRIES = 15
};

static void try_all(enum call_scope scope, bool io_uring)
{
    uint64_t seed = rng_seed(5), at = seed;
    unsigned total = 0;

    for (unsigned i = 0; i < scenario_count; i++) {
        const struct trial t = {
            .io_uring = io_uring, .kinds = CALL_ALLOC, .code = ENOMEM, .scope = scope};
        unsigned failed;

        if (!scenario_is_wanted(&scenarios[i]))
            continue;
        failed = scenario_try(&scenarios[i], &t, scenario_tries_wanted(TRIES), &at);
        printf("%s: %u allocations have failed, TEST_SEED=%llu\n", scenarios[i].name, failed,
               (unsigned long long)seed);
        total += failed;
    }
    assert_true(total > 0);
}

static void any_allocation_that_fails_does_no_harm(void **state)
{
    (void)state;
    try_all(CALL_ONCE, false);
}

static void any_allocation_of_a_caller_that_fails_does_no_harm(void **state)
{
    (void)state;
    try_all(CALL_MINE, true);
}

static void no_memory_from_some_moment_on_does_no_harm(void **state)
{
    (void)state;
    try_all(CALL_FOREVER, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_that_fails_does_no_harm),
        cmocka_unit_test(any_allocation_of_a_caller_that_fails_does_no_harm),
        cmocka_unit_test(no_memory_from_some_moment_on_does_no_harm),
    };

    return cmocka_run_group_tests(tests, scenario_pattern_make, scenario_pattern_remove);
}
