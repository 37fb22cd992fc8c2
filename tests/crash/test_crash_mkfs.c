/*
 * Loss of power while a file system is made. Making it again succeeds, or finds it whole.
 *
 * What fs_mkfs does is done here on the recorded disk: an empty store, and one durable batch. The
 * second time it is fs_mkfs itself, in a directory of the host.
 */
#include "lib/cmocka_all.h"

#include "crash/crash_store.h"
#include "fs/check/fsck.h"
#include "fs/super.h"
#include "lib/scratch.h"

/* All pairs of a file system that was just made. */
static struct lsm_batch *first_batch(void)
{
    char *dir = scratch_new();
    const char *path = scratch_path(dir, "store");
    struct lsm_options o = crash_options();
    struct lsm_batch *b;
    struct lsm_iter *it;
    struct lsm_db *db;

    assert_int_equal(fs_mkfs(path, NULL), 0);
    assert_int_equal(lsm_open(path, &o, &db), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (int at = lsm_iter_first(it); at > 0; at = lsm_iter_next(it)) {
        size_t key_len, len;
        const void *key = lsm_iter_key(it, &key_len), *value = lsm_iter_value(it, &len);

        assert_int_equal(lsm_batch_put(b, key, key_len, value, len), 0);
    }
    lsm_iter_free(it);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
    assert_true(lsm_batch_count(b) > 5);
    return b;
}

/* It opens, and everything in it agrees. */
static int look(const char *path)
{
    struct check_result result;
    struct fs *fs;
    int err = fs_open(path, NULL, &fs), close_err;

    if (err)
        return err;
    err = check_run(fs_db(fs), NULL, &result);
    close_err = fs_close(fs);
    return err ? err : close_err ? close_err : result.problem_count ? -EIO : 0;
}

/* extra[0]: there was one already. */
static void make_again(void *arg, struct env_record *disk, struct crash_outcome *ret)
{
    struct disk_image *image = env_record_image(disk);
    char *dir = scratch_new();
    const char *path = scratch_path(dir, "store");
    int err;

    (void)arg;
    disk_image_save(image, dir);
    err = fs_mkfs(path, NULL);
    ret->extra[0] = err == -ERR_STORE_EXISTS;
    if (err && err != -ERR_STORE_EXISTS)
        crash_outcome_fail(ret, err, "mkfs");
    err = look(path);
    if (err)
        crash_outcome_fail(ret, err, "open the file system");
    disk_image_free(image);
    scratch_free(dir);
}

static const char *judge(void *arg, size_t point, const struct crash_outcome *o)
{
    const struct crash_span *made = arg;

    if (o->extra[0] && point < made->begun)
        return "is there before it was made";
    return !o->extra[0] && point >= made->done ? "is gone" : NULL;
}

static void a_file_system_that_is_being_made_can_be_made_again(void **state)
{
    struct disk_image *empty = disk_image_new();
    struct env_record *disk = env_record_new(empty, 0);
    struct lsm_batch *b = first_batch();
    struct crash_span made;
    const struct crash_subject subject = {make_again, NULL, judge, &made, false};
    struct crash_sweep sweep = {.scenario = "mkfs", .subject = &subject};
    struct lsm_options o;
    struct lsm_db *db;

    (void)state;
    super_store_options(&o);
    o.create = true;
    assert_int_equal(db_open(env_record_env(disk), &o, &db), 0);
    made.begun = env_record_point(disk);
    assert_int_equal(lsm_write(db, b, LSM_WRITE_SYNC), 0);
    made.done = env_record_point(disk);
    assert_int_equal(lsm_close(db), 0);
    sweep.record = env_record_get(disk);
    crash_sweep_run(&sweep);
    lsm_batch_free(b);
    env_record_free(disk);
    disk_image_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_system_that_is_being_made_can_be_made_again),
    };

    scratch_in_memory();
    return cmocka_run_group_tests(tests, NULL, crash_sweep_report);
}
