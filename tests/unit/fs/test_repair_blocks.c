/*
 * Repairs of blocks, attributes, superblock facts and foreign keys.
 */
#include "unit/fs/fsck_fixture.h"

static void put_block(struct fixture *f, uint64_t ino, uint64_t number, const void *data,
                      size_t len)
{
    struct key k;

    key_block(&k, ino, number);
    put(f, &k, data, len);
}

static void expect_bytes(struct fixture *f, uint64_t ino, uint64_t offset, const char *text)
{
    struct fs_read r;
    size_t len = strlen(text);

    assert_int_equal(fs_read(f->fs, ino, offset, len, &r), 0);
    assert_int_equal(r.len, len);
    assert_int_equal(r.iov_count, 1);
    assert_memory_equal(r.iov[0].iov_base, text, len);
    fs_read_done(&r);
}

/* --- Blocks --- */

static void blocks_behind_the_end_move_to_lost_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.sparse);
    struct kv_model before;
    uint64_t found;
    char name[64];

    take_keys(fs_db(f->fs), &before);
    put_block(f, t.sparse, 9, "123456789012345hidden", 21); /* the file ends after 15 of them */
    put_block(f, t.sparse, 100, "behind", 6);
    put_block(f, t.sparse, 101, "", 0);
    put_block(f, t.sparse, UINT64_MAX, "far", 3);
    in.block_count += 3;
    store(f, &in);
    expect_repair(f, CHECK_BLOCK_PLACE, false);
    found = in_lost_found(f, number_name(t.sparse, ".blocks", name));
    assert_int_not_equal(found, 0);
    expect_bytes(f, found, BLOCK_LEN * 9, "123456789012345hidden");
    expect_bytes(f, found, BLOCK_LEN * 100, "behind");
    expect_bytes(f, found, BLOCK_LEN * 101, "far");
    assert_int_equal(attr_of(f->fs, found).mode, S_IFREG | 0600);
    assert_int_equal(attr_of(f->fs, t.sparse).size, BLOCK_LEN * 9 + 15);
    expect_bytes(f, t.sparse, BLOCK_LEN * 9, "123456789012345");
    assert_same_but(f, &before, (uint64_t[]){t.sparse, FS_ROOT_INO}, 2);
    kv_clear(&before);
}

static void many_blocks_behind_the_end_move_in_parts(void **state)
{
    static uint8_t data[BLOCK_LEN];
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.sparse);
    char name[64];

    for (uint64_t i = 0; i < 5000; i++) {
        memset(data, (int)i, sizeof(data));
        put_block(f, t.sparse, 20 + i, data, sizeof(data));
    }
    in.block_count += 5000;
    store(f, &in);
    expect_repair(f, CHECK_BLOCK_PLACE, false);
    in = load(f, in_lost_found(f, number_name(t.sparse, ".blocks", name)));
    assert_int_equal(in.block_count, 5000);
    assert_int_equal(in.size, 5020 * BLOCK_LEN);
}

static void blocks_of_what_is_no_file_move_to_lost_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    uint64_t found;
    char name[64];

    take_keys(fs_db(f->fs), &before);
    put_block(f, t.fifo, 2, "lost", 4);
    expect_repair(f, CHECK_BLOCK_OWNER, false);
    found = in_lost_found(f, number_name(t.fifo, ".blocks", name));
    expect_bytes(f, found, BLOCK_LEN * 2, "lost");
    assert_same_but(f, &before, (uint64_t[]){FS_ROOT_INO}, 1);
    kv_clear(&before);
}

static void lost_and_found_is_made_once(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode root = load(f, FS_ROOT_INO);
    struct repair_result r;
    char name[64];

    root.next_slot = INODE_SLOT_COUNT; /* so that lost+found needs a new group, as its file does */
    store(f, &root);
    put_block(f, t.fifo, 2, "lost", 4);
    repair_db(fs_db(f->fs), false, &r);
    assert_int_equal(r.repaired_count, 1);
    assert_int_equal(r.round_count, 2);
    assert_int_not_equal(in_lost_found(f, number_name(t.fifo, ".blocks", name)), 0);
    expect_clean(f);
}

static void blocks_stay_when_there_can_be_no_lost_and_found(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct repair_run_arg arg;
    struct kv_model damaged;
    char name[32] = "lost+found";

    for (int i = 0; i < 100; i++) {
        if (i)
            snprintf(name, sizeof(name), "lost+found~%d", i);
        make_file(f->fs, FS_ROOT_INO, name);
    }
    put_block(f, t.fifo, 2, "lost", 4);
    take_keys(fs_db(f->fs), &damaged);
    arg = repair(f, false);
    assert_int_equal(arg.done, 0);
    assert_int_equal(arg.failed, 1);
    assert_same(f, &damaged);
    kv_clear(&damaged);
}

static void blocks_of_no_inode_become_a_file(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    uint64_t ino = (t.file >> 16 << 16) + 500;
    struct kv_model before;
    char name[64];

    take_keys(fs_db(f->fs), &before);
    put_block(f, ino, 0, "a", 1);
    put_block(f, ino, 3, "words", 5);
    expect_repair(f, CHECK_BLOCK_OWNER, false);
    assert_int_equal(in_lost_found(f, number_name(ino, "", name)), ino);
    assert_int_equal(attr_of(f->fs, ino).size, BLOCK_LEN * 3 + 5);
    expect_bytes(f, ino, BLOCK_LEN * 3, "words");
    assert_same_but(f, &before, (uint64_t[]){FS_ROOT_INO, t.dir}, 2);
    kv_clear(&before);
}

static void blocks_that_are_too_long_are_cut(void **state)
{
    static uint8_t data[BLOCK_LEN + 1];
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;

    put_block(f, t.sparse, 3, data, BLOCK_LEN);
    assert_true(repair(f, true).done > 0); /* the count */
    take_keys(fs_db(f->fs), &before);
    put_block(f, t.sparse, 3, data, sizeof(data));
    expect_repair(f, CHECK_BLOCK_LEN, false);
    assert_same(f, &before);
    kv_clear(&before);
}

/* --- Attributes --- */

static void attributes_of_no_inode_are_deleted(void **state)
{
    struct fixture *f = *state;
    struct kv_model before;
    struct key k;

    grow(f);
    take_keys(fs_db(f->fs), &before);
    key_xattr(&k, UINT64_C(99) << 16, "user.x", 6);
    put(f, &k, "1", 1);
    expect_repair(f, CHECK_XATTR_OWNER, false);
    assert_same(f, &before);
    kv_clear(&before);
}

static void impossible_attributes_are_deleted(void **state)
{
    static uint8_t value[FS_XATTR_VALUE_LEN_MAX + 1];
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct kv_model before;
    struct key k;

    take_keys(fs_db(f->fs), &before);
    key_xattr(&k, t.file, "", 0);
    put(f, &k, "1", 1);
    key_xattr(&k, t.file, "user.big", 8);
    put(f, &k, value, sizeof(value));
    key_xattr(&k, t.file, "a\0b", 3);
    put(f, &k, "1", 1);
    expect_repair(f, CHECK_XATTR_INVALID, false);
    assert_same(f, &before);
    kv_clear(&before);
}

/* --- Keys and facts --- */

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
        CHECK_TEST(blocks_behind_the_end_move_to_lost_found),
        CHECK_TEST(many_blocks_behind_the_end_move_in_parts),
        CHECK_TEST(blocks_of_what_is_no_file_move_to_lost_found),
        CHECK_TEST(lost_and_found_is_made_once),
        CHECK_TEST(blocks_stay_when_there_can_be_no_lost_and_found),
        CHECK_TEST(blocks_of_no_inode_become_a_file),
        CHECK_TEST(blocks_that_are_too_long_are_cut),
        CHECK_TEST(attributes_of_no_inode_are_deleted),
        CHECK_TEST(impossible_attributes_are_deleted),
        CHECK_TEST(foreign_keys_are_deleted),
        CHECK_TEST(lost_facts_are_written_again),
        CHECK_TEST(a_lost_counter_of_groups_is_found_again),
        CHECK_TEST(a_lost_secret_moves_every_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
