/*
 * Repairs of blocks and attributes.
 */
#include "fs/check/loss.h"
#include "fs/lost_mark.h"
#include "fs/super.h"
#include "lsm/base/err.h"
#include "unit/fs/fsck_fixture.h"

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

/* Of a file with blocks behind its end, one part of a block and two whole ones. */
static void hide_blocks(struct fixture *f, uint64_t ino, uint64_t count)
{
    struct inode in = load(f, ino);

    put_block(f, ino, 9, "123456789012345hidden", 21);
    put_block(f, ino, 100, "behind", 6);
    put_block(f, ino, 101, "more", 4);
    in.block_count = count;
    store(f, &in);
}

static void a_file_with_blocks_behind_its_end_is_left_whole_by_p(void **state)
{
    /* As its inode says, as there are, and neither. */
    static const uint64_t counts[] = {1, 3, 2, 77};
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct repair_result r;
    char name[64];

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct kv_model damaged;
        struct repair_run_arg arg;

        hide_blocks(f, t.sparse, counts[i]);
        take_keys(fs_db(f->fs), &damaged);
        expect(f, 1, CHECK_BLOCK_PLACE, "/sparse", "blocks reach behind the end");
        arg = repair(f, true);
        assert_int_equal(arg.done, 0);
        assert_int_equal(arg.declined, 1);
        assert_same(f, &damaged);
        kv_clear(&damaged);

        repair_db(fs_db(f->fs), false, &r);
        assert_int_equal(r.found_count, 1);
        assert_int_equal(r.repaired_count, 1);
        assert_int_equal(load(f, t.sparse).block_count, 1);
        expect_bytes(f, t.sparse, BLOCK_LEN * 9, "123456789012345");
        expect_clean(f);
    }
    expect_bytes(f, in_lost_found(f, number_name(t.sparse, ".blocks", name)), BLOCK_LEN * 100,
                 "behind");
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

/* --- Deletions that are lost --- */

/* What it means for the blocks of an inode, from `first` on, when a deletion of these is lost. */
static void judge_deletion(struct fixture *f, uint64_t ino, uint64_t first, struct lost_list *ret)
{
    struct loss_list losses = {0};
    struct key k, end;

    key_block(&k, ino, first);
    key_block(&end, ino, UINT64_MAX);
    assert_int_equal(loss_list_add(&losses, &(struct lsm_loss){.kind = LSM_LOSS_DELETIONS,
                                                               .file = "",
                                                               .first = k.data,
                                                               .first_len = k.len,
                                                               .last = end.data,
                                                               .last_len = end.len,
                                                               .seqno_max = UINT64_MAX,
                                                               .level = -1}),
                     0);
    assert_int_equal(loss_judge(fs_db(f->fs), &losses, 0, ret), 0);
    loss_list_done(&losses);
}

static void a_lost_truncation_takes_no_block_that_is_left(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct lost_list lost;

    for (uint64_t i = 600; i < 1000; i++)
        put_block(f, t.file, i, "back", 4);
    judge_deletion(f, t.file, 600, &lost);
    for (size_t i = 0; i < lost.count; i++)
        assert_int_not_equal(lost.items[i].kind, LOST_BLOCKS);
    lost_list_done(&lost);
}

static void of_a_file_that_grew_again_only_the_deleted_range_is_lost(void **state)
{
    struct fixture *f = *state;
    struct tree t = grow(f);
    struct inode in = load(f, t.file);
    struct lost_list lost;
    unsigned count = 0;

    in.size = 8 * BLOCK_LEN;
    store(f, &in);
    for (uint64_t i = 5; i < 10; i++)
        put_block(f, t.file, i, "back", 4);
    judge_deletion(f, t.file, 5, &lost);
    for (size_t i = 0; i < lost.count; i++) {
        if (lost.items[i].kind != LOST_BLOCKS)
            continue;
        assert_int_equal(lost.items[i].ino, t.file);
        assert_int_equal(lost.items[i].first, 5);
        assert_int_equal(lost.items[i].last, 7);
        count++;
    }
    assert_int_equal(count, 1);
    lost_list_done(&lost);
}

/* --- The lengths of blocks --- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_TEST(blocks_behind_the_end_move_to_lost_found),
        CHECK_TEST(a_file_with_blocks_behind_its_end_is_left_whole_by_p),
        CHECK_TEST(many_blocks_behind_the_end_move_in_parts),
        CHECK_TEST(blocks_of_what_is_no_file_move_to_lost_found),
        CHECK_TEST(lost_and_found_is_made_once),
        CHECK_TEST(blocks_stay_when_there_can_be_no_lost_and_found),
        CHECK_TEST(blocks_of_no_inode_become_a_file),
        CHECK_TEST(a_lost_truncation_takes_no_block_that_is_left),
        CHECK_TEST(of_a_file_that_grew_again_only_the_deleted_range_is_lost),
        CHECK_TEST(blocks_that_are_too_long_are_cut),
        CHECK_TEST(attributes_of_no_inode_are_deleted),
        CHECK_TEST(impossible_attributes_are_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
