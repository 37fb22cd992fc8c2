/* The ratios that are wanted. */
#include <string.h>

#include "bench/kvbench/report.h"

static const struct {
    const char *workload;
    double ratio;
} goals[] = {
    {"fillseq", 1.1},    {"readcold", 1.1},    {"readrandom", 1.1},   {"readmissing", 1.1},
    {"seekrandom", 1.1}, {"scanforward", 1.1}, {"scanbackward", 1.1}, {"syncwrite1", 1.0},
    {"syncwrite8", 1.2}, {"patch", 10},
};

double goal_of(const char *workload, size_t value_len)
{
    /* Large values need not go through the tree, which is what makes filling it slow. */
    const size_t large_len = 64 << 10;

    if (!strcmp(workload, "fillrandom") || !strcmp(workload, "overwrite"))
        return value_len >= large_len ? 3 : 1.5;
    for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
        if (!strcmp(goals[i].workload, workload))
            return goals[i].ratio;
    }
    return 0;
}
