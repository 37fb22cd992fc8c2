/*
 * lsmctl put, delete and delete-range: one change, durable when the command ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/lsmctl/lsmctl.h"

static const char help_put[] =
    "Usage: lsmctl put [OPTION...] STORE KEY VALUE\n"
    "       lsmctl put [OPTION...] STORE KEY --from FILE\n"
    "Insert a key with its value, or replace the value it has.\n"
    "\n"
    "      --from FILE          the value is what FILE holds, as it is; - is standard input\n"
    "      --create             make the store when there is none\n"
    "      --hex                key and value are hexadecimal digits\n" LSMCTL_HELP_STORE;

static const char help_delete[] =
    "Usage: lsmctl delete [OPTION...] STORE KEY\n"
    "Delete a key. One that is not there is no error: it is not looked for.\n"
    "\n"
    "      --hex                the key is hexadecimal digits\n" LSMCTL_HELP_STORE;

static const char help_delete_range[] =
    "Usage: lsmctl delete-range [OPTION...] STORE START END\n"
    "Delete all keys from START up to, without, END, at the cost of one.\n"
    "\n"
    "      --hex                both are hexadecimal digits\n" LSMCTL_HELP_STORE;

/* Everything that the file holds; a status. */
static int read_all(const char *name, struct buf *ret)
{
    FILE *in = strcmp(name, "-") ? fopen(name, "re") : stdin;
    int err = in ? 0 : -errno;

    while (!err && !feof(in)) {
        err = buf_reserve(ret, 1 << 16);
        if (!err)
            ret->len += fread(ret->data + ret->len, 1, ret->cap - ret->len, in);
        if (!err && ferror(in))
            err = errno ? -errno : -EIO;
        if (!err && ret->len > LSM_VALUE_LEN_MAX)
            err = -EFBIG;
    }
    if (in && in != stdin)
        fclose(in);
    return err ? cli_error("%s: %s", name, strerror(-err)) : STATUS_OK;
}

static int write_one(const struct args *args, const struct lsm_batch *b)
{
    struct lsm_db *db;
    int status = lsmctl_open_to_write(args, &db), err;

    if (status)
        return status;
    err = lsm_write(db, b, LSM_WRITE_SYNC);
    if (err)
        status = lsmctl_error(args->store, err);
    return lsmctl_close(args, db, status);
}

/* Parse, and make the batch; `second` is a value, a range's end, or NULL. */
typedef int batch_fn(struct lsm_batch *b, struct slice first, struct slice second);

static int change(const struct args *args, batch_fn *add, struct slice first, struct slice second)
{
    struct lsm_batch *b;
    int err = lsm_batch_new(&b), status;

    if (err)
        return lsmctl_error(args->store, err);
    err = add(b, first, second);
    status = err ? lsmctl_error(args->store, err) : write_one(args, b);
    lsm_batch_free(b);
    return status;
}

static int add_put(struct lsm_batch *b, struct slice key, struct slice value)
{
    return lsm_batch_put(b, key.data, key.len, value.data, value.len);
}

static int add_delete(struct lsm_batch *b, struct slice key, struct slice none)
{
    (void)none;
    return lsm_batch_delete(b, key.data, key.len);
}

static int add_delete_range(struct lsm_batch *b, struct slice start, struct slice end)
{
    return lsm_batch_delete_range(b, start.data, start.len, end.data, end.len);
}

static int parse_value(const struct args *args, struct buf *ret)
{
    if (args->from && args->word_count == 2)
        return cli_usage_error("give the value, or --from FILE, but not both");
    if (!args->from && args->word_count == 1)
        return cli_usage_error("give a value, or --from FILE");
    return args->from ? read_all(args->from, ret)
                      : lsmctl_parse(args, "value", args->words[1], ret);
}

static int run_put(int argc, char **argv)
{
    struct args args;
    struct buf key = {0}, value = {0};
    int status = args_parse(&args, argc, argv, ARGS_STORE | ARGS_CREATE | ARGS_HEX | ARGS_FROM, 1,
                            2, "a store, a key and a value");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_parse_key(&args, args.words[0], &key);
    if (!status)
        status = parse_value(&args, &value);
    if (!status)
        status = change(&args, add_put, buf_slice(&key), buf_slice(&value));
    buf_free(&key);
    buf_free(&value);
    return status;
}

static int run_delete(int argc, char **argv)
{
    struct args args;
    struct buf key = {0};
    int status = args_parse(&args, argc, argv, ARGS_STORE | ARGS_HEX, 1, 1, "a store and a key");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_parse_key(&args, args.words[0], &key);
    if (!status)
        status = change(&args, add_delete, buf_slice(&key), slice_of(NULL, 0));
    buf_free(&key);
    return status;
}

static int run_delete_range(int argc, char **argv)
{
    struct args args;
    struct buf start = {0}, end = {0};
    int status = args_parse(&args, argc, argv, ARGS_STORE | ARGS_HEX, 2, 2,
                            "a store, the first key, and the key behind the last");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    status = lsmctl_parse_key(&args, args.words[0], &start);
    if (!status)
        status = lsmctl_parse_key(&args, args.words[1], &end);
    if (!status)
        status = change(&args, add_delete_range, buf_slice(&start), buf_slice(&end));
    buf_free(&start);
    buf_free(&end);
    return status;
}

const struct command lsmctl_put =
    LSMCTL_COMMAND("put", "insert a key or replace its value", help_put, run_put);
const struct command lsmctl_delete =
    LSMCTL_COMMAND("delete", "delete a key", help_delete, run_delete);
const struct command lsmctl_delete_range = LSMCTL_COMMAND(
    "delete-range", "delete all keys of a range", help_delete_range, run_delete_range);
