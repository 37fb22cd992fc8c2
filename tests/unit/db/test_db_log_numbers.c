/*
 * No log gets a number that another one had, also when a loss of power has taken the name of that
 * one: its bytes may lie in the space that the new log gets, and would pass for the new one's.
 */
#include "lib/cmocka_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"
#include "lsm/lsm.h"

enum {
    FILE_LEN_MAX = 4 << 20
};

static struct lsm_db *open_store(const char *dir)
{
    struct lsm_options o;
    struct lsm_db *db;

    lsm_options_default(&o);
    o.create = true;
    o.worker_count = 1;
    if (lsm_open(dir, &o, &db))
        fail_msg("%s", lsm_detail());
    return db;
}

static void put(struct lsm_db *db, const char *key, const char *value, unsigned flags)
{
    assert_int_equal(lsm_put(db, key, strlen(key), value, strlen(value), flags), 0);
}

/*
 * A record as long as that of one operation with a value of five bytes. It takes the sequence
 * numbers of that one and of the one before it, so the record behind that one would be next.
 */
static void put_two(struct lsm_db *db)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_put(b, "d", 1, "", 0), 0);
    assert_int_equal(lsm_batch_put(b, "e", 1, "5", 1), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
}

static bool has(struct lsm_db *db, const char *key, const char *value)
{
    struct lsm_value v;
    int err = lsm_get(db, NULL, key, strlen(key), &v);
    bool same = !err && v.len == strlen(value) && !memcmp(v.data, value, v.len);

    if (!err)
        lsm_value_done(&v);
    return same;
}

static size_t read_file(const char *path, uint8_t *ret)
{
    FILE *f = fopen(path, "r");
    size_t len;

    assert_non_null(f);
    len = fread(ret, 1, FILE_LEN_MAX, f);
    fclose(f);
    return len;
}

static void write_file(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* What the disk holds at the moment, as a store of its own. */
static void copy_store(const char *from, const char *to)
{
    uint8_t *bytes = malloc(FILE_LEN_MAX);
    DIR *dir = opendir(from);
    const struct dirent *d;

    assert_non_null(bytes);
    assert_non_null(dir);
    assert_int_equal(mkdir(to, 0700), 0);
    while ((d = readdir(dir))) {
        char path[1024];
        size_t len;

        if (d->d_name[0] == '.' || !strcmp(d->d_name, "LOCK"))
            continue;
        len = read_file(scratch_path(from, d->d_name), bytes);
        snprintf(path, sizeof(path), "%s/%s", to, d->d_name);
        write_file(path, bytes, len);
    }
    closedir(dir);
    free(bytes);
}

/* The log with the highest number. */
static uint64_t newest_log(const char *path, char ret_file[1024])
{
    DIR *dir = opendir(path);
    const struct dirent *d;
    uint64_t newest = 0;

    assert_non_null(dir);
    while ((d = readdir(dir))) {
        uint64_t number = strtoull(d->d_name, NULL, 10);

        if (!strstr(d->d_name, ".wal") || number <= newest)
            continue;
        newest = number;
        snprintf(ret_file, 1024, "%s/%s", path, d->d_name);
    }
    closedir(dir);
    assert_true(newest > 0);
    return newest;
}

/* The bytes of a file behind what was written to it. */
static size_t zeros_from(const uint8_t *bytes, size_t len)
{
    while (len && !bytes[len - 1])
        len--;
    return len;
}

static void records_of_a_log_whose_name_was_lost_do_not_come_back(void **state)
{
    char *dir = scratch_new(), first[512], second[512], third[512], old_file[1024], file[1024];
    uint8_t *old = calloc(1, FILE_LEN_MAX), *bytes = calloc(1, FILE_LEN_MAX);
    uint64_t old_number;
    size_t old_len, end;
    struct lsm_db *db;

    (void)state;
    snprintf(first, sizeof(first), "%s/first", dir);
    snprintf(second, sizeof(second), "%s/second", dir);
    snprintf(third, sizeof(third), "%s/third", dir);
    db = open_store(first);
    put(db, "a", "synced", 0);
    assert_int_equal(lsm_flush(db), 0);
    /* The power goes when the log after this one has been written, but neither its name nor what
     * came before it is on disk. */
    copy_store(first, second);
    put(db, "x", "lost", 0);
    assert_int_equal(lsm_flush(db), 0);
    put(db, "b", "12345", 0);
    put(db, "c", "two", 0);
    old_number = newest_log(first, old_file);
    old_len = read_file(old_file, old);
    assert_true(zeros_from(old, old_len) > 32);
    assert_int_equal(lsm_close(db), 0);

    db = open_store(second);
    assert_true(has(db, "a", "synced"));
    put_two(db);
    assert_true(newest_log(second, file) != old_number);
    /* It goes again, and the file's end shows what lay there before. */
    copy_store(second, third);
    assert_int_equal(lsm_close(db), 0);
    newest_log(third, file);
    end = zeros_from(bytes, read_file(file, bytes));
    assert_true(end > 32 && end < zeros_from(old, old_len));
    memcpy(old, bytes, end);
    write_file(file, old, old_len);
    db = open_store(third);
    assert_true(has(db, "d", "") && has(db, "e", "5"));
    assert_false(has(db, "c", "two"));
    assert_int_equal(lsm_close(db), 0);
    free(old);
    free(bytes);
    scratch_free(dir);
}

/* However many numbers other files take, a log's is one that the manifest knows of. */
static void a_number_is_in_the_manifest_before_a_log_has_it(void **state)
{
    char *dir = scratch_new(), first[512], file[1024];
    uint64_t number;
    struct lsm_db *db;

    (void)state;
    snprintf(first, sizeof(first), "%s/first", dir);
    db = open_store(first);
    put(db, "a", "1", 0);
    for (int i = 0; i < 100000; i++)
        db_new_file(db);
    assert_int_equal(lsm_flush(db), 0);
    number = newest_log(first, file);
    assert_true(number > 100000);
    assert_true(atomic_load(&db->log_numbers_end) > number);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_a_log_whose_name_was_lost_do_not_come_back),
        cmocka_unit_test(a_number_is_in_the_manifest_before_a_log_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
