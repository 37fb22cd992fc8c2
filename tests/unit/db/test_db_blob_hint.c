/*
 * Reading many large values that lie side by side: the disk is told of them before the first is
 * read, as few ranges, and of nothing that is in memory already.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/env/env.h"
#include "lsm/lsm.h"

enum {
    COUNT = 16,
    VALUE_LEN = 64 << 10
};

static struct lsm_db *db;
static char *dir;
static unsigned told;
static uint64_t told_len;

void __real_env_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len);
void __wrap_env_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len);

void __wrap_env_reader_prefetch(struct env_reader *r, uint64_t offset, uint64_t len)
{
    if (strstr(r->name, ".blob")) {
        told++;
        told_len += len;
    }
    __real_env_reader_prefetch(r, offset, len);
}

static void open_store(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.worker_count = 1;
    assert_int_equal(lsm_open(dir, &o, &db), 0);
}

/* Forget all that is in memory. */
static void reopen(void)
{
    assert_int_equal(lsm_close(db), 0);
    open_store();
    told = 0;
    told_len = 0;
}

/* Bytes that do not compress, the same each time. */
static void fill(unsigned n, uint8_t *value)
{
    struct rng rng = {.state = n};

    for (size_t i = 0; i < VALUE_LEN; i += 8) {
        uint64_t x = rng_next(&rng);

        memcpy(value + i, &x, 8);
    }
}

static int set_up(void **state)
{
    static uint8_t value[VALUE_LEN];
    char key[16];

    (void)state;
    dir = scratch_new();
    open_store();
    for (unsigned n = 0; n < COUNT; n++) {
        fill(n, value);
        snprintf(key, sizeof(key), "key%02u", n);
        assert_int_equal(lsm_put(db, key, strlen(key), value, VALUE_LEN, 0), 0);
    }
    reopen();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(lsm_close(db), 0);
    scratch_free(dir);
    return 0;
}

/* Read `count` of them, each `step` behind the one before, and one key that is not there. */
static void read_some(unsigned count, unsigned step)
{
    static uint8_t wanted[VALUE_LEN];
    char text[COUNT + 1][16];
    struct lsm_key keys[COUNT + 1];
    struct lsm_value values[COUNT + 1];
    int errs[COUNT + 1];

    for (unsigned i = 0; i <= count; i++) {
        snprintf(text[i], sizeof(text[i]), i < count ? "key%02u" : "none", i * step);
        keys[i] = (struct lsm_key){text[i], strlen(text[i])};
    }
    assert_int_equal(lsm_multi_get(db, NULL, keys, count + 1, values, errs), 0);
    for (unsigned i = 0; i < count; i++) {
        fill(i * step, wanted);
        assert_int_equal(errs[i], 0);
        assert_int_equal(values[i].len, VALUE_LEN);
        assert_memory_equal(values[i].data, wanted, VALUE_LEN);
        lsm_value_done(&values[i]);
    }
    assert_int_equal(errs[count], -ENOENT);
}

static void neighbours_are_told_as_one_range(void **state)
{
    (void)state;
    read_some(COUNT, 1);
    assert_int_equal(told, 1);
    assert_true(told_len >= COUNT * VALUE_LEN);
}

static void what_is_in_memory_is_not_told(void **state)
{
    (void)state;
    read_some(COUNT, 1);
    told = 0;
    read_some(COUNT, 1);
    assert_int_equal(told, 0);
}

static void what_lies_apart_is_told_apart_and_nothing_beyond_it(void **state)
{
    (void)state;
    read_some(COUNT / 2, 2);
    assert_int_equal(told, COUNT / 2);
    assert_true(told_len < COUNT * VALUE_LEN);
}

static void a_few_values_are_just_read(void **state)
{
    (void)state;
    read_some(2, 1);
    assert_int_equal(told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(neighbours_are_told_as_one_range),
        TEST(what_is_in_memory_is_not_told),
        TEST(what_lies_apart_is_told_apart_and_nothing_beyond_it),
        TEST(a_few_values_are_just_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
