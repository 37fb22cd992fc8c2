/*
 * lsmctl dump: files of a store as text. It takes no lock, so it also shows a store that is in use,
 * or too damaged to be opened.
 */
#include <errno.h>

#include "tools/dump_file.h"
#include "tools/lsmctl/lsmctl.h"

static const char help[] =
    "Usage: lsmctl dump [--full] STORE FILE...\n"
    "Print files of a store as text: SUPERBLOCK, CURRENT, a manifest, a log, a table. They can be\n"
    "looked at even while the store is in use, and when it is too damaged to be opened.\n"
    "\n"
    "      --full   values whole instead of their first bytes\n"
    "  -h, --help   this text\n";

static int dump(const struct args *args, const char *file)
{
    int err = dump_file(args->store, file, args->full);

    if (err == -ENOENT) {
        cli_error("%s: there is no file %s in the store", args->store, file);
        return LSMCTL_NOT_FOUND;
    }
    return err ? lsmctl_error(args->store, err) : STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct args args;
    int status =
        args_parse(&args, argc, argv, ARGS_FULL, 1, argc, "a store and at least one file in it");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    for (int i = 0; i < args.word_count; i++) {
        int s = dump(&args, args.words[i]);

        status = s > status ? s : status;
    }
    return status;
}

const struct command lsmctl_dump =
    LSMCTL_COMMAND("dump", "print files of a store as text", help, run);
