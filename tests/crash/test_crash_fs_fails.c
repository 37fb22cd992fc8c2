/*
 * A call below the file system fails, the program goes on, and then power is lost: what a sync that
 * succeeded had covered is there, the checker finds nothing, and the tree is one that was there.
 * Only what met the failure that made the store read-only may be there or not.
 *
 * A sequence is an operation, followed or not by a sync, others behind it, and the same end for
 * all: syncs, a flush, a compaction, and more operations. Without a failure it tells how many calls
 * it makes; then the nth fails, in one of several ways.
 *
 * TEST_ROUNDS=0 lets each call fail in each sequence that begins with one operation, in each way;
 * TEST_PART=I/N takes each Nth of these, from the Ith on. Otherwise TEST_ROUNDS is how many are
 * chosen by chance, with random operations before. TEST_SCENARIO names one as a failure prints it.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crash/tree_steps.h"
#include "lib/scratch.h"

enum {
    ROUNDS = 20,
    LENGTH_MAX = 3, /* before the end that is the same for all */
    KINDS = ENV_FAULT_CHANGES | ENV_FAULT_RESERVE,
};

static const struct way {
    const char *name;
    enum env_fault_way way;
    int code;
    bool forever;
} ways[] = {
    {"before", ENV_FAULT_BEFORE, EIO, false},
    {"half", ENV_FAULT_HALF, EIO, false},
    {"late", ENV_FAULT_LATE, EIO, false},
    {"full", ENV_FAULT_BEFORE, ENOSPC, false},
    {"half-full", ENV_FAULT_HALF, ENOSPC, false},
    {"from-then", ENV_FAULT_BEFORE, EIO, true},
    {"full-from-then", ENV_FAULT_HALF, ENOSPC, true},
};

enum {
    WAY_COUNT = sizeof(ways) / sizeof(ways[0])
};

struct sequence {
    size_t steps[LENGTH_MAX + 8];
    size_t count;
    char name[400];
};

static uint64_t failed_count, sticky_count, doubt_count;

/* --- Time: the same for the same step --- */

static _Atomic time_t now_s;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (clock != CLOCK_REALTIME)
        return __real_clock_gettime(clock, ret);
    *ret = (struct timespec){1700000000 + now_s, 5};
    return 0;
}

/* --- Sequences --- */

static size_t step_of(const char *op, bool sync)
{
    for (size_t i = 0; i < tree_op_count; i++)
        if (strcmp(tree_ops[i].name, op) == 0)
            return 2 * i + sync;
    fail_msg("no operation %s", op);
    return 0;
}

static void add(struct sequence *s, size_t step)
{
    s->steps[s->count++] = step;
    tree_step_append(s->name, sizeof(s->name), step);
}

static void add_end(struct sequence *s)
{
    add(s, step_of("create_in_e", true));
    add(s, TREE_STEP_FLUSH);
    add(s, step_of("patch", true));
    add(s, step_of("rename_over_b", false));
    add(s, TREE_STEP_COMPACT);
    add(s, step_of("write_long", true));
    add(s, step_of("mkdir", false));
}

/* What comes before the failure is cut by test_crash_fs. */
static void run_steps(struct tree *t, const struct sequence *s)
{
    now_s = 0;
    for (size_t i = 0; i < s->count; i++) {
        now_s++;
        if (!env_fault_happened(t->fault))
            t->first_point = env_record_point(t->disk);
        tree_step_run(t, s->steps[i]);
    }
}

/* Without a failure; *ret_calls: what could fail. */
static struct tree *run_twin(const struct sequence *s, uint64_t *ret_calls)
{
    struct tree *t;
    uint64_t before;

    now_s = 0;
    t = tree_new_failing(tree_base, s->name, NULL);
    before = env_fault_calls(t->fault, KINDS);
    run_steps(t, s);
    *ret_calls = env_fault_calls(t->fault, KINDS) - before;
    env_record_kill(t->disk);
    (void)fs_close(t->fs);
    return t;
}

static void run_failing(const struct sequence *s, const struct tree *twin, uint64_t nth,
                        const struct way *way)
{
    char name[512];
    struct tree *t;

    snprintf(name, sizeof(name), "%s:%llu,%s", s->name, (unsigned long long)nth, way->name);
    if (crash_skipped(name))
        return;
    now_s = 0;
    t = tree_new_failing(tree_base, name, twin);
    env_fault_fail_way(t->fault, way->way);
    env_fault_fail(t->fault, KINDS, nth, way->code, way->forever);
    run_steps(t, s);
    failed_count += env_fault_happened(t->fault);
    sticky_count += t->sticky;
    doubt_count += t->in_doubt;
    tree_sweep(t, crash_exhaustive() ? 1 : 8);
    tree_free(t);
}

static unsigned rounds(void)
{
    const char *s = getenv("TEST_ROUNDS");

    return s && *s ? (unsigned)strtoul(s, NULL, 0) : ROUNDS;
}

/* Each call of each sequence that begins with one operation, in each way. */
static void run_all(void)
{
    const struct tree_part part = tree_part_asked();
    size_t number = 0;

    for (size_t step = 0; step < tree_step_count(); step++) {
        struct sequence s = {0};
        struct tree *twin;
        uint64_t calls;

        add(&s, step);
        add_end(&s);
        twin = run_twin(&s, &calls);
        for (uint64_t n = 1; n <= calls; n++)
            for (size_t w = 0; w < WAY_COUNT; w++)
                if (number++ % part.by == part.first)
                    run_failing(&s, twin, n, &ways[w]);
        tree_free(twin);
    }
}

static void run_some(struct rng *rng)
{
    struct sequence s = {0};
    struct tree *twin;
    uint64_t calls;

    for (uint64_t left = 1 + rng_below(rng, LENGTH_MAX); left; left--) {
        const uint64_t what = rng_below(rng, 12);

        add(&s, what == 0   ? TREE_STEP_FLUSH
                : what == 1 ? TREE_STEP_COMPACT
                            : (size_t)rng_below(rng, tree_step_count()));
    }
    add_end(&s);
    twin = run_twin(&s, &calls);
    run_failing(&s, twin, 1 + rng_below(rng, calls), &ways[rng_below(rng, WAY_COUNT)]);
    tree_free(twin);
}

/* "OP!,flush,OP:N,WAY" */
static void run_named(const char *scenario)
{
    char steps[400], way_name[40];
    unsigned long long nth;
    struct sequence s = {0};
    struct tree *twin;
    uint64_t calls;

    assert_int_equal(sscanf(scenario, "%399[^:]:%llu,%39s", steps, &nth, way_name), 3);
    for (char *rest, *op = strtok_r(steps, ",", &rest); op; op = strtok_r(NULL, ",", &rest)) {
        const size_t len = strlen(op);
        const bool sync = op[len - 1] == '!';

        if (sync)
            op[len - 1] = 0;
        assert_true(s.count < sizeof(s.steps) / sizeof(s.steps[0]));
        add(&s, strcmp(op, "flush") == 0     ? TREE_STEP_FLUSH
                : strcmp(op, "compact") == 0 ? TREE_STEP_COMPACT
                                             : step_of(op, sync));
    }
    twin = run_twin(&s, &calls);
    for (size_t w = 0; w < WAY_COUNT; w++)
        if (strcmp(way_name, ways[w].name) == 0)
            run_failing(&s, twin, nth, &ways[w]);
    tree_free(twin);
}

static void a_failure_and_then_a_loss_of_power(void **state)
{
    const char *scenario = getenv("TEST_SCENARIO");
    struct rng rng = {crash_seed()};

    (void)state;
    if (scenario && *scenario)
        run_named(scenario);
    else if (rounds() == 0)
        run_all();
    for (unsigned i = 0; i < rounds() && !(scenario && *scenario); i++)
        run_some(&rng);
    assert_true(failed_count > 0);
}

static int report(void **state)
{
    print_message(
        "failures: %llu; %llu made the store read-only, %llu left an operation in doubt\n",
        (unsigned long long)failed_count, (unsigned long long)sticky_count,
        (unsigned long long)doubt_count);
    return tree_steps_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_and_then_a_loss_of_power),
    };

    scratch_in_memory();
    return cmocka_run_group_tests(tests, tree_steps_begin, report);
}
