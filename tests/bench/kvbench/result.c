/* Results: their names in JSON, and medians. */
#include "bench/kvbench/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kvbench/fail.h"

static const char *const metric_names[METRIC_COUNT] = {
    [METRIC_OPS] = "ops",
    [METRIC_SECONDS] = "seconds",
    [METRIC_OPS_PER_S] = "ops_per_s",
    [METRIC_P50_US] = "p50_us",
    [METRIC_P99_US] = "p99_us",
    [METRIC_P999_US] = "p999_us",
    [METRIC_MAX_US] = "max_us",
    [METRIC_USER_LEN] = "user_len",
    [METRIC_FRONT_WRITTEN_LEN] = "front_written_len",
    [METRIC_WRITTEN_LEN] = "written_len",
    [METRIC_WRITTEN_CHARS] = "written_chars",
    [METRIC_WRITTEN_PER_USER] = "written_per_user",
    [METRIC_READ_LEN] = "read_len",
    [METRIC_FRONT_CPU_S] = "front_cpu_s",
    [METRIC_CPU_US_PER_OP] = "cpu_us_per_op",
    [METRIC_CPU_S] = "cpu_s",
    [METRIC_SETTLE_S] = "settle_s",
    [METRIC_SETTLED] = "settled",
    [METRIC_PEAK_MEMORY_LEN] = "peak_memory_len",
    [METRIC_SPACE_LEN] = "space_len",
};

const char *metric_name(enum metric m)
{
    return metric_names[m];
}

json_t *result_to_json(const struct result *r)
{
    json_t *object = json_pack("{s:s, s:s, s:I, s:i}", "engine", r->engine, "workload", r->workload,
                               "value_len", (json_int_t)r->value_len, "round", (int)r->round);

    for (unsigned m = 0; object && m < METRIC_COUNT; m++) {
        if (json_object_set_new(object, metric_names[m], json_real(r->metrics[m])))
            bench_fail("out of memory");
    }
    if (!object)
        bench_fail("out of memory");
    return object;
}

bool result_from_json(const json_t *object, struct result *ret)
{
    const char *engine = json_string_value(json_object_get(object, "engine"));
    const char *workload = json_string_value(json_object_get(object, "workload"));

    memset(ret, 0, sizeof(*ret));
    if (!engine || !workload)
        return false;
    snprintf(ret->engine, sizeof(ret->engine), "%s", engine);
    snprintf(ret->workload, sizeof(ret->workload), "%s", workload);
    ret->value_len = (size_t)json_integer_value(json_object_get(object, "value_len"));
    ret->round = (unsigned)json_integer_value(json_object_get(object, "round"));
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        json_t *number = json_object_get(object, metric_names[m]);

        if (!json_is_number(number))
            return false;
        ret->metrics[m] = json_number_value(number);
    }
    return true;
}

void results_add(struct results *rs, const struct result *r)
{
    if (rs->count == rs->room) {
        rs->room = rs->room ? 2 * rs->room : 64;
        rs->items = realloc(rs->items, rs->room * sizeof(*rs->items));
        if (!rs->items)
            bench_fail("out of memory");
    }
    rs->items[rs->count++] = *r;
}

void results_done(struct results *rs)
{
    free(rs->items);
    memset(rs, 0, sizeof(*rs));
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

bool results_median(const struct results *rs, const char *engine, const char *workload,
                    size_t value_len, enum metric m, double *ret)
{
    double *found = calloc(rs->count + 1, sizeof(*found));
    size_t count = 0;

    if (!found)
        bench_fail("out of memory");
    for (size_t i = 0; i < rs->count; i++) {
        const struct result *r = &rs->items[i];

        if (r->value_len == value_len && !strcmp(r->engine, engine) &&
            !strcmp(r->workload, workload))
            found[count++] = r->metrics[m];
    }
    qsort(found, count, sizeof(*found), compare);
    if (count)
        *ret = (found[(count - 1) / 2] + found[count / 2]) / 2;
    free(found);
    return count > 0;
}
