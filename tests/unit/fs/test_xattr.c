/*
 * Extended attributes.
 */
#include "unit/fs/fs_fixture.h"

static void attributes_are_set_read_listed_and_removed(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    char buf[64];

    assert_int_equal(fs_listxattr(f->fs, ino, NULL, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.a", buf, sizeof(buf)), -ENODATA);
    assert_int_equal(fs_removexattr(f->fs, ino, "user.a"), -ENODATA);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "value", 5, 0), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "trusted.b", "", 0, 0), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "security.c", "x", 1, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.a", NULL, 0), 5);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.a", buf, 4), -ERANGE);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.a", buf, 5), 5);
    assert_memory_equal(buf, "value", 5);
    assert_int_equal(fs_getxattr(f->fs, ino, "trusted.b", buf, 5), 0);
    assert_int_equal(fs_listxattr(f->fs, ino, NULL, 0), 28);
    assert_int_equal(fs_listxattr(f->fs, ino, buf, 27), -ERANGE);
    assert_int_equal(fs_listxattr(f->fs, ino, buf, 28), 28);
    assert_memory_equal(buf, "security.c\0trusted.b\0user.a", 28);
    fixture_reopen(f);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "other", 5, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.a", buf, 5), 5);
    assert_memory_equal(buf, "other", 5);
    assert_int_equal(fs_removexattr(f->fs, ino, "user.a"), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.a", buf, 5), -ENODATA);
    assert_int_equal(fs_listxattr(f->fs, ino, NULL, 0), 21);
}

static void flags_ask_for_absence_or_presence(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_dir(f->fs, 1, "dir");

    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "1", 1, FS_XATTR_REPLACE), -ENODATA);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "1", 1, FS_XATTR_CREATE), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "2", 1, FS_XATTR_CREATE), -EEXIST);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "3", 1, FS_XATTR_REPLACE), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.a", "3", 1, 8), -EINVAL);
}

static void namespaces_are_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file"), fifo = make(f->fs, 1, "fifo", S_IFIFO | 0600);
    char name[300], buf[8];

    assert_int_equal(fs_setxattr(f->fs, ino, "system.other", "", 0, 0), -EOPNOTSUPP);
    assert_int_equal(fs_getxattr(f->fs, ino, "system.other", buf, 8), -EOPNOTSUPP);
    assert_int_equal(fs_setxattr(f->fs, ino, "other.x", "", 0, 0), -EOPNOTSUPP);
    assert_int_equal(fs_setxattr(f->fs, ino, "plain", "", 0, 0), -EOPNOTSUPP);
    assert_int_equal(fs_setxattr(f->fs, ino, "", "", 0, 0), -EOPNOTSUPP);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.", "", 0, 0), -EINVAL);
    assert_int_equal(fs_setxattr(f->fs, fifo, "user.x", "", 0, 0), -EPERM);
    assert_int_equal(fs_removexattr(f->fs, fifo, "user.x"), -EPERM);
    assert_int_equal(fs_getxattr(f->fs, fifo, "user.x", buf, 8), -ENODATA);
    assert_int_equal(fs_setxattr(f->fs, fifo, "trusted.x", "", 0, 0), 0);
    assert_int_equal(fs_setxattr(f->fs, 4711, "user.x", "", 0, 0), -ESTALE);
    assert_int_equal(fs_getxattr(f->fs, 4711, "user.x", buf, 8), -ESTALE);
    memset(name, 'n', sizeof(name));
    memcpy(name, "user.", 5);
    name[FS_XATTR_NAME_LEN_MAX] = 0;
    assert_int_equal(fs_setxattr(f->fs, ino, name, "v", 1, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, name, buf, 8), 1);
    name[FS_XATTR_NAME_LEN_MAX] = 'n';
    name[FS_XATTR_NAME_LEN_MAX + 1] = 0;
    assert_int_equal(fs_setxattr(f->fs, ino, name, "v", 1, 0), -ERANGE);
}

static void values_may_have_64_kib(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    char *value = malloc(FS_XATTR_VALUE_LEN_MAX + 1), *back = malloc(FS_XATTR_VALUE_LEN_MAX);

    memset(value, 'v', FS_XATTR_VALUE_LEN_MAX + 1);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", value, FS_XATTR_VALUE_LEN_MAX + 1, 0),
                     -E2BIG);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", value, FS_XATTR_VALUE_LEN_MAX, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.x", back, FS_XATTR_VALUE_LEN_MAX),
                     FS_XATTR_VALUE_LEN_MAX);
    assert_memory_equal(value, back, FS_XATTR_VALUE_LEN_MAX);
    free(value);
    free(back);
}

static void the_list_of_names_may_have_64_kib(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    char name[FS_XATTR_NAME_LEN_MAX + 1];
    int count = 0, err;

    memset(name, 'n', sizeof(name));
    name[FS_XATTR_NAME_LEN_MAX] = 0;
    for (;; count++) {
        char digits[16];

        snprintf(digits, sizeof(digits), "%05d", count);
        memcpy(name, "user.", 5);
        memcpy(name + 5, digits, 5);
        err = fs_setxattr(f->fs, ino, name, "", 0, 0);
        if (err)
            break;
    }
    assert_int_equal(err, -ENOSPC);
    assert_int_equal(count, 256);
    assert_int_equal(fs_listxattr(f->fs, ino, NULL, 0), 65536);
    memcpy(name + 5, "00000", 5);
    assert_int_equal(fs_setxattr(f->fs, ino, name, "changed", 7, 0), 0);
}

static void attributes_change_ctime_only(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr old = {.mtime = {5, 5}, .ctime = {5, 5}}, a;

    assert_int_equal(fs_setattr(f->fs, ino, &old, FS_SET_MTIME | FS_SET_CTIME, &a), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", "", 0, 0), 0);
    a = attr_of(f->fs, ino);
    assert_true(time_is(&a.mtime, 5, 5) && a.ctime.tv_sec > 5);
    assert_int_equal(fs_setattr(f->fs, ino, &old, FS_SET_MTIME | FS_SET_CTIME, &a), 0);
    assert_int_equal(fs_removexattr(f->fs, ino, "user.x"), 0);
    a = attr_of(f->fs, ino);
    assert_true(time_is(&a.mtime, 5, 5) && a.ctime.tv_sec > 5);
}

static void attributes_go_with_their_inode(void **state)
{
    struct fixture *f = *state;
    uint64_t a = make_file(f->fs, 1, "a"), b = make_file(f->fs, 1, "b");

    for (int i = 0; i < 3; i++) {
        char name[32];

        snprintf(name, sizeof(name), "user.%d", i);
        assert_int_equal(fs_setxattr(f->fs, a, name, "a", 1, 0), 0);
        assert_int_equal(fs_setxattr(f->fs, b, name, "b", 1, 0), 0);
    }
    assert_int_equal(fs_unlink(f->fs, 1, "a"), 0);
    assert_int_equal(fs_listxattr(f->fs, a, NULL, 0), 21);
    assert_int_equal(fs_purge(f->fs, a), 0);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 3);
    assert_int_equal(fs_listxattr(f->fs, b, NULL, 0), 21);
}

static void a_value_too_long_in_the_store_is_damage(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    char *value = calloc(1, FS_XATTR_VALUE_LEN_MAX + 1);
    struct key k;

    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", "", 0, 0), 0);
    key_xattr(&k, ino, "user.x", 6);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, value, FS_XATTR_VALUE_LEN_MAX + 1, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, "user.x", value, FS_XATTR_VALUE_LEN_MAX),
                     -ERR_XATTR_RECORD);
    assert_int_equal(f->log_errors, 1);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(attributes_are_set_read_listed_and_removed),
        FS_TEST(flags_ask_for_absence_or_presence),
        FS_TEST(namespaces_are_kept),
        FS_TEST(values_may_have_64_kib),
        FS_TEST(the_list_of_names_may_have_64_kib),
        FS_TEST(attributes_change_ctime_only),
        FS_TEST(attributes_go_with_their_inode),
        FS_TEST(a_value_too_long_in_the_store_is_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
