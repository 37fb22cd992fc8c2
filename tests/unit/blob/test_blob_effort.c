/*
 * The effort of compression: all of it where it makes values shorter, less where it does not, and
 * another sample soon shows when the data is of another kind.
 */
#include "lib/cmocka_all.h"

#include <stdlib.h>

#include "lib/rng.h"
#include "lsm/blob/blob_effort.h"

enum {
    LEN = 64 << 10,
    SOON_COUNT = 32 /* values */
};

/* Words of a small vocabulary, in random order: many short matches. */
static void fill_words(uint8_t *value, uint64_t seed)
{
    static const char words[] = "the quick brown foxes jump over lazy dogs and then they sleep ";
    struct rng rng = {seed};

    for (size_t i = 0; i < LEN;) {
        size_t from = rng_below(&rng, sizeof(words) - 8), n = 3 + rng_below(&rng, 5);

        for (size_t k = 0; k < n && i < LEN; k++)
            value[i++] = (uint8_t)words[from + k];
    }
}

/* Random bytes, each row of 200 twice: few and long matches. */
static void fill_rows(uint8_t *value, uint64_t seed)
{
    struct rng rng = {seed};

    for (size_t i = 0; i < LEN; i++)
        value[i] = i % 400 < 200 ? (uint8_t)rng_next(&rng) : value[i - 200];
}

static int acceleration_after(struct blob_effort *e, void (*fill)(uint8_t *, uint64_t))
{
    uint8_t *value = malloc(LEN);
    int last = 0;

    assert_non_null(value);
    for (uint64_t i = 0; i < SOON_COUNT; i++) {
        fill(value, i);
        last = blob_effort_acceleration(e, slice_of(value, LEN));
        assert_true(last >= 1);
    }
    free(value);
    return last;
}

static void effort_follows_the_data(void **state)
{
    struct blob_effort e = {0};

    (void)state;
    assert_int_equal(acceleration_after(&e, fill_words), 1);
    assert_true(acceleration_after(&e, fill_rows) > 1);
    assert_int_equal(acceleration_after(&e, fill_words), 1);
}

static void short_values_get_all_effort(void **state)
{
    static uint8_t value[1000];
    struct blob_effort e = {0};

    (void)state;
    assert_true(acceleration_after(&e, fill_rows) > 1);
    assert_int_equal(blob_effort_acceleration(&e, slice_of(value, sizeof(value))), 1);
    assert_int_equal(blob_effort_acceleration(&e, slice_of(NULL, 0)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effort_follows_the_data),
        cmocka_unit_test(short_values_get_all_effort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
