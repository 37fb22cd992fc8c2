/*
 * Bloom filters: no key is ever hidden, and few others pass.
 */
#include "lib/cmocka_all.h"

#include <string.h>

#include "lsm/table/bloom.h"

static uint64_t hash_of(uint64_t n)
{
    return bloom_hash(slice_of(&n, sizeof(n)));
}

/* Build over keys 0..count-1; false positives among 20,000 others in 1/10,000. */
static unsigned build_and_ask(uint64_t count, unsigned bits, struct buf *filter)
{
    struct bloom_builder b = {0};
    unsigned wrong = 0;

    for (uint64_t n = 0; n < count; n++)
        assert_int_equal(bloom_builder_add(&b, hash_of(n)), 0);
    assert_int_equal(bloom_builder_finish(&b, bits, filter), 0);
    assert_true(bloom_check(buf_slice(filter)));
    assert_true(filter->len <= count * bits / 8 + 64 + 2);
    for (uint64_t n = 0; n < count; n++)
        assert_true(bloom_may_contain(buf_slice(filter), hash_of(n)));
    for (uint64_t n = 0; n < 20000; n++)
        wrong += bloom_may_contain(buf_slice(filter), hash_of(n + (UINT64_C(1) << 40)));
    bloom_builder_done(&b);
    return wrong / 2;
}

static void ten_bits_a_key_let_under_two_percent_through(void **state)
{
    struct buf filter = {0};

    (void)state;
    for (uint64_t count = 10; count <= 1000000; count *= 10)
        assert_true(build_and_ask(count, 10, &filter) < 200);
    buf_free(&filter);
}

static void more_bits_let_less_through(void **state)
{
    struct buf filter = {0};
    unsigned last = 10000;

    (void)state;
    for (unsigned bits = 2; bits <= 16; bits += 2) {
        unsigned wrong = build_and_ask(50000, bits, &filter);

        assert_true(wrong < last);
        last = wrong;
    }
    assert_true(build_and_ask(1000, 1, &filter) < 10000);
    assert_true(build_and_ask(1000, 1000000, &filter) < 10);
    buf_free(&filter);
}

static void a_filter_without_keys_hides_everything(void **state)
{
    struct bloom_builder b = {0};
    struct buf filter = {0};

    (void)state;
    assert_int_equal(bloom_builder_finish(&b, 10, &filter), 0);
    for (uint64_t n = 0; n < 1000; n++)
        assert_false(bloom_may_contain(buf_slice(&filter), hash_of(n)));
    buf_free(&filter);
}

static void what_is_no_filter_hides_nothing(void **state)
{
    struct bloom_builder b = {0};
    struct buf filter = {0};

    (void)state;
    assert_int_equal(bloom_builder_finish(&b, 10, &filter), 0);
    for (size_t len = 0; len < filter.len; len++) {
        assert_false(bloom_check(slice_of(filter.data, len)));
        assert_true(bloom_may_contain(slice_of(filter.data, len), hash_of(len)));
    }
    filter.data[filter.len - 1] = 0;
    assert_true(bloom_may_contain(buf_slice(&filter), hash_of(1)));
    filter.data[filter.len - 1] = 200;
    assert_true(bloom_may_contain(buf_slice(&filter), hash_of(1)));
    filter.data[filter.len - 1] = 6;
    assert_true(bloom_check(buf_slice(&filter)));
    filter.data[filter.len - 2] = 9;
    assert_true(bloom_may_contain(buf_slice(&filter), hash_of(1)));
    buf_free(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_bits_a_key_let_under_two_percent_through),
        cmocka_unit_test(more_bits_let_less_through),
        cmocka_unit_test(a_filter_without_keys_hides_everything),
        cmocka_unit_test(what_is_no_filter_hides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
