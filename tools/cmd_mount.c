/*
 * fluxfs mount, and the helpers that mount(8) calls: mount.fluxfs for type fluxfs, and
 * mount.fuse.fluxfs for type fuse.fluxfs. The mount itself is fs/fuse's.
 */
#include <string.h>

#include "fs/fuse/mount.h"
#include "lsm/base/slice.h"
#include "tools/commands.h"

static const char help[] =
    "Usage: fluxfs mount STORE DIR [OPTION...]\n"
    "       mount.fluxfs STORE DIR [-sfnv] [-o OPTION,...]\n"
    "Mount a store on a directory. A store that does not exist is made first. The command returns\n"
    "when the mount is ready; a process in the background serves it until it is unmounted.\n"
    "\n"
    "  -o OPTION,...      mount options, see below\n"
    "  -f, --foreground   stay in the foreground and log to stderr\n"
    "  -v, --verbose      with -f: log more\n"
    "  -h, --help         this text\n"
    "\n"
    "Unmount with \"fluxfs umount DIR\".\n"
    "\n";

static int print_help(void)
{
    cli_help();
    fputs(fluxfs_mount_help(), stdout);
    return STATUS_OK;
}

/* -o may be given more than once. */
static bool add_options(struct buf *all, const char *more)
{
    if (!*more)
        return true;
    if (all->len && buf_append(all, ",", 1))
        return false;
    return !buf_append(all, more, strlen(more));
}

/*
 * *done: there is nothing more to do. mount(8) passes -s (sloppy), -f (fake: libmount handles it; a
 * helper that is called with it only checks), -n (no mtab), -v, -N namespace and -t type.
 */
static int parse(int argc, char **argv, struct fuse_mount_options *ret, struct buf *all, bool *done)
{
    static const struct option long_options[] = {{"options", required_argument, NULL, 'o'},
                                                 {"foreground", no_argument, NULL, 'f'},
                                                 {"verbose", no_argument, NULL, 'v'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    const char *letters = cli_by_alias ? ":o:fvsnN:t:rwh" : ":o:fvh";
    int c;

    while ((c = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        if (c == 'o' && !add_options(all, optarg))
            return cli_error("out of memory");
        if ((c == 'r' || c == 'w') && !add_options(all, c == 'r' ? "ro" : "rw"))
            return cli_error("out of memory");
        if (c == 'f' && cli_by_alias)
            *done = true;
        else if (c == 'f')
            ret->foreground = true;
        else if (c == 'v')
            ret->verbose = true;
        else if (c == 'N')
            return cli_error("mounting in another namespace (-N %s) is not supported", optarg);
        else if (c == '?' || c == ':')
            return cli_bad_option(c, argv);
        else if (c == 'h')
            return *done = true, print_help();
    }
    if (argc - optind != 2)
        return cli_usage_error("name a store and a directory to mount it on");
    ret->store = argv[optind];
    ret->mount_point = argv[optind + 1];
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct fuse_mount_options options = {0};
    struct buf all = {0};
    bool done = false;
    int status = parse(argc, argv, &options, &all, &done);

    if (!status && all.len && buf_append(&all, "", 1))
        status = cli_error("out of memory");
    options.options = all.len ? (const char *)all.data : NULL;
    if (!status && !done)
        status = fluxfs_mount_run(&options);
    buf_free(&all);
    return status;
}

const struct command command_mount = {
    .name = "mount",
    .alias = "mount.fluxfs",
    .summary = "mount a store on a directory",
    .help = help,
    .run = run,
    .status_usage = MOUNT_EXIT_USAGE,
    .status_output = MOUNT_EXIT_FAILURE,
};
