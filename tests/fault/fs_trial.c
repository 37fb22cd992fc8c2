/*
 * The trials of the file system: its operations, making it, checking and repairing it.
 */
#include "fault/fs_trial.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/engine_trial.h"
#include "fault/fs_text.h"
#include "fs/check/fsck.h"
#include "fs/inode.h"
#include "fs/key.h"
#include "lib/cmocka_all.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"

enum {
    STEPS_MAX = 64,
    BLOCK_LEN = 16384,
    CACHE_LEN = 1 << 20,
};

static const char *trial_name;
static struct fs_failure now;

static void fail_trial(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail_trial(const char *fmt, ...)
{
    char text[800];
    va_list ap;

    call_faults_disarm();
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "the call that failed:\n");
    call_faults_tell();
    fail_msg("%s, call %llu of kinds 0x%x, %s, scope %d: %s", trial_name,
             (unsigned long long)now.nth, now.kinds, strerrorname_np(now.code), (int)now.scope,
             text);
    abort();
}

/* Does the error come of what was made to fail? */
static bool fits(int err)
{
    int errnum = lsm_errno(err), code = now.code == EDQUOT ? ENOSPC : now.code;

    return call_faults_happened() && (errnum == code || errnum == EROFS || errnum == EIO);
}

static void check_fits(const char *what, int err)
{
    if (err < 0 && (!fits(err) || lsm_is_damage(err)))
        fail_trial("%s: %s, %s", what, lsm_strerror(err), lsm_detail());
}

static void arm(const struct fs_failure *f)
{
    now = *f;
    call_faults_arm(f->kinds, f->nth, f->code, f->scope);
}

static int open_fs(const char *path, struct fs **ret)
{
    const struct fs_options o = {.cache_len = CACHE_LEN};

    return fs_open(path, &o, ret);
}

static struct fs *open_whole(const char *path)
{
    struct fs *fs;

    if (open_fs(path, &fs) < 0)
        fail_trial("%s does not open: %s", path, lsm_detail());
    return fs;
}

void fs_pattern_make(const char *dir)
{
    const struct fs_mkfs_options o = {.block_len = BLOCK_LEN};
    char source[600];
    struct fs *fs;

    snprintf(source, sizeof(source), "%s.source", dir);
    CHECK(!fs_mkfs(source, &o));
    CHECK(!open_fs(source, &fs));
    fs_steps_prepare(fs);
    trial_copy_dir(source, dir);
    CHECK(!fs_close(fs));
}

/* --- Operations --- */

struct outcome {
    int answer;
    bool failed; /* by what was made to fail: nothing was done */
    struct buf text;
};

static void run_steps(struct fs *fs, struct outcome *outcomes)
{
    for (unsigned i = 0; i < fs_step_count; i++) {
        outcomes[i] = (struct outcome){0};
        err_clear();
        outcomes[i].answer = fs_steps[i].run(fs, &outcomes[i].text);
        outcomes[i].failed = outcomes[i].answer < 0 && fits(outcomes[i].answer);
        if (outcomes[i].failed && lsm_is_damage(outcomes[i].answer))
            fail_trial("%s: taken for damage: %s", fs_steps[i].name, lsm_detail());
    }
}

/* On a file system without failures: what did something must have done the same. */
static void run_twin(struct fs *fs, const struct outcome *outcomes)
{
    for (unsigned i = 0; i < fs_step_count; i++) {
        const struct outcome *o = &outcomes[i];
        struct buf text = {0};
        int answer;

        if (o->failed)
            continue;
        answer = fs_steps[i].run(fs, &text);
        if (answer != o->answer || !slice_eq(buf_slice(&text), buf_slice(&o->text)))
            fail_trial("%s: answered %d (%s), and must answer %d", fs_steps[i].name, o->answer,
                       lsm_strerror(o->answer), answer);
        buf_free(&text);
    }
}

static struct buf tree_of(struct fs *fs)
{
    struct buf text = {0};

    if (fs_tree_text(fs, &text) < 0)
        fail_trial("the tree cannot be read: %s", lsm_detail());
    return text;
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

/*
 * A store that is read-only after a failure does not know whether the change that met it is on
 * disk: opened again, it may be there. Which step that is shows in the twin, too.
 */
static bool same_with_one_more(struct fs *fs, const struct outcome *outcomes, struct slice tree)
{
    for (unsigned i = 0; i < fs_step_count; i++) {
        struct buf text = {0}, twin_tree;
        bool same;

        if (!outcomes[i].failed)
            continue;
        (void)fs_steps[i].run(fs, &text);
        buf_free(&text);
        twin_tree = tree_of(fs);
        same = slice_eq(buf_slice(&twin_tree), tree);
        buf_free(&twin_tree);
        return same;
    }
    return false;
}

static void compare(struct fs *fs, struct fs *twin, const struct outcome *in_doubt)
{
    struct buf tree = tree_of(fs), want = tree_of(twin);
    bool same = slice_eq(buf_slice(&tree), buf_slice(&want));

    if (!same && in_doubt)
        same = same_with_one_more(twin, in_doubt, buf_slice(&tree));
    if (!same)
        fail_trial("the tree is another one");
    buf_free(&tree);
    buf_free(&want);
}

static uint64_t try_steps(const char *pattern, const struct fs_failure *failure, bool *ret_failed)
{
    char *dir = scratch_new(), path[600], twin_path[600];
    struct outcome outcomes[STEPS_MAX];
    struct fs *fs, *twin;
    struct lsm_stats stats;
    uint64_t count;

    CHECK(fs_step_count <= STEPS_MAX);
    snprintf(path, sizeof(path), "%s/store", dir);
    snprintf(twin_path, sizeof(twin_path), "%s/twin", dir);
    trial_copy_dir(pattern, path);
    trial_copy_dir(pattern, twin_path);
    fs = open_whole(path);
    arm(failure);
    run_steps(fs, outcomes);
    count = call_faults_count();
    *ret_failed = call_faults_disarm();
    twin = open_whole(twin_path);
    run_twin(twin, outcomes);
    compare(fs, twin, NULL);
    CHECK(!lsm_stats(fs_db(fs), &stats));
    fs_close(fs);
    fs = open_whole(path);
    compare(fs, twin, stats.sticky_err ? outcomes : NULL);
    check_whole(fs);
    if (fs_close(fs) || fs_close(twin))
        fail_trial("close: %s", lsm_detail());
    for (unsigned i = 0; i < fs_step_count; i++)
        buf_free(&outcomes[i].text);
    scratch_free(dir);
    return count;
}

/* --- Opening and making --- */

static uint64_t try_open(const char *pattern, const struct fs_failure *failure, bool *ret_failed)
{
    char *dir = scratch_new(), path[600];
    struct buf want, tree;
    struct fs *fs;
    uint64_t count;
    int err;

    snprintf(path, sizeof(path), "%s/store", dir);
    trial_copy_dir(pattern, path);
    fs = open_whole(path);
    want = tree_of(fs);
    CHECK(!fs_close(fs));
    scratch_free(dir);
    dir = scratch_new();
    snprintf(path, sizeof(path), "%s/store", dir);
    trial_copy_dir(pattern, path);
    arm(failure);
    err = open_fs(path, &fs);
    check_fits("open", err);
    if (err >= 0)
        check_fits("close", fs_close(fs));
    count = call_faults_count();
    *ret_failed = call_faults_disarm();
    fs = open_whole(path);
    tree = tree_of(fs);
    if (!slice_eq(buf_slice(&want), buf_slice(&tree)))
        fail_trial("the tree is another one");
    buf_free(&want);
    buf_free(&tree);
    check_whole(fs);
    CHECK(!fs_close(fs));
    scratch_free(dir);
    return count;
}

/* What a failed mkfs leaves is no file system, or a whole one; mkfs can be run again. */
static uint64_t try_mkfs(const char *pattern, const struct fs_failure *failure, bool *ret_failed)
{
    const struct fs_mkfs_options o = {.block_len = BLOCK_LEN};
    char *dir = scratch_new(), path[600];
    struct fs *fs;
    uint64_t count;
    int err;

    (void)pattern;
    snprintf(path, sizeof(path), "%s/store", dir);
    arm(failure);
    err = fs_mkfs(path, &o);
    check_fits("mkfs", err);
    count = call_faults_count();
    *ret_failed = call_faults_disarm();
    if (err < 0 && fs_mkfs(path, &o) < 0) {
        /* The failure may have come after it was made. */
        if (open_fs(path, &fs) < 0)
            fail_trial("neither made nor to be made: %s", lsm_detail());
        CHECK(!fs_close(fs));
    }
    fs = open_whole(path);
    check_whole(fs);
    CHECK(!fs_close(fs));
    scratch_free(dir);
    return count;
}

/* --- Checking and repairing --- */

static void open_engine(const char *path, struct lsm_db **ret)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.cache_bytes = CACHE_LEN;
    if (lsm_open(path, &o, ret))
        fail_trial("%s does not open: %s", path, lsm_detail());
}

/* A file that could not be read is told as a problem; nothing else is one. */
static void judge_problem(void *arg, const struct check_problem *problem)
{
    (void)arg;
    if (!call_faults_happened() ||
        (problem->kind != CHECK_STORE_DAMAGE && problem->kind != CHECK_UNREADABLE))
        fail_trial("fsck finds: %s: %s", problem->path ? problem->path : "?", problem->text);
}

static uint64_t try_check(const char *pattern, const struct fs_failure *failure, bool *ret_failed)
{
    const struct check_options o = {.problem = judge_problem, .memory_len = 1};
    char *dir = scratch_new(), path[600];
    struct check_result result;
    struct lsm_db *db;
    uint64_t count;

    snprintf(path, sizeof(path), "%s/store", dir);
    trial_copy_dir(pattern, path);
    open_engine(path, &db);
    arm(failure);
    check_fits("check", check_run(db, &o, &result));
    count = call_faults_count();
    *ret_failed = call_faults_disarm();
    lsm_close(db);
    scratch_free(dir);
    return count;
}

/* Names without inodes, an inode without a name, wrong counts. */
static void damage(struct lsm_db *db)
{
    uint8_t key[KEY_INODE_LEN];
    struct lsm_batch *b;
    struct lsm_iter *it;
    unsigned n = 0;

    CHECK(!lsm_batch_new(&b));
    CHECK(!lsm_iter_new(db, NULL, "D", 1, "E", 1, &it));
    for (int more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it), n++) {
        size_t len;
        const void *entry = lsm_iter_key(it, &len);

        if (n % 7 == 3)
            CHECK(!lsm_batch_delete(b, entry, len));
        if (n % 7 == 5) {
            const uint8_t *value = lsm_iter_value(it, &len);

            key[0] = KEY_INODE;
            put_be64(key + 1, get_le64(value));
            CHECK(!lsm_batch_delete(b, key, sizeof(key)));
        }
    }
    lsm_iter_free(it);
    CHECK(!lsm_write(db, b, LSM_WRITE_SYNC));
    lsm_batch_free(b);
}

static uint64_t try_repair(const char *pattern, const struct fs_failure *failure, bool *ret_failed)
{
    const struct repair_options o = {.check = {.memory_len = 1}};
    char *dir = scratch_new(), path[600];
    struct repair_result result;
    struct lsm_db *db;
    struct fs *fs;
    uint64_t count;

    snprintf(path, sizeof(path), "%s/store", dir);
    trial_copy_dir(pattern, path);
    open_engine(path, &db);
    damage(db);
    arm(failure);
    check_fits("repair", repair_run(db, &o, &result));
    count = call_faults_count();
    *ret_failed = call_faults_disarm();
    lsm_close(db);
    open_engine(path, &db);
    if (repair_run(db, &o, &result) < 0 || result.last.problem_count)
        fail_trial("a second repair leaves problems: %s", lsm_detail());
    CHECK(!lsm_close(db));
    fs = open_whole(path);
    check_whole(fs);
    CHECK(!fs_close(fs));
    scratch_free(dir);
    return count;
}

const struct fs_trial fs_trials[] = {
    {"operations", try_steps}, {"open", try_open},     {"mkfs", try_mkfs},
    {"check", try_check},      {"repair", try_repair},
};
const unsigned fs_trial_count = sizeof(fs_trials) / sizeof(fs_trials[0]);

/* --- Every call --- */

unsigned fs_trial_tries_wanted(unsigned fallback)
{
    const char *s = getenv("TEST_ROUNDS");
    unsigned n = s ? (unsigned)strtoul(s, NULL, 0) : fallback;

    return n ? n : 1 << 20;
}

unsigned fs_trial_all(const struct fs_trial *t, const char *pattern, struct fs_failure failure,
                      unsigned tries, uint64_t *seed)
{
    const char *only = getenv("TEST_SCENARIO");
    struct rng rng = {*seed};
    unsigned failures = 0;
    uint64_t count, step;
    bool failed;

    if (only && strcmp(only, t->name) != 0)
        return 0;
    trial_name = t->name;
    failure.nth = UINT64_MAX;
    count = t->run(pattern, &failure, &failed);
    step = count / tries + 1;
    for (failure.nth = 1 + rng_below(&rng, step); tries && (failure.nth <= count || failed);
         failure.nth += step, tries--) {
        t->run(pattern, &failure, &failed);
        failures += failed;
    }
    *seed = rng.state;
    return failures;
}
