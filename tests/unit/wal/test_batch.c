/*
 * The batch: what goes in comes out, and damaged bytes never do more than fail.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/rng.h"
#include "lsm/base/err.h"
#include "lsm/wal/batch.h"

static const uint8_t long_key[USER_KEY_LEN_MAX + 1] = {1};

static void assert_op(struct slice *in, enum kind kind, struct slice key, struct slice value)
{
    struct batch_op op;

    assert_int_equal(batch_next(in, &op), 1);
    assert_int_equal(op.kind, kind);
    assert_true(slice_eq(op.key, key));
    assert_true(slice_eq(op.value, value));
}

static void operations_come_back_in_order(void **state)
{
    struct buf b = {0};
    struct slice in, max_key = slice_of(long_key, USER_KEY_LEN_MAX);
    struct batch_op op;
    uint64_t count;

    (void)state;
    assert_int_equal(batch_check(buf_slice(&b), VALUE_LEN_MAX, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(batch_append(&b, KIND_PUT, slice_str("k"), slice_str("v")), 0);
    assert_int_equal(batch_append(&b, KIND_PUT, max_key, slice_of(NULL, 0)), 0);
    assert_int_equal(batch_append(&b, KIND_DELETE, slice_str("k"), slice_of(NULL, 0)), 0);
    assert_int_equal(batch_append(&b, KIND_DELETE_RANGE, slice_str("z"), slice_str("a")), 0);
    assert_int_equal(batch_append_patch(&b, slice_str("k"), 300, slice_str("pp")), 0);
    assert_int_equal(batch_append(&b, KIND_PATCH, slice_str("k"), slice_of("\x05q", 2)), 0);
    assert_int_equal(batch_append_patch(&b, slice_str("k"), 1 << 30, slice_of(NULL, 0)), 0);
    assert_int_equal(batch_check(buf_slice(&b), VALUE_LEN_MAX, &count), 0);
    assert_int_equal(count, 7);
    assert_int_equal(batch_check(buf_slice(&b), VALUE_LEN_MAX - 1, &count), -ERR_VALUE_LEN);
    in = buf_slice(&b);
    assert_op(&in, KIND_PUT, slice_str("k"), slice_str("v"));
    assert_op(&in, KIND_PUT, max_key, slice_of(NULL, 0));
    assert_op(&in, KIND_DELETE, slice_str("k"), slice_of(NULL, 0));
    assert_op(&in, KIND_DELETE_RANGE, slice_str("z"), slice_str("a"));
    assert_op(&in, KIND_PATCH, slice_str("k"), slice_of("\xac\x02pp", 4));
    assert_op(&in, KIND_PATCH, slice_str("k"), slice_of("\x05q", 2));
    assert_op(&in, KIND_PATCH, slice_str("k"), slice_of("\x80\x80\x80\x80\x04", 5));
    assert_int_equal(batch_next(&in, &op), 0);
    buf_free(&b);
}

static void bytes_are_as_the_format_says(void **state)
{
    static const uint8_t want[] = {0x01, 0x01, 'a',  0x02, 'h',  'i',  0x00, 0x01, 'b',  0x03,
                                   0x01, 'c',  0x01, 'd',  0x02, 0x01, 'a',  0x02, 0x05, 'x'};
    struct buf b = {0};

    (void)state;
    assert_int_equal(batch_append(&b, KIND_PUT, slice_str("a"), slice_str("hi")), 0);
    assert_int_equal(batch_append(&b, KIND_DELETE, slice_str("b"), slice_of(NULL, 0)), 0);
    assert_int_equal(batch_append(&b, KIND_DELETE_RANGE, slice_str("c"), slice_str("d")), 0);
    assert_int_equal(batch_append_patch(&b, slice_str("a"), 5, slice_str("x")), 0);
    assert_true(slice_eq(buf_slice(&b), slice_of(want, sizeof(want))));
    buf_free(&b);
}

static void what_could_not_be_read_again_is_refused(void **state)
{
    struct buf b = {0};
    struct slice k = slice_str("k"), none = slice_of(NULL, 0),
                 too_long = slice_of(long_key, sizeof(long_key));

    (void)state;
    assert_int_equal(batch_append(&b, KIND_PUT, k, k), 0);
    assert_int_equal(batch_append(&b, KIND_PUT, none, k), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_PUT, too_long, k), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_DELETE, k, k), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_DELETE_RANGE, k, none), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_DELETE_RANGE, k, too_long), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_PATCH, k, none), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_PATCH, k, slice_of("\x80", 1)), -EINVAL);
    assert_int_equal(batch_append(&b, KIND_BLOB_REF, k, k), -EINVAL);
    assert_int_equal(batch_append(&b, (enum kind)77, k, k), -EINVAL);
    assert_int_equal(batch_append_patch(&b, none, 0, k), -EINVAL);
    assert_int_equal(batch_append_patch(&b, k, 1 << 30, k), -EINVAL);
    assert_int_equal(batch_append_patch(&b, k, UINT64_MAX, k), -EINVAL);
    assert_int_equal(b.len, 5);
    buf_free(&b);
}

static void assert_damaged(const char *bytes, size_t len)
{
    struct slice in = slice_of(bytes, len);
    struct batch_op op;
    uint64_t count;

    assert_int_equal(batch_next(&in, &op), -ERR_BATCH_DAMAGED);
    assert_ptr_equal(in.data, bytes);
    assert_int_equal(batch_check(slice_of(bytes, len), VALUE_LEN_MAX, &count), -ERR_BATCH_DAMAGED);
}

#define DAMAGED(s) assert_damaged(s, sizeof(s) - 1)

static void damaged_operations_are_refused(void **state)
{
    (void)state;
    DAMAGED("\x01");
    DAMAGED("\x01\x00\x00");   /* no key */
    DAMAGED("\x01\x02k");      /* a key beyond the end */
    DAMAGED("\x01\x01k");      /* no value */
    DAMAGED("\x01\x01k\x02v"); /* a value beyond the end */
    DAMAGED("\x01\x01k\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01v");
    DAMAGED("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffk");
    DAMAGED("\x02\x01k\x00");                      /* a patch without an offset */
    DAMAGED("\x02\x01k\x05\x81\x80\x80\x80\x04");  /* offset 1 + 2^30 */
    DAMAGED("\x02\x01k\x06\x80\x80\x80\x80\x04v"); /* one byte at 2^30 */
    DAMAGED("\x03\x01k\x00");                      /* a range without an end */
    DAMAGED("\x04\x01k\x01v");                     /* a blob reference */
    DAMAGED("\x05\x01k\x01v");
    DAMAGED("\xff\x01k\x01v");
}

/* Each input lies in memory of its own length, where the sanitizer sees any step outside. */
static void random_bytes_do_no_harm(void **state)
{
    uint64_t seed = rng_seed(11), count;
    struct rng rng = {seed};

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        size_t len = rng_below(&rng, 40) + 1;
        uint8_t *bytes = malloc(len);

        assert_non_null(bytes);
        for (size_t j = 0; j < len; j++)
            bytes[j] = (uint8_t)(rng_below(&rng, 3) ? rng_below(&rng, 8) : rng_next(&rng));
        if (batch_check(slice_of(bytes, len), VALUE_LEN_MAX, &count) == 0)
            assert_true(count >= 1 && count <= len / 3);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_come_back_in_order),
        cmocka_unit_test(bytes_are_as_the_format_says),
        cmocka_unit_test(what_could_not_be_read_again_is_refused),
        cmocka_unit_test(damaged_operations_are_refused),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
