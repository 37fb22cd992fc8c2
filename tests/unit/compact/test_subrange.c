/*
 * Where compactions are divided.
 */
#include "lib/cmocka_all.h"

#include "lsm/compact/subrange.h"

static struct anchor at(const char *key, uint64_t len)
{
    return (struct anchor){slice_of(key, strlen(key)), len};
}

static void assert_cut(struct slice cut, const char *key)
{
    assert_true(slice_eq(cut, slice_of(key, strlen(key))));
}

static void ranges_have_about_as_many_bytes(void **state)
{
    struct anchor anchors[] = {at("e", 10), at("a", 10), at("c", 10),
                               at("b", 10), at("f", 10), at("d", 10)};
    struct slice cuts[3];

    (void)state;
    assert_int_equal(subrange_choose(anchors, 6, 3, cuts), 2);
    assert_cut(cuts[0], "b");
    assert_cut(cuts[1], "d");
}

static void a_heavy_stretch_is_a_range_of_its_own(void **state)
{
    struct anchor anchors[] = {at("a", 1), at("b", 1), at("c", 100), at("d", 1)};
    struct slice cuts[4];
    size_t count = subrange_choose(anchors, 4, 4, cuts);

    (void)state;
    assert_int_equal(count, 1);
    assert_cut(cuts[0], "c");
}

static void equal_keys_give_one_cut_and_the_last_key_none(void **state)
{
    struct anchor same[] = {at("k", 10), at("k", 10), at("k", 10)};
    struct anchor two[] = {at("a", 10), at("a", 10), at("z", 10), at("z", 10)};
    struct slice cuts[8];

    (void)state;
    assert_int_equal(subrange_choose(same, 3, 8, cuts), 0);
    assert_int_equal(subrange_choose(two, 4, 8, cuts), 1);
    assert_cut(cuts[0], "a");
    assert_int_equal(subrange_choose(two, 0, 8, cuts), 0);
    assert_int_equal(subrange_choose(two, 4, 1, cuts), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_have_about_as_many_bytes),
        cmocka_unit_test(a_heavy_stretch_is_a_range_of_its_own),
        cmocka_unit_test(equal_keys_give_one_cut_and_the_last_key_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
