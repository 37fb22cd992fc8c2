/*
 * kvbench: the same work on our engine, RocksDB and LevelDB. See --help and tests/bench/README.md.
 *
 * Within a round the engines take turns workload by workload, so that what the machine does beside
 * strikes them alike; the order of turns moves on with each round. A workload's stores are made by
 * other workloads, which are run for it if they were not asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/engine.h"
#include "bench/kvbench/fail.h"
#include "bench/kvbench/plot.h"
#include "bench/kvbench/report.h"
#include "bench/kvbench/run.h"
#include "bench/kvbench/store_dir.h"
#include "bench/kvbench/workload.h"

/* The stores of one engine in one round, by the workloads that have run. */
struct progress {
    bool done[WORKLOAD_COUNT_MAX], failed[WORKLOAD_COUNT_MAX];
};

static size_t index_of(const struct workload *w)
{
    size_t i = 0;

    while (workload_at(i) != w)
        i++;
    return i;
}

static void say_result(const struct result *r)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "round %u  %-8s %-15s %6zu B %12.0f ops/s\n", r->round + 1, r->engine,
                r->workload, r->value_len, r->metrics[METRIC_OPS_PER_S]);
}

/* What was done to the store of a run that failed has to be done again. */
static void forget_store(struct progress *p, const struct workload *failed)
{
    p->failed[index_of(failed)] = true;
    for (size_t i = 0; workload_at(i); i++) {
        if (!strcmp(workload_at(i)->store, failed->store))
            p->done[i] = false;
    }
}

static bool run_one(const struct config *c, struct child_task task, struct progress *p,
                    struct results *rs)
{
    struct child_task needed = task;
    struct result result;

    if (p->done[index_of(task.workload)])
        return true;
    if (task.workload->needs) {
        needed.workload = workload_find(task.workload->needs);
        if (!run_one(c, needed, p, NULL))
            return false;
    }
    if (p->failed[index_of(task.workload)])
        return false;
    if (!run_task(c, &task, &result)) {
        forget_store(p, task.workload);
        return false;
    }
    /* What one run left dirty must not be written during the next. */
    store_dir_sync(task.dir);
    p->done[index_of(task.workload)] = true;
    say_result(&result);
    if (rs)
        results_add(rs, &result);
    return true;
}

static void remove_stores(const struct config *c, const char *dir)
{
    char path[4200];

    for (size_t e = 0; e < c->engine_count; e++) {
        for (size_t i = 0; workload_at(i); i++) {
            snprintf(path, sizeof(path), "%s/%s-%s", dir, c->engines[e]->name,
                     workload_at(i)->store);
            store_dir_remove(path);
        }
    }
}

/* Every workload on every engine, once. */
static bool run_round(const struct config *c, const char *dir, size_t value_len, unsigned round,
                      struct results *rs)
{
    struct progress progress[ENGINE_COUNT_MAX] = {{{false}, {false}}};
    bool ok = true;

    remove_stores(c, dir);
    for (size_t i = 0; i < c->workload_count; i++) {
        if (value_len < c->workloads[i]->value_len_min)
            continue;
        for (size_t k = 0; k < c->engine_count && !run_was_stopped(); k++) {
            size_t e = (k + round) % c->engine_count;

            ok &= run_one(c,
                          (struct child_task){.engine = c->engines[e],
                                              .workload = c->workloads[i],
                                              .value_len = value_len,
                                              .round = round,
                                              .dir = dir},
                          &progress[e], rs);
        }
    }
    return ok && !run_was_stopped();
}

static bool run_all(const struct config *c, const char *dir, struct results *rs)
{
    bool ok = true;

    for (unsigned round = 0; round < c->rounds; round++) {
        for (size_t v = 0; v < c->value_len_count && !run_was_stopped(); v++)
            ok &= run_round(c, dir, c->value_lens[v], round, rs);
    }
    return ok && !run_was_stopped();
}

static bool report(const struct config *c, const struct results *rs)
{
    bool ok = true;

    report_tables(c, rs);
    if (c->json_path)
        ok &= report_json(c, rs, c->json_path);
    if (c->plot_path)
        ok &= plot_ratios(c, rs, c->plot_path);
    return ok;
}

int main(int argc, char **argv)
{
    struct results results = {NULL, 0, 0};
    struct config config;
    char dir[4096];
    int status = config_parse(&config, argc, argv);
    bool ok;

    if (status >= 0)
        return status;
    if (config.child.engine)
        return run_child(&config);
    snprintf(dir, sizeof(dir), "%s/kvbench.XXXXXX", config.dir);
    if (!mkdtemp(dir))
        bench_fail("%s: %s", dir, strerror(errno));
    run_catch_signals();
    report_settings(&config);
    ok = run_all(&config, dir, &results);
    if (config.keep)
        printf("The stores of the last round are in %s\n", dir);
    else
        store_dir_remove(dir);
    if (!run_was_stopped())
        ok &= report(&config, &results);
    results_done(&results);
    return ok && !fflush(stdout) ? 0 : 1;
}
