/*
 * Messages of import and export: one line each, with the progress bar out of their way.
 */
#include "tools/archive/archive_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/cli.h"

void archive_report_init(struct archive_report *r, const char *archive, bool quiet)
{
    *r = (struct archive_report){.archive = archive, .quiet = quiet};
    mutex_init(&r->mu);
    progress_init(&r->progress, !quiet);
}

void archive_report_done(struct archive_report *r)
{
    mutex_lock(&r->mu);
    progress_clear(&r->progress);
    mutex_unlock(&r->mu);
    mutex_done(&r->mu);
}

static void tell(struct archive_report *r, const char *path, const char *fmt, va_list ap)
    REQUIRES(r->mu)
{
    char *text;

    progress_clear(&r->progress);
    if (vasprintf(&text, fmt, ap) < 0) {
        cli_error("%s: out of memory", r->archive);
        return;
    }
    if (path)
        cli_error("%s: %s: %s", r->archive, *path ? path : ".", text);
    else
        cli_error("%s: %s", r->archive, text);
    free(text);
}

void archive_report_problem(struct archive_report *r, const char *path, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    mutex_lock(&r->mu);
    r->problem_count++;
    tell(r, path, fmt, ap);
    mutex_unlock(&r->mu);
    va_end(ap);
}

void archive_report_note(struct archive_report *r, const char *path, const char *fmt, ...)
{
    va_list ap;

    if (r->quiet)
        return;
    va_start(ap, fmt);
    mutex_lock(&r->mu);
    tell(r, path, fmt, ap);
    mutex_unlock(&r->mu);
    va_end(ap);
}

void archive_report_progress(struct archive_report *r, const char *what, uint64_t done,
                             uint64_t total)
{
    mutex_lock(&r->mu);
    if (total)
        progress_show(&r->progress, what, done, total);
    else
        progress_count(&r->progress, what, done >> 20, "MiB");
    mutex_unlock(&r->mu);
}
