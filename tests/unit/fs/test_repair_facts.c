/*
 * Repairs of the superblock's facts and of foreign keys.
 */
#include "fs/lost_mark.h"
#include "fs/super.h"
#include "lsm/base/err.h"
#include "unit/fs/fsck_fixture.h"

static void foreign_keys_are_deleted(void **state)
{
    static const char *const keys[] = {"!", "Zebra", "\xff\xff", "C", "I", "B23", "O", "X", "D"};
    struct fixture *f = *state;
    struct kv_model before;
    struct key k;

    grow(f);
    take_keys(fs_db(f->fs), &before);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(lsm_put(fs_db(f->fs), keys[i], strlen(keys[i]), "v", 1, 0), 0);
    key_block(&k, FS_ROOT_INO, 0);
    k.data[0] = KEY_INODE;
    put(f, &k, "v", 1);
    k.data[0] = KEY_ORPHAN;
    put(f, &k, "v", 1);
    key_ino(&k, KEY_DIRENT, INODE_NUMBER_END);
    put(f, &k, "v", 1);
    key_ino(&k, KEY_INODE, 0);
    put(f, &k, "v", 1);
    expect_repair(f, CHECK_KEY, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void del_fact(struct fixture *f, const char *key)
{
    assert_int_equal(lsm_delete(fs_db(f->fs), key, strlen(key), 0), 0);
}

static void lost_facts_are_written_again(void **state)
{
    static const char *const keys[] = {"Sformat", "Sblock_len", "Suuid", "Screated"};
    struct fixture *f = *state;
    struct kv_model before, now;

    grow(f);
    take_keys(fs_db(f->fs), &before);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        del_fact(f, keys[i]);
        expect_repair(f, CHECK_SUPER, false);
    }
    assert_int_equal(lsm_put(fs_db(f->fs), "Slabel", 6, "te\0st", 5, 0), 0);
    expect_repair(f, CHECK_SUPER, false);
    take_keys(fs_db(f->fs), &now);
    assert_int_equal(get_le32(kv_get(&now, slice_str("Sblock_len"))->value.data), BLOCK_LEN);
    assert_int_equal(kv_get(&now, slice_str("Slabel"))->value.len, 2);
    assert_same_but(f, &before, NULL, 0);
    kv_clear(&before);
    kv_clear(&now);
    fixture_reopen(f);
}

static void del_all_facts(struct fixture *f)
{
    static const char *const keys[] = {"Sformat",  "Ssecret",     "Sblock_len", "Suuid",
                                       "Screated", "Sgroup_next", "Slabel"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        del_fact(f, keys[i]);
}

static void del_tag(struct fixture *f, uint8_t tag)
{
    uint8_t upper = (uint8_t)(tag + 1);
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, &tag, 1, &upper, 1), 0);
    assert_int_equal(lsm_write(fs_db(f->fs), b, 0), 0);
    lsm_batch_free(b);
}

/* -p leaves the facts as they are, and repairs what else is safe. */
static void without_the_format_safe_repairs_are_made(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct repair_run_arg p;
    char name[64];

    del_fact(f, "Sformat");
    assert_int_equal(super_write_group_next(fs_db(f->fs), 1), 0);
    drop_entry(f, FS_ROOT_INO, "fifo");
    change_size(f, FS_ROOT_INO, -1);
    p = repair(f, true);
    assert_true(p.done > 0);
    assert_int_equal(p.declined, 1);
    assert_int_equal(p.failed, 0);
    expect(f, 1, CHECK_SUPER, NULL, "\"format\" is missing");
    repair(f, false);
    expect_clean(f);
    assert_int_equal(in_lost_found(f, number_name(t.fifo, "", name)), t.fifo);
}

/* As after damage that took the blocks of a table with the facts and the root. */
static void without_facts_and_root_a_file_system_is_known_by_its_inodes(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct key k;

    del_all_facts(f);
    key_ino(&k, KEY_INODE, FS_ROOT_INO);
    del(f, &k);
    expect(f, 2, CHECK_SUPER, NULL, "\"format\" is missing");
    assert_true(repair(f, false).done > 0);
    fixture_reopen(f);
    expect_clean(f);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
}

/* As after the loss of the tables with the facts and with all inodes. */
static void without_inodes_a_file_system_is_known_by_its_entries(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    del_all_facts(f);
    del_tag(f, KEY_INODE);
    assert_true(repair(f, false).done > 0);
    fixture_reopen(f);
    expect_clean(f);
    assert_int_equal(repair(f, false).done, 0);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
    assert_int_equal(ino_of(f->fs, t.dir, "hard"), t.file);
    assert_int_equal(load(f, t.file).size, BLOCK_LEN * 2 + 100);
    assert_int_equal(load(f, t.file).nlink, 2);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "sparse"), t.sparse);
}

static void a_store_of_another_program_is_not_taken_for_one(void **state)
{
    struct fixture *f = *state;
    struct repair_options o = {.check = {.skip_store = true}};
    struct repair_result r;
    struct lsm_iter *it;
    struct kv_model before;
    struct key k;
    int more;

    assert_int_equal(lsm_iter_new(fs_db(f->fs), NULL, NULL, 0, NULL, 0, &it), 0);
    for (more = lsm_iter_first(it); more == 1; more = lsm_iter_next(it)) {
        const void *key = lsm_iter_key(it, &k.len);

        assert_int_equal(lsm_delete(fs_db(f->fs), key, k.len, 0), 0);
    }
    lsm_iter_free(it);
    key_ino(&k, KEY_INODE, 77);
    put(f, &k, "a value of 8 and more bytes", 27);
    key_ino(&k, KEY_INODE, FS_ROOT_INO);
    put(f, &k, "that of the root, by chance", 27);
    key_dirent(&k, 77, 123456789, "name", 4);
    put(f, &k, "nine more", 9);
    key_block(&k, 77, 1);
    put(f, &k, "block", 5);
    take_keys(fs_db(f->fs), &before);
    assert_int_equal(repair_run(fs_db(f->fs), &o, &r), -ERR_NO_FILE_SYSTEM);
    assert_same(f, &before);
    kv_clear(&before);
}

static void expect_block_len(struct fixture *f, uint32_t len)
{
    uint8_t right[4];
    struct lsm_value v;

    put_le32(right, len);
    del_fact(f, "Sblock_len");
    repair(f, false);
    assert_int_equal(lsm_get(fs_db(f->fs), NULL, "Sblock_len", 10, &v), 0);
    assert_int_equal(v.len, sizeof(right));
    assert_memory_equal(v.data, right, sizeof(right));
    lsm_value_done(&v);
    expect_clean(f);
}

enum {
    LARGE_LEN = 65536
};

static int large_setup(void **state)
{
    struct fixture *f = fixture_dir();
    struct fs_mkfs_options o = {.block_len = LARGE_LEN, .label = "test"};

    assert_int_equal(fs_mkfs(f->path, &o), 0);
    assert_int_equal(fixture_open(f, false), 0);
    *state = f;
    return 0;
}

static void a_lost_block_length_is_found_where_most_blocks_are_shorter(void **state)
{
    static const uint8_t data[LARGE_LEN * 2];
    struct fixture *f = *state;
    struct kv_model before;
    uint64_t ino;

    ino = make_file(f->fs, FS_ROOT_INO, "steps");
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(fs_write(f->fs, ino, i * LARGE_LEN, data, 4096), 0);
    take_keys(fs_db(f->fs), &before);
    expect_block_len(f, LARGE_LEN);
    assert_same(f, &before);
    kv_clear(&before);
    ino = make_file(f->fs, FS_ROOT_INO, "whole");
    assert_int_equal(fs_write(f->fs, ino, 0, data, sizeof(data)), 0);
    take_keys(fs_db(f->fs), &before);
    expect_block_len(f, LARGE_LEN);
    assert_same(f, &before);
    kv_clear(&before);
}

static void marks_of_lost_blocks_do_not_raise_the_block_length(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(block_mark_lost(b, t.file, 0, BLOCK_LEN), 0);
    assert_int_equal(lsm_write(fs_db(f->fs), b, 0), 0);
    lsm_batch_free(b);
    expect_block_len(f, BLOCK_LEN);
}

/* Two blocks are against 4 KiB, and the ends of both files against 8 KiB. */
static struct tree disagree(struct fixture *f)
{
    static const uint8_t data[BLOCK_LEN * 2];
    struct tree t = grow(f);

    put_block(f, t.file, 0, data, sizeof(data));
    put_block(f, t.file, 1, data, sizeof(data));
    del_fact(f, "Sblock_len");
    return t;
}

static void a_block_length_that_nothing_agrees_with_is_not_chosen(void **state)
{
    struct fixture *f = *state;
    struct kv_model damaged;

    disagree(f);
    take_keys(fs_db(f->fs), &damaged);
    assert_int_equal(repair(f, false).done, 0);
    assert_same(f, &damaged);
    kv_clear(&damaged);
}

static bool has_fact(struct fixture *f, const char *key)
{
    struct lsm_value v;
    int err = lsm_get(fs_db(f->fs), NULL, key, strlen(key), &v);

    if (!err)
        lsm_value_done(&v);
    return !err;
}

static void other_facts_and_names_are_repaired_without_a_block_length(void **state)
{
    struct fixture *f = *state;
    struct repair_run_arg first, second;

    disagree(f);
    del_fact(f, "Suuid");
    del_fact(f, "Ssecret");
    first = repair(f, false);
    assert_true(first.done >
                1); /* the facts, and the entries, which are to be found by the new secret */
    assert_int_equal(first.failed, 1);
    assert_true(has_fact(f, "Suuid") && has_fact(f, "Ssecret"));
    assert_false(has_fact(f, "Sblock_len"));
    second = repair(f, false);
    assert_int_equal(second.done, 0);
    assert_int_equal(second.failed, 1);
}

static int repair_with(struct fixture *f, uint32_t block_len, struct repair_result *ret)
{
    struct repair_options o = {.check = {.skip_store = true, .block_len = block_len}};

    return repair_run(fs_db(f->fs), &o, ret);
}

static void a_block_length_can_be_told(void **state)
{
    struct fixture *f = *state;
    struct repair_result r;
    struct kv_model now;

    disagree(f);
    assert_int_equal(repair_with(f, BLOCK_LEN - 1, &r), -EINVAL);
    assert_int_equal(repair_with(f, BLOCK_LEN, &r), 0);
    assert_int_equal(r.last.problem_count, 0);
    take_keys(fs_db(f->fs), &now);
    assert_int_equal(get_le32(kv_get(&now, slice_str("Sblock_len"))->value.data), BLOCK_LEN);
    kv_clear(&now);
    expect_clean(f);
    /* One that is known stays. */
    assert_int_equal(repair_with(f, 2 * BLOCK_LEN, &r), -EINVAL);
    assert_non_null(strstr(lsm_detail(), "says that its block size is 4096"));
    assert_int_equal(repair_with(f, BLOCK_LEN, &r), 0);
    expect_clean(f);
}

static void what_a_newer_program_wrote_is_not_repaired(void **state)
{
    struct fixture *f = *state;
    struct repair_run_arg arg = {.only_safe = false};
    struct repair_options o = {.check = {.problem = repair_told, .skip_store = true, .arg = &arg}};
    struct repair_result r;
    struct kv_model before;

    grow(f);
    assert_int_equal(lsm_put(fs_db(f->fs), "Znew", 4, "v", 1, 0), 0);
    for (int at = 4; at <= 8; at += 4) {
        uint8_t format[SUPER_FORMAT_LEN] = {SUPER_VERSION};

        format[at] = 1;
        assert_int_equal(lsm_put(fs_db(f->fs), "Sformat", 7, format, sizeof(format), 0), 0);
        take_keys(fs_db(f->fs), &before);
        assert_int_equal(repair_run(fs_db(f->fs), &o, &r), -ERR_SUPERBLOCK_FEATURE);
        assert_same(f, &before);
        kv_clear(&before);
        expect(f, 1, CHECK_KEY, NULL, "unknown kind");
    }
}

static void a_lost_counter_of_groups_is_found_again(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    del_fact(f, "Sgroup_next");
    expect_repair(f, CHECK_SUPER, false);
    fixture_reopen(f);
    make_file(f->fs, make_dir(f->fs, t.sub, "new"), "file");
    expect_clean(f);
}

static void a_lost_secret_moves_every_entry(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);

    del_fact(f, "Ssecret");
    assert_true(repair(f, false).done > 7);
    fixture_reopen(f);
    expect_clean(f);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "dir"), t.dir);
    assert_int_equal(ino_of(f->fs, t.dir, "file"), t.file);
    assert_int_equal(ino_of(f->fs, t.dir, "hard"), t.file);
    everything_agrees(f->fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(foreign_keys_are_deleted),
        CHECK_TEST(lost_facts_are_written_again),
        CHECK_TEST(without_the_format_safe_repairs_are_made),
        CHECK_TEST(without_facts_and_root_a_file_system_is_known_by_its_inodes),
        CHECK_TEST(without_inodes_a_file_system_is_known_by_its_entries),
        CHECK_TEST(a_store_of_another_program_is_not_taken_for_one),
        cmocka_unit_test_setup_teardown(a_lost_block_length_is_found_where_most_blocks_are_shorter,
                                        large_setup, check_teardown),
        CHECK_TEST(marks_of_lost_blocks_do_not_raise_the_block_length),
        CHECK_TEST(a_block_length_that_nothing_agrees_with_is_not_chosen),
        CHECK_TEST(other_facts_and_names_are_repaired_without_a_block_length),
        CHECK_TEST(a_block_length_can_be_told),
        CHECK_TEST(what_a_newer_program_wrote_is_not_repaired),
        CHECK_TEST(a_lost_counter_of_groups_is_found_again),
        CHECK_TEST(a_lost_secret_moves_every_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
