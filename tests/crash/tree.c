/*
 * The file system under test, and judging it after a loss of power.
 */
#include "crash/tree.h"

#include "lib/cmocka_all.h"

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

static int open_fs(struct env_record *disk, struct fs **ret)
{
    struct lsm_options o = options();
    struct lsm_db *db;
    int err = db_open(env_record_env(disk), &o, &db);

    if (err)
        return err;
    err = fs_open_on(db, NULL, ret);
    if (err)
        lsm_close(db);
    return err;
}

struct tree *tree_new(const struct disk_image *base, const char *scenario)
{
    struct tree *t = calloc(1, sizeof(*t));
    bool mark;

    assert_non_null(t);
    snprintf(t->scenario, sizeof(t->scenario), "%s", scenario);
    t->rng.state = crash_seed();
    t->disk = env_record_new(base, 0);
    assert_int_equal(open_fs(t->disk, &t->fs), 0);
    assert_int_equal(tree_digest(t->fs, &t->states[0].digest, &mark), 0);
    t->first_point = t->begun = env_record_point(t->disk);
    return t;
}

void tree_free(struct tree *t)
{
    env_record_free(t->disk);
    free(t);
}

void tree_begin(struct tree *t)
{
    t->begun = env_record_point(t->disk);
}

void tree_note(struct tree *t)
{
    bool mark;

    assert_true(t->state_count + 1 < TREE_STATE_MAX);
    t->state_count++;
    t->states[t->state_count].begun = t->begun;
    t->states[t->state_count].synced = SIZE_MAX;
    assert_int_equal(tree_digest(t->fs, &t->states[t->state_count].digest, &mark), 0);
    tree_begin(t);
}

void tree_sync(struct tree *t)
{
    assert_int_equal(fs_sync(t->fs), 0);
    if (t->states[t->state_count].synced == SIZE_MAX)
        t->states[t->state_count].synced = env_record_point(t->disk);
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
    return "shows none of the trees that it may show";
}

void tree_sweep(struct tree *t, unsigned share)
{
    const struct crash_subject subject = {recover, again, judge, t, false};
    struct crash_sweep sweep = {.scenario = t->scenario,
                                .subject = &subject,
                                .first_point = t->first_point,
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
