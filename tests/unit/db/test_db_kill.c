/*
 * A process that writes through lsm.h on the real file system is killed at any moment, again and
 * again. What it said that it had written must be there, batches whole, and the store must verify.
 *
 * Each batch writes one number under all keys of a group, with values of many lengths, and removes
 * what the group had before. Numbers that were acknowledged go through a pipe to the parent.
 *
 * TEST_ROUNDS makes it longer, TEST_SEED changes when the process is killed.
 */
#include "lib/cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/base/check.h"
#include "lsm/base/codec.h"
#include "lsm/lsm.h"

enum {
    GROUP_COUNT = 40,
    GROUP_LEN = 6,
    VALUE_LEN_MAX_HERE = 3000
};

struct message {
    uint32_t group;
    uint32_t number;
};

static struct lsm_options small_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.lock_wait_ms = 10000;
    o.memtable_len = o.table_len = o.level_base_len = 64 << 10;
    o.l0_compact_count = 1;
    o.level_ratio = 2;
    o.cache_bytes = 1 << 20;
    o.worker_count = 2;
    o.blob_len_min = 256;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 20;
    return o;
}

static size_t make_key(char buf[32], unsigned group, unsigned i)
{
    return (size_t)snprintf(buf, 32, "g%02u/%u", group, i);
}

/* The value that a number means, for a key. */
static size_t make_value(uint32_t number, unsigned i, uint8_t *value)
{
    struct rng rng = {number * UINT64_C(64) + i};
    size_t len = 8 + (size_t)rng_below(&rng, VALUE_LEN_MAX_HERE - 8);

    for (size_t k = 0; k < len; k++)
        value[k] = (uint8_t)(number % 2 ? rng_next(&rng) : number + i);
    put_le64(value, number);
    return len;
}

static void write_group(struct lsm_db *db, unsigned group, uint32_t number)
{
    uint8_t value[VALUE_LEN_MAX_HERE];
    char key[32], end[32];
    struct lsm_batch *b;

    CHECK(lsm_batch_new(&b) == 0);
    CHECK(lsm_batch_delete_range(b, key, make_key(key, group, 0), end, make_key(end, group, 9)) ==
          0);
    for (unsigned i = 0; i < GROUP_LEN; i++) {
        size_t key_len = make_key(key, group, i), len = make_value(number, i, value);
        size_t head = i % 3 ? len : len / 2;

        CHECK(lsm_batch_put(b, key, key_len, value, head) == 0);
        if (head < len)
            CHECK(lsm_batch_patch(b, key, key_len, head, value + head, len - head) == 0);
    }
    CHECK(lsm_write(db, b, number % 50 ? 0 : LSM_WRITE_SYNC) == 0);
    lsm_batch_free(b);
}

static void child_main(const char *dir, uint32_t number, int to_parent)
{
    struct lsm_options o = small_options();
    struct lsm_db *db;

    CHECK(lsm_open(dir, &o, &db) == 0);
    for (;; number++) {
        struct message m = {number * 7 % GROUP_COUNT, number};

        write_group(db, m.group, number);
        CHECK(write(to_parent, &m, sizeof(m)) == sizeof(m));
    }
}

static void check_group(struct lsm_db *db, unsigned group, uint32_t least)
{
    uint8_t want[VALUE_LEN_MAX_HERE];
    uint64_t first = 0;

    for (unsigned i = 0; i < GROUP_LEN; i++) {
        struct lsm_value v;
        char key[32];
        int err = lsm_get(db, NULL, key, make_key(key, group, i), &v);

        if (err && (least || i))
            fail_msg("group %u, number %u: %s", group, least, lsm_detail());
        if (err)
            return;
        assert_true(v.len >= 8);
        if (i == 0)
            first = get_le64(v.data);
        assert_true(first >= least);
        assert_int_equal(v.len, make_value((uint32_t)first, i, want));
        assert_memory_equal(v.data, want, v.len);
        lsm_value_done(&v);
    }
}

/* Let a child write for some time and kill it; the numbers that it acknowledged. */
static uint32_t run_and_kill(const char *dir, uint32_t number, uint64_t ms, uint32_t *numbers)
{
    struct timespec nap = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    struct message m;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        child_main(dir, number, ends[1]);
    }
    close(ends[1]);
    if (fcntl(ends[0], F_SETPIPE_SZ, 1 << 20) < 0)
        print_message("a small pipe\n");
    /* The length of the run, not a wait for something to happen. */
    nanosleep(&nap, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &m, sizeof(m)) == sizeof(m)) {
        numbers[m.group] = m.number;
        number = m.number;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return number + 2; /* one more may have been written */
}

static void a_killed_process_loses_nothing_that_it_wrote(void **state)
{
    const char *rounds = getenv("TEST_ROUNDS");
    uint32_t numbers[GROUP_COUNT] = {0}, number = 1;
    struct lsm_options o = small_options();
    struct rng rng = {rng_seed(23)};
    char *dir = scratch_new();

    (void)state;
    for (unsigned round = 0; round < (rounds ? strtoul(rounds, NULL, 0) : 12); round++) {
        struct lsm_db *db;
        int err;

        number = run_and_kill(dir, number, 1 + rng_below(&rng, 300), numbers);
        err = lsm_open(dir, &o, &db);
        if (err)
            fail_msg("round %u: %s", round, lsm_detail());
        for (unsigned group = 0; group < GROUP_COUNT; group++)
            check_group(db, group, numbers[group]);
        if (lsm_verify(db, NULL, NULL, NULL))
            fail_msg("round %u: %s", round, lsm_detail());
        assert_int_equal(lsm_close(db), 0);
    }
    assert_true(number > 100);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_loses_nothing_that_it_wrote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
