/*
 * Putting trees: what is made is exactly what was said, nothing is made outside of the directory,
 * and everything in the store agrees, whatever is put, refused, dropped or replaced. Beside others:
 * test_tree_put_beside.c.
 */
#include "fs/acl.h"
#include "lib/rng.h"
#include "unit/fs/put_fixture.h"

static void everything_that_is_said_of_an_object_is_kept(void **state)
{
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    struct put_test *t = *state;
    char path[20];

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct tree_entry e;
        struct fs_attr a;
        char value[10];

        snprintf(path, sizeof(path), "o%zu", i);
        e = entry_of(path, types[i] | 07654);
        e.rdev = 0x1234;
        assert_int_equal(tree_put_begin(t->put, &e), 0);
        assert_int_equal(tree_put_xattr(t->put, "trusted.a=%", "v\0w", 3), 0);
        assert_int_equal(tree_put_end(t->put, 0), 0);
        a = attr_of(t->file.fs, find(t, path));
        assert_int_equal(a.mode, e.mode);
        assert_int_equal(a.uid, e.uid);
        assert_int_equal(a.gid, e.gid);
        assert_int_equal(a.rdev, S_ISCHR(e.mode) || S_ISBLK(e.mode) ? e.rdev : 0);
        assert_true(time_is(&a.atime, -7, 1));
        assert_true(time_is(&a.mtime, 1600000000, 999999999));
        assert_int_equal(fs_getxattr(t->file.fs, a.ino, "trusted.a=%", value, 10), 3);
        assert_memory_equal(value, "v\0w", 3);
    }
    put_symlink(t, "l", "/somewhere/../else");
    assert_int_equal(fs_readlink(t->file.fs, find(t, "l"), path, sizeof(path)), 0);
    assert_string_equal(path, "/somewhere/../else");
    assert_int_equal(t->refused, 0);
}

static void an_acl_is_kept_and_nothing_is_inherited(void **state)
{
    static const struct acl acl = {5,
                                   {{ACL_TAG_USER_OBJ, 7, ACL_ID_NONE},
                                    {ACL_TAG_USER, 4, 1000},
                                    {ACL_TAG_GROUP_OBJ, 5, ACL_ID_NONE},
                                    {ACL_TAG_MASK, 5, ACL_ID_NONE},
                                    {ACL_TAG_OTHER, 0, ACL_ID_NONE}}};
    struct put_test *t = *state;
    struct tree_entry e = entry_of("d", S_IFDIR | 02750);
    uint8_t value[ACL_LEN_MAX], got[ACL_LEN_MAX];
    size_t len = acl_encode(&acl, value);
    struct fs_attr a;

    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_xattr(t->put, "system.posix_acl_access", value, len), 0);
    assert_int_equal(tree_put_xattr(t->put, "system.posix_acl_default", value, len), 0);
    assert_int_equal(tree_put_end(t->put, 0), 0);
    put_file(t, "d/f", "x");
    put_plain(t, "d/sub", S_IFDIR | 0755);
    assert_int_equal(
        fs_getxattr(t->file.fs, find(t, "d"), "system.posix_acl_access", got, sizeof(got)), len);
    assert_memory_equal(got, value, len);
    assert_int_equal(
        fs_getxattr(t->file.fs, find(t, "d"), "system.posix_acl_default", got, sizeof(got)), len);
    a = attr_of(t->file.fs, find(t, "d/sub"));
    assert_int_equal(a.mode, S_IFDIR | 0755);
    assert_int_equal(a.gid, 5);
    assert_int_equal(fs_listxattr(t->file.fs, a.ino, NULL, 0), 0);
    assert_int_equal(fs_listxattr(t->file.fs, find(t, "d/f"), NULL, 0), 0);
}

static void an_attribute_that_cannot_be_is_told_and_the_object_is_made(void **state)
{
    struct put_test *t = *state;
    struct tree_entry e = entry_of("f", S_IFREG | 0644);

    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_xattr(t->put, "nonsense", "v", 1), 0);
    assert_int_equal(tree_put_xattr(t->put, "system.posix_acl_access", "v", 1), 0);
    assert_int_equal(tree_put_xattr(t->put, "user.good", "v", 1), 0);
    assert_int_equal(tree_put_end(t->put, 0), 0);
    assert_int_equal(t->refused, 2);
    assert_int_equal(fs_listxattr(t->file.fs, find(t, "f"), NULL, 0), sizeof("user.good"));
}

static void paths_that_lead_out_are_refused(void **state)
{
    static const char *const bad[] = {"..",    "../x", "a/../../x", "/x", "a//b",
                                      "a/./b", ".",    "a/..",      "a/"};
    struct put_test *t = *state;
    char long_name[300];
    uint64_t dir = make_dir(t->file.fs, FS_ROOT_INO, "target");
    size_t before = everything_agrees(t->file.fs);

    put_close(t);
    put_open(t, dir, false);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_file(t, bad[i], "x");
        assert_int_equal(t->refused, 2 * i + 1);
        put_link(t, "link", bad[i]);
        assert_int_equal(t->refused, 2 * i + 2);
    }
    memset(long_name, 'n', 256);
    long_name[256] = 0;
    put_file(t, long_name, "x");
    assert_int_equal(t->last_err, -ENAMETOOLONG);
    put_file(t, "", "x");
    assert_int_equal(t->last_err, -EISDIR);
    put_link(t, "link", "");
    put_link(t, "link", "file"); /* which is there, above the target */
    assert_int_equal(t->last_err, -ENOENT);
    assert_int_equal(tree_put_commit(t->put), 0);
    assert_int_equal(everything_agrees(t->file.fs), before);
}

static void symbolic_links_are_not_followed(void **state)
{
    struct put_test *t = *state;
    uint64_t outside = make_dir(t->file.fs, FS_ROOT_INO, "outside");
    uint64_t dir = make_dir(t->file.fs, FS_ROOT_INO, "target");

    assert_int_equal(fs_symlink(t->file.fs, dir, "old", "../outside", &cred0, NULL), 0);
    put_close(t);
    put_open(t, dir, false);
    put_symlink(t, "new", "../outside");
    put_file(t, "new/x", "x");
    assert_int_equal(t->last_err, -ENOTDIR);
    assert_string_equal(t->last_text, "new is no directory");
    put_file(t, "old/x", "x");
    put_file(t, "old/sub/x", "x");
    put_link(t, "l", "old/x");
    assert_int_equal(t->refused, 4);
    put_file(t, "new", "a file, and not what the link leads to");
    assert_int_equal(t->refused, 4);
    assert_int_equal(attr_of(t->file.fs, outside).size, 4096);
    assert_int_equal(ino_of(t->file.fs, outside, "x"), 0);
    assert_text(t, "target/new", "a file, and not what the link leads to");
    assert_int_equal(attr_of(t->file.fs, outside).nlink, 2);
}

static void what_has_the_name_is_replaced_but_no_directory_with_entries(void **state)
{
    struct put_test *t = *state;

    put_file(t, "a", "first");
    put_file(t, "a", "second");
    assert_text(t, "a", "second");
    put_plain(t, "d", S_IFDIR | 0700);
    put_file(t, "d", "a file for an empty directory");
    assert_text(t, "d", "a file for an empty directory");
    put_plain(t, "d", S_IFDIR | 0711);
    put_file(t, "d/x", "x");
    assert_int_equal(t->refused, 0);
    put_file(t, "d", "never");
    assert_int_equal(tree_put_commit(t->put), 0);
    assert_int_equal(t->refused, 1);
    assert_int_equal(t->last_err, -ENOTEMPTY);
    assert_string_equal(t->last_path, "d");
    put_plain(t, "d", S_IFDIR | 0733);
    assert_int_equal(attr_of(t->file.fs, find(t, "d")).mode, S_IFDIR | 0733);
    assert_text(t, "d/x", "x");
    put_symlink(t, "d/x", "target");
    put_plain(t, "d/x", S_IFIFO | 0600);
    assert_int_equal(attr_of(t->file.fs, find(t, "d/x")).mode, S_IFIFO | 0600);
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 0);
}

static void a_file_that_is_replaced_keeps_its_other_names(void **state)
{
    struct put_test *t = *state;

    put_file(t, "a", "shared");
    put_link(t, "b", "a");
    put_link(t, "c", "b");
    put_link(t, "c", "c");
    assert_int_equal(attr_of(t->file.fs, find(t, "c")).nlink, 3);
    put_file(t, "a", "new");
    put_file(t, "b", "new");
    assert_int_equal(attr_of(t->file.fs, find(t, "c")).nlink, 1);
    assert_text(t, "c", "shared");
    put_link(t, "a", "c");
    assert_text(t, "a", "shared");
    assert_int_equal(tree_put_stats(t->put)->hard_links, 3);
    put_link(t, "x", "nothing");
    put_plain(t, "dir", S_IFDIR | 0755);
    put_link(t, "y", "dir");
    assert_int_equal(t->refused, 2);
    assert_int_equal(t->last_err, -EPERM);
}

static void with_keep_old_nothing_that_exists_is_touched(void **state)
{
    struct put_test *t = *state;
    uint32_t dir_mode;

    put_plain(t, "d", S_IFDIR | 0700);
    put_file(t, "d/a", "old");
    put_close(t);
    put_open(t, FS_ROOT_INO, true);
    put_plain(t, "d", S_IFDIR | 0777);
    put_file(t, "d/a", "new");
    assert_int_equal(t->last_err, -EEXIST);
    put_link(t, "file", "d/a");
    put_symlink(t, "d", "file");
    assert_int_equal(t->refused, 3);
    put_file(t, "d/b", "new");
    put_file(t, "d/b", "newer");
    assert_int_equal(t->refused, 4);
    assert_text(t, "d/a", "old");
    assert_text(t, "d/b", "new");
    dir_mode = attr_of(t->file.fs, find(t, "d")).mode;
    assert_int_equal(dir_mode, S_IFDIR | 0700);
}

static void missing_directories_are_made(void **state)
{
    struct put_test *t = *state;
    struct fs_attr a;

    put_file(t, "p/q/r/f", "deep");
    put_file(t, "p/q/g", "less deep");
    assert_text(t, "p/q/r/f", "deep");
    a = attr_of(t->file.fs, find(t, "p/q"));
    assert_int_equal(a.mode, S_IFDIR | 0755);
    assert_int_equal(a.uid, 7);
    assert_int_equal(a.gid, 8);
    assert_int_equal(tree_put_stats(t->put)->dirs, 3);
}

static void times_of_directories_can_be_set_last(void **state)
{
    const struct timespec atime = {5, 6}, mtime = {-7, 8};
    struct put_test *t = *state;
    struct fs_attr a;

    put_plain(t, "d", S_IFDIR | 0755);
    assert_int_equal(tree_put_commit(t->put), 0);
    put_file(t, "d/f", "x");
    assert_int_equal(tree_put_times(t->put, "d", &atime, &mtime), 0);
    assert_int_equal(tree_put_times(t->put, "d/f", &atime, &mtime), 0);  /* no directory */
    assert_int_equal(tree_put_times(t->put, "gone", &atime, &mtime), 0); /* nor is this */
    a = attr_of(t->file.fs, find(t, "d"));
    assert_true(time_is(&a.atime, 5, 6) && time_is(&a.mtime, -7, 8));
    a = attr_of(t->file.fs, find(t, "d/f"));
    assert_true(time_is(&a.mtime, 1600000000, 999999999));
    assert_int_equal(tree_put_times(t->put, "../x", &atime, &mtime), 0); /* was refused */
}

/* Random pieces with gaps, as a model in memory; `piece_max` decides whether it is streamed. */
static void put_random(struct put_test *t, struct rng *rng, const char *path, size_t size,
                       size_t piece_max, uint8_t *model)
{
    struct tree_entry e = entry_of(path, S_IFREG | 0640);
    size_t at = 0;

    memset(model, 0, size);
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_xattr(t->put, "user.x", "y", 1), 0);
    while (at < size) {
        size_t n = rng_below(rng, piece_max) + 1,
               gap = rng_below(rng, 4) ? 0 : rng_below(rng, 30000);

        at += gap < size - at ? gap : size - at;
        n = n < size - at ? n : size - at;
        for (size_t i = 0; i < n; i++)
            model[at + i] = (uint8_t)rng_next(rng);
        assert_int_equal(tree_put_data(t->put, at, model + at, n), 0);
        at += n;
    }
    assert_int_equal(tree_put_end(t->put, size), 0);
}

static void contents_are_kept_with_their_holes(void **state)
{
    struct put_test *t = *state;
    struct rng rng;
    uint8_t *model = malloc(6 << 20), *got = malloc(6 << 20);

    assert_true(model && got);
    rng.state = rng_seed(42);
    for (int round = 0; round < 60; round++) {
        size_t size = rng_below(&rng, round % 6 ? 100000 : 5 << 20) + 1;
        char path[20];
        uint64_t ino;
        struct fs_attr a;

        snprintf(path, sizeof(path), "dir%d/f%d", round % 5, round);
        put_random(t, &rng, path, size, round % 2 ? 9000 : 300000, model);
        ino = find(t, path);
        a = attr_of(t->file.fs, ino);
        assert_int_equal(a.size, size);
        assert_int_equal(a.mode, S_IFREG | 0640);
        assert_true(time_is(&a.mtime, 1600000000, 999999999));
        assert_int_equal(fs_getxattr(t->file.fs, ino, "user.x", NULL, 0), 1);
        assert_int_equal(file_read(&t->file, ino, 0, got, size), size);
        assert_memory_equal(got, model, size);
        assert_blocks_exact(&t->file, ino);
    }
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 0);
    free(model);
    free(got);
}

static void a_file_that_is_all_hole_has_no_blocks(void **state)
{
    struct put_test *t = *state;
    struct tree_entry e = entry_of("h", S_IFREG | 0644);
    struct fs_attr a;

    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_end(t->put, FS_FILE_LEN_MAX), 0);
    a = attr_of(t->file.fs, find(t, "h"));
    assert_int_equal(a.size, FS_FILE_LEN_MAX);
    assert_int_equal(a.blocks, 0);
}

static void what_is_dropped_has_never_been_there(void **state)
{
    static const uint8_t data[1 << 20];
    struct put_test *t = *state;
    struct tree_entry e = entry_of("a", S_IFREG | 0644);

    put_file(t, "a", "old");
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_data(t->put, 0, data, sizeof(data)), 0);
    assert_int_equal(tree_put_drop(t->put), 0);
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(tree_put_data(t->put, (uint64_t)i << 20, data, sizeof(data)), 0);
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 1);
    assert_int_equal(tree_put_drop(t->put), 0);
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 0);
    assert_text(t, "a", "old");
    /* And at the end of everything. */
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(tree_put_data(t->put, (uint64_t)i << 20, data, sizeof(data)), 0);
    tree_put_free(t->put);
    t->put = NULL;
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 0);
    assert_int_equal(key_count(t->file.fs, KEY_BLOCK), 1);
}

static void calls_out_of_order_are_refused(void **state)
{
    struct put_test *t = *state;
    struct tree_entry e = entry_of("a", S_IFREG | 0644);

    assert_int_equal(tree_put_data(t->put, 0, "x", 1), -EINVAL);
    assert_int_equal(tree_put_xattr(t->put, "user.a", "x", 1), -EINVAL);
    assert_int_equal(tree_put_end(t->put, 0), -EINVAL);
    assert_int_equal(tree_put_drop(t->put), -EINVAL);
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_begin(t->put, &e), -EINVAL);
    assert_int_equal(tree_put_data(t->put, 10, "x", 1), 0);
    assert_int_equal(tree_put_data(t->put, 10, "x", 1), -EINVAL);
    assert_int_equal(tree_put_data(t->put, UINT64_MAX, "x", 1), -EINVAL);
    assert_int_equal(tree_put_end(t->put, 5), -EINVAL);
    assert_int_equal(tree_put_drop(t->put), 0);
}

/* As cpio has it: the first name comes without contents, the last one with them. */
static void contents_of_a_hard_link_are_those_of_its_file(void **state)
{
    struct put_test *t = *state;
    struct tree_entry e = entry_of("b", S_IFREG | 0644);

    put_file(t, "a", "old and long");
    e.link = "a";
    e.hard_link = true;
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_data(t->put, 0, "new", 3), 0);
    assert_int_equal(tree_put_end(t->put, 3), 0);
    assert_text(t, "a", "new");
    assert_int_equal(find(t, "a"), find(t, "b"));
}

static void many_directories_make_many_commits(void **state)
{
    struct put_test *t = *state;
    char path[40];

    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "d%d/e%d/f%d", i % 300, i % 7, i);
        put_file(t, path, "x");
    }
    assert_int_equal(tree_put_commit(t->put), 0);
    /* Once more: every name is replaced. */
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "d%d/e%d/f%d", i % 300, i % 7, i);
        put_file(t, path, "new");
    }
    assert_text(t, "d299/e3/f2999", "new");
    assert_int_equal(t->refused, 0);
    assert_int_equal(tree_put_stats(t->put)->files, 6000);
    assert_int_equal(key_count(t->file.fs, KEY_ORPHAN), 0);
    assert_int_equal(key_count(t->file.fs, KEY_BLOCK), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUT_TEST(everything_that_is_said_of_an_object_is_kept),
        PUT_TEST(an_acl_is_kept_and_nothing_is_inherited),
        PUT_TEST(an_attribute_that_cannot_be_is_told_and_the_object_is_made),
        PUT_TEST(paths_that_lead_out_are_refused),
        PUT_TEST(symbolic_links_are_not_followed),
        PUT_TEST(what_has_the_name_is_replaced_but_no_directory_with_entries),
        PUT_TEST(a_file_that_is_replaced_keeps_its_other_names),
        PUT_TEST(with_keep_old_nothing_that_exists_is_touched),
        PUT_TEST(missing_directories_are_made),
        PUT_TEST(times_of_directories_can_be_set_last),
        PUT_TEST(contents_are_kept_with_their_holes),
        PUT_TEST(a_file_that_is_all_hole_has_no_blocks),
        PUT_TEST(what_is_dropped_has_never_been_there),
        PUT_TEST(calls_out_of_order_are_refused),
        PUT_TEST(contents_of_a_hard_link_are_those_of_its_file),
        PUT_TEST(many_directories_make_many_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
