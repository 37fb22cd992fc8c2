/*
 * fluxfs mkfs: make an empty file system.
 */
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "tools/commands.h"
#include "tools/store_text.h"

static const char help[] =
    "Usage: fluxfs mkfs STORE [OPTION...]\n"
    "       mkfs.fluxfs STORE [OPTION...]\n"
    "Make an empty file system in the directory STORE, which must be missing or empty.\n"
    "Its root directory belongs to whoever makes it.\n"
    "\n"
    "  -b, --block-size SIZE   bytes of a block of a file, a power of two from 4K to 1M; 64K\n"
    "                          unless given\n"
    "  -L, --label NAME        a name for the file system, at most 63 bytes\n"
    "  -q, --quiet             do not say what was made\n"
    "  -h, --help              this text\n";

static int print_made(const char *store)
{
    struct fs_options options = {.read_only = true};
    char len[32], uuid[UUID_TEXT_LEN];
    const struct fs_super *super;
    struct fs *fs;
    int err = fs_open(store, &options, &fs);

    if (err)
        return cli_store_error(store, err);
    super = fs_super(fs);
    uuid_text(super->uuid, uuid);
    cli_put_name(stdout, store);
    printf(": an empty file system, block size %s, UUID %s", cli_size_text(super->block_len, len),
           uuid);
    if (*super->label)
        printf(", label \"%s\"", super->label);
    putchar('\n');
    err = fs_close(fs);
    return err ? cli_store_error(store, err) : STATUS_OK;
}

static int set_block_size(const char *text, uint32_t *ret)
{
    if (!parse_block_size(text, ret))
        return cli_usage_error("the block size \"%s\" is not a power of two from 4K to 1M", text);
    return STATUS_OK;
}

static int parse_label(const char *text, const char **ret)
{
    if (strlen(text) > FS_LABEL_LEN_MAX)
        return cli_usage_error("the label is longer than %d bytes", FS_LABEL_LEN_MAX);
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return cli_usage_error("the label has a control character in it");
    }
    *ret = text;
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    static const struct option long_options[] = {{"block-size", required_argument, NULL, 'b'},
                                                 {"label", required_argument, NULL, 'L'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    struct fs_mkfs_options options = {.root_uid = getuid(), .root_gid = getgid()};
    bool quiet = false;
    int c, status = STATUS_OK, err;

    while (!status && (c = getopt_long(argc, argv, ":b:L:qh", long_options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c == 'b')
            status = set_block_size(optarg, &options.block_len);
        else if (c == 'L')
            status = parse_label(optarg, &options.label);
        else if (c == 'q')
            quiet = true;
        else
            status = cli_bad_option(c, argv);
    }
    if (status)
        return status;
    if (argc - optind != 1)
        return cli_usage_error("name one directory for the store");
    err = fs_mkfs(argv[optind], &options);
    if (err)
        return cli_store_error(argv[optind], err);
    return quiet ? STATUS_OK : print_made(argv[optind]);
}

const struct command command_mkfs = {
    .name = "mkfs",
    .alias = "mkfs.fluxfs",
    .summary = "make an empty file system",
    .help = help,
    .run = run,
    .status_usage = STATUS_USAGE,
    .status_output = STATUS_FAILED,
};
