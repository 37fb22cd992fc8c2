/*
 * Keeping the past: snapshots without and with a name, and a checkpoint, which is a second store.
 *
 *     cc snapshot_checkpoint.c $(pkg-config --cflags --libs lsm) -o snapshot_checkpoint
 *     ./snapshot_checkpoint ledger.store ledger.copy
 */
#include <errno.h>
#include <lsm.h>
#include <stdio.h>
#include <string.h>

/* Has to come right after the failure: the next call of the library may have other words. */
static int fail(const char *path, int err)
{
    fprintf(stderr, "%s: %s\n", path, *lsm_detail() ? lsm_detail() : lsm_strerror(err));
    return err;
}

static int set_balance(struct lsm_db *db, const char *value)
{
    return lsm_put(db, "balance", 7, value, strlen(value), 0);
}

/* The value as of the snapshot, or as of now when it is NULL. */
static int print_balance(struct lsm_db *db, const struct lsm_snapshot *snapshot, const char *when)
{
    struct lsm_value value;
    int err = lsm_get(db, snapshot, "balance", 7, &value);

    if (err < 0)
        return err;
    printf("%s: %.*s\n", when, (int)value.len, (const char *)value.data);
    lsm_value_done(&value);
    return 0;
}

/*
 * A snapshot without a name is a handle of this process: good for reading many keys of one moment
 * while others write.
 */
static int look_back(struct lsm_db *db)
{
    struct lsm_snapshot *before;
    int err = set_balance(db, "100");

    if (err < 0 || (err = lsm_snapshot_open(db, &before)) < 0)
        return err;
    err = set_balance(db, "70");
    if (err >= 0)
        err = print_balance(db, before, "before");
    if (err >= 0)
        err = print_balance(db, NULL, "now");
    lsm_snapshot_close(db, before);
    return err;
}

/* A snapshot with a name is kept in the store, until it is removed. */
static int keep_month(struct lsm_db *db)
{
    int err = lsm_snapshot_create(db, "january", 7);

    /* This program may have been run before. */
    if (err == -EEXIST) {
        err = lsm_snapshot_remove(db, "january", 7);
        if (err >= 0)
            err = lsm_snapshot_create(db, "january", 7);
    }
    if (err >= 0)
        err = set_balance(db, "55");
    return err;
}

/* Its name gives a handle for reading, as the one without a name is. */
static int look_at_month(struct lsm_db *db)
{
    struct lsm_snapshot *january;
    int err = lsm_snapshot_find(db, "january", 7, &january);

    if (err < 0)
        return err;
    err = print_balance(db, january, "in january");
    lsm_snapshot_close(db, january);
    return err >= 0 ? print_balance(db, NULL, "now") : err;
}

static int with_store(const char *path, int (*work)(struct lsm_db *db))
{
    struct lsm_options options;
    struct lsm_db *db;
    int err, close_err;

    lsm_options_default(&options);
    options.create = true;
    err = lsm_open(path, &options, &db);
    if (err < 0)
        return fail(path, err);
    err = work(db);
    if (err < 0)
        fail(path, err);
    close_err = lsm_close(db);
    if (close_err < 0)
        fail(path, close_err);
    return err < 0 ? err : close_err;
}

/* The directory of the checkpoint: it must not exist, and is then a store like any other. */
static const char *copy_path;

static int make_copy(struct lsm_db *db)
{
    int err = lsm_checkpoint(db, copy_path);

    return err < 0 ? err : set_balance(db, "0");
}

static int look_at_now(struct lsm_db *db)
{
    return print_balance(db, NULL, "in the copy");
}

int main(int argc, char **argv)
{
    int err;

    if (argc != 3) {
        fprintf(stderr, "usage: snapshot_checkpoint DIRECTORY NEW-DIRECTORY\n");
        return 2;
    }
    copy_path = argv[2];
    err = with_store(argv[1], look_back);
    if (err >= 0)
        err = with_store(argv[1], keep_month);
    /* The store is opened anew here: the named snapshot is still there. */
    if (err >= 0)
        err = with_store(argv[1], look_at_month);
    if (err >= 0)
        err = with_store(argv[1], make_copy);
    if (err >= 0)
        err = with_store(copy_path, look_at_now);
    if (err >= 0)
        err = with_store(copy_path, look_at_month);
    return err < 0;
}
