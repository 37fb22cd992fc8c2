/*
 * lsmctl: its commands, its exit statuses, and a store opened for one of them.
 */
#ifndef TOOLS_LSMCTL_LSMCTL_H
#define TOOLS_LSMCTL_LSMCTL_H

#include "lsm/lsm.h"
#include "tools/cli.h"
#include "tools/lsmctl/ctl_args.h"

/* Beside STATUS_OK and STATUS_USAGE. */
enum {
    LSMCTL_NOT_FOUND = 1, /* no such key, snapshot, or time */
    LSMCTL_FAILED = 3,    /* it could not be done */
    LSMCTL_DAMAGED = 4,   /* because bytes on disk are damaged, or they were found to be */
};

/* The initializer of a command. */
#define LSMCTL_COMMAND(name_, summary_, help_, run_)                                               \
    {                                                                                              \
        .name = name_, .summary = summary_, .help = help_, .run = run_,                            \
        .status_usage = STATUS_USAGE, .status_output = LSMCTL_FAILED,                              \
    }
/* Lines of help for what every command that opens a store takes. */
#define LSMCTL_HELP_STORE_OF(value_len_max)                                                        \
    "      --cache-bytes SIZE   memory for cached blocks and unwritten data; 160M unless given\n"  \
    "      --value-bytes-max SIZE\n"                                                               \
    "                           the longest value that is let pass, from 1K to 1G; " value_len_max \
    "\n"                                                                                           \
    "                           unless given\n"                                                    \
    "      --wait SECONDS       wait for another process that has the store open\n"                \
    "  -h, --help               this text\n"
#define LSMCTL_HELP_STORE LSMCTL_HELP_STORE_OF("64M")

extern const struct command lsmctl_get, lsmctl_put, lsmctl_delete, lsmctl_delete_range, lsmctl_scan,
    lsmctl_load, lsmctl_stats, lsmctl_verify, lsmctl_dump, lsmctl_compact, lsmctl_flush,
    lsmctl_bench, lsmctl_checkpoint, lsmctl_repair, lsmctl_snapshot, lsmctl_time;

/* Print as cli_error does; returns LSMCTL_NOT_FOUND. */
int lsmctl_not_found(const char *store, const char *what);
/* Say why the store could not be used; returns LSMCTL_DAMAGED or LSMCTL_FAILED. */
int lsmctl_error(const char *store, int err);

/*
 * Open args->store or complain; a status. For looking it is opened read-only, which changes nothing
 * on disk.
 */
int lsmctl_open_to_read(const struct args *args, struct lsm_db **ret);
int lsmctl_open_to_write(const struct args *args, struct lsm_db **ret);
/*
 * A snapshot to read: the one that --snapshot names, or NULL for the store as it is. A status. To
 * be given to lsm_snapshot_close.
 */
int lsmctl_find_snapshot(const struct args *args, struct lsm_db *db, struct lsm_snapshot **ret);
/* Close; the status is that of closing when `status` is STATUS_OK, else `status`. */
int lsmctl_close(const struct args *args, struct lsm_db *db, int status);

/* Read a key or value as the user wrote it; a status. *ret is replaced. */
int lsmctl_parse(const struct args *args, const char *what, const char *text, struct buf *ret);
/* The same for a key, which has to have a legal length. */
int lsmctl_parse_key(const struct args *args, const char *text, struct buf *ret);

#endif
