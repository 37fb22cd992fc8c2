/*
 * The bytes of an archive, for libarchive: from a file or standard input.
 */
#ifndef TOOLS_ARCHIVE_INPUT_H
#define TOOLS_ARCHIVE_INPUT_H

#include <archive.h>
#include <stdint.h>

struct archive_input;

/*
 * Open the file `name`, "-" for standard input, and what libarchive reads in it: tar, cpio, zip and
 * 7z, with any compression that is built in. To be closed with archive_input_close. 0; a negative
 * errno when the file cannot be opened; 1 when it is no archive: archive_error_string says more.
 */
int archive_input_open(const char *name, struct archive_input **ret);
void archive_input_close(struct archive_input *in); /* NULL is allowed */
struct archive *archive_input_archive(struct archive_input *in);
/*
 * After the last entry: read what is left of it, for its checksums. 0, or -EIO for damage;
 * archive_error_string says more.
 */
int archive_input_drain(struct archive_input *in);
/* How many bytes have been read, of how many (0: unknown). */
uint64_t archive_input_done(const struct archive_input *in);
uint64_t archive_input_total(const struct archive_input *in);

#endif
