/*
 * lsmctl time: when a write was committed, by its sequence number.
 */
#include <errno.h>
#include <stdlib.h>

#include "tools/lsmctl/lsmctl.h"
#include "tools/time_text.h"

static const char help[] =
    "Usage: lsmctl time [OPTION...] STORE NUMBER\n"
    "Print when the write with this sequence number was committed, as well as the store "
    "remembers:\n"
    "to the millisecond for new writes, more coarsely for old ones.\n"
    "\n" LSMCTL_HELP_STORE "\n"
    "Exit status: 1 when nothing that old is remembered, or no write has that number.\n";

static int print_time(const struct args *args, struct lsm_db *db, uint64_t seqno)
{
    char when[TIME_TEXT_LEN];
    struct lsm_stats stats;
    uint64_t time_ns;
    int err = lsm_stats(db, &stats);

    if (!err && seqno > stats.seqno)
        return lsmctl_not_found(args->store, "there is no write with that number yet");
    if (!err)
        err = lsm_seqno_time(db, seqno, &time_ns);
    if (err == -ENOENT)
        return lsmctl_not_found(args->store, "nothing that old is remembered");
    if (err)
        return lsmctl_error(args->store, err);
    time_ns_text(time_ns, when);
    puts(when);
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct args args;
    struct lsm_db *db;
    uint64_t seqno;
    int status = args_parse(&args, argc, argv, ARGS_STORE, 1, 1, "a store and a sequence number");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = args_parse_count(args.words[0], &seqno);
    if (!status)
        status = lsmctl_open_to_read(&args, &db);
    return status ? status : lsmctl_close(&args, db, print_time(&args, db, seqno));
}

const struct command lsmctl_time =
    LSMCTL_COMMAND("time", "print when a sequence number was committed", help, run);
