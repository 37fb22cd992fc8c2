/* What the user gets to see: tables, and a file of JSON. */
#ifndef KVBENCH_REPORT_H
#define KVBENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/result.h"

/*
 * The ratio of ours to the better of the others: for operations the faster, for anything else the
 * one with less. False when one of them is missing.
 */
bool report_ratio(const struct config *c, const struct results *rs, const char *workload,
                  size_t value_len, enum metric m, double *ret);
/* The settings, before the first run. */
void report_settings(const struct config *c);
/* False for one whose figures say nothing, with costly assertions and the like. */
bool report_build_is_fast(void);
/* All tables, to stdout. */
void report_tables(const struct config *c, const struct results *rs);
/* False when the file cannot be written, which was complained about. */
bool report_json(const struct config *c, const struct results *rs, const char *path);

/* The ratio that is wanted, of operations; 0 for none. */
double goal_of(const char *workload, size_t value_len);
/* Of bytes written per byte of the user's, and of memory: at most so much. */
#define GOAL_WRITTEN_MAX 0.7
#define GOAL_MEMORY_MAX  1.0

#endif
