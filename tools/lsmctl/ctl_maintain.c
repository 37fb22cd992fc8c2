/*
 * lsmctl flush and compact: work that the engine does by itself sooner or later, done now.
 */
#include "tools/lsmctl/lsmctl.h"

static const char help_flush[] = "Usage: lsmctl flush [OPTION...] STORE\n"
                                 "Write what is only in the log into tables.\n"
                                 "\n" LSMCTL_HELP_STORE;

static const char help_compact[] =
    "Usage: lsmctl compact [OPTION...] STORE [START [END]]\n"
    "Merge all tables that hold keys from START up to END, so that nothing that was overwritten\n"
    "or deleted takes space. The whole store unless START and END are given.\n"
    "\n"
    "      --hex                START and END are hexadecimal digits\n" LSMCTL_HELP_STORE;

static int run_flush(int argc, char **argv)
{
    struct args args;
    struct lsm_db *db;
    int status = args_parse(&args, argc, argv, ARGS_STORE, 0, 0, "one store"), err;

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_open_to_write(&args, &db);
    if (status)
        return status;
    err = lsm_flush(db);
    if (err)
        status = lsmctl_error(args.store, err);
    return lsmctl_close(&args, db, status);
}

static int compact(const struct args *args, struct slice start, struct slice end)
{
    struct lsm_db *db;
    int status = lsmctl_open_to_write(args, &db), err;

    if (status)
        return status;
    err = lsm_compact_range(db, start.len ? start.data : NULL, start.len, end.len ? end.data : NULL,
                            end.len);
    if (err)
        status = lsmctl_error(args->store, err);
    return lsmctl_close(args, db, status);
}

static int run_compact(int argc, char **argv)
{
    struct buf start = {0}, end = {0};
    struct args args;
    int status =
        args_parse(&args, argc, argv, ARGS_STORE | ARGS_HEX, 0, 2, "a store, and at most two keys");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    if (args.word_count > 0)
        status = lsmctl_parse_key(&args, args.words[0], &start);
    if (!status && args.word_count > 1)
        status = lsmctl_parse_key(&args, args.words[1], &end);
    if (!status)
        status = compact(&args, buf_slice(&start), buf_slice(&end));
    buf_free(&start);
    buf_free(&end);
    return status;
}

const struct command lsmctl_flush =
    LSMCTL_COMMAND("flush", "write what is only in the log into tables", help_flush, run_flush);
const struct command lsmctl_compact = LSMCTL_COMMAND(
    "compact", "merge tables, so that deleted data takes no space", help_compact, run_compact);
