/*
 * For the tests of the checker and of repairs: what a check finds, keys changed behind the file
 * system's back, and a small tree of everything.
 */
#ifndef TESTS_CHECK_FIXTURE_H
#define TESTS_CHECK_FIXTURE_H

#include <fcntl.h>

#include "fs/check/fsck.h"
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

static inline void on_problem(void *arg, const struct check_problem *p)
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

static inline void on_info(void *arg, const char *text)
{
    struct found *f = arg;

    assert_non_null(text);
    f->infos++;
}

static inline void on_progress(void *arg, enum check_phase phase, uint64_t done, uint64_t total)
{
    struct found *f = arg;

    (void)done;
    (void)total;
    assert_in_range(phase, 0, CHECK_PHASE_COUNT - 1);
    f->steps++;
}

static inline void run_check(struct fixture *f, struct found *ret)
{
    struct check_options o = {
        .problem = on_problem, .info = on_info, .progress = on_progress, .arg = ret};

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(check_run(fs_db(f->fs), &o, &ret->result), 0);
    if (ret->result.problem_count <= FOUND_MAX)
        assert_int_equal(ret->result.problem_count, ret->count);
}

static inline void print_found(const struct found *found)
{
    for (size_t i = 0; i < found->count; i++)
        print_error("%s: %s: %s\n", check_kind_name(found->problems[i].kind),
                    found->problems[i].path, found->problems[i].text);
}

static inline bool has(const struct found *found, enum check_kind kind, const char *path,
                       const char *text)
{
    for (size_t i = 0; i < found->count; i++) {
        if (found->problems[i].kind == kind && (!path || !strcmp(found->problems[i].path, path)) &&
            strstr(found->problems[i].text, text))
            return true;
    }
    return false;
}

/* The check finds this problem, and `total` in all. path NULL: any. */
static inline void expect(struct fixture *f, size_t total, enum check_kind kind, const char *path,
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

static inline void expect_clean(struct fixture *f)
{
    struct found found;

    run_check(f, &found);
    print_found(&found);
    assert_int_equal(found.result.problem_count, 0);
}

/* --- Behind the file system's back --- */

static inline void put(struct fixture *f, const struct key *k, const void *value, size_t len)
{
    assert_int_equal(lsm_put(fs_db(f->fs), k->data, k->len, value, len, 0), 0);
}

static inline void del(struct fixture *f, const struct key *k)
{
    assert_int_equal(lsm_delete(fs_db(f->fs), k->data, k->len, 0), 0);
}

static inline struct inode load(struct fixture *f, uint64_t ino)
{
    struct inode in;

    assert_int_equal(inode_get(f->fs, ino, &in), 0);
    return in;
}

static inline void store(struct fixture *f, const struct inode *in)
{
    uint8_t buf[INODE_RECORD_LEN_MAX];
    struct key k;

    key_ino(&k, KEY_INODE, in->ino);
    put(f, &k, buf, inode_encode(in, buf));
}

static inline void entry_key(struct fixture *f, struct key *k, uint64_t parent, const char *name)
{
    key_dirent(k, parent, dirent_hash(f->fs->hash_secret, name, strlen(name)), name, strlen(name));
}

static inline void put_entry(struct fixture *f, const struct key *k, uint64_t ino, uint32_t mode)
{
    uint8_t value[DIRENT_VALUE_LEN];

    put_le64(value, ino);
    value[8] = (uint8_t)((mode & S_IFMT) >> 12);
    put(f, k, value, sizeof(value));
}

static inline void add_entry(struct fixture *f, uint64_t parent, const char *name, uint64_t ino,
                             uint32_t mode)
{
    struct key k;

    entry_key(f, &k, parent, name);
    put_entry(f, &k, ino, mode);
}

static inline void drop_entry(struct fixture *f, uint64_t parent, const char *name)
{
    struct key k;

    entry_key(f, &k, parent, name);
    del(f, &k);
}

static inline void change_size(struct fixture *f, uint64_t dir, int by)
{
    struct inode in = load(f, dir);

    in.size += (uint64_t)by;
    store(f, &in);
}

/* /dir (with /dir/sub), /dir/file of three blocks, /dir/hard to it, /link, /fifo, /sparse. */
struct tree {
    uint64_t dir, sub, file, link, fifo, sparse;
};

static inline struct tree grow(struct fixture *f)
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

/* The file system closes over what the tests did to it, and may complain. */
static inline int check_teardown(void **state)
{
    struct fixture *f = *state;

    fs_close(f->fs);
    fixture_free(f);
    return 0;
}

#define CHECK_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, check_teardown)

#endif
