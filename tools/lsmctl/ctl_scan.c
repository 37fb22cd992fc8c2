/*
 * lsmctl scan: the pairs of a range, a line each, in the form that lsmctl load reads.
 */
#include <errno.h>
#include <string.h>

#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"

static const char help[] =
    "Usage: lsmctl scan [OPTION...] STORE [START [END]]\n"
    "Print the pairs with keys from START up to, without, END: a line each with key, tab, value,\n"
    "as load reads them. The store is not changed.\n"
    "\n"
    "      --prefix PREFIX      only keys that begin so; instead of START and END\n"
    "      --snapshot NAME      as of this named snapshot\n"
    "      --reverse            the last key first\n"
    "      --limit COUNT        at most so many\n"
    "      --keys               without the values\n"
    "      --hex                everything in hexadecimal digits\n"
    "      --null               the bytes as they are, each key and each value with a NUL behind\n"
    "                           it; it must have none inside\n" LSMCTL_HELP_STORE;

/* [lower, upper); empty: no bound. */
struct range {
    struct buf lower, upper;
};

/* The key behind all that begin with the prefix: none (empty) when it is all 0xff. */
static int prefix_end(struct slice prefix, struct buf *ret)
{
    int err = buf_assign(ret, prefix.data, prefix.len);

    while (!err && ret->len && ret->data[ret->len - 1] == 0xff)
        ret->len--;
    if (!err && ret->len)
        ret->data[ret->len - 1]++;
    return err;
}

static int parse_range(const struct args *args, struct range *ret)
{
    int status = STATUS_OK;

    if (args->prefix && args->word_count)
        return cli_usage_error("give START and END, or --prefix, but not both");
    if (args->prefix) {
        status = lsmctl_parse_key(args, args->prefix, &ret->lower);
        if (!status && prefix_end(buf_slice(&ret->lower), &ret->upper))
            status = cli_error("out of memory");
    }
    if (args->word_count > 0)
        status = lsmctl_parse_key(args, args->words[0], &ret->lower);
    if (!status && args->word_count > 1)
        status = lsmctl_parse_key(args, args->words[1], &ret->upper);
    return status;
}

/* 0, or -EINVAL for what --null cannot show. */
static int put_raw(struct slice s)
{
    if (memchr(s.len ? s.data : (const uint8_t *)"x", 0, s.len))
        return -EINVAL;
    if (s.len)
        fwrite(s.data, 1, s.len, stdout);
    putchar(0);
    return 0;
}

static int put_pair(const struct args *args, const struct lsm_iter *it)
{
    struct slice key, value;
    int err = 0;

    key.data = lsm_iter_key(it, &key.len);
    value.data = lsm_iter_value(it, &value.len);
    if (args->null) {
        err = put_raw(key);
        return err || args->keys ? err : put_raw(value);
    }
    bytes_put(stdout, key, args->hex);
    if (!args->keys) {
        putchar('\t');
        bytes_put(stdout, value, args->hex);
    }
    putchar('\n');
    return 0;
}

static int walk(const struct args *args, struct lsm_iter *it)
{
    uint64_t left = args->has_limit ? args->limit : UINT64_MAX;
    int rc = 0, err = 0;

    if (left)
        rc = args->reverse ? lsm_iter_last(it) : lsm_iter_first(it);
    while (rc == 1 && !err && !ferror(stdout)) {
        err = put_pair(args, it);
        if (--left == 0)
            break;
        rc = args->reverse ? lsm_iter_prev(it) : lsm_iter_next(it);
    }
    if (err)
        return cli_error("a key or value has a zero byte in it; --null cannot show that");
    return rc < 0 ? lsmctl_error(args->store, rc) : STATUS_OK;
}

static const void *bound(const struct buf *b)
{
    return b->len ? b->data : NULL;
}

static int scan_from(const struct args *args, struct lsm_db *db, const struct range *range)
{
    struct lsm_snapshot *snapshot;
    struct lsm_iter *it;
    int status = lsmctl_find_snapshot(args, db, &snapshot), err;

    if (status)
        return status;
    err = lsm_iter_new(db, snapshot, bound(&range->lower), range->lower.len, bound(&range->upper),
                       range->upper.len, &it);
    if (err) {
        status = lsmctl_error(args->store, err);
    } else {
        status = walk(args, it);
        lsm_iter_free(it);
    }
    lsm_snapshot_close(db, snapshot);
    return status;
}

static int scan(const struct args *args, const struct range *range)
{
    struct lsm_db *db;
    int status = lsmctl_open_to_read(args, &db);

    return status ? status : lsmctl_close(args, db, scan_from(args, db, range));
}

static int run(int argc, char **argv)
{
    struct range range = {0};
    struct args args;
    int status = args_parse(&args, argc, argv,
                            ARGS_STORE | ARGS_SNAPSHOT | ARGS_PREFIX | ARGS_REVERSE | ARGS_LIMIT |
                                ARGS_KEYS | ARGS_HEX | ARGS_NULL,
                            0, 2, "a store, and at most two keys");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    if (args.hex && args.null)
        return cli_usage_error("--hex and --null are two forms; give one");
    status = parse_range(&args, &range);
    if (!status)
        status = scan(&args, &range);
    buf_free(&range.lower);
    buf_free(&range.upper);
    return status;
}

const struct command lsmctl_scan = LSMCTL_COMMAND("scan", "print the pairs of a range", help, run);
