/*
 * A pax archive that is being written to a file or to standard output.
 */
#ifndef TOOLS_ARCHIVE_OUTPUT_H
#define TOOLS_ARCHIVE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/archive/compression.h"

struct archive_output;

/* Open the file `name`, "-" for standard output. 0 or a negative errno. */
int archive_output_open(const char *name, const struct compression *compression,
                        struct archive_output **ret);
struct archive *archive_output_archive(struct archive_output *out);
/* Write the end of the archive: 0, or -EIO, and archive_output_error says why. */
int archive_output_finish(struct archive_output *out);
/* Free it. A file that was not finished is emptied and removed. NULL is allowed. */
void archive_output_close(struct archive_output *out);
/* Whether a write has failed; whatever libarchive says of those after it. */
bool archive_output_failed(const struct archive_output *out);
/* Why; borrowed from out, or static. */
const char *archive_output_error(const struct archive_output *out);

#endif
