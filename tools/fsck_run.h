/*
 * One run of fluxfs fsck: what was asked for, and how findings get out. For tools/fsck_*.c and
 * cmd_fsck.c only.
 */
#ifndef TOOLS_FSCK_RUN_H
#define TOOLS_FSCK_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/check/fsck.h"
#include "tools/cli.h"
#include "tools/progress.h"

/* Of fsck(8); a sum of these. */
enum {
    FSCK_CLEAN = 0,
    FSCK_CORRECTED = 1,
    FSCK_UNCORRECTED = 4,
    FSCK_ERROR = 8,
    FSCK_USAGE = 16,
    FSCK_CANCELLED = 32,
    PROBLEMS_TOLD_MAX = 10000,
    FSCK_MEMORY_MIN = 16 << 20,
};

enum fsck_mode {
    FSCK_ASK,
    FSCK_CHECK, /* -n */
    FSCK_SAFE,  /* -p */
    FSCK_ALL,   /* -y */
};

struct fsck {
    /* Set by fsck_args_parse. */
    const char *store;
    const char *path;   /* only what is below it; NULL: everything */
    const char *backup; /* a checkpoint to be made first; NULL: none */
    enum fsck_mode mode;
    size_t memory_len;  /* bytes; 0: choose */
    uint32_t block_len; /* that the user tells; 0: none */
    bool json, verbose;
    bool bar;        /* progress on the terminal */
    int progress_fd; /* progress as lines; 0: none */

    struct progress progress;
    int line_mark;    /* phase and percent of the last line on progress_fd */
    json_t *problems; /* an array; NULL without --json */
    bool no_memory;
    bool yes_to_all;   /* answered 'a' */
    struct lsm_db *db; /* open for a repair */
    bool backup_made, backup_failed;
};

/* Returns -1 when all is well, else the exit status, after saying why. */
int fsck_args_parse(int argc, char **argv, struct fsck *ret);

/* fsck_progress.c: `phase` and `progress` of struct check_options; arg is struct fsck. */
void fsck_phase(void *arg, enum check_phase phase);
void fsck_progress(void *arg, enum check_phase phase, uint64_t done, uint64_t total);

/* fsck_ask.c: `decide` of struct repair_options. */
bool fsck_decide(void *arg, const struct check_problem *problem, bool safe, const char *what);
bool fsck_can_ask(void); /* stdin and stdout are a terminal */

/* fsck_report.c: the other callbacks, and the end. */
void fsck_problem(void *arg, const struct check_problem *problem);
void fsck_info(void *arg, const char *text);
void fsck_outcome(void *arg, const struct check_problem *problem, enum repair_outcome outcome,
                  const char *text);
/* Print what comes of it all; returns the exit status. */
int fsck_report(struct fsck *f, const struct repair_result *r);

/* fsck_json.c: the same for --json. */
void fsck_json_problem(struct fsck *f, const struct check_problem *problem);
void fsck_json_outcome(struct fsck *f, enum repair_outcome outcome, const char *text);
int fsck_json_print(struct fsck *f, const struct repair_result *r, int status);

#endif
