/*
 * Files of a store that are damaged or missing, and wrong keys in what is left of it: one `fsck -y`
 * comes to an end, a second one finds nothing, and the file system opens and works.
 *
 * TEST_SEED repeats a run; TEST_ROUNDS makes it longer.
 */
#include "lsm/base/err.h"
#include "unit/fs/crooked.h"
#include "unit/fs/damage_fixture.h"

/* Removed, cut off, or some bytes of it changed. */
static void damage_file(struct rng *rng, const char *path)
{
    uint8_t bytes[64];
    struct stat st;
    int fd;

    if (!rng_below(rng, 4)) {
        assert_int_equal(unlink(path), 0);
        return;
    }
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    if (st.st_size && !rng_below(rng, 4)) {
        assert_int_equal(ftruncate(fd, (off_t)rng_below(rng, (uint64_t)st.st_size)), 0);
    } else if (st.st_size) {
        size_t len = 1 + (size_t)rng_below(rng, sizeof(bytes));

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rng_next(rng);
        assert_int_equal(pwrite(fd, bytes, len, (off_t)rng_below(rng, (uint64_t)st.st_size)), len);
    }
    close(fd);
}

static int name_cmp(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Tables, blob files and logs; the other files are damaged by test_damage_files.c. */
static void damage_files(struct rng *rng, const char *store, unsigned count)
{
    char names[256][32], path[600];
    size_t name_count = 0;
    DIR *dir = opendir(store);
    struct dirent *e;

    assert_non_null(dir);
    while ((e = readdir(dir)) && name_count < 256) {
        if (strstr(e->d_name, ".sst") || strstr(e->d_name, ".blob") || strstr(e->d_name, ".wal"))
            snprintf(names[name_count++], sizeof(names[0]), "%.31s", e->d_name);
    }
    closedir(dir);
    qsort(names, name_count, sizeof(names[0]), name_cmp);
    for (size_t left = name_count; count && left; count--) {
        size_t i = (size_t)rng_below(rng, left);

        snprintf(path, sizeof(path), "%s/%s", store, names[i]);
        damage_file(rng, path);
        memmove(names[i], names[--left], sizeof(names[0]));
    }
}

/* Some keys in tables, over others in deeper ones, the rest in the log. */
static void make_crooked(struct crooked *c, uint64_t seed)
{
    void *state;

    c->d.rng.state = seed;
    assert_int_equal(fixture_setup(&state), 0);
    c->f = state;
    for (uint64_t n = below(c, 3); n; n--) {
        char name[32];

        snprintf(name, sizeof(name), "early%llu", (unsigned long long)n);
        random_file(c->f, &c->d.rng, make_file(c->f->fs, FS_ROOT_INO, name));
        assert_int_equal(lsm_flush(fs_db(c->f->fs)), 0);
    }
    if (below(c, 2))
        assert_int_equal(lsm_compact_range(fs_db(c->f->fs), NULL, 0, NULL, 0), 0);
    grow_crooked(c);
    if (below(c, 4))
        assert_int_equal(lsm_flush(fs_db(c->f->fs)), 0);
    crook(c, (unsigned)below(c, 10));
    if (below(c, 2))
        assert_int_equal(lsm_flush(fs_db(c->f->fs)), 0);
    fs_close(c->f->fs);
}

/* No inode and no name is left that can be decoded: it could be the store of anything. */
static void assert_nothing_is_left(const char *path)
{
    static const uint8_t tags[] = {KEY_DIRENT, KEY_INODE};
    struct lsm_options o;
    struct lsm_db *db;

    super_store_options(&o);
    assert_int_equal(lsm_open(path, &o, &db), 0);
    for (size_t i = 0; i < sizeof(tags); i++) {
        uint8_t upper = (uint8_t)(tags[i] + 1);
        struct lsm_iter *it;

        assert_int_equal(lsm_iter_new(db, NULL, &tags[i], 1, &upper, 1, &it), 0);
        for (int more = lsm_iter_first(it); more; more = lsm_iter_next(it)) {
            struct slice key, value, name;
            struct inode in;
            uint64_t ino, hash;
            uint32_t type;

            assert_int_equal(more, 1);
            key.data = lsm_iter_key(it, &key.len);
            value.data = lsm_iter_value(it, &value.len);
            if (tags[i] == KEY_INODE)
                assert_int_not_equal(
                    inode_decode(get_be64(key.data + 1), value.data, value.len, &in), 0);
            else
                assert_false(dirent_key_decode(key.data, key.len, &ino, &hash, &name) &&
                             dirent_value_decode(value.data, value.len, &ino, &type));
        }
        lsm_iter_free(it);
    }
    assert_int_equal(lsm_close(db), 0);
}

/* Blocks and ends of files did not agree on one: it is not guessed (fs/repair/repair_facts.c). */
static bool block_len_is_lost(const char *path)
{
    struct lsm_options o;
    struct lsm_value v;
    struct lsm_db *db;
    int err;

    super_store_options(&o);
    assert_int_equal(lsm_open(path, &o, &db), 0);
    err = lsm_get(db, NULL, "Sblock_len", 10, &v);
    if (!err)
        lsm_value_done(&v);
    assert_int_equal(lsm_close(db), 0);
    return err == -ENOENT;
}

/* False: nothing was left to be repaired, or no more can be. */
static bool repair_twice(struct crooked *c)
{
    struct told told, again;
    uint64_t left = 0;
    int err = repair_at(c->f->path, &told, &left);

    if (err == -ERR_NO_FILE_SYSTEM) {
        assert_nothing_is_left(c->f->path);
        return false;
    }
    if (!err && left && block_len_is_lost(c->f->path))
        return false;
    if (err || left)
        fail_msg("%s: %s\n%s", err ? lsm_strerror(err) : "not all was repaired", lsm_detail(),
                 told.all);
    err = repair_at(c->f->path, &again, &left);
    if (err || again.problems || left)
        fail_msg("a second run: %s\n%s\n%s", err ? lsm_detail() : "finds something", told.all,
                 again.all);
    return true;
}

static void one_round(uint64_t seed)
{
    struct crooked *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    make_crooked(c, seed);
    damage_files(&c->d.rng, c->f->path, 1 + (unsigned)below(c, 3));
    if (repair_twice(c)) {
        assert_int_equal(fixture_open(c->f, false), 0);
        expect_usable(c->f);
    }
    fixture_free(c->f);
    kv_clear(&c->before);
    free(c);
}

static void crooked_stores_with_damaged_files_are_repaired(void **state)
{
    (void)state;
    damage_rounds(one_round, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crooked_stores_with_damaged_files_are_repaired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
