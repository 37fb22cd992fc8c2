/*
 * Several kinds of damage at once that get into each other's way: whole stretches of keys gone,
 * directories in each other, wrong records, lists without inodes, damage to lost+found itself. A
 * repair ends, a second one finds nothing, and what was not damaged is as it was.
 *
 * TEST_SEED repeats a run of the random ones; TEST_ROUNDS makes it longer.
 */
#include "fs/acl_xattr.h"
#include "lsm/base/err.h"
#include "unit/fs/damage.h"

static void expect_repaired(struct fixture *f)
{
    repair(f, false);
    expect_clean(f);
    assert_int_equal(repair(f, false).done, 0);
    everything_agrees(f->fs);
}

static void del_record(struct fixture *f, uint64_t ino)
{
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    del(f, &k);
}

/* An older record of the root is back, the newest files' records are gone, and lost+found is made.
 */
static void a_lost_inode_keeps_its_number_when_the_next_number_is_too_low(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    uint64_t unnamed = make_file(f->fs, FS_ROOT_INO, "unnamed"), victim, only_named;
    struct inode root;
    struct kv_model before;
    char name[64];

    victim = make_file(f->fs, FS_ROOT_INO, "victim");
    assert_int_equal(fs_write(f->fs, victim, 0, "contents", 8), 0);
    assert_int_equal(fs_setxattr(f->fs, victim, "user.a", "1", 1, 0), 0);
    only_named = make_file(f->fs, FS_ROOT_INO, "only named");
    drop_entry(f, FS_ROOT_INO, "unnamed");
    del_record(f, victim);
    del_record(f, only_named);
    take_keys(fs_db(f->fs), &before);
    root = load(f, FS_ROOT_INO);
    root.size--;
    root.next_slot = victim & 0xffff;
    store(f, &root);
    expect_repaired(f);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "victim"), victim);
    assert_true(S_ISREG(load(f, victim).mode));
    assert_int_equal(in_lost_found(f, number_name(unnamed, "", name)), unnamed);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_same_but(f, &before, (uint64_t[]){FS_ROOT_INO, unnamed, only_named}, 3);
    kv_clear(&before);
}

static void list_as_orphan(struct fixture *f, uint64_t ino)
{
    struct key k;

    key_ino(&k, KEY_ORPHAN, ino);
    put(f, &k, "", 0);
}

/* The next mount deletes orphans, and with this one the way to what it holds. */
static void a_directory_with_entries_is_no_orphan(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode dir = load(f, t.dir), root = load(f, FS_ROOT_INO);
    char name[64];

    drop_entry(f, FS_ROOT_INO, "dir");
    root.size--;
    root.nlink--;
    store(f, &root);
    dir.nlink = 0;
    store(f, &dir);
    list_as_orphan(f, t.dir);
    expect(f, 1, CHECK_ORPHAN, NULL, "is a directory with 3 entries");
    expect_repaired(f);
    fixture_reopen(f);
    expect_clean(f);
    assert_int_equal(in_lost_found(f, number_name(t.dir, "", name)), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
}

static void nor_is_one_whose_record_is_lost(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    char name[64];

    drop_entry(f, FS_ROOT_INO, "dir");
    del_record(f, t.dir);
    list_as_orphan(f, t.dir);
    expect_repaired(f);
    fixture_reopen(f);
    expect_clean(f);
    assert_int_equal(in_lost_found(f, number_name(t.dir, "", name)), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
}

/* --- By chance --- */

/* u::rwx,u:7:r-x,g::r-x,m::r-x,o::r-x */
static const uint8_t list[] = {
    2,    0, 0, 0,                     /* version */
    0x01, 0, 7, 0, 255, 255, 255, 255, /* owner */
    0x02, 0, 5, 0, 7,   0,   0,   0,   /* user 7 */
    0x04, 0, 5, 0, 255, 255, 255, 255, /* owning group */
    0x10, 0, 5, 0, 255, 255, 255, 255, /* mask */
    0x20, 0, 5, 0, 255, 255, 255, 255, /* others */
};

struct crooked {
    struct fixture *f;
    struct damage d;
    struct kv_model before;
    uint64_t dirs[64], files[256];
    size_t dir_count, file_count;
    uint64_t lost; /* lost+found; 0: none */
};

static uint64_t below(struct crooked *c, uint64_t n)
{
    return rng_below(&c->d.rng, n);
}

static uint64_t any_dir(struct crooked *c)
{
    return c->dirs[below(c, c->dir_count)];
}

static uint64_t any_file(struct crooked *c)
{
    return c->file_count ? c->files[below(c, c->file_count)] : FS_ROOT_INO;
}

/* An inode, or a number that none has. */
static uint64_t any_number(struct crooked *c)
{
    switch (below(c, 4)) {
    case 0:
        return any_dir(c);
    case 1:
        return below(c, 6) << 16 | below(c, 20);
    default:
        return any_file(c);
    }
}

static void take_inodes(struct crooked *c)
{
    for (size_t i = 0; i < c->before.count; i++) {
        const struct kv_pair *p = &c->before.pairs[i];
        struct inode in;
        uint64_t ino;

        if (p->key.data[0] != KEY_INODE)
            continue;
        ino = get_be64(p->key.data + 1);
        assert_int_equal(inode_decode(ino, p->value.data, p->value.len, &in), 0);
        if (S_ISDIR(in.mode) && c->dir_count < 64)
            c->dirs[c->dir_count++] = ino;
        else if (!S_ISDIR(in.mode) && c->file_count < 256)
            c->files[c->file_count++] = ino;
    }
}

/* The record as it is by now; false when there is none. A symlink's target is not kept. */
static bool record(struct crooked *c, uint64_t ino, struct inode *ret)
{
    struct lsm_value v;
    struct key k;
    bool good;

    touch(&c->d, ino);
    key_ino(&k, KEY_INODE, ino);
    if (lsm_get(fs_db(c->f->fs), NULL, k.data, k.len, &v))
        return false;
    good = !inode_decode(ino, v.data, v.len, ret) && !S_ISLNK(ret->mode);
    lsm_value_done(&v);
    return good;
}

/* Keys that follow each other, as in a table or a block of one. */
static void lose_stretch(struct crooked *c)
{
    static const char tags[] = "DIBX";
    uint8_t tag = (uint8_t)tags[below(c, 4)];
    uint64_t skip = below(c, 40), count = 1 + below(c, below(c, 2) ? 400 : 8);

    for (size_t i = 0; i < c->before.count && count; i++) {
        const struct kv_pair *p = &c->before.pairs[i];

        if (p->key.data[0] != tag)
            continue;
        if (skip) {
            skip--;
            continue;
        }
        count--;
        touch_key(&c->d, slice_of_buf(&p->key), slice_of_buf(&p->value));
        assert_int_equal(lsm_delete(fs_db(c->f->fs), p->key.data, p->key.len, 0), 0);
    }
}

/* Take all names of a directory away. */
static void lose_names(struct crooked *c, uint64_t ino)
{
    for (size_t i = 0; i < c->before.count; i++) {
        struct slice key = slice_of_buf(&c->before.pairs[i].key);
        struct slice value = slice_of_buf(&c->before.pairs[i].value);

        if (key.data[0] != KEY_DIRENT || key_owner(key, value) != ino)
            continue;
        touch_key(&c->d, key, value);
        assert_int_equal(lsm_delete(fs_db(c->f->fs), key.data, key.len, 0), 0);
    }
}

static void add_name(struct crooked *c, uint64_t parent, const char *name, uint64_t ino,
                     uint32_t type)
{
    touch(&c->d, parent);
    touch(&c->d, ino);
    add_entry(c->f, parent, name, ino, type);
}

/* Which directory of a loop is taken out depends on all: none of them is looked at afterwards. */
static void misplace_dir(struct crooked *c)
{
    uint64_t dir = any_dir(c);
    char name[32];

    for (size_t i = 0; i < c->dir_count; i++)
        touch(&c->d, c->dirs[i]);
    if (dir != FS_ROOT_INO && below(c, 3))
        lose_names(c, dir);
    snprintf(name, sizeof(name), "misplaced%llu", (unsigned long long)below(c, 3));
    add_name(c, below(c, 4) ? any_dir(c) : any_number(c), name, dir, S_IFDIR);
}

static void misname(struct crooked *c)
{
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};
    char name[32];

    snprintf(name, sizeof(name), "n%llu", (unsigned long long)below(c, 40));
    if (!below(c, 4))
        snprintf(name, sizeof(name), "lost+found");
    /* It may take the place of another. */
    c->d.names = true;
    for (size_t i = 0; i < c->before.count; i++) {
        const struct kv_pair *p = &c->before.pairs[i];

        if (p->key.data[0] == KEY_DIRENT &&
            slice_eq(slice_of(p->key.data + KEY_DIRENT_HEAD_LEN, p->key.len - KEY_DIRENT_HEAD_LEN),
                     slice_str(name)))
            touch_key(&c->d, slice_of_buf(&p->key), slice_of_buf(&p->value));
    }
    add_name(c, any_number(c), name, any_number(c), types[below(c, 4)]);
}

static void crook_list(struct crooked *c)
{
    uint64_t ino = any_number(c);
    struct inode in;
    struct key k;

    acl_key(&k, ino, below(c, 2) ? ACL_ACCESS : ACL_DEFAULT);
    touch(&c->d, ino);
    put(c->f, &k, list, below(c, 3) ? sizeof(list) : (size_t)below(c, sizeof(list)));
    if (below(c, 2) && record(c, ino, &in)) {
        in.flags = (uint32_t)below(c, 8);
        store(c->f, &in);
    }
}

static void crook_record(struct crooked *c)
{
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK};
    struct inode in;

    if (!record(c, below(c, 2) ? any_dir(c) : any_file(c), &in))
        return;
    switch (below(c, 6)) {
    case 0:
        in.mode = (in.mode & ~(uint32_t)S_IFMT) | types[below(c, 4)];
        break;
    case 1:
        in.next_slot = (uint32_t)below(c, 8);
        break;
    case 2:
        in.group = below(c, 6);
        break;
    case 3:
        in.nlink = (uint32_t)below(c, 5);
        break;
    case 4:
        in.parent = any_number(c);
        break;
    default:
        in.size = below(c, BLOCK_LEN * 6);
        in.block_count = below(c, 4);
    }
    store(c->f, &in);
}

static void crook_block(struct crooked *c)
{
    static uint8_t data[BLOCK_LEN + 100];
    uint64_t ino = any_number(c);

    touch(&c->d, ino);
    memset(data, 'b', sizeof(data));
    put_block(c->f, ino, below(c, 12), data,
              below(c, 2) ? BLOCK_LEN : (size_t)below(c, sizeof(data)));
}

/* The orphan's mark, or the counter of groups. */
static void crook_fact(struct crooked *c)
{
    struct key k;
    uint64_t ino = any_number(c);

    if (!below(c, 3)) {
        assert_int_equal(super_write_group_next(fs_db(c->f->fs), 1 + below(c, 3)), 0);
        return;
    }
    touch(&c->d, ino);
    key_ino(&k, KEY_ORPHAN, ino);
    put(c->f, &k, "", 0);
}

/* The place where repairs put what they find. */
static void crook_lost_found(struct crooked *c)
{
    uint64_t lost = c->lost;
    struct inode in;

    if (!lost)
        return;
    touch(&c->d, FS_ROOT_INO);
    switch (below(c, 5)) {
    case 0:
        add_name(c, lost, "lost+found", lost, S_IFDIR);
        break;
    case 1:
        add_name(c, FS_ROOT_INO, "lost+found", any_number(c), S_IFDIR);
        touch(&c->d, lost);
        break;
    case 2:
        del_record(c->f, lost);
        touch(&c->d, lost);
        break;
    case 3:
        if (record(c, lost, &in)) {
            in.mode = S_IFREG | 0600;
            store(c->f, &in);
        }
        break;
    default:
        add_name(c, any_dir(c), "moved", lost, S_IFDIR);
        drop_entry(c->f, FS_ROOT_INO, "lost+found");
    }
}

static void damage_key(struct crooked *c)
{
    damage_one(&c->d, fs_db(c->f->fs), &c->before);
}

static void grow_crooked(struct crooked *c)
{
    struct fs *fs = c->f->fs;
    struct fs_attr a;

    random_tree(c->f, &c->d.rng, 20 + (unsigned)below(c, 50));
    if (below(c, 2)) {
        c->lost = make_dir(fs, FS_ROOT_INO, "lost+found");
        random_file(c->f, &c->d.rng, make_file(fs, c->lost, "#65537"));
        make_file(fs, make_dir(fs, c->lost, "#131072"), "n1");
    }
    take_keys(fs_db(fs), &c->before);
    take_inodes(c);
    kv_clear(&c->before);
    for (int i = 0; i < 4; i++) {
        uint64_t ino = below(c, 2) ? any_dir(c) : any_file(c);

        assert_int_equal(fs_getattr(fs, ino, &a), 0);
        if (!S_ISLNK(a.mode))
            assert_int_equal(fs_setxattr(fs, ino, "system.posix_acl_access", list, sizeof(list), 0),
                             0);
    }
    assert_int_equal(fs_setxattr(fs, any_dir(c), "system.posix_acl_default", list, sizeof(list), 0),
                     0);
    take_keys(fs_db(fs), &c->before);
}

/* Of what is below one name of the root, if that can be found. */
static void repair_part(struct crooked *c)
{
    struct repair_run_arg arg = {.only_safe = !below(c, 3)};
    char path[32];
    struct repair_options o = {
        .check = {.problem = repair_told, .skip_store = true, .path = path, .arg = &arg},
        .decide = repair_decide,
        .outcome = repair_outcome};
    struct repair_result r;
    int err;

    snprintf(path, sizeof(path), "/n%llu", (unsigned long long)below(c, 20));
    if (!below(c, 4))
        snprintf(path, sizeof(path), "/lost+found");
    err = repair_run(fs_db(c->f->fs), &o, &r);
    assert_true(!err || err == -ENOENT || err == -ENOTDIR || lsm_is_damage(err) ||
                err == -ERR_NO_FILE_SYSTEM);
    assert_false(r.gave_up);
    if (!err && !arg.only_safe)
        assert_int_equal(r.last.problem_count, arg.failed);
}

static void one_round(uint64_t seed)
{
    static void (*const kinds[])(struct crooked * c) = {
        lose_stretch, misplace_dir, misname,          crook_list, crook_record,
        crook_block,  crook_fact,   crook_lost_found, damage_key,
    };
    struct crooked *c = calloc(1, sizeof(*c));
    void *state;

    assert_non_null(c);
    c->d.rng.state = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    assert_int_equal(fixture_setup(&state), 0);
    c->f = state;
    grow_crooked(c);
    for (uint64_t n = 1 + below(c, 12); n; n--)
        kinds[below(c, sizeof(kinds) / sizeof(kinds[0]))](c);
    for (uint64_t n = below(c, 2) * below(c, 4); n; n--)
        repair_part(c);
    if (below(c, 2))
        repair(c->f, true);
    repair(c->f, false);
    expect_clean(c->f);
    assert_untouched(&c->d, fs_db(c->f->fs), &c->before);
    fixture_reopen(c->f);
    make_file(c->f->fs, make_dir(c->f->fs, FS_ROOT_INO, "after the repair"), "file");
    everything_agrees(c->f->fs);
    expect_clean(c->f);
    assert_int_equal(fs_close(c->f->fs), 0);
    fixture_free(c->f);
    kv_clear(&c->before);
    free(c);
}

static void crooked_stores_are_repaired(void **state)
{
    const char *rounds = getenv("TEST_ROUNDS");
    uint64_t seed = rng_seed(1), count = rounds ? strtoull(rounds, NULL, 0) : 100;

    (void)state;
    if (getenv("TEST_SEED") && !rounds)
        count = 1;
    for (uint64_t i = 0; i < count; i++)
        one_round(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(a_lost_inode_keeps_its_number_when_the_next_number_is_too_low),
        CHECK_TEST(a_directory_with_entries_is_no_orphan),
        CHECK_TEST(nor_is_one_whose_record_is_lost),
        cmocka_unit_test(crooked_stores_are_repaired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
