/*
 * long_patch STORE KEY: a patch of one byte at the end of the longest value there can be, under
 * this key: what a store can hold that was made to harm. No program of ours writes it.
 */
#include <stdio.h>
#include <string.h>

#include "lsm/lsm.h"

static int write_patch(struct lsm_db *db, const char *key)
{
    struct lsm_batch *b;
    int err = lsm_batch_new(&b);

    if (err)
        return err;
    err = lsm_batch_patch(b, key, strlen(key), LSM_VALUE_LEN_MAX - 1, "x", 1);
    if (!err)
        err = lsm_write(db, b, LSM_WRITE_SYNC);
    lsm_batch_free(b);
    return err ? err : lsm_flush(db);
}

int main(int argc, char **argv)
{
    struct lsm_options options;
    struct lsm_db *db;
    int err;

    if (argc != 3)
        return 2;
    lsm_options_default(&options);
    err = lsm_open(argv[1], &options, &db);
    if (!err) {
        int close_err;

        err = write_patch(db, argv[2]);
        close_err = lsm_close(db);
        if (!err)
            err = close_err;
    }
    if (err)
        fprintf(stderr, "long_patch: %s: %s\n", lsm_strerror(err), lsm_detail());
    return err ? 1 : 0;
}
