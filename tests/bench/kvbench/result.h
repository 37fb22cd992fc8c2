/* The figures of one run, by name, so that medians, JSON and tables treat them alike. */
#ifndef KVBENCH_RESULT_H
#define KVBENCH_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* In the order of result_metric_name. */
enum metric {
    METRIC_OPS,     /* operations done */
    METRIC_SECONDS, /* of the foreground */
    METRIC_OPS_PER_S,
    METRIC_P50_US, /* of one operation, microseconds */
    METRIC_P99_US,
    METRIC_P999_US,
    METRIC_MAX_US,
    METRIC_USER_LEN,          /* bytes of keys and values that were written */
    METRIC_FRONT_WRITTEN_LEN, /* bytes written to the disk's cache while in the foreground */
    METRIC_WRITTEN_LEN,       /* and until the background work had settled */
    METRIC_WRITTEN_CHARS,     /* bytes in write calls until then; io_uring and maps are not seen */
    METRIC_WRITTEN_PER_USER, /* METRIC_WRITTEN_LEN by METRIC_USER_LEN; 0 when nothing was written */
    METRIC_READ_LEN,         /* bytes read from the disk until then */
    METRIC_FRONT_CPU_S,
    METRIC_CPU_US_PER_OP,   /* until then, by METRIC_OPS */
    METRIC_CPU_S,           /* until then */
    METRIC_SETTLE_S,        /* seconds from the end of the foreground until then */
    METRIC_SETTLED,         /* 1; 0 when it never was */
    METRIC_PEAK_MEMORY_LEN, /* bytes */
    METRIC_SPACE_LEN,       /* bytes of the store after it was closed */
    METRIC_COUNT,
};

struct result {
    char engine[16], workload[24];
    size_t value_len;
    unsigned round;
    double metrics[METRIC_COUNT];
};

const char *metric_name(enum metric m);
json_t *result_to_json(const struct result *r); /* never NULL: ends the process instead */
bool result_from_json(const json_t *object, struct result *ret);

/* All results of a run, in the order of time. */
struct results {
    struct result *items;
    size_t count, room;
};

void results_add(struct results *rs, const struct result *r);
void results_done(struct results *rs);
/* The median over the rounds; false when no round has one. */
bool results_median(const struct results *rs, const char *engine, const char *workload,
                    size_t value_len, enum metric m, double *ret);

#endif
