/*
 * Requests of io_uring that fail, fall short or are not taken, for each scenario of the engine.
 * What is only a ring's trouble is done by the calls of POSIX, and nobody notices; where those fail
 * as well, what must hold is what test_fault_engine.c says. Reads go through rings when many are
 * wanted at once, and tables are written through them.
 *
 * TEST_ROUNDS=0 lets each request fail, other numbers so many of each kind and scenario; TEST_SEED
 * chooses which, and the order in which requests are done; TEST_SCENARIO names a scenario,
 * TEST_FAILURE a row of the table below, from 0.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/engine_scenarios.h"
#include "lib/rng.h"

enum {
    TRIES_PER_KIND = 1, /* unless TEST_ROUNDS says otherwise */
    CODE_COUNT = 4,
};

struct failure {
    unsigned kinds;
    int codes[CODE_COUNT];
    enum call_scope scope;
};

static const struct failure of_rings[] = {
    {CALL_RING_SETUP, {ENOMEM, EMFILE, EINVAL, EPERM}, CALL_ONCE},
    {CALL_RING_SETUP, {ENOMEM, ENOSYS, EINVAL, EPERM}, CALL_FOREVER},
    {CALL_RING_ENTER, {EPERM, EAGAIN, EBUSY, EINTR}, CALL_ONCE},
    {CALL_RING_ENTER, {EPERM, EAGAIN, EBUSY, ENOMEM}, CALL_FOREVER},
    {CALL_RING_ENTER, {EPERM, EAGAIN, EBUSY, EINTR}, CALL_SHORT},
    {CALL_RING_ENTER, {EPERM, EAGAIN, EBUSY, ENOMEM}, CALL_SHORT_FOREVER},
    {CALL_RING_READ, {EIO, EINTR, EAGAIN, ECANCELED}, CALL_ONCE},
    {CALL_RING_READ, {EIO, EINTR, EAGAIN, ECANCELED}, CALL_SHORT},
    {CALL_RING_READ, {EIO, EINTR, EAGAIN, ENOMEM}, CALL_FOREVER},
    {CALL_RING_WRITE, {EIO, ENOSPC, EINTR, EAGAIN}, CALL_ONCE},
    {CALL_RING_WRITE, {EIO, ENOSPC, EDQUOT, EAGAIN}, CALL_SHORT},
    {CALL_RING_WRITE, {EIO, ENOSPC, EDQUOT, ECANCELED}, CALL_FOREVER},
    {CALL_RING_START, {EIO, ENOSPC, EDQUOT, EINTR}, CALL_ONCE},
    {CALL_RING_START, {EIO, ENOSPC, EDQUOT, ENOMEM}, CALL_FOREVER},
};

static const struct failure of_the_disk[] = {
    {CALL_RING_READ | CALL_READ, {EIO, EIO, ENOMEM, EIO}, CALL_FOREVER},
    {CALL_RING_READ | CALL_READ, {EIO, EIO, EIO, EIO}, CALL_SHORT_FOREVER},
    {CALL_RING_WRITE | CALL_WRITE, {EIO, ENOSPC, EDQUOT, EROFS}, CALL_FOREVER},
    {CALL_RING_WRITE | CALL_WRITE, {EIO, ENOSPC, EDQUOT, EROFS}, CALL_SHORT_FOREVER},
    {CALL_RING_START | CALL_SYNC, {EIO, ENOSPC, EDQUOT, EIO}, CALL_FOREVER},
    {CALL_RING_ENTER | CALL_WRITE | CALL_READ, {EIO, EIO, EIO, EIO}, CALL_FOREVER},
};

/* A repair takes what cannot be read for lost: while the disk gives nothing, all is. */
static bool is_apt(const struct scenario *s, const struct failure *f, bool cut_power)
{
    if (f->kinds & CALL_READ && strcmp(s->name, "repair") == 0)
        return false;
    return scenario_is_wanted(s) && !(cut_power && s->by_path);
}

static unsigned try_failure(const struct failure *f, bool cut_power, bool must_not_show,
                            uint64_t *seed)
{
    unsigned failed = 0, tries = scenario_tries_wanted(TRIES_PER_KIND);
    uint64_t chosen = *seed;

    for (unsigned i = 0; i < scenario_count; i++) {
        if (!is_apt(&scenarios[i], f, cut_power))
            continue;
        for (unsigned k = 0; k < CODE_COUNT; k++) {
            const struct trial t = {.cut_power = cut_power,
                                    .io_uring = true,
                                    .must_not_show = must_not_show,
                                    .kinds = f->kinds,
                                    .code = f->codes[k],
                                    .scope = f->scope};

            /* One of the errors, or all. */
            if (tries == SCENARIO_TRIES_ALL || (chosen + i) % CODE_COUNT == k)
                failed += scenario_try(&scenarios[i], &t, tries, seed);
        }
    }
    return failed;
}

static void try_all(const char *what, const struct failure *failures, size_t count,
                    bool must_not_show)
{
    uint64_t seed = rng_seed(9), at = seed;
    const char *only = getenv("TEST_FAILURE"), *scenario = getenv("TEST_SCENARIO");
    const bool all = scenario_tries_wanted(TRIES_PER_KIND) == SCENARIO_TRIES_ALL;
    unsigned total = 0;

    call_ring_seed(seed);
    for (size_t i = 0; i < count; i++) {
        unsigned failed, and_cut;

        if (only && strtoul(only, NULL, 0) != i)
            continue;
        failed = try_failure(&failures[i], false, must_not_show, &at);
        and_cut = try_failure(&failures[i], true, must_not_show, &at);
        printf("%s %zu: %u have failed, and %u before a power cut; TEST_SEED=%llu\n", what, i,
               failed, and_cut, (unsigned long long)seed);
        /* A sample may miss those of a kind that only few scenarios have. */
        assert_true(failed + and_cut > 0 || !all || scenario);
        total += failed + and_cut;
    }
    assert_true(total > 0 || only || scenario);
}

static void the_trouble_of_a_ring_does_not_show(void **state)
{
    (void)state;
    try_all("ring", of_rings, sizeof(of_rings) / sizeof(of_rings[0]), true);
}

static void the_trouble_of_the_disk_is_told_with_rings_too(void **state)
{
    (void)state;
    try_all("disk", of_the_disk, sizeof(of_the_disk) / sizeof(of_the_disk[0]), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trouble_of_a_ring_does_not_show),
        cmocka_unit_test(the_trouble_of_the_disk_is_told_with_rings_too),
    };

    return cmocka_run_group_tests(tests, scenario_pattern_make, scenario_pattern_remove);
}
