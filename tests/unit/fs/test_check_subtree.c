/*
 * Checking and repairing a part of the tree: what is below the path is judged and repaired, the
 * rest is neither read nor changed.
 */
#include "unit/fs/fsck_fixture.h"

static int run_part(struct fixture *f, const char *path, struct found *ret)
{
    struct check_options o = {.problem = on_problem, .info = on_info, .path = path, .arg = ret};

    memset(ret, 0, sizeof(*ret));
    return check_run(fs_db(f->fs), &o, &ret->result);
}

static void expect_part(struct fixture *f, const char *path, uint64_t problems, uint64_t inodes)
{
    struct found found;

    assert_int_equal(run_part(f, path, &found), 0);
    print_found(&found);
    assert_int_equal(found.result.problem_count, problems);
    assert_int_equal(found.result.inode_count, inodes);
    assert_int_equal(found.infos, 1);
}

static void repair_part(struct fixture *f, const char *path, uint64_t count)
{
    struct repair_options o = {.check = {.path = path}};
    struct repair_result r;

    assert_int_equal(repair_run(fs_db(f->fs), &o, &r), 0);
    assert_int_equal(r.repaired_count, count);
    assert_int_equal(r.last.problem_count, 0);
}

static void every_part_of_a_sound_tree_is_clean(void **state)
{
    struct fixture *f = *state;
    struct found found;
    char name[32];
    struct tree t = grow(f);

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        make(f->fs, i % 2 ? t.sub : t.dir, name, (i % 3 ? S_IFREG : S_IFDIR) | 0700);
    }
    expect_part(f, "/dir", 0, 303);
    expect_part(f, "dir//./sub/", 0, 151);
    expect_part(f, "/dir/file", 0, 1);
    expect_part(f, "/fifo", 0, 1);
    assert_int_equal(run_part(f, "/", &found), 0);
    assert_int_equal(found.result.inode_count, 307);
    assert_int_equal(found.infos, 0);
}

static void a_path_that_leads_nowhere_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct found found;

    grow(f);
    assert_int_equal(run_part(f, "/missing", &found), -ENOENT);
    assert_int_equal(run_part(f, "/dir/file/x", &found), -ENOTDIR);
    assert_int_equal(run_part(f, "/dir/../fifo", &found), -EINVAL);
}

static void a_part_is_repaired_and_the_rest_is_left(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode sparse = load(f, t.sparse), file = load(f, t.file), sub = load(f, t.sub);
    struct kv_model before;

    sparse.block_count = 77;
    store(f, &sparse);
    take_keys(fs_db(f->fs), &before);
    file.block_count = 99;
    store(f, &file);
    sub.nlink = 9;
    store(f, &sub);
    change_size(f, t.dir, 5);
    expect_part(f, "/dir", 3, 3);
    expect_part(f, "/dir/sub", 1, 1);
    expect_part(f, "/fifo", 0, 1);
    repair_part(f, "/dir", 3);
    assert_same(f, &before);
    kv_clear(&before);
    expect(f, 1, CHECK_BLOCK_COUNT, "/sparse", "counts 77 blocks");
}

static void a_file_may_have_names_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode file;
    struct fs_attr a;

    assert_int_equal(fs_link(f->fs, t.file, FS_ROOT_INO, "outside", &a), 0);
    expect_part(f, "/dir", 0, 3);
    expect_part(f, "/outside", 0, 1);
    file = load(f, t.file);
    file.nlink = 1;
    store(f, &file);
    expect_part(f, "/dir", 1, 3);
    expect_part(f, "/outside", 0, 1);
}

static void entries_of_a_part_are_judged(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    key_ino(&k, KEY_INODE, t.sub);
    del(f, &k);
    add_entry(f, t.dir, "hard", t.file, S_IFIFO);
    key_dirent(&k, t.dir, 12345, "other", 5);
    put_entry(f, &k, t.fifo, S_IFIFO);
    change_size(f, t.dir, 1);
    expect_part(f, "/fifo", 0, 1);
    expect_part(f, "/dir", 3, 3);
    repair_part(f, "/dir", 3);
    assert_int_equal(ino_of(f->fs, t.dir, "other"), t.fifo);
    assert_int_equal(ino_of(f->fs, t.dir, "sub"), 0);
}

static void a_loop_below_the_path_ends(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode sub = load(f, t.sub);
    struct found found;

    add_entry(f, t.sub, "up", t.dir, S_IFDIR);
    sub.size++;
    sub.nlink++;
    store(f, &sub);
    assert_int_equal(run_part(f, "/dir", &found), 0);
    assert_true(has(&found, CHECK_DIR_LINKS, NULL, "2 names"));
    repair_part(f, "/dir", 1);
    expect_clean(f);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(every_part_of_a_sound_tree_is_clean),
        CHECK_TEST(a_path_that_leads_nowhere_is_an_error),
        CHECK_TEST(a_part_is_repaired_and_the_rest_is_left),
        CHECK_TEST(a_file_may_have_names_elsewhere),
        CHECK_TEST(entries_of_a_part_are_judged),
        CHECK_TEST(a_loop_below_the_path_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
