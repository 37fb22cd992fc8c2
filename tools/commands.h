/*
 * The subcommands of fluxfs, and what those that use a store say when they cannot.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "tools/cli.h"

extern const struct command command_mkfs, command_mount, command_umount, command_fsck, command_stat,
    command_ls, command_cat, command_dump, command_import, command_export;

/*
 * Say why `store` could not be used, from a code of the engine or of fs/; returns STATUS_FAILED.
 * For a store in use it names the process and where it is mounted.
 */
int cli_store_error(const char *store, int err);
/* The same for a path inside of a store. */
int cli_path_error(const char *store, const char *path, int err);

#endif
