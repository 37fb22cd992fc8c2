/*
 * Scratch directories of tests.
 */
#include "lib/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsm/base/check.h"

char *scratch_new(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[512];

    snprintf(path, sizeof(path), "%s/fluxfs-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    CHECK(mkdtemp(path));
    return strdup(path);
}

void scratch_in_memory(void)
{
    if (!access("/dev/shm", W_OK))
        setenv("TMPDIR", "/dev/shm", 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void scratch_free(char *path)
{
    if (!path)
        return;
    CHECK(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    free(path);
}

const char *scratch_path(const char *path, const char *name)
{
    static _Thread_local char joined[1024];

    snprintf(joined, sizeof(joined), "%s/%s", path, name);
    return joined;
}
