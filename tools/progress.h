/*
 * A progress bar on stderr, for what takes long. On anything but a terminal it shows nothing.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool on;
    bool shown;
    int64_t shown_ms; /* when it was drawn last */
};

void progress_init(struct progress *p, bool wanted);
/* Drawn at most ten times a second. total 0: unknown. */
void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total);
/* The same where no total is known: "what 17 of", such as "load 17 pairs". */
void progress_count(struct progress *p, const char *what, uint64_t done, const char *of);
/* Remove the bar, so that other text can be printed. */
void progress_clear(struct progress *p);

#endif
