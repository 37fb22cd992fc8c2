/*
 * lsmctl: a store of liblsm from the command line.
 */
#include "tools/lsmctl/lsmctl.h"

static const struct command *const commands[] = {
    &lsmctl_get,      &lsmctl_put,        &lsmctl_delete, &lsmctl_delete_range,
    &lsmctl_scan,     &lsmctl_load,       &lsmctl_stats,  &lsmctl_verify,
    &lsmctl_repair,   &lsmctl_dump,       &lsmctl_flush,  &lsmctl_compact,
    &lsmctl_snapshot, &lsmctl_checkpoint, &lsmctl_time,   &lsmctl_bench,
};

static const struct cli_program program = {
    .name = "lsmctl",
    .about = "Look into a store of liblsm, change it, and look after it. Keys and values are\n"
             "written as text, with \\t, \\n, \\\\ and \\xNN for what text cannot show.\n",
    .commands = commands,
    .command_count = sizeof(commands) / sizeof(commands[0]),
    .name_width = 12,
    .status_failed = LSMCTL_FAILED,
};

int main(int argc, char **argv)
{
    return cli_main(&program, argc, argv);
}
