/*
 * The order of slices is that of memcmp, however they are compared.
 */
#include "lib/cmocka_all.h"

#include "lsm/base/slice.h"

enum {
    LEN_MAX = 75 /* more than what is compared by words, and a tail */
};

static int order_of(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;

    if (c == 0)
        return (a.len > b.len) - (a.len < b.len);
    return c < 0 ? -1 : 1;
}

static void check(struct slice a, struct slice b)
{
    int want = order_of(a, b), is = slice_cmp(a, b);

    assert_int_equal(is < 0, want < 0);
    assert_int_equal(is > 0, want > 0);
    assert_int_equal(slice_eq(a, b), want == 0);
}

/* Every byte of every length differs once, by a bit at either end of the byte. */
static void order_is_that_of_unsigned_bytes(void **state)
{
    uint8_t a[LEN_MAX], b[LEN_MAX];

    (void)state;
    for (size_t len = 0; len <= LEN_MAX; len++) {
        memset(a, 0x41, sizeof(a));
        memcpy(b, a, sizeof(b));
        check(slice_of(a, len), slice_of(b, len));
        for (size_t i = 0; i < len; i++) {
            for (unsigned bit = 1; bit < 256; bit <<= 7) {
                b[i] ^= (uint8_t)bit;
                /* What follows must not count. */
                if (i + 1 < len)
                    b[i + 1] ^= 0xff;
                check(slice_of(a, len), slice_of(b, len));
                check(slice_of(b, len), slice_of(a, len));
                memcpy(b, a, sizeof(b));
            }
        }
    }
}

static void a_beginning_stands_before_the_whole(void **state)
{
    uint8_t a[LEN_MAX], b[LEN_MAX];

    (void)state;
    memset(a, 0xff, sizeof(a));
    memset(b, 0xff, sizeof(b));
    for (size_t i = 0; i <= LEN_MAX; i++) {
        for (size_t j = 0; j <= LEN_MAX; j++)
            check(slice_of(a, i), slice_of(b, j));
    }
    check(slice_of(NULL, 0), slice_of(NULL, 0));
    check(slice_of(NULL, 0), slice_of(a, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_unsigned_bytes),
        cmocka_unit_test(a_beginning_stands_before_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
