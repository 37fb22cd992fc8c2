/*
 * The checker: a sound file system has no problem, and each kind of problem, made on purpose behind
 * the file system's back, is named with its path.
 */
#include <fcntl.h>

#include "fs/fsck.h"
#include "fs/super.h"
#include "unit/fs/fs_fixture.h"

enum {
    BLOCK_LEN = 4096, /* of the fixture */
    FOUND_MAX = 64
};

/* What a check said. */
struct found {
    struct check_result result;
    size_t count;
    struct {
        enum check_kind kind;
        char path[512];
        char text[512];
    } problems[FOUND_MAX];
    unsigned infos, steps;
};

static void on_problem(void *arg, const struct check_problem *p)
{
    struct found *f = arg;

    assert_non_null(p->text);
    if (f->count == FOUND_MAX)
        return;
    f->problems[f->count].kind = p->kind;
    snprintf(f->problems[f->count].path, 512, "%s", p->path ? p->path : "");
    snprintf(f->problems[f->count].text, 512, "%s", p->text);
    f->count++;
}

static void on_info(void *arg, const char *text)
{
    struct found *f = arg;

    assert_non_null(text);
    f->infos++;
}

static void on_progress(void *arg, enum check_phase phase, uint64_t done, uint64_t total)
{
    struct found *f = arg;

    (void)done;
    (void)total;
    assert_in_range(phase, 0, CHECK_PHASE_COUNT - 1);
    f->steps++;
}

static void run_check(struct fixture *f, struct found *ret)
{
    struct check_options o = {
        .problem = on_problem, .info = on_info, .progress = on_progress, .arg = ret};

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(check_run(fs_db(f->fs), &o, &ret->result), 0);
    if (ret->result.problem_count <= FOUND_MAX)
        assert_int_equal(ret->result.problem_count, ret->count);
}

static void print_found(const struct found *found)
{
    for (size_t i = 0; i < found->count; i++)
        print_error("%s: %s: %s\n", check_kind_name(found->problems[i].kind),
                    found->problems[i].path, found->problems[i].text);
}

static bool has(const struct found *found, enum check_kind kind, const char *path, const char *text)
{
    for (size_t i = 0; i < found->count; i++) {
        if (found->problems[i].kind == kind && (!path || !strcmp(found->problems[i].path, path)) &&
            strstr(found->problems[i].text, text))
            return true;
    }
    return false;
}

/* The check finds this problem, and `total` in all. path NULL: any. */
static void expect(struct fixture *f, size_t total, enum check_kind kind, const char *path,
                   const char *text)
{
    struct found found;

    run_check(f, &found);
    if (!has(&found, kind, path, text) || found.count != total) {
        print_error("expected %zu with %s: %s: %s\n", total, check_kind_name(kind),
                    path ? path : "(any)", text);
        print_found(&found);
        fail();
    }
    assert_true(found.result.problems[kind] > 0);
}

static void expect_clean(struct fixture *f)
{
    struct found found;

    run_check(f, &found);
    print_found(&found);
    assert_int_equal(found.result.problem_count, 0);
}

/* --- Behind the file system's back --- */

static void put(struct fixture *f, const struct key *k, const void *value, size_t len)
{
    assert_int_equal(lsm_put(fs_db(f->fs), k->data, k->len, value, len, 0), 0);
}

static void del(struct fixture *f, const struct key *k)
{
    assert_int_equal(lsm_delete(fs_db(f->fs), k->data, k->len, 0), 0);
}

static struct inode load(struct fixture *f, uint64_t ino)
{
    struct inode in;

    assert_int_equal(inode_get(f->fs, ino, &in), 0);
    return in;
}

static void store(struct fixture *f, const struct inode *in)
{
    uint8_t buf[INODE_RECORD_LEN_MAX];
    struct key k;

    key_ino(&k, KEY_INODE, in->ino);
    put(f, &k, buf, inode_encode(in, buf));
}

static void entry_key(struct fixture *f, struct key *k, uint64_t parent, const char *name)
{
    key_dirent(k, parent, dirent_hash(f->fs->hash_secret, name, strlen(name)), name, strlen(name));
}

static void put_entry(struct fixture *f, const struct key *k, uint64_t ino, uint32_t mode)
{
    uint8_t value[DIRENT_VALUE_LEN];

    put_le64(value, ino);
    value[8] = (uint8_t)((mode & S_IFMT) >> 12);
    put(f, k, value, sizeof(value));
}

static void add_entry(struct fixture *f, uint64_t parent, const char *name, uint64_t ino,
                      uint32_t mode)
{
    struct key k;

    entry_key(f, &k, parent, name);
    put_entry(f, &k, ino, mode);
}

static void drop_entry(struct fixture *f, uint64_t parent, const char *name)
{
    struct key k;

    entry_key(f, &k, parent, name);
    del(f, &k);
}

static void change_size(struct fixture *f, uint64_t dir, int by)
{
    struct inode in = load(f, dir);

    in.size += (uint64_t)by;
    store(f, &in);
}

/* /dir (with /dir/sub), /dir/file of three blocks, /dir/hard to it, /link, /fifo, /sparse. */
struct tree {
    uint64_t dir, sub, file, link, fifo, sparse;
};

static struct tree grow(struct fixture *f)
{
    static uint8_t data[BLOCK_LEN * 2 + 100];
    struct fs_attr a;
    struct tree t;

    memset(data, 'x', sizeof(data));
    t.dir = make_dir(f->fs, FS_ROOT_INO, "dir");
    t.sub = make_dir(f->fs, t.dir, "sub");
    t.file = make_file(f->fs, t.dir, "file");
    t.sparse = make_file(f->fs, FS_ROOT_INO, "sparse");
    t.fifo = make(f->fs, FS_ROOT_INO, "fifo", S_IFIFO | 0600);
    assert_int_equal(fs_symlink(f->fs, FS_ROOT_INO, "link", "dir/file", &cred0, &a), 0);
    t.link = a.ino;
    assert_int_equal(fs_link(f->fs, t.file, t.dir, "hard", &a), 0);
    assert_int_equal(fs_write(f->fs, t.file, 0, data, sizeof(data)), 0);
    assert_int_equal(fs_write(f->fs, t.sparse, BLOCK_LEN * 9 + 5, data, 10), 0);
    assert_int_equal(fs_setxattr(f->fs, t.file, "user.a", "value", 5, 0), 0);
    return t;
}

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
    expect(f, 2, CHECK_ROOT, "", "has no inode");
    drop_entry(f, FS_ROOT_INO, "x");
    put(f, &k, "bad", 3);
    expect(f, 2, CHECK_ROOT, "", "cannot be decoded");
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

    assert_int_equal(lsm_delete(fs_db(f->fs), "Sformat", 7, 0), 0);
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

/* The file system closes over what the tests did to it, and may complain. */
static int teardown(void **state)
{
    struct fixture *f = *state;

    fs_close(f->fs);
    fixture_free(f);
    return 0;
}

#define CHECK_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, teardown)

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
        CHECK_TEST(keys_that_no_file_system_makes_are_found),
        CHECK_TEST(damaged_facts_are_named_and_the_rest_is_checked),
        CHECK_TEST(a_store_without_a_file_system_cannot_be_checked),
        CHECK_TEST(problems_beyond_the_limit_are_counted),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
