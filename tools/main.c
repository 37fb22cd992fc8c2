/*
 * fluxfs: its commands, also under the names that Linux looks for (mkfs.fluxfs, fsck.fluxfs,
 * mount.fluxfs, mount.fuse.fluxfs).
 */
#include "tools/commands.h"

static const struct command *const commands[] = {
    &command_mkfs, &command_mount, &command_umount, &command_fsck,   &command_stat,
    &command_ls,   &command_cat,   &command_import, &command_export, &command_dump,
};

static const struct cli_program program = {
    .name = "fluxfs",
    .about = "A file system in a directory: a tree of files kept in one store and mounted with "
             "FUSE.\n",
    .commands = commands,
    .command_count = sizeof(commands) / sizeof(commands[0]),
    .name_width = 8,
    .status_failed = STATUS_FAILED,
};

int main(int argc, char **argv)
{
    return cli_main(&program, argc, argv);
}
