/*
 * Repairs of directory entries: each kind of damage is made behind the file system's back, and
 * repaired; what is healthy stays as it was.
 */
#include "unit/fs/fsck_fixture.h"

static void a_dangling_entry_is_removed(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    struct key k;

    take_keys(fs_db(f->fs), &before);
    key_ino(&k, KEY_INODE, t.fifo);
    del(f, &k);
    expect_repair(f, CHECK_ENTRY_INODE, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "fifo"), 0);
    assert_same_but(f, &before, (uint64_t[]){t.fifo, FS_ROOT_INO}, 2);
    kv_clear(&before);
}

static void an_entry_of_an_impossible_inode_is_removed(void **state)
{
    struct fixture *f = *state;
    struct kv_model before;
    struct key k;

    grow(f);
    take_keys(fs_db(f->fs), &before);
    entry_key(f, &k, FS_ROOT_INO, "odd");
    put_entry(f, &k, UINT64_MAX, S_IFREG);
    change_size(f, FS_ROOT_INO, 1);
    expect_repair(f, CHECK_ENTRY_INODE, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void an_undecodable_entry_is_removed(void **state)
{
    struct fixture *f = *state;
    struct kv_model before;
    struct key k;

    grow(f);
    take_keys(fs_db(f->fs), &before);
    entry_key(f, &k, FS_ROOT_INO, "odd");
    put(f, &k, "short", 5);
    change_size(f, FS_ROOT_INO, 1);
    expect_repair(f, CHECK_ENTRY_RECORD, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void an_entry_of_an_unknown_type_gets_that_of_its_inode(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    struct key k;

    take_keys(fs_db(f->fs), &before);
    entry_key(f, &k, FS_ROOT_INO, "fifo");
    put_entry(f, &k, t.fifo, 0x3000);
    expect_repair_also(f, CHECK_ENTRY_RECORD, CHECK_UNREACHABLE, true);
    assert_same(f, &before);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "fifo"), t.fifo);
    kv_clear(&before);
}

static void an_undecodable_entry_with_a_name_of_3000_bytes_is_renamed(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    uint8_t key[KEY_DIRENT_HEAD_LEN + 3000], value[DIRENT_VALUE_LEN] = {0};
    struct kv_model damaged;
    struct key k;

    entry_key(f, &k, FS_ROOT_INO, "x");
    memset(key, 'x', sizeof(key));
    memcpy(key, k.data, KEY_DIRENT_HEAD_LEN);
    put_le64(value, t.fifo);
    assert_int_equal(lsm_put(fs_db(f->fs), key, sizeof(key), value, sizeof(value), 0), 0);
    change_size(f, FS_ROOT_INO, 1);
    take_keys(fs_db(f->fs), &damaged);
    assert_int_equal(repair(f, true).done, 0);
    assert_same(f, &damaged);
    kv_clear(&damaged);
    assert_true(repair(f, false).done > 0);
    expect_clean(f);
    memset(key, 'x', FS_NAME_LEN_MAX);
    key[FS_NAME_LEN_MAX] = 0;
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, (const char *)key), t.fifo);
}

static void a_wrong_type_is_corrected(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    add_entry(f, FS_ROOT_INO, "fifo", t.fifo, S_IFREG);
    expect_repair(f, CHECK_ENTRY_TYPE, true);
    assert_same(f, &before);
    add_entry(f, t.dir, "sub", t.sub, S_IFREG);
    expect_repair_also(f, CHECK_ENTRY_TYPE, CHECK_LINK_COUNT, true);
    assert_same(f, &before);
    add_entry(f, t.dir, "file", t.file, S_IFDIR);
    expect_repair_also(f, CHECK_ENTRY_TYPE, CHECK_LINK_COUNT, true);
    assert_same(f, &before);
    kv_clear(&before);
}

static void illegal_names_become_legal(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        const char *legal;
    } cases[] = {
        {"", 0, "_"}, {"a/b", 3, "a_b"}, {"a\0b", 3, "a_b~1"}, {".", 1, "_~1"}, {"..", 2, "__"},
    };
    struct fixture *f = *state;
    struct tree t = grow(f);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct inode in = load(f, t.fifo);
        struct kv_model before;
        struct key k;

        take_keys(fs_db(f->fs), &before);
        key_dirent(&k, t.dir, dirent_hash(f->fs->hash_secret, cases[i].name, cases[i].len),
                   cases[i].name, cases[i].len);
        put_entry(f, &k, t.fifo, S_IFIFO);
        change_size(f, t.dir, 1);
        in.nlink++;
        store(f, &in);
        expect_repair(f, CHECK_NAME, false);
        assert_int_equal(ino_of(f->fs, t.dir, cases[i].legal), t.fifo);
        assert_same_but(f, &before, (uint64_t[]){t.fifo, t.dir}, 2);
        kv_clear(&before);
    }
}

static void a_name_that_is_too_long_is_cut(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    uint8_t key[KEY_DIRENT_HEAD_LEN + 300], value[DIRENT_VALUE_LEN];
    struct inode in = load(f, t.fifo);
    char name[256];

    memset(key, 'n', sizeof(key));
    key[0] = KEY_DIRENT;
    put_be64(key + 1, t.dir);
    put_be64(key + 9, dirent_hash(f->fs->hash_secret, (char *)key + KEY_DIRENT_HEAD_LEN, 300));
    put_le64(value, t.fifo);
    value[8] = S_IFIFO >> 12;
    assert_int_equal(lsm_put(fs_db(f->fs), key, sizeof(key), value, sizeof(value), 0), 0);
    change_size(f, t.dir, 1);
    in.nlink++;
    store(f, &in);
    expect_repair(f, CHECK_NAME, false);
    memset(name, 'n', 255);
    name[255] = 0;
    assert_int_equal(ino_of(f->fs, t.dir, name), t.fifo);
}

static void an_entry_at_a_wrong_place_is_moved(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    struct key k;

    take_keys(fs_db(f->fs), &before);
    drop_entry(f, FS_ROOT_INO, "fifo");
    key_dirent(&k, FS_ROOT_INO, 12345, "fifo", 4);
    put_entry(f, &k, t.fifo, S_IFIFO);
    expect_repair(f, CHECK_NAME_HASH, true);
    assert_same(f, &before);
    kv_clear(&before);
}

static void an_entry_whose_place_is_taken_gets_another_name(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.sparse);
    struct key k;

    key_dirent(&k, FS_ROOT_INO, 12345, "fifo", 4);
    put_entry(f, &k, t.sparse, S_IFREG);
    in.nlink++;
    store(f, &in);
    change_size(f, FS_ROOT_INO, 1);
    expect_repair(f, CHECK_NAME_HASH, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "fifo"), t.fifo);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "fifo~1"), t.sparse);
}

static void an_entry_that_is_there_twice_is_removed_once(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    struct key k;

    take_keys(fs_db(f->fs), &before);
    key_dirent(&k, FS_ROOT_INO, 12345, "dir", 3);
    put_entry(f, &k, t.dir, S_IFDIR);
    change_size(f, FS_ROOT_INO, 1);
    assert_true(repair(f, false).done > 0);
    expect_clean(f);
    assert_same(f, &before);
    kv_clear(&before);
}

static void entries_in_what_is_no_directory_move_to_lost_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.fifo);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    add_entry(f, t.file, "child", t.fifo, S_IFIFO);
    in.nlink++;
    store(f, &in);
    expect_repair(f, CHECK_ENTRY_PARENT, false);
    assert_int_equal(in_lost_found(f, "child"), t.fifo);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "fifo"), t.fifo);
    assert_same_but(f, &before, (uint64_t[]){t.fifo, FS_ROOT_INO}, 2);
    kv_clear(&before);
}

static void lost_found_never_replaces_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    uint64_t file = make_file(f->fs, FS_ROOT_INO, "lost+found"), dir, other;
    char name[64];

    drop_entry(f, FS_ROOT_INO, "fifo");
    change_size(f, FS_ROOT_INO, -1);
    expect_repair(f, CHECK_UNREACHABLE, true);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "lost+found"), file);
    dir = ino_of(f->fs, FS_ROOT_INO, "lost+found~1");
    assert_int_equal(ino_of(f->fs, dir, number_name(t.fifo, "", name)), t.fifo);
    other = make_file(f->fs, dir, number_name(t.sparse, "", name));
    drop_entry(f, FS_ROOT_INO, "sparse");
    change_size(f, FS_ROOT_INO, -1);
    expect_repair(f, CHECK_UNREACHABLE, true);
    assert_int_equal(ino_of(f->fs, dir, name), other);
    assert_int_equal(ino_of(f->fs, dir, number_name(t.sparse, "~1", name)), t.sparse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(a_dangling_entry_is_removed),
        CHECK_TEST(an_entry_of_an_impossible_inode_is_removed),
        CHECK_TEST(an_undecodable_entry_is_removed),
        CHECK_TEST(an_entry_of_an_unknown_type_gets_that_of_its_inode),
        CHECK_TEST(an_undecodable_entry_with_a_name_of_3000_bytes_is_renamed),
        CHECK_TEST(a_wrong_type_is_corrected),
        CHECK_TEST(illegal_names_become_legal),
        CHECK_TEST(a_name_that_is_too_long_is_cut),
        CHECK_TEST(an_entry_at_a_wrong_place_is_moved),
        CHECK_TEST(an_entry_whose_place_is_taken_gets_another_name),
        CHECK_TEST(an_entry_that_is_there_twice_is_removed_once),
        CHECK_TEST(entries_in_what_is_no_directory_move_to_lost_found),
        CHECK_TEST(lost_found_never_replaces_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
