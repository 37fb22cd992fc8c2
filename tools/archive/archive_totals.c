/*
 * Totals in words.
 */
#include "tools/archive/archive_totals.h"

#include <stdio.h>

#include "tools/cli.h"

static size_t add(char *buf, size_t at, uint64_t count, const char *one, const char *many)
{
    int n = snprintf(buf + at, ARCHIVE_TOTALS_LEN - at, ", %llu %s", (unsigned long long)count,
                     count == 1 ? one : many);

    return n < 0 || (size_t)n >= ARCHIVE_TOTALS_LEN - at ? at : at + (size_t)n;
}

void archive_totals_text(const struct tree_put_stats *s, char buf[ARCHIVE_TOTALS_LEN])
{
    char len[32];
    size_t at =
        (size_t)snprintf(buf, ARCHIVE_TOTALS_LEN, "%llu file%s (%s)", (unsigned long long)s->files,
                         s->files == 1 ? "" : "s", cli_size_text(s->data_len, len));

    at = add(buf, at, s->dirs, "directory", "directories");
    if (s->symlinks)
        at = add(buf, at, s->symlinks, "symbolic link", "symbolic links");
    if (s->hard_links)
        at = add(buf, at, s->hard_links, "hard link", "hard links");
    if (s->others)
        add(buf, at, s->others, "other", "others");
}

void archive_totals_print(const char *name, const struct tree_put_stats *s,
                          const struct timespec *begin)
{
    char text[ARCHIVE_TOTALS_LEN], len[32];
    struct timespec now;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
    archive_totals_text(s, text);
    cli_put_name(stdout, name);
    printf(": %s in %.1f s", text, seconds);
    if (seconds > 0)
        printf(", %s/s", cli_size_text((uint64_t)((double)s->data_len / seconds), len));
    putchar('\n');
}
