/*
 * What import and export tell while they work: messages, and a progress bar between them. From any
 * thread.
 */
#ifndef TOOLS_ARCHIVE_REPORT_H
#define TOOLS_ARCHIVE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lsm/base/mutex.h"
#include "tools/progress.h"

struct archive_report {
    const char *archive;      /* its name, for messages */
    bool quiet;               /* no notes */
    struct mutex mu;          /* a leaf */
    struct progress progress; /* [mu] */
    uint64_t problem_count;   /* [mu] */
};

void archive_report_init(struct archive_report *r, const char *archive, bool quiet);
void archive_report_done(struct archive_report *r);
/* Something was left out or refused: "ARCHIVE: path: text", and the command fails in the end. */
void archive_report_problem(struct archive_report *r, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Something worth knowing that is no failure; path may be NULL. */
void archive_report_note(struct archive_report *r, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* done of total (0: unknown) bytes. */
void archive_report_progress(struct archive_report *r, const char *what, uint64_t done,
                             uint64_t total);

#endif
