/*
 * The file system under test, and judging it after a loss of power.
 */
#include "crash/tree.h"

#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "crash/crash_store.h"
#include "fs/check/fsck.h"
#include "fs/impl.h"
#include "fs/super.h"
#include "lib/scratch.h"

static struct lsm_options options(void)
{
    struct lsm_options small = crash_options(), o;

    super_store_options(&o);
    o.cache_bytes = small.cache_bytes;
    o.memtable_len = small.memtable_len;
    o.table_len = small.table_len;
    o.l0_compact_count = small.l0_compact_count;
    o.worker_count = small.worker_count;
    o.pin_workers = small.pin_workers;
    o.blob_len_min = 2048;
    return o;
}

static int open_on(struct env *env, struct fs **ret)
{
    struct lsm_options o = options();
    struct lsm_db *db;
    int err = db_open(env, &o, &db);

    if (err)
        return err;
    err = fs_open_on(db, NULL, ret);
    if (err)
        lsm_close(db);
    return err;
}

static int open_fs(struct env_record *disk, struct fs **ret)
{
    return open_on(env_record_env(disk), ret);
}

static uint64_t digest_now(struct tree *t)
{
    uint64_t digest;
    bool mark;
    int err = tree_digest(t->fs, &digest, &mark);

    if (err)
        fail_msg("%s: the tree cannot be read: %s", t->scenario, lsm_detail());
    return digest;
}

static struct tree *prepare(const struct disk_image *base, const char *scenario, unsigned env_flags)
{
    struct tree *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    snprintf(t->scenario, sizeof(t->scenario), "%s", scenario);
    t->rng.state = crash_seed();
    t->disk = env_record_new(base, env_flags);
    return t;
}

static void start(struct tree *t)
{
    t->states[0].digest = digest_now(t);
    t->first_point = t->begun = env_record_point(t->disk);
}

struct tree *tree_new(const struct disk_image *base, const char *scenario)
{
    struct tree *t = prepare(base, scenario, 0);

    assert_int_equal(open_fs(t->disk, &t->fs), 0);
    start(t);
    return t;
}

struct tree *tree_new_failing(const struct disk_image *base, const char *scenario,
                              const struct tree *twin)
{
    struct tree *t = prepare(base, scenario, ENV_RECORD_RESERVES);

    t->twin = twin;
    assert_int_equal(env_fault_open(env_record_env(t->disk), &t->fault), 0);
    assert_int_equal(open_on(env_fault_env(t->fault), &t->fs), 0);
    start(t);
    return t;
}

void tree_free(struct tree *t)
{
    env_fault_close(t->fault);
    env_record_free(t->disk);
    free(t);
}

void tree_begin(struct tree *t)
{
    t->begun = env_record_point(t->disk);
}

void tree_note(struct tree *t)
{
    assert_true(t->state_count + 1 < TREE_STATE_MAX);
    t->state_count++;
    t->states[t->state_count].begun = t->begun;
    t->states[t->state_count].synced = SIZE_MAX;
    t->states[t->state_count].digest = digest_now(t);
    tree_begin(t);
}

static bool is_sticky(struct tree *t)
{
    struct lsm_stats stats;

    assert_int_equal(lsm_stats(fs_db(t->fs), &stats), 0);
    return stats.sticky_err != 0;
}

bool tree_may_fail(struct tree *t, int err)
{
    int errnum = lsm_errno(err);

    return t->fault && env_fault_happened(t->fault) && !lsm_is_damage(err) &&
           (errnum == EIO || errnum == ENOSPC || (errnum == EROFS && is_sticky(t)));
}

void tree_note_failure(struct tree *t, int err)
{
    size_t n = t->state_count;

    if (digest_now(t) != t->states[n].digest)
        fail_msg("%s: what failed (%s) has changed the tree", t->scenario, lsm_strerror(err));
    if (!is_sticky(t)) {
        t->refused = true;
    } else if (!t->sticky && t->twin && !t->refused && n < t->twin->state_count) {
        assert_int_equal(t->states[n].digest, t->twin->states[n].digest);
        t->in_doubt = true;
        t->doubt_after = n;
        t->doubt_begun = t->begun;
        t->doubt_digest = t->twin->states[n + 1].digest;
    }
    t->sticky = is_sticky(t);
}

/* What changes nothing that is seen, and may fail. */
static void work(struct tree *t, int err, const char *doing)
{
    if (err && !tree_may_fail(t, err))
        fail_msg("%s: %s: %s (%s)", t->scenario, doing, lsm_strerror(err), lsm_detail());
    if (err && digest_now(t) != t->states[t->state_count].digest)
        fail_msg("%s: a %s that failed has changed the tree", t->scenario, doing);
    t->sticky = is_sticky(t);
}

void tree_sync(struct tree *t)
{
    int err = fs_sync(t->fs);

    work(t, err, "sync");
    if (!err && t->states[t->state_count].synced == SIZE_MAX)
        t->states[t->state_count].synced = env_record_point(t->disk);
}

void tree_flush(struct tree *t)
{
    work(t, lsm_flush(fs_db(t->fs)), "flush");
}

void tree_compact(struct tree *t)
{
    work(t, lsm_compact_range(fs_db(t->fs), NULL, 0, NULL, 0), "compaction");
}

static void note_problem(void *arg, const struct check_problem *p)
{
    struct crash_outcome *o = arg;

    if (!*o->text)
        snprintf(o->text, sizeof(o->text), "%s: %.60s: %.180s", check_kind_name(p->kind),
                 p->path ? p->path : "", p->text);
}

/* As fsck -n does, before anything may change. */
static void check_all(struct lsm_db *db, struct crash_outcome *ret)
{
    struct check_options o = {.memory_len = 1 << 20, .problem = note_problem, .arg = ret};
    struct check_result result;
    int err = check_run(db, &o, &result);

    if (err)
        crash_outcome_fail(ret, err, "check");
    else if (result.problem_count)
        ret->err = -EIO;
}

static void recover(void *arg, struct env_record *disk, struct crash_outcome *ret)
{
    struct lsm_options o = options();
    struct lsm_db *db;
    struct fs *fs;
    int err = db_open(env_record_env(disk), &o, &db);

    (void)arg;
    if (err) {
        crash_outcome_fail(ret, err, "open");
        return;
    }
    check_all(db, ret);
    err = fs_open_on(db, NULL, &fs);
    if (err) {
        crash_outcome_fail(ret, err, "open the file system");
        lsm_close(db);
        return;
    }
    err = tree_digest(fs, &ret->digest, &ret->mark);
    if (err)
        crash_outcome_fail(ret, err, "read the tree");
    err = fs_close(fs);
    if (err)
        crash_outcome_fail(ret, err, "close");
}

static int again(void *arg, struct env_record *disk, size_t *ret_marked)
{
    static const struct fs_cred cred = {.uid = 1000, .gid = 1000};
    struct fs_attr attr;
    struct fs *fs;
    int err = open_fs(disk, &fs);

    (void)arg;
    if (err)
        return err;
    err = fs_mknod(fs, FS_ROOT_INO, "~mark", S_IFREG | 0600, 0, &cred, &attr);
    if (!err)
        err = fs_sync(fs);
    *ret_marked = env_record_point(disk);
    if (!err)
        err = fs_close(fs);
    return err;
}

static const char *judge(void *arg, size_t point, const struct crash_outcome *o)
{
    const struct tree *t = arg;
    size_t least = 0, most = 0;

    for (size_t n = 0; n <= t->state_count; n++) {
        if (t->states[n].synced <= point)
            least = n;
        if (t->states[n].begun <= point && most + 1 >= n)
            most = n;
    }
    for (size_t n = least; n <= most; n++)
        if (t->states[n].digest == o->digest)
            return NULL;
    if (t->in_doubt && t->doubt_digest == o->digest && least <= t->doubt_after &&
        most >= t->doubt_after && t->doubt_begun <= point)
        return NULL;
    return "shows none of the trees that it may show";
}

void tree_sweep(struct tree *t, unsigned share)
{
    const struct crash_subject subject = {recover, again, judge, t, false};
    struct crash_sweep sweep = {.scenario = t->scenario,
                                .subject = &subject,
                                .first_point = t->first_point,
                                .env_flags = t->fault ? ENV_RECORD_RESERVES : 0,
                                .share = share};

    env_record_kill(t->disk);
    (void)fs_close(t->fs);
    t->fs = NULL;
    sweep.record = env_record_get(t->disk);
    crash_sweep_run(&sweep);
}

/* --- The tree to begin with --- */

static void fill(struct fs *fs)
{
    static const struct fs_cred cred = {.uid = 1000, .gid = 1000};
    struct fs_attr a, b, d, other;
    struct rng rng = {5};
    uint8_t bytes[6000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    assert_int_equal(fs_mknod(fs, FS_ROOT_INO, "a", S_IFREG | 0644, 0, &cred, &a), 0);
    assert_int_equal(fs_write(fs, a.ino, 0, bytes, 6000), 0);
    assert_int_equal(fs_mknod(fs, FS_ROOT_INO, "d", S_IFDIR | 0755, 0, &cred, &d), 0);
    assert_int_equal(fs_mknod(fs, d.ino, "b", S_IFREG | 0600, 0, &cred, &b), 0);
    assert_int_equal(fs_write(fs, b.ino, 0, bytes + 1000, 5000), 0);
    assert_int_equal(fs_setxattr(fs, b.ino, "user.x", "value", 5, 0), 0);
    assert_int_equal(fs_mknod(fs, FS_ROOT_INO, "e", S_IFDIR | 0755, 0, &cred, &other), 0);
    assert_int_equal(fs_symlink(fs, FS_ROOT_INO, "l", "d/b", &cred, &other), 0);
}

struct disk_image *tree_base_new(void)
{
    struct fs_mkfs_options o = {.block_len = TREE_BLOCK_LEN};
    char *dir = scratch_new();
    const char *path = scratch_path(dir, "store");
    struct disk_image *made, *base;
    struct env_record *disk;
    struct fs *fs;

    assert_int_equal(fs_mkfs(path, &o), 0);
    made = disk_image_load(path);
    scratch_free(dir);
    disk = env_record_new(made, 0);
    assert_int_equal(open_fs(disk, &fs), 0);
    fill(fs);
    assert_int_equal(fs_close(fs), 0);
    base = env_record_image(disk);
    env_record_free(disk);
    disk_image_free(made);
    return base;
}
