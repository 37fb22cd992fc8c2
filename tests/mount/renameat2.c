/*
 * renameat2 FLAG OLD NEW: rename with a flag of renameat2(2), for which Debian bookworm's mv has no
 * option. FLAG is noreplace, exchange, whiteout, or a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned flag_of(const char *text)
{
    if (strcmp(text, "noreplace") == 0)
        return RENAME_NOREPLACE;
    if (strcmp(text, "exchange") == 0)
        return RENAME_EXCHANGE;
    if (strcmp(text, "whiteout") == 0)
        return RENAME_WHITEOUT;
    return (unsigned)strtoul(text, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: renameat2 FLAG OLD NEW\n");
        return 2;
    }
    if (renameat2(AT_FDCWD, argv[2], AT_FDCWD, argv[3], flag_of(argv[1])) != 0) {
        fprintf(stderr, "renameat2: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}
