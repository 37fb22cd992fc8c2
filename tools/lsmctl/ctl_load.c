/*
 * lsmctl load: many pairs from standard input, in batches. A batch is all or nothing, so an
 * interrupted load leaves the pairs of whole batches; it can be run again from the beginning, as
 * inserting a pair twice is inserting it once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/bytes_text.h"
#include "tools/lsmctl/lsmctl.h"
#include "tools/progress.h"

enum {
    BATCH_COUNT_MAX = 1000,
    BATCH_LEN_MAX = 1 << 20, /* bytes of keys and values, beside the last pair's */
};

static const char help[] =
    "Usage: lsmctl load [OPTION...] STORE <FILE\n"
    "Insert the pairs that standard input holds, a line each with key, tab, value, as scan prints\n"
    "them, and print how many there were.\n"
    "\n"
    "      --create             make the store when there is none\n"
    "      --hex                everything is hexadecimal digits\n"
    "      --null               bytes as they are, each key and each value with a NUL behind it\n"
    "      --quiet              do not print the count\n" LSMCTL_HELP_STORE;

struct load {
    const struct args *args;
    struct lsm_db *db;
    struct lsm_batch *batch;
    size_t batch_len; /* bytes of keys and values in it */
    char *line;       /* getdelim's */
    size_t line_cap;
    struct buf key, value;
    uint64_t done_count;         /* pairs in the store */
    uint64_t line_number;        /* of the newest line, from 1; with --null, of the pair */
    uint64_t read_len, file_len; /* bytes; file_len 0 when it is no file */
    struct progress progress;
};

static int fail(struct load *l, const char *text)
{
    progress_clear(&l->progress);
    return cli_error("standard input, %s %llu: %s; what comes before it was loaded",
                     l->args->null ? "pair" : "line", (unsigned long long)l->line_number, text);
}

static int write_batch(struct load *l)
{
    int err = lsm_write(l->db, l->batch, 0);

    if (err) {
        progress_clear(&l->progress);
        cli_error("%s: the first %llu pairs were loaded, then:", l->args->store,
                  (unsigned long long)l->done_count);
        lsm_batch_clear(l->batch);
        return lsmctl_error(l->args->store, err);
    }
    l->done_count += lsm_batch_count(l->batch);
    l->batch_len = 0;
    lsm_batch_clear(l->batch);
    if (l->file_len)
        progress_show(&l->progress, "load", l->read_len, l->file_len);
    else
        progress_count(&l->progress, "load", l->done_count, "pairs");
    return STATUS_OK;
}

static int add_pair(struct load *l)
{
    int err = lsm_batch_put(l->batch, l->key.data, l->key.len, l->value.data, l->value.len);

    if (err)
        return fail(l, cli_reason(l->args->store, err));
    l->batch_len += l->key.len + l->value.len;
    if (lsm_batch_count(l->batch) >= BATCH_COUNT_MAX || l->batch_len >= BATCH_LEN_MAX)
        return write_batch(l);
    return STATUS_OK;
}

/* The next piece up to `delimiter`, without it: 1, 0 at the end, or a negative errno. */
static int read_piece(struct load *l, int delimiter, struct slice *ret)
{
    ssize_t len;

    errno = 0;
    len = getdelim(&l->line, &l->line_cap, delimiter, stdin);
    if (len < 0)
        return feof(stdin) && !ferror(stdin) ? 0 : errno ? -errno : -EIO;
    l->read_len += (uint64_t)len;
    if (len && l->line[len - 1] == delimiter)
        len--;
    *ret = slice_of(l->line, (size_t)len);
    return 1;
}

static int parse_field(struct load *l, struct slice text, struct buf *ret)
{
    const char *why = "out of memory";

    ret->len = 0;
    return bytes_parse(text, l->args->hex, ret, &why) ? fail(l, why) : STATUS_OK;
}

static int add_line(struct load *l, struct slice line)
{
    const uint8_t *tab = line.len ? memchr(line.data, '\t', line.len) : NULL;
    size_t key_len;
    int status;

    if (!tab)
        return fail(l, "there is no tab between a key and a value");
    key_len = (size_t)(tab - line.data);
    status = parse_field(l, slice_of(line.data, key_len), &l->key);
    if (!status)
        status = parse_field(l, slice_of(tab + 1, line.len - key_len - 1), &l->value);
    return status ? status : add_pair(l);
}

/* The first piece of a pair is a key; its value follows. */
static int add_null_pair(struct load *l, struct slice key)
{
    struct slice value;
    int rc = buf_assign(&l->key, key.data, key.len);

    if (!rc)
        rc = read_piece(l, 0, &value);
    if (!rc)
        return fail(l, "the key has no value");
    if (rc < 0 || buf_assign(&l->value, value.data, value.len))
        return fail(l, rc < 0 ? strerror(-rc) : "out of memory");
    return add_pair(l);
}

static int load_all(struct load *l)
{
    int delimiter = l->args->null ? 0 : '\n', status = STATUS_OK, rc = 1;
    struct slice piece;

    while (!status && (rc = read_piece(l, delimiter, &piece)) == 1) {
        l->line_number++;
        status = l->args->null ? add_null_pair(l, piece) : add_line(l, piece);
    }
    if (rc < 0)
        status = cli_error("standard input: %s", strerror(-rc));
    /* What was read before a mistake is kept, as the message says. */
    if (lsm_batch_count(l->batch) && write_batch(l))
        status = LSMCTL_FAILED;
    progress_clear(&l->progress);
    return status;
}

static void begin_progress(struct load *l)
{
    struct stat st;

    progress_init(&l->progress, true);
    if (!fstat(STDIN_FILENO, &st) && S_ISREG(st.st_mode))
        l->file_len = (uint64_t)st.st_size;
}

static int load(const struct args *args)
{
    struct load l = {.args = args};
    int status = lsmctl_open_to_write(args, &l.db), err;

    if (status)
        return status;
    begin_progress(&l);
    err = lsm_batch_new(&l.batch);
    status = err ? lsmctl_error(args->store, err) : load_all(&l);
    lsm_batch_free(l.batch);
    free(l.line);
    buf_free(&l.key);
    buf_free(&l.value);
    status = lsmctl_close(args, l.db, status);
    if (!status && !args->quiet)
        printf("%llu %s\n", (unsigned long long)l.done_count, l.done_count == 1 ? "pair" : "pairs");
    return status;
}

static int run(int argc, char **argv)
{
    struct args args;
    int status =
        args_parse(&args, argc, argv, ARGS_STORE | ARGS_CREATE | ARGS_HEX | ARGS_NULL | ARGS_QUIET,
                   0, 0, "one store");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    if (args.hex && args.null)
        return cli_usage_error("--hex and --null are two forms; give one");
    return load(&args);
}

const struct command lsmctl_load =
    LSMCTL_COMMAND("load", "insert the pairs that standard input holds", help, run);
