/*
 * Many keys at once: the same answers as one by one, from few reads of the disk.
 */
#include "lib/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/db/db.h"

enum {
    KEY_COUNT = 6000,
    BATCH_COUNT = 150, /* more keys than are read together */
    VALUE_LEN = 300
};

static char *dir;
static struct lsm_db *db;

/* Counts what the store asks of the environment. */
static struct {
    const struct env_ops *real;
    struct env_ops ops;
    atomic_uint batches, batched, single; /* background threads read as well */
} count;

static void count_many(struct env *env, struct env_read *reads, size_t n)
{
    count.batches++;
    count.batched += (unsigned)n;
    count.real->read_many(env, reads, n);
}

static int count_parts(struct env_reader *r, uint64_t offset, const struct iovec *parts, unsigned n,
                       size_t *ret_len)
{
    count.batches++;
    count.batched += n;
    return count.real->reader_read_parts(r, offset, parts, n, ret_len);
}

static int count_read(struct env_reader *r, uint64_t offset, size_t len, void *buf, size_t *ret_len)
{
    count.single++;
    return count.real->reader_read(r, offset, len, buf, ret_len);
}

static void open_counted(size_t cache_bytes)
{
    struct lsm_options o;
    struct env *env;

    lsm_options_default(&o);
    o.create = true;
    o.cache_bytes = cache_bytes;
    o.memtable_len = 128 << 10;
    o.table_len = 128 << 10;
    o.level_base_len = 256 << 10;
    o.block_len = 2048;
    assert_int_equal(env_uring_open(dir, ENV_CREATE, &env), 0);
    if (env_uring_why_not(env)) {
        env_close(env);
        skip();
    }
    count.real = env->ops;
    count.ops = *env->ops;
    count.ops.read_many = count_many;
    count.ops.reader_read_parts = count_parts;
    count.ops.reader_read = count_read;
    env->ops = &count.ops;
    assert_int_equal(db_open(env, &o, &db), 0);
}

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lsm_close(db);
    db = NULL;
    scratch_free(dir);
    return 0;
}

struct key_text {
    char text[16];
};

static struct lsm_key key_of(struct key_text *k, uint64_t i)
{
    int len = snprintf(k->text, sizeof(k->text), "key%08llu", (unsigned long long)i);

    return (struct lsm_key){k->text, (size_t)len};
}

/* Values, patches, deletions and range deletions, in several levels. */
static void fill(uint64_t seed)
{
    struct rng rng = {seed};
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    for (unsigned i = 0; i < 2 * KEY_COUNT; i++) {
        uint8_t value[VALUE_LEN];
        struct key_text text, end_text;
        uint64_t at = rng_below(&rng, KEY_COUNT);
        struct lsm_key k = key_of(&text, at), end = key_of(&end_text, at + 5);

        for (size_t j = 0; j < VALUE_LEN; j++)
            value[j] = (uint8_t)rng_next(&rng);
        lsm_batch_clear(b);
        switch (rng_below(&rng, 20)) {
        case 0:
            assert_int_equal(lsm_batch_delete(b, k.data, k.len), 0);
            break;
        case 1:
            assert_int_equal(lsm_batch_delete_range(b, k.data, k.len, end.data, end.len), 0);
            break;
        case 2:
        case 3:
        case 4:
            assert_int_equal(
                lsm_batch_patch(b, k.data, k.len, rng_below(&rng, VALUE_LEN), value, 20), 0);
            break;
        default:
            assert_int_equal(lsm_batch_put(b, k.data, k.len, value, VALUE_LEN), 0);
        }
        assert_int_equal(lsm_write(db, b, 0), 0);
    }
    lsm_batch_free(b);
}

/* Look random keys up together and one by one. Returns how many errors but -ENOENT there were. */
static unsigned compare(struct rng *rng, size_t n, const struct lsm_snapshot *snapshot)
{
    static struct key_text texts[BATCH_COUNT];
    static struct lsm_key keys[BATCH_COUNT];
    static struct lsm_value values[BATCH_COUNT];
    static int errs[BATCH_COUNT];
    unsigned damaged = 0;
    int answer;

    for (size_t i = 0; i < n; i++)
        keys[i] = key_of(&texts[i], rng_below(rng, KEY_COUNT + 10));
    answer = lsm_multi_get(db, snapshot, keys, n, values, errs);
    for (size_t i = 0; i < n; i++) {
        struct lsm_value one;
        int err = lsm_get(db, snapshot, keys[i].data, keys[i].len, &one);

        assert_int_equal(errs[i], err);
        assert_int_equal(values[i].len, one.len);
        assert_int_equal(values[i].seqno, one.seqno);
        if (one.len)
            assert_memory_equal(values[i].data, one.data, one.len);
        if (err && err != -ENOENT && damaged++ == 0)
            assert_int_equal(answer, err);
        lsm_value_done(&one);
        lsm_value_done(&values[i]);
    }
    if (!damaged)
        assert_int_equal(answer, 0);
    return damaged;
}

static void answers_are_those_of_single_gets(void **state)
{
    static const size_t cache_lens[] = {1 << 20, 64 << 20};
    struct lsm_snapshot *snapshot;
    struct rng rng = {rng_seed(7)};

    (void)state;
    for (unsigned c = 0; c < 2; c++) {
        open_counted(cache_lens[c]);
        fill(c + 1);
        assert_int_equal(lsm_snapshot_open(db, &snapshot), 0);
        fill(c + 10);
        for (unsigned i = 0; i < 40; i++) {
            assert_int_equal(compare(&rng, 1 + (size_t)rng_below(&rng, BATCH_COUNT), NULL), 0);
            assert_int_equal(compare(&rng, BATCH_COUNT, snapshot), 0);
        }
        lsm_snapshot_close(db, snapshot);
        assert_int_equal(lsm_close(db), 0);
        db = NULL;
    }
}

/* The keys 0, STEP, ... with everything in one level and nothing in the cache but the first key's.
 */
static int get_spread(size_t n, unsigned step)
{
    static struct key_text texts[BATCH_COUNT];
    static struct lsm_key keys[BATCH_COUNT];
    static struct lsm_value values[BATCH_COUNT];
    static int errs[BATCH_COUNT];
    int answer;

    for (size_t i = 0; i < n; i++)
        keys[i] = key_of(&texts[i], i * step);
    answer = lsm_multi_get(db, NULL, keys, n, values, errs);
    for (size_t i = 0; i < n; i++)
        lsm_value_done(&values[i]);
    return answer;
}

static void missing_blocks_are_read_together(void **state)
{
    struct key_text text;
    struct lsm_value v;

    (void)state;
    open_counted(64 << 20);
    for (uint64_t i = 0; i < 60; i++) {
        char value[1800];
        struct lsm_key k = key_of(&text, i);

        for (size_t j = 0; j < sizeof(value); j++)
            value[j] = (char)(i * 31 + j * j);
        assert_int_equal(lsm_put(db, k.data, k.len, value, sizeof(value), 0), 0);
    }
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    assert_int_equal(lsm_close(db), 0);
    open_counted(64 << 20);
    /* Opens the table, and brings its only index and filter into the cache. */
    assert_int_equal(lsm_get(db, NULL, "key00000000", 11, &v), 0);
    lsm_value_done(&v);
    atomic_store(&count.batches, 0);
    atomic_store(&count.batched, 0);
    atomic_store(&count.single, 0);
    assert_int_equal(get_spread(60, 1), 0);
    assert_int_equal(count.batches, 1);
    assert_in_range(count.batched, 25, 59);
    assert_int_equal(count.single, 0);
    assert_int_equal(get_spread(60, 1), 0);
    assert_int_equal(count.batches, 1);
    assert_int_equal(count.single, 0);
}

/* Spoil a byte in the middle of the store's largest table. */
static void damage_a_table(void)
{
    char name[32];
    uint64_t best = 0, number = 0;
    struct superversion *sv = sv_get(db);
    uint8_t byte;
    int fd;

    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        for (size_t i = 0; i < sv->version->levels[level].count; i++) {
            const struct table_meta *m = sv->version->levels[level].tables[i];

            if (m->stats.file_len > best) {
                best = m->stats.file_len;
                number = m->number;
            }
        }
    }
    sv_put(sv);
    sst_file_name(number, name);
    fd = open(scratch_path(dir, name), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(best / 3)), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(best / 3)), 1);
    close(fd);
}

static void a_damaged_block_is_an_error_of_its_keys_only(void **state)
{
    struct rng rng = {rng_seed(9)};
    unsigned damaged = 0, total = 0;

    (void)state;
    open_counted(64 << 20);
    fill(3);
    assert_int_equal(lsm_compact_range(db, NULL, 0, NULL, 0), 0);
    damage_a_table();
    assert_int_equal(lsm_close(db), 0);
    open_counted(64 << 20);
    for (unsigned i = 0; i < 200; i++, total += BATCH_COUNT)
        damaged += compare(&rng, BATCH_COUNT, NULL);
    assert_in_range(damaged, 1, total / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_those_of_single_gets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_blocks_are_read_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_block_is_an_error_of_its_keys_only, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
