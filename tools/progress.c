/*
 * A progress bar on stderr: one line that is drawn over itself.
 */
#include "tools/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BAR_LEN = 40,
    REDRAW_MS = 100
};

void progress_init(struct progress *p, bool wanted)
{
    *p = (struct progress){.on = wanted && isatty(STDERR_FILENO)};
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether to draw now. */
static bool is_due(struct progress *p)
{
    int64_t now;

    if (!p->on)
        return false;
    now = now_ms();
    if (p->shown && now - p->shown_ms < REDRAW_MS)
        return false;
    p->shown = true;
    p->shown_ms = now;
    return true;
}

void progress_show(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
    char bar[BAR_LEN + 1];
    uint64_t share;

    if (!is_due(p))
        return;
    /* In floating point, as done * 1000 could overflow. */
    share = total ? (uint64_t)((double)(done < total ? done : total) * 1000 / (double)total) : 0;
    memset(bar, ' ', BAR_LEN);
    memset(bar, '=', (size_t)(share * BAR_LEN / 1000));
    bar[BAR_LEN] = 0;
    fprintf(stderr, "\r%-8s [%s] %3u.%u%% ", what, bar, (unsigned)(share / 10),
            (unsigned)(share % 10));
    fflush(stderr);
}

void progress_count(struct progress *p, const char *what, uint64_t done, const char *of)
{
    if (!is_due(p))
        return;
    fprintf(stderr, "\r%-8s %llu %s ", what, (unsigned long long)done, of);
    fflush(stderr);
}

void progress_clear(struct progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
    p->shown_ms = 0;
}
