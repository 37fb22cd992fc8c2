/*
 * For the tests of the file system without a mount: a file system in a fresh directory, and a check
 * that everything in the store agrees with everything else.
 */
#ifndef TESTS_FS_FIXTURE_H
#define TESTS_FS_FIXTURE_H

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/impl.h"

struct fixture {
    char dir[256];  /* removed at the end */
    char path[300]; /* of the store, in dir */
    struct fs *fs;
    atomic_int log_errors; /* lines of level ERROR */
    char log_last[512];
};

static const struct fs_cred cred0 = {.uid = 1000, .gid = 1000};

static inline void fixture_log(void *arg, enum lsm_log_level level, const char *text)
{
    struct fixture *f = arg;

    if (level < LSM_LOG_ERROR)
        return;
    atomic_fetch_add(&f->log_errors, 1);
    snprintf(f->log_last, sizeof(f->log_last), "%s", text);
}

static inline int fixture_open(struct fixture *f, bool read_only)
{
    struct fs_options o = {.read_only = read_only, .log = fixture_log, .log_arg = f};

    return fs_open(f->path, &o, &f->fs);
}

static inline void fixture_reopen(struct fixture *f)
{
    assert_int_equal(fs_close(f->fs), 0);
    f->fs = NULL;
    assert_int_equal(fixture_open(f, false), 0);
}

/* A fresh directory without a store. */
static inline struct fixture *fixture_dir(void)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *tmp = getenv("TMPDIR");

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "%s/fluxfs-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/store", f->dir);
    return f;
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = fixture_dir();
    struct fs_mkfs_options o = {.block_len = 4096, .label = "test"};

    assert_int_equal(fs_mkfs(f->path, &o), 0);
    assert_int_equal(fixture_open(f, false), 0);
    *state = f;
    return 0;
}

static inline int fixture_remove_one(const char *path, const struct stat *st, int flag,
                                     struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void fixture_free(struct fixture *f)
{
    nftw(f->dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fs_close(f->fs), 0);
    fixture_free(f);
    return 0;
}

/* --- Short forms --- */

static inline uint64_t make(struct fs *fs, uint64_t parent, const char *name, uint32_t mode)
{
    struct fs_attr a;

    assert_int_equal(fs_mknod(fs, parent, name, mode, 0, &cred0, &a), 0);
    return a.ino;
}

static inline uint64_t make_file(struct fs *fs, uint64_t parent, const char *name)
{
    return make(fs, parent, name, S_IFREG | 0644);
}

static inline uint64_t make_dir(struct fs *fs, uint64_t parent, const char *name)
{
    return make(fs, parent, name, S_IFDIR | 0755);
}

static inline struct fs_attr attr_of(struct fs *fs, uint64_t ino)
{
    struct fs_attr a;

    assert_int_equal(fs_getattr(fs, ino, &a), 0);
    return a;
}

/* The inode number of a name, 0 when it is missing. */
static inline uint64_t ino_of(struct fs *fs, uint64_t parent, const char *name)
{
    struct fs_attr a;
    int err = fs_lookup(fs, parent, name, &a);

    if (err == -ENOENT)
        return 0;
    assert_int_equal(err, 1);
    return a.ino;
}

static inline bool time_is(const struct timespec *t, int64_t sec, long nsec)
{
    return t->tv_sec == sec && t->tv_nsec == nsec;
}

/* --- Everything agrees --- */

struct tally {
    struct inode in;
    uint64_t entries, dirs; /* found in it */
    uint64_t names;         /* found for it */
    bool orphan;
};

struct tallies {
    struct tally *items;
    size_t count, cap;
};

static inline struct tally *tally_of(struct tallies *t, uint64_t ino)
{
    size_t low = 0, high = t->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (t->items[mid].in.ino == ino)
            return &t->items[mid];
        if (t->items[mid].in.ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static inline struct lsm_iter *tag_iter(struct fs *fs, uint8_t tag)
{
    uint8_t end = (uint8_t)(tag + 1);
    struct lsm_iter *it;

    assert_int_equal(lsm_iter_new(fs_db(fs), NULL, &tag, 1, &end, 1, &it), 0);
    return it;
}

static inline void tally_inodes(struct fs *fs, struct tallies *t)
{
    struct lsm_iter *it = tag_iter(fs, KEY_INODE);
    int more;

    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        const uint8_t *value = lsm_iter_value(it, &len);

        if (t->count == t->cap) {
            t->cap = t->cap ? 2 * t->cap : 64;
            t->items = realloc(t->items, t->cap * sizeof(*t->items));
            assert_non_null(t->items);
        }
        memset(&t->items[t->count], 0, sizeof(*t->items));
        assert_int_equal(key_len, KEY_INODE_LEN);
        assert_int_equal(inode_decode(get_be64(key + 1), value, len, &t->items[t->count].in), 0);
        t->count++;
    }
    assert_int_equal(more, 0);
    lsm_iter_free(it);
}

static inline void tally_names(struct fs *fs, struct tallies *t)
{
    struct lsm_iter *it = tag_iter(fs, KEY_DIRENT);
    int more;

    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        const uint8_t *value = lsm_iter_value(it, &len);
        uint64_t parent, hash, ino;
        uint32_t type;
        struct slice name;
        struct tally *dir, *child;

        assert_true(dirent_key_decode(key, key_len, &parent, &hash, &name));
        assert_true(dirent_value_decode(value, len, &ino, &type));
        assert_int_equal(hash, dirent_hash(fs->hash_secret, (const char *)name.data, name.len));
        dir = tally_of(t, parent);
        child = tally_of(t, ino);
        assert_non_null(dir);
        assert_non_null(child);
        assert_true(S_ISDIR(dir->in.mode) && dir->in.nlink);
        assert_int_equal(child->in.mode & S_IFMT, type);
        dir->entries++;
        child->names++;
        if (S_ISDIR(type)) {
            dir->dirs++;
            assert_int_equal(child->in.parent, parent);
        }
    }
    assert_int_equal(more, 0);
    lsm_iter_free(it);
}

static inline void tally_orphans(struct fs *fs, struct tallies *t)
{
    struct lsm_iter *it = tag_iter(fs, KEY_ORPHAN);
    int more;

    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it)) {
        size_t key_len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        struct tally *o;

        assert_int_equal(key_len, KEY_INODE_LEN);
        o = tally_of(t, get_be64(key + 1));
        assert_non_null(o);
        o->orphan = true;
        assert_true(fs->read_only || fs_is_orphan(fs, o->in.ino));
    }
    assert_int_equal(more, 0);
    lsm_iter_free(it);
}

static inline void tally_check(struct fs *fs, struct tallies *t, struct tally *i)
{
    assert_int_equal(i->orphan, i->in.nlink == 0);
    if (!i->orphan)
        assert_false(fs_is_orphan(fs, i->in.ino));
    if (!S_ISDIR(i->in.mode)) {
        assert_int_equal(i->names, i->in.nlink);
        return;
    }
    assert_int_equal(i->entries, i->in.size);
    if (i->orphan) {
        assert_int_equal(i->names, 0);
        return;
    }
    assert_int_equal(i->in.nlink, 2 + i->dirs);
    assert_int_equal(i->names, i->in.ino == FS_ROOT_INO ? 0 : 1);
    for (size_t depth = 0; i->in.ino != FS_ROOT_INO; depth++) {
        assert_true(depth < t->count); /* a loop */
        i = tally_of(t, i->in.parent);
        assert_non_null(i);
    }
}

/* Fail the test when anything in the store contradicts anything else. Nobody may change it now. */
static inline size_t everything_agrees(struct fs *fs)
{
    struct tallies t = {0};
    size_t count;

    tally_inodes(fs, &t);
    tally_names(fs, &t);
    tally_orphans(fs, &t);
    for (size_t i = 0; i < t.count; i++)
        tally_check(fs, &t, &t.items[i]);
    count = t.count;
    free(t.items);
    return count;
}

/* How many keys have this tag. */
static inline size_t key_count(struct fs *fs, uint8_t tag)
{
    struct lsm_iter *it = tag_iter(fs, tag);
    size_t n = 0;
    int more;

    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it))
        n++;
    assert_int_equal(more, 0);
    lsm_iter_free(it);
    return n;
}

#define FS_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

#endif
