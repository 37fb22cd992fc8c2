/*
 * The options of lsmctl's commands, in one table. getopt_long gets those that a command takes; the
 * code of an option is its place in the table, behind all letters.
 */
#include "tools/lsmctl/ctl_args.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"

enum {
    CODE_FIRST = 256,
    WAIT_S_MAX = 1000000,
    VALUE_MAX_MIN = 1 << 10 /* the engine's */
};

static int set_cache(struct args *a, const char *text)
{
    uint64_t len;

    if (!cli_parse_size(text, &len) || len > SIZE_MAX)
        return cli_usage_error("\"%s\" is not a number of bytes, such as 64M", text);
    a->options.cache_bytes = (size_t)len;
    return STATUS_OK;
}

int args_parse_count(const char *text, uint64_t *ret)
{
    char *end;
    unsigned long long v;

    errno = 0;
    v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return cli_usage_error("\"%s\" is not a whole number", text);
    *ret = v;
    return STATUS_OK;
}

static int set_wait(struct args *a, const char *text)
{
    uint64_t s = 0;
    int status = args_parse_count(text, &s);

    if (!status && s > WAIT_S_MAX)
        status = cli_usage_error("%s seconds are more than %d", text, WAIT_S_MAX);
    if (!status)
        a->options.lock_wait_ms = (unsigned)s * 1000;
    return status;
}

static int set_limit(struct args *a, const char *text)
{
    a->has_limit = true;
    return args_parse_count(text, &a->limit);
}

static int set_count(struct args *a, const char *text)
{
    int status = args_parse_count(text, &a->count);

    if (!status && !a->count)
        status = cli_usage_error("a count of 0 measures nothing");
    return status;
}

static int set_value_bytes(struct args *a, const char *text)
{
    a->has_value_len = true;
    if (!cli_parse_size(text, &a->value_len) || a->value_len > LSM_VALUE_LEN_MAX)
        return cli_usage_error("\"%s\" is not a number of bytes up to %d", text, LSM_VALUE_LEN_MAX);
    return STATUS_OK;
}

static int set_value_max(struct args *a, const char *text)
{
    uint64_t len;

    if (!cli_parse_size(text, &len) || len < VALUE_MAX_MIN || len > LSM_VALUE_LEN_MAX)
        return cli_usage_error("\"%s\" is not a number of bytes from 1K to 1G", text);
    a->options.value_len_max = (size_t)len;
    return STATUS_OK;
}

static int set_prefix(struct args *a, const char *text)
{
    a->prefix = text;
    return STATUS_OK;
}

static int set_from(struct args *a, const char *text)
{
    a->from = text;
    return STATUS_OK;
}

static int set_snapshot(struct args *a, const char *text)
{
    a->snapshot = text;
    return STATUS_OK;
}

static int set_create(struct args *a, const char *text)
{
    (void)text;
    a->options.create = true;
    return STATUS_OK;
}

/* An option sets a flag, or has a function, which gets its value when it takes one. */
static const struct definition {
    unsigned bit;
    const char *name;
    int has_arg;
    size_t flag; /* offset in struct args; unused with set */
    int (*set)(struct args *a, const char *text);
} definitions[] = {
    {ARGS_CREATE, "create", no_argument, 0, set_create},
    {ARGS_CACHE, "cache-bytes", required_argument, 0, set_cache},
    {ARGS_WAIT, "wait", required_argument, 0, set_wait},
    {ARGS_HEX, "hex", no_argument, offsetof(struct args, hex), NULL},
    {ARGS_RAW, "raw", no_argument, offsetof(struct args, raw), NULL},
    {ARGS_KEYS, "keys", no_argument, offsetof(struct args, keys), NULL},
    {ARGS_REVERSE, "reverse", no_argument, offsetof(struct args, reverse), NULL},
    {ARGS_LIMIT, "limit", required_argument, 0, set_limit},
    {ARGS_PREFIX, "prefix", required_argument, 0, set_prefix},
    {ARGS_NULL, "null", no_argument, offsetof(struct args, null), NULL},
    {ARGS_FROM, "from", required_argument, 0, set_from},
    {ARGS_JSON, "json", no_argument, offsetof(struct args, json), NULL},
    {ARGS_FULL, "full", no_argument, offsetof(struct args, full), NULL},
    {ARGS_COUNT, "count", required_argument, 0, set_count},
    {ARGS_VALUE_BYTES, "value-bytes", required_argument, 0, set_value_bytes},
    {ARGS_VALUE_MAX, "value-bytes-max", required_argument, 0, set_value_max},
    {ARGS_SNAPSHOT, "snapshot", required_argument, 0, set_snapshot},
    {ARGS_TIME, "time", no_argument, offsetof(struct args, time), NULL},
    {ARGS_DRY_RUN, "dry-run", no_argument, offsetof(struct args, dry_run), NULL},
    {ARGS_QUIET, "quiet", no_argument, offsetof(struct args, quiet), NULL},
};

enum {
    DEFINITION_COUNT = sizeof(definitions) / sizeof(definitions[0])
};

static void fill_options(unsigned wanted, struct option ret[DEFINITION_COUNT + 2])
{
    int n = 0;

    for (int i = 0; i < DEFINITION_COUNT; i++) {
        const struct definition *d = &definitions[i];

        if (wanted & d->bit)
            ret[n++] = (struct option){d->name, d->has_arg, NULL, CODE_FIRST + i};
    }
    ret[n++] = (struct option){"help", no_argument, NULL, 'h'};
    ret[n] = (struct option){0};
}

static int set_option(struct args *a, const struct definition *d, const char *text)
{
    if (d->set)
        return d->set(a, text);
    *(bool *)((char *)a + d->flag) = true;
    return STATUS_OK;
}

static int parse_options(struct args *a, int argc, char **argv, unsigned options)
{
    struct option long_options[DEFINITION_COUNT + 2];
    int c, status = STATUS_OK;

    fill_options(options, long_options);
    while (!status && (c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (c == 'h') {
            cli_help();
            return ARGS_DONE;
        }
        if (c < CODE_FIRST)
            return cli_bad_option(c, argv);
        status = set_option(a, &definitions[c - CODE_FIRST], optarg);
    }
    return status;
}

int args_parse(struct args *a, int argc, char **argv, unsigned options, int word_min, int word_max,
               const char *names)
{
    int status;

    *a = (struct args){0};
    lsm_options_default(&a->options);
    if (!(options & ARGS_LONG_VALUES))
        a->options.value_len_max = ARGS_VALUE_LEN_MAX;
    status = parse_options(a, argc, argv, options);
    if (status)
        return status;
    a->word_count = argc - optind - 1;
    if (a->word_count < word_min || a->word_count > word_max)
        return cli_usage_error("name %s", names);
    if (!*argv[optind])
        return cli_usage_error("the name of the store is empty");
    a->store = argv[optind];
    a->words = argv + optind + 1;
    return STATUS_OK;
}
