/*
 * Names of an archive as relative paths with single slashes.
 */
#include "tools/archive/archive_path.h"

#include <stdlib.h>
#include <string.h>

char *archive_path_clean(const char *name, bool *ret_absolute)
{
    char *path = malloc(strlen(name) + 1), *p = path;

    if (!path)
        return NULL;
    *ret_absolute = *name == '/';
    while (*(name += strspn(name, "/"))) {
        size_t len = strcspn(name, "/");

        if (len != 1 || *name != '.') {
            if (p > path)
                *p++ = '/';
            memcpy(p, name, len);
            p += len;
        }
        name += len;
    }
    *p = 0;
    return path;
}
