/*
 * The sweep. Failures end it: cmocka leaves the test by a long jump, and the process ends soon.
 */
#include "crash/crash_sweep.h"

#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "crash/crash_memo.h"
#include "lib/rng.h"

static const struct loss_mode {
    const char *name;
    unsigned piece_len;
    bool garble;
} modes[] = {
    {"512", 512, false}, {"4096", 4096, false}, {"512g", 512, true}, {"4096g", 4096, true}};

enum {
    MODE_COUNT = sizeof(modes) / sizeof(modes[0])
};

static struct {
    uint64_t scenarios, ops;
    struct loss_count outer, nested;
    uint64_t distinct, recoveries;
} totals;

struct sweep_run {
    const struct crash_sweep *s;
    struct crash_memo *memo;
    const struct loss_mode *mode;
    uint64_t nested_of; /* one in so many */
    size_t point;
    uint64_t disk; /* the number of the one whose recovery is swept */
    /* Of a recovery that is swept: */
    bool in_recovery;
    size_t recovery_point, marked;
    struct crash_outcome before;
};

static uint64_t number_from(const char *name, uint64_t fallback)
{
    const char *s = getenv(name);

    return s && *s ? strtoull(s, NULL, 0) : fallback;
}

bool crash_exhaustive(void)
{
    return number_from("TEST_EXHAUSTIVE", 0) != 0;
}

uint64_t crash_seed(void)
{
    return rng_seed(1);
}

bool crash_skipped(const char *scenario)
{
    const char *only = getenv("TEST_SCENARIO");

    return only && *only && strcmp(only, scenario) != 0;
}

static struct loss_plan plan_of(const struct sweep_run *run)
{
    bool all = crash_exhaustive();
    unsigned share = run->s->share ? run->s->share : 1;
    struct loss_plan plan = {.piece_len = run->mode->piece_len,
                             .garble = run->mode->garble,
                             .exhaustive_max = all ? 4096 / share : 16,
                             .chosen_max = (all ? 4096 : 12) / share + 2,
                             .samples = (all ? 64 : 4) / share + 1,
                             .seed = crash_seed()};

    if (run->in_recovery) {
        plan.exhaustive_max = all ? 64 : 8;
        plan.chosen_max = all ? 32 : 4;
        plan.samples = all ? 8 : 1;
    }
    return plan;
}

static void fail_disk(const struct sweep_run *run, const struct disk_image *disk, uint64_t number,
                      const struct crash_outcome *o, const char *what)
{
    const char *keep = getenv("TEST_KEEP");
    char nested[80] = "";

    if (keep && *keep) {
        (void)mkdir(keep, 0700);
        disk_image_save(disk, keep);
    }
    if (run->in_recovery)
        snprintf(nested, sizeof(nested), ", its recovery cut at point %zu, disk %s:%llu",
                 run->recovery_point, run->mode->name, (unsigned long long)number);
    fail_msg("%s, point %zu of %zu, disk %s:%llu%s: %s%s%s\nagain: %sTEST_SEED=%llu "
             "TEST_SCENARIO=%s TEST_POINT=%zu TEST_DISK=%s:%llu",
             run->s->scenario, run->point, run->s->record->count, run->mode->name,
             (unsigned long long)(run->in_recovery ? run->disk : number), nested, what,
             *o->text ? ": " : "", o->text, crash_exhaustive() ? "TEST_EXHAUSTIVE=1 " : "",
             (unsigned long long)crash_seed(), run->s->scenario, run->point, run->mode->name,
             (unsigned long long)(run->in_recovery ? run->disk : number));
}

static const struct crash_outcome *outcome_of(struct sweep_run *run, const struct disk_image *disk,
                                              uint64_t hash, bool *ret_new)
{
    struct crash_outcome *o = crash_memo_get(run->memo, hash, ret_new);
    struct env_record *r;

    if (!*ret_new)
        return o;
    r = env_record_new(disk, run->s->env_flags);
    run->s->subject->recover(run->s->subject->arg, r, o);
    env_record_free(r);
    totals.recoveries++;
    return o;
}

/* A recovery that is cut must come to the same as one that is not. */
static const char *judge_again(const struct sweep_run *run, const struct crash_outcome *o)
{
    if (o->err)
        return "does not open after a loss of power during recovery";
    if (o->digest != run->before.digest)
        return "holds something else after a loss of power during recovery";
    for (unsigned i = 0; i < CRASH_EXTRA_MAX; i++)
        if (o->extra[i] < run->before.extra[i] ||
            (o->extra[i] > run->before.extra[i] && !run->s->subject->extra_may_grow))
            return "shows something else after a loss of power during recovery";
    if (run->recovery_point >= run->marked && !o->mark)
        return "lost what was synced after recovery";
    return NULL;
}

static int try_again(void *arg, const struct disk_image *disk, uint64_t number)
{
    struct sweep_run *run = arg;
    bool is_new;
    const struct crash_outcome *o = outcome_of(run, disk, disk_image_hash(disk), &is_new);
    const char *wrong = judge_again(run, o);

    if (wrong)
        fail_disk(run, disk, number, o, wrong);
    return 0;
}

/* Sweep the recovery of a disk. */
static void sweep_recovery(struct sweep_run *run, const struct disk_image *disk, uint64_t number,
                           const struct crash_outcome *found)
{
    struct env_record *r = env_record_new(disk, run->s->env_flags);
    struct loss_plan plan;
    struct power_loss *p;
    const struct record *record;

    run->before = *found;
    if (run->s->subject->again(run->s->subject->arg, r, &run->marked))
        fail_disk(run, disk, number, found, "cannot be written to after recovery");
    run->in_recovery = true;
    run->disk = number;
    plan = plan_of(run);
    record = env_record_get(r);
    p = power_loss_new(record);
    while (power_loss_point(p) < record->count) {
        power_loss_step(p);
        run->recovery_point = power_loss_point(p);
        power_loss_each(p, &plan, try_again, run, &totals.nested);
    }
    power_loss_free(p);
    env_record_free(r);
    run->in_recovery = false;
}

/* Whether TEST_DISK names another one; *ret_named: it names this one. */
static bool is_other_disk(const struct sweep_run *run, uint64_t number, bool *ret_named)
{
    const char *only = getenv("TEST_DISK");
    char name[64];

    *ret_named = false;
    if (!only || !*only)
        return false;
    snprintf(name, sizeof(name), "%s:%llu", run->mode->name, (unsigned long long)number);
    *ret_named = strcmp(only, name) == 0;
    return !*ret_named;
}

static int try_disk(void *arg, const struct disk_image *disk, uint64_t number)
{
    struct sweep_run *run = arg;
    const struct crash_outcome *o;
    struct crash_outcome found;
    const char *wrong;
    bool is_new, named;

    if (is_other_disk(run, number, &named))
        return 0;
    o = outcome_of(run, disk, disk_image_hash(disk), &is_new);
    wrong =
        o->err ? "does not recover" : run->s->subject->judge(run->s->subject->arg, run->point, o);
    if (wrong)
        fail_disk(run, disk, number, o, wrong);
    found = *o;
    if (run->s->subject->again &&
        (named || (is_new && run->nested_of && totals.recoveries % run->nested_of == 0)))
        sweep_recovery(run, disk, number, &found);
    return 0;
}

static void sweep_point(struct sweep_run *run, const struct power_loss *p)
{
    for (unsigned i = 0; i < MODE_COUNT; i++) {
        struct loss_plan plan;

        run->mode = &modes[i];
        plan = plan_of(run);
        power_loss_each(p, &plan, try_disk, run, &totals.outer);
    }
}

void crash_sweep_run(const struct crash_sweep *s)
{
    struct sweep_run run = {.s = s, .memo = crash_memo_new()};
    struct power_loss *p = power_loss_new(s->record);
    uint64_t only = number_from("TEST_POINT", UINT64_MAX);

    run.nested_of = number_from("TEST_NESTED", crash_exhaustive() ? 16 : 80);
    for (;;) {
        run.point = power_loss_point(p);
        if (run.point >= s->first_point && (only == UINT64_MAX || only == run.point))
            sweep_point(&run, p);
        if (run.point == s->record->count)
            break;
        power_loss_step(p);
    }
    totals.scenarios++;
    totals.ops += s->record->count;
    totals.distinct += crash_memo_count(run.memo);
    power_loss_free(p);
    crash_memo_free(run.memo);
}

int crash_sweep_report(void **state)
{
    (void)state;
    print_message("crash: %llu records of %llu operations; %llu times a point and a kind of piece, "
                  "%llu of them with all combinations, %llu disks; in recoveries %llu, %llu, %llu; "
                  "%llu distinct disks were recovered\n",
                  (unsigned long long)totals.scenarios, (unsigned long long)totals.ops,
                  (unsigned long long)totals.outer.points,
                  (unsigned long long)totals.outer.all_points,
                  (unsigned long long)totals.outer.disks, (unsigned long long)totals.nested.points,
                  (unsigned long long)totals.nested.all_points,
                  (unsigned long long)totals.nested.disks, (unsigned long long)totals.recoveries);
    return 0;
}
