/*
 * Which problems fsck repairs: by its mode, or by asking for each as e2fsck does. Before the first
 * of them the copy is made to which one can go back.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/fsck_run.h"

bool fsck_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* The end of input is a no: nobody is there. */
static bool ask(struct fsck *f, const char *what)
{
    char line[64];

    for (;;) {
        char *end;

        printf("  %s. Fix<y>? ", what);
        fflush(stdout);
        if (!fgets(line, sizeof(line), stdin)) {
            putchar('\n');
            f->mode = FSCK_CHECK;
            return false;
        }
        end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (!*line || !strcasecmp(line, "y") || !strcasecmp(line, "yes"))
            return true;
        if (!strcasecmp(line, "n") || !strcasecmp(line, "no"))
            return false;
        if (!strcasecmp(line, "a")) {
            f->yes_to_all = true;
            return true;
        }
        puts("  Answer y (yes), n (no) or a (yes to all).");
    }
}

static bool wants(struct fsck *f, bool safe, const char *what)
{
    switch (f->mode) {
    case FSCK_ALL:
        return true;
    case FSCK_SAFE:
        return safe;
    case FSCK_ASK:
        progress_clear(&f->progress);
        return f->yes_to_all || ask(f, what);
    default:
        return false;
    }
}

/* Without the copy that was asked for nothing is changed. */
static bool have_backup(struct fsck *f)
{
    int err;

    if (!f->backup || f->backup_made)
        return true;
    err = lsm_checkpoint(f->db, f->backup);
    f->backup_made = !err;
    if (err) {
        progress_clear(&f->progress);
        cli_error("%s: the copy cannot be made, so nothing is changed: %s", f->backup,
                  cli_reason(f->backup, err));
        f->backup_failed = true;
        f->mode = FSCK_CHECK;
    }
    return !err;
}

bool fsck_decide(void *arg, const struct check_problem *problem, bool safe, const char *what)
{
    struct fsck *f = arg;

    (void)problem;
    return wants(f, safe, what) && have_backup(f);
}
