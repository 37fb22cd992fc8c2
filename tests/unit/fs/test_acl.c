/*
 * ACLs: what is a list and what not, how lists and modes follow each other, what new objects
 * inherit, and what the store keeps of it.
 */
#include "fs/acl_xattr.h"
#include "lib/rng.h"
#include "unit/fs/fs_fixture.h"

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* A list as an attribute's value, being made. */
struct text {
    uint8_t data[ACL_LEN_MAX + ACL_ENTRY_LEN];
    size_t len;
};

static void add(struct text *t, unsigned tag, unsigned perm, uint32_t id)
{
    put_le32(t->data + t->len, tag | perm << 16);
    put_le32(t->data + t->len + 4, id);
    t->len += ACL_ENTRY_LEN;
}

static struct text begin(void)
{
    struct text t = {.len = ACL_HEAD_LEN};

    put_le32(t.data, 2);
    return t;
}

/* Owner, owning group, others; without anybody else. */
static struct text minimal(unsigned mode)
{
    struct text t = begin();

    add(&t, ACL_TAG_USER_OBJ, mode >> 6 & 7, ACL_ID_NONE);
    add(&t, ACL_TAG_GROUP_OBJ, mode >> 3 & 7, ACL_ID_NONE);
    add(&t, ACL_TAG_OTHER, mode & 7, ACL_ID_NONE);
    return t;
}

/* u::owner,u:2000:user,g::group,m::mask,o::other */
static struct text named(unsigned owner, unsigned user, unsigned group, unsigned mask,
                         unsigned other)
{
    struct text t = begin();

    add(&t, ACL_TAG_USER_OBJ, owner, ACL_ID_NONE);
    add(&t, ACL_TAG_USER, user, 2000);
    add(&t, ACL_TAG_GROUP_OBJ, group, ACL_ID_NONE);
    add(&t, ACL_TAG_MASK, mask, ACL_ID_NONE);
    add(&t, ACL_TAG_OTHER, other, ACL_ID_NONE);
    return t;
}

static int decode(const struct text *t)
{
    uint8_t *exact = malloc(t->len ? t->len : 1); /* so that a read behind it is seen */
    struct acl a;
    int err;

    memcpy(exact, t->data, t->len);
    err = acl_decode(exact, t->len, &a);
    free(exact);
    return err;
}

static int set(struct fixture *f, uint64_t ino, const char *name, const struct text *t)
{
    return fs_setxattr(f->fs, ino, name, t->data, t->len, 0);
}

static void expect(struct fixture *f, uint64_t ino, const char *name, const struct text *t)
{
    uint8_t buf[ACL_LEN_MAX];

    assert_int_equal(fs_getxattr(f->fs, ino, name, buf, sizeof(buf)), t->len);
    assert_memory_equal(buf, t->data, t->len);
    assert_int_equal(fs_getxattr(f->fs, ino, name, NULL, 0), t->len);
    assert_int_equal(fs_getxattr(f->fs, ino, name, buf, t->len - 1), -ERANGE);
}

static void expect_none(struct fixture *f, uint64_t ino, const char *name)
{
    uint8_t buf[8];

    assert_int_equal(fs_getxattr(f->fs, ino, name, buf, sizeof(buf)), -ENODATA);
}

static uint32_t mode_of(struct fixture *f, uint64_t ino)
{
    return attr_of(f->fs, ino).mode & 07777;
}

static void chmod_to(struct fixture *f, uint64_t ino, uint32_t mode)
{
    struct fs_attr a = {.mode = mode}, changed;

    assert_int_equal(fs_setattr(f->fs, ino, &a, FS_SET_MODE, &changed), 0);
}

/* --- The rules, without a store --- */

static void lists_of_every_shape_are_taken_and_given_back(void **state)
{
    struct text lists[4] = {minimal(0640), named(7, 6, 5, 4, 0), begin(), begin()};

    (void)state;
    add(&lists[2], ACL_TAG_USER_OBJ, 7, ACL_ID_NONE);
    add(&lists[2], ACL_TAG_USER, 1, 7);
    add(&lists[2], ACL_TAG_USER, 2, 5);
    add(&lists[2], ACL_TAG_USER, 0, 5);
    add(&lists[2], ACL_TAG_GROUP_OBJ, 0, ACL_ID_NONE);
    add(&lists[2], ACL_TAG_GROUP, 7, 0);
    add(&lists[2], ACL_TAG_GROUP, 7, UINT32_MAX - 1);
    add(&lists[2], ACL_TAG_MASK, 3, ACL_ID_NONE);
    add(&lists[2], ACL_TAG_OTHER, 4, ACL_ID_NONE);
    for (int i = 0; i < 4; i++) {
        uint8_t buf[ACL_LEN_MAX];
        struct acl a;

        assert_int_equal(acl_decode(lists[i].data, lists[i].len, &a), 0);
        assert_int_equal(acl_encode(&a, buf), lists[i].len);
        assert_memory_equal(buf, lists[i].data, lists[i].len);
    }
}

static void what_is_no_list_is_refused(void **state)
{
    static const struct {
        unsigned tags[6], perm;
        uint32_t id;
    } bad[] = {
        {{1, 4}, 7, 0},                         /* no others */
        {{1, 0x20}, 7, 0},                      /* no owning group */
        {{4, 0x20}, 7, 0},                      /* no owner */
        {{1, 2, 4, 0x20}, 7, 1},                /* a user without a mask */
        {{1, 4, 8, 0x20}, 7, 1},                /* a group without a mask */
        {{1, 1, 4, 0x20}, 7, 1},                /* two owners */
        {{1, 4, 4, 0x20}, 7, 1},                /* two owning groups */
        {{1, 4, 0x10, 0x10, 0x20}, 7, 1},       /* two masks */
        {{1, 4, 0x20, 0x20}, 7, 1},             /* others twice */
        {{1, 4, 2, 0x10, 0x20}, 7, 1},          /* out of order */
        {{4, 1, 0x20}, 7, 1},                   /* the same */
        {{1, 4, 0x20, 0x10}, 7, 1},             /* the same */
        {{1, 4, 0x20}, 8, 1},                   /* a permission that there is not */
        {{1, 2, 4, 0x10, 0x20}, 7, UINT32_MAX}, /* nobody's id */
        {{1, 3, 4, 0x10, 0x20}, 7, 1},          /* an unknown tag */
        {{1, 4, 0x20, 0x40}, 7, 1},             /* another */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct text t = begin();

        for (int j = 0; j < 6 && bad[i].tags[j]; j++)
            add(&t, bad[i].tags[j], bad[i].perm, bad[i].id);
        if (decode(&t) != -EINVAL)
            fail_msg("list %zu was not refused", i);
    }
}

static void bytes_that_are_cut_or_too_many_are_refused(void **state)
{
    struct text t = named(7, 7, 7, 7, 7);

    (void)state;
    for (size_t len = t.len - 1; len != 0; len--) {
        struct text cut = t;

        cut.len = len;
        assert_int_equal(decode(&cut), len == ACL_HEAD_LEN ? 0 : -EINVAL);
    }
    t.data[0] = 1;
    assert_int_equal(decode(&t), -EOPNOTSUPP);
    t = begin();
    add(&t, ACL_TAG_USER_OBJ, 7, 0);
    for (size_t i = 0; i < ACL_ENTRY_COUNT_MAX - 4; i++)
        add(&t, ACL_TAG_USER, 7, (uint32_t)i);
    add(&t, ACL_TAG_GROUP_OBJ, 7, 0);
    add(&t, ACL_TAG_MASK, 7, 0);
    add(&t, ACL_TAG_OTHER, 7, 0);
    assert_int_equal(t.len, ACL_LEN_MAX);
    assert_int_equal(decode(&t), 0);
    add(&t, ACL_TAG_OTHER, 7, 0);
    assert_int_equal(decode(&t), -E2BIG);
}

static void random_bytes_are_refused_or_are_a_list(void **state)
{
    struct rng r = {rng_seed(4711)};
    unsigned taken = 0;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        struct text t = named(7, 7, 7, 7, 7);
        uint8_t again[ACL_LEN_MAX];
        struct acl a, b;

        for (uint64_t n = 1 + rng_below(&r, 2); n; n--)
            t.data[rng_below(&r, t.len)] = (uint8_t)rng_below(&r, 64);
        if (acl_decode(t.data, t.len, &a) || !a.count)
            continue;
        taken++;
        assert_int_equal(acl_decode(again, acl_encode(&a, again), &b), 0);
        assert_int_equal(a.count, b.count);
        assert_int_equal(acl_mode(&a), acl_mode(&b));
    }
    assert_true(taken > 1000);
}

static void a_mode_shows_the_mask_and_sets_it(void **state)
{
    struct text t = named(7, 7, 5, 6, 4), u = minimal(0751);
    struct acl a;

    (void)state;
    assert_int_equal(acl_decode(t.data, t.len, &a), 0);
    assert_true(acl_has_mask(&a));
    assert_int_equal(acl_mode(&a), 0764);
    acl_set_mode(&a, 0100421);
    assert_int_equal(acl_mode(&a), 0421);
    assert_int_equal(a.entries[2].perm, 5); /* the owning group keeps its own */
    assert_int_equal(acl_decode(u.data, u.len, &a), 0);
    assert_false(acl_has_mask(&a));
    assert_int_equal(acl_mode(&a), 0751);
    acl_set_mode(&a, 0124);
    assert_int_equal(acl_mode(&a), 0124);
}

/* --- Inodes --- */

static void a_list_sets_the_mode_and_the_mode_the_list(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct text t = named(6, 7, 5, 4, 1), changed = named(7, 7, 5, 0, 3);

    expect_none(f, ino, ACCESS);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(mode_of(f, ino), 0641);
    expect(f, ino, ACCESS, &t);
    chmod_to(f, ino, 04703);
    expect(f, ino, ACCESS, &changed);
    fixture_reopen(f);
    expect(f, ino, ACCESS, &changed);
    assert_int_equal(mode_of(f, ino), 04703);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(mode_of(f, ino), 04641);
}

static void a_list_that_is_all_mode_is_not_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct text t = minimal(0751), full = named(7, 7, 7, 7, 7);

    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(mode_of(f, ino), 0751);
    expect_none(f, ino, ACCESS);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 0);
    assert_int_equal(set(f, ino, ACCESS, &full), 0);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 1);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(mode_of(f, ino), 0751);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 0);
    assert_int_equal(fs_listxattr(f->fs, ino, NULL, 0), 0);
}

static void a_list_with_a_mask_alone_is_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct text t = begin();

    add(&t, ACL_TAG_USER_OBJ, 6, ACL_ID_NONE);
    add(&t, ACL_TAG_GROUP_OBJ, 7, ACL_ID_NONE);
    add(&t, ACL_TAG_MASK, 1, ACL_ID_NONE);
    add(&t, ACL_TAG_OTHER, 0, ACL_ID_NONE);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(mode_of(f, ino), 0610);
    expect(f, ino, ACCESS, &t);
}

static void lists_are_removed(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir");
    struct text t = named(7, 6, 5, 4, 0), none = begin();

    assert_int_equal(fs_removexattr(f->fs, dir, ACCESS), 0);
    assert_int_equal(fs_removexattr(f->fs, dir, DEFAULT), 0);
    assert_int_equal(set(f, dir, ACCESS, &t), 0);
    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    expect(f, dir, DEFAULT, &t);
    assert_int_equal(fs_listxattr(f->fs, dir, NULL, 0), sizeof(ACCESS) + sizeof(DEFAULT));
    assert_int_equal(fs_removexattr(f->fs, dir, ACCESS), 0);
    assert_int_equal(mode_of(f, dir), 0740); /* the mask's bits stay */
    expect_none(f, dir, ACCESS);
    expect(f, dir, DEFAULT, &t);
    assert_int_equal(set(f, dir, DEFAULT, &none), 0);
    expect_none(f, dir, DEFAULT);
    assert_int_equal(set(f, dir, DEFAULT, &none), 0);
    assert_int_equal(fs_setxattr(f->fs, dir, ACCESS, NULL, 0, 0), 0);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 0);
}

static void lists_that_are_none_or_out_of_place_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file"), dir = make_dir(f->fs, 1, "dir");
    struct text t = named(7, 7, 7, 7, 7), none = begin();
    struct fs_attr link;

    assert_int_equal(fs_symlink(f->fs, 1, "link", "file", &cred0, &link), 0);
    assert_int_equal(set(f, ino, DEFAULT, &t), -EACCES);
    assert_int_equal(set(f, ino, DEFAULT, &none), 0);
    expect_none(f, ino, DEFAULT);
    assert_int_equal(set(f, link.ino, ACCESS, &t), -EOPNOTSUPP);
    assert_int_equal(fs_getxattr(f->fs, link.ino, ACCESS, NULL, 0), -EOPNOTSUPP);
    assert_int_equal(fs_removexattr(f->fs, link.ino, ACCESS), -EOPNOTSUPP);
    t.len--;
    assert_int_equal(set(f, ino, ACCESS, &t), -EINVAL);
    assert_int_equal(set(f, dir, DEFAULT, &t), -EINVAL);
    assert_int_equal(set(f, 4711, ACCESS, &t), -ESTALE);
    assert_int_equal(fs_setxattr(f->fs, ino, "system.posix_acl_accessx", "", 0, 0), -EOPNOTSUPP);
    assert_int_equal(fs_setxattr(f->fs, ino, "system.posix_acl", "", 0, 0), -EOPNOTSUPP);
    assert_int_equal(mode_of(f, ino), 0644);
}

static void the_setgid_bit_goes_when_asked(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make(f->fs, 1, "dir", S_IFDIR | 02755);
    struct text t = named(7, 7, 7, 5, 5), u = minimal(0755);

    assert_int_equal(set(f, dir, ACCESS, &t), 0);
    assert_int_equal(mode_of(f, dir), 02755);
    assert_int_equal(fs_setxattr(f->fs, dir, DEFAULT, t.data, t.len, FS_XATTR_KILL_SGID), 0);
    assert_int_equal(mode_of(f, dir), 02755);
    assert_int_equal(fs_setxattr(f->fs, dir, ACCESS, t.data, t.len, FS_XATTR_KILL_SGID), 0);
    assert_int_equal(mode_of(f, dir), 0755);
    chmod_to(f, dir, 06755);
    assert_int_equal(fs_setxattr(f->fs, dir, ACCESS, u.data, u.len, FS_XATTR_KILL_SGID), 0);
    assert_int_equal(mode_of(f, dir), 04755);
}

static void changing_a_list_changes_ctime(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    struct fs_attr old = {.mtime = {5, 5}, .ctime = {5, 5}}, a;
    struct text t = named(6, 6, 6, 6, 6);

    assert_int_equal(fs_setattr(f->fs, ino, &old, FS_SET_MTIME | FS_SET_CTIME, &a), 0);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    a = attr_of(f->fs, ino);
    assert_true(time_is(&a.mtime, 5, 5) && a.ctime.tv_sec > 5);
}

/* --- What new objects get --- */

static uint64_t make_with_umask(struct fixture *f, uint64_t dir, const char *name, uint32_t mode,
                                uint32_t umask)
{
    struct fs_cred cred = {.uid = 1000, .gid = 1000, .umask = umask};
    struct fs_attr a;

    assert_int_equal(fs_mknod(f->fs, dir, name, mode, 0, &cred, &a), 0);
    assert_int_equal(a.mode, attr_of(f->fs, a.ino).mode);
    return a.ino;
}

static void without_a_default_list_the_umask_counts(void **state)
{
    struct fixture *f = *state;
    struct fs_cred cred = {.umask = 0777};
    struct fs_attr a;

    assert_int_equal(mode_of(f, make_with_umask(f, 1, "f", S_IFREG | 06777, 0137)), 06640);
    assert_int_equal(mode_of(f, make_with_umask(f, 1, "d", S_IFDIR | 01777, 022)), 01755);
    assert_int_equal(mode_of(f, make_with_umask(f, 1, "p", S_IFIFO | 0666, 0)), 0666);
    assert_int_equal(mode_of(f, make_with_umask(f, 1, "g", S_IFREG | 07777, ~0u)), 07000);
    assert_int_equal(fs_symlink(f->fs, 1, "l", "f", &cred, &a), 0);
    assert_int_equal(a.mode, S_IFLNK | 0777);
}

static void a_default_list_counts_instead_of_the_umask(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), file, sub, below;
    struct text t = named(7, 6, 5, 7, 1);
    struct text in_file = named(6, 6, 5, 6, 0), in_dir = named(7, 6, 5, 5, 1);
    struct fs_attr link;

    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    file = make_with_umask(f, dir, "file", S_IFREG | 0666, 077);
    assert_int_equal(mode_of(f, file), 0660);
    expect(f, file, ACCESS, &in_file);
    expect_none(f, file, DEFAULT);
    sub = make_with_umask(f, dir, "sub", S_IFDIR | 02755, 077);
    assert_int_equal(mode_of(f, sub), 02751);
    expect(f, sub, ACCESS, &in_dir);
    expect(f, sub, DEFAULT, &t);
    below = make_with_umask(f, sub, "below", S_IFSOCK | 0606, 077);
    assert_int_equal(mode_of(f, below), 0600);
    assert_int_equal(fs_symlink(f->fs, dir, "link", "x", &cred0, &link), 0);
    assert_int_equal(link.mode, S_IFLNK | 0777);
    assert_int_equal(fs_listxattr(f->fs, link.ino, NULL, 0), 0);
    fixture_reopen(f);
    expect(f, file, ACCESS, &in_file);
    expect(f, sub, DEFAULT, &t);
}

static void a_default_list_that_is_all_mode_leaves_none_on_files(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), ino;
    struct text t = minimal(0730);

    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    ino = make_with_umask(f, dir, "file", S_IFREG | 0666, 077);
    assert_int_equal(mode_of(f, ino), 0620);
    expect_none(f, ino, ACCESS);
    ino = make_with_umask(f, dir, "sub", S_IFDIR | 0777, 077);
    assert_int_equal(mode_of(f, ino), 0730);
    expect_none(f, ino, ACCESS);
    expect(f, ino, DEFAULT, &t);
}

static void lists_go_with_their_inode(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), sub;
    struct text t = named(7, 6, 5, 7, 1);

    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    sub = make_dir(f->fs, dir, "sub");
    assert_int_equal(key_count(f->fs, KEY_XATTR), 3);
    assert_int_equal(fs_rmdir(f->fs, dir, "sub"), 0);
    assert_int_equal(fs_purge(f->fs, sub), 0);
    assert_int_equal(key_count(f->fs, KEY_XATTR), 1);
}

static void a_full_list_of_names_takes_no_acl(void **state)
{
    struct fixture *f = *state;
    uint64_t ino = make_file(f->fs, 1, "file");
    char name[FS_XATTR_NAME_LEN_MAX + 1];
    struct text t = named(7, 7, 7, 7, 7);

    memset(name, 'n', sizeof(name));
    name[FS_XATTR_NAME_LEN_MAX] = 0;
    memcpy(name, "user.", 5);
    for (unsigned i = 0; i < 256; i++) {
        name[5] = (char)('a' + i / 16);
        name[6] = (char)('a' + i % 16);
        assert_int_equal(fs_setxattr(f->fs, ino, name, "", 0, 0), 0);
    }
    assert_int_equal(set(f, ino, ACCESS, &t), -ENOSPC);
    assert_int_equal(mode_of(f, ino), 0644);
    assert_int_equal(fs_removexattr(f->fs, ino, name), 0);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, name, "", 0, 0), -ENOSPC);
}

/* --- Off, and damaged --- */

static void lists_that_are_off_are_kept_true_by_chmod(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir"), ino = make_file(f->fs, 1, "file"), made;
    struct text t = named(7, 6, 5, 4, 3), changed = named(6, 6, 5, 0, 0);
    struct fs_options o = {.no_acl = true, .log = fixture_log, .log_arg = f};
    char buf[64];

    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    assert_int_equal(set(f, ino, ACCESS, &t), 0);
    assert_int_equal(fs_setxattr(f->fs, ino, "user.x", "1", 1, 0), 0);
    assert_int_equal(fs_close(f->fs), 0);
    assert_int_equal(fs_open(f->path, &o, &f->fs), 0);
    assert_int_equal(fs_getxattr(f->fs, ino, ACCESS, buf, sizeof(buf)), -EOPNOTSUPP);
    assert_int_equal(set(f, ino, ACCESS, &t), -EOPNOTSUPP);
    assert_int_equal(fs_removexattr(f->fs, ino, ACCESS), -EOPNOTSUPP);
    assert_int_equal(fs_listxattr(f->fs, ino, buf, sizeof(buf)), 7);
    assert_string_equal(buf, "user.x");
    chmod_to(f, ino, 0600);
    made = make_with_umask(f, dir, "made", S_IFREG | 0666, 027);
    assert_int_equal(mode_of(f, made), 0640);
    fixture_reopen(f);
    expect(f, ino, ACCESS, &changed);
    expect_none(f, made, ACCESS);
}

static void put_raw(struct fixture *f, uint64_t ino, const char *name, const struct text *t)
{
    struct key k;

    key_xattr(&k, ino, name, strlen(name));
    assert_int_equal(lsm_put(fs_db(f->fs), k.data, k.len, t->data, t->len, 0), 0);
}

static void damaged_lists_let_nobody_in(void **state)
{
    struct fixture *f = *state;
    uint64_t dir = make_dir(f->fs, 1, "dir");
    struct text t = named(7, 7, 7, 7, 7), none = begin(), plain = minimal(0);
    struct fs_attr a;
    struct key k;
    char buf[64];

    assert_int_equal(set(f, dir, ACCESS, &t), 0);
    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    put_raw(f, dir, ACCESS, &t); /* with permissions of its own */
    assert_int_equal(fs_getxattr(f->fs, dir, ACCESS, buf, 64), -ERR_XATTR_RECORD);
    assert_int_equal(f->log_errors, 1);
    put_raw(f, dir, ACCESS, &plain);
    assert_int_equal(fs_getxattr(f->fs, dir, ACCESS, buf, 64), -ERR_XATTR_RECORD);
    put_raw(f, dir, DEFAULT, &none);
    assert_int_equal(fs_getxattr(f->fs, dir, DEFAULT, buf, 64), -ERR_XATTR_RECORD);
    assert_int_equal(fs_mknod(f->fs, dir, "x", S_IFREG | 0600, 0, &cred0, &a), -ERR_XATTR_RECORD);
    key_xattr(&k, dir, DEFAULT, strlen(DEFAULT));
    assert_int_equal(lsm_delete(fs_db(f->fs), k.data, k.len, 0), 0);
    assert_int_equal(fs_getxattr(f->fs, dir, DEFAULT, buf, 64), -ERR_XATTR_RECORD);
    assert_non_null(strstr(f->log_last, "missing"));
    assert_int_equal(set(f, dir, ACCESS, &t), 0);
    expect(f, dir, ACCESS, &t);
    assert_int_equal(set(f, dir, DEFAULT, &t), 0);
    assert_int_equal(fs_mknod(f->fs, dir, "x", S_IFREG | 0600, 0, &cred0, &a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_every_shape_are_taken_and_given_back),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(bytes_that_are_cut_or_too_many_are_refused),
        cmocka_unit_test(random_bytes_are_refused_or_are_a_list),
        cmocka_unit_test(a_mode_shows_the_mask_and_sets_it),
        FS_TEST(a_list_sets_the_mode_and_the_mode_the_list),
        FS_TEST(a_list_that_is_all_mode_is_not_kept),
        FS_TEST(a_list_with_a_mask_alone_is_kept),
        FS_TEST(lists_are_removed),
        FS_TEST(lists_that_are_none_or_out_of_place_are_refused),
        FS_TEST(the_setgid_bit_goes_when_asked),
        FS_TEST(changing_a_list_changes_ctime),
        FS_TEST(without_a_default_list_the_umask_counts),
        FS_TEST(a_default_list_counts_instead_of_the_umask),
        FS_TEST(a_default_list_that_is_all_mode_leaves_none_on_files),
        FS_TEST(lists_go_with_their_inode),
        FS_TEST(a_full_list_of_names_takes_no_acl),
        FS_TEST(lists_that_are_off_are_kept_true_by_chmod),
        FS_TEST(damaged_lists_let_nobody_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
