/*
 * fluxfs fsck: check a store, and exit as fsck(8) wants it. It only reads; the store is opened
 * read-only, which fails while it is mounted. So an interruption may end it anywhere.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fsck.h"
#include "lsm/base/err.h"
#include "tools/commands.h"
#include "tools/progress.h"

/* Of fsck(8). */
enum {
    FSCK_CLEAN = 0,
    FSCK_UNCORRECTED = 4,
    FSCK_ERROR = 8,
    FSCK_USAGE = 16,
    FSCK_CANCELLED = 32,
    PROBLEMS_TOLD_MAX = 10000,
};

static const char help[] =
    "Usage: fluxfs fsck [OPTION...] STORE\n"
    "       fsck.fluxfs [OPTION...] STORE\n"
    "Check a file system that is not mounted: every checksum, then every name, inode and block\n"
    "against the others. Nothing is changed; this version cannot repair.\n"
    "\n"
    "  -n           check only; the default\n"
    "  -p, -a, -y   check, and say that nothing was repaired when something is wrong\n"
    "  -f           check even when it seems clean; always done\n"
    "  -C           show a progress bar, on a terminal\n"
    "  -V, -v, -T, -r, -t TYPE, -l\n"
    "               accepted, as fsck(8) passes them, and ignored\n"
    "      --json   print the findings as JSON\n"
    "  -h, --help   this text\n"
    "\n"
    "Exit status: 0 clean, 4 errors were found, 8 the check could not be done, 16 wrong usage,\n"
    "32 cancelled.\n";

struct fsck {
    const char *store;
    bool wants_repair, json, bar;
    struct progress progress;
    json_t *problems; /* an array; NULL without --json */
    bool no_memory;
};

static void on_signal(int signo)
{
    static const char text[] = "\ncancelled; nothing was changed\n";

    (void)signo;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(FSCK_CANCELLED);
    _exit(FSCK_CANCELLED);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void keep_problem(struct fsck *f, const struct check_problem *problem)
{
    json_t *o =
        json_pack("{s:s, s:s}", "kind", check_kind_name(problem->kind), "text", problem->text);
    int rc = o ? 0 : -1;

    if (!rc && problem->ino)
        rc = json_object_set_new(o, "inode", json_integer((json_int_t)problem->ino));
    if (!rc && problem->path)
        rc = cli_json_name(o, "path", problem->path);
    if (rc) {
        json_decref(o);
        f->no_memory = true;
    } else if (json_array_append_new(f->problems, o)) {
        f->no_memory = true;
    }
}

static void on_problem(void *arg, const struct check_problem *problem)
{
    struct fsck *f = arg;

    if (f->json) {
        keep_problem(f, problem);
        return;
    }
    progress_clear(&f->progress);
    if (problem->path) {
        cli_put_name(stdout, problem->path);
        fputs(": ", stdout);
    } else if (problem->ino) {
        printf("inode %llu: ", (unsigned long long)problem->ino);
    }
    printf("%s\n", problem->text);
}

static void on_info(void *arg, const char *text)
{
    struct fsck *f = arg;

    progress_clear(&f->progress);
    if (!f->json)
        printf("%s\n", text);
}

static void on_progress(void *arg, enum check_phase phase, uint64_t done, uint64_t total)
{
    static const char *const names[CHECK_PHASE_COUNT] = {"store", "names", "inodes"};
    struct fsck *f = arg;

    progress_show(&f->progress, names[phase], done, total);
}

static json_t *counts_json(const struct check_result *r)
{
    json_t *kinds = json_object();
    int rc = kinds ? 0 : -1;

    for (int i = 0; i < CHECK_KIND_COUNT && !rc; i++) {
        if (r->problems[i])
            rc = json_object_set_new(kinds, check_kind_name((enum check_kind)i),
                                     json_integer((json_int_t)r->problems[i]));
    }
    if (rc) {
        json_decref(kinds);
        return NULL;
    }
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "problem_kinds",
                     kinds, "inodes", (json_int_t)r->inode_count, "directories",
                     (json_int_t)r->directory_count, "files", (json_int_t)r->file_count, "symlinks",
                     (json_int_t)r->symlink_count, "special_files", (json_int_t)r->special_count,
                     "names", (json_int_t)r->name_count, "blocks", (json_int_t)r->block_count,
                     "block_bytes", (json_int_t)r->block_len, "xattrs", (json_int_t)r->xattr_count,
                     "orphans", (json_int_t)r->orphan_count);
}

static int print_json(struct fsck *f, const struct check_result *r)
{
    json_t *o = NULL, *counts = f->no_memory ? NULL : counts_json(r);

    if (counts)
        o = json_pack("{s:b, s:I, s:o, s:O}", "clean", !r->problem_count, "problem_count",
                      (json_int_t)r->problem_count, "counts", counts, "problems", f->problems);
    if (o && cli_json_name(o, "store", f->store)) {
        json_decref(o);
        o = NULL;
    }
    return cli_json_print(o);
}

static void print_text(const struct fsck *f, const struct check_result *r)
{
    char len[32];

    if (r->problem_count > PROBLEMS_TOLD_MAX)
        printf("... and %llu more\n", (unsigned long long)(r->problem_count - PROBLEMS_TOLD_MAX));
    cli_put_name(stdout, f->store);
    printf(": %s: %llu files, %llu directories, %llu symbolic links, %llu others; %llu names, %s "
           "in %llu blocks\n",
           r->problem_count ? "errors" : "clean", (unsigned long long)r->file_count,
           (unsigned long long)r->directory_count, (unsigned long long)r->symlink_count,
           (unsigned long long)r->special_count, (unsigned long long)r->name_count,
           cli_size_text(r->block_len, len), (unsigned long long)r->block_count);
    if (!r->problem_count)
        return;
    fflush(stdout);
    cli_error("%s: %llu %s found%s", f->store, (unsigned long long)r->problem_count,
              r->problem_count == 1 ? "error was" : "errors were",
              f->wants_repair ? "; this version cannot repair, nothing was changed" : "");
}

static int report(struct fsck *f, int err, const struct check_result *r)
{
    progress_clear(&f->progress);
    if (err) {
        cli_store_error(f->store, err);
        return FSCK_ERROR;
    }
    if (!f->json)
        print_text(f, r);
    else if (print_json(f, r))
        return FSCK_ERROR;
    return r->problem_count ? FSCK_UNCORRECTED : FSCK_CLEAN;
}

/* A store that does not open is damaged, or there is something in the way. */
static int open_failed(struct fsck *f, int err)
{
    struct check_result r = {.problem_count = 1, .problems[CHECK_STORE_DAMAGE] = 1};
    char text[1024];

    if (!lsm_is_damage(err)) {
        cli_store_error(f->store, err);
        return FSCK_ERROR;
    }
    snprintf(text, sizeof(text), "the store cannot be opened: %s",
             *lsm_detail() ? lsm_detail() : lsm_strerror(err));
    on_problem(f, &(struct check_problem){.kind = CHECK_STORE_DAMAGE, .text = text});
    return report(f, 0, &r);
}

static int check(struct fsck *f)
{
    struct check_options options = {
        .problem_max = PROBLEMS_TOLD_MAX,
        .problem = on_problem,
        .info = on_info,
        .progress = on_progress,
        .arg = f,
    };
    struct check_result result;
    struct lsm_options lsm;
    struct lsm_db *db;
    int err, status;

    lsm_options_default(&lsm);
    lsm.read_only = true;
    err = lsm_open(f->store, &lsm, &db);
    if (err)
        return open_failed(f, err);
    err = check_run(db, &options, &result);
    status = report(f, err, &result);
    lsm_close(db);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct fsck f = {0};
    int c, status;

    while ((c = getopt_long(argc, argv, ":npayfC::VvTrlt:h", long_options, NULL)) != -1) {
        if (c == 'h')
            return cli_help();
        if (c == '?' || c == ':')
            return cli_bad_option(c, argv);
        f.wants_repair |= c == 'p' || c == 'a' || c == 'y';
        f.json |= c == 'J';
        f.bar |= c == 'C';
    }
    if (argc - optind != 1)
        return cli_usage_error("name one store");
    f.store = argv[optind];
    f.problems = f.json ? json_array() : NULL;
    if (f.json && !f.problems)
        return cli_error("out of memory"), FSCK_ERROR;
    progress_init(&f.progress, f.bar);
    catch_signals();
    status = check(&f);
    json_decref(f.problems);
    return status;
}

const struct command command_fsck = {
    .name = "fsck",
    .alias = "fsck.fluxfs",
    .summary = "check a file system for damage and contradictions",
    .help = help,
    .run = run,
    .status_usage = FSCK_USAGE,
    .status_output = FSCK_ERROR,
};
