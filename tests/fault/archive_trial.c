/*
 * Trials of import and export. The commands run in this process, on a copy of the pattern's store,
 * and write their messages into memory. What they do when nothing fails is what they are held to.
 */
#include "fault/archive_trial.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault/archive_calls.h"
#include "fault/archive_pattern.h"
#include "fault/archive_tree.h"
#include "fault/engine_trial.h"
#include "fs/check/fsck.h"
#include "fs/fuse/control.h"
#include "fs/fuse/reaper.h"
#include "fs/fuse/session.h"
#include "lib/cmocka_all.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "tools/commands.h"

enum {
    CACHE_LEN = 1 << 20,
    WORDS_MAX = 8
};

/* What a command did. */
struct outcome {
    int status;
    char *text;     /* its messages; owned */
    unsigned named; /* what a daemon has told the kernel */
};

static const struct archive_trial *now;
static struct fs_failure failing;
static char pattern[512];
static struct archive_tree *source, *before, *want; /* want: after an import */
static struct outcome good;                         /* when nothing fails */
static struct buf archive_bytes;                    /* of an export */

static void fail_trial(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail_trial(const char *fmt, ...)
{
    char text[4000];
    va_list ap;

    call_faults_disarm();
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "the call that failed:\n");
    call_faults_tell();
    fail_msg("%s, call %llu of kinds 0x%x, %s, scope %d: %s", now->name,
             (unsigned long long)failing.nth, failing.kinds, strerrorname_np(failing.code),
             (int)failing.scope, text);
    abort();
}

static const char *in_dir(const char *dir, const char *name)
{
    static char paths[4][1200];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

/* --- Stores --- */

static struct fs *open_whole(const char *path)
{
    const struct fs_options o = {.cache_len = CACHE_LEN};
    struct fs *fs;

    if (fs_open(path, &o, &fs) < 0)
        fail_trial("%s does not open: %s", path, lsm_detail());
    return fs;
}

static void tell_problem(void *arg, const struct check_problem *problem)
{
    (void)arg;
    fail_trial("fsck finds: %s: %s", problem->path ? problem->path : "?", problem->text);
}

static void check_whole(struct fs *fs)
{
    const struct check_options o = {.problem = tell_problem};
    struct check_result result;

    if (check_run(fs_db(fs), &o, &result) < 0 || result.problem_count)
        fail_trial("fsck: %s", lsm_detail());
}

/* Of a store that nobody has open, which must be whole. */
static struct archive_tree *tree_of(const char *path)
{
    struct fs *fs = open_whole(path);
    struct archive_tree *tree;

    check_whole(fs);
    tree = archive_tree_read(fs);
    if (fs_close(fs))
        fail_trial("close: %s", lsm_detail());
    return tree;
}

/* --- The daemon of a mount without a kernel --- */

struct daemon {
    struct mount mount;
    struct control *control;
};

static void daemon_start(struct daemon *d, const char *store)
{
    memset(d, 0, sizeof(*d));
    d->mount.fs = open_whole(store);
    CHECK(!reaper_start(d->mount.fs, NULL, &d->mount.reaper));
    CHECK(!control_start(&d->mount, store, &d->control));
}

static void daemon_stop(struct daemon *d)
{
    control_stop(d->control);
    reaper_stop(d->mount.reaper);
    (void)fs_close(d->mount.fs); /* it may be read-only by now, which the command was told */
}

/* --- Commands --- */

static struct outcome run_command(const struct command *c, const struct fs_failure *f, char **words)
{
    static const struct cli_program program = {.name = "fluxfs", .status_failed = STATUS_FAILED};
    FILE *terminal = stderr;
    struct outcome o;
    size_t len;
    int argc = 0;

    while (words[argc])
        argc++;
    cli_program = &program;
    cli_command = c;
    cli_name = c->name;
    optind = 0;
    stderr = open_memstream(&o.text, &len);
    CHECK(stderr);
    archive_calls_named();
    err_clear();
    call_faults_arm(f->kinds, f->nth, f->code, f->scope);
    o.status = c->run(argc, words);
    call_faults_disarm();
    fclose(stderr);
    stderr = terminal;
    o.named = archive_calls_named();
    return o;
}

static const struct fs_failure nothing_fails = {.kinds = 0, .nth = UINT64_MAX};

static char *word(const char *s)
{
    return (char *)(uintptr_t)s;
}

static struct outcome import(const struct fs_failure *f, const char *archive, const char *store,
                             const char *dir, const char *option)
{
    char *words[WORDS_MAX] = {word("import"), word("-q"),  word(option ? option : "-q"),
                              word(archive),  word(store), word(dir)};

    return run_command(&command_import, f, words);
}

static struct outcome export(const struct fs_failure *f, const char *store, const char *archive)
{
    char *words[WORDS_MAX] = {word("export"), word("-q"), word(store), word(archive)};

    return run_command(&command_export, f, words);
}

static struct outcome import_target(const struct fs_failure *f, const char *store)
{
    const char *archive = in_dir(pattern, now->archive);
    struct outcome o;
    struct daemon d;

    if (now->mounted)
        daemon_start(&d, store);
    o = import(f, archive, store, now->dir, now->option);
    if (now->mounted)
        daemon_stop(&d);
    return o;
}

/* --- What they say --- */

static bool says_why(const char *text)
{
    int code = failing.code == EDQUOT ? ENOSPC : failing.code;

    /* A daemon without memory or threads cannot say so. */
    return strstr(text, strerror(failing.code)) || strstr(text, strerror(code)) ||
           strstr(text, "read-only") ||
           (code == ENOMEM && (strstr(text, "out of memory") || strstr(text, "allocate memory"))) ||
           (now->mounted && strstr(text, "the daemon has hung up"));
}

/* Either all went well, or the message says what did not. Answers which. */
static bool judge_outcome(const struct outcome *o, const char *store, const char *archive)
{
    bool same = o->status == good.status && !strcmp(o->text, good.text);

    if (same)
        return true;
    if (o->status != STATUS_FAILED)
        fail_trial("status %d, and says: %s", o->status, o->text);
    if (!call_faults_happened())
        fail_trial("nothing has failed, and it says: %s", o->text);
    if (!says_why(o->text) || !(strstr(o->text, store) || strstr(o->text, archive)))
        fail_trial("it says what has not failed: %s", o->text);
    return false;
}

/* How many files a message says were put into the store before the failure. */
static unsigned files_told(const char *text)
{
    const char *at = strstr(text, " file"), *next;

    while (at && (next = strstr(at + 1, " file (")))
        at = next;
    if (!at)
        return 0;
    while (at > text && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return (unsigned)strtoul(at, NULL, 10);
}

/* --- Imports --- */

/* Part of an import is there: whole objects, beside what was there before. */
static void judge_part(const struct archive_tree *tree, const char *text)
{
    unsigned files = 0;

    for (unsigned i = 0; i < tree->count; i++) {
        const struct archive_object *o = &tree->objects[i];
        const struct archive_object *b = archive_tree_find(before, o->path);
        const struct archive_object *w = archive_tree_find(want, o->path);
        bool is_new = archive_object_same(o, w);

        /* What the archive has twice is counted twice. */
        if (S_ISREG(o->mode) && !archive_object_same(o, b))
            files += archive_pattern_changes(o->path) ? 2 : 1;
        if (is_new || archive_object_same(o, b))
            continue;
        /* A directory that was there gets its attributes one by one; contents of a hard link come
         * as they are read. */
        if (b && w && S_ISDIR(b->mode) && S_ISDIR(w->mode) && S_ISDIR(o->mode))
            continue;
        if (archive_pattern_changes(o->path))
            continue;
        fail_trial("%s is neither what it was nor what was imported: %s; it says: %s", o->path,
                   o->text, text);
    }
    for (unsigned i = 0; i < before->count; i++)
        if (!archive_tree_find(tree, before->objects[i].path))
            fail_trial("%s has gone", before->objects[i].path);
    if (files < files_told(text))
        fail_trial("%u files are there, and it says: %s", files, text);
}

static void judge_whole(const char *store)
{
    struct archive_tree *tree = tree_of(store);

    if (!archive_tree_same(tree, want, !now->own_times))
        fail_trial("the tree is not what an import makes");
    archive_tree_free(tree);
}

static uint64_t try_import(const struct fs_failure *f, bool *ret_failed)
{
    const char *archive = in_dir(pattern, now->archive);
    char *dir = scratch_new(), store[600];
    struct archive_tree *tree;
    struct outcome o, again;
    uint64_t count;

    snprintf(store, sizeof(store), "%s/store", dir);
    trial_copy_dir(in_dir(pattern, "target"), store);
    o = import_target(f, store);
    count = call_faults_count();
    *ret_failed = call_faults_happened();
    if (judge_outcome(&o, store, archive)) {
        if (now->mounted && o.named != good.named)
            fail_trial("the kernel was told of %u names, not %u", o.named, good.named);
        judge_whole(store);
    } else {
        tree = tree_of(store);
        judge_part(tree, o.text);
        archive_tree_free(tree);
    }
    again = import_target(&nothing_fails, store);
    if (again.status != good.status && !now->option)
        fail_trial("a second import says: %s", again.text);
    judge_whole(store);
    free(o.text);
    free(again.text);
    scratch_free(dir);
    return count;
}

/* --- Exports --- */

static struct buf bytes_of(const char *file)
{
    FILE *f = fopen(file, "r");
    struct buf b = {0};
    char piece[65536];
    size_t n;

    CHECK(f);
    while ((n = fread(piece, 1, sizeof(piece), f)))
        CHECK(!buf_append(&b, piece, n));
    CHECK(!ferror(f) && !fclose(f));
    return b;
}

static void judge_bytes(const char *archive)
{
    struct buf bytes = bytes_of(archive);

    /* gzip notes when it was. */
    if (strstr(archive, ".gz") && bytes.len > 8 && archive_bytes.len > 8)
        memcpy(bytes.data + 4, archive_bytes.data + 4, 4);
    if (!slice_eq(buf_slice(&bytes), buf_slice(&archive_bytes)))
        fail_trial("the archive is another one");
    buf_free(&bytes);
}

/* Whether an object of the source is named, by any of its names. */
static bool is_told(const struct archive_object *x, const char *text)
{
    for (unsigned i = 0; i < source->count; i++) {
        const struct archive_object *y = &source->objects[i];

        if (y->ino == x->ino && strstr(text, *y->path ? y->path + 1 : ": .: "))
            return true;
    }
    return false;
}

/* An archive of an export that has failed is whole but for what it has told of. */
static void judge_rest(const char *dir, const char *archive, const char *text)
{
    struct archive_tree *tree;
    char store[600];
    struct outcome o;

    snprintf(store, sizeof(store), "%s/rest", dir);
    trial_copy_dir(in_dir(pattern, "empty"), store);
    o = import(&nothing_fails, archive, store, "/", NULL);
    if (o.status != STATUS_OK)
        fail_trial("an archive is left that cannot be read: %s; export says: %s", o.text, text);
    tree = tree_of(store);
    for (unsigned i = 0; i < source->count; i++) {
        const struct archive_object *x = &source->objects[i];

        if (!archive_object_same(x, archive_tree_find(tree, x->path)) && !is_told(x, text))
            fail_trial("%s is not in the archive as it should be, and export says: %s", x->path,
                       text);
    }
    archive_tree_free(tree);
    free(o.text);
}

static uint64_t try_export(const struct fs_failure *f, bool *ret_failed)
{
    char *dir = scratch_new(), store[600], archive[600];
    struct outcome o, again;
    struct stat st;
    uint64_t count;

    snprintf(store, sizeof(store), "%s/store", dir);
    snprintf(archive, sizeof(archive), "%s/%s", dir, now->archive);
    trial_copy_dir(in_dir(pattern, "source"), store);
    o = export(f, store, archive);
    count = call_faults_count();
    *ret_failed = call_faults_happened();
    if (judge_outcome(&o, store, archive))
        judge_bytes(archive);
    else if (!stat(archive, &st) && st.st_size)
        judge_rest(dir, archive, o.text);
    again = export(&nothing_fails, store, archive);
    if (again.status != STATUS_OK)
        fail_trial("a second export says: %s", again.text);
    judge_bytes(archive);
    free(o.text);
    free(again.text);
    scratch_free(dir);
    return count;
}

/* --- The good case --- */

static void forget_good(void)
{
    if (want)
        archive_tree_free(want);
    want = NULL;
    free(good.text);
    good.text = NULL;
    buf_free(&archive_bytes);
}

/* What happens without failures. */
static void learn(const struct archive_trial *t)
{
    char *dir = scratch_new(), store[600];

    forget_good();
    now = t;
    failing = nothing_fails;
    snprintf(store, sizeof(store), "%s/store", dir);
    trial_copy_dir(in_dir(pattern, t->dir ? "target" : "source"), store);
    if (t->dir) {
        good = import_target(&nothing_fails, store);
        want = tree_of(store);
    } else {
        const char *archive = in_dir(dir, t->archive);

        good = export(&nothing_fails, store, archive);
        archive_bytes = bytes_of(archive);
    }
    scratch_free(dir);
}

const struct archive_trial archive_trials[] = {
    {.name = "import", .archive = "source.tar", .dir = "/in"},
    {.name = "import loose", .archive = "loose.cpio", .dir = "/", .own_times = true},
    {.name = "import gzip", .archive = "source.tar.gz", .dir = "/in", .option = "-k"},
    {.name = "mounted", .archive = "source.tar", .dir = "/in", .mounted = true},
    {.name = "mounted loose",
     .archive = "loose.cpio",
     .dir = "/",
     .mounted = true,
     .own_times = true},
    {.name = "export", .archive = "x.tar"},
    {.name = "export gzip", .archive = "x.tar.gz"},
};
const unsigned archive_trial_count = sizeof(archive_trials) / sizeof(archive_trials[0]);

void archive_trials_begin(const char *dir)
{
    static const char *const archives[] = {"source.tar", "source.tar.gz"};

    snprintf(pattern, sizeof(pattern), "%s", dir);
    archive_pattern_make(dir);
    for (size_t i = 0; i < 2; i++) {
        struct outcome o = export(&nothing_fails, in_dir(dir, "source"), in_dir(dir, archives[i]));

        CHECK(o.status == STATUS_OK && !*o.text);
        free(o.text);
    }
    source = tree_of(in_dir(dir, "source"));
    before = tree_of(in_dir(dir, "target"));
}

void archive_trials_end(void)
{
    forget_good();
    archive_tree_free(source);
    archive_tree_free(before);
}

unsigned archive_trial_all(const struct archive_trial *t, struct fs_failure failure, unsigned tries,
                           uint64_t *seed)
{
    uint64_t (*run)(const struct fs_failure *f, bool *ret_failed) =
        t->dir ? try_import : try_export;
    const char *only = getenv("TEST_SCENARIO");
    struct rng rng = {*seed};
    unsigned failures = 0;
    uint64_t count, step;
    bool failed;

    if (only && strcmp(only, t->name) != 0)
        return 0;
    if (now != t)
        learn(t);
    failing = failure;
    failing.nth = UINT64_MAX;
    count = run(&failing, &failed);
    step = count / tries + 1;
    for (failing.nth = 1 + rng_below(&rng, step); tries && (failing.nth <= count || failed);
         failing.nth += step, tries--) {
        run(&failing, &failed);
        failures += failed;
    }
    *seed = rng.state;
    return failures;
}
