/*
 * A tree of the file system as a pax archive.
 */
#ifndef TOOLS_TREE_EXPORT_H
#define TOOLS_TREE_EXPORT_H

#include "fs/tree_put.h"
#include "tools/archive/archive_output.h"
#include "tools/archive/archive_report.h"

enum tree_export_end {
    TREE_EXPORT_WHOLE,
    TREE_EXPORT_OUTPUT, /* the archive could not be written; archive_error_string says why */
    TREE_EXPORT_INTERRUPTED,
    TREE_EXPORT_MEMORY,
};

/*
 * Write the object `top`, and if it is a directory all below it, to the archive. `name`: what a
 * top that is no directory is called. `names`: owners by name, too. What cannot be read is told to
 * the report, and contents that cannot are zeros in the archive. *ret counts what was written.
 */
enum tree_export_end tree_export(struct fs *fs, const struct fs_attr *top, const char *name,
                                 bool names, struct archive_output *out,
                                 struct archive_report *report, struct tree_put_stats *ret);

#endif
