/*
 * Writing pax archives.
 *
 * Names are bytes. Those that are UTF-8 go into the archive as such, which pax demands; others too,
 * marked as binary (hdrcharset=BINARY), and libarchive warns of each of them. The locale must be
 * one of UTF-8 for that, whatever the user's is, or all names would be marked.
 */
#include "tools/archive/archive_output.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/archive/interrupt.h"

enum {
    WRITE_LEN = 1 << 20
};

struct archive_output {
    struct archive *archive;
    char *name; /* NULL for standard output */
    int fd;
    int err; /* errno of why nothing more is written; 0 */
    bool finished;
};

/*
 * A failure is kept, and everything after it swallowed: libarchive 3.6 does not free all of its
 * memory when it has been told of one.
 */
static la_ssize_t on_write(struct archive *a, void *arg, const void *data, size_t len)
{
    struct archive_output *out = arg;
    ssize_t n = -1;

    (void)a;
    if (out->err)
        return (la_ssize_t)len;
    /* What a signal interrupts may have written a part; then it is asked here. */
    errno = EINTR;
    while (n < 0 && errno == EINTR && !interrupted())
        n = write(out->fd, data, len);
    if (n >= 0)
        return n;
    out->err = errno;
    return (la_ssize_t)len;
}

/* What can use several cores is told to; where it cannot, one does it. */
static int set_up(struct archive *a, const struct compression *compression)
{
    char threads[16];

    if (archive_write_set_format_pax(a) != ARCHIVE_OK ||
        archive_write_set_format_option(a, "pax", "xattrheader", "SCHILY") != ARCHIVE_OK)
        return -EINVAL;
    if (compression->add && compression->add(a) != ARCHIVE_OK)
        return -ENOTSUP; /* another program would have to do it */
    if (compression->threads) {
        snprintf(threads, sizeof(threads), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
        archive_write_set_filter_option(a, compression->name, "threads", threads);
    }
    archive_write_set_bytes_per_block(a, WRITE_LEN);
    archive_write_set_bytes_in_last_block(a, compression->add ? 1 : 10240);
    return 0;
}

static int start(struct archive_output *out, const struct compression *compression)
{
    int err;

    setlocale(LC_CTYPE, "C.UTF-8");
    out->archive = archive_write_new();
    if (!out->archive)
        return -ENOMEM;
    err = set_up(out->archive, compression);
    if (!err && archive_write_open(out->archive, out, NULL, on_write, NULL) != ARCHIVE_OK)
        err = -EIO;
    return err;
}

int archive_output_open(const char *name, const struct compression *compression,
                        struct archive_output **ret)
{
    struct archive_output *out = calloc(1, sizeof(*out));
    int err = 0;

    if (!out)
        return -ENOMEM;
    out->fd = STDOUT_FILENO;
    if (strcmp(name, "-")) {
        out->name = strdup(name);
        out->fd = out->name ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
        err = out->name ? (out->fd < 0 ? -errno : 0) : -ENOMEM;
        /* What could not even be opened is not ours to remove. */
        if (out->fd < 0)
            out->finished = true;
    }
    if (!err)
        err = start(out, compression);
    if (err)
        archive_output_close(out);
    else
        *ret = out;
    return err;
}

struct archive *archive_output_archive(struct archive_output *out)
{
    return out->archive;
}

bool archive_output_failed(const struct archive_output *out)
{
    return out->err != 0;
}

const char *archive_output_error(const struct archive_output *out)
{
    const char *text = out->err ? strerror(out->err) : archive_error_string(out->archive);

    return text ? text : "unknown error";
}

int archive_output_finish(struct archive_output *out)
{
    if (archive_write_close(out->archive) != ARCHIVE_OK || out->err)
        return -EIO;
    if (out->name && close(out->fd)) {
        out->err = errno;
        out->fd = -1;
        return -EIO;
    }
    if (out->name)
        out->fd = -1;
    out->finished = true;
    return 0;
}

void archive_output_close(struct archive_output *out)
{
    struct stat st;

    if (!out)
        return;
    /* Freeing writes an end, which would look whole. */
    if (!out->finished && !out->err)
        out->err = ECANCELED;
    archive_write_free(out->archive);
    /* Should its name not be one to remove, what is there must not look whole. */
    if (out->name && out->fd >= 0 && !out->finished && ftruncate(out->fd, 0))
        errno = 0; /* no file, or a disk that fails: there is nothing else to be done */
    if (out->name && out->fd >= 0)
        close(out->fd);
    if (out->name && !out->finished && !lstat(out->name, &st) && S_ISREG(st.st_mode))
        unlink(out->name);
    free(out->name);
    free(out);
}
