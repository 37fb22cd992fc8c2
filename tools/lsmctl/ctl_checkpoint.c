/*
 * lsmctl checkpoint: a store of its own with what this one holds, by hard links where the disk can.
 */
#include <errno.h>

#include "tools/lsmctl/lsmctl.h"

static const char help[] =
    "Usage: lsmctl checkpoint [OPTION...] STORE DIR\n"
    "Make the directory DIR, which must not exist, a store of its own with what STORE holds now. "
    "On\n"
    "one file system this takes a moment and little space: the files are shared until they go.\n"
    "\n" LSMCTL_HELP_STORE;

static int run(int argc, char **argv)
{
    struct args args;
    struct lsm_db *db;
    int status = args_parse(&args, argc, argv, ARGS_STORE, 1, 1, "a store and a new directory"),
        err;

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_open_to_write(&args, &db);
    if (status)
        return status;
    err = lsm_checkpoint(db, args.words[0]);
    if (err == -EEXIST)
        status = cli_error("%s: there is something of that name already", args.words[0]);
    else if (err)
        status = lsmctl_error(args.store, err);
    return lsmctl_close(&args, db, status);
}

const struct command lsmctl_checkpoint =
    LSMCTL_COMMAND("checkpoint", "make a second store with what is in this one", help, run);
