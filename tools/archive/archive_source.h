/*
 * An archive as a stream of frames (fs/tree_frame.h).
 */
#ifndef TOOLS_ARCHIVE_SOURCE_H
#define TOOLS_ARCHIVE_SOURCE_H

#include "tools/archive/archive_input.h"
#include "tools/archive/archive_report.h"
#include "tools/archive/tree_sink.h"

struct archive_source_options {
    bool names;       /* owners by name where this machine knows it, else by number */
    bool fixed_owner; /* uid and gid instead of the archive's; no set-id bits, no capabilities */
    uint32_t uid, gid;
};

enum archive_source_end {
    ARCHIVE_SOURCE_WHOLE,       /* to the end of the archive */
    ARCHIVE_SOURCE_DAMAGED,     /* until it could not be read any more; `text` says why */
    ARCHIVE_SOURCE_INTERRUPTED, /* by a signal */
    ARCHIVE_SOURCE_SINK,        /* the sink failed */
    ARCHIVE_SOURCE_MEMORY,      /* no memory */
};

/*
 * Read the archive to its end and push all of it. Entries that cannot be are told to the report,
 * and left out. However it ends, the frames that were pushed are whole objects, and the times of
 * directories came last. `text` (of text_len bytes) is set for ARCHIVE_SOURCE_DAMAGED.
 */
enum archive_source_end archive_source_run(struct archive_input *in,
                                           const struct archive_source_options *options,
                                           struct tree_sink sink, struct archive_report *report,
                                           char *text, size_t text_len);

#endif
