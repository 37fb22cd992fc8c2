/* The options of a run. Constant once parsed. */
#ifndef KVBENCH_CONFIG_H
#define KVBENCH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/kvbench/lsm_settings.h"

enum {
    ENGINE_COUNT_MAX = 3,
    WORKLOAD_COUNT_MAX = 32,
    VALUE_LEN_COUNT_MAX = 8,
    THREAD_COUNT_MAX = 64,
};

struct engine;
struct workload;

/* One run in a process of its own; engine is NULL in the process that starts them. */
struct child_task {
    const struct engine *engine;
    const struct workload *workload;
    size_t value_len;
    unsigned round;
    const char *dir; /* where the stores are */
};

struct config {
    const struct engine *engines[ENGINE_COUNT_MAX];
    size_t engine_count;
    const struct workload *workloads[WORKLOAD_COUNT_MAX]; /* in the order of the table */
    size_t workload_count;
    size_t value_lens[VALUE_LEN_COUNT_MAX]; /* bytes */
    size_t value_len_count;
    uint64_t count; /* keys; 0: by the length of values */
    unsigned threads;
    unsigned rounds;
    double seconds_max; /* of the timed part of what isn't a fill */
    double calm_s;      /* without background work: it has settled; 0: no waiting */
    unsigned timeout_s; /* after which a run has failed */
    uint64_t seed;
    const char *dir;                   /* in which the scratch directory is made */
    const char *json_path, *plot_path; /* NULL for none */
    bool keep;
    struct lsm_setting lsm_settings[LSM_SETTING_COUNT_MAX];
    size_t lsm_setting_count;
    struct child_task child;
    int argc; /* as given */
    char **argv;
};

/*
 * Fill *ret from the command line. Returns -1 to go on, else the exit status: help was printed (0),
 * or wrong usage was complained about (2).
 */
int config_parse(struct config *ret, int argc, char **argv);
/* The number of keys with values of so many bytes. */
uint64_t config_count(const struct config *c, size_t value_len);
/* "4096", "64K", "1M", "2G". False when it is none. */
bool config_parse_number(const char *text, uint64_t *ret);

/* All of --help. */
void help_print(void);

#endif
