/*
 * Opening archives.
 *
 * Only the formats that are promised are turned on: libarchive knows others, one of which (mtree)
 * takes contents from files of this machine that the archive names, and it would start programs for
 * compressions that are not built in.
 *
 * Names are wanted byte by byte. In the C locale libarchive hands on what it cannot convert as it
 * is, and normalises nothing. 7z alone has UTF-16, which needs a locale that can express it.
 */
#include "tools/archive/archive_input.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/archive/gunzip.h"
#include "tools/archive/interrupt.h"

enum {
    READ_LEN = 256 << 10
};

struct archive_input {
    struct archive *archive;
    int fd;
    uint64_t done, total;
    struct gunzip *gunzip; /* NULL: libarchive gets the bytes as they are */
    size_t ahead;          /* bytes in buf that were read to look at them */
    uint8_t buf[READ_LEN];
};

static ssize_t read_some(void *arg, const uint8_t **ret)
{
    struct archive_input *in = arg;
    ssize_t n = (ssize_t)in->ahead;

    in->ahead = 0;
    while (!n) {
        n = read(in->fd, in->buf, sizeof(in->buf));
        if (n >= 0 || errno != EINTR || interrupted())
            break;
        n = 0;
    }
    if (n > 0)
        in->done += (uint64_t)n;
    *ret = in->buf;
    return n;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
    struct archive_input *in = arg;
    const char *text = NULL;
    const uint8_t *data;
    ssize_t n = in->gunzip ? gunzip_read(in->gunzip, &data, &text) : read_some(in, &data);

    if (n >= 0)
        *ret = data;
    else if (n == -1)
        archive_set_error(a, errno, "%s", strerror(errno));
    else
        archive_set_error(a, EILSEQ, "%s", text);
    return n < 0 ? -1 : n;
}

/* What follows the end of the archive has checksums of what came before. */
int archive_input_drain(struct archive_input *in)
{
    const void *data;
    la_ssize_t n = 1;

    while (in->gunzip && n > 0)
        n = on_read(in->archive, in, &data);
    return n < 0 ? -EIO : 0;
}

static la_int64_t on_seek(struct archive *a, void *arg, la_int64_t offset, int whence)
{
    struct archive_input *in = arg;
    off_t at = lseek(in->fd, offset, whence);

    if (at >= 0)
        return at;
    archive_set_error(a, errno, "%s", strerror(errno));
    return ARCHIVE_FATAL;
}

static la_int64_t on_skip(struct archive *a, void *arg, la_int64_t len)
{
    struct archive_input *in = arg;
    off_t before = lseek(in->fd, 0, SEEK_CUR), after;

    (void)a;
    if (before < 0 || (uint64_t)len > in->total - (uint64_t)before)
        return 0; /* read it instead, and so find its end */
    after = lseek(in->fd, len, SEEK_CUR);
    if (after < 0)
        return 0;
    in->done += (uint64_t)(after - before);
    return after - before;
}

static void support(struct archive *a)
{
    archive_read_support_format_tar(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_7zip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_compress(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_filter_lzip(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
}

static bool is_7z(const uint8_t *data, size_t len)
{
    static const uint8_t magic[6] = {'7', 'z', 0xbc, 0xaf, 0x27, 0x1c};

    return len >= sizeof(magic) && !memcmp(data, magic, sizeof(magic));
}

/* The first bytes, which libarchive or gunzip gets later. */
static int look_ahead(struct archive_input *in)
{
    ssize_t n = 1;

    while (n > 0 && in->ahead < 8) {
        n = read(in->fd, in->buf + in->ahead, sizeof(in->buf) - in->ahead);
        if (n < 0 && errno == EINTR && !interrupted())
            n = 1;
        else if (n > 0)
            in->ahead += (size_t)n;
    }
    return n < 0 ? -errno : 0;
}

static int input_start(struct archive_input *in)
{
    struct stat st;
    bool regular = !fstat(in->fd, &st) && S_ISREG(st.st_mode);
    int err = look_ahead(in);

    if (err)
        return err;
    if (gunzip_is(in->buf, in->ahead))
        err = gunzip_new(read_some, in, &in->gunzip);
    in->archive = archive_read_new();
    if (!in->archive || err)
        return -ENOMEM;
    support(in->archive);
    archive_read_set_read_callback(in->archive, on_read);
    archive_read_set_callback_data(in->archive, in);
    if (regular)
        in->total = (uint64_t)st.st_size;
    if (is_7z(in->buf, in->ahead))
        setlocale(LC_CTYPE, "C.UTF-8");
    if (regular && !in->gunzip && lseek(in->fd, -(off_t)in->ahead, SEEK_CUR) >= 0) {
        in->ahead = 0;
        archive_read_set_seek_callback(in->archive, on_seek);
        archive_read_set_skip_callback(in->archive, on_skip);
    }
    return archive_read_open1(in->archive) == ARCHIVE_OK ? 0 : 1;
}

int archive_input_open(const char *name, struct archive_input **ret)
{
    struct archive_input *in = malloc(sizeof(*in));
    int err;

    if (!in)
        return -ENOMEM;
    in->archive = NULL;
    in->gunzip = NULL;
    in->done = in->total = 0;
    in->ahead = 0;
    in->fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    err = in->fd < 0 ? -errno : input_start(in);
    if (err < 0)
        archive_input_close(in);
    else
        *ret = in;
    return err;
}

void archive_input_close(struct archive_input *in)
{
    if (!in)
        return;
    archive_read_free(in->archive);
    gunzip_free(in->gunzip);
    if (in->fd > STDIN_FILENO)
        close(in->fd);
    free(in);
}

struct archive *archive_input_archive(struct archive_input *in)
{
    return in->archive;
}

uint64_t archive_input_done(const struct archive_input *in)
{
    return in->done;
}

uint64_t archive_input_total(const struct archive_input *in)
{
    return in->total;
}
