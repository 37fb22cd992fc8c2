/*
 * Repairs of inode records, of counts in them, of directories among themselves, and of numbers.
 */
#include "unit/fs/fsck_fixture.h"

static void del_record(struct fixture *f, uint64_t ino)
{
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    del(f, &k);
}

static void spoil_record(struct fixture *f, uint64_t ino)
{
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    put(f, &k, "garbage!", 8);
}

/* --- Counts --- */

static void counts_and_fields_are_corrected(void **state)
{
    static const struct {
        enum check_kind kind;
        int nlink, size, blocks, flag, parent;
        bool dir;
    } cases[] = {
        {.kind = CHECK_LINK_COUNT, .nlink = 3},
        {.kind = CHECK_LINK_COUNT, .nlink = -1},
        {.kind = CHECK_BLOCK_COUNT, .blocks = 5},
        {.kind = CHECK_BLOCK_COUNT, .blocks = -2},
        {.kind = CHECK_XATTR_FLAG, .flag = 1},
        {.kind = CHECK_LINK_COUNT, .nlink = 9, .dir = true},
        {.kind = CHECK_DIR_SIZE, .size = 7, .dir = true},
        {.kind = CHECK_DIR_SIZE, .size = -3, .dir = true},
        {.kind = CHECK_DIR_PARENT, .parent = 1, .dir = true},
    };
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct inode in = load(f, cases[i].dir ? t.dir : t.file);

        in.nlink += (uint32_t)cases[i].nlink;
        in.size += (uint64_t)cases[i].size;
        in.block_count += (uint64_t)cases[i].blocks;
        in.flags ^= (uint32_t)cases[i].flag;
        in.parent += (uint64_t)cases[i].parent;
        store(f, &in);
        expect_repair(f, cases[i].kind, true);
        assert_same(f, &before);
    }
    kv_clear(&before);
}

static void many_wrong_counts_at_once_are_corrected(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    struct inode in;

    take_keys(fs_db(f->fs), &before);
    in = load(f, t.file);
    in.nlink = 0;
    in.block_count = 1000;
    store(f, &in);
    in = load(f, t.dir);
    in.nlink = 0;
    in.size = 0;
    in.parent = t.sub;
    store(f, &in);
    in = load(f, FS_ROOT_INO);
    in.nlink = 77;
    in.size = 99;
    in.parent = t.sub;
    store(f, &in);
    add_entry(f, t.dir, "sub", t.sub, S_IFREG);
    assert_true(repair(f, true).done >= 9);
    expect_clean(f);
    assert_same(f, &before);
    kv_clear(&before);
}

/* --- Names that are missing, or too many --- */

static void what_no_name_leads_to_goes_to_lost_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    char name[64];

    take_keys(fs_db(f->fs), &before);
    drop_entry(f, FS_ROOT_INO, "fifo");
    change_size(f, FS_ROOT_INO, -1);
    expect_repair(f, CHECK_UNREACHABLE, true);
    assert_int_equal(in_lost_found(f, number_name(t.fifo, "", name)), t.fifo);
    assert_int_equal(attr_of(f->fs, ino_of(f->fs, FS_ROOT_INO, "lost+found")).mode, S_IFDIR | 0700);
    assert_same_but(f, &before, (uint64_t[]){t.fifo, FS_ROOT_INO}, 2);
    kv_clear(&before);
}

static void an_unreachable_directory_keeps_what_it_holds(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO);
    struct kv_model before;
    char name[64];

    take_keys(fs_db(f->fs), &before);
    drop_entry(f, FS_ROOT_INO, "dir");
    root.size--;
    root.nlink--;
    store(f, &root);
    expect_repair(f, CHECK_UNREACHABLE, true);
    assert_int_equal(in_lost_found(f, number_name(t.dir, "", name)), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
    assert_same_but(f, &before, (uint64_t[]){t.dir, FS_ROOT_INO}, 2);
    kv_clear(&before);
}

static void an_empty_file_without_a_name_is_kept_too(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, FS_ROOT_INO, "empty");
    char name[64];

    drop_entry(f, FS_ROOT_INO, "empty");
    change_size(f, FS_ROOT_INO, -1);
    expect_repair(f, CHECK_UNREACHABLE, true);
    assert_int_equal(in_lost_found(f, number_name(ino, "", name)), ino);
}

static void a_directory_with_several_names_keeps_the_right_one(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO), sub = load(f, t.sub);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    add_entry(f, FS_ROOT_INO, "again", t.sub, S_IFDIR);
    add_entry(f, FS_ROOT_INO, "and again", t.sub, S_IFDIR);
    root.size += 2;
    root.nlink += 2;
    store(f, &root);
    add_entry(f, t.sub, "self", t.sub, S_IFDIR);
    sub.size++;
    sub.nlink++;
    store(f, &sub);
    expect_repair(f, CHECK_DIR_LINKS, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void a_name_of_the_root_is_removed(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode dir = load(f, t.dir);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    add_entry(f, t.dir, "up", FS_ROOT_INO, S_IFDIR);
    dir.size++;
    dir.nlink++;
    store(f, &dir);
    expect_repair(f, CHECK_ROOT, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void a_loop_is_cut_at_its_top(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO), dir = load(f, t.dir), sub = load(f, t.sub);
    char name[64];

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
    expect_repair(f, CHECK_DIR_LOOP, false);
    assert_int_equal(in_lost_found(f, number_name(t.dir, "", name)), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "sub"), t.sub);
    assert_int_equal(ino_of(f->fs, t.sub, "dir"), 0);
}

static void a_directory_that_holds_itself_is_freed(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode dir = load(f, t.dir), sub = load(f, t.sub);
    char name[64];

    drop_entry(f, t.dir, "sub");
    dir.size--;
    dir.nlink--;
    store(f, &dir);
    add_entry(f, t.sub, "sub", t.sub, S_IFDIR);
    sub.parent = t.sub;
    sub.size++;
    sub.nlink++;
    store(f, &sub);
    expect_repair(f, CHECK_DIR_LOOP, false);
    assert_int_equal(in_lost_found(f, number_name(t.sub, "", name)), t.sub);
}

/* --- Records that are lost --- */

static void a_lost_root_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    del_record(f, FS_ROOT_INO);
    expect_repair(f, CHECK_ROOT, false);
    spoil_record(f, FS_ROOT_INO);
    expect_repair(f, CHECK_ROOT, false);
    root.mode = S_IFIFO | 0600;
    root.nlink = 1;
    root.size = root.parent = 0;
    store(f, &root);
    expect_repair(f, CHECK_ROOT, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_same_but(f, &before, (uint64_t[]){FS_ROOT_INO}, 1);
    kv_clear(&before);
}

static void an_empty_store_with_facts_gets_a_root(void **state)
{
    struct fixture *f = *state;

    del_record(f, FS_ROOT_INO);
    expect_repair(f, CHECK_ROOT, false);
}

static void a_directory_without_a_record_keeps_its_children(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    del_record(f, t.dir);
    expect_repair_also(f, CHECK_ENTRY_INODE, CHECK_ENTRY_PARENT, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "sub"), t.sub);
    spoil_record(f, t.dir);
    expect_repair(f, CHECK_INODE_RECORD, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_int_equal(attr_of(f->fs, t.dir).mode, S_IFDIR | 0700);
    assert_same_but(f, &before, (uint64_t[]){t.dir}, 1);
    make_file(f->fs, t.dir, "new");
    expect_clean(f);
    kv_clear(&before);
}

static void a_directory_without_record_and_name_goes_to_lost_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    char name[64];

    del_record(f, t.dir);
    drop_entry(f, FS_ROOT_INO, "dir");
    assert_true(repair(f, false).done > 0);
    expect_clean(f);
    assert_int_equal(in_lost_found(f, number_name(t.dir, "", name)), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
}

static void a_file_without_a_record_keeps_contents_and_names(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    del_record(f, t.file);
    assert_true(repair(f, false).done > 0);
    expect_clean(f);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
    assert_int_equal(ino_of(f->fs, t.dir, "hard"), t.file);
    assert_int_equal(attr_of(f->fs, t.file).size, BLOCK_LEN * 2 + 100);
    assert_int_equal(attr_of(f->fs, t.file).nlink, 2);
    assert_int_equal(fs_getxattr(f->fs, t.file, "user.a", NULL, 0), 5);
    spoil_record(f, t.file);
    expect_repair(f, CHECK_INODE_RECORD, false);
    assert_int_equal(attr_of(f->fs, t.file).size, BLOCK_LEN * 2 + 100);
    assert_same_but(f, &before, (uint64_t[]){t.file}, 1);
    kv_clear(&before);
}

static void a_file_without_record_and_name_goes_to_lost_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    char name[64];

    del_record(f, t.sparse);
    drop_entry(f, FS_ROOT_INO, "sparse");
    change_size(f, FS_ROOT_INO, -1);
    expect_repair(f, CHECK_BLOCK_OWNER, false);
    assert_int_equal(in_lost_found(f, number_name(t.sparse, "", name)), t.sparse);
    assert_int_equal(attr_of(f->fs, t.sparse).size, BLOCK_LEN * 9 + 15);
}

static void a_record_that_tells_nothing_goes_with_its_names(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    take_keys(fs_db(f->fs), &before);
    spoil_record(f, t.link);
    expect_repair(f, CHECK_INODE_RECORD, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "link"), 0);
    assert_same_but(f, &before, (uint64_t[]){t.link, FS_ROOT_INO}, 2);
    kv_clear(&before);
}

static void an_empty_file_with_a_spoilt_record_keeps_its_name(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, FS_ROOT_INO, "empty");

    spoil_record(f, ino);
    expect_repair(f, CHECK_INODE_RECORD, false);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "empty"), ino);
}

/* --- Orphans --- */

static void the_list_of_orphans_is_corrected(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.fifo);
    struct kv_model before;
    struct key k;
    char name[64];

    take_keys(fs_db(f->fs), &before);
    key_ino(&k, KEY_ORPHAN, UINT64_C(77) << 16);
    put(f, &k, "", 0);
    expect_repair(f, CHECK_ORPHAN, true);
    key_ino(&k, KEY_ORPHAN, t.fifo);
    put(f, &k, "", 0);
    expect_repair(f, CHECK_ORPHAN, true);
    in.nlink = 0;
    store(f, &in);
    put(f, &k, "", 0);
    expect_repair(f, CHECK_ORPHAN, true);
    assert_same(f, &before);
    kv_clear(&before);
    drop_entry(f, FS_ROOT_INO, "fifo");
    change_size(f, FS_ROOT_INO, -1);
    put(f, &k, "", 0);
    expect_repair(f, CHECK_ORPHAN, true);
    assert_int_equal(in_lost_found(f, number_name(t.fifo, "", name)), t.fifo);
}

static void a_deleted_file_that_is_not_listed_is_kept(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.sparse);
    char name[64];

    in.nlink = 0;
    store(f, &in);
    drop_entry(f, FS_ROOT_INO, "sparse");
    change_size(f, FS_ROOT_INO, -1);
    expect_repair(f, CHECK_UNREACHABLE, true);
    assert_int_equal(in_lost_found(f, number_name(t.sparse, "", name)), t.sparse);
    assert_int_equal(attr_of(f->fs, t.sparse).nlink, 1);
}

/* --- Numbers --- */

static void numbers_are_counted_as_handed_out(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode dir, root = load(f, FS_ROOT_INO);
    uint64_t ino;

    assert_int_equal(super_write_group_next(fs_db(f->fs), 1), 0);
    expect_only(f, CHECK_INODE_NUMBER, CHECK_INODE_NUMBER);
    assert_true(repair(f, true).done > 0);
    expect_clean(f);
    fixture_reopen(f);
    make_file(f->fs, t.dir, "one");
    dir = load(f, t.dir);
    dir.next_slot = 0;
    store(f, &dir);
    expect_repair(f, CHECK_INODE_NUMBER, true);
    dir.group = root.group;
    dir.next_slot = root.next_slot;
    store(f, &dir);
    expect_repair(f, CHECK_INODE_NUMBER, true);
    ino = make_file(f->fs, t.dir, "two");
    assert_int_not_equal(ino >> 16, root.group);
    expect_clean(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(counts_and_fields_are_corrected),
        CHECK_TEST(many_wrong_counts_at_once_are_corrected),
        CHECK_TEST(what_no_name_leads_to_goes_to_lost_found),
        CHECK_TEST(an_unreachable_directory_keeps_what_it_holds),
        CHECK_TEST(an_empty_file_without_a_name_is_kept_too),
        CHECK_TEST(a_directory_with_several_names_keeps_the_right_one),
        CHECK_TEST(a_name_of_the_root_is_removed),
        CHECK_TEST(a_loop_is_cut_at_its_top),
        CHECK_TEST(a_directory_that_holds_itself_is_freed),
        CHECK_TEST(a_lost_root_is_made_again),
        CHECK_TEST(an_empty_store_with_facts_gets_a_root),
        CHECK_TEST(a_directory_without_a_record_keeps_its_children),
        CHECK_TEST(a_directory_without_record_and_name_goes_to_lost_found),
        CHECK_TEST(a_file_without_a_record_keeps_contents_and_names),
        CHECK_TEST(a_file_without_record_and_name_goes_to_lost_found),
        CHECK_TEST(a_record_that_tells_nothing_goes_with_its_names),
        CHECK_TEST(an_empty_file_with_a_spoilt_record_keeps_its_name),
        CHECK_TEST(the_list_of_orphans_is_corrected),
        CHECK_TEST(a_deleted_file_that_is_not_listed_is_kept),
        CHECK_TEST(numbers_are_counted_as_handed_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
