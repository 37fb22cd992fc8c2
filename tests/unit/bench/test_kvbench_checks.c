/*
 * An engine that answers wrongly does not get a figure: each step ends its process, which is forked
 * here for that.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/kvbench/workload.h"

enum {
    VALUE_LEN = 100,
    COUNT = 1000,
};

/* What the engine of this test answers, whatever it is asked. */
enum answer {
    RIGHT,
    MISSING,
    OF_ANOTHER_KEY,
    TOO_SHORT
};

static enum answer answer;

static char lent[MULTI_GET_COUNT][VALUE_LEN]; /* so many answers are valid at once */
static unsigned lent_count;
static struct dataset data;

static void answer_value(uint64_t number, struct value *ret)
{
    uint64_t of = answer == OF_ANOTHER_KEY ? number + 2 : number;
    char *bytes = lent[lent_count++ % MULTI_GET_COUNT];

    memcpy(bytes, dataset_value(&data, of, 0, VALUE_LEN), VALUE_LEN);
    ret->data = answer == MISSING ? NULL : bytes;
    ret->len = answer == TOO_SHORT ? VALUE_LEN - 1 : VALUE_LEN;
}

static bool fake_get(struct store *s, const struct key *key, struct value *ret)
{
    uint64_t number;

    (void)s;
    if (!key_number(key, KEY_LEN, &number) || (number % 2 && answer == RIGHT))
        return false;
    answer_value(number, ret);
    return ret->data != NULL;
}

static void fake_value_done(struct value *v)
{
    (void)v;
}

static void fake_multi_get(struct store *s, const struct key *keys, size_t count, struct value *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!fake_get(s, &keys[i], &ret[i]))
            ret[i].data = NULL;
    }
}

/* A cursor that stands on key `at`. */
static uint64_t at;

static struct cursor *fake_cursor_open(struct store *s)
{
    return (struct cursor *)s;
}

static void fake_cursor_close(struct cursor *c)
{
    (void)c;
}

static bool fake_seek(struct cursor *c, const struct key *key)
{
    (void)c;
    return key_number(key, KEY_LEN, &at) && answer != MISSING;
}

static bool fake_next(struct cursor *c)
{
    (void)c;
    at += 2;
    return at < COUNT * 2;
}

static const void *fake_key(struct cursor *c, size_t *ret_len)
{
    static struct key key;

    (void)c;
    key_of(at, &key);
    *ret_len = KEY_LEN;
    return &key;
}

static const void *fake_value(struct cursor *c, size_t *ret_len)
{
    struct value v;

    (void)c;
    answer_value(at, &v);
    *ret_len = v.len;
    return v.data;
}

static const struct engine fake = {
    .name = "fake",
    .get = fake_get,
    .value_done = fake_value_done,
    .multi_get = fake_multi_get,
    .cursor_open = fake_cursor_open,
    .cursor_close = fake_cursor_close,
    .seek = fake_seek,
    .next = fake_next,
    .key = fake_key,
    .value = fake_value,
};

/* The exit status of a process that takes ten steps. */
static int status_of(enum step (*step)(struct worker *, uint64_t), enum answer wanted)
{
    struct bench b = {.engine = &fake, .value_len = VALUE_LEN, .count = COUNT};
    struct worker *w = calloc(1, sizeof(*w));
    int status;
    pid_t pid;

    assert_non_null(w);
    w->bench = &b;
    answer = wanted;
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        for (uint64_t i = 0; i < 10; i++)
            step(w, i);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    free(w);
    return WEXITSTATUS(status);
}

static void a_read_that_is_wrong_ends_the_run(void **state)
{
    (void)state;
    assert_int_equal(status_of(step_read, RIGHT), 0);
    assert_int_equal(status_of(step_read, MISSING), 1);
    assert_int_equal(status_of(step_read, OF_ANOTHER_KEY), 1);
    assert_int_equal(status_of(step_read, TOO_SHORT), 1);
}

static void a_key_that_nobody_wrote_must_be_missing(void **state)
{
    (void)state;
    assert_int_equal(status_of(step_read_missing, RIGHT), 0);
    assert_int_equal(status_of(step_read_missing, OF_ANOTHER_KEY), 1);
}

static void a_multi_get_that_is_wrong_ends_the_run(void **state)
{
    (void)state;
    assert_int_equal(status_of(step_multi_get, RIGHT), 0);
    assert_int_equal(status_of(step_multi_get, MISSING), 1);
    assert_int_equal(status_of(step_multi_get, OF_ANOTHER_KEY), 1);
}

static void a_seek_that_is_wrong_ends_the_run(void **state)
{
    (void)state;
    assert_int_equal(status_of(step_seek, RIGHT), 0);
    assert_int_equal(status_of(step_seek, MISSING), 1);
    assert_int_equal(status_of(step_seek, OF_ANOTHER_KEY), 1);
    assert_int_equal(status_of(step_seek, TOO_SHORT), 1);
}

static int make_data(void **state)
{
    (void)state;
    dataset_init(&data, VALUE_LEN, 1);
    return 0;
}

static int free_data(void **state)
{
    (void)state;
    dataset_done(&data);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_that_is_wrong_ends_the_run),
        cmocka_unit_test(a_key_that_nobody_wrote_must_be_missing),
        cmocka_unit_test(a_multi_get_that_is_wrong_ends_the_run),
        cmocka_unit_test(a_seek_that_is_wrong_ends_the_run),
    };

    return cmocka_run_group_tests(tests, make_data, free_data);
}
