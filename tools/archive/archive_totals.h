/*
 * What was imported or exported, in words.
 */
#ifndef TOOLS_ARCHIVE_TOTALS_H
#define TOOLS_ARCHIVE_TOTALS_H

#include <time.h>

#include "fs/tree_put.h"

enum {
    ARCHIVE_TOTALS_LEN = 160
};

/* "5 files (1.2 MiB), 2 directories, 1 symbolic link, 1 hard link, 3 others" */
void archive_totals_text(const struct tree_put_stats *s, char buf[ARCHIVE_TOTALS_LEN]);
/* "NAME: " and that on stdout, with how long it took since `begin` (CLOCK_MONOTONIC). */
void archive_totals_print(const char *name, const struct tree_put_stats *s,
                          const struct timespec *begin);

#endif
