/*
 * How far fsck is: a bar on the terminal, or lines on a descriptor as e2fsck writes them and boot
 * screens read them, "PHASE DONE TOTAL STORE", with phases counted from 1.
 */
#include <stdio.h>
#include <unistd.h>

#include "tools/fsck_run.h"

static void write_line(const struct fsck *f, enum check_phase phase, uint64_t done, uint64_t total)
{
    /* A reader that has gone, or a wrong descriptor, must not end the check. */
    if (dprintf(f->progress_fd, "%d %llu %llu %s\n", (int)phase + 1, (unsigned long long)done,
                (unsigned long long)total, f->store) < 0)
        return;
}

void fsck_phase(void *arg, enum check_phase phase)
{
    struct fsck *f = arg;

    progress_clear(&f->progress);
    if (f->progress_fd)
        write_line(f, phase, 0, 1);
    if (f->json)
        return;
    printf("Phase %d: %s\n", (int)phase + 1, check_phase_name(phase));
    fflush(stdout);
}

/* A line for each percent. */
static bool line_is_due(struct fsck *f, enum check_phase phase, uint64_t done, uint64_t total)
{
    /* In floating point, as done * 100 could overflow. */
    int percent = total ? (int)((double)(done < total ? done : total) * 100 / (double)total) : 0;
    int mark = (int)phase * 1000 + percent;

    if (!f->progress_fd || mark == f->line_mark)
        return false;
    f->line_mark = mark;
    return true;
}

void fsck_progress(void *arg, enum check_phase phase, uint64_t done, uint64_t total)
{
    struct fsck *f = arg;

    progress_show(&f->progress, check_phase_name(phase), done, total);
    if (line_is_due(f, phase, done, total))
        write_line(f, phase, done, total);
}
