/*
 * The checker: damaged inodes and what belongs to them (blocks, attributes, the list of orphans),
 * made on purpose behind the file system's back, are named with their path.
 */
#include "unit/fs/check_fixture.h"

/* --- Inodes --- */

static void a_damaged_inode_record_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    key_ino(&k, KEY_INODE, t.fifo);
    put(f, &k, "garbage!", 8);
    expect(f, 1, CHECK_INODE_RECORD, "/fifo", "cannot be decoded");
    put(f, &k, "", 0);
    expect(f, 1, CHECK_INODE_RECORD, "/fifo", "cannot be decoded");
}

static void wrong_link_counts_are_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.file);

    in.nlink = 5;
    store(f, &in);
    expect(f, 1, CHECK_LINK_COUNT, NULL, "is 5, but it should be 2");
    in.nlink = 2;
    store(f, &in);
    in = load(f, t.dir);
    in.nlink = 7;
    store(f, &in);
    expect(f, 1, CHECK_LINK_COUNT, "/dir", "is 7, but it should be 3");
}

static void a_wrong_parent_field_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.sub);

    in.parent = FS_ROOT_INO;
    store(f, &in);
    expect(f, 1, CHECK_DIR_PARENT, "/dir/sub", "says that inode 1 holds it");
}

static void a_wrong_directory_size_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    change_size(f, t.dir, 3);
    expect(f, 1, CHECK_DIR_SIZE, "/dir", "counts 6 entries, but it has 3");
}

static void a_directory_with_two_names_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO);

    add_entry(f, FS_ROOT_INO, "again", t.sub, S_IFDIR);
    root.size++;
    root.nlink++;
    store(f, &root);
    expect(f, 1, CHECK_DIR_LINKS, NULL, "2 names lead to");
}

static void a_loop_of_directories_is_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO), dir = load(f, t.dir), sub = load(f, t.sub);

    drop_entry(f, FS_ROOT_INO, "dir");
    root.size--;
    root.nlink--;
    store(f, &root);
    add_entry(f, t.sub, "dir", t.dir, S_IFDIR);
    sub.size++;
    sub.nlink++;
    store(f, &sub);
    dir.parent = t.sub;
    store(f, &dir);
    expect(f, 1, CHECK_DIR_LOOP, NULL, "holds itself");
}

static void a_directory_that_holds_itself_is_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode dir = load(f, t.dir), sub = load(f, t.sub);

    drop_entry(f, t.dir, "sub");
    dir.size--;
    dir.nlink--;
    store(f, &dir);
    add_entry(f, t.sub, "sub", t.sub, S_IFDIR);
    sub.parent = t.sub;
    sub.size++;
    sub.nlink++;
    store(f, &sub);
    expect(f, 1, CHECK_DIR_LOOP, NULL, "holds itself");
}

static void what_no_name_leads_to_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    assert_true(t.fifo > 0);
    drop_entry(f, FS_ROOT_INO, "fifo");
    change_size(f, FS_ROOT_INO, -1);
    expect(f, 1, CHECK_UNREACHABLE, "", "no name leads to");
}

static void a_missing_or_odd_root_is_found(void **state)
{
    struct fixture *f = *state;
    struct inode root = load(f, FS_ROOT_INO);
    struct key k;

    key_ino(&k, KEY_INODE, FS_ROOT_INO);
    del(f, &k);
    expect(f, 1, CHECK_ROOT, "", "no root directory");
    add_entry(f, FS_ROOT_INO, "x", FS_ROOT_INO, S_IFDIR);
    expect(f, 1, CHECK_ROOT, "", "has no inode");
    drop_entry(f, FS_ROOT_INO, "x");
    put(f, &k, "bad", 3);
    expect(f, 1, CHECK_ROOT, "", "cannot be decoded");
    root.mode = S_IFIFO | 0600;
    root.nlink = 1;
    root.parent = 0;
    store(f, &root);
    expect(f, 1, CHECK_ROOT, "", "the root is a FIFO");
}

static void numbers_that_were_never_handed_out_are_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.fifo), dir = load(f, t.dir);
    uint64_t group = UINT64_C(1) << 30;

    drop_entry(f, FS_ROOT_INO, "fifo");
    in.ino = group << 16;
    store(f, &in);
    add_entry(f, FS_ROOT_INO, "far", in.ino, S_IFIFO);
    drop_entry(f, FS_ROOT_INO, "fifo");
    {
        struct key k;

        key_ino(&k, KEY_INODE, t.fifo);
        del(f, &k);
    }
    expect(f, 1, CHECK_INODE_NUMBER, "/far", "was never handed out");
    dir.next_slot = 1;
    store(f, &dir);
    expect(f, 2, CHECK_INODE_NUMBER, "/dir", "is in use");
    dir.group = group;
    store(f, &dir);
    expect(f, 2, CHECK_INODE_NUMBER, "/dir", "was never handed out");
    dir.group = load(f, FS_ROOT_INO).group;
    dir.next_slot = load(f, FS_ROOT_INO).next_slot;
    store(f, &dir);
    expect(f, 2, CHECK_INODE_NUMBER, "/dir", "and so does inode 1");
}

/* --- Orphans --- */

static void a_wrong_list_of_orphans_is_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.fifo);
    struct key k;

    key_ino(&k, KEY_ORPHAN, UINT64_C(77) << 16);
    put(f, &k, "", 0);
    expect(f, 1, CHECK_ORPHAN, NULL, "does not exist");
    del(f, &k);
    key_ino(&k, KEY_ORPHAN, t.fifo);
    put(f, &k, "", 0);
    expect(f, 1, CHECK_ORPHAN, "/fifo", "it has a name");
    drop_entry(f, FS_ROOT_INO, "fifo");
    change_size(f, FS_ROOT_INO, -1);
    expect(f, 1, CHECK_ORPHAN, "", "link count of 1");
    in.nlink = 0;
    store(f, &in);
    expect_clean(f);
    del(f, &k);
    expect(f, 1, CHECK_UNREACHABLE, "", "no name leads to");
}

/* --- Contents and attributes --- */

static void blocks_in_wrong_places_are_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    static uint8_t data[BLOCK_LEN + 1];
    struct inode in = load(f, t.sparse);
    struct key k;

    key_block(&k, t.sparse, 100);
    put(f, &k, "x", 1);
    in.block_count++;
    store(f, &in);
    expect(f, 1, CHECK_BLOCK_PLACE, "/sparse", "the first is block 100");
    key_block(&k, t.sparse, UINT64_MAX);
    put(f, &k, "x", 1);
    in.block_count++;
    store(f, &in);
    expect(f, 1, CHECK_BLOCK_PLACE, "/sparse", "2 blocks reach behind");
    del(f, &k);
    key_block(&k, t.sparse, 100);
    del(f, &k);
    key_block(&k, t.sparse, 3);
    put(f, &k, data, sizeof(data));
    in.block_count--;
    store(f, &in);
    expect(f, 1, CHECK_BLOCK_LEN, "/sparse", "the first is block 3");
    put(f, &k, data, BLOCK_LEN);
    expect_clean(f);
    key_block(&k, t.sparse, 9);
    put(f, &k, data, 16);
    expect(f, 1, CHECK_BLOCK_PLACE, "/sparse", "block 9");
}

static void a_wrong_block_count_is_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    key_block(&k, t.file, 1);
    del(f, &k);
    expect(f, 1, CHECK_BLOCK_COUNT, NULL, "counts 3 blocks, but there are 2");
}

static void blocks_of_what_is_no_file_are_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    key_block(&k, t.fifo, 0);
    put(f, &k, "x", 1);
    expect(f, 1, CHECK_BLOCK_OWNER, "/fifo", "has blocks");
    del(f, &k);
    key_block(&k, UINT64_C(99) << 16, 0);
    put(f, &k, "x", 1);
    expect(f, 1, CHECK_BLOCK_OWNER, "", "does not exist");
}

static void lost_and_hidden_attributes_are_named(void **state)
{
    static uint8_t value[FS_XATTR_VALUE_LEN_MAX + 1];
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    key_xattr(&k, t.fifo, "user.x", 6);
    put(f, &k, "1", 1);
    expect(f, 1, CHECK_XATTR_FLAG, "/fifo", "hidden");
    del(f, &k);
    key_xattr(&k, UINT64_C(99) << 16, "user.x", 6);
    put(f, &k, "1", 1);
    expect(f, 1, CHECK_XATTR_OWNER, "", "does not exist");
    del(f, &k);
    key_xattr(&k, t.file, "", 0);
    put(f, &k, "1", 1);
    expect(f, 1, CHECK_XATTR_INVALID, NULL, "illegal name");
    del(f, &k);
    key_xattr(&k, t.file, "user.big", 8);
    put(f, &k, value, sizeof(value));
    expect(f, 1, CHECK_XATTR_INVALID, NULL, "65537 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(a_damaged_inode_record_is_named),
        CHECK_TEST(wrong_link_counts_are_named),
        CHECK_TEST(a_wrong_parent_field_is_named),
        CHECK_TEST(a_wrong_directory_size_is_named),
        CHECK_TEST(a_directory_with_two_names_is_named),
        CHECK_TEST(a_loop_of_directories_is_found),
        CHECK_TEST(a_directory_that_holds_itself_is_found),
        CHECK_TEST(what_no_name_leads_to_is_named),
        CHECK_TEST(a_missing_or_odd_root_is_found),
        CHECK_TEST(numbers_that_were_never_handed_out_are_found),
        CHECK_TEST(a_wrong_list_of_orphans_is_found),
        CHECK_TEST(blocks_in_wrong_places_are_named),
        CHECK_TEST(a_wrong_block_count_is_named),
        CHECK_TEST(blocks_of_what_is_no_file_are_named),
        CHECK_TEST(lost_and_hidden_attributes_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
