/*
 * Several kinds of damage at once that get into each other's way: whole stretches of keys gone,
 * directories in each other, wrong records, lists without inodes, damage to lost+found itself. A
 * repair ends, a second one finds nothing, and what was not damaged is as it was.
 *
 * TEST_SEED repeats a run of the random ones; TEST_ROUNDS makes it longer.
 */
#include "lsm/base/err.h"
#include "unit/fs/crooked.h"

static void expect_repaired(struct fixture *f)
{
    repair(f, false);
    expect_clean(f);
    assert_int_equal(repair(f, false).done, 0);
    everything_agrees(f->fs);
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
    fs_close(f->fs);
    assert_int_equal(fixture_open(f, false), 0);
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

/* Of what is below one name of the root, if that can be found. */
static void repair_part(struct crooked *c)
{
    struct repair_run_arg arg = {.only_safe = !below(c, 3),
                                 .verbose = getenv("REPAIR_VERBOSE") != NULL};
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
        assert_true(r.last.problem_count <= arg.failed);
}

static void one_round(uint64_t seed)
{
    struct crooked *c = calloc(1, sizeof(*c));
    void *state;

    assert_non_null(c);
    c->d.rng.state = seed;
    assert_int_equal(fixture_setup(&state), 0);
    c->f = state;
    grow_crooked(c);
    crook(c, 1 + (unsigned)below(c, 12));
    for (uint64_t n = below(c, 2) * below(c, 4); n; n--)
        repair_part(c);
    if (below(c, 2))
        repair(c->f, true);
    repair(c->f, false);
    expect_clean(c->f);
    assert_untouched(&c->d, fs_db(c->f->fs), &c->before);
    fixture_reopen(c->f);
    expect_usable(c->f);
    fixture_free(c->f);
    kv_clear(&c->before);
    free(c);
}

static void crooked_stores_are_repaired(void **state)
{
    (void)state;
    damage_rounds(one_round, 100);
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
