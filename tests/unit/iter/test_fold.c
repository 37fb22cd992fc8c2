/*
 * Folding: what counts of a key's versions, patches over bases, damaged patches, pins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/iter/fold.h"

static int released;

static void count_release(void *arg)
{
    (void)arg;
    released++;
}

static int add(struct fold *f, enum kind kind, uint64_t seqno, struct slice value)
{
    struct pin pin = {count_release, f};
    int r = fold_add(f, kind, seqno, value, &pin);

    assert_null(pin.release);
    return r;
}

static struct slice patch(struct buf *b, uint64_t offset, const void *bytes, size_t len)
{
    b->len = 0;
    assert_int_equal(buf_put_varint64(b, offset), 0);
    assert_int_equal(buf_append(b, bytes, len), 0);
    return buf_slice(b);
}

static void assert_value(struct fold *f, const void *want, size_t len)
{
    struct slice got;

    assert_int_equal(fold_value(f, &got), 1);
    assert_int_equal(got.len, len);
    if (len)
        assert_memory_equal(got.data, want, len);
}

static void plain_value_is_neither_copied_nor_allocated_for(void **state)
{
    static const char text[] = "value";
    struct fold f = {0};
    struct slice got;

    (void)state;
    released = 0;
    assert_int_equal(add(&f, KIND_PUT, 7, slice_of(text, 5)), 1);
    assert_true(f.done && f.has_base);
    assert_int_equal(f.newest_seqno, 7);
    assert_int_equal(fold_value(&f, &got), 1);
    assert_ptr_equal(got.data, text);
    assert_int_equal(got.len, 5);
    assert_ptr_equal(f.layers, f.inline_layers);
    assert_null(f.merged.data);
    assert_int_equal(released, 0);
    fold_begin(&f);
    assert_int_equal(released, 1);
    assert_int_equal(f.newest_seqno, 0);
    fold_done(&f);
    assert_int_equal(released, 1);
}

static void deletion_hides_what_is_older(void **state)
{
    struct fold f = {0};
    struct slice got;

    (void)state;
    released = 0;
    assert_int_equal(add(&f, KIND_DELETE, 9, slice_of(NULL, 0)), 1);
    assert_int_equal(add(&f, KIND_PUT, 8, slice_str("old")), 1);
    assert_int_equal(released, 2);
    assert_int_equal(f.newest_seqno, 9);
    assert_int_equal(fold_value(&f, &got), 0);
    fold_done(&f);
}

static void nothing_fed_is_no_value(void **state)
{
    struct fold f = {0};
    struct slice got;

    (void)state;
    assert_int_equal(fold_value(&f, &got), 0);
    fold_end(&f);
    assert_true(f.done);
    assert_int_equal(fold_value(&f, &got), 0);
    fold_done(&f);
}

static void patches_lie_over_the_base_newest_on_top(void **state)
{
    struct fold f = {0};
    struct buf a = {0}, b = {0};

    (void)state;
    assert_int_equal(add(&f, KIND_PATCH, 3, patch(&a, 2, "XY", 2)), 0);
    assert_int_equal(add(&f, KIND_PATCH, 2, patch(&b, 1, "abc", 3)), 0);
    assert_int_equal(add(&f, KIND_PUT, 1, slice_str("0123456")), 1);
    assert_value(&f, "0aXY456", 7);
    assert_value(&f, "0aXY456", 7); /* asking again changes nothing */
    fold_done(&f);
    buf_free(&a);
    buf_free(&b);
}

static void patch_with_no_base_has_zeros_before_it(void **state)
{
    struct fold f = {0};
    struct buf a = {0};

    (void)state;
    assert_int_equal(add(&f, KIND_PATCH, 3, patch(&a, 3, "Z", 1)), 0);
    assert_value(&f, "\0\0\0Z", 4);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 3, patch(&a, 3, "Z", 1)), 0);
    assert_int_equal(add(&f, KIND_DELETE, 2, slice_of(NULL, 0)), 1);
    assert_value(&f, "\0\0\0Z", 4);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 5, patch(&a, 6, "!", 1)), 0);
    assert_int_equal(add(&f, KIND_PUT, 2, slice_str("ab")), 1);
    assert_value(&f, "ab\0\0\0\0!", 7);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 5, patch(&a, 4, "", 0)), 0);
    assert_int_equal(add(&f, KIND_PUT, 2, slice_str("ab")), 1);
    assert_value(&f, "ab\0\0", 4);
    fold_done(&f);
    buf_free(&a);
}

static void damaged_patches_are_refused(void **state)
{
    static const uint8_t endless[] = {0xff, 0xff};
    struct fold f = {0};
    struct buf a = {0}, value = {0};
    struct slice got;
    uint64_t offset;

    (void)state;
    released = 0;
    assert_int_equal(add(&f, KIND_PATCH, 3, slice_of(endless, 2)), 0);
    assert_int_equal(fold_value(&f, &got), -ERR_PATCH_DAMAGED);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 3, slice_of(NULL, 0)), 0);
    assert_int_equal(fold_value(&f, &got), -ERR_PATCH_DAMAGED);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 3, patch(&a, VALUE_LEN_MAX, "x", 1)), 0);
    assert_int_equal(fold_value(&f, &got), -ERR_PATCH_DAMAGED);
    assert_int_equal(patch_apply(&value, buf_slice(&a)), -ERR_PATCH_DAMAGED);
    assert_int_equal(value.len, 0);
    assert_false(patch_decode(patch(&a, UINT64_MAX, "x", 1), &offset, &got));
    assert_true(patch_decode(patch(&a, VALUE_LEN_MAX - 1, "x", 1), &offset, &got));
    fold_done(&f);
    assert_int_equal(released, 3);
    buf_free(&a);
}

static void values_beyond_the_bound_are_refused(void **state)
{
    struct fold f = {.value_len_max = 8};
    struct buf a = {0};
    struct slice got;

    (void)state;
    released = 0;
    assert_int_equal(add(&f, KIND_PUT, 3, slice_str("12345678")), 1);
    assert_value(&f, "12345678", 8);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PUT, 3, slice_str("123456789")), 1);
    assert_int_equal(fold_value(&f, &got), -ERR_VALUE_LEN);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 4, patch(&a, 7, "x", 1)), 0);
    assert_int_equal(add(&f, KIND_PUT, 3, slice_str("1")), 1);
    assert_value(&f, "1\0\0\0\0\0\0x", 8);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 4, patch(&a, 0, "x", 1)), 0);
    assert_int_equal(add(&f, KIND_PUT, 3, slice_str("123456789")), 1);
    assert_int_equal(fold_value(&f, &got), -ERR_VALUE_LEN);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 4, patch(&a, 8, "x", 1)), 0);
    fold_end(&f);
    assert_int_equal(fold_value(&f, &got), -ERR_VALUE_LEN);
    assert_true(f.merged.cap <= 64);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PATCH, 4, patch(&a, VALUE_LEN_MAX, "", 0)), 0);
    fold_end(&f);
    assert_int_equal(fold_value(&f, &got), -ERR_VALUE_LEN);
    fold_done(&f);
    assert_int_equal(released, 8);
    buf_free(&a);
}

static void unknown_kinds_are_an_error_until_the_next_key(void **state)
{
    struct fold f = {0};
    struct slice got;

    (void)state;
    released = 0;
    assert_int_equal(add(&f, (enum kind)5, 3, slice_str("r")), -ERR_KIND_UNKNOWN);
    assert_true(f.done);
    assert_int_equal(released, 1);
    assert_int_equal(add(&f, KIND_PUT, 2, slice_str("r")), -ERR_KIND_UNKNOWN);
    assert_int_equal(fold_value(&f, &got), -ERR_KIND_UNKNOWN);
    fold_begin(&f);
    assert_int_equal(add(&f, KIND_PUT, 2, slice_str("r")), 1);
    assert_value(&f, "r", 1);
    fold_begin(&f);
    assert_int_equal(add(&f, (enum kind)99, 3, slice_str("r")), -ERR_KIND_UNKNOWN);
    fold_done(&f);
}

static void lookup_ends_below_a_range_tombstone(void **state)
{
    struct lookup l = {.snapshot = 100};
    struct pin pin = {0};
    struct slice got;

    (void)state;
    lookup_rangedel(&l, 5);
    lookup_rangedel(&l, 4);
    assert_int_equal(l.rangedel_seqno, 5);
    pin = (struct pin){count_release, NULL};
    released = 0;
    assert_int_equal(lookup_add(&l, KIND_PATCH, 6, slice_str("\1z"), &pin), 0);
    pin = (struct pin){count_release, NULL};
    assert_int_equal(lookup_add(&l, KIND_PUT, 4, slice_str("deleted"), &pin), 1);
    assert_int_equal(released, 1);
    assert_true(lookup_done(&l));
    assert_int_equal(fold_value(&l.fold, &got), 1);
    assert_int_equal(got.len, 2);
    assert_memory_equal(got.data, "\0z", 2);
    fold_done(&l.fold);
    assert_int_equal(released, 2);
}

static void random_patches_match_a_model_both_ways(void **state)
{
    enum {
        COUNT = 10000,
        LEN = 5000
    };
    struct slice *records = calloc(COUNT, sizeof(*records));
    struct buf *bufs = calloc(COUNT, sizeof(*bufs)), model = {0};
    struct fold f = {0};

    (void)state;
    srand(1);
    for (int i = 0; i < COUNT; i++) {
        uint8_t bytes[64];
        size_t len = (size_t)rand() % sizeof(bytes);

        memset(bytes, rand(), sizeof(bytes));
        records[i] = patch(&bufs[i], (uint64_t)(rand() % LEN), bytes, len);
        assert_int_equal(patch_apply(&model, records[i]), 0);
    }
    released = 0;
    for (int round = 0; round < 3; round++) {
        fold_begin(&f);
        for (size_t i = COUNT; i-- > 0;)
            assert_int_equal(add(&f, KIND_PATCH, i + 1, records[i]), 0);
        fold_end(&f);
        assert_value(&f, model.data, model.len);
    }
    fold_done(&f);
    assert_int_equal(released, 3 * COUNT);
    for (int i = 0; i < COUNT; i++)
        buf_free(&bufs[i]);
    free(bufs);
    free(records);
    buf_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_value_is_neither_copied_nor_allocated_for),
        cmocka_unit_test(deletion_hides_what_is_older),
        cmocka_unit_test(nothing_fed_is_no_value),
        cmocka_unit_test(patches_lie_over_the_base_newest_on_top),
        cmocka_unit_test(patch_with_no_base_has_zeros_before_it),
        cmocka_unit_test(damaged_patches_are_refused),
        cmocka_unit_test(values_beyond_the_bound_are_refused),
        cmocka_unit_test(unknown_kinds_are_an_error_until_the_next_key),
        cmocka_unit_test(lookup_ends_below_a_range_tombstone),
        cmocka_unit_test(random_patches_match_a_model_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
