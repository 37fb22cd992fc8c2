/*
 * lsmctl bench: what this machine's disk and this build give, in half a minute. It makes a store of
 * its own, fills it in random order, reads it at random, and walks through it. Times are measured
 * around each call, and the percentiles are exact: every one of them is kept and sorted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/lsmctl/lsmctl.h"

enum {
    COUNT_DEFAULT = 100000,
    VALUE_LEN_DEFAULT = 100,
    KEY_LEN = 16
};

static const char help[] =
    "Usage: lsmctl bench [OPTION...] STORE\n"
    "Make a store, and print how fast it is written, synced, read and scanned. STORE must not\n"
    "exist; it is left there, to be looked at and removed.\n"
    "\n"
    "      --count COUNT        pairs; 100000 unless given\n"
    "      --value-bytes SIZE   bytes of a value, half of which compress; 100 unless given\n"
    "      --json               print as JSON\n" LSMCTL_HELP_STORE_OF("1G");

struct bench {
    const struct args *args;
    struct lsm_db *db;
    uint64_t *times; /* ns of each operation of this phase */
    uint64_t time_count;
    uint8_t *value;
    json_t *phases; /* an array; NULL without --json */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A bijection, so that each number below 2^64 gives another key, in no order. */
static uint64_t scatter(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void make_key(uint64_t i, char key[KEY_LEN + 1])
{
    snprintf(key, KEY_LEN + 1, "%016llx", (unsigned long long)scatter(i + 1));
}

/* The first half random, the second the same letter throughout. */
static void make_value(struct bench *b, uint64_t i)
{
    size_t len = (size_t)b->args->value_len, random_len = len / 2;

    for (size_t at = 0; at < random_len; at += 8) {
        uint64_t r = scatter(i * 1000003 + at + 1);

        memcpy(b->value + at, &r, random_len - at < 8 ? random_len - at : 8);
    }
    memset(b->value + random_len, 'v', len - random_len);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Microseconds below which so many of 10,000 operations lie. */
static double percentile(const struct bench *b, uint64_t of_10000)
{
    uint64_t at = (uint64_t)((double)b->time_count * (double)of_10000 / 10000);

    return (double)b->times[at < b->time_count ? at : b->time_count - 1] / 1000;
}

/* op_len: bytes that an operation moves. */
static int report(struct bench *b, const char *name, size_t op_len, uint64_t wall_ns)
{
    double s = (double)wall_ns / 1e9, rate, mib;
    json_t *o;

    qsort(b->times, (size_t)b->time_count, sizeof(b->times[0]), by_number);
    rate = (double)b->time_count / s;
    mib = rate * (double)op_len / (1 << 20);
    if (!b->phases) {
        printf("%-8s %10.0f/s %9.1f MiB/s   microseconds: 50%% %.1f, 99%% %.1f, 99.9%% %.1f, "
               "longest %.1f\n",
               name, rate, mib, percentile(b, 5000), percentile(b, 9900), percentile(b, 9990),
               percentile(b, 10000));
        fflush(stdout);
        return STATUS_OK;
    }
    o = json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "phase", name, "operations",
                  (json_int_t)b->time_count, "seconds", s, "per_second", rate, "mib_per_second",
                  mib, "p50_us", percentile(b, 5000), "p99_us", percentile(b, 9900), "p999_us",
                  percentile(b, 9990), "max_us", percentile(b, 10000));
    return o && !json_array_append_new(b->phases, o) ? STATUS_OK : cli_error("out of memory");
}

static int fill_one(struct bench *b, uint64_t i)
{
    char key[KEY_LEN + 1];

    make_key(i, key);
    make_value(b, i);
    return lsm_put(b->db, key, KEY_LEN, b->value, (size_t)b->args->value_len, 0);
}

static int sync_one(struct bench *b, uint64_t i)
{
    int err = fill_one(b, i);

    return err ? err : lsm_sync(b->db);
}

static int read_one(struct bench *b, uint64_t i)
{
    struct lsm_value value;
    char key[KEY_LEN + 1];
    int err;

    make_key(scatter(i + 7) % b->args->count, key);
    err = lsm_get(b->db, NULL, key, KEY_LEN, &value);
    lsm_value_done(&value);
    return err;
}

/* Keys of that form that are not there. */
static int miss_one(struct bench *b, uint64_t i)
{
    struct lsm_value value;
    char key[KEY_LEN + 1];
    int err;

    make_key(b->args->count + i, key);
    err = lsm_get(b->db, NULL, key, KEY_LEN, &value);
    lsm_value_done(&value);
    return err == -ENOENT ? 0 : err ? err : -EEXIST;
}

static int run_phase(struct bench *b, const char *name, uint64_t count, size_t op_len,
                     int (*one)(struct bench *b, uint64_t i))
{
    uint64_t begin = now_ns(), before = begin, after;

    for (uint64_t i = 0; i < count; i++) {
        int err = one(b, i);

        if (err)
            return lsmctl_error(b->args->store, err);
        after = now_ns();
        b->times[i] = after - before;
        before = after;
    }
    b->time_count = count;
    return report(b, name, op_len, before - begin);
}

static int run_scan(struct bench *b)
{
    uint64_t begin = now_ns(), before = begin, after, i = 0;
    struct lsm_iter *it;
    int rc = lsm_iter_new(b->db, NULL, NULL, 0, NULL, 0, &it);

    if (rc)
        return lsmctl_error(b->args->store, rc);
    for (rc = lsm_iter_first(it); rc == 1 && i < b->args->count; rc = lsm_iter_next(it)) {
        after = now_ns();
        b->times[i++] = after - before;
        before = after;
    }
    lsm_iter_free(it);
    if (rc < 0)
        return lsmctl_error(b->args->store, rc);
    if (i != b->args->count)
        return cli_error("%s: %llu pairs were written and %llu are there", b->args->store,
                         (unsigned long long)b->args->count, (unsigned long long)i);
    b->time_count = i;
    return report(b, "scan", KEY_LEN + (size_t)b->args->value_len, before - begin);
}

static int run_phases(struct bench *b)
{
    size_t pair_len = KEY_LEN + (size_t)b->args->value_len;
    uint64_t count = b->args->count, sync_count = count < 1000 ? count : 1000;
    int status = run_phase(b, "fill", count, pair_len, fill_one), err;

    if (!status)
        status = run_phase(b, "sync", sync_count, pair_len, sync_one);
    /* So that what is read comes from tables, as it would later. */
    err = status ? 0 : lsm_flush(b->db);
    if (err)
        status = lsmctl_error(b->args->store, err);
    if (!status)
        status = run_phase(b, "read", count, pair_len, read_one);
    if (!status)
        status = run_phase(b, "miss", count, KEY_LEN, miss_one);
    return status ? status : run_scan(b);
}

static int bench(struct bench *b)
{
    struct args args = *b->args;
    int status;

    args.options.create = args.options.must_create = true;
    b->times = calloc((size_t)args.count, sizeof(b->times[0]));
    b->value = malloc((size_t)args.value_len + 1);
    if (!b->times || !b->value)
        return cli_error("out of memory");
    status = lsmctl_open_to_write(&args, &b->db);
    if (status)
        return status;
    status = run_phases(b);
    status = lsmctl_close(&args, b->db, status);
    return status || !b->phases ? status : cli_json_print(json_incref(b->phases));
}

static int run(int argc, char **argv)
{
    struct args args;
    struct bench b = {.args = &args};
    int status =
        args_parse(&args, argc, argv,
                   ARGS_STORE | ARGS_LONG_VALUES | ARGS_COUNT | ARGS_VALUE_BYTES | ARGS_JSON, 0, 0,
                   "one directory for the store");

    if (status)
        return status == ARGS_DONE ? STATUS_OK : status;
    args.count = args.count ? args.count : COUNT_DEFAULT;
    if (!args.has_value_len)
        args.value_len = VALUE_LEN_DEFAULT;
    if (args.json && !(b.phases = json_array()))
        return cli_error("out of memory");
    status = bench(&b);
    free(b.times);
    free(b.value);
    json_decref(b.phases);
    return status;
}

const struct command lsmctl_bench =
    LSMCTL_COMMAND("bench", "measure a new store for a moment", help, run);
