/*
 * Verification and repair of the store.
 *
 * The order with CHECK_STORE_ALL: the engine repairs its files, and writes down in the same store
 * what it has lost before the repair takes effect (lsm_repair_losses). Then the losses are judged,
 * read-only, lost blocks are marked durably, and only then the losses are forgotten. As long as
 * they are there the file system refuses to open (fs_open.c), so a repair that is interrupted
 * anywhere never shows old contents; the next run judges the same losses again.
 */
#include "fs/check/check_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/check/loss.h"
#include "fs/super.h"
#include "lsm/base/err.h"

struct run {
    const char *path;
    enum check_store_mode mode;
    const struct check_options *options;
    struct check_result *found;
    struct check_store_result *result;
    struct loss_list losses;
    bool lossy;      /* a repair would lose something */
    unsigned damage; /* places */
    bool pending;    /* an earlier repair was not completed */
    bool quiet;      /* count losses only */
};

static void problem(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct run *r, const char *fmt, ...)
{
    struct check_problem p = {.kind = CHECK_STORE_DAMAGE};
    char text[1024];
    va_list ap;

    r->found->problem_count++;
    r->found->problems[p.kind]++;
    if (!r->options->problem ||
        (r->options->problem_max && r->found->problem_count > r->options->problem_max))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    check_make_printable(text);
    p.text = text;
    r->options->problem(r->options->arg, &p);
}

static void info(struct run *r, const char *text)
{
    if (r->options->info)
        r->options->info(r->options->arg, text);
}

/* --- Looking --- */

static int on_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    struct run *r = arg;

    r->damage++;
    /* The engine's own words often name the place already. */
    if (strstr(text, file))
        problem(r, "%s", text);
    else if (offset)
        problem(r, "%s at byte %llu: %s", file, (unsigned long long)offset, text);
    else
        problem(r, "%s: %s", file, text);
    return 0;
}

static int on_loss(void *arg, const struct lsm_loss *loss)
{
    struct run *r = arg;

    r->lossy = true;
    return r->quiet ? 0 : loss_list_add(&r->losses, loss);
}

static void on_progress(void *arg, uint64_t done_len, uint64_t total_len)
{
    struct run *r = arg;

    if (r->options->progress)
        r->options->progress(r->options->arg, CHECK_PHASE_STORE, done_len, total_len);
}

static int tell_losses(struct run *r, struct lsm_db *db, struct lost_list *ret)
{
    int err = loss_judge(db, &r->losses, r->options->block_len, ret);

    if (!err)
        err = lost_tell(db, ret, r->options, r->found);
    if (!err && ret->unknown)
        info(r, "which files else have lost something cannot be told");
    return err;
}

/* The engine's part of the memory: a third of what the checker may take beside it. */
static void store_options(const struct run *r, struct lsm_options *ret)
{
    super_store_options(ret);
    if (r->options->memory_len && ret->cache_bytes > r->options->memory_len / 3)
        ret->cache_bytes = r->options->memory_len / 3;
    if (ret->cache_bytes < 1 << 20)
        ret->cache_bytes = 1 << 20;
}

static int open_store(struct run *r, bool read_only, struct lsm_db **ret)
{
    struct lsm_options lo;

    store_options(r, &lo);
    lo.read_only = read_only;
    return lsm_open(r->path, &lo, ret);
}

/* Of a store that opens. In a repair the losses are told when it is known what becomes of them. */
static int look(struct run *r, struct lsm_db *db)
{
    struct lost_list lost = {0};
    int pending, err = lsm_verify_losses(db, on_damage, on_loss, on_progress, r);

    if (lsm_is_damage(err)) {
        r->damage++;
        problem(r, "%s", lsm_detail());
        err = 0;
    }
    if (err < 0)
        return err;
    pending = lsm_losses(db, on_loss, r);
    r->pending = pending > 0;
    if (pending > 0 && !r->damage) {
        r->damage++;
        problem(r, "an earlier repair has lost something, and was not completed");
    }
    err = pending < 0 ? pending : 0;
    if (!err && r->mode == CHECK_STORE_LOOK && r->losses.count)
        err = tell_losses(r, db, &lost);
    lost_list_done(&lost);
    return err;
}

/* --- Repairing --- */

static int on_step(void *arg, const char *file, const char *text)
{
    struct run *r = arg;
    char line[1200];

    if (r->quiet)
        return 0;
    snprintf(line, sizeof(line), "%s%s%s", file, *file ? ": " : "", text);
    check_make_printable(line);
    info(r, line);
    return 0;
}

static int run_repair(struct run *r, bool dry_run)
{
    struct lsm_options lo;

    store_options(r, &lo);
    lo.read_only = dry_run;
    return lsm_repair_losses(r->path, &lo, dry_run, on_step, on_loss, r);
}

/* What a repair would do, for the reader; *ret_lossy: it would lose something. */
static int rehearse(struct run *r, bool quiet, bool *ret_lossy)
{
    int count;

    r->lossy = false;
    r->quiet = quiet;
    count = run_repair(r, true);
    r->quiet = false;
    *ret_lossy = r->lossy;
    return count < 0 ? count : 0;
}

/* After the engine's repair: act on what is written down in the store. */
static int settle(struct run *r)
{
    struct lost_list lost = {0};
    struct lsm_db *db;
    int close_err, err;

    loss_list_done(&r->losses);
    err = open_store(r, true, &db);
    if (err)
        return err;
    err = lsm_losses(db, on_loss, r);
    if (err > 0)
        err = tell_losses(r, db, &lost);
    lsm_close(db);
    if (!err && r->losses.count) {
        err = open_store(r, false, &db);
        if (!err) {
            err = lost_mark_blocks(db, &lost);
            if (!err)
                err = lsm_losses_forget(db);
            close_err = lsm_close(db);
            err = err ? err : close_err;
        }
    }
    lost_list_done(&lost);
    return err;
}

/* What is lost, in a store that is left as it is. */
static int tell_left(struct run *r)
{
    struct lost_list lost = {0};
    struct lsm_db *db;
    int err;

    r->result->damage_left = true;
    info(r, "the store is left as it is: its repair would lose something, and needs -y");
    if (!r->result->openable || !r->losses.count)
        return 0;
    err = open_store(r, true, &db);
    if (err)
        return err;
    err = tell_losses(r, db, &lost);
    lsm_close(db);
    lost_list_done(&lost);
    return err;
}

static int repair(struct run *r)
{
    bool lossy = true;
    int err = r->mode == CHECK_STORE_SAFE ? rehearse(r, true, &lossy) : 0;

    if (err)
        return err;
    if (r->mode == CHECK_STORE_SAFE && (lossy || r->pending))
        return tell_left(r);
    r->quiet = true;
    err = run_repair(r, false);
    r->quiet = false;
    if (err < 0)
        return err;
    /* Completing an earlier repair is one, even where the engine has nothing left to do. */
    r->result->repair_count = (uint64_t)err + r->pending;
    r->result->damage_left = !err && !r->pending;
    err = settle(r);
    r->result->openable = !err;
    return err;
}

/* --- The run --- */

/* A store without a superblock is none, unless a repair could make it one again. */
static bool is_damage(struct run *r, int err)
{
    char text[512];
    bool lossy;

    if (err != -ERR_STORE_NOT_ONE && err != -ERR_SUPERBLOCK_MAGIC)
        return lsm_is_damage(err);
    snprintf(text, sizeof(text), "%s", lsm_detail());
    if (!rehearse(r, true, &lossy))
        return true;
    err_raise(-err, "%s", text);
    return false;
}

static int check_damaged(struct run *r)
{
    bool lossy;

    if (r->mode != CHECK_STORE_LOOK)
        return repair(r);
    r->result->damage_left = true;
    if (r->result->openable)
        return 0;
    info(r, "a repair (fsck -y) would do this:");
    return rehearse(r, false, &lossy);
}

int check_store_run(const char *path, enum check_store_mode mode,
                    const struct check_options *options, struct check_result *ret_found,
                    struct check_store_result *ret)
{
    struct run r = {
        .path = path, .mode = mode, .options = options, .found = ret_found, .result = ret};
    struct lsm_db *db;
    int err;

    *ret_found = (struct check_result){0};
    *ret = (struct check_store_result){0};
    err = open_store(&r, true, &db);
    if (is_damage(&r, err)) {
        r.damage++;
        problem(&r, "the store cannot be opened: %s",
                *lsm_detail() ? lsm_detail() : lsm_strerror(err));
        err = 0;
    } else if (!err) {
        ret->openable = true;
        err = look(&r, db);
        lsm_close(db);
    }
    if (!err && r.damage)
        err = check_damaged(&r);
    loss_list_done(&r.losses);
    return err;
}
