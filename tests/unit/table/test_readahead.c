/*
 * Iterating with readahead: few large reads where blocks follow each other, none where they do not,
 * and damage that concerns only the block that it is in.
 */
#include "table_fixture.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    NUMBER = 5,
    ENTRY_COUNT = 4000,
    BLOCK_LEN = 2048,
    PIECE_LEN_MIN = 32 << 10, /* a read of so many bytes is no single block */
};

static char *dir;
static struct env *env;
static struct model model;
static struct sst_stats stats;
static struct sst *table;

/* What is read, and whether large reads fail. */
static struct {
    const struct env_ops *real;
    struct env_ops ops;
    unsigned reads, pieces;
    bool no_pieces;
} hook;

static int hooked_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                       size_t *ret_len)
{
    hook.reads++;
    hook.pieces += len >= PIECE_LEN_MIN;
    if (len >= PIECE_LEN_MIN && hook.no_pieces)
        return err_raise(EIO, "injected");
    return hook.real->reader_read(r, offset, len, buf, ret_len);
}

static void fill_model(void)
{
    struct rng rng = {11};
    struct buf value = {0};

    for (uint64_t i = 0; i < ENTRY_COUNT; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key%06u", (unsigned)i);
        model_add(&model, slice_str(key), 7, KIND_PUT, random_value(&rng, KIND_PUT, 600, &value));
    }
    buf_free(&value);
}

static int set_up(void **state)
{
    struct sst_builder_options o = {BLOCK_LEN, BLOCK_LEN, 8, 10, true};

    (void)state;
    dir = scratch_new();
    if (env_posix_open(dir, ENV_CREATE, &env))
        return -1;
    fill_model();
    model_write(&model, env, NUMBER, &o, &stats);
    memset(&hook, 0, sizeof(hook));
    hook.real = env->ops;
    hook.ops = *env->ops;
    hook.ops.reader_read = hooked_read;
    env->ops = &hook.ops;
    return sst_open(env, NULL, NUMBER, &table);
}

static int tear_down(void **state)
{
    (void)state;
    sst_unref(table);
    model_free(&model);
    env_close(env);
    scratch_free(dir);
    return 0;
}

static void assert_at(const struct iter *it, size_t i)
{
    assert_true(it->valid);
    assert_int_equal(it->err, 0);
    assert_true(slice_eq(it->key, buf_slice(&model.pairs[i].key)));
    assert_true(slice_eq(it->value, buf_slice(&model.pairs[i].value)));
}

static void scan(unsigned flags, bool backward)
{
    struct iter *it;

    assert_int_equal(sst_iter_new(table, flags, &it), 0);
    hook.reads = hook.pieces = 0;
    (backward ? iter_seek_last : iter_seek_first)(it);
    for (size_t i = 0; i < model.count; i++) {
        assert_at(it, backward ? model.count - 1 - i : i);
        (backward ? iter_prev : iter_next)(it);
    }
    assert_false(it->valid);
    assert_int_equal(it->err, 0);
    iter_free(it);
}

static void a_scan_reads_few_large_pieces(void **state)
{
    static const unsigned flags[] = {SST_ITER_READAHEAD, SST_ITER_READAHEAD | SST_ITER_NO_CACHE};

    (void)state;
    for (int backward = 0; backward < 2; backward++) {
        unsigned without;

        scan(0, backward);
        without = hook.reads;
        assert_int_equal(hook.pieces, 0);
        for (unsigned i = 0; i < 2; i++) {
            scan(flags[i], backward);
            assert_in_range(hook.pieces, 2, stats.file_len / PIECE_LEN_MIN);
            /* What is left are mostly the partitions of the index. */
            assert_true(hook.reads < without / 3);
        }
    }
}

static void a_look_at_a_few_entries_reads_no_piece(void **state)
{
    struct iter *it;
    struct rng rng = {3};

    (void)state;
    assert_int_equal(sst_iter_new(table, SST_ITER_READAHEAD, &it), 0);
    hook.pieces = 0;
    for (unsigned i = 0; i < 50; i++) {
        /* From one half of the table to the other. */
        size_t at = (i % 2 ? ENTRY_COUNT / 2 : 0) + (size_t)rng_below(&rng, ENTRY_COUNT / 3);

        iter_seek(it, buf_slice(&model.pairs[at].key));
        /* Three entries lie in two blocks at most. */
        for (size_t j = 0; j < 3; j++) {
            assert_at(it, at + j);
            iter_next(it);
        }
    }
    assert_int_equal(hook.pieces, 0);
    iter_free(it);
}

static void walks_to_and_fro_show_what_is_there(void **state)
{
    struct rng rng = {rng_seed(5)};
    struct iter *it;

    (void)state;
    assert_int_equal(sst_iter_new(table, SST_ITER_READAHEAD, &it), 0);
    hook.pieces = 0;
    for (unsigned i = 0; i < 100; i++) {
        size_t at = (size_t)rng_below(&rng, ENTRY_COUNT);
        bool backward = rng_below(&rng, 2);

        iter_seek(it, buf_slice(&model.pairs[at].key));
        for (uint64_t steps = rng_below(&rng, 300); steps && it->valid; steps--) {
            assert_at(it, at);
            (backward ? iter_prev : iter_next)(it);
            at += backward ? (size_t)-1 : 1;
        }
        assert_int_equal(it->err, 0);
    }
    assert_true(hook.pieces > 0);
    iter_free(it);
}

static void where_no_piece_can_be_read_blocks_are(void **state)
{
    (void)state;
    hook.no_pieces = true;
    for (int backward = 0; backward < 2; backward++) {
        scan(SST_ITER_READAHEAD, backward);
        assert_true(hook.pieces > 0);
    }
}

/* Other bytes in the middle of the file, which is one of the data blocks there. */
static void damage(void)
{
    char name[32];
    uint8_t byte;
    int fd;

    sst_file_name(NUMBER, name);
    fd = open(scratch_path(dir, name), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)stats.file_len / 2), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)stats.file_len / 2), 1);
    close(fd);
}

/* Steps until the iterator fails; the index of the entry that it could not show. */
static size_t walk_to_damage(struct iter *it, bool backward)
{
    size_t i = backward ? model.count - 1 : 0;

    (backward ? iter_seek_last : iter_seek_first)(it);
    for (; it->valid; i += backward ? (size_t)-1 : 1) {
        assert_at(it, i);
        (backward ? iter_prev : iter_next)(it);
    }
    assert_int_equal(it->err, -ERR_SST_BLOCK_CHECKSUM);
    assert_non_null(strstr(err_detail(), "/00000005.sst: block at offset"));
    return i;
}

static void damage_is_found_in_its_block_from_both_sides(void **state)
{
    static const unsigned flags[] = {SST_ITER_READAHEAD, SST_ITER_READAHEAD | SST_ITER_NO_CACHE};

    (void)state;
    damage();
    for (unsigned f = 0; f < 2; f++) {
        struct iter *it;
        size_t first, last;

        assert_int_equal(sst_iter_new(table, flags[f], &it), 0);
        first = walk_to_damage(it, false);
        last = walk_to_damage(it, true);
        assert_in_range(first, 1, last);
        assert_in_range(last - first, 0, 60);
        assert_true(hook.pieces > 1);
        /* What lies behind can be read from there on. */
        iter_seek(it, buf_slice(&model.pairs[last + 1].key));
        for (size_t i = last + 1; i < model.count; i++) {
            assert_at(it, i);
            iter_next(it);
        }
        assert_int_equal(it->err, 0);
        iter_free(it);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_scan_reads_few_large_pieces),
        TEST(a_look_at_a_few_entries_reads_no_piece),
        TEST(walks_to_and_fro_show_what_is_there),
        TEST(where_no_piece_can_be_read_blocks_are),
        TEST(damage_is_found_in_its_block_from_both_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
