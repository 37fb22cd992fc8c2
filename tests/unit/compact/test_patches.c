/*
 * A row of patches that was merged amounts to the same over any base, and is never longer.
 */
#include "lib/cmocka_all.h"

#include <stdlib.h>

#include "lib/rng.h"
#include "lsm/compact/patches.h"

enum {
    PATCH_COUNT = 40,
    LEN_MAX = 200
};

static struct fold_layer layer(struct buf *bytes, uint64_t offset, struct slice data)
{
    bytes->len = 0;
    assert_int_equal(buf_put_varint64(bytes, offset), 0);
    assert_int_equal(buf_append(bytes, data.data, data.len), 0);
    return (struct fold_layer){.value = buf_slice(bytes)};
}

static void apply_all(struct buf *value, const struct fold_layer *layers, size_t count)
{
    for (size_t i = count; i-- > 0;)
        assert_int_equal(patch_apply(value, layers[i].value), 0);
}

static void check_once(struct rng *rng)
{
    struct buf bytes[PATCH_COUNT] = {0}, plain = {0}, merged = {0};
    struct fold_layer layers[PATCH_COUNT];
    struct patch_row row;
    uint8_t data[LEN_MAX];
    size_t count = (size_t)rng_below(rng, PATCH_COUNT + 1), base_len = (size_t)rng_below(rng, 500);

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rng_next(rng);
    for (size_t i = 0; i < count; i++) {
        size_t len = (size_t)rng_below(rng, 8) ? (size_t)rng_below(rng, LEN_MAX / 2) : 0;

        layers[i] = layer(&bytes[i], rng_below(rng, 600), slice_of(data + i, len));
    }
    assert_int_equal(buf_reserve(&plain, base_len + 1), 0);
    memset(plain.data, 'b', base_len);
    plain.len = base_len;
    assert_int_equal(buf_assign(&merged, plain.data, plain.len), 0);
    apply_all(&plain, layers, count);
    assert_int_equal(patches_merge(layers, count, &row), 0);
    assert_true(row.count <= count);
    /* In any order. */
    for (size_t i = 0; i < row.count; i++) {
        size_t at = rng_below(rng, 2) ? i : row.count - 1 - i;

        assert_int_equal(patch_apply(&merged, row.records[at]), 0);
        assert_int_equal(patch_apply(&merged, row.records[i]), 0);
    }
    assert_true(slice_eq(buf_slice(&plain), buf_slice(&merged)));
    patch_row_done(&row);
    for (size_t i = 0; i < PATCH_COUNT; i++)
        buf_free(&bytes[i]);
    buf_free(&plain);
    buf_free(&merged);
}

static void a_merged_row_has_the_same_effect(void **state)
{
    struct rng rng = {rng_seed(3)};

    (void)state;
    for (int i = 0; i < 3000; i++)
        check_once(&rng);
}

static void patches_that_touch_become_one(void **state)
{
    struct buf bytes[3] = {0};
    struct fold_layer layers[3];
    struct patch_row row;

    (void)state;
    layers[0] = layer(&bytes[0], 4, slice_str("NEW"));
    layers[1] = layer(&bytes[1], 0, slice_str("older"));
    layers[2] = layer(&bytes[2], 100, slice_str("far"));
    assert_int_equal(patches_merge(layers, 3, &row), 0);
    assert_int_equal(row.count, 2);
    assert_int_equal(row.len, 10);
    assert_true(slice_eq(row.records[0], slice_of("\0oldeNEW", 8)));
    assert_true(slice_eq(row.records[1], layers[2].value));
    patch_row_done(&row);
    for (int i = 0; i < 3; i++)
        buf_free(&bytes[i]);
}

static void what_cannot_be_decoded_is_left_as_it_is(void **state)
{
    struct buf bytes = {0};
    struct fold_layer layers[2];
    struct patch_row row;

    (void)state;
    layers[0] = layer(&bytes, 4, slice_str("good"));
    layers[1] = (struct fold_layer){.value = slice_of("\xff\xff", 2)};
    assert_int_equal(patches_merge(layers, 2, &row), 0);
    assert_int_equal(row.count, 2);
    assert_ptr_equal(row.records[0].data, layers[0].value.data);
    assert_ptr_equal(row.records[1].data, layers[1].value.data);
    patch_row_done(&row);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merged_row_has_the_same_effect),
        cmocka_unit_test(patches_that_touch_become_one),
        cmocka_unit_test(what_cannot_be_decoded_is_left_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
