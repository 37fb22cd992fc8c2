/*
 * Many range deletions in one memtable, with reads between them and beside them: what the reads
 * cost must not grow with the square of their number, and nothing that is deleted may be seen.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/scratch.h"
#include "lsm/iter/rangedel.h"
#include "lsm/lsm.h"

enum {
    KEY_COUNT = 2000,
    READER_COUNT = 2,
    BUILT_PER_KEY_MAX = 24 /* each tombstone is built into about log2(KEY_COUNT) lists */
};

static struct lsm_db *db;
static atomic_ullong built; /* tombstones that were put into lists */
static atomic_uint deleted; /* keys below it are */

int __real_rangedel_list_new(const struct rangedel *dels, size_t count, struct rangedel_list **ret);
int __wrap_rangedel_list_new(const struct rangedel *dels, size_t count, struct rangedel_list **ret);

int __wrap_rangedel_list_new(const struct rangedel *dels, size_t count, struct rangedel_list **ret)
{
    atomic_fetch_add(&built, count);
    return __real_rangedel_list_new(dels, count, ret);
}

static size_t make_key(char buf[32], unsigned n)
{
    return (size_t)snprintf(buf, 32, "key%06u", n);
}

static void put_all(void)
{
    char key[32];

    for (unsigned n = 0; n < KEY_COUNT; n++) {
        size_t len = make_key(key, n);

        assert_int_equal(lsm_put(db, key, len, "v", 1, 0), 0);
    }
}

static void delete_one(unsigned n)
{
    char key[32], end[32];
    size_t len = make_key(key, n), end_len = make_key(end, n + 1);
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    assert_int_equal(lsm_batch_delete_range(b, key, len, end, end_len), 0);
    assert_int_equal(lsm_write(db, b, 0), 0);
    lsm_batch_free(b);
}

/* The n of a key; KEY_COUNT when it is none of ours. A key does not end in a zero byte. */
static unsigned number_of(const char *key, size_t len)
{
    char text[32];
    unsigned n = KEY_COUNT;

    if (len < sizeof(text)) {
        memcpy(text, key, len);
        text[len] = '\0';
        if (sscanf(text, "key%6u", &n) != 1)
            n = KEY_COUNT;
    }
    return n;
}

/*
 * The first key that is there, or KEY_COUNT when there is none. Returns what is wrong, or NULL: an
 * assertion that fails in a thread of its own ends the process without a word.
 */
static const char *find_first(unsigned *ret)
{
    const char *wrong = NULL;
    struct lsm_iter *it;
    const char *key;
    size_t len;
    int rc;

    *ret = KEY_COUNT;
    if (lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it))
        return "no iterator";
    rc = lsm_iter_first(it);
    if (rc < 0)
        wrong = "the first key cannot be read";
    if (rc == 1) {
        key = lsm_iter_key(it, &len);
        *ret = number_of(key, len);
        if (*ret == KEY_COUNT)
            wrong = "a key that nobody wrote";
        else if (lsm_iter_prev(it) != 0)
            wrong = "a key before the first";
    }
    lsm_iter_free(it);
    return wrong;
}

static unsigned first_key(void)
{
    unsigned n;
    const char *wrong = find_first(&n);

    if (wrong)
        fail_msg("%s", wrong);
    return n;
}

/* 0, -ENOENT or an error. */
static int look_up(unsigned n)
{
    struct lsm_value v;
    char key[32];
    size_t len = make_key(key, n);
    int err = lsm_get(db, NULL, key, len, &v);

    lsm_value_done(&v);
    return err;
}

static bool is_there(unsigned n)
{
    int err = look_up(n);

    assert_true(err == 0 || err == -ENOENT);
    return !err;
}

static int setup(void **state)
{
    struct lsm_options o;
    char *dir = scratch_new();

    lsm_options_default(&o);
    o.create = true;
    o.worker_count = 1;
    assert_int_equal(lsm_open(dir, &o, &db), 0);
    put_all();
    atomic_store(&built, 0);
    atomic_store(&deleted, 0);
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(lsm_close(db), 0);
    scratch_free(*state);
    return 0;
}

static void reads_between_range_deletions_build_little(void **state)
{
    (void)state;
    for (unsigned n = 0; n < KEY_COUNT; n++) {
        delete_one(n);
        /* Steps of an iterator over what is gone are not what is measured here. */
        if (n % 100 == 99)
            assert_int_equal(first_key(), n + 1);
        else {
            struct lsm_iter *it;

            assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
            lsm_iter_free(it);
        }
        assert_false(is_there(n));
        assert_int_equal(is_there(n + 1), n + 1 < KEY_COUNT);
    }
    assert_true(atomic_load(&built) >= KEY_COUNT);
    assert_true(atomic_load(&built) < (uint64_t)KEY_COUNT * BUILT_PER_KEY_MAX);
}

static void *read_on(void *arg)
{
    (void)arg;
    for (;;) {
        unsigned before = atomic_load(&deleted), found;
        const char *wrong = find_first(&found);

        if (wrong)
            return (void *)wrong;
        if (found < before || (before && look_up(before - 1) != -ENOENT))
            return "a deleted key was seen";
        if (found > atomic_load(&deleted) + 1)
            return "a key was missing";
        if (before == KEY_COUNT)
            return NULL;
    }
}

static void readers_beside_range_deletions_see_no_deleted_key(void **state)
{
    pthread_t readers[READER_COUNT];
    void *wrong;

    (void)state;
    for (unsigned i = 0; i < READER_COUNT; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (unsigned n = 0; n < KEY_COUNT; n++) {
        delete_one(n);
        atomic_store(&deleted, n + 1);
    }
    for (unsigned i = 0; i < READER_COUNT; i++) {
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        if (wrong)
            fail_msg("%s", (const char *)wrong);
    }
}

/* An iterator shows its own moment, whatever is deleted or flushed after it was made. */
static void an_iterator_keeps_its_range_deletions(void **state)
{
    struct lsm_iter *it;
    unsigned count = 0;
    int rc;

    (void)state;
    for (unsigned n = 0; n < KEY_COUNT / 2; n++)
        delete_one(n);
    assert_int_equal(lsm_iter_new(db, NULL, NULL, 0, NULL, 0, &it), 0);
    for (unsigned n = KEY_COUNT / 2; n < KEY_COUNT; n++)
        delete_one(n);
    assert_int_equal(first_key(), KEY_COUNT);
    assert_int_equal(lsm_flush(db), 0);
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it))
        count++;
    assert_int_equal(rc, 0);
    assert_int_equal(count, KEY_COUNT / 2);
    lsm_iter_free(it);
    assert_int_equal(first_key(), KEY_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(reads_between_range_deletions_build_little),
        TEST(readers_beside_range_deletions_see_no_deleted_key),
        TEST(an_iterator_keeps_its_range_deletions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
