/*
 * fluxfs fsck: check a store and repair it, and exit as fsck(8) wants it.
 *
 * With -n the store is opened read-only. Else it is opened for writing, which excludes everybody
 * else; the repairs are such that an interruption may end them anywhere (fs/repair/repair.c), so a
 * signal just ends the process.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/check/check_store.h"
#include "fs/exposed.h"
#include "fs/super.h"
#include "lsm/base/err.h"
#include "tools/commands.h"
#include "tools/fsck_run.h"

static const char help[] =
    "Usage: fluxfs fsck [-n|-p|-y] [OPTION...] STORE\n"
    "       fsck.fluxfs [-n|-p|-y] [OPTION...] STORE\n"
    "Check a file system that is not mounted: every checksum, then every name, inode and block\n"
    "against the others; and repair it.\n"
    "\n"
    "  -n             check only, change nothing\n"
    "  -p, -a         repair what is safe: no name and no contents can be lost by it\n"
    "  -y             repair all that can be repaired\n"
    "                 without -n, -p and -y: ask for each repair, on a terminal\n"
    "  -f             check even when it seems clean; always done\n"
    "  -C [FD]        show a progress bar; with FD, write lines \"PHASE DONE TOTAL STORE\" to it\n"
    "      --backup DIR   before the tree is repaired, make DIR a copy of the store (hard links "
    "where\n"
    "                 the disk can, so it takes little room)\n"
    "      --path PATH    check and repair only what is below PATH; says what was not checked\n"
    "      --block-size SIZE\n"
    "                 the block size of a file system that has lost this fact, when the repair\n"
    "                 cannot tell it; look with -n first what is found with it\n"
    "      --memory SIZE\n"
    "                 use about so much memory, and a temporary file in $TMPDIR or /tmp for what\n"
    "                 is beyond; 1G by default, or a quarter of the machine's memory\n"
    "      --json     print the findings as JSON; without -p and -y as with -n\n"
    "  -v             print the problems by kind at the end\n"
    "  -V             print the version\n"
    "  -T, -r, -l, -t TYPE\n"
    "                 accepted, as fsck(8) passes them, and ignored\n"
    "  -h, --help     this text\n"
    "\n"
    "Exit status, a sum: 0 clean, 1 errors were repaired, 4 errors are left, 8 the check could "
    "not\n"
    "be done, 16 wrong usage, 32 cancelled.\n";

static const char *cancel_text;

static void on_signal(int signo)
{
    (void)signo;
    if (write(STDERR_FILENO, cancel_text, strlen(cancel_text)) < 0)
        _exit(FSCK_CANCELLED);
    _exit(FSCK_CANCELLED);
}

static void catch_signals(const struct fsck *f)
{
    struct sigaction action = {.sa_handler = on_signal};

    cancel_text = f->mode == FSCK_CHECK
                      ? "\ncancelled; nothing was changed\n"
                      : "\ncancelled; what was repaired stays so, the rest can be repaired later\n";
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* A store that does not open is damaged, or there is something in the way. */
static int open_failed(struct fsck *f, int err)
{
    struct repair_result r = {.last = {.problem_count = 1, .problems[CHECK_STORE_DAMAGE] = 1},
                              .found_count = 1};
    char text[1024];

    if (!lsm_is_damage(err) || err == -ERR_LOSSES_PENDING) {
        cli_store_error(f->store, err);
        return FSCK_ERROR;
    }
    snprintf(text, sizeof(text), "the store cannot be opened: %s",
             *lsm_detail() ? lsm_detail() : lsm_strerror(err));
    check_make_printable(text);
    fsck_problem(f, &(struct check_problem){.kind = CHECK_STORE_DAMAGE, .text = text});
    return fsck_report(f, &r);
}

/* A quarter of the machine's memory, at most 1 GiB. */
static size_t default_memory_len(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_len = sysconf(_SC_PAGESIZE);
    uint64_t len = pages > 0 && page_len > 0 ? (uint64_t)pages * (uint64_t)page_len / 4 : 0;

    if (len > 1 << 30)
        return 1 << 30;
    return len > FSCK_MEMORY_MIN ? (size_t)len : FSCK_MEMORY_MIN;
}

/* The engine's part of the budget. */
static size_t cache_len(size_t memory_len, size_t usual)
{
    return memory_len / 4 < usual ? memory_len / 4 : usual;
}

/* What the first phase found, but for what it repaired. */
static void add_store(const struct check_result *found, const struct check_store_result *store,
                      struct repair_result *r)
{
    r->found_count += found->problem_count;
    r->repaired_count += store->repair_count;
    r->repaired[CHECK_STORE_DAMAGE] += store->repair_count;
    if (!store->damage_left)
        return;
    r->last.problem_count += found->problem_count;
    for (int i = 0; i < CHECK_KIND_COUNT; i++)
        r->last.problems[i] += found->problems[i];
}

static int check_only(struct fsck *f, struct lsm_db *db, const struct check_options *options,
                      struct repair_result *ret)
{
    int err = check_run(db, options, &ret->last);

    (void)f;
    ret->found_count = ret->last.problem_count;
    ret->round_count = 1;
    return err;
}

static int check_and_repair(struct fsck *f, struct lsm_db *db, const struct check_options *options,
                            struct repair_result *ret)
{
    struct repair_options repair = {
        .check = *options,
        .decide = fsck_decide,
        .outcome = fsck_outcome,
    };

    f->db = db;
    return repair_run(db, &repair, ret);
}

/* Nobody could answer: the check was made, and what it found needs another call. */
static int refuse_to_ask(struct fsck *f, const struct repair_result *r)
{
    int status = fsck_report(f, r);

    if (status == FSCK_CLEAN)
        return status;
    cli_error("there is no terminal to ask at; give -n, -p or -y");
    return FSCK_ERROR;
}

/* The first phase. A part of the tree goes without: it reads only what it needs. */
static int check_files(struct fsck *f, enum check_store_mode mode,
                       const struct check_options *options, struct check_result *ret_found,
                       struct check_store_result *ret)
{
    int err;

    fsck_phase(f, CHECK_PHASE_STORE);
    err = check_store_run(f->store, mode, options, ret_found, ret);
    progress_clear(&f->progress);
    return err;
}

/* A part of the tree is not checked before the losses of a repair have been looked at. */
static int open_store(const struct fsck *f, const struct lsm_options *options, struct lsm_db **ret)
{
    int err = lsm_open(f->store, options, ret);

    if (err || !f->path)
        return err;
    err = lsm_losses(*ret, NULL, NULL);
    if (err > 0)
        err = err_raise(ERR_LOSSES_PENDING, "an earlier repair has lost something, and was not "
                                            "completed; run fsck.fluxfs -y without --path");
    return err ? super_store_close(*ret, err) : 0;
}

static void warn_exposed(const char *store)
{
    char text[1024];

    if (!exposed_find(store, text, sizeof(text)))
        return;
    fprintf(stderr, "%s: warning: ", cli_name);
    cli_put_name(stderr, text);
    fputc('\n', stderr);
}

static int fsck_store(struct fsck *f)
{
    bool asks = f->mode == FSCK_ASK && fsck_can_ask();
    bool changes = f->mode == FSCK_SAFE || f->mode == FSCK_ALL || asks;
    struct check_options options = {
        .problem_max = PROBLEMS_TOLD_MAX,
        .path = f->path,
        .block_len = f->block_len,
        .problem = fsck_problem,
        .info = fsck_info,
        .phase = fsck_phase,
        .progress = fsck_progress,
        .arg = f,
    };
    enum check_store_mode mode = f->mode == FSCK_ALL    ? CHECK_STORE_ALL
                                 : f->mode == FSCK_SAFE ? CHECK_STORE_SAFE
                                                        : CHECK_STORE_LOOK;
    struct check_store_result store = {.openable = true};
    struct repair_result result = {0};
    struct check_result store_found = {0};
    struct lsm_options lsm;
    struct lsm_db *db;
    int err, status;

    super_store_options(&lsm);
    lsm.cache_bytes = cache_len(f->memory_len, lsm.cache_bytes);
    options.memory_len = f->memory_len - lsm.cache_bytes;
    err = f->path ? 0 : check_files(f, mode, &options, &store_found, &store);
    if (err)
        return cli_store_error(f->store, err), FSCK_ERROR;
    if (!store.openable) {
        add_store(&store_found, &store, &result);
        return f->mode == FSCK_ASK && !asks ? refuse_to_ask(f, &result) : fsck_report(f, &result);
    }
    options.skip_store = true;
    /* Where something cannot be read, what is missing proves nothing. */
    changes = changes && !store.damage_left;
    lsm.read_only = !changes;
    err = open_store(f, &lsm, &db);
    if (err)
        return open_failed(f, err);
    err =
        changes ? check_and_repair(f, db, &options, &result) : check_only(f, db, &options, &result);
    progress_clear(&f->progress);
    add_store(&store_found, &store, &result);
    err = super_store_close(db, err);
    if (err) {
        if (f->path && !lsm_is_damage(err))
            cli_path_error(f->store, f->path, err);
        else
            cli_store_error(f->store, err);
        return FSCK_ERROR | (result.repaired_count ? FSCK_CORRECTED : 0);
    }
    status = f->mode == FSCK_ASK && !asks ? refuse_to_ask(f, &result) : fsck_report(f, &result);
    return f->backup_failed ? FSCK_ERROR : status;
}

static int run(int argc, char **argv)
{
    struct fsck f;
    int status = fsck_args_parse(argc, argv, &f);

    if (status >= 0)
        return status;
    f.memory_len = f.memory_len ? f.memory_len : default_memory_len();
    f.problems = f.json ? json_array() : NULL;
    if (f.json && !f.problems)
        return cli_error("out of memory"), FSCK_ERROR;
    progress_init(&f.progress, f.bar);
    catch_signals(&f);
    warn_exposed(f.store);
    status = fsck_store(&f);
    json_decref(f.problems);
    return status;
}

const struct command command_fsck = {
    .name = "fsck",
    .alias = "fsck.fluxfs",
    .summary = "check a file system for damage and contradictions, and repair it",
    .help = help,
    .run = run,
    .status_usage = FSCK_USAGE,
    .status_output = FSCK_ERROR,
};
