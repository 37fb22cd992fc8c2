/*
 * Making and opening file systems.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/super.h"
#include "unit/fs/fs_fixture.h"

static int dir_setup(void **state)
{
    *state = fixture_dir();
    return 0;
}

static int dir_teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)

static void a_new_file_system_has_an_empty_root(void **state)
{
    struct fixture *f = *state;
    struct fs_mkfs_options o = {
        .block_len = 8192, .label = "My disk", .root_uid = 5, .root_gid = 6, .root_mode = 01777};
    struct fs_attr a;
    struct timespec now;

    inode_now(&now);
    assert_int_equal(fs_mkfs(f->path, &o), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_int_equal(fs_super(f->fs)->block_len, 8192);
    assert_string_equal(fs_super(f->fs)->label, "My disk");
    assert_true(fs_super(f->fs)->created_sec >= now.tv_sec);
    assert_int_equal(fs_super(f->fs)->uuid[6] >> 4, 4);
    a = attr_of(f->fs, FS_ROOT_INO);
    assert_int_equal(a.mode, S_IFDIR | 01777);
    assert_int_equal(a.uid, 5);
    assert_int_equal(a.gid, 6);
    assert_int_equal(a.nlink, 2);
    assert_int_equal(everything_agrees(f->fs), 1);
    assert_int_equal(fs_close(f->fs), 0);
}

static void defaults_are_taken_without_options(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fs_open(f->path, NULL, &f->fs), 0);
    assert_int_equal(fs_super(f->fs)->block_len, FS_BLOCK_LEN_DEFAULT);
    assert_string_equal(fs_super(f->fs)->label, "");
    assert_int_equal(attr_of(f->fs, FS_ROOT_INO).mode, S_IFDIR | 0755);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fs_close(NULL), 0);
}

static void two_file_systems_differ_in_uuid_and_secret(void **state)
{
    struct fixture *f = *state;
    struct fs_super first;
    uint8_t secret[HASH_SECRET_LEN];

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fixture_open(f, false), 0);
    first = *fs_super(f->fs);
    memcpy(secret, f->fs->hash_secret, sizeof(secret));
    assert_int_equal(fs_close(f->fs), 0);
    snprintf(f->path, sizeof(f->path), "%s/other", f->dir);
    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_memory_not_equal(first.uuid, fs_super(f->fs)->uuid, 16);
    assert_memory_not_equal(secret, f->fs->hash_secret, sizeof(secret));
    assert_int_equal(fs_close(f->fs), 0);
}

static void bad_options_are_refused_before_anything_is_made(void **state)
{
    struct fixture *f = *state;
    char label[FS_LABEL_LEN_MAX + 2];
    struct stat st;

    memset(label, 'x', sizeof(label));
    label[sizeof(label) - 1] = 0;
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.block_len = 5000}), -EINVAL);
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.block_len = 2048}), -EINVAL);
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.block_len = 2 << 20}), -EINVAL);
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.label = label}), -EINVAL);
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.label = "a\nb"}), -EINVAL);
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.root_mode = 0100644}), -EINVAL);
    assert_int_equal(stat(f->path, &st), -1);
    label[FS_LABEL_LEN_MAX] = 0;
    assert_int_equal(fs_mkfs(f->path, &(struct fs_mkfs_options){.label = label}), 0);
}

static void a_directory_with_something_in_it_is_refused(void **state)
{
    struct fixture *f = *state;
    char file[400];
    int fd;

    assert_int_equal(mkdir(f->path, 0755), 0);
    snprintf(file, sizeof(file), "%s/precious", f->path);
    fd = open(file, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(fs_mkfs(f->path, NULL), -ENOTEMPTY);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fs_mkfs(f->path, NULL), -ERR_STORE_EXISTS);
}

static void a_store_without_a_file_system_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct lsm_options o;
    struct lsm_db *db;

    assert_int_not_equal(fixture_open(f, false), 0); /* nothing there */
    lsm_options_default(&o);
    o.create = true;
    assert_int_equal(lsm_open(f->path, &o, &db), 0);
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(fixture_open(f, false), -ERR_NO_FILE_SYSTEM);
}

static void fact_set(struct fixture *f, const char *name, const void *value, size_t len)
{
    struct lsm_options o;
    struct lsm_db *db;
    char key[64];
    int n = snprintf(key, sizeof(key), "S%s", name);

    lsm_options_default(&o);
    assert_int_equal(lsm_open(f->path, &o, &db), 0);
    if (value)
        assert_int_equal(lsm_put(db, key, (size_t)n, value, len, 0), 0);
    else
        assert_int_equal(lsm_delete(db, key, (size_t)n, 0), 0);
    assert_int_equal(lsm_close(db), 0);
}

static void missing_and_damaged_facts_refuse_to_open(void **state)
{
    static const char *const names[] = {"uuid", "block_len", "secret", "created", "group_next"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(f->path, sizeof(f->path), "%s/store%zu", f->dir, i);
        assert_int_equal(fs_mkfs(f->path, NULL), 0);
        fact_set(f, names[i], "odd", 3);
        assert_int_equal(fixture_open(f, false), -ERR_SUPER_RECORD);
        assert_non_null(strstr(err_detail(), names[i]));
        fact_set(f, names[i], NULL, 0);
        assert_int_equal(fixture_open(f, true), -ERR_SUPER_RECORD);
    }
}

static void facts_out_of_range_refuse_to_open(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    fact_set(f, "block_len", "\0\x11\0\0", 4);
    assert_int_equal(fixture_open(f, false), -ERR_SUPER_RECORD);
    fact_set(f, "block_len", "\0\x10\0\0", 4);
    fact_set(f, "group_next", "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(fixture_open(f, false), -ERR_SUPER_RECORD);
    fact_set(f, "group_next", "\0\0\0\0\0\0\0\1", 8);
    assert_int_equal(fixture_open(f, false), -ERR_SUPER_RECORD);
    fact_set(f, "group_next", "\1\0\0\0\0\0\0\0", 8);
    assert_int_equal(fixture_open(f, false), 0);
    assert_int_equal(fs_close(f->fs), 0);
}

static void newer_formats_are_refused_with_the_right_error(void **state)
{
    struct fixture *f = *state;
    uint8_t format[SUPER_FORMAT_LEN] = {SUPER_VERSION + 1};

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    fact_set(f, "format", format, sizeof(format));
    assert_int_equal(fixture_open(f, false), -ERR_SUPERBLOCK_VERSION);
    format[0] = SUPER_VERSION;
    format[12] = 0x80; /* incompat */
    fact_set(f, "format", format, sizeof(format));
    assert_int_equal(fixture_open(f, true), -ERR_SUPERBLOCK_FEATURE);
    format[12] = 0;
    format[8] = 0x80; /* ro_compat */
    fact_set(f, "format", format, sizeof(format));
    assert_int_equal(fixture_open(f, false), -ERR_SUPERBLOCK_FEATURE);
    assert_int_equal(fixture_open(f, true), 0);
    assert_int_equal(fs_close(f->fs), 0);
    format[8] = 0;
    format[4] = 0x80; /* compat */
    fact_set(f, "format", format, sizeof(format));
    assert_int_equal(fixture_open(f, false), 0);
    assert_int_equal(fs_close(f->fs), 0);
}

static void read_only_refuses_every_change(void **state)
{
    struct fixture *f = *state;
    struct fs_attr a = {0};
    uint64_t ino;

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fixture_open(f, false), 0);
    ino = make_file(f->fs, FS_ROOT_INO, "file");
    make_dir(f->fs, FS_ROOT_INO, "dir");
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, true), 0);
    assert_int_equal(fs_mknod(f->fs, 1, "x", S_IFREG, 0, &cred0, &a), -EROFS);
    assert_int_equal(fs_symlink(f->fs, 1, "x", "y", &cred0, &a), -EROFS);
    assert_int_equal(fs_link(f->fs, ino, 1, "x", &a), -EROFS);
    assert_int_equal(fs_unlink(f->fs, 1, "file"), -EROFS);
    assert_int_equal(fs_rmdir(f->fs, 1, "dir"), -EROFS);
    assert_int_equal(fs_rename(f->fs, 1, "file", 1, "x", 0), -EROFS);
    assert_int_equal(fs_setattr(f->fs, ino, &a, FS_SET_MODE, &a), -EROFS);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", "", 0, 0), -EROFS);
    assert_int_equal(fs_removexattr(f->fs, ino, "user.x"), -EROFS);
    assert_int_equal(ino_of(f->fs, 1, "file"), ino);
    assert_int_equal(fs_sync(f->fs), 0);
    assert_int_equal(everything_agrees(f->fs), 3);
    assert_int_equal(fs_close(f->fs), 0);
}

/* It only saves questions: without it, or with a damaged one, all works. */
static void the_first_label_takes_the_fact_that_there_is_none(void **state)
{
    static const char fact[] = "Sunlabelled", label[] = "security.selinux";
    struct fixture *f = *state;

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_true(fs_unlabelled(f->fs));
    assert_int_equal(fs_setxattr(f->fs, FS_ROOT_INO, "security.other", "x", 1, 0), 0);
    assert_true(fs_unlabelled(f->fs));
    assert_int_equal(fs_setxattr(f->fs, FS_ROOT_INO, label, "x", 1, 0), 0);
    assert_false(fs_unlabelled(f->fs));
    assert_int_equal(fs_removexattr(f->fs, FS_ROOT_INO, label), 0);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_false(fs_unlabelled(f->fs));
    assert_int_equal(lsm_put(fs_db(f->fs), fact, sizeof(fact) - 1, "bad", 3, 0), 0);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_false(fs_unlabelled(f->fs));
    assert_int_equal(fs_close(f->fs), 0);
}

static void statvfs_counts_in_units_that_all_callers_understand(void **state)
{
    struct fixture *f = *state;
    struct statvfs s;

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fixture_open(f, false), 0);
    assert_int_equal(fs_statvfs(f->fs, &s), 0);
    assert_int_equal(s.f_bsize, s.f_frsize);
    assert_true(s.f_blocks >= s.f_bfree && s.f_bfree >= s.f_bavail && s.f_blocks > 0);
    assert_true(s.f_ffree > 1000000);
    assert_int_equal(s.f_namemax, 255);
    assert_int_equal(fs_close(f->fs), 0);
}

static void groups_are_never_given_twice_across_runs(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0, group;

    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    for (int run = 0; run < 3; run++) {
        assert_int_equal(fixture_open(f, false), 0);
        for (int i = 0; i < 1500; i++) {
            assert_int_equal(group_take(f->fs, &group), 0);
            assert_true(group > last);
            last = group;
        }
        assert_int_equal(fs_close(f->fs), 0);
    }
}

/* The engine's store is there, the batch with the file system is not: what a crash in mkfs leaves.
 */
static void interrupted_mkfs_can_be_done_again(void **state)
{
    struct fixture *f = *state;
    struct lsm_options o;
    struct lsm_db *db;
    struct fs *fs;

    lsm_options_default(&o);
    o.create = true;
    assert_int_equal(lsm_open(f->path, &o, &db), 0);
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(fs_open(f->path, NULL, &fs), -ERR_NO_FILE_SYSTEM);
    assert_int_equal(fs_mkfs(f->path, NULL), 0);
    assert_int_equal(fs_open(f->path, NULL, &fs), 0);
    assert_int_equal(fs_close(fs), 0);
    assert_int_equal(fs_mkfs(f->path, NULL), -ERR_STORE_EXISTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(a_new_file_system_has_an_empty_root),
        DIR_TEST(defaults_are_taken_without_options),
        DIR_TEST(two_file_systems_differ_in_uuid_and_secret),
        DIR_TEST(bad_options_are_refused_before_anything_is_made),
        DIR_TEST(a_directory_with_something_in_it_is_refused),
        DIR_TEST(a_store_without_a_file_system_is_told_apart),
        DIR_TEST(interrupted_mkfs_can_be_done_again),
        DIR_TEST(missing_and_damaged_facts_refuse_to_open),
        DIR_TEST(facts_out_of_range_refuse_to_open),
        DIR_TEST(newer_formats_are_refused_with_the_right_error),
        DIR_TEST(read_only_refuses_every_change),
        DIR_TEST(the_first_label_takes_the_fact_that_there_is_none),
        DIR_TEST(statvfs_counts_in_units_that_all_callers_understand),
        DIR_TEST(groups_are_never_given_twice_across_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
