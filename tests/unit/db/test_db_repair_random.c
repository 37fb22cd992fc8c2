/*
 * One wrong byte anywhere: opening works or refuses, and after a repair the store opens, is whole,
 * and has no value that was never written; where no loss was told, it has all that it had.
 *
 * TEST_SEED repeats one round; the number of rounds is $TEST_ROUNDS or 300.
 */
#include "repair_fixture.h"

static unsigned round_count(void)
{
    const char *rounds = getenv("TEST_ROUNDS");

    return rounds ? (unsigned)strtoul(rounds, NULL, 0) : 300;
}

/* The small files as often as the large ones. */
static const struct file_copy *choose_file(struct rng *rng, const struct files *f)
{
    static const char *const kinds[] = {".sst",      ".wal",    ".blob",
                                        "MANIFEST-", "CURRENT", "SUPERBLOCK"};
    const char *kind = kinds[rng_below(rng, 9) % 6];

    for (;;) {
        const struct file_copy *file = &f->files[rng_below(rng, f->count)];

        if (is_kind(file->name, kind) && file->bytes.len)
            return file;
    }
}

/* An operation that was not durable may have been cut off: of the log, or for its large value. */
static void check_repaired(struct store *s, const struct file_copy *file, bool was_opened)
{
    bool lossless =
        !was_told(s, "lost:") && !name_ends(file->name, ".wal") && !name_ends(file->name, ".blob");
    struct lsm_db *db = store_open(s);
    size_t same;

    expect_verified(db);
    expect_written(s, db, &same);
    if (same < KEY_COUNT - 400)
        fail_msg("only %zu keys are as they were", same);
    if (lossless && !was_opened)
        expect_model(s, db);
    assert_int_equal(lsm_close(db), 0);
}

static void one_round(struct store *s, const struct files *f, uint64_t seed)
{
    struct rng rng = {seed};
    const struct file_copy *file = choose_file(&rng, f);
    uint64_t offset = rng_below(&rng, file->bytes.len);
    bool opened = rng_below(&rng, 2);
    struct lsm_db *db;
    int err;

    files_restore(s->dir, f);
    flip_byte(s, file->name, offset);
    print_message("seed %llu: %s at %llu\n", (unsigned long long)seed, file->name,
                  (unsigned long long)offset);
    if (opened) {
        err = lsm_open(s->dir, &s->options, &db);
        if (!err)
            (void)lsm_close(db);
        else
            assert_true(lsm_errno(err) == EIO || lsm_errno(err) == EINVAL ||
                        lsm_errno(err) == ENOTSUP);
    }
    repair(s, false);
    check_repaired(s, file, opened);
    assert_int_equal(repair(s, true), 0);
}

static void one_wrong_byte_never_makes_a_wrong_value(void **state)
{
    struct files *f = calloc(1, sizeof(*f));
    uint64_t first = rng_seed(1);
    unsigned rounds = getenv("TEST_SEED") ? 1 : round_count();
    struct store s;

    (void)state;
    store_build_blobs(&s, 300, false, 300);
    files_read(s.dir, f);
    for (unsigned i = 0; i < rounds; i++)
        one_round(&s, f, first + i);
    files_free(f);
    free(f);
    store_free(&s);
}

/* Stretches of wrong bytes in several files at once: what is there afterwards is right. */
static void much_damage_never_makes_a_wrong_value(void **state)
{
    struct files *f = calloc(1, sizeof(*f));
    struct store s;

    (void)state;
    store_build_blobs(&s, 301, false, 300);
    files_read(s.dir, f);
    for (uint64_t seed = 1000; seed < 1030; seed++) {
        struct rng rng = {seed};
        struct lsm_db *db;
        size_t same;

        print_message("seed %llu\n", (unsigned long long)seed);
        files_restore(s.dir, f);
        for (unsigned n = 0; n < 4; n++) {
            const struct file_copy *file = choose_file(&rng, f);
            uint64_t at = rng_below(&rng, file->bytes.len);

            for (uint64_t i = at; i < at + 700 && i < file->bytes.len; i++)
                flip_byte(&s, file->name, i);
        }
        repair(&s, false);
        db = store_open(&s);
        expect_verified(db);
        expect_written(&s, db, &same);
        assert_int_equal(lsm_close(db), 0);
        assert_int_equal(repair(&s, true), 0);
    }
    files_free(f);
    free(f);
    store_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wrong_byte_never_makes_a_wrong_value),
        cmocka_unit_test(much_damage_never_makes_a_wrong_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
