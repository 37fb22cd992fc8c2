/*
 * What fsck prints for people: each problem on a line with the path of the file, below it what was
 * done about it, and a summary at the end.
 */
#include <stdio.h>

#include "tools/fsck_run.h"

void fsck_problem(void *arg, const struct check_problem *problem)
{
    struct fsck *f = arg;

    if (f->json) {
        fsck_json_problem(f, problem);
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

void fsck_info(void *arg, const char *text)
{
    struct fsck *f = arg;

    progress_clear(&f->progress);
    if (!f->json)
        printf("%s\n", text);
}

void fsck_outcome(void *arg, const struct check_problem *problem, enum repair_outcome outcome,
                  const char *text)
{
    static const char *const words[] = {
        [REPAIR_DONE] = "repaired", [REPAIR_DECLINED] = "left", [REPAIR_FAILED] = "not repaired"};
    struct fsck *f = arg;

    (void)problem;
    if (f->json) {
        fsck_json_outcome(f, outcome, text);
        return;
    }
    /* The question has told already what would be done. */
    if (outcome == REPAIR_DECLINED && f->mode == FSCK_SAFE)
        printf("  left: -y would %s\n", text);
    else if (outcome != REPAIR_DECLINED)
        printf("  %s: %s\n", words[outcome], text);
}

static void print_kinds(const uint64_t kinds[CHECK_KIND_COUNT], const char *what)
{
    for (int i = 0; i < CHECK_KIND_COUNT; i++) {
        if (kinds[i])
            printf("  %-14s %llu %s\n", check_kind_name((enum check_kind)i),
                   (unsigned long long)kinds[i], what);
    }
}

static const char *verdict(const struct repair_result *r)
{
    if (r->last.problem_count || r->gave_up)
        return "errors";
    return r->repaired_count ? "repaired" : "clean";
}

static void print_counts(const struct fsck *f, const struct repair_result *r)
{
    const struct check_result *c = &r->last;
    char len[32];

    if (r->found_count > PROBLEMS_TOLD_MAX)
        printf("(at most %d problems are told in each round; all are counted)\n",
               PROBLEMS_TOLD_MAX);
    cli_put_name(stdout, f->store);
    if (f->path) {
        fputs(": ", stdout);
        cli_put_name(stdout, f->path);
    }
    printf(": %s: %llu files, %llu directories, %llu symbolic links, %llu others; %llu names, %s "
           "in %llu blocks\n",
           verdict(r), (unsigned long long)c->file_count, (unsigned long long)c->directory_count,
           (unsigned long long)c->symlink_count, (unsigned long long)c->special_count,
           (unsigned long long)c->name_count, cli_size_text(c->block_len, len),
           (unsigned long long)c->block_count);
    if (f->verbose) {
        print_kinds(r->repaired, "repaired");
        print_kinds(c->problems, "left");
    }
}

static const char *advice(const struct fsck *f)
{
    if (f->mode == FSCK_CHECK)
        return "; nothing was changed (-p repairs what is safe, -y all)";
    return f->mode == FSCK_SAFE ? " (-y repairs all that can be)" : "";
}

static int status_of(const struct repair_result *r)
{
    int status = r->repaired_count ? FSCK_CORRECTED : FSCK_CLEAN;

    return r->last.problem_count || r->gave_up ? status | FSCK_UNCORRECTED : status;
}

int fsck_report(struct fsck *f, const struct repair_result *r)
{
    unsigned long long left = r->last.problem_count, repaired = r->repaired_count;
    int status = status_of(r);

    progress_clear(&f->progress);
    if (f->json)
        return fsck_json_print(f, r, status);
    print_counts(f, r);
    fflush(stdout);
    if (repaired)
        cli_error("%s: %llu %s repaired", f->store, repaired,
                  repaired == 1 ? "error was" : "errors were");
    if (r->gave_up)
        cli_error("%s: there was still something to repair after %u rounds; run it again", f->store,
                  r->round_count);
    else if (left)
        cli_error("%s: %llu %s %s%s", f->store, left, left == 1 ? "error was" : "errors were",
                  f->mode == FSCK_CHECK ? "found" : "left", advice(f));
    return status;
}
