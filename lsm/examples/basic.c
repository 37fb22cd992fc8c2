/*
 * The least that a program does with liblsm: open a store, write, read, delete, close; and what to
 * do with errors.
 *
 *     cc basic.c $(pkg-config --cflags --libs lsm) -o basic
 *     ./basic fruit.store
 */
#include <errno.h>
#include <lsm.h>
#include <stdio.h>
#include <string.h>

/*
 * Every function that can fail returns 0 or more for success and a negative code for failure. The
 * code alone has a fixed text; lsm_detail has more to say: which file, which offset, what to do.
 */
static int fail(const char *what, int err)
{
    const char *detail = lsm_detail();

    fprintf(stderr, "%s: %s\n", what, *detail ? detail : lsm_strerror(err));
    return 1;
}

/* Keys and values are bytes with a length: no terminating zero is needed, and none is stored. */
static int put(struct lsm_db *db, const char *key, const char *value)
{
    return lsm_put(db, key, strlen(key), value, strlen(value), 0);
}

static int print(struct lsm_db *db, const char *key)
{
    struct lsm_value value;
    int err = lsm_get(db, NULL, key, strlen(key), &value);

    /* A key that is not there is an answer, not a failure. */
    if (err == -ENOENT) {
        printf("%s is not there\n", key);
        return 0;
    }
    if (err < 0)
        return err;
    /* The value lies where the store has it. It is not ours to free, but it must be given back. */
    printf("%s is %.*s\n", key, (int)value.len, (const char *)value.data);
    lsm_value_done(&value);
    return 0;
}

static int work(struct lsm_db *db)
{
    int err;

    if ((err = put(db, "apple", "green")) < 0 || (err = put(db, "pear", "yellow")) < 0)
        return err;
    /* A second put of the same key replaces the value. */
    if ((err = put(db, "apple", "red")) < 0 || (err = print(db, "apple")) < 0)
        return err;
    /* An empty value is a value. */
    if ((err = put(db, "pear", "")) < 0 || (err = print(db, "pear")) < 0)
        return err;
    if ((err = lsm_delete(db, "apple", strlen("apple"), 0)) < 0 || (err = print(db, "apple")) < 0)
        return err;
    /*
     * What was written so far survives the end of this process, however it ends. After this it
     * also survives a loss of power. lsm_put with LSM_WRITE_SYNC does both at once.
     */
    return lsm_sync(db);
}

int main(int argc, char **argv)
{
    struct lsm_options options;
    struct lsm_db *db;
    int err, close_err;

    if (argc != 2) {
        fprintf(stderr, "usage: basic DIRECTORY\n");
        return 2;
    }
    /* Always start from the defaults: a later version may have more options. */
    lsm_options_default(&options);
    options.create = true;
    err = lsm_open(argv[1], &options, &db);
    if (err < 0)
        return fail(argv[1], err);

    err = work(db);
    if (err < 0)
        fail("working on the store", err);

    /* Closing makes everything durable, so it can fail as well. db is gone in any case. */
    close_err = lsm_close(db);
    if (close_err < 0)
        fail("closing the store", close_err);
    return err < 0 || close_err < 0;
}
