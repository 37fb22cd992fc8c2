/*
 * lsmctl get: one value.
 */
#include <errno.h>

#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"

static const char help[] =
    "Usage: lsmctl get [OPTION...] STORE KEY\n"
    "Print the value of a key. The store is not changed.\n"
    "\n"
    "      --raw                the value's bytes as they are, with no newline behind them\n"
    "      --hex                the key and the value in hexadecimal digits\n" LSMCTL_HELP_STORE
    "\n"
    "Exit status: 1 when there is no such key.\n";

static void print_value(const struct args *args, const struct lsm_value *v)
{
    if (args->raw) {
        fwrite(v->data, 1, v->len, stdout);
        return;
    }
    bytes_put(stdout, slice_of(v->data, v->len), args->hex);
    putchar('\n');
}

static int get(const struct args *args, struct slice key)
{
    struct lsm_value value;
    struct lsm_db *db;
    int status = lsmctl_open_to_read(args, &db), err;

    if (status)
        return status;
    err = lsm_get(db, NULL, key.data, key.len, &value);
    if (!err) {
        print_value(args, &value);
        lsm_value_done(&value);
    } else if (err == -ENOENT) {
        cli_error("%s: there is no such key", args->store);
        status = LSMCTL_NOT_FOUND;
    } else {
        status = lsmctl_error(args->store, err);
    }
    return lsmctl_close(args, db, status);
}

static int run(int argc, char **argv)
{
    struct args args;
    struct buf key = {0};
    int status =
        args_parse(&args, argc, argv, ARGS_STORE | ARGS_RAW | ARGS_HEX, 1, 1, "a store and a key");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_parse_key(&args, args.words[0], &key);
    if (!status)
        status = get(&args, buf_slice(&key));
    buf_free(&key);
    return status;
}

const struct command lsmctl_get = LSMCTL_COMMAND("get", "print the value of a key", help, run);
