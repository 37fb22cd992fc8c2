/*
 * Tables whose blocks or entries do not stand in the order of their keys, under right checksums:
 * only somebody who means it can make them. Nobody may read a block once for each address in an
 * index, or a small table would keep its readers busy for ever.
 */
#include "table_fixture.h"

#include "lib/env_memory.h"
#include "lsm/table/sst_impl.h"
#include "lsm/table/sst_salvage.h"

enum {
    NUMBER = 3,
    KEY_COUNT = 40,
    HANDLE_COUNT_MAX = 64
};

static struct env *env;
static struct model model;
static struct buf *file; /* the table's bytes */
static struct block_handle top;

static int set_up(void **state)
{
    (void)state;
    env = env_memory_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    env_memory_free(env);
    model_free(&model);
    return 0;
}

static void make_table(size_t partition_len)
{
    struct sst_builder_options o = {90, partition_len, 1, 0, false};
    struct sst_stats stats;
    const char *name;
    struct sst *t;

    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key%02u", i);
        model_add(&model, slice_str(key), 100 + i, KIND_PUT, slice_str("a value"));
    }
    model_write(&model, env, NUMBER, &o, &stats);
    file = env_memory_nth(env, 0, &name);
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), 0);
    top = t->footer.top;
    sst_unref(t);
}

static struct slice contents_of(struct block_handle h)
{
    return slice_of(file->data + h.offset, (size_t)h.len);
}

/* Make the checksum of a block right that has been changed in place. */
static void seal(struct block_handle h)
{
    struct buf sealed = {0};
    uint64_t len;

    assert_int_equal(block_encode(contents_of(h), false, NUMBER, h.offset, &sealed, &len), 0);
    assert_int_equal(len, h.len);
    memcpy(file->data + h.offset, sealed.data, sealed.len);
    buf_free(&sealed);
}

/* The values of an index's entries, which lie in the file. */
static unsigned values_of(struct block_handle index, struct slice values[HANDLE_COUNT_MAX])
{
    struct block_iter it;
    unsigned count = 0;

    block_iter_init(&it);
    assert_int_equal(block_iter_set(&it, contents_of(index)), 0);
    for (block_iter_seek_first(&it); it.valid; block_iter_next(&it)) {
        assert_true(count < HANDLE_COUNT_MAX);
        values[count++] = it.value;
    }
    block_iter_done(&it);
    return count;
}

/* The last entry of an index gets the address of the one before. */
static void repeat_address(struct block_handle index)
{
    struct slice values[HANDLE_COUNT_MAX];
    unsigned n = values_of(index, values);

    assert_true(n > 2);
    assert_int_equal(values[n - 1].len, values[n - 2].len);
    memcpy((uint8_t *)values[n - 1].data, values[n - 2].data, values[n - 1].len);
    seal(index);
}

static struct block_handle first_index(void)
{
    struct slice values[HANDLE_COUNT_MAX];
    struct block_handle index, filter;

    assert_true(values_of(top, values) > 0);
    assert_true(top_value_decode(values[0], &index, &filter));
    return index;
}

/* --- What is read --- */

struct told {
    struct buf last;
    unsigned entry_count, lost_count;
};

static int on_entry(void *arg, struct slice ikey, struct slice value)
{
    struct told *t = arg;

    (void)value;
    assert_true(!t->last.len || ikey_cmp(buf_slice(&t->last), ikey) < 0);
    t->entry_count++;
    return buf_assign(&t->last, ikey.data, ikey.len);
}

static int on_rangedel(void *arg, const struct rangedel *del)
{
    (void)arg;
    (void)del;
    fail();
    return 0;
}

static int on_lost(void *arg, const struct sst_loss *loss)
{
    struct told *t = arg;

    assert_true(loss->entries);
    t->lost_count++;
    return 0;
}

static void expect_salvage(unsigned lost_count)
{
    struct told told = {0};
    struct sst_salvage_calls calls = {on_entry, on_rangedel, on_lost, &told};

    assert_int_equal(sst_salvage(env, NUMBER, &calls), 0);
    assert_int_equal(told.lost_count, lost_count);
    assert_in_range(told.entry_count, 1, KEY_COUNT - 1);
    buf_free(&told.last);
}

static int on_damage(void *arg, int err, uint64_t offset, uint64_t len)
{
    (void)offset;
    (void)len;
    assert_int_equal(err, -ERR_SST_ORDER);
    ++*(unsigned *)arg;
    return 0;
}

static int on_line(void *arg, const char *line)
{
    *(bool *)arg |= strstr(line, "does not follow the one before") != NULL;
    return 0;
}

static void expect_scan_to_fail(struct sst *t, bool backward)
{
    struct iter *it;
    unsigned moves = 0;

    assert_int_equal(sst_iter_new(t, 0, &it), 0);
    for (backward ? iter_seek_last(it) : iter_seek_first(it); it->valid; moves++)
        backward ? iter_prev(it) : iter_next(it);
    assert_int_equal(it->err, -ERR_SST_BLOCK_FORMAT);
    assert_true(moves < KEY_COUNT);
    iter_free(it);
}

static void an_address_that_comes_twice_in_an_index_is_damage(void **state)
{
    unsigned damages = 0;
    bool named = false;
    struct sst *t;

    (void)state;
    make_table(4096);
    repeat_address(first_index());
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), 0);
    expect_scan_to_fail(t, false);
    expect_scan_to_fail(t, true);
    assert_int_equal(sst_verify(t, VALUE_LEN_MAX, on_damage, &damages), 0);
    assert_int_equal(damages, 1);
    assert_true(err_is_damage(sst_to_text(t, false, on_line, &named)));
    assert_true(named);
    sst_unref(t);
    expect_salvage(1);
}

static void an_address_that_comes_twice_in_the_top_index_refuses_the_table(void **state)
{
    struct sst *t;

    (void)state;
    make_table(45);
    repeat_address(top);
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_BLOCK_FORMAT);
    expect_salvage(1);
}

static void salvage_takes_a_block_with_entries_out_of_order_for_lost(void **state)
{
    struct slice values[HANDLE_COUNT_MAX];
    struct block_handle data;
    uint8_t *first, *second;

    (void)state;
    make_table(4096);
    assert_true(values_of(first_index(), values) > 2);
    assert_true(index_value_decode(values[1], &data));
    first = memmem(file->data + data.offset, (size_t)data.len, "key", 3);
    assert_non_null(first);
    second = memmem(first + 1, (size_t)data.len - 1, "key", 3);
    assert_non_null(second);
    first[4] ^= second[4];
    second[4] ^= first[4];
    first[4] ^= second[4];
    seal(data);
    expect_salvage(1);
}

#define ORDER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ORDER_TEST(an_address_that_comes_twice_in_an_index_is_damage),
        ORDER_TEST(an_address_that_comes_twice_in_the_top_index_refuses_the_table),
        ORDER_TEST(salvage_takes_a_block_with_entries_out_of_order_for_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
