/*
 * Names as archives have them.
 */
#ifndef TOOLS_ARCHIVE_PATH_H
#define TOOLS_ARCHIVE_PATH_H

#include <stdbool.h>

/*
 * The name without what means nothing in it: slashes in front (then *ret_absolute), behind and in
 * excess, and components ".". "" is the top of the archive itself. ".." stays: whoever makes
 * something of the name refuses it. To be freed; NULL without memory.
 */
char *archive_path_clean(const char *name, bool *ret_absolute);

#endif
