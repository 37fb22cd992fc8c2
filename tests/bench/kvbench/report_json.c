/*
 * The file of JSON: "settings", "engines", "runs" (all figures of every run) and "summary" (the
 * ratios of the medians, with the goals).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/kvbench/engine.h"
#include "bench/kvbench/fail.h"
#include "bench/kvbench/report.h"
#include "bench/kvbench/workload.h"

static json_t *made(json_t *j)
{
    if (!j)
        bench_fail("out of memory");
    return j;
}

static json_t *settings_to_json(const struct config *c)
{
    json_t *set = made(json_object());
    struct utsname system;

    for (size_t i = 0; i < c->lsm_setting_count; i++)
        json_object_set_new(set, lsm_setting_name(c->lsm_settings[i].field),
                            json_integer((json_int_t)c->lsm_settings[i].value));
    uname(&system);
    return made(json_pack(
        "{s:I, s:i, s:i, s:f, s:I, s:o, s:s, s:i, s:b}", "count", (json_int_t)c->count, "threads",
        (int)c->threads, "rounds", (int)c->rounds, "seconds_max", c->seconds_max, "seed",
        (json_int_t)c->seed, "lsm_set", set, "kernel", system.release, "cores",
        (int)sysconf(_SC_NPROCESSORS_ONLN), "fast_build", (int)report_build_is_fast()));
}

static json_t *engines_to_json(const struct config *c)
{
    json_t *array = made(json_array());

    for (size_t i = 0; i < c->engine_count; i++) {
        const struct engine *e = c->engines[i];

        json_array_append_new(array, made(json_pack("{s:s, s:s, s:s}", "name", e->name, "version",
                                                    e->version(), "settings", e->settings)));
    }
    return array;
}

static void add_ratio(json_t *object, const char *name, const struct config *c,
                      const struct results *rs, const char *workload, size_t value_len,
                      enum metric m)
{
    double ratio;

    if (report_ratio(c, rs, workload, value_len, m, &ratio))
        json_object_set_new(object, name, json_real(ratio));
}

static json_t *summary_to_json(const struct config *c, const struct results *rs)
{
    json_t *array = made(json_array());

    for (size_t v = 0; v < c->value_len_count; v++) {
        for (size_t i = 0; i < c->workload_count; i++) {
            const struct workload *w = c->workloads[i];
            size_t len = c->value_lens[v];
            json_t *o;

            if (len < w->value_len_min)
                continue;
            o = made(json_pack("{s:s, s:I}", "workload", w->name, "value_len", (json_int_t)len));
            add_ratio(o, "ops_ratio", c, rs, w->name, len, METRIC_OPS_PER_S);
            add_ratio(o, "memory_ratio", c, rs, w->name, len, METRIC_PEAK_MEMORY_LEN);
            if (w->flags & WORKLOAD_WRITES)
                add_ratio(o, "written_ratio", c, rs, w->name, len, METRIC_WRITTEN_PER_USER);
            if (goal_of(w->name, len) > 0)
                json_object_set_new(o, "ops_goal", json_real(goal_of(w->name, len)));
            json_array_append_new(array, o);
        }
    }
    return array;
}

bool report_json(const struct config *c, const struct results *rs, const char *path)
{
    json_t *runs = made(json_array()), *all;
    bool ok;

    for (size_t i = 0; i < rs->count; i++)
        json_array_append_new(runs, result_to_json(&rs->items[i]));
    all = made(json_pack("{s:o, s:o, s:o, s:o}", "settings", settings_to_json(c), "engines",
                         engines_to_json(c), "runs", runs, "summary", summary_to_json(c, rs)));
    ok = !json_dump_file(all, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(all);
    if (!ok)
        fprintf(stderr, "kvbench: %s cannot be written\n", path);
    return ok;
}
