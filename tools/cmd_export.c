/*
 * fluxfs export: write a tree of a store to a tar archive, without a mount in between.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/archive/archive_totals.h"
#include "tools/archive/interrupt.h"
#include "tools/archive/tree_export.h"
#include "tools/commands.h"
#include "tools/inside_mount.h"
#include "tools/mountinfo.h"
#include "tools/store_lock.h"
#include "tools/store_open.h"

static const char help[] =
    "Usage: fluxfs export [OPTION...] STORE ARCHIVE [PATH]\n"
    "Write the tree of a store that is not mounted (what is in PATH, if that is given) to a tar\n"
    "file of the pax format; - is standard output. What ARCHIVE was before is lost.\n"
    "Of a mounted store make the archive with tar.\n"
    "\n"
    "  -z, --compress METHOD  none, gzip, bzip2, xz, zstd, lz4, lzma or lzip; unless given, what\n"
    "                         the end of ARCHIVE says: .tar, .tar.gz, .tgz, .tar.xz, .tar.zst ...\n"
    "      --names            names of owners as well, where this machine knows them\n"
    "  -q, --quiet            say nothing but what went wrong\n"
    "  -h, --help             this text\n"
    "\n"
    "The exit status is 0 when all of the tree is in the archive, and 1 otherwise.\n";

struct export_args {
    const char *store, *archive, *path;
    const struct compression *compression;
    bool names, quiet;
};

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int finish(const struct export_args *x, struct archive_output *out, enum tree_export_end end)
{
    if (end == TREE_EXPORT_WHOLE && archive_output_finish(out))
        end = TREE_EXPORT_OUTPUT;
    switch (end) {
    case TREE_EXPORT_WHOLE:
        return STATUS_OK;
    case TREE_EXPORT_OUTPUT:
        return cli_error("%s: cannot be written: %s", x->archive, archive_output_error(out));
    case TREE_EXPORT_INTERRUPTED:
        return cli_error("%s: interrupted; there is no whole archive", x->archive);
    default:
        return cli_error("%s: out of memory; there is no whole archive", x->archive);
    }
}

static int export_to(const struct export_args *x, struct fs *fs, const struct fs_attr *top,
                     struct archive_output *out)
{
    struct archive_report report;
    struct tree_put_stats stats;
    struct timespec begin;
    enum tree_export_end end;
    int status;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    archive_report_init(&report, x->store, x->quiet);
    end = tree_export(fs, top, last_name(x->path), x->names, out, &report, &stats);
    archive_report_done(&report);
    status = finish(x, out, end);
    if (!status && !x->quiet && strcmp(x->archive, "-"))
        archive_totals_print(x->archive, &stats, &begin);
    if (!status && report.problem_count)
        status = STATUS_FAILED;
    return status;
}

/*
 * A mounted store cannot be read past its daemon. What is refused by the name of a mount would be
 * taken for no store otherwise, and what to do instead is worth a word.
 */
static int refuse_mounted(const struct export_args *x)
{
    struct inside_mount where;
    struct mount_entry mount;

    if (inside_mount_find(x->store, "", &where) == 1) {
        cli_error("%s: the store %s is mounted here; unmount it first, or use tar -C %s -caf %s .",
                  x->store, where.store, x->store, x->archive);
        inside_mount_done(&where);
        return STATUS_FAILED;
    }
    if (!store_lock_held(x->store) || mountinfo_find_store(x->store, &mount) != 1)
        return STATUS_OK;
    cli_error("%s: the store is in use by process %ld; unmount it first (fluxfs umount %s), or use "
              "tar -C %s -caf %s .",
              x->store, store_lock_pid(x->store), mount.dir, mount.dir, x->archive);
    mount_entry_done(&mount);
    return STATUS_FAILED;
}

static int export(const struct export_args *x)
{
    struct archive_output *out;
    struct fs_attr top;
    struct fs *fs;
    int status = refuse_mounted(x), err;

    if (!status)
        status = store_open(x->store, &fs);
    if (status)
        return status;
    status = store_resolve(fs, x->store, x->path, &top);
    if (!status) {
        err = archive_output_open(x->archive, x->compression, &out);
        if (err) {
            status = cli_error("%s: %s", x->archive, strerror(-err));
        } else {
            status = export_to(x, fs, &top, out);
            archive_output_close(out);
        }
    }
    fs_close(fs);
    return status;
}

enum {
    OPTION_NAMES = 256
};

static int parse(int argc, char **argv, struct export_args *x)
{
    static const struct option long_options[] = {{"compress", required_argument, NULL, 'z'},
                                                 {"names", no_argument, NULL, OPTION_NAMES},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    int c, status;

    while ((c = getopt_long(argc, argv, ":z:qh", long_options, NULL)) != -1) {
        switch (c) {
        case 'z':
            x->compression = compression_of_name(optarg);
            if (!x->compression)
                return cli_usage_error("there is no compression \"%s\"", optarg);
            break;
        case OPTION_NAMES:
            x->names = true;
            break;
        case 'q':
            x->quiet = true;
            break;
        case 'h':
            cli_help();
            return -1;
        default:
            return cli_bad_option(c, argv);
        }
    }
    status = cli_place(argc, argv, 2, "a store, an archive, and at most one path in the store",
                       &x->path);
    if (status)
        return status;
    x->store = argv[optind];
    x->archive = argv[optind + 1];
    if (!x->compression)
        x->compression = compression_of_file(x->archive);
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct export_args x = {.path = "/"};
    int status = parse(argc, argv, &x);

    if (status)
        return status < 0 ? STATUS_OK : status;
    if (!strcmp(x.archive, "-") && isatty(STDOUT_FILENO))
        return cli_usage_error("an archive is nothing for a terminal: name a file");
    interrupt_watch();
    return export(&x);
}

const struct command command_export = {
    .name = "export",
    .summary = "write the tree of a store to a tar archive",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
