/*
 * Many changes as one, and walking through what is there.
 *
 * A batch holds puts, deletions, deletions of ranges, and patches (overwriting a part of a value
 * without reading it). All of it takes effect at once, or, when the write fails, none of it; also
 * after a crash.
 *
 *     cc batch_scan.c $(pkg-config --cflags --libs lsm) -o batch_scan
 *     ./batch_scan stock.store
 */
#include <lsm.h>
#include <stdio.h>
#include <string.h>

static int put(struct lsm_batch *b, const char *key, const char *value)
{
    return lsm_batch_put(b, key, strlen(key), value, strlen(value));
}

/* Fill the batch. The operations take effect in the order in which they are added. */
static int fill(struct lsm_batch *b)
{
    static const char *const kinds[] = {"apple", "banana", "cherry", "damson", "elderberry"};
    int err = 0;

    for (int i = 0; i < 5 && err >= 0; i++)
        err = put(b, kinds[i], "count=0000");
    if (err >= 0)
        /* The four digits begin at byte 6 of the value. */
        err = lsm_batch_patch(b, "cherry", 6, 6, "0042", 4);
    if (err >= 0)
        /* From "d" up to, without, "e": damson. */
        err = lsm_batch_delete_range(b, "d", 1, "e", 1);
    return err;
}

static int write_batch(struct lsm_db *db)
{
    struct lsm_batch *b;
    int err = lsm_batch_new(&b);

    if (err < 0)
        return err;
    err = fill(b);
    if (err >= 0)
        err = lsm_write(db, b, LSM_WRITE_SYNC);
    /* The batch could now be cleared and filled again. */
    lsm_batch_free(b);
    return err;
}

static void print_entry(const struct lsm_iter *it)
{
    size_t key_len, value_len;
    /* Both lie in the store, and only until the iterator moves. */
    const char *key = (const char *)lsm_iter_key(it, &key_len);
    const char *value = (const char *)lsm_iter_value(it, &value_len);

    printf("  %.*s %.*s\n", (int)key_len, key, (int)value_len, value);
}

/*
 * A move gives 1 when the iterator stands on an entry, 0 when there is none there, and a negative
 * code when it failed: so a loop ends at the end and at a failure, and the code says which it was.
 */
static int walk_both_ways(struct lsm_iter *it)
{
    int rc;

    printf("forwards\n");
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it))
        print_entry(it);
    if (rc < 0)
        return rc;
    printf("backwards\n");
    for (rc = lsm_iter_last(it); rc == 1; rc = lsm_iter_prev(it))
        print_entry(it);
    if (rc < 0)
        return rc;
    printf("from bb\n");
    rc = lsm_iter_seek(it, "bb", 2); /* the first key at or behind it */
    if (rc == 1)
        print_entry(it);
    return rc < 0 ? rc : 0;
}

static int scan(struct lsm_db *db, const char *lower, const char *upper)
{
    struct lsm_iter *it;
    /* The keys from lower up to, without, upper, as the store is now: later writes do not show. */
    int rc = lsm_iter_new(db, NULL, lower, lower ? strlen(lower) : 0, upper,
                          upper ? strlen(upper) : 0, &it);

    if (rc < 0)
        return rc;
    rc = walk_both_ways(it);
    lsm_iter_free(it);
    return rc;
}

int main(int argc, char **argv)
{
    struct lsm_options options;
    struct lsm_db *db;
    int err, close_err;

    if (argc != 2) {
        fprintf(stderr, "usage: batch_scan DIRECTORY\n");
        return 2;
    }
    lsm_options_default(&options);
    options.create = true;
    err = lsm_open(argv[1], &options, &db);
    if (err < 0) {
        fprintf(stderr, "%s\n", lsm_detail());
        return 1;
    }
    err = write_batch(db);
    if (err >= 0)
        err = scan(db, "b", NULL);
    if (err < 0)
        fprintf(stderr, "%s: %s\n", lsm_strerror(err), lsm_detail());
    close_err = lsm_close(db);
    return err < 0 || close_err < 0;
}
