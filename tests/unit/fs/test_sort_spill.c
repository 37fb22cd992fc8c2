/*
 * Sorting with a small budget: the order is right however many runs there are, nothing is left
 * behind, and a full disk is a clear error.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/check/sort_spill.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/err.h"

struct item {
    uint64_t key, other;
};

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->other > y->other) - (x->other < y->other);
}

static struct sort_spill *new_sort(size_t memory_len, bool ordered)
{
    struct sort_spill_options o = {sizeof(struct item), memory_len, ordered ? NULL : compare};
    struct sort_spill *s;

    assert_int_equal(sort_spill_new(&o, &s), 0);
    return s;
}

static const struct item *get(struct sort_spill *s, uint64_t place)
{
    const void *item;

    assert_int_equal(sort_spill_get(s, place, &item), 0);
    return item;
}

/* All items come out in order, and each as often as it was put in: their sums tell. */
static void sort_and_check(uint64_t count, uint64_t keys)
{
    struct rng rng = {rng_seed(count)};
    struct sort_spill *s = new_sort(0, false);
    uint64_t sum = 0, found = 0;
    struct item last = {0};

    for (uint64_t i = 0; i < count; i++) {
        struct item item = {rng_below(&rng, keys), i};

        sum += item.key * 31 + item.other * item.other;
        assert_int_equal(sort_spill_add(s, &item), 0);
    }
    assert_int_equal(sort_spill_finish(s), 0);
    assert_int_equal(sort_spill_count(s), count);
    for (uint64_t i = 0; i < count; i++) {
        const struct item *item = get(s, i);

        if (i)
            assert_true(compare(&last, item) < 0);
        last = *item;
        found += item->key * 31 + item->other * item->other;
    }
    assert_int_equal(found, sum);
    if (count) {
        struct item middle = *get(s, count / 2);

        (void)get(s, 0);
        (void)get(s, count - 1);
        assert_int_equal(compare(&middle, get(s, count / 2)), 0);
    }
    sort_spill_free(s);
}

static void items_that_fit_and_items_that_do_not_come_out_in_order(void **state)
{
    /* The smallest budget takes 8192 items: no run, one, a few, more than are merged at once. */
    static const uint64_t counts[] = {0, 1, 2, 8191, 8192, 8193, 20000, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        sort_and_check(counts[i], UINT64_MAX);
        sort_and_check(counts[i], 10);
    }
}

static void what_is_in_order_already_stays_in_it(void **state)
{
    struct sort_spill *s = new_sort(0, true);

    (void)state;
    for (uint64_t i = 0; i < 50000; i++)
        assert_int_equal(sort_spill_add(s, &(struct item){i * 3, i}), 0);
    assert_int_equal(sort_spill_finish(s), 0);
    for (uint64_t i = 50000; i-- > 0;)
        assert_int_equal(get(s, i)->key, i * 3);
    sort_spill_free(s);
}

static void the_temporary_file_has_no_name(void **state)
{
    char *dir = scratch_new();
    struct sort_spill *s;
    unsigned names = 0;
    DIR *d;

    (void)state;
    setenv("TMPDIR", dir, 1);
    s = new_sort(0, false);
    for (uint64_t i = 0; i < 30000; i++)
        assert_int_equal(sort_spill_add(s, &(struct item){i ^ 0x55, i}), 0);
    d = opendir(dir);
    assert_non_null(d);
    while (readdir(d))
        names++;
    closedir(d);
    assert_int_equal(names, 2); /* . and .. */
    assert_int_equal(sort_spill_finish(s), 0);
    sort_spill_free(s);
    unsetenv("TMPDIR");
    scratch_free(dir);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    struct sort_spill *s;
    int err = 0;

    (void)state;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    s = new_sort(0, false);
    for (uint64_t i = 0; i < 10000 && !err; i++)
        err = sort_spill_add(s, &(struct item){i, i});
    assert_int_equal(err_to_errno(err), ENOENT);
    assert_non_null(strstr(err_detail(), "/nowhere/at/all"));
    sort_spill_free(s);
    unsetenv("TMPDIR");
}

/* A limit of the process's file length stands for a disk that has no more room. */
static void a_disk_that_takes_no_more_is_an_error(void **state)
{
    struct rlimit old, small;
    struct sort_spill *s;
    int err;

    (void)state;
    for (uint64_t limit = 64 << 10; limit < 1 << 20; limit += 100 << 10) {
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small = old;
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        s = new_sort(0, false);
        err = 0;
        for (uint64_t i = 0; i < 40000 && !err; i++)
            err = sort_spill_add(s, &(struct item){40000 - i, i});
        if (!err)
            err = sort_spill_finish(s);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(err_to_errno(err), EFBIG);
        assert_non_null(strstr(err_detail(), "temporary file"));
        sort_spill_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_that_fit_and_items_that_do_not_come_out_in_order),
        cmocka_unit_test(what_is_in_order_already_stays_in_it),
        cmocka_unit_test(the_temporary_file_has_no_name),
        cmocka_unit_test(a_directory_that_is_not_there_is_named),
        cmocka_unit_test(a_disk_that_takes_no_more_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
