/* A picture of the ratios. */
#ifndef KVBENCH_PLOT_H
#define KVBENCH_PLOT_H

#include <stdbool.h>

#include "bench/kvbench/config.h"
#include "bench/kvbench/result.h"

/* Through gnuplot, into a PNG file. False when that failed, which was complained about. */
bool plot_ratios(const struct config *c, const struct results *rs, const char *path);

#endif
