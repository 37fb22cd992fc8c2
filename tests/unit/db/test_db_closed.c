/*
 * A store that was closed had everything on disk, and its log says so: whatever is damaged of its
 * last writes afterwards is damage, and not a tail that a power cut has taken.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>

#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    KEY_COUNT = 6,
    LARGE_LEN = 20000,
    LARGE_KEY = KEY_COUNT - 1, /* the last one */
};

static size_t value_len(unsigned i)
{
    return i == LARGE_KEY ? LARGE_LEN : 10 + i;
}

static void fill(unsigned i, uint8_t *value)
{
    for (size_t k = 0; k < value_len(i); k++)
        value[k] = (uint8_t)(i * 41 + k * k / 7);
}

static int open_store(const char *dir, struct lsm_db **ret)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.worker_count = 1;
    return lsm_open(dir, &o, ret);
}

static char *new_store(void)
{
    char *dir = scratch_new();
    uint8_t value[LARGE_LEN];
    struct lsm_db *db;

    assert_int_equal(open_store(dir, &db), 0);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        fill(i, value);
        assert_int_equal(lsm_put(db, (char[]){(char)('a' + i)}, 1, value, value_len(i), 0), 0);
    }
    assert_int_equal(lsm_close(db), 0);
    return dir;
}

static int get(struct lsm_db *db, unsigned i)
{
    uint8_t expected[LARGE_LEN];
    struct lsm_value v;
    int err = lsm_get(db, NULL, (char[]){(char)('a' + i)}, 1, &v);

    if (err)
        return err;
    fill(i, expected);
    assert_int_equal(v.len, value_len(i));
    assert_memory_equal(v.data, expected, v.len);
    lsm_value_done(&v);
    return 0;
}

static void expect_all_in(struct lsm_db *db)
{
    for (unsigned i = 0; i < KEY_COUNT; i++)
        assert_int_equal(get(db, i), 0);
}

struct newest {
    const char *suffix;
    uint64_t number;
};

static int note_file(void *arg, const char *name)
{
    struct newest *n = arg;
    uint64_t number = store_file_number(name, "", n->suffix);

    if (number > n->number)
        n->number = number;
    return 0;
}

/* The newest file with that suffix. */
static void read_newest(const char *dir, const char *suffix, char name[32], struct buf *ret)
{
    struct newest n = {suffix, 0};
    struct env *env;

    assert_int_equal(env_posix_open(dir, ENV_READ_ONLY | ENV_NO_LOCK, &env), 0);
    assert_int_equal(env_list(env, note_file, &n), 0);
    assert_true(n.number > 0);
    snprintf(name, 32, "%08llu%s", (unsigned long long)n.number, suffix);
    ret->len = 0;
    assert_int_equal(env_read_small(env, name, 16 << 20, ret), 0);
    env_close(env);
}

static void put_file(const char *dir, const char *name, struct slice bytes)
{
    struct env *env;

    assert_int_equal(env_posix_open(dir, 0, &env), 0);
    assert_int_equal(env_replace_small(env, name, bytes), 0);
    env_close(env);
}

/* Each byte of the log in turn: the store refuses to open, or has everything. */
static void no_damaged_byte_of_the_log_takes_a_write(void **state)
{
    char *dir = new_store(), name[32];
    struct buf log = {0};
    unsigned refused = 0, opened = 0;

    (void)state;
    read_newest(dir, ".wal", name, &log);
    for (size_t i = 0; i < log.len; i++) {
        struct lsm_options o;
        struct lsm_db *db;
        int err;

        log.data[i] ^= 0x10;
        put_file(dir, name, buf_slice(&log));
        lsm_options_default(&o);
        o.read_only = true;
        err = lsm_open(dir, &o, &db);
        if (err) {
            assert_true(lsm_is_damage(err));
            refused++;
        } else {
            expect_all_in(db);
            assert_int_equal(lsm_close(db), 0);
            opened++;
        }
        log.data[i] ^= 0x10;
    }
    /* All of the records; what is left is the log's header and the mark itself. */
    assert_true(refused > 100);
    assert_true(opened > 0 && opened < 100);
    buf_free(&log);
    scratch_free(dir);
}

static void a_damaged_large_value_is_an_error_of_its_own(void **state)
{
    char *dir = new_store(), name[32];
    struct buf blob = {0};
    struct lsm_db *db;

    (void)state;
    read_newest(dir, ".blob", name, &blob);
    blob.data[blob.len / 2] ^= 1;
    put_file(dir, name, buf_slice(&blob));
    assert_int_equal(open_store(dir, &db), 0);
    for (unsigned i = 0; i < LARGE_KEY; i++)
        assert_int_equal(get(db, i), 0);
    assert_true(lsm_is_damage(get(db, LARGE_KEY)));
    assert_int_equal(lsm_close(db), 0);
    buf_free(&blob);
    scratch_free(dir);
}

static void what_was_cut_off_is_missed(void **state)
{
    char *dir = new_store(), name[32];
    struct buf log = {0};
    struct lsm_db *db;

    (void)state;
    read_newest(dir, ".wal", name, &log);
    /* A piece in the middle reads as zeros: the mark behind it tells. */
    memset(log.data + log.len / 2, 0, 8);
    put_file(dir, name, buf_slice(&log));
    assert_true(lsm_is_damage(open_store(dir, &db)));
    buf_free(&log);
    scratch_free(dir);
}

/* Marks take no sequence numbers, and nothing that follows them is lost. */
static void a_store_is_closed_many_times(void **state)
{
    char *dir = new_store();
    struct lsm_stats before, after;
    struct lsm_db *db;

    (void)state;
    assert_int_equal(open_store(dir, &db), 0);
    assert_int_equal(lsm_stats(db, &before), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(lsm_close(db), 0);
        assert_int_equal(open_store(dir, &db), 0);
        expect_all_in(db);
        if (i % 3)
            continue;
        assert_int_equal(lsm_put(db, "z", 1, &(char){(char)i}, 1, 0), 0);
    }
    assert_int_equal(lsm_stats(db, &after), 0);
    assert_int_equal(after.seqno, before.seqno + 7);
    assert_int_equal(lsm_flush(db), 0);
    assert_int_equal(lsm_close(db), 0);
    assert_int_equal(open_store(dir, &db), 0);
    expect_all_in(db);
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_damaged_byte_of_the_log_takes_a_write),
        cmocka_unit_test(a_damaged_large_value_is_an_error_of_its_own),
        cmocka_unit_test(what_was_cut_off_is_missed),
        cmocka_unit_test(a_store_is_closed_many_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
