/*
 * The inode record: whatever is encoded is decoded again, and nothing else is accepted.
 */
#include "unit/fs/fs_fixture.h"

static struct inode sample(uint32_t type)
{
    struct inode in = {
        .ino = 65537,
        .mode = type | 0640,
        .uid = 1000,
        .gid = 4294967294u,
        .nlink = 3,
        .btime = {1700000000, 123456789},
        .atime = {1700000000, 123456789},
        .mtime = {1700000001, 0},
        .ctime = {1700000001, 0},
    };

    if (type == S_IFREG) {
        in.size = 1234567890123;
        in.block_count = 18838;
        in.flags = INODE_HAS_XATTR;
    } else if (type == S_IFDIR) {
        in.size = 5;
        in.parent = 1;
        in.group = INODE_GROUP_END - 1;
        in.next_slot = INODE_SLOT_COUNT;
    } else if (type == S_IFLNK) {
        in.target = slice_str("../some/where");
        in.size = in.target.len;
    } else if (type == S_IFCHR || type == S_IFBLK) {
        in.rdev = 0xffffffffffffffff;
    }
    return in;
}

static bool time_same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void assert_same(const struct inode *a, const struct inode *b)
{
    assert_int_equal(a->ino, b->ino);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_int_equal(a->nlink, b->nlink);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->block_count, b->block_count);
    assert_int_equal(a->rdev, b->rdev);
    assert_int_equal(a->parent, b->parent);
    assert_int_equal(a->group, b->group);
    assert_int_equal(a->next_slot, b->next_slot);
    assert_true(time_same(a->btime, b->btime));
    assert_true(time_same(a->atime, b->atime));
    assert_true(time_same(a->mtime, b->mtime));
    assert_true(time_same(a->ctime, b->ctime));
    assert_true(slice_eq(a->target, b->target));
}

static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};

static void every_type_comes_back_as_it_was(void **state)
{
    uint8_t buf[INODE_RECORD_LEN_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct inode in = sample(types[i]), out;
        size_t len = inode_encode(&in, buf);

        assert_int_equal(inode_decode(in.ino, buf, len, &out), 0);
        assert_same(&in, &out);
    }
}

static void the_longest_record_fits_its_buffer(void **state)
{
    static char target[FS_SYMLINK_LEN_MAX];
    uint8_t buf[INODE_RECORD_LEN_MAX];
    struct inode in = sample(S_IFLNK), out;
    size_t len;

    (void)state;
    memset(target, 't', sizeof(target));
    in.target = slice_of(target, sizeof(target));
    in.size = sizeof(target);
    in.uid = in.gid = in.nlink = UINT32_MAX;
    in.btime = (struct timespec){INT64_MIN, 1};
    in.atime = (struct timespec){INT64_MIN, 2};
    in.mtime = (struct timespec){INT64_MIN, 3};
    in.ctime = (struct timespec){INT64_MIN, 4};
    len = inode_encode(&in, buf);
    assert_true(len <= sizeof(buf));
    assert_int_equal(inode_decode(in.ino, buf, len, &out), 0);
    assert_same(&in, &out);
}

static void times_of_any_age_keep_their_nanoseconds(void **state)
{
    static const int64_t secs[] = {0,          -1,         INT64_MIN,  INT64_MAX,   -2147483649,
                                   2147483648, 4294967296, 1700000000, -62135596800};
    uint8_t buf[INODE_RECORD_LEN_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(secs) / sizeof(*secs); i++) {
        struct inode in = sample(S_IFREG), out;

        in.atime = (struct timespec){secs[i], 999999999};
        in.mtime = (struct timespec){secs[i], 0};
        in.ctime = in.mtime;
        assert_int_equal(inode_decode(in.ino, buf, inode_encode(&in, buf), &out), 0);
        assert_same(&in, &out);
    }
}

static void a_new_files_record_is_short(void **state)
{
    uint8_t buf[INODE_RECORD_LEN_MAX];
    struct inode in = sample(S_IFREG);

    (void)state;
    in.gid = 1000;
    in.size = 1000;
    in.block_count = 1;
    in.mtime = in.ctime = in.btime;
    assert_true(inode_encode(&in, buf) <= 24);
}

static void a_record_cut_anywhere_or_longer_is_refused(void **state)
{
    uint8_t buf[INODE_RECORD_LEN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        struct inode in = sample(types[i]), out;
        size_t len = inode_encode(&in, buf);

        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *exact = malloc(cut ? cut : 1); /* so that a read behind it is seen */

            memcpy(exact, buf, cut);
            assert_int_equal(inode_decode(in.ino, exact, cut, &out), -ERR_INODE_RECORD);
            free(exact);
        }
        buf[len] = 0;
        assert_int_equal(inode_decode(in.ino, buf, len + 1, &out), -ERR_INODE_RECORD);
        assert_non_null(strstr(err_detail(), "inode 65537"));
    }
}

static int decode_changed(uint32_t type, void (*change)(struct inode *in))
{
    uint8_t buf[INODE_RECORD_LEN_MAX];
    struct inode in = sample(type), out;

    change(&in);
    return inode_decode(in.ino, buf, inode_encode(&in, buf), &out);
}

static void set_bad_nsec(struct inode *in)
{
    in->atime.tv_nsec = 1000000000;
}
static void set_bad_flags(struct inode *in)
{
    in->flags = 8;
}
static void set_acl_without_xattr(struct inode *in)
{
    in->flags = INODE_HAS_ACL;
}
static void set_acl(struct inode *in)
{
    in->flags = INODE_HAS_XATTR | INODE_HAS_ACL;
}
static void set_default_acl(struct inode *in)
{
    in->flags = INODE_HAS_XATTR | INODE_HAS_DEFAULT_ACL;
}
static void set_bad_type(struct inode *in)
{
    in->mode = 0030644;
}
static void set_bad_mode(struct inode *in)
{
    in->mode |= 0200000;
}
static void set_bad_size(struct inode *in)
{
    in->size = (uint64_t)INT64_MAX + 1;
}
static void set_bad_slot(struct inode *in)
{
    in->next_slot = INODE_SLOT_COUNT + 1;
}
static void set_bad_group(struct inode *in)
{
    in->group = INODE_GROUP_END;
}
static void set_bad_parent(struct inode *in)
{
    in->parent = 0;
}
static void set_nul_in_target(struct inode *in)
{
    in->target = slice_of("a\0b", 3);
    in->size = 3;
}

static void fields_out_of_range_are_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_changed(S_IFREG, set_bad_nsec), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFREG, set_bad_flags), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFREG, set_acl_without_xattr), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFLNK, set_acl), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFREG, set_acl), 0);
    assert_int_equal(decode_changed(S_IFREG, set_default_acl), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFDIR, set_default_acl), 0);
    assert_int_equal(decode_changed(S_IFIFO, set_bad_type), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFREG, set_bad_mode), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFREG, set_bad_size), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFDIR, set_bad_size), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFDIR, set_bad_slot), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFDIR, set_bad_group), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFDIR, set_bad_parent), -ERR_INODE_RECORD);
    assert_int_equal(decode_changed(S_IFLNK, set_nul_in_target), -ERR_INODE_RECORD);
}

static void random_bytes_never_harm(void **state)
{
    unsigned seed = 20;
    uint8_t buf[INODE_RECORD_LEN_MAX];

    (void)state;
    for (int round = 0; round < 200000; round++) {
        struct inode in = sample(types[(unsigned)rand_r(&seed) % 7]), out;
        size_t len = inode_encode(&in, buf);

        for (int n = 1 + rand_r(&seed) % 3; n; n--)
            buf[(size_t)rand_r(&seed) % len] = (uint8_t)rand_r(&seed);
        if (inode_decode(in.ino, buf, len, &out) == 0) {
            uint8_t again[INODE_RECORD_LEN_MAX];
            struct inode twice;

            assert_int_equal(inode_decode(in.ino, again, inode_encode(&out, again), &twice), 0);
            assert_same(&out, &twice);
        }
    }
}

static void a_damaged_record_is_named_and_logged_once(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, FS_ROOT_INO, "victim");
    struct fs_attr a;
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, "\1junk", 5, 0), 0);
    assert_int_equal(fs_getattr(f->fs, ino, &a), -ERR_INODE_RECORD);
    assert_int_equal(lsm_errno(-ERR_INODE_RECORD), EIO);
    assert_int_equal(f->log_errors, 1);
    assert_non_null(strstr(f->log_last, "inode 65536"));
}

static void space_is_what_the_blocks_hold(void **state)
{
    struct fixture *f = *state;
    struct inode in = {.mode = S_IFREG, .size = 5000, .block_count = 2};
    struct fs_attr a;

    inode_attr(f->fs, &in, &a);
    assert_int_equal(a.blocks, 10);
    in.block_count = 1;
    inode_attr(f->fs, &in, &a);
    assert_int_equal(a.blocks, 8);
    in.block_count = 0;
    inode_attr(f->fs, &in, &a);
    assert_int_equal(a.blocks, 0);
    in.block_count = UINT64_MAX; /* from a damaged record */
    inode_attr(f->fs, &in, &a);
    assert_true(a.blocks > 0);
    in = (struct inode){.mode = S_IFDIR, .size = 1000};
    inode_attr(f->fs, &in, &a);
    assert_int_equal(a.size, 32768);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_as_it_was),
        cmocka_unit_test(the_longest_record_fits_its_buffer),
        cmocka_unit_test(times_of_any_age_keep_their_nanoseconds),
        cmocka_unit_test(a_new_files_record_is_short),
        cmocka_unit_test(a_record_cut_anywhere_or_longer_is_refused),
        cmocka_unit_test(fields_out_of_range_are_refused),
        cmocka_unit_test(random_bytes_never_harm),
        FS_TEST(a_damaged_record_is_named_and_logged_once),
        FS_TEST(space_is_what_the_blocks_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
