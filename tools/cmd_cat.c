/*
 * fluxfs cat: the contents of files, read from the store without a mount.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/store_open.h"

enum {
    CHUNK_LEN = 1 << 20
};

static const char help[] = "Usage: fluxfs cat STORE PATH...\n"
                           "Print the contents of files in a store that is not mounted.\n"
                           "\n"
                           "  -h, --help   this text\n"
                           "\n"
                           "Symbolic links are not followed.\n";

/* Everything that the pieces hold; 0 or a status, after saying why. */
static int write_all(struct fs_read *r)
{
    struct iovec *iov = r->iov;
    int left = r->iov_count;

    while (left > 0) {
        ssize_t n = writev(STDOUT_FILENO, iov, left < 64 ? left : 64);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_error("the output could not be written: %s", strerror(errno));
        while (left > 0 && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            left--;
        }
        if (left > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return STATUS_OK;
}

static int cat_file(struct fs *fs, const char *store, const char *path, const struct fs_attr *attr)
{
    uint64_t offset = 0;
    int status = STATUS_OK;

    while (!status && offset < attr->size) {
        struct fs_read r;
        int err = fs_read(fs, attr->ino, offset, CHUNK_LEN, &r);

        if (err < 0)
            return cli_path_error(store, path, err);
        status = write_all(&r);
        offset += r.len;
        if (!r.len)
            offset = attr->size;
        fs_read_done(&r);
    }
    return status;
}

static int cat_path(struct fs *fs, const char *store, const char *path)
{
    struct fs_attr attr;
    char target[FS_SYMLINK_LEN_MAX + 1];
    int status = store_resolve(fs, store, path, &attr);

    if (status)
        return status;
    if (S_ISREG(attr.mode))
        return cat_file(fs, store, path, &attr);
    if (S_ISDIR(attr.mode))
        return cli_error("%s: %s: is a directory", store, path);
    if (S_ISLNK(attr.mode) && !fs_readlink(fs, attr.ino, target, sizeof(target)))
        return cli_error("%s: %s: is a symbolic link to %s", store, path, target);
    return cli_error("%s: %s: is no regular file", store, path);
}

static int run(int argc, char **argv)
{
    static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    struct fs *fs;
    int c, status;

    while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        return cli_bad_option(c, argv);
    }
    if (argc - optind < 2)
        return cli_usage_error("name a store and at least one path in it");
    status = store_open(argv[optind], &fs);
    if (status)
        return status;
    for (int i = optind + 1; i < argc; i++)
        status |= cat_path(fs, argv[optind], argv[i]);
    fs_close(fs);
    return status;
}

const struct command command_cat = {
    .name = "cat",
    .summary = "print files of a store that is not mounted",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
