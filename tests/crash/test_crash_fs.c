/*
 * Loss of power in the file system, in the manner of bounded black-box crash testing (Mohan et al.,
 * OSDI 2018): all short sequences of operations over a few files and directories, each followed or
 * not by a sync, and long ones by chance. After each possible loss the checker finds nothing, and
 * the tree is one that was there between the last sync and the loss.
 *
 * A sequence is named by its operations, each with "!" when a sync follows: TEST_SCENARIO=
 * "rename!,create" runs one. All of length 1 are run, and a sample of those of 2 and 3;
 * TEST_LENGTH=2 or 3 asks for all of that length, TEST_PART=I/N for each Nth of them, from the Ith
 * on. That, and not TEST_EXHAUSTIVE, which says how many disks are made, is what a long run begins
 * with.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "crash/tree_steps.h"
#include "lib/scratch.h"

enum {
    LENGTH_MAX = 3,
    SAMPLES = 60, /* of the sequences of length 2 */
    LONG_COUNT = 6,
    LONG_LENGTH = 40,
};

static void run_sequence(const size_t *steps, size_t count)
{
    char name[256] = "";
    struct tree *t;

    for (size_t i = 0; i < count; i++)
        tree_step_append(name, sizeof(name), steps[i]);
    if (crash_skipped(name))
        return;
    t = tree_new(tree_base, name);
    for (size_t i = 0; i < count; i++)
        tree_step_run(t, steps[i]);
    tree_sweep(t, 1);
    tree_free(t);
}

static size_t sequence_count(size_t length)
{
    size_t n = 1;

    while (length--)
        n *= tree_step_count();
    return n;
}

static void run_number(size_t number, size_t length)
{
    size_t steps[LENGTH_MAX];

    for (size_t i = 0; i < length; i++, number /= tree_step_count())
        steps[i] = number % tree_step_count();
    run_sequence(steps, length);
}

static void run_all(size_t length)
{
    const struct tree_part part = tree_part_asked();

    for (size_t i = part.first; i < sequence_count(length); i += part.by)
        run_number(i, length);
}

/* Whether all sequences of this length are asked for, or one, which may be of it. */
static bool wants_all(const char *length)
{
    const char *scenario = getenv("TEST_SCENARIO"), *wanted = getenv("TEST_LENGTH");

    return (scenario && *scenario) || (wanted && strcmp(wanted, length) == 0);
}

static void sequences_of_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sequence_count(1); i++)
        run_number(i, 1);
}

static void sequences_of_two(void **state)
{
    struct rng rng = {crash_seed()};

    (void)state;
    if (wants_all("2")) {
        run_all(2);
        return;
    }
    for (unsigned i = 0; i < SAMPLES; i++)
        run_number((size_t)rng_below(&rng, sequence_count(2)), 2);
}

static void sequences_of_three(void **state)
{
    struct rng rng = {crash_seed() + 1};

    (void)state;
    if (wants_all("3")) {
        run_all(3);
        return;
    }
    for (unsigned i = 0; i < SAMPLES / 2; i++)
        run_number((size_t)rng_below(&rng, sequence_count(3)), 3);
}

/* With flushes and compactions between them. */
static void run_long(uint64_t seed)
{
    struct rng rng = {seed};
    char name[64];
    struct tree *t;

    snprintf(name, sizeof(name), "long-%llu", (unsigned long long)seed);
    if (crash_skipped(name))
        return;
    t = tree_new(tree_base, name);
    t->rng.state = seed;
    for (unsigned i = 0; i < LONG_LENGTH; i++) {
        uint64_t what = rng_below(&rng, 40);

        tree_step_run(t, 2 * (size_t)rng_below(&rng, tree_op_count) + (rng_below(&rng, 8) == 0));
        if (what == 0)
            tree_flush(t);
        if (what == 1)
            tree_compact(t);
    }
    tree_sweep(t, crash_exhaustive() ? 1 : 4);
    tree_free(t);
}

static void long_sequences(void **state)
{
    unsigned count = crash_exhaustive() ? 20 * LONG_COUNT : LONG_COUNT;

    (void)state;
    for (unsigned i = 0; i < count; i++)
        run_long(crash_seed() + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_of_one),
        cmocka_unit_test(sequences_of_two),
        cmocka_unit_test(sequences_of_three),
        cmocka_unit_test(long_sequences),
    };

    scratch_in_memory();
    return cmocka_run_group_tests(tests, tree_steps_begin, tree_steps_end);
}
