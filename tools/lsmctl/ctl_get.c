/*
 * lsmctl get: one value.
 */
#include <errno.h>

#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"
#include "tools/time_text.h"

static const char help[] =
    "Usage: lsmctl get [OPTION...] STORE KEY\n"
    "Print the value of a key. The store is not changed.\n"
    "\n"
    "      --raw                the value's bytes as they are, with no newline behind them\n"
    "      --snapshot NAME      as of this named snapshot\n"
    "      --time               the time of the write that made the value, and a tab, before it\n"
    "      --hex                the key and the value in hexadecimal digits\n" LSMCTL_HELP_STORE
    "\n"
    "Exit status: 1 when there is no such key.\n";

/* "-": so old that no time is remembered. */
static void print_time(struct lsm_db *db, uint64_t seqno)
{
    char when[TIME_TEXT_LEN] = "-";
    uint64_t time_ns;

    if (!lsm_seqno_time(db, seqno, &time_ns))
        time_ns_text(time_ns, when);
    printf("%s\t", when);
}

static void print_value(const struct args *args, struct lsm_db *db, const struct lsm_value *v)
{
    if (args->time)
        print_time(db, v->seqno);
    if (args->raw) {
        fwrite(v->data, 1, v->len, stdout);
        return;
    }
    bytes_put(stdout, slice_of(v->data, v->len), args->hex);
    putchar('\n');
}

static int get_from(const struct args *args, struct lsm_db *db, struct slice key)
{
    struct lsm_snapshot *snapshot;
    struct lsm_value value;
    int status = lsmctl_find_snapshot(args, db, &snapshot), err;

    if (status)
        return status;
    err = lsm_get(db, snapshot, key.data, key.len, &value);
    if (!err) {
        print_value(args, db, &value);
        lsm_value_done(&value);
    } else if (err == -ENOENT) {
        status = lsmctl_not_found(args->store, "there is no such key");
    } else {
        status = lsmctl_error(args->store, err);
    }
    lsm_snapshot_close(db, snapshot);
    return status;
}

static int get(const struct args *args, struct slice key)
{
    struct lsm_db *db;
    int status = lsmctl_open_to_read(args, &db);

    return status ? status : lsmctl_close(args, db, get_from(args, db, key));
}

static int run(int argc, char **argv)
{
    struct args args;
    struct buf key = {0};
    int status =
        args_parse(&args, argc, argv, ARGS_STORE | ARGS_SNAPSHOT | ARGS_TIME | ARGS_RAW | ARGS_HEX,
                   1, 1, "a store and a key");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_parse_key(&args, args.words[0], &key);
    if (!status)
        status = get(&args, buf_slice(&key));
    buf_free(&key);
    return status;
}

const struct command lsmctl_get = LSMCTL_COMMAND("get", "print the value of a key", help, run);
