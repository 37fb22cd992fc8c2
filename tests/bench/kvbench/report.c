/* Tables of medians: first what was done in a second and the ratios, then what it took. */
#include "bench/kvbench/report.h"

#include <stdio.h>
#include <string.h>

#include "bench/kvbench/engine.h"
#include "bench/kvbench/workload.h"
#include "lsm/lsm.h"

enum {
    NAME_WIDTH = 15,
    FIGURE_WIDTH = 11,
};

bool report_ratio(const struct config *c, const struct results *rs, const char *workload,
                  size_t value_len, enum metric m, double *ret)
{
    bool more_is_better = m == METRIC_OPS_PER_S, any = false;
    double ours, best = 0, peer;

    if (!results_median(rs, engine_lsm.name, workload, value_len, m, &ours))
        return false;
    for (size_t i = 0; i < c->engine_count; i++) {
        if (c->engines[i] == &engine_lsm ||
            !results_median(rs, c->engines[i]->name, workload, value_len, m, &peer))
            continue;
        if (!any || (peer > best) == more_is_better)
            best = peer;
        any = true;
    }
    if (!any || best <= 0)
        return false;
    *ret = ours / best;
    return true;
}

bool report_build_is_fast(void)
{
#if defined(FLUXFS_DCHECK) || !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) ||           \
    defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

/* "12345678", "1234", "12.3" in `width` columns, or a dash. */
static void put_figure(bool there, double x)
{
    if (!there)
        printf(" %*s", FIGURE_WIDTH, "-");
    else
        printf(" %*.*f", FIGURE_WIDTH, x < 10 ? 2 : x < 1000 ? 1 : 0, x);
}

static void put_row_of(const struct config *c, const struct results *rs, const char *workload,
                       size_t value_len, enum metric m, double unit)
{
    for (size_t i = 0; i < c->engine_count; i++) {
        double x = 0;
        bool there = results_median(rs, c->engines[i]->name, workload, value_len, m, &x);

        put_figure(there, x / unit);
    }
}

static void put_goal(double ratio, double goal, bool at_most)
{
    char text[32];

    if (goal <= 0) {
        printf("\n");
        return;
    }
    snprintf(text, sizeof(text), "%s %.1f", at_most ? "<=" : ">=", goal);
    printf("  %-8s %s\n", text, (at_most ? ratio <= goal : ratio >= goal) ? "met" : "MISSED");
}

static void put_ratio(const struct config *c, const struct results *rs, const char *workload,
                      size_t value_len, enum metric m, double goal)
{
    double ratio;

    if (!report_ratio(c, rs, workload, value_len, m, &ratio)) {
        printf(" %8s\n", "-");
        return;
    }
    printf(" %8.2f", ratio);
    put_goal(ratio, goal, m != METRIC_OPS_PER_S);
}

static void put_head(const struct config *c, const char *title, const char *last)
{
    printf("\n%s\n%-*s", title, NAME_WIDTH, "");
    for (size_t i = 0; i < c->engine_count; i++)
        printf(" %*s", FIGURE_WIDTH, c->engines[i]->name);
    printf("%s\n", last);
}

static bool is_for(const struct workload *w, size_t value_len)
{
    return value_len >= w->value_len_min;
}

static void put_speed(const struct config *c, const struct results *rs, size_t value_len)
{
    put_head(c, "operations per second", "    ratio  goal");
    for (size_t i = 0; i < c->workload_count; i++) {
        const char *name = c->workloads[i]->name;

        if (!is_for(c->workloads[i], value_len))
            continue;
        printf("%-*s", NAME_WIDTH, name);
        put_row_of(c, rs, name, value_len, METRIC_OPS_PER_S, 1);
        put_ratio(c, rs, name, value_len, METRIC_OPS_PER_S, goal_of(name, value_len));
    }
}

/* A table of one figure and its ratio, with a goal if it is above 0. */
static void put_metric(const struct config *c, const struct results *rs, size_t value_len,
                       const char *title, enum metric m, double unit, double goal,
                       unsigned wanted_flags)
{
    put_head(c, title, goal > 0 ? "    ratio  goal" : "    ratio");
    for (size_t i = 0; i < c->workload_count; i++) {
        const struct workload *w = c->workloads[i];

        if (!is_for(w, value_len) || (w->flags & wanted_flags) != wanted_flags)
            continue;
        printf("%-*s", NAME_WIDTH, w->name);
        put_row_of(c, rs, w->name, value_len, m, unit);
        put_ratio(c, rs, w->name, value_len, m, goal);
    }
}

/* p50 p99 p99.9 max, an engine a line. */
static void put_latency(const struct config *c, const struct results *rs, size_t value_len)
{
    static const enum metric columns[] = {METRIC_P50_US, METRIC_P99_US, METRIC_P999_US,
                                          METRIC_MAX_US};

    printf("\nmicroseconds of an operation\n%-*s%-9s %*s %*s %*s %*s\n", NAME_WIDTH, "", "",
           FIGURE_WIDTH, "p50", FIGURE_WIDTH, "p99", FIGURE_WIDTH, "p99.9", FIGURE_WIDTH, "max");
    for (size_t i = 0; i < c->workload_count; i++) {
        const char *name = c->workloads[i]->name;

        for (size_t e = 0; is_for(c->workloads[i], value_len) && e < c->engine_count; e++) {
            printf("%-*s%-9s", NAME_WIDTH, e ? "" : name, c->engines[e]->name);
            for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
                double x = 0;
                bool there =
                    results_median(rs, c->engines[e]->name, name, value_len, columns[k], &x);

                put_figure(there, x);
            }
            printf("\n");
        }
    }
}

void report_settings(const struct config *c)
{
    for (size_t i = 0; i < c->engine_count; i++)
        printf("%-9s %s: %s\n", c->engines[i]->name, c->engines[i]->version(),
               c->engines[i]->settings);
    for (size_t i = 0; i < c->lsm_setting_count; i++)
        printf("%-9s --lsm-set %s=%llu\n", engine_lsm.name,
               lsm_setting_name(c->lsm_settings[i].field),
               (unsigned long long)c->lsm_settings[i].value);
    if (!report_build_is_fast())
        printf("THIS BUILD IS SLOW: costly assertions, a sanitizer, or no optimization.\n");
    printf("Ratio: ours by the better of the others.\n");
}

void report_tables(const struct config *c, const struct results *rs)
{
    const double mib = 1 << 20;

    for (size_t i = 0; i < c->value_len_count; i++) {
        size_t len = c->value_lens[i];

        printf("\n== %llu keys of %d bytes, values of %zu bytes; medians of %u round%s\n",
               (unsigned long long)config_count(c, len), KEY_LEN, len, c->rounds,
               c->rounds == 1 ? "" : "s");
        put_speed(c, rs, len);
        put_metric(c, rs, len, "bytes written per byte of the user's, settled",
                   METRIC_WRITTEN_PER_USER, 1, GOAL_WRITTEN_MAX, WORKLOAD_WRITES);
        put_metric(c, rs, len, "peak memory, MiB", METRIC_PEAK_MEMORY_LEN, mib, GOAL_MEMORY_MAX, 0);
        put_metric(c, rs, len, "processor microseconds of an operation, settled",
                   METRIC_CPU_US_PER_OP, 1, 0, 0);
        put_metric(c, rs, len, "seconds until settled", METRIC_SETTLE_S, 1, 0, WORKLOAD_WRITES);
        put_metric(c, rs, len, "space, MiB", METRIC_SPACE_LEN, mib, 0, WORKLOAD_WRITES);
        put_latency(c, rs, len);
    }
}
