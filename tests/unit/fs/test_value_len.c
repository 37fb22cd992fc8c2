/*
 * A store that was made to harm: a few bytes of a patch say that the block of a file is a gibibyte
 * long. Whoever mounts, reads, checks or repairs it does so in less memory than that.
 */
#include "damage_fixture.h"

#include <sys/resource.h>

#include "lsm/base/err.h"

enum {
    MEMORY_LEN = 768 << 20 /* bytes of addresses */
};

/* The sanitizers' own memory is most of their programs'. */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
#ifndef __SANITIZE_THREAD__
    struct rlimit limit = {MEMORY_LEN, MEMORY_LEN};

    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
#endif
#endif
}

static void patch_far(struct lsm_batch *b, const struct key *k)
{
    assert_int_equal(lsm_batch_patch(b, k->data, k->len, LSM_VALUE_LEN_MAX - 1, "x", 1), 0);
}

static uint64_t make_file(struct fs *fs, const char *name)
{
    static const struct fs_cred cred = {0};
    static uint8_t bytes[3 * BLOCK];
    struct fs_attr a;

    memset(bytes, 'b', sizeof(bytes));
    assert_int_equal(fs_mknod(fs, 1, name, S_IFREG | 0644, 0, &cred, &a), 0);
    assert_int_equal(fs_write(fs, a.ino, 0, bytes, sizeof(bytes)), 0);
    return a.ino;
}

/* As the file system does it, a file's record is written anew after its contents. */
static void touch(struct lsm_db *db, struct lsm_batch *b, uint64_t ino)
{
    struct lsm_value v;
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    assert_int_equal(lsm_get(db, NULL, k.data, k.len, &v), 0);
    assert_int_equal(lsm_batch_put(b, k.data, k.len, v.data, v.len), 0);
    lsm_value_done(&v);
}

/* The claims are about block 1 of the file `bad`, and its attribute. */
static void harm(const char *path, uint64_t bad, bool flush)
{
    struct lsm_options o;
    struct lsm_batch *b;
    struct lsm_db *db;
    struct key k;

    super_store_options(&o);
    o.value_len_max = LSM_VALUE_LEN_MAX;
    assert_int_equal(lsm_open(path, &o, &db), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    key_block(&k, bad, 1);
    patch_far(b, &k);
    key_xattr(&k, bad, "user.x", 6);
    patch_far(b, &k);
    touch(db, b, bad);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    if (flush)
        assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_close(db), 0);
}

static void build(const char *path, bool flush)
{
    struct fs_mkfs_options mo = {.block_len = BLOCK};
    struct fs_options o = {0};
    struct fs *fs;
    uint64_t bad;

    assert_int_equal(fs_mkfs(path, &mo), 0);
    assert_int_equal(fs_open(path, &o, &fs), 0);
    bad = make_file(fs, "bad");
    make_file(fs, "good");
    assert_int_equal(fs_setxattr(fs, bad, "user.x", "value", 5, 0), 0);
    assert_int_equal(fs_close(fs), 0);
    harm(path, bad, flush);
}

static int read_block(struct fs *fs, const char *name, unsigned block)
{
    struct fs_attr attr;
    struct fs_read r;
    int err;

    assert_true(fs_lookup(fs, 1, name, &attr) >= 0);
    err = fs_read(fs, attr.ino, (uint64_t)block * BLOCK, BLOCK, &r);
    if (!err)
        fs_read_done(&r);
    return lsm_errno(err);
}

static void expect_others(const char *path, int xattr_errno)
{
    struct fs_options o = {0};
    struct fs_attr attr;
    uint8_t value[8];
    struct fs *fs;

    assert_int_equal(fs_open(path, &o, &fs), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(read_block(fs, "good", i), 0);
    assert_int_equal(read_block(fs, "bad", 0), 0);
    assert_int_equal(read_block(fs, "bad", 1), EIO);
    assert_int_equal(read_block(fs, "bad", 2), 0);
    assert_true(fs_lookup(fs, 1, "bad", &attr) >= 0);
    assert_int_equal(lsm_errno((int)fs_getxattr(fs, attr.ino, "user.x", value, sizeof(value))),
                     xattr_errno);
    assert_int_equal(fs_close(fs), 0);
}

/* fsck -n names the file and the bytes, fsck -y repairs, after which fsck is content. */
static void expect_repair(const char *path, bool openable)
{
    static struct told told;
    struct check_store_result result;
    uint64_t left = 0;

    assert_int_equal(check_at(path, CHECK_STORE_LOOK, &told, &result), 0);
    assert_true(result.damage_left);
    assert_int_equal(result.openable, openable);
    assert_non_null(strstr(told.all, "a value of 1073741824 bytes"));
    assert_int_equal(repair_at(path, &told, &left), 0);
    assert_int_equal(left, 0);
    assert_non_null(strstr(told.all, "/bad: bytes 4096 to 8191"));
    expect_others(path, ENODATA);
    assert_int_equal(check_at(path, CHECK_STORE_LOOK, &told, &result), 0);
    assert_false(result.damage_left);
}

static void a_block_that_claims_a_gibibyte_is_an_error_of_that_block(void **state)
{
    char *dir = scratch_new(), path[300];

    (void)state;
    snprintf(path, sizeof(path), "%s/store", dir);
    build(path, true);
    expect_others(path, EIO);
    expect_repair(path, true);
    scratch_free(dir);
}

static void a_log_with_such_a_block_is_repaired(void **state)
{
    char *dir = scratch_new(), path[300];
    struct fs_options o = {0};
    struct fs *fs;

    (void)state;
    snprintf(path, sizeof(path), "%s/store", dir);
    build(path, false);
    assert_int_equal(fs_open(path, &o, &fs), -ERR_VALUE_LEN);
    expect_repair(path, false);
    scratch_free(dir);
}

/* The mark of a lost block is the longest value there is. */
static void a_lost_block_of_the_longest_kind_is_no_damage(void **state)
{
    struct fs_mkfs_options mo = {.block_len = FS_BLOCK_LEN_MAX};
    char *dir = scratch_new(), path[300];
    struct lsm_options o;
    struct lsm_value v;
    struct lsm_batch *b;
    struct lsm_db *db;
    struct key k;

    (void)state;
    snprintf(path, sizeof(path), "%s/store", dir);
    assert_int_equal(fs_mkfs(path, &mo), 0);
    super_store_options(&o);
    assert_int_equal(lsm_open(path, &o, &db), 0);
    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(block_mark_lost(b, 1000, 0, FS_BLOCK_LEN_MAX), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
    assert_int_equal(lsm_flush(db), 0);
    key_block(&k, 1000, 0);
    assert_int_equal(lsm_get(db, NULL, k.data, k.len, &v), 0);
    assert_true(block_is_lost(v.data, v.len, FS_BLOCK_LEN_MAX));
    lsm_value_done(&v);
    assert_int_equal(lsm_verify(db, NULL, NULL, NULL), 0);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_claims_a_gibibyte_is_an_error_of_that_block),
        cmocka_unit_test(a_log_with_such_a_block_is_repaired),
        cmocka_unit_test(a_lost_block_of_the_longest_kind_is_no_damage),
    };

    limit_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
