/*
 * fluxfs import: put the contents of an archive into a store, without a mount in between.
 *
 * However it ends, the store is whole: each batch of the engine holds whole objects. What was put
 * before a failure stays, and is told.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lsm/base/err.h"
#include "tools/archive/archive_source.h"
#include "tools/archive/archive_totals.h"
#include "tools/archive/interrupt.h"
#include "tools/archive/put_queue.h"
#include "tools/archive/remote_put.h"
#include "tools/commands.h"
#include "tools/inside_mount.h"
#include "tools/store_open.h"

static const char help[] =
    "Usage: fluxfs import [OPTION...] ARCHIVE STORE [DIR]\n"
    "Put the contents of an archive into the directory DIR (the root unless given) of a store.\n"
    "ARCHIVE is a tar, cpio, zip or 7z file, compressed or not; - is standard input. A store that\n"
    "is mounted may also be named by a directory of the mount; DIR then begins there.\n"
    "\n"
    "What has the name of something in the archive is replaced; directories stay, and get the\n"
    "attributes that the archive has. Nothing is ever put outside of DIR.\n"
    "\n"
    "  -k, --keep-old-files   touch nothing that exists: what has its name is left out\n"
    "      --same-owner       owners as in the archive; so it is for root unless said otherwise\n"
    "      --no-same-owner    everything belongs to you, without set-id bits and capabilities; so\n"
    "                         it is for everyone else\n"
    "      --names            owners by name, where the archive and this machine have names\n"
    "  -q, --quiet            say nothing but what went wrong\n"
    "  -h, --help             this text\n"
    "\n"
    "The exit status is 0 when everything is in the store, and durable, and 1 otherwise.\n";

struct import {
    const char *archive, *store, *dir;
    bool quiet, keep_old;
    struct archive_source_options source;
    struct archive_report report;
    struct timespec begin;
};

static void on_refused(void *arg, const char *path, int err, const char *text)
{
    struct import *im = arg;

    (void)err;
    archive_report_problem(&im->report, path, "%s", text);
}

/* The engine's words may begin with the store's name. */
static const char *without_store(const char *store, const char *text)
{
    size_t len = strlen(store);

    return !strncmp(text, store, len) && !strncmp(text + len, ": ", 2) ? text + len + 2 : text;
}

static int finish(struct import *im, enum archive_source_end end, const char *text,
                  const struct tree_outcome *out)
{
    char taken[ARCHIVE_TOTALS_LEN];
    const char *archive = im->archive;

    archive_totals_text(&out->stats, taken);
    if (out->err)
        return cli_error("%s: %s; %s had been put into it before", im->store,
                         without_store(im->store, out->text), taken);
    if (end == ARCHIVE_SOURCE_DAMAGED)
        return cli_error("%s: damaged or cut short: %s; %s before that were put into %s", archive,
                         text, taken, im->store);
    if (end == ARCHIVE_SOURCE_INTERRUPTED)
        return cli_error("%s: interrupted; %s are in %s, whole and durable", archive, taken,
                         im->store);
    if (end == ARCHIVE_SOURCE_MEMORY)
        return cli_error("%s: out of memory; %s are in %s", archive, taken, im->store);
    if (!im->quiet)
        archive_totals_print(archive, &out->stats, &im->begin);
    return im->report.problem_count ? STATUS_FAILED : STATUS_OK;
}

static struct tree_put_options put_options(struct import *im)
{
    return (struct tree_put_options){
        .keep_old = im->keep_old,
        .uid = im->source.uid,
        .gid = im->source.gid,
        .refused = on_refused,
        .arg = im,
    };
}

/* Into the store of a daemon; negative: see remote_put_start. */
static int import_remote(struct import *im, struct archive_input *in, const char *dir)
{
    const struct tree_put_options options = put_options(im);
    enum archive_source_end end = ARCHIVE_SOURCE_SINK;
    struct remote_put *r;
    struct tree_outcome out;
    char text[512] = "";
    int err;

    archive_report_init(&im->report, im->archive, im->quiet);
    err = remote_put_start(im->store, dir, &options, &r);
    if (err >= 0) {
        if (!err)
            end = archive_source_run(in, &im->source, remote_put_sink(r), &im->report, text,
                                     sizeof(text));
        remote_put_finish(r, &out);
    }
    archive_report_done(&im->report);
    if (err == 1)
        return cli_error("%s: %s: %s", im->store, dir, out.text);
    return err ? err : finish(im, end, text, &out);
}

static int import_into(struct import *im, struct archive_input *in, struct fs *fs, uint64_t dir)
{
    struct tree_put_options options = put_options(im);
    struct put_queue *q;
    struct tree_outcome out;
    enum archive_source_end end;
    char text[512] = "";
    int err;

    options.dir = dir;
    err = put_queue_start(fs, &options, &q);
    if (err)
        return cli_store_error(im->store, err);
    archive_report_init(&im->report, im->archive, im->quiet);
    end = archive_source_run(in, &im->source, put_queue_sink(q), &im->report, text, sizeof(text));
    put_queue_finish(q, &out);
    archive_report_done(&im->report);
    return finish(im, end, text, &out);
}

static int import_offline(struct import *im, struct archive_input *in)
{
    const struct fs_options options = {.read_only = false};
    struct fs_attr dir;
    struct fs *fs;
    int status, err = fs_open(im->store, &options, &fs);

    if (err == -ERR_STORE_LOCKED) {
        /* By a daemon that takes imports, or by anybody else. */
        status = import_remote(im, in, im->dir);
        if (status == -ENOENT || status == -ECONNREFUSED || status == -EACCES)
            return cli_store_error(im->store, err);
        return status < 0
                   ? cli_error("%s: its daemon cannot be reached: %s", im->store, strerror(-status))
                   : status;
    }
    if (err)
        return cli_store_error(im->store, err);
    status = store_resolve(fs, im->store, im->dir, &dir);
    if (!status && !S_ISDIR(dir.mode))
        status = cli_path_error(im->store, im->dir, -ENOTDIR);
    if (!status)
        status = import_into(im, in, fs, dir.ino);
    err = fs_close(fs);
    return err && !status ? cli_store_error(im->store, err) : status;
}

/* `store` may be a directory of a mount. */
static int import_to(struct import *im, struct archive_input *in)
{
    struct inside_mount where;
    int found = inside_mount_find(im->store, im->dir, &where), status;

    if (found < 0)
        return cli_error("%s: %s", im->store, strerror(-found));
    if (!found)
        return import_offline(im, in);
    im->store = where.store;
    status = import_remote(im, in, where.dir);
    if (status < 0)
        status = cli_error("%s: its daemon takes no imports: %s", im->store, strerror(-status));
    inside_mount_done(&where);
    return status;
}

static int import(struct import *im)
{
    struct archive_input *in;
    int status, err = archive_input_open(im->archive, &in);

    if (err < 0)
        return cli_error("%s: %s", im->archive, strerror(-err));
    if (err)
        status = cli_error("%s: no archive that can be read: %s", im->archive,
                           archive_error_string(archive_input_archive(in)));
    else
        status = import_to(im, in);
    archive_input_close(in);
    return status;
}

enum {
    OPTION_SAME_OWNER = 256,
    OPTION_NO_SAME_OWNER,
    OPTION_NAMES
};

static int parse(int argc, char **argv, struct import *im)
{
    static const struct option long_options[] = {
        {"keep-old-files", no_argument, NULL, 'k'},
        {"same-owner", no_argument, NULL, OPTION_SAME_OWNER},
        {"no-same-owner", no_argument, NULL, OPTION_NO_SAME_OWNER},
        {"names", no_argument, NULL, OPTION_NAMES},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int c, status;

    while ((c = getopt_long(argc, argv, ":kqh", long_options, NULL)) != -1) {
        switch (c) {
        case 'k':
            im->keep_old = true;
            break;
        case 'q':
            im->quiet = true;
            break;
        case OPTION_SAME_OWNER:
            im->source.fixed_owner = false;
            break;
        case OPTION_NO_SAME_OWNER:
            im->source.fixed_owner = true;
            break;
        case OPTION_NAMES:
            im->source.names = true;
            break;
        case 'h':
            cli_help();
            return -1;
        default:
            return cli_bad_option(c, argv);
        }
    }
    status =
        cli_place(argc, argv, 2, "an archive, a store, and at most one directory in it", &im->dir);
    if (status)
        return status;
    im->archive = argv[optind];
    im->store = argv[optind + 1];
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct import im = {
        .dir = "/",
        .source = {.fixed_owner = geteuid() != 0, .uid = geteuid(), .gid = getegid()},
    };
    int status = parse(argc, argv, &im);

    if (status)
        return status < 0 ? STATUS_OK : status;
    clock_gettime(CLOCK_MONOTONIC, &im.begin);
    interrupt_watch();
    return import(&im);
}

const struct command command_import = {
    .name = "import",
    .summary = "put an archive (tar, zip, ...) into a store",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
