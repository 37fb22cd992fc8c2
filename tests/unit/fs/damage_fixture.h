/*
 * For the tests of damaged stores: a small store with all kinds of keys in tables of several
 * levels, in a log and in blob files; what each of its files holds, after each operation that only
 * the log has; and a comparison of a store, damaged or repaired, with that.
 */
#ifndef TESTS_DAMAGE_FIXTURE_H
#define TESTS_DAMAGE_FIXTURE_H

#include "lib/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/check/check_store.h"
#include "fs/lost_mark.h"
#include "fs/super.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/slice.h"

enum {
    BLOCK = 4096,
    PATHS_MAX = 24,
    STATES_MAX = 12,
    STORE_FILES_MAX = 32,
};

/* What one path holds. */
struct image_file {
    char path[64];
    struct fs_attr attr;
    struct buf contents; /* of a file; the target of a symlink */
    struct buf xattr;    /* value of user.x */
    bool has_xattr;
};

struct image {
    struct image_file files[PATHS_MAX];
    size_t count;
};

struct store_file {
    char name[64];
    uint8_t *data;
    size_t len;
};

struct damage_store {
    char *dir; /* scratch; the store is in it */
    char path[300];
    struct store_file files[STORE_FILES_MAX]; /* as they were made */
    size_t file_count;
    size_t total_len;
    struct image states[STATES_MAX]; /* before and after each operation of the log */
    size_t state_count;
};

/* --- Images --- */

static inline int read_all(struct fs *fs, uint64_t ino, uint64_t size, struct buf *ret)
{
    struct fs_read r;
    int err = fs_read(fs, ino, 0, (size_t)size, &r);

    for (int i = 0; !err && i < r.iov_count; i++)
        assert_int_equal(buf_append(ret, r.iov[i].iov_base, r.iov[i].iov_len), 0);
    if (!err)
        fs_read_done(&r);
    return err;
}

struct walk {
    struct fs *fs;
    struct image *image;
    char prefix[64];
    uint64_t inos[PATHS_MAX];
    size_t from;
};

static inline int image_add(void *arg, const struct fs_dirent *e)
{
    struct walk *w = arg;
    struct image_file *f = &w->image->files[w->image->count];

    if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
        return 0;
    assert_true(w->image->count < PATHS_MAX);
    snprintf(f->path, sizeof(f->path), "%.30s/%.30s", w->prefix, e->name);
    w->inos[w->image->count++] = e->ino;
    return 0;
}

static inline void image_fill(struct fs *fs, uint64_t ino, struct image_file *f)
{
    ssize_t len;

    assert_int_equal(fs_getattr(fs, ino, &f->attr), 0);
    if (S_ISREG(f->attr.mode))
        assert_int_equal(read_all(fs, ino, f->attr.size, &f->contents), 0);
    if (S_ISLNK(f->attr.mode)) {
        assert_int_equal(buf_reserve(&f->contents, 4096), 0);
        assert_true(fs_readlink(fs, ino, (char *)f->contents.data, 4096) >= 0);
        f->contents.len = strlen((const char *)f->contents.data);
    }
    assert_int_equal(buf_reserve(&f->xattr, 65536), 0);
    len = fs_getxattr(fs, ino, "user.x", f->xattr.data, 65536);
    f->has_xattr = len >= 0;
    f->xattr.len = len >= 0 ? (size_t)len : 0;
}

static inline void image_of(struct fs *fs, struct image *ret)
{
    struct walk w = {.fs = fs, .image = ret};

    ret->count = 0;
    assert_int_equal(fs_readdir(fs, FS_ROOT_INO, 0, false, image_add, &w, &(unsigned){0}), 0);
    for (size_t i = 0; i < ret->count; i++) {
        image_fill(fs, w.inos[i], &ret->files[i]);
        if (!S_ISDIR(ret->files[i].attr.mode))
            continue;
        snprintf(w.prefix, sizeof(w.prefix), "%s", ret->files[i].path);
        assert_int_equal(fs_readdir(fs, w.inos[i], 0, false, image_add, &w, &(unsigned){0}), 0);
    }
}

static inline void image_free(struct image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        buf_free(&image->files[i].contents);
        buf_free(&image->files[i].xattr);
    }
}

/* --- Making the store --- */

static const struct fs_cred damage_cred = {.uid = 1000, .gid = 1000};

static inline uint64_t damage_mknod(struct fs *fs, uint64_t parent, const char *name, uint32_t mode)
{
    struct fs_attr a;

    assert_int_equal(fs_mknod(fs, parent, name, mode, 0, &damage_cred, &a), 0);
    return a.ino;
}

/* Blocks first to last, of bytes that the seed tells; half of them random. */
static inline void damage_write(struct fs *fs, uint64_t ino, uint64_t offset, size_t len,
                                uint64_t seed)
{
    struct rng rng = {seed};
    uint8_t *data = malloc(len);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = i % 64 < 16 ? (uint8_t)rng_next(&rng) : (uint8_t)seed;
    assert_int_equal(fs_write(fs, ino, offset, data, len), 0);
    free(data);
}

static inline void damage_xattr(struct fs *fs, uint64_t ino, size_t len, uint64_t seed)
{
    struct rng rng = {seed};
    uint8_t *data = malloc(len);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)rng_next(&rng);
    assert_int_equal(fs_setxattr(fs, ino, "user.x", data, len, 0), 0);
    free(data);
}

static inline struct fs *damage_open(const char *path, bool read_only, int *ret_err)
{
    struct fs_options o = {.read_only = read_only};
    struct fs *fs = NULL;
    int err = fs_open(path, &o, &fs);

    if (ret_err)
        *ret_err = err;
    else if (err)
        fail_msg("open: %s: %s", lsm_strerror(err), lsm_detail());
    return fs;
}

static inline void note_state(struct damage_store *s, struct fs *fs)
{
    assert_true(s->state_count < STATES_MAX);
    image_of(fs, &s->states[s->state_count++]);
}

struct damage_inos {
    uint64_t dir, a, b, old, sparse, many, big;
};

/* What lies in the lowest level. */
static inline void make_oldest(struct fs *fs, struct damage_inos *n)
{
    struct fs_attr attr;

    n->dir = damage_mknod(fs, FS_ROOT_INO, "dir", S_IFDIR | 0755);
    n->a = damage_mknod(fs, n->dir, "a", S_IFREG | 0644);
    n->b = damage_mknod(fs, n->dir, "b", S_IFREG | 0600);
    n->old = damage_mknod(fs, FS_ROOT_INO, "old", S_IFREG | 0644);
    n->sparse = damage_mknod(fs, FS_ROOT_INO, "sparse", S_IFREG | 0644);
    n->many = damage_mknod(fs, FS_ROOT_INO, "many", S_IFREG | 0644);
    n->big = damage_mknod(fs, FS_ROOT_INO, "big", S_IFREG | 0644);
    damage_write(fs, n->a, 0, 4 * BLOCK, 1);
    damage_write(fs, n->b, 0, 100, 2);
    damage_write(fs, n->old, 0, 2 * BLOCK, 3);
    damage_write(fs, n->sparse, 0, BLOCK, 4);
    damage_write(fs, n->sparse, 5 * BLOCK + 10, 200, 5);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t zeros[BLOCK] = {(uint8_t)i};

        assert_int_equal(fs_write(fs, n->many, i * BLOCK, zeros, BLOCK), 0);
        assert_int_equal(fs_write(fs, n->big, i * BLOCK, zeros, BLOCK), 0);
    }
    damage_xattr(fs, n->a, 9000, 6);
    damage_xattr(fs, n->b, 20, 7);
    assert_int_equal(fs_symlink(fs, FS_ROOT_INO, "link", "dir/a", &damage_cred, &attr), 0);
    assert_int_equal(fs_link(fs, n->b, FS_ROOT_INO, "hard", &attr), 0);
    assert_int_equal(lsm_compact_range(fs_db(fs), NULL, 0, NULL, 0), 0);
}

/* Newer contents, deletions and patches, in two tables of level 0. */
static inline void make_newer(struct fs *fs, struct damage_inos *n)
{
    struct fs_attr shorter = {.size = BLOCK}, longer = {.size = 20 * BLOCK};

    damage_write(fs, n->old, 0, 2 * BLOCK, 13);
    damage_write(fs, n->a, 2 * BLOCK, BLOCK, 12);
    damage_xattr(fs, n->b, 30, 17);
    assert_int_equal(fs_setattr(fs, n->big, &shorter, FS_SET_SIZE, &shorter), 0);
    assert_int_equal(fs_setattr(fs, n->big, &longer, FS_SET_SIZE, &longer), 0);
    assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "many"), 0);
    assert_int_equal(fs_purge(fs, n->many), 0);
    assert_int_equal(lsm_flush(fs_db(fs)), 0);
    damage_write(fs, n->old, 100, 50, 23);
    damage_write(fs, n->old, BLOCK + 100, 50, 24);
    assert_int_equal(fs_rename(fs, FS_ROOT_INO, "sparse", n->dir, "sparse", 0), 0);
    assert_int_equal(lsm_flush(fs_db(fs)), 0);
}

/* What only the log has; each operation makes a state. */
static inline void make_newest(struct damage_store *s, struct fs *fs, struct damage_inos *n)
{
    struct fs_attr mode = {.mode = 0600};
    uint64_t c;

    note_state(s, fs);
    damage_write(fs, n->a, BLOCK + 7, 90, 31);
    note_state(s, fs);
    assert_int_equal(fs_setattr(fs, n->a, &mode, FS_SET_MODE, &mode), 0);
    note_state(s, fs);
    c = damage_mknod(fs, n->dir, "c", S_IFREG | 0644);
    note_state(s, fs);
    damage_write(fs, c, 0, 300, 32);
    note_state(s, fs);
    damage_xattr(fs, c, 8500, 33);
    note_state(s, fs);
    assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "link"), 0);
    note_state(s, fs);
}

static inline void load_files(struct damage_store *s)
{
    DIR *d = opendir(s->path);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d))) {
        struct store_file *f = &s->files[s->file_count];
        char path[600];
        struct stat st;
        int fd;

        if (e->d_name[0] == '.')
            continue;
        assert_true(s->file_count++ < STORE_FILES_MAX);
        snprintf(f->name, sizeof(f->name), "%.60s", e->d_name);
        snprintf(path, sizeof(path), "%s/%s", s->path, f->name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        f->len = (size_t)st.st_size;
        f->data = malloc(f->len + 1);
        assert_non_null(f->data);
        assert_int_equal(read(fd, f->data, f->len), f->len);
        close(fd);
        s->total_len += f->len;
    }
    closedir(d);
}

static inline struct damage_store *damage_new(void)
{
    struct fs_mkfs_options o = {.block_len = BLOCK};
    struct damage_store *s = calloc(1, sizeof(*s));
    struct damage_inos n;
    struct fs *fs;

    assert_non_null(s);
    s->dir = scratch_new();
    snprintf(s->path, sizeof(s->path), "%s/store", s->dir);
    assert_int_equal(fs_mkfs(s->path, &o), 0);
    fs = damage_open(s->path, false, NULL);
    make_oldest(fs, &n);
    make_newer(fs, &n);
    make_newest(s, fs, &n);
    assert_int_equal(fs_close(fs), 0);
    load_files(s);
    return s;
}

static inline void damage_free(struct damage_store *s)
{
    for (size_t i = 0; i < s->file_count; i++)
        free(s->files[i].data);
    for (size_t i = 0; i < s->state_count; i++)
        image_free(&s->states[i]);
    scratch_free(s->dir);
    free(s);
}

/* --- Damaged copies --- */

static inline void put_file(const char *dir, const char *name, const uint8_t *data, size_t len)
{
    char path[600];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static inline void empty_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char path[600];

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(path, sizeof(path), "%.300s/%.255s", dir, e->d_name);
        if (e->d_type == DT_DIR) {
            empty_dir(path);
            rmdir(path);
        } else {
            unlink(path);
        }
    }
    if (d)
        closedir(d);
}

/* The store as it was made. */
static inline void restore(struct damage_store *s)
{
    empty_dir(s->path);
    for (size_t i = 0; i < s->file_count; i++)
        put_file(s->path, s->files[i].name, s->files[i].data, s->files[i].len);
}

/* --- Comparing --- */

struct outcome {
    unsigned missing, errors, wrong, odd; /* odd: attributes or names that differ */
    unsigned same;
    char wrong_path[64];
};

static inline bool is_expected_error(int err)
{
    return lsm_is_damage(err) || err == -ESTALE;
}

static inline void compare_contents(struct fs *fs, uint64_t ino, const struct image_file *f,
                                    struct outcome *o)
{
    bool ok = true;

    for (uint64_t at = 0; at < f->contents.len; at += BLOCK) {
        size_t want = f->contents.len - at < BLOCK ? (size_t)(f->contents.len - at) : BLOCK;
        struct fs_read r;
        int err = fs_read(fs, ino, at, want, &r);
        size_t got = 0;

        if (err) {
            assert_true(is_expected_error(err));
            ok = false;
            continue;
        }
        for (int i = 0; i < r.iov_count; i++) {
            if (memcmp(f->contents.data + at + got, r.iov[i].iov_base, r.iov[i].iov_len)) {
                o->wrong++;
                snprintf(o->wrong_path, sizeof(o->wrong_path), "%s", f->path);
            }
            got += r.iov[i].iov_len;
        }
        if (got != want)
            o->odd++; /* an older length */
        fs_read_done(&r);
    }
    o->same += ok;
    o->errors += !ok;
}

static inline void compare_other(struct fs *fs, const struct fs_attr *a, const struct image_file *f,
                                 struct outcome *o)
{
    static uint8_t value[65536];
    char target[4096];
    ssize_t len = fs_getxattr(fs, a->ino, "user.x", value, sizeof(value));

    if (len < 0 && len != -ENODATA) {
        assert_true(is_expected_error((int)len));
        o->errors++;
    } else if ((len >= 0) != f->has_xattr || (len >= 0 && (size_t)len != f->xattr.len) ||
               (len > 0 && memcmp(value, f->xattr.data, (size_t)len))) {
        o->odd++;
    }
    if (S_ISLNK(a->mode) &&
        (fs_readlink(fs, a->ino, target, sizeof(target)) < 0 || strlen(target) != f->contents.len ||
         memcmp(target, f->contents.data, f->contents.len)))
        o->odd++;
    o->odd += a->mode != f->attr.mode || a->size != f->attr.size || a->nlink != f->attr.nlink ||
              a->mtime.tv_sec != f->attr.mtime.tv_sec || a->mtime.tv_nsec != f->attr.mtime.tv_nsec;
}

static inline void compare_image(struct fs *fs, const struct image *image, struct outcome *ret)
{
    *ret = (struct outcome){0};
    for (size_t i = 0; i < image->count; i++) {
        const struct image_file *f = &image->files[i];
        struct fs_attr a;
        int err = fs_resolve(fs, f->path, &a);

        if (err < 0) {
            assert_true(err == -ENOENT || is_expected_error(err));
            ret->missing += err == -ENOENT;
            ret->errors += err != -ENOENT;
            continue;
        }
        if (S_ISREG(a.mode))
            compare_contents(fs, a.ino, f, ret);
        compare_other(fs, &a, f, ret);
    }
}

static inline bool is_exact(const struct outcome *o)
{
    return !o->missing && !o->errors && !o->wrong && !o->odd;
}

/* Is it one of the states that a torn end of the log leaves? */
static inline bool is_some_state(struct damage_store *s, struct fs *fs)
{
    for (size_t i = s->state_count; i-- > 0;) {
        struct outcome o;

        compare_image(fs, &s->states[i], &o);
        if (is_exact(&o))
            return true;
    }
    return false;
}

/* --- Checking --- */

struct told {
    unsigned problems, lost, old;
    char last[512], all[8192];
};

static inline void note_problem(void *arg, const struct check_problem *p)
{
    struct told *t = arg;
    size_t len = strlen(t->all);

    t->problems++;
    t->lost += p->kind == CHECK_LOST;
    t->old += p->kind == CHECK_OLD;
    snprintf(t->all + len, sizeof(t->all) - len, "    %s: %s: %s\n", check_kind_name(p->kind),
             p->path ? p->path : "", p->text);
}

static inline void note_info(void *arg, const char *text)
{
    struct told *t = arg;
    size_t len = strlen(t->all);

    snprintf(t->all + len, sizeof(t->all) - len, "    (%s)\n", text);
}

static inline int check_at(const char *path, enum check_store_mode mode, struct told *told,
                           struct check_store_result *ret)
{
    struct check_options o = {.problem = note_problem, .info = note_info, .arg = told};
    struct check_result found;

    *told = (struct told){0};
    return check_store_run(path, mode, &o, &found, ret);
}

/* All that fsck -y does. *ret_left: what is left to be done. */
static inline int repair_at(const char *path, struct told *told, uint64_t *ret_left)
{
    struct repair_options o = {
        .check = {.skip_store = true, .problem = note_problem, .info = note_info, .arg = told}};
    struct check_store_result store;
    struct repair_result result;
    struct lsm_options lo;
    struct lsm_db *db;
    int close_err, err = check_at(path, CHECK_STORE_ALL, told, &store);

    if (err)
        return err;
    if (!store.openable || store.damage_left)
        return -EUCLEAN;
    super_store_options(&lo);
    err = lsm_open(path, &lo, &db);
    if (err)
        return err;
    err = repair_run(db, &o, &result);
    *ret_left = result.last.problem_count + result.gave_up;
    close_err = lsm_close(db);
    return err ? err : close_err;
}

#endif
