/*
 * The command line. The process that starts the runs gives its own command line to each of them,
 * with --child in front, which only that process writes.
 */
#include "bench/kvbench/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kvbench/engine.h"
#include "bench/kvbench/workload.h"

enum {
    STATUS_USAGE = 2,
    OPT_CHILD = 256,
    OPT_ENGINES,
    OPT_WORKLOADS,
    OPT_VALUE_LEN,
    OPT_COUNT,
    OPT_THREADS,
    OPT_ROUNDS,
    OPT_SECONDS,
    OPT_CALM,
    OPT_TIMEOUT,
    OPT_SEED,
    OPT_DIR,
    OPT_JSON,
    OPT_PLOT,
    OPT_KEEP,
    OPT_LSM_SET,
};

static const struct option long_options[] = {
    {"child", required_argument, NULL, OPT_CHILD},
    {"engines", required_argument, NULL, OPT_ENGINES},
    {"workloads", required_argument, NULL, OPT_WORKLOADS},
    {"value-len", required_argument, NULL, OPT_VALUE_LEN},
    {"count", required_argument, NULL, OPT_COUNT},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"calm", required_argument, NULL, OPT_CALM},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"seed", required_argument, NULL, OPT_SEED},
    {"dir", required_argument, NULL, OPT_DIR},
    {"json", required_argument, NULL, OPT_JSON},
    {"plot", required_argument, NULL, OPT_PLOT},
    {"keep", no_argument, NULL, OPT_KEEP},
    {"lsm-set", required_argument, NULL, OPT_LSM_SET},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

bool config_parse_number(const char *text, uint64_t *ret)
{
    static const char suffixes[] = "KMG";
    const char *suffix;
    uint64_t n;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (*end) {
        suffix = strchr(suffixes, *end);
        if (!suffix || end[1])
            return false;
        for (const char *p = suffixes; p <= suffix; p++) {
            if (__builtin_mul_overflow(n, UINT64_C(1024), &n))
                return false;
        }
    }
    *ret = n;
    return true;
}

static bool complain(const char *what, const char *text)
{
    fprintf(stderr, "kvbench: %s: %s (kvbench --help says more)\n", what, text);
    return false;
}

static bool parse_in(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    char what[128];

    if (config_parse_number(text, ret) && *ret >= min && *ret <= max)
        return true;
    snprintf(what, sizeof(what), "--%s takes a number from %llu to %llu", name,
             (unsigned long long)min, (unsigned long long)max);
    return complain(what, text);
}

static bool parse_unsigned(const char *name, const char *text, unsigned max, unsigned *ret)
{
    uint64_t n;

    if (!parse_in(name, text, 1, max, &n))
        return false;
    *ret = (unsigned)n;
    return true;
}

/* Call `add` with each word of a list with commas. */
static bool parse_list(struct config *c, const char *text,
                       bool (*add)(struct config *, const char *))
{
    char *copy = strdup(text), *rest = copy, *word;
    bool ok = copy != NULL;

    while (ok && (word = strsep(&rest, ",")))
        ok = add(c, word);
    free(copy);
    return ok;
}

static bool add_engine(struct config *c, const char *name)
{
    const struct engine *e = engine_find(name);

    if (!e)
        return complain("no such engine, or it is not built in", name);
    for (size_t i = 0; i < c->engine_count; i++) {
        if (c->engines[i] == e)
            return complain("engine named twice", name);
    }
    c->engines[c->engine_count++] = e;
    return true;
}

static bool wanted[WORKLOAD_COUNT_MAX];

static bool add_workload(struct config *c, const char *name)
{
    (void)c;
    for (size_t i = 0; workload_at(i); i++) {
        if (!strcmp(workload_at(i)->name, name))
            return wanted[i] = true;
    }
    return complain("no such workload", name);
}

static bool add_value_len(struct config *c, const char *text)
{
    uint64_t len;

    if (c->value_len_count == VALUE_LEN_COUNT_MAX)
        return complain("too many lengths of values", text);
    if (!parse_in("value-len", text, VALUE_LEN_MIN, 16 << 20, &len))
        return false;
    c->value_lens[c->value_len_count++] = (size_t)len;
    return true;
}

static bool add_lsm_setting(struct config *c, const char *text)
{
    if (c->lsm_setting_count == LSM_SETTING_COUNT_MAX)
        return complain("too many settings", text);
    if (!lsm_setting_parse(text, &c->lsm_settings[c->lsm_setting_count++]))
        return complain("--lsm-set takes NAME=NUMBER, of names that it knows", text);
    return true;
}

/* "ENGINE:WORKLOAD:VALUE-LEN:ROUND:DIRECTORY" */
static bool parse_child(struct config *c, const char *text)
{
    char engine[32], workload[32];
    int dir_at = 0;

    if (sscanf(text, "%31[^:]:%31[^:]:%zu:%u:%n", engine, workload, &c->child.value_len,
               &c->child.round, &dir_at) != 4 ||
        !dir_at)
        return complain("not for users", "--child");
    c->child.engine = engine_find(engine);
    c->child.workload = workload_find(workload);
    c->child.dir = text + dir_at;
    return (c->child.engine && c->child.workload) || complain("not for users", "--child");
}

static bool parse_seconds(const char *text, double *ret)
{
    char *end;

    *ret = strtod(text, &end);
    return (end != text && !*end && *ret >= 0 && *ret < 1e6) ||
           complain("a number of seconds was expected", text);
}

static bool parse_option(struct config *c, int option, const char *arg)
{
    switch (option) {
    case OPT_CHILD:
        return parse_child(c, arg);
    case OPT_ENGINES:
        return parse_list(c, arg, add_engine);
    case OPT_WORKLOADS:
        return parse_list(c, arg, add_workload);
    case OPT_VALUE_LEN:
        return parse_list(c, arg, add_value_len);
    case OPT_COUNT:
        return parse_in("count", arg, 1, UINT64_C(1) << 40, &c->count);
    case OPT_THREADS:
        return parse_unsigned("threads", arg, THREAD_COUNT_MAX, &c->threads);
    case OPT_ROUNDS:
        return parse_unsigned("rounds", arg, 1000, &c->rounds);
    case OPT_SECONDS:
        return parse_seconds(arg, &c->seconds_max);
    case OPT_CALM:
        return parse_seconds(arg, &c->calm_s);
    case OPT_TIMEOUT:
        return parse_unsigned("timeout", arg, 1000000, &c->timeout_s);
    case OPT_SEED:
        return parse_in("seed", arg, 0, UINT64_MAX, &c->seed);
    case OPT_DIR:
        c->dir = arg;
        return true;
    case OPT_JSON:
        c->json_path = arg;
        return true;
    case OPT_PLOT:
        c->plot_path = arg;
        return true;
    case OPT_KEEP:
        return c->keep = true;
    case OPT_LSM_SET:
        return parse_list(c, arg, add_lsm_setting);
    }
    return complain("wrong usage", "see above");
}

static void set_defaults(struct config *c)
{
    bool any = false;

    for (size_t i = 0; !c->engine_count && engine_at(i); i++)
        c->engines[i] = engine_at(i);
    while (c->engine_count < ENGINE_COUNT_MAX && c->engines[c->engine_count])
        c->engine_count++;
    for (size_t i = 0; workload_at(i); i++)
        any |= wanted[i];
    for (size_t i = 0; workload_at(i); i++) {
        if (wanted[i] || !any)
            c->workloads[c->workload_count++] = workload_at(i);
    }
    if (!c->value_len_count)
        c->value_lens[c->value_len_count++] = 100;
}

int config_parse(struct config *ret, int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    int option;

    *ret = (struct config){.threads = 1,
                           .rounds = 1,
                           .seconds_max = 20,
                           .calm_s = 0.3,
                           .timeout_s = 1800,
                           .seed = 1,
                           .dir = tmp && *tmp ? tmp : "/var/tmp",
                           .argc = argc,
                           .argv = argv};
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 'h') {
            help_print();
            return 0;
        }
        if (!parse_option(ret, option, optarg))
            return STATUS_USAGE;
    }
    if (optind < argc) {
        complain("there are no arguments beside options", argv[optind]);
        return STATUS_USAGE;
    }
    set_defaults(ret);
    return -1;
}

uint64_t config_count(const struct config *c, size_t value_len)
{
    const uint64_t data_len = UINT64_C(1) << 30, count_max = 1000000;
    uint64_t count = data_len / value_len;

    if (c->count)
        return c->count;
    return count > count_max ? count_max : count < 1000 ? 1000 : count;
}
