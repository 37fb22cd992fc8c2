/*
 * The cost of a repair grows with what there is to repair, and no faster: of each kind of damage
 * twice as much takes about twice as many calls of the engine, also where all of it is in one
 * directory or one file. Calls are counted, not seconds: the linker puts the functions named below
 * between the repair and the engine (tests/CMakeLists.txt).
 *
 * TEST_COUNT=40000 measures larger ones, TEST_KIND="dangling names" one of them.
 */
#include <time.h>

#include "fs/lost_mark.h"
#include "unit/fs/fsck_fixture.h"

/* --- Counting --- */

static uint64_t call_count, range_count;

/* The linker's names: what calls NAME gets __wrap_NAME, which finds the function as __real_NAME. */
#define COUNTED(name, params, args)                                                                \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        call_count++;                                                                              \
        return __real_##name args;                                                                 \
    }

COUNTED(lsm_get,
        (struct lsm_db * db, const struct lsm_snapshot *s, const void *key, size_t key_len,
         struct lsm_value *ret),
        (db, s, key, key_len, ret))
COUNTED(lsm_iter_first, (struct lsm_iter * it), (it))
COUNTED(lsm_iter_last, (struct lsm_iter * it), (it))
COUNTED(lsm_iter_next, (struct lsm_iter * it), (it))
COUNTED(lsm_iter_prev, (struct lsm_iter * it), (it))
COUNTED(lsm_iter_seek, (struct lsm_iter * it, const void *key, size_t key_len), (it, key, key_len))

/* Each of these costs every later read: a repair makes none. */
int __real_lsm_batch_delete_range(struct lsm_batch *b, const void *start, size_t start_len,
                                  const void *end, size_t end_len);
int __wrap_lsm_batch_delete_range(struct lsm_batch *b, const void *start, size_t start_len,
                                  const void *end, size_t end_len);

int __wrap_lsm_batch_delete_range(struct lsm_batch *b, const void *start, size_t start_len,
                                  const void *end, size_t end_len)
{
    range_count++;
    return __real_lsm_batch_delete_range(b, start, start_len, end, end_len);
}

/* --- Damage --- */

enum {
    GROUP = 1000, /* of the first number that the damage has */
};

struct damager {
    struct fixture *f;
    struct lsm_batch *batch;
    uint64_t dir; /* with all the damage */
};

static uint64_t number(uint64_t i)
{
    return (GROUP + i / INODE_SLOT_COUNT) << 16 | i % INODE_SLOT_COUNT;
}

static void add_record(struct damager *d, uint64_t ino, uint32_t mode, uint32_t nlink)
{
    struct inode in = {.ino = ino, .mode = mode, .nlink = nlink, .parent = d->dir};

    assert_int_equal(inode_put(d->batch, &in), 0);
}

static void add_name(struct damager *d, uint64_t dir, const char *name, uint64_t ino, uint32_t mode)
{
    uint8_t value[DIRENT_VALUE_LEN];
    struct key k;

    entry_key(d->f, &k, dir, name);
    put_le64(value, ino);
    value[8] = (uint8_t)((mode & S_IFMT) >> 12);
    assert_int_equal(lsm_batch_put(d->batch, k.data, k.len, value, sizeof(value)), 0);
}

static void add_numbered(struct damager *d, uint64_t i, uint64_t ino, uint32_t mode)
{
    char name[32];

    snprintf(name, sizeof(name), "name%llu", (unsigned long long)i);
    add_name(d, d->dir, name, ino, mode);
}

static void dangling_names(struct damager *d, uint64_t i)
{
    add_numbered(d, i, number(i), S_IFREG);
}

static void names_of_one_that_is_gone(struct damager *d, uint64_t i)
{
    add_numbered(d, i, number(0), S_IFREG);
}

static void names_of_records_that_say_nothing(struct damager *d, uint64_t i)
{
    struct key k;

    add_numbered(d, i, number(i), S_IFIFO);
    key_ino(&k, KEY_INODE, number(i));
    assert_int_equal(lsm_batch_put(d->batch, k.data, k.len, "?", 1), 0);
}

static void names_of_another_type(struct damager *d, uint64_t i)
{
    add_record(d, number(i), S_IFREG | 0644, 1);
    add_numbered(d, i, number(i), S_IFIFO);
}

static void names_of_one_directory(struct damager *d, uint64_t i)
{
    if (!i)
        add_record(d, number(0), S_IFDIR | 0755, 2);
    add_numbered(d, i, number(0), S_IFDIR);
}

static void directories_of_two_names(struct damager *d, uint64_t i)
{
    add_record(d, number(i), S_IFDIR | 0755, 2);
    add_numbered(d, 2 * i, number(i), S_IFDIR);
    add_numbered(d, 2 * i + 1, number(i), S_IFDIR);
}

static void directories_that_hold_themselves(struct damager *d, uint64_t i)
{
    add_record(d, number(i), S_IFDIR | 0755, 2);
    add_name(d, number(i), "self", number(i), S_IFDIR);
}

static void names_at_wrong_places(struct damager *d, uint64_t i)
{
    uint8_t value[DIRENT_VALUE_LEN] = {0};
    char name[32];
    struct key k;

    snprintf(name, sizeof(name), "name%llu", (unsigned long long)i);
    add_record(d, number(i), S_IFREG | 0644, 1);
    key_dirent(&k, d->dir, 5 + i, name, strlen(name));
    put_le64(value, number(i));
    value[8] = S_IFREG >> 12;
    assert_int_equal(lsm_batch_put(d->batch, k.data, k.len, value, sizeof(value)), 0);
}

static void bad_names_in_directories(struct damager *d, uint64_t i)
{
    add_record(d, number(i), S_IFDIR | 0755, 2);
    add_numbered(d, i, number(i), S_IFDIR);
    add_name(d, number(i), "a/b", number(1000000 + i), S_IFREG);
    add_record(d, number(1000000 + i), S_IFREG | 0644, 1);
}

static void files_without_a_name(struct damager *d, uint64_t i)
{
    add_record(d, number(i), S_IFREG | 0644, 1);
}

static void wrong_link_counts(struct damager *d, uint64_t i)
{
    add_record(d, number(i), S_IFREG | 0644, 7);
    add_numbered(d, i, number(i), S_IFREG);
}

static void orphans_of_nothing(struct damager *d, uint64_t i)
{
    struct key k;

    key_ino(&k, KEY_ORPHAN, number(i));
    assert_int_equal(lsm_batch_put(d->batch, k.data, k.len, "", 0), 0);
}

static void add_block(struct damager *d, uint64_t ino, uint64_t block, size_t len)
{
    static const uint8_t data[BLOCK_LEN + 1];
    struct key k;

    key_block(&k, ino, block);
    assert_int_equal(lsm_batch_put(d->batch, k.data, k.len, data, len), 0);
}

static void blocks_without_an_inode(struct damager *d, uint64_t i)
{
    add_block(d, number(i), 0, 100);
}

static void blocks_behind_the_end(struct damager *d, uint64_t i)
{
    if (!i) {
        add_record(d, number(0), S_IFREG | 0644, 1);
        add_numbered(d, i, number(0), S_IFREG);
    }
    add_block(d, number(0), i, 100);
}

static void blocks_that_are_too_long(struct damager *d, uint64_t i)
{
    struct inode in = {.ino = number(i), .mode = S_IFREG, .nlink = 1, .size = BLOCK_LEN};

    in.block_count = 1;
    assert_int_equal(inode_put(d->batch, &in), 0);
    add_numbered(d, i, number(i), S_IFREG);
    add_block(d, number(i), 0, BLOCK_LEN + 1);
}

static void names_in_files(struct damager *d, uint64_t i)
{
    add_record(d, number(2 * i), S_IFREG | 0644, 1);
    add_numbered(d, i, number(2 * i), S_IFREG);
    add_record(d, number(2 * i + 1), S_IFREG | 0644, 1);
    add_name(d, number(2 * i), "same", number(2 * i + 1), S_IFREG);
}

static void attributes_of_nothing(struct damager *d, uint64_t i)
{
    struct key k;

    key_xattr(&k, number(i), "user.x", 6);
    assert_int_equal(lsm_batch_put(d->batch, k.data, k.len, "", 0), 0);
}

static void lost_blocks(struct damager *d, uint64_t i)
{
    struct inode in = {.ino = number(i), .mode = S_IFREG, .nlink = 1, .size = BLOCK_LEN};

    in.block_count = 1;
    assert_int_equal(inode_put(d->batch, &in), 0);
    add_numbered(d, i, number(i), S_IFREG);
    assert_int_equal(block_mark_lost(d->batch, number(i), 0, BLOCK_LEN), 0);
}

/* --- Measuring --- */

static void make_damage(struct damager *d, void (*add)(struct damager *d, uint64_t i),
                        uint64_t count)
{
    uint8_t group_next[8];

    d->dir = make_dir(d->f->fs, FS_ROOT_INO, "dir");
    assert_int_equal(lsm_batch_new(&d->batch), 0);
    put_le64(group_next, GROUP + 100);
    assert_int_equal(lsm_batch_put(d->batch, "Sgroup_next", 11, group_next, 8), 0);
    for (uint64_t i = 0; i < count; i++) {
        add(d, i);
        if (lsm_batch_count(d->batch) < 10000 && i + 1 < count)
            continue;
        assert_int_equal(lsm_write(fs_db(d->f->fs), d->batch, 0), 0);
        lsm_batch_clear(d->batch);
    }
    lsm_batch_free(d->batch);
}

/* How many calls the repair of so much damage takes. */
static uint64_t measure(void (*add)(struct damager *d, uint64_t i), uint64_t count)
{
    struct timespec begin, end;
    struct damager d;
    void *state;

    assert_int_equal(fixture_setup(&state), 0);
    d.f = state;
    make_damage(&d, add, count);
    call_count = range_count = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    repair(d.f, false);
    assert_int_equal(range_count, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    print_message(
        "  %llu: %llu calls, %.2f s\n", (unsigned long long)count, (unsigned long long)call_count,
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    expect_clean(d.f);
    fs_close(d.f->fs);
    fixture_free(d.f);
    return call_count;
}

static void twice_the_damage_takes_twice_the_calls(void **state)
{
    static const struct {
        const char *name;
        void (*add)(struct damager *d, uint64_t i);
    } kinds[] = {
        {"dangling names", dangling_names},
        {"names of one that is gone", names_of_one_that_is_gone},
        {"names of records that say nothing", names_of_records_that_say_nothing},
        {"names of another type", names_of_another_type},
        {"names of one directory", names_of_one_directory},
        {"directories of two names", directories_of_two_names},
        {"directories that hold themselves", directories_that_hold_themselves},
        {"names at wrong places", names_at_wrong_places},
        {"bad names in directories", bad_names_in_directories},
        {"files without a name", files_without_a_name},
        {"wrong link counts", wrong_link_counts},
        {"orphans of nothing", orphans_of_nothing},
        {"blocks without an inode", blocks_without_an_inode},
        {"blocks behind the end", blocks_behind_the_end},
        {"blocks that are too long", blocks_that_are_too_long},
        {"names in files", names_in_files},
        {"attributes of nothing", attributes_of_nothing},
        {"lost blocks", lost_blocks},
    };
    const char *text = getenv("TEST_COUNT"), *only = getenv("TEST_KIND");
    uint64_t count = text ? strtoull(text, NULL, 10) : 1000;
    unsigned bad_count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint64_t once, twice;

        if (only && strcmp(only, kinds[i].name))
            continue;
        print_message("%s\n", kinds[i].name);
        once = measure(kinds[i].add, count);
        twice = measure(kinds[i].add, 2 * count);
        if (twice > once * 5 / 2) {
            print_error("%s: twice as many take %llu calls instead of %llu\n", kinds[i].name,
                        (unsigned long long)twice, (unsigned long long)once);
            bad_count++;
        }
    }
    assert_int_equal(bad_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_the_damage_takes_twice_the_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
