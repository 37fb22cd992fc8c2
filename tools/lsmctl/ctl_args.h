/*
 * The options of lsmctl's commands. Many commands take the same, so they are all defined in one
 * table (ctl_args.c), and a command names those that it takes.
 */
#ifndef TOOLS_LSMCTL_CTL_ARGS_H
#define TOOLS_LSMCTL_CTL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lsm/base/slice.h"
#include "lsm/lsm.h"

/* Bits for args_parse. Every command takes --help. */
enum args_option {
    ARGS_CREATE = 1 << 0,
    ARGS_CACHE = 1 << 1,
    ARGS_WAIT = 1 << 2,
    ARGS_HEX = 1 << 3,
    ARGS_RAW = 1 << 4,
    ARGS_KEYS = 1 << 5,
    ARGS_REVERSE = 1 << 6,
    ARGS_LIMIT = 1 << 7,
    ARGS_PREFIX = 1 << 8,
    ARGS_NULL = 1 << 9,
    ARGS_FROM = 1 << 10,
    ARGS_JSON = 1 << 11,
    ARGS_FULL = 1 << 12,
    ARGS_COUNT = 1 << 13,
    ARGS_VALUE_BYTES = 1 << 14,
    ARGS_QUIET = 1 << 15,
    ARGS_SNAPSHOT = 1 << 16,
    ARGS_TIME = 1 << 17,
    ARGS_DRY_RUN = 1 << 18,
    ARGS_VALUE_MAX = 1 << 19,
    ARGS_LONG_VALUES = 1 << 20, /* no option: let all values pass unless the user says otherwise */
    /* Whatever opens a store takes these. */
    ARGS_STORE = ARGS_CACHE | ARGS_WAIT | ARGS_VALUE_MAX,
};

/* What the command line says. Everything borrows from argv. */
struct args {
    struct lsm_options options;
    bool hex, raw, keys, reverse, null, json, full, quiet, time, dry_run;
    bool has_limit, has_value_len;
    uint64_t limit, count, value_len;
    const char *prefix, *from, *snapshot; /* NULL when not given */
    const char *store;
    char **words; /* what follows the store */
    int word_count;
};

enum {
    ARGS_DONE = -1, /* --help was asked for and printed */
    /*
     * The longest value, unless the user says otherwise: what a store that was made to harm may
     * have taken for each of its keys. In the manual.
     */
    ARGS_VALUE_LEN_MAX = 64 << 20
};

/*
 * Parse the command's arguments: `options` says which it takes, and word_min and word_max how many
 * words may follow the store; `names` names all of them, for the message when they are not there.
 * STATUS_OK, a status for wrong usage, or ARGS_DONE.
 */
int args_parse(struct args *a, int argc, char **argv, unsigned options, int word_min, int word_max,
               const char *names);
/* A whole number, or a status after complaining. */
int args_parse_count(const char *text, uint64_t *ret);

#endif
