/*
 * The checker and the repair on ACLs: sound ones are no problem, each wrong one is named, and a
 * repair lets nobody in who was kept out.
 */
#include "fs/acl_xattr.h"
#include "unit/fs/fsck_fixture.h"

/* u::rwx,g::r-x,m::r-x,o::r-x */
static const uint8_t masked[] = {
    2,    0, 0, 0,                     /* version */
    0x01, 0, 7, 0, 255, 255, 255, 255, /* owner */
    0x04, 0, 5, 0, 255, 255, 255, 255, /* owning group */
    0x10, 0, 5, 0, 255, 255, 255, 255, /* mask */
    0x20, 0, 5, 0, 255, 255, 255, 255, /* others */
};

static void set(struct fixture *f, uint64_t ino, enum acl_kind kind)
{
    const char *name = kind == ACL_ACCESS ? "system.posix_acl_access" : "system.posix_acl_default";

    assert_int_equal(fs_setxattr(f->fs, ino, name, masked, sizeof(masked), 0), 0);
}

static void put_list(struct fixture *f, uint64_t ino, enum acl_kind kind, const void *value,
                     size_t len)
{
    struct key k;

    acl_key(&k, ino, kind);
    put(f, &k, value, len);
}

static void set_flags(struct fixture *f, uint64_t ino, uint32_t flags)
{
    struct inode in = load(f, ino);

    in.flags = flags;
    store(f, &in);
}

static void sound_lists_are_clean(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    set(f, t.dir, ACL_DEFAULT);
    set(f, t.dir, ACL_ACCESS);
    set(f, t.file, ACL_ACCESS);
    make_dir(f->fs, t.dir, "with");
    make_file(f->fs, t.dir, "file with");
    expect_clean(f);
    assert_int_equal(fs_removexattr(f->fs, t.dir, "system.posix_acl_default"), 0);
    expect_clean(f);
}

static void wrong_lists_are_named(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    set(f, t.dir, ACL_ACCESS);
    put_list(f, t.dir, ACL_ACCESS, masked, sizeof(masked));
    expect(f, 1, CHECK_ACL, "/dir", "repeats what the mode says");
    put_list(f, t.dir, ACL_ACCESS, "junk", 4);
    expect(f, 1, CHECK_ACL, "/dir", "is no list");
    put_list(f, t.dir, ACL_ACCESS, masked, 4);
    expect(f, 1, CHECK_ACL, "/dir", "has no entries");
    acl_key(&k, t.dir, ACL_ACCESS);
    del(f, &k);
    expect(f, 1, CHECK_ACL, "/dir", "but there is none");
    set_flags(f, t.dir, INODE_HAS_XATTR);
    expect_clean(f);
    put_list(f, t.dir, ACL_DEFAULT, masked, sizeof(masked));
    expect(f, 1, CHECK_ACL, "/dir", "is hidden");
    set_flags(f, t.dir, INODE_HAS_XATTR | INODE_HAS_DEFAULT_ACL);
    expect_clean(f);
}

static void a_hidden_list_is_shown_again(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    set(f, t.dir, ACL_ACCESS);
    set(f, t.dir, ACL_DEFAULT);
    take_keys(fs_db(f->fs), &before);
    set_flags(f, t.dir, INODE_HAS_XATTR | INODE_HAS_ACL);
    expect_repair(f, CHECK_ACL, true);
    assert_same(f, &before);
    set_flags(f, t.dir, 0);
    expect_repair_also(f, CHECK_ACL, CHECK_XATTR_FLAG, true);
    assert_same(f, &before);
    kv_clear(&before);
}

static void a_lost_list_takes_the_rights_of_the_group(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    set(f, t.dir, ACL_ACCESS);
    set(f, t.dir, ACL_DEFAULT);
    acl_key(&k, t.dir, ACL_ACCESS);
    del(f, &k);
    expect_repair(f, CHECK_ACL, false);
    assert_int_equal(load(f, t.dir).mode, S_IFDIR | 0705);
    assert_int_equal(load(f, t.dir).flags, INODE_HAS_XATTR | INODE_HAS_DEFAULT_ACL);
    acl_key(&k, t.dir, ACL_DEFAULT);
    del(f, &k);
    expect_repair(f, CHECK_ACL, false);
    assert_int_equal(load(f, t.dir).mode, S_IFDIR | 0705);
    assert_int_equal(load(f, t.dir).flags, INODE_HAS_XATTR);
}

static void a_damaged_list_is_deleted(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    set(f, t.dir, ACL_ACCESS);
    put_list(f, t.dir, ACL_ACCESS, "junk", 4);
    expect_repair(f, CHECK_ACL, false);
    assert_int_equal(load(f, t.dir).mode, S_IFDIR | 0705);
    set(f, t.dir, ACL_DEFAULT);
    put_list(f, t.dir, ACL_DEFAULT, "junk", 4);
    expect_repair(f, CHECK_ACL, false);
    assert_int_equal(load(f, t.dir).flags, INODE_HAS_XATTR);
}

static void a_damaged_list_is_not_shown(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model damaged;

    set_flags(f, t.dir, INODE_HAS_XATTR);
    put_list(f, t.dir, ACL_ACCESS, "junk", 4);
    take_keys(fs_db(f->fs), &damaged);
    expect(f, 1, CHECK_ACL, "/dir", "is no list");
    assert_int_equal(repair(f, true).done, 0);
    assert_same(f, &damaged);
    kv_clear(&damaged);
    expect_repair(f, CHECK_ACL, false);
    assert_int_equal(load(f, t.dir).flags, INODE_HAS_XATTR);
    assert_int_equal(load(f, t.dir).mode & S_IRWXG, S_IRGRP | S_IXGRP);
}

static void lists_where_there_can_be_none_are_deleted(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    set_flags(f, t.fifo, INODE_HAS_XATTR);
    set_flags(f, t.file, INODE_HAS_XATTR);
    take_keys(fs_db(f->fs), &before);
    put_list(f, t.fifo, ACL_DEFAULT, masked, sizeof(masked));
    expect(f, 1, CHECK_ACL, "/fifo", "a FIFO has a default access control list");
    expect_repair(f, CHECK_ACL, false);
    put_list(f, t.file, ACL_DEFAULT, masked, sizeof(masked));
    expect_repair(f, CHECK_ACL, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void a_record_made_anew_has_its_lists(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in;
    struct key k;

    set(f, t.dir, ACL_ACCESS);
    set(f, t.dir, ACL_DEFAULT);
    key_ino(&k, KEY_INODE, t.dir);
    del(f, &k);
    repair(f, false);
    expect_clean(f);
    in = load(f, t.dir);
    assert_int_equal(in.flags, INODE_HAS_XATTR | INODE_HAS_ACL | INODE_HAS_DEFAULT_ACL);
    assert_int_equal(in.mode, S_IFDIR | 0700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(sound_lists_are_clean),
        CHECK_TEST(wrong_lists_are_named),
        CHECK_TEST(a_hidden_list_is_shown_again),
        CHECK_TEST(a_lost_list_takes_the_rights_of_the_group),
        CHECK_TEST(a_damaged_list_is_deleted),
        CHECK_TEST(a_damaged_list_is_not_shown),
        CHECK_TEST(lists_where_there_can_be_none_are_deleted),
        CHECK_TEST(a_record_made_anew_has_its_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
