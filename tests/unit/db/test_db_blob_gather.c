/*
 * Reading many large values: those that are not in memory are read together, each once, and one
 * that is damaged concerns no other.
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
static unsigned calls, reads; /* of blob files */

int __real_env_read_many(struct env *env, struct env_read *reads, size_t count);
int __wrap_env_read_many(struct env *env, struct env_read *reads, size_t count);
int __real_env_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                           size_t *ret_len);
int __wrap_env_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                           size_t *ret_len);

int __wrap_env_read_many(struct env *env, struct env_read *some, size_t count)
{
    unsigned before = reads;

    for (size_t i = 0; i < count; i++)
        reads += strstr(some[i].reader->name, ".blob") != NULL;
    calls += reads != before;
    return __real_env_read_many(env, some, count);
}

int __wrap_env_reader_read(struct env_reader *r, uint64_t offset, size_t len, void *buf,
                           size_t *ret_len)
{
    if (strstr(r->name, ".blob") && offset) {
        calls++;
        reads++;
    }
    return __real_env_reader_read(r, offset, len, buf, ret_len);
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
    calls = reads = 0;
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

typedef int multi_get(struct lsm_db *db, const struct lsm_snapshot *snapshot,
                      const struct lsm_key *keys, size_t count, struct lsm_value *ret_values,
                      int *ret_errs);

/* Read `count` of them, each `step` behind the one before, and one key that is not there. */
static void read_some(multi_get *get, unsigned count, unsigned step, unsigned damaged)
{
    static uint8_t wanted[VALUE_LEN];
    char text[COUNT + 1][16];
    struct lsm_key keys[COUNT + 1];
    struct lsm_value values[COUNT + 1];
    int errs[COUNT + 1], err;

    for (unsigned i = 0; i <= count; i++) {
        snprintf(text[i], sizeof(text[i]), i < count ? "key%02u" : "none", i * step);
        keys[i] = (struct lsm_key){text[i], strlen(text[i])};
    }
    err = get(db, NULL, keys, count + 1, values, errs);
    assert_int_equal(err, damaged < count ? errs[damaged] : 0);
    for (unsigned i = 0; i < count; i++) {
        if (i == damaged) {
            assert_true(errs[i] && errs[i] != -ENOENT);
            continue;
        }
        fill(i * step, wanted);
        assert_int_equal(errs[i], 0);
        assert_int_equal(values[i].len, VALUE_LEN);
        assert_memory_equal(values[i].data, wanted, VALUE_LEN);
        lsm_value_done(&values[i]);
    }
    assert_int_equal(errs[count], -ENOENT);
}

static void missing_values_are_read_together(void **state)
{
    (void)state;
    read_some(lsm_multi_get, COUNT, 1, COUNT);
    assert_int_equal(calls, 1);
    assert_int_equal(reads, COUNT);
    reopen();
    read_some(lsm_multi_get, COUNT / 2, 2, COUNT);
    assert_int_equal(calls, 1);
    assert_int_equal(reads, COUNT / 2);
}

static void what_is_in_memory_is_not_read_again(void **state)
{
    (void)state;
    read_some(lsm_multi_get, COUNT / 2, 2, COUNT);
    calls = reads = 0;
    read_some(lsm_multi_get, COUNT, 1, COUNT);
    assert_int_equal(calls, 1);
    assert_int_equal(reads, COUNT / 2);
    read_some(lsm_multi_get, COUNT, 1, COUNT);
    assert_int_equal(calls, 1);
}

static void what_is_wanted_once_is_not_kept(void **state)
{
    (void)state;
    read_some(lsm_multi_get_once, COUNT, 1, COUNT);
    read_some(lsm_multi_get_once, COUNT, 1, COUNT);
    assert_int_equal(calls, 2);
    assert_int_equal(reads, 2 * COUNT);
    /* But it is taken from memory if it is there. */
    read_some(lsm_multi_get, COUNT, 1, COUNT);
    read_some(lsm_multi_get_once, COUNT, 1, COUNT);
    assert_int_equal(calls, 3);
}

/* Change a byte of the value with that number, in the one blob file that there is. */
static void damage(unsigned number)
{
    char command[4200], path[4200];
    FILE *listing, *f;

    snprintf(command, sizeof(command), "ls %s/*.blob", dir);
    listing = popen(command, "r");
    assert_non_null(listing);
    assert_non_null(fgets(path, sizeof(path), listing));
    assert_int_equal(pclose(listing), 0);
    path[strcspn(path, "\n")] = 0;
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)number * (VALUE_LEN + 40) + VALUE_LEN / 2, SEEK_SET), 0);
    assert_int_equal(fputc('x', f), 'x');
    assert_int_equal(fputc('y', f), 'y');
    assert_int_equal(fclose(f), 0);
}

static void a_damaged_value_concerns_no_other(void **state)
{
    (void)state;
    damage(3);
    read_some(lsm_multi_get, COUNT, 1, 3);
    read_some(lsm_multi_get_once, COUNT, 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(missing_values_are_read_together),
        TEST(what_is_in_memory_is_not_read_again),
        TEST(what_is_wanted_once_is_not_kept),
        TEST(a_damaged_value_concerns_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
