/*
 * A file system that trees are put into, and short forms of putting.
 */
#ifndef TESTS_PUT_FIXTURE_H
#define TESTS_PUT_FIXTURE_H

#include "fs/tree_put.h"
#include "unit/fs/file_fixture.h"

struct put_test {
    struct file_test file;
    struct tree_put *put;
    struct tree_put_options options;
    unsigned refused;
    char last_path[300], last_text[600];
    int last_err;
};

static inline void on_refused(void *arg, const char *path, int err, const char *text)
{
    struct put_test *t = arg;

    t->refused++;
    t->last_err = err;
    snprintf(t->last_path, sizeof(t->last_path), "%.299s", path);
    snprintf(t->last_text, sizeof(t->last_text), "%.599s", text);
}

static inline void put_open(struct put_test *t, uint64_t dir, bool keep_old)
{
    t->options = (struct tree_put_options){
        .dir = dir, .keep_old = keep_old, .uid = 7, .gid = 8, .refused = on_refused, .arg = t};
    assert_int_equal(tree_put_new(t->file.fs, &t->options, &t->put), 0);
}

static inline void put_close(struct put_test *t)
{
    assert_int_equal(tree_put_commit(t->put), 0);
    tree_put_free(t->put);
    t->put = NULL;
}

static inline int setup(void **state)
{
    struct put_test *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    file_test_new(&t->file, 4096);
    put_open(t, FS_ROOT_INO, false);
    *state = t;
    return 0;
}

static inline int teardown(void **state)
{
    struct put_test *t = *state;

    tree_put_free(t->put);
    file_test_done(&t->file);
    free(t);
    return 0;
}

static inline struct tree_entry entry_of(const char *path, uint32_t mode)
{
    return (struct tree_entry){.path = path,
                               .mode = mode,
                               .uid = 3000000000u,
                               .gid = 5,
                               .atime = {-7, 1},
                               .mtime = {1600000000, 999999999}};
}

static inline void put_plain(struct put_test *t, const char *path, uint32_t mode)
{
    struct tree_entry e = entry_of(path, mode);

    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_end(t->put, 0), 0);
}

static inline void put_file(struct put_test *t, const char *path, const char *text)
{
    struct tree_entry e = entry_of(path, S_IFREG | 0644);

    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_data(t->put, 0, text, strlen(text)), 0);
    assert_int_equal(tree_put_end(t->put, strlen(text)), 0);
}

static inline void put_link(struct put_test *t, const char *path, const char *other)
{
    struct tree_entry e = entry_of(path, S_IFREG | 0644);

    e.link = other;
    e.hard_link = true;
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_end(t->put, 0), 0);
}

static inline void put_symlink(struct put_test *t, const char *path, const char *target)
{
    struct tree_entry e = entry_of(path, S_IFLNK | 0777);

    e.link = target;
    assert_int_equal(tree_put_begin(t->put, &e), 0);
    assert_int_equal(tree_put_end(t->put, 0), 0);
}

/* 0 when there is none. */
static inline uint64_t find(struct put_test *t, const char *path)
{
    struct fs_attr a;

    assert_int_equal(tree_put_commit(t->put), 0);
    return fs_resolve(t->file.fs, path, &a) < 0 ? 0 : a.ino;
}

static inline void assert_text(struct put_test *t, const char *path, const char *text)
{
    char buf[100];
    uint64_t ino = find(t, path);

    assert_int_not_equal(ino, 0);
    assert_int_equal(file_read(&t->file, ino, 0, buf, sizeof(buf)), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
    assert_blocks_exact(&t->file, ino);
}

#define PUT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
