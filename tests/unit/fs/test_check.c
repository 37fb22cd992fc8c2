/*
 * The checker: a sound file system has no problem, and damaged names, keys and facts, made on
 * purpose behind the file system's back, are named with their path.
 */
#include "unit/fs/check_fixture.h"

/* --- Sound --- */

static void an_empty_file_system_is_clean(void **state)
{
    struct fixture *f = *state;
    struct found found;

    expect_clean(f);
    run_check(f, &found);
    assert_int_equal(found.result.inode_count, 1);
    assert_int_equal(found.result.directory_count, 1);
}

static void a_tree_of_everything_is_clean_and_counted(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct found found;

    assert_true(t.file > 0);
    expect_clean(f);
    run_check(f, &found);
    assert_int_equal(found.result.inode_count, 7);
    assert_int_equal(found.result.directory_count, 3);
    assert_int_equal(found.result.file_count, 2);
    assert_int_equal(found.result.symlink_count, 1);
    assert_int_equal(found.result.special_count, 1);
    assert_int_equal(found.result.name_count, 7);
    assert_int_equal(found.result.block_count, 4);
    assert_int_equal(found.result.xattr_count, 1);
    assert_int_equal(found.result.orphan_count, 0);
    assert_int_equal(found.infos, 0);
    assert_true(found.steps > 0);
}

static void what_operations_leave_is_clean(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct fs_attr a = {.size = 10};
    char name[32];

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        make(f->fs, i % 2 ? t.sub : t.dir, name, (i % 3 ? S_IFREG : S_IFDIR) | 0700);
    }
    expect_clean(f);
    assert_int_equal(fs_setattr(f->fs, t.file, &a, FS_SET_SIZE, &a), 0);
    a.size = BLOCK_LEN * 20;
    assert_int_equal(fs_setattr(f->fs, t.file, &a, FS_SET_SIZE, &a), 0);
    assert_int_equal(fs_fallocate(f->fs, t.sparse, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                  BLOCK_LEN * 10),
                     0);
    assert_int_equal(fs_rename(f->fs, t.dir, "sub", FS_ROOT_INO, "moved", 0), 0);
    assert_int_equal(fs_rename(f->fs, FS_ROOT_INO, "fifo", FS_ROOT_INO, "dir", FS_RENAME_EXCHANGE),
                     0);
    assert_int_equal(fs_removexattr(f->fs, t.file, "user.a"), 0);
    expect_clean(f);
}

static void orphans_are_told_but_are_no_problem(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct found found;

    assert_int_equal(fs_unlink(f->fs, FS_ROOT_INO, "sparse"), 0);
    assert_int_equal(fs_rmdir(f->fs, t.dir, "sub"), 0);
    run_check(f, &found);
    print_found(&found);
    assert_int_equal(found.result.problem_count, 0);
    assert_int_equal(found.result.orphan_count, 2);
    assert_int_equal(found.infos, 1);
}

static void no_options_are_needed(void **state)
{
    struct fixture *f = *state;
    struct check_result r;
    struct tree t = grow(f);

    drop_entry(f, FS_ROOT_INO, "fifo");
    assert_int_equal(check_run(fs_db(f->fs), NULL, &r), 0);
    assert_true(r.problem_count > 0);
    assert_true(t.fifo > 0);
}

/* --- Names --- */

static void an_entry_without_an_inode_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    key_ino(&k, KEY_INODE, t.fifo);
    del(f, &k);
    expect(f, 1, CHECK_ENTRY_INODE, "/fifo", "does not exist");
}

static void an_entry_of_another_type_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    add_entry(f, FS_ROOT_INO, "fifo", t.fifo, S_IFREG);
    expect(f, 1, CHECK_ENTRY_TYPE, "/fifo", "the entry says regular file");
}

static void illegal_names_are_named(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        const char *text;
    } cases[] = {
        {"", 0, "an empty name"}, {"a/b", 3, "a slash"}, {"a\0b", 3, "a NUL"},
        {".", 1, "called"},       {"..", 2, "called"},
    };
    struct fixture *f = *state;
    struct tree t = grow(f);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct inode in = load(f, t.fifo);
        struct key k;

        key_dirent(&k, t.dir, dirent_hash(f->fs->hash_secret, cases[i].name, cases[i].len),
                   cases[i].name, cases[i].len);
        put_entry(f, &k, t.fifo, S_IFIFO);
        change_size(f, t.dir, 1);
        in.nlink++;
        store(f, &in);
        expect(f, 1, CHECK_NAME, NULL, cases[i].text);
        in.nlink--;
        store(f, &in);
        del(f, &k);
        change_size(f, t.dir, -1);
    }
    expect_clean(f);
}

static void a_name_that_is_too_long_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    uint8_t key[KEY_DIRENT_HEAD_LEN + 256], value[DIRENT_VALUE_LEN];
    struct inode in = load(f, t.fifo);

    memset(key, 'n', sizeof(key));
    key[0] = KEY_DIRENT;
    put_be64(key + 1, t.dir);
    put_be64(key + 9, dirent_hash(f->fs->hash_secret, (char *)key + KEY_DIRENT_HEAD_LEN, 256));
    put_le64(value, t.fifo);
    value[8] = S_IFIFO >> 12;
    assert_int_equal(lsm_put(fs_db(f->fs), key, sizeof(key), value, sizeof(value), 0), 0);
    change_size(f, t.dir, 1);
    in.nlink++;
    store(f, &in);
    expect(f, 1, CHECK_NAME, NULL, "too long");
}

static void a_name_under_a_wrong_hash_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    drop_entry(f, FS_ROOT_INO, "fifo");
    key_dirent(&k, FS_ROOT_INO, 12345, "fifo", 4);
    put_entry(f, &k, t.fifo, S_IFIFO);
    expect(f, 1, CHECK_NAME_HASH, "/fifo", "no look-up finds it");
}

static void an_undecodable_entry_is_named(void **state)
{
    struct fixture *f = *state;
    struct key k;

    grow(f);
    entry_key(f, &k, FS_ROOT_INO, "odd");
    put(f, &k, "short", 5);
    change_size(f, FS_ROOT_INO, 1);
    expect(f, 1, CHECK_ENTRY_RECORD, "/odd", "cannot be decoded");
    put_entry(f, &k, 0, S_IFREG);
    expect(f, 1, CHECK_ENTRY_INODE, "/odd", "cannot exist");
    put_entry(f, &k, UINT64_MAX, S_IFREG);
    expect(f, 1, CHECK_ENTRY_INODE, "/odd", "cannot exist");
    put_entry(f, &k, 7, 0x3000);
    expect(f, 1, CHECK_ENTRY_RECORD, "/odd", "cannot be decoded");
    put(f, &k, "\x07\0\0\0\0\0\0\0\x18", DIRENT_VALUE_LEN); /* a type with another bit */
    expect(f, 1, CHECK_ENTRY_RECORD, "/odd", "cannot be decoded");
}

static void entries_in_what_is_no_directory_are_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.fifo);

    add_entry(f, t.file, "child", t.fifo, S_IFIFO);
    in.nlink++;
    store(f, &in);
    expect(f, 1, CHECK_ENTRY_PARENT, NULL, "lie in what is a regular file");
    drop_entry(f, t.file, "child");
    add_entry(f, 65536 * 500, "child", t.fifo, S_IFIFO);
    expect(f, 1, CHECK_ENTRY_PARENT, NULL, "does not exist");
}

/* --- Keys and facts --- */

static void keys_that_no_file_system_makes_are_found(void **state)
{
    static const char *const keys[] = {"!", "Zebra", "\xff\xff", "C"};
    static const uint8_t shorts[] = {KEY_INODE, KEY_BLOCK, KEY_XATTR, KEY_ORPHAN, KEY_DIRENT};
    struct fixture *f = *state;
    struct key k;

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lsm_put(fs_db(f->fs), keys[i], strlen(keys[i]), "v", 1, 0), 0);
        expect(f, 1, CHECK_KEY, "", "unknown kind");
        assert_int_equal(lsm_delete(fs_db(f->fs), keys[i], strlen(keys[i]), 0), 0);
    }
    for (size_t i = 0; i < sizeof(shorts); i++) {
        k.data[0] = shorts[i];
        k.len = 1;
        put(f, &k, "v", 1);
        expect(f, 1, CHECK_KEY, "", "has 1 bytes");
        del(f, &k);
        key_ino(&k, (enum key_tag)shorts[i], UINT64_MAX);
        put(f, &k, "v", 1);
        expect(f, 1, CHECK_KEY, "", "impossible number");
        del(f, &k);
    }
    key_block(&k, FS_ROOT_INO, 0);
    k.data[0] = KEY_INODE;
    put(f, &k, "v", 1);
    expect(f, 1, CHECK_KEY, "", "an inode key has 17 bytes");
}

static void damaged_facts_are_named_and_the_rest_is_checked(void **state)
{
    static const char *const names[] = {"Sblock_len", "Ssecret", "Sgroup_next", "Suuid"};
    struct fixture *f = *state;

    grow(f);
    for (size_t i = 0; i < 4; i++) {
        const char *key = names[i];
        struct lsm_value v;
        uint8_t old[256];
        size_t len;

        assert_int_equal(lsm_get(fs_db(f->fs), NULL, key, strlen(key), &v), 0);
        len = v.len;
        assert_in_range(len, 1, sizeof(old));
        memcpy(old, v.data, len);
        lsm_value_done(&v);
        assert_int_equal(lsm_put(fs_db(f->fs), key, strlen(key), "x", 1, 0), 0);
        expect(f, 1, CHECK_SUPER, "", key + 1);
        assert_int_equal(lsm_delete(fs_db(f->fs), key, strlen(key), 0), 0);
        expect(f, 1, CHECK_SUPER, "", key + 1);
        assert_int_equal(lsm_put(fs_db(f->fs), key, strlen(key), old, len, 0), 0);
    }
    expect_clean(f);
}

static void a_store_without_a_file_system_cannot_be_checked(void **state)
{
    struct fixture *f = *state;
    struct check_result r;
    struct key k;

    assert_int_equal(lsm_delete(fs_db(f->fs), "Sformat", 7, 0), 0);
    expect(f, 1, CHECK_SUPER, "", "\"format\" is missing");
    assert_int_equal(lsm_delete(fs_db(f->fs), "Ssecret", 7, 0), 0);
    key_ino(&k, KEY_INODE, FS_ROOT_INO);
    del(f, &k);
    put(f, &k, "no record", 9);
    expect(f, 2, CHECK_SUPER, "", "\"format\" is missing");
    assert_int_equal(lsm_put(fs_db(f->fs), "Sblock_len", 10, "\0\0\1\1", 4, 0), 0);
    assert_int_equal(check_run(fs_db(f->fs), NULL, &r), -ERR_NO_FILE_SYSTEM);
}

static void problems_beyond_the_limit_are_counted(void **state)
{
    struct fixture *f = *state;
    struct found found = {0};
    struct check_options o = {.problem_max = 3, .problem = on_problem, .arg = &found};
    struct key k;

    for (uint64_t i = 0; i < 10; i++) {
        key_block(&k, (99 + i) << 16, 0);
        put(f, &k, "x", 1);
    }
    assert_int_equal(check_run(fs_db(f->fs), &o, &found.result), 0);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.result.problem_count, 10);
    assert_int_equal(found.result.problems[CHECK_BLOCK_OWNER], 10);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CHECK_KIND_COUNT; i++) {
        assert_non_null(check_kind_name((enum check_kind)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(check_kind_name((enum check_kind)i),
                                    check_kind_name((enum check_kind)j));
    }
    assert_string_equal(check_kind_name((enum check_kind)1000), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(an_empty_file_system_is_clean),
        CHECK_TEST(a_tree_of_everything_is_clean_and_counted),
        CHECK_TEST(what_operations_leave_is_clean),
        CHECK_TEST(orphans_are_told_but_are_no_problem),
        CHECK_TEST(no_options_are_needed),
        CHECK_TEST(an_entry_without_an_inode_is_named),
        CHECK_TEST(an_entry_of_another_type_is_named),
        CHECK_TEST(illegal_names_are_named),
        CHECK_TEST(a_name_that_is_too_long_is_named),
        CHECK_TEST(a_name_under_a_wrong_hash_is_named),
        CHECK_TEST(an_undecodable_entry_is_named),
        CHECK_TEST(entries_in_what_is_no_directory_are_named),
        CHECK_TEST(keys_that_no_file_system_makes_are_found),
        CHECK_TEST(damaged_facts_are_named_and_the_rest_is_checked),
        CHECK_TEST(a_store_without_a_file_system_cannot_be_checked),
        CHECK_TEST(problems_beyond_the_limit_are_counted),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
