/*
 * Trees that no sane program makes: directories 10,000 levels deep, loops of as many, ladders of
 * names between them. A check and a repair end, take calls of the engine in proportion, and the
 * tree is whole again.
 */
#include "unit/fs/fsck_fixture.h"

enum {
    LEVELS = 10000,
    GROUP = 1000,
};

static uint64_t number(uint64_t i)
{
    return (uint64_t)GROUP << 16 | i;
}

struct batch {
    struct fixture *f;
    struct lsm_batch *b;
};

static void begin(struct batch *b, struct fixture *f)
{
    uint8_t next[8];

    b->f = f;
    assert_int_equal(lsm_batch_new(&b->b), 0);
    put_le64(next, GROUP + 1);
    assert_int_equal(lsm_batch_put(b->b, "Sgroup_next", 11, next, sizeof(next)), 0);
}

static void end(struct batch *b)
{
    assert_int_equal(lsm_write(fs_db(b->f->fs), b->b, 0), 0);
    lsm_batch_free(b->b);
}

static void add_name(struct batch *b, uint64_t dir, const char *name, uint64_t ino, uint32_t mode)
{
    uint8_t value[DIRENT_VALUE_LEN];
    struct key k;

    entry_key(b->f, &k, dir, name);
    put_le64(value, ino);
    value[8] = (uint8_t)((mode & S_IFMT) >> 12);
    assert_int_equal(lsm_batch_put(b->b, k.data, k.len, value, sizeof(value)), 0);
}

static void add_dir(struct batch *b, uint64_t ino, uint64_t parent)
{
    struct inode in = {.ino = ino, .mode = S_IFDIR | 0755, .nlink = 3, .size = 1, .parent = parent};

    assert_int_equal(inode_put(b->b, &in), 0);
}

/* LEVELS directories, one in the other; the numbers rise going down, or fall, or are mixed. */
static void add_chain(struct batch *b, const uint64_t *numbers)
{
    for (int i = 0; i < LEVELS; i++) {
        add_dir(b, numbers[i], i ? numbers[i - 1] : FS_ROOT_INO);
        if (i)
            add_name(b, numbers[i - 1], "d", numbers[i], S_IFDIR);
    }
}

enum order {
    RISING,
    FALLING,
    MIXED,
    ORDER_COUNT
};

static void fill_numbers(enum order order, uint64_t ret[LEVELS])
{
    for (uint64_t i = 0; i < LEVELS; i++) {
        /* 7919 is a prime that does not divide LEVELS. */
        uint64_t at = order == RISING ? i : order == FALLING ? LEVELS - 1 - i : i * 7919 % LEVELS;

        ret[i] = number(at);
    }
}

/* How deep the tree is below the root: of directories with one subdirectory each, by "d". */
static unsigned depth(struct fixture *f, uint64_t dir)
{
    unsigned levels = 0;

    for (; dir; levels++)
        dir = ino_of(f->fs, dir, "d");
    return levels;
}

static void each_order(void (*test)(struct fixture *f, const uint64_t *numbers))
{
    for (enum order order = 0; order < ORDER_COUNT; order++) {
        uint64_t numbers[LEVELS];
        void *state;
        struct fixture *f;

        assert_int_equal(fixture_setup(&state), 0);
        f = state;
        fill_numbers(order, numbers);
        test(f, numbers);
        assert_int_equal(fs_close(f->fs), 0);
        fixture_free(f);
    }
}

static void loop(struct fixture *f, const uint64_t *numbers)
{
    struct found found;
    char name[64];
    struct batch b;

    begin(&b, f);
    add_chain(&b, numbers);
    add_name(&b, numbers[LEVELS - 1], "d", numbers[0], S_IFDIR);
    add_dir(&b, numbers[0], numbers[LEVELS - 1]);
    end(&b);
    run_check(f, &found);
    assert_int_equal(found.result.problems[CHECK_DIR_LOOP], 1);
    repair(f, false);
    expect_clean(f);
    assert_int_equal(depth(f, in_lost_found(f, number_name(number(0), "", name))), LEVELS);
}

static void a_loop_of_many_levels_is_cut_once(void **state)
{
    (void)state;
    each_order(loop);
}

static void unreachable(struct fixture *f, const uint64_t *numbers)
{
    char name[64];
    struct batch b;

    begin(&b, f);
    add_chain(&b, numbers);
    end(&b);
    repair(f, false);
    expect_clean(f);
    assert_int_equal(depth(f, in_lost_found(f, number_name(numbers[0], "", name))), LEVELS);
}

static void many_levels_without_a_name_stay_together(void **state)
{
    (void)state;
    each_order(unreachable);
}

/* Each level has a second name in the level above its parent, or the root. */
static void ladder(struct fixture *f, const uint64_t *numbers)
{
    struct batch b;

    begin(&b, f);
    add_chain(&b, numbers);
    add_name(&b, FS_ROOT_INO, "d", numbers[0], S_IFDIR);
    for (int i = 1; i < LEVELS; i++)
        add_name(&b, i > 1 ? numbers[i - 2] : FS_ROOT_INO, "up", numbers[i], S_IFDIR);
    end(&b);
    repair(f, false);
    expect_clean(f);
    /* Of two names the one stays whose directory the inode names. */
    assert_int_equal(depth(f, ino_of(f->fs, FS_ROOT_INO, "d")), LEVELS);
    assert_int_equal(ino_of(f->fs, FS_ROOT_INO, "up"), 0);
}

static void a_ladder_of_names_is_taken_down(void **state)
{
    (void)state;
    each_order(ladder);
}

/* One directory has a name in each of the levels. */
static void everywhere(struct fixture *f, const uint64_t *numbers)
{
    struct batch b;

    begin(&b, f);
    add_chain(&b, numbers);
    add_dir(&b, number(LEVELS), FS_ROOT_INO);
    for (int i = 0; i < LEVELS; i++)
        add_name(&b, numbers[i], "here", number(LEVELS), S_IFDIR);
    end(&b);
    repair(f, false);
    expect_clean(f);
}

static void a_directory_with_a_name_in_every_level_keeps_one(void **state)
{
    (void)state;
    each_order(everywhere);
}

static void gone(struct fixture *f, const uint64_t *numbers)
{
    struct batch b;

    begin(&b, f);
    add_chain(&b, numbers);
    for (int i = 0; i < LEVELS; i += 2) {
        struct key k;

        key_ino(&k, KEY_INODE, numbers[i]);
        assert_int_equal(lsm_batch_delete(b.b, k.data, k.len), 0);
    }
    end(&b);
    repair(f, false);
    expect_clean(f);
}

static void every_second_level_is_made_again(void **state)
{
    (void)state;
    each_order(gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_of_many_levels_is_cut_once),
        cmocka_unit_test(many_levels_without_a_name_stay_together),
        cmocka_unit_test(a_ladder_of_names_is_taken_down),
        cmocka_unit_test(a_directory_with_a_name_in_every_level_keeps_one),
        cmocka_unit_test(every_second_level_is_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
