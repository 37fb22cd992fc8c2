/*
 * A store of several levels to be damaged and repaired, beside the model of what it holds.
 *
 * Every put value says itself which key it belongs to and which of the key's values it is, and the
 * rest of it follows from that: so a value that was never written is noticed whatever the damage.
 */
#ifndef TESTS_UNIT_DB_REPAIR_FIXTURE_H
#define TESTS_UNIT_DB_REPAIR_FIXTURE_H

#include "lib/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/kv_model.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/lsm.h"

enum {
    KEY_COUNT = 1500,
    VALUE_LEN_RANDOM = 500,
    FILE_COUNT_MAX = 512
};

struct store {
    char *dir;
    struct lsm_options options;
    struct kv_model model;
    struct rng rng;
    unsigned versions[KEY_COUNT]; /* values written of each key */
    struct buf told;              /* by the last repair, a line each: "FILE: TEXT\n" */
};

/* --- Values --- */

static inline struct slice key_of(unsigned n, char buf[16])
{
    return slice_of(buf, (size_t)sprintf(buf, "key%05u", n));
}

static inline void value_of(unsigned n, unsigned version, struct buf *ret)
{
    struct rng rng = {(uint64_t)n << 32 | version};
    size_t len = 12 + (size_t)rng_below(&rng, VALUE_LEN_RANDOM);

    ret->len = 0;
    CHECK(!buf_reserve(ret, len));
    for (size_t i = 0; i < len; i++)
        ret->data[i] = (uint8_t)rng_next(&rng);
    ret->len = len;
    memcpy(ret->data, &n, 4);
    memcpy(ret->data + 4, &version, 4);
}

/* Was this value ever written for the key? */
static inline bool value_was_written(const struct store *s, struct slice key, struct slice value)
{
    struct buf want = {0};
    unsigned n, version;
    bool same;

    if (key.len != 8 || sscanf((const char *)key.data, "key%5u", &n) != 1 || value.len < 12)
        return false;
    memcpy(&version, value.data + 4, 4);
    if (n >= KEY_COUNT || version > s->versions[n])
        return false;
    value_of(n, version, &want);
    same = slice_eq(buf_slice(&want), value);
    buf_free(&want);
    return same;
}

/* --- Building --- */

static inline void store_init(struct store *s, uint64_t seed)
{
    *s = (struct store){.dir = scratch_new(), .rng = {seed}};
    lsm_options_default(&s->options);
    s->options.cache_bytes = 1 << 20;
    s->options.memtable_len = 64 << 10;
    s->options.table_len = 64 << 10;
    s->options.level_base_len = 64 << 10;
    s->options.level_ratio = 3;
    s->options.block_len = 1 << 10;
    s->options.worker_count = 1;
}

static inline struct lsm_db *store_open(struct store *s)
{
    struct lsm_db *db;

    if (lsm_open(s->dir, &s->options, &db))
        fail_msg("open: %s", lsm_detail());
    return db;
}

static inline void put_random(struct store *s, struct lsm_batch *b, unsigned n, struct slice key)
{
    struct buf value = {0};

    value_of(n, ++s->versions[n], &value);
    assert_int_equal(lsm_batch_put(b, key.data, key.len, value.data, value.len), 0);
    kv_put(&s->model, key, buf_slice(&value));
    buf_free(&value);
}

/* One operation; patches in a part of them if asked for. */
static inline void random_op(struct store *s, struct lsm_batch *b, bool patches)
{
    char key_buf[16], end_buf[16];
    unsigned n = (unsigned)rng_below(&s->rng, KEY_COUNT), what = (unsigned)rng_below(&s->rng, 100);
    struct slice key = key_of(n, key_buf), end;

    if (what < 12) {
        assert_int_equal(lsm_batch_delete(b, key.data, key.len), 0);
        kv_delete(&s->model, key);
    } else if (what < 14) {
        end = key_of(n + 1 + (unsigned)rng_below(&s->rng, 8), end_buf);
        assert_int_equal(lsm_batch_delete_range(b, key.data, key.len, end.data, end.len), 0);
        kv_delete_range(&s->model, key, end);
    } else if (what < 40 && patches) {
        size_t offset = (size_t)rng_below(&s->rng, 300);

        assert_int_equal(lsm_batch_patch(b, key.data, key.len, offset, &s->rng, 8), 0);
        kv_patch(&s->model, key, offset, slice_of(&s->rng, 8));
    } else {
        put_random(s, b, n, key);
    }
}

static inline void store_write(struct store *s, struct lsm_db *db, unsigned count, bool patches)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    for (unsigned i = 0; i < count; i++) {
        lsm_batch_clear(b);
        random_op(s, b, patches);
        assert_int_equal(lsm_write(db, b, i % 64 == 63 ? LSM_WRITE_SYNC : 0), 0);
    }
    lsm_batch_free(b);
}

/*
 * Tables in several levels, and a log with what was written last; values of blob_len_min bytes and
 * more in blob files.
 */
static inline void store_build_blobs(struct store *s, uint64_t seed, bool patches,
                                     size_t blob_len_min)
{
    struct lsm_db *db;

    store_init(s, seed);
    s->options.blob_len_min = blob_len_min;
    s->options.blob_file_len = 64 << 10;
    s->options.create = true;
    db = store_open(s);
    s->options.create = false;
    store_write(s, db, 6000, patches);
    assert_int_equal(lsm_flush(db), 0);
    store_write(s, db, 120, patches);
    assert_int_equal(lsm_close(db), 0);
}

static inline void store_build(struct store *s, uint64_t seed, bool patches)
{
    store_build_blobs(s, seed, patches, 16 << 10);
}

static inline void store_free(struct store *s)
{
    scratch_free(s->dir);
    kv_clear(&s->model);
    buf_free(&s->told);
}

/* --- Files --- */

struct file_copy {
    char name[256];
    struct buf bytes;
};

/* The plain files but LOCK, by name. */
struct files {
    struct file_copy files[FILE_COUNT_MAX];
    size_t count;
};

static inline int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct file_copy *)a)->name, ((const struct file_copy *)b)->name);
}

static inline void read_file(const char *path, struct buf *ret)
{
    FILE *f = fopen(path, "rb");
    uint8_t bytes[4096];
    size_t len;

    assert_non_null(f);
    while ((len = fread(bytes, 1, sizeof(bytes), f)) > 0)
        CHECK(!buf_append(ret, bytes, len));
    fclose(f);
}

static inline void files_read(const char *dir, struct files *ret)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    memset(ret, 0, sizeof(*ret));
    assert_non_null(d);
    while ((e = readdir(d))) {
        struct file_copy *f = &ret->files[ret->count];

        if (e->d_type != DT_REG || strcmp(e->d_name, "LOCK") == 0)
            continue;
        assert_true(ret->count < FILE_COUNT_MAX);
        snprintf(f->name, sizeof(f->name), "%s", e->d_name);
        read_file(scratch_path(dir, e->d_name), &f->bytes);
        ret->count++;
    }
    closedir(d);
    qsort(ret->files, ret->count, sizeof(ret->files[0]), compare_names);
}

static inline void files_free(struct files *f)
{
    for (size_t i = 0; i < f->count; i++)
        buf_free(&f->files[i].bytes);
    f->count = 0;
}

static inline void expect_same_files(const struct files *a, const struct files *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_true(slice_eq(buf_slice(&a->files[i].bytes), buf_slice(&b->files[i].bytes)));
    }
}

/* Put the directory back to what it was, without `lost`. */
static inline void files_restore(const char *dir, const struct files *f)
{
    struct files *now = calloc(1, sizeof(*now));
    char path[300];

    snprintf(path, sizeof(path), "%s/lost", dir);
    if (access(path, F_OK) == 0) {
        files_read(path, now);
        for (size_t i = 0; i < now->count; i++)
            unlink(scratch_path(path, now->files[i].name));
        files_free(now);
        assert_int_equal(rmdir(path), 0);
    }
    files_read(dir, now);
    for (size_t i = 0; i < now->count; i++)
        unlink(scratch_path(dir, now->files[i].name));
    files_free(now);
    free(now);
    for (size_t i = 0; i < f->count; i++) {
        FILE *out = fopen(scratch_path(dir, f->files[i].name), "wb");

        assert_non_null(out);
        if (f->files[i].bytes.len)
            assert_int_equal(fwrite(f->files[i].bytes.data, f->files[i].bytes.len, 1, out), 1);
        assert_int_equal(fclose(out), 0);
    }
}

static inline bool name_ends(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);

    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static inline bool is_kind(const char *name, const char *kind)
{
    return kind[0] == '.' ? name_ends(name, kind) : strncmp(name, kind, strlen(kind)) == 0;
}

/* The nth file whose name begins with `kind`, or ends with it if that is ".suffix"; NULL: none. */
static inline const char *find_file(struct store *s, const char *kind, unsigned nth)
{
    static char found[256];
    static struct files f;
    bool any = false;

    files_read(s->dir, &f);
    for (size_t i = 0; i < f.count && !any; i++) {
        if (!is_kind(f.files[i].name, kind) || nth-- > 0)
            continue;
        snprintf(found, sizeof(found), "%s", f.files[i].name);
        any = true;
    }
    files_free(&f);
    return any ? found : NULL;
}

static inline unsigned count_files(struct store *s, const char *kind)
{
    unsigned count = 0;

    while (find_file(s, kind, count))
        count++;
    return count;
}

static inline uint64_t file_len(struct store *s, const char *name)
{
    struct stat st;

    assert_int_equal(stat(scratch_path(s->dir, name), &st), 0);
    return (uint64_t)st.st_size;
}

static inline void flip_byte(struct store *s, const char *name, uint64_t offset)
{
    int fd = open(scratch_path(s->dir, name), O_RDWR | O_CLOEXEC);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x41;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static inline void cut_file(struct store *s, const char *name, uint64_t len)
{
    assert_int_equal(truncate(scratch_path(s->dir, name), (off_t)len), 0);
}

static inline void remove_file(struct store *s, const char *name)
{
    assert_int_equal(unlink(scratch_path(s->dir, name)), 0);
}

static inline bool is_lost(struct store *s, const char *name)
{
    char path[300];

    snprintf(path, sizeof(path), "lost/%s", name);
    return access(scratch_path(s->dir, path), F_OK) == 0;
}

/* --- Repair --- */

static inline int note_told(void *arg, const char *file, const char *text)
{
    struct store *s = arg;

    return buf_printf(&s->told, "%s: %s\n", file, text);
}

static inline int repair(struct store *s, bool dry_run)
{
    int answer;

    s->told.len = 0;
    CHECK(!buf_append(&s->told, "", 0));
    answer = lsm_repair(s->dir, &s->options, dry_run, note_told, s);
    if (answer < 0)
        fail_msg("repair: %s", lsm_detail());
    return answer;
}

static inline bool was_told(const struct store *s, const char *text)
{
    return s->told.len && strstr((const char *)s->told.data, text);
}

static inline int print_damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    (void)arg;
    print_error("verify: %s at %llu: %s\n", file, (unsigned long long)offset, text);
    return 0;
}

/*
 * A dry run finds as much as the repair, and changes nothing; a second repair finds nothing. What
 * was told is that of the repair.
 */
static inline int repair_all_ways(struct store *s)
{
    struct files *before = calloc(2, sizeof(*before)), *after = before + 1;
    struct buf told;
    int found, dry;

    files_read(s->dir, before);
    dry = repair(s, true);
    files_read(s->dir, after);
    expect_same_files(before, after);
    files_free(after);
    found = repair(s, false);
    assert_int_equal(found, dry);
    told = s->told;
    s->told = (struct buf){0};
    if (repair(s, true) != 0)
        fail_msg("a second repair finds: %.*s", (int)s->told.len, (const char *)s->told.data);
    buf_free(&s->told);
    s->told = told;
    files_free(before);
    free(before);
    return found;
}

/* --- Checking --- */

static inline void expect_verified(struct lsm_db *db)
{
    assert_int_equal(lsm_verify(db, print_damage, NULL, NULL), 0);
}

/* Exactly what the model has. */
static inline void expect_model(struct store *s, struct lsm_db *db)
{
    struct lsm_iter *it;
    size_t i = 0;

    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (int more = lsm_iter_first(it); more; more = lsm_iter_next(it), i++) {
        size_t key_len, value_len;
        const void *key, *value;

        assert_int_equal(more, 1);
        key = lsm_iter_key(it, &key_len);
        value = lsm_iter_value(it, &value_len);
        assert_true(i < s->model.count);
        if (!slice_eq(buf_slice(&s->model.pairs[i].key), slice_of(key, key_len)))
            fail_msg("key %zu is %.*s instead of %.*s", i, (int)key_len, (const char *)key,
                     (int)s->model.pairs[i].key.len, (const char *)s->model.pairs[i].key.data);
        if (!slice_eq(buf_slice(&s->model.pairs[i].value), slice_of(value, value_len)))
            fail_msg("another value of %.*s", (int)key_len, (const char *)key);
    }
    lsm_iter_free(it);
    assert_int_equal(i, s->model.count);
    for (i = 0; i < s->model.count; i++) {
        const struct kv_pair *p = &s->model.pairs[i];
        struct lsm_value v;

        assert_int_equal(lsm_get(db, NULL, p->key.data, p->key.len, &v), 0);
        assert_true(slice_eq(buf_slice(&p->value), slice_of(v.data, v.len)));
        lsm_value_done(&v);
    }
}

/* Every value is one that was written; *ret_same counts keys that are as the model has them. */
static inline void expect_written(struct store *s, struct lsm_db *db, size_t *ret_same)
{
    *ret_same = 0;
    for (unsigned n = 0; n < KEY_COUNT; n++) {
        char buf[16];
        struct slice key = key_of(n, buf);
        const struct kv_pair *p = kv_get(&s->model, key);
        struct lsm_value v;
        int err = lsm_get(db, NULL, key.data, key.len, &v);

        assert_true(err == 0 || err == -ENOENT);
        if (!err && !value_was_written(s, key, slice_of(v.data, v.len)))
            fail_msg("%.*s has a value that was never written", (int)key.len, buf);
        *ret_same += err ? !p : p && slice_eq(buf_slice(&p->value), slice_of(v.data, v.len));
        lsm_value_done(&v);
    }
}

/* Opens, is whole, holds the model, and can be written to. */
static inline void expect_all_there(struct store *s)
{
    struct lsm_db *db = store_open(s);

    expect_verified(db);
    expect_model(s, db);
    store_write(s, db, 50, false);
    expect_model(s, db);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    expect_model(s, db);
    expect_verified(db);
    assert_int_equal(lsm_close(db), 0);
}

/* Opens and is whole; at least `same_min` of the keys are as they were, the rest is old or gone. */
static inline void expect_most_there(struct store *s, size_t same_min)
{
    struct lsm_db *db = store_open(s);
    size_t same;

    expect_verified(db);
    expect_written(s, db, &same);
    if (same < same_min)
        fail_msg("only %zu of %d keys are as they were", same, KEY_COUNT);
    assert_int_equal(lsm_put(db, "after", 5, "repair", 6, LSM_WRITE_SYNC), 0);
    assert_int_equal(lsm_close(db), 0);
}

#endif
