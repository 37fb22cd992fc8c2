/*
 * How an archive is compressed: by its name, as `tar -a` takes it, or by the name of a method.
 */
#ifndef TOOLS_COMPRESSION_H
#define TOOLS_COMPRESSION_H

#include <archive.h>
#include <stdbool.h>

struct compression {
    const char *name;             /* "gzip", "none" */
    int (*add)(struct archive *); /* libarchive's filter; NULL for none */
    bool threads;                 /* it can use several */
};

/* Never NULL: an ending that is not known means none. */
const struct compression *compression_of_file(const char *file);
/* NULL when there is none of this name. */
const struct compression *compression_of_name(const char *name);

#endif
