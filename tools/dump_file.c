/*
 * A file of a store as text. See dump_file.h.
 */
#include "tools/dump_file.h"

#include "lsm/lsm.h"
#include "tools/cli.h"

static int put_line(void *arg, const char *line)
{
    (void)arg;
    cli_put_name(stdout, line);
    putchar('\n');
    return ferror(stdout);
}

int dump_file(const char *store, const char *file, bool full_values)
{
    int err = lsm_dump_file(store, file, full_values, put_line, NULL);

    /* A positive answer is put_line's. */
    return err < 0 ? err : 0;
}
