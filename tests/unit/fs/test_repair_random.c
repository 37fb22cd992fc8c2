/*
 * Random damage, many at once: a repair ends, a second one finds nothing, the file system opens and
 * works, and nothing that was not damaged has changed.
 *
 * TEST_SEED repeats a run; TEST_ROUNDS makes the test longer.
 */
#include "unit/fs/damage.h"

static void one_round(uint64_t seed)
{
    struct damage *d = calloc(1, sizeof(*d));
    struct fixture *f;
    struct kv_model before;
    void *state;
    unsigned count;

    assert_non_null(d);
    d->rng.state = seed;
    assert_int_equal(fixture_setup(&state), 0);
    f = state;
    random_tree(f, &d->rng, 20 + (unsigned)rng_below(&d->rng, 60));
    take_keys(fs_db(f->fs), &before);
    count = 1 + (unsigned)rng_below(&d->rng, rng_below(&d->rng, 2) ? 60 : 4);
    for (unsigned i = 0; i < count; i++)
        damage_one(d, fs_db(f->fs), &before);
    repair(f, true);
    repair(f, false);
    expect_clean(f);
    assert_untouched(d, fs_db(f->fs), &before);
    fixture_reopen(f);
    expect_usable(f);
    fixture_free(f);
    kv_clear(&before);
    free(d);
}

static void random_damage_is_repaired(void **state)
{
    (void)state;
    damage_rounds(one_round, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_damage_is_repaired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
