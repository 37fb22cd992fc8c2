/*
 * Random operations on a store against the reference model: batches of puts, deletes, patches and
 * range deletions, with flushes, compactions, snapshots and reopening in between; reads by get and
 * by iterators in both directions. Some iterators and values are held for long, across flushes and
 * compactions, and must not notice. Small memtables and tables, so that every level is used.
 *
 * TEST_SEED repeats a run; TEST_STEPS makes it longer.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/kv_model.h"
#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/lsm.h"

enum {
    KEY_COUNT = 400,
    SNAPSHOT_COUNT = 3,
    HELD_COUNT = 3
};

/* What is written, in operations of a hundred; the rest are puts. */
struct mix {
    unsigned copies; /* batches of a hundred that begin with one */
    unsigned deletes, patches, range_deletes;
    size_t patch_offset_max;
};

struct taken {
    struct lsm_snapshot *snapshot;
    struct kv_model model;
};

/* An iterator that shows the store as it was when it was made, and a value from then. */
struct held {
    struct lsm_iter *it;
    struct kv_model model;
    size_t at; /* index of the entry it stands on; meaningful when `on` */
    bool on;
    struct lsm_value value;
    struct buf value_copy;
    bool has_value;
};

struct run {
    char *dir;
    struct lsm_db *db;
    struct lsm_options options;
    struct mix mix;
    struct held held[HELD_COUNT];
    struct rng rng;
    struct kv_model model;
    struct taken taken[SNAPSHOT_COUNT];
    uint64_t seed;
    unsigned step;
};

static void log_line(void *arg, enum lsm_log_level level, const char *text)
{
    (void)arg;
    if (level >= LSM_LOG_WARN)
        fprintf(stderr, "log: %s\n", text);
}

static void fail_step(const struct run *r, const char *what)
{
    fail_msg("seed %llu step %u: %s (%s)", (unsigned long long)r->seed, r->step, what,
             lsm_detail());
}

/* Keys with common prefixes, some a prefix of others. */
static struct slice random_key(struct run *r, char buf[32])
{
    unsigned n = (unsigned)rng_below(&r->rng, KEY_COUNT);

    if (n % 7 == 0)
        return slice_of(buf, (size_t)sprintf(buf, "k%03u", n / 10));
    return slice_of(buf, (size_t)sprintf(buf, "k%03u/%u", n / 10, n));
}

static struct slice random_value(struct run *r, uint8_t *buf, size_t max)
{
    size_t len = (size_t)rng_below(&r->rng, rng_below(&r->rng, 8) ? 100 : max);
    uint8_t fill = (uint8_t)rng_next(&r->rng);

    for (size_t i = 0; i < len; i++)
        buf[i] = rng_below(&r->rng, 3) ? fill : (uint8_t)rng_next(&r->rng);
    return slice_of(buf, len);
}

static int add_range_delete(struct run *r, struct lsm_batch *b, struct slice key)
{
    char buf[32];
    struct slice end = random_key(r, buf);

    if (slice_cmp(key, end) < 0)
        kv_delete_range(&r->model, key, end);
    return lsm_batch_delete_range(b, key.data, key.len, end.data, end.len);
}

static int add_patch(struct run *r, struct lsm_batch *b, struct slice key)
{
    uint8_t buf[600];
    struct slice value = random_value(r, buf, sizeof(buf));
    size_t offset = (size_t)rng_below(&r->rng, r->mix.patch_offset_max);

    kv_patch(&r->model, key, offset, value);
    return lsm_batch_patch(b, key.data, key.len, offset, value.data, value.len);
}

static void one_op(struct run *r, struct lsm_batch *b)
{
    const struct mix *mix = &r->mix;
    char key_buf[32];
    uint8_t value_buf[4096];
    struct slice key = random_key(r, key_buf), value;
    unsigned n = (unsigned)rng_below(&r->rng, 100);
    int err = 0;

    if (n < mix->deletes) {
        err = lsm_batch_delete(b, key.data, key.len);
        kv_delete(&r->model, key);
    } else if (n < mix->deletes + mix->patches) {
        err = add_patch(r, b, key);
    } else if (n < mix->deletes + mix->patches + mix->range_deletes) {
        err = add_range_delete(r, b, key);
    } else {
        value = random_value(r, value_buf, sizeof(value_buf));
        err = lsm_batch_put(b, key.data, key.len, value.data, value.len);
        kv_put(&r->model, key, value);
    }
    if (err)
        fail_step(r, "batch");
}

/* A copy shows what was written before the batch: it comes first. */
static void add_copy(struct run *r, struct lsm_batch *b)
{
    char from_buf[32], to_buf[32];
    struct slice from = random_key(r, from_buf), to = random_key(r, to_buf);
    const struct kv_pair *pair = kv_get(&r->model, from);
    struct buf value = {0};

    if (lsm_batch_copy(b, r->db, from.data, from.len, to.data, to.len, NULL) != (pair != NULL))
        fail_step(r, "copy");
    if (!pair)
        return;
    assert_int_equal(buf_assign(&value, pair->value.data, pair->value.len), 0);
    kv_put(&r->model, to, buf_slice(&value));
    buf_free(&value);
}

static void write_some(struct run *r)
{
    struct lsm_batch *b;

    assert_int_equal(lsm_batch_new(&b), 0);
    if (rng_below(&r->rng, 100) < r->mix.copies)
        add_copy(r, b);
    for (uint64_t n = 1 + rng_below(&r->rng, 8); n; n--)
        one_op(r, b);
    if (lsm_write(r->db, b, rng_below(&r->rng, 20) ? 0 : LSM_WRITE_SYNC))
        fail_step(r, "write");
    lsm_batch_free(b);
}

static void check_get(struct run *r, const struct lsm_snapshot *s, const struct kv_model *m)
{
    char buf[32];
    struct slice key = random_key(r, buf);
    const struct kv_pair *want = kv_get(m, key);
    struct lsm_value v;
    int err = lsm_get(r->db, s, key.data, key.len, &v);

    if (!want && err != -ENOENT)
        fail_step(r, "a key that should not be there");
    if (want && err)
        fail_step(r, "a key is missing");
    if (want && !slice_eq(buf_slice(&want->value), slice_of(v.data, v.len)))
        fail_step(r, "wrong value");
    if (!err)
        lsm_value_done(&v);
}

static void check_entry(struct run *r, struct lsm_iter *it, int at, const struct kv_model *m,
                        size_t i)
{
    size_t key_len, value_len;
    const void *key, *value;

    if (at < 0)
        fail_step(r, "iterator error");
    if (at != (i < m->count))
        fail_step(r, at ? "iterator has an entry too many" : "iterator ends early");
    if (!at)
        return;
    key = lsm_iter_key(it, &key_len);
    value = lsm_iter_value(it, &value_len);
    if (!slice_eq(slice_of(key, key_len), buf_slice(&m->pairs[i].key)))
        fail_step(r, "iterator at the wrong key");
    if (!slice_eq(slice_of(value, value_len), buf_slice(&m->pairs[i].value)))
        fail_step(r, "iterator with the wrong value");
}

static void scan(struct run *r, const struct lsm_snapshot *s, const struct kv_model *m)
{
    struct lsm_iter *it;
    size_t i = 0;
    int at;

    assert_int_equal(lsm_iter_new(r->db, s, NULL, 0, NULL, 0, &it), 0);
    for (at = lsm_iter_first(it); at > 0; at = lsm_iter_next(it))
        check_entry(r, it, at, m, i++);
    check_entry(r, it, at, m, i);
    i = m->count;
    for (at = lsm_iter_last(it); at > 0; at = lsm_iter_prev(it))
        check_entry(r, it, at, m, --i);
    if (at || i)
        fail_step(r, "backward scan ends early");
    lsm_iter_free(it);
}

/* A random walk within bounds; index -1 and beyond are "not on an entry". */
static void walk(struct run *r, const struct lsm_snapshot *s, const struct kv_model *m)
{
    char lo_buf[32], hi_buf[32], key_buf[32];
    struct slice lo = random_key(r, lo_buf), hi = random_key(r, hi_buf), key;
    size_t from, to, i = 0;
    struct lsm_iter *it;
    int at = 0;

    if (slice_cmp(lo, hi) > 0)
        hi = lo;
    from = kv_find(m, lo);
    to = kv_find(m, hi);
    assert_int_equal(lsm_iter_new(r->db, s, lo.data, lo.len, hi.data, hi.len, &it), 0);
    for (int n = 0; n < 30; n++) {
        uint64_t op = rng_below(&r->rng, 8);
        bool in;

        if (at <= 0 || op < 2) {
            key = random_key(r, key_buf);
            i = kv_find(m, key);
            if (op % 2) {
                at = lsm_iter_seek(it, key.data, key.len);
                i = i < from ? from : i;
            } else {
                at = lsm_iter_seek_prev(it, key.data, key.len);
                i = (i > to ? to : i) - 1;
            }
        } else if (op < 5) {
            at = lsm_iter_next(it);
            i++;
        } else {
            at = lsm_iter_prev(it);
            i--;
        }
        in = i != SIZE_MAX && i >= from && i < to;
        if (at < 0 || (at > 0) != in)
            fail_step(r, "walk: wrong end");
        if (in)
            check_entry(r, it, at, m, i);
    }
    lsm_iter_free(it);
}

static void hold(struct run *r, struct held *h)
{
    char buf[32];
    struct slice key = random_key(r, buf);
    int err = lsm_get(r->db, NULL, key.data, key.len, &h->value);

    h->has_value = !err;
    if (!err)
        assert_int_equal(buf_assign(&h->value_copy, h->value.data, h->value.len), 0);
    assert_int_equal(lsm_iter_new(r->db, NULL, NULL, 0, NULL, 0, &h->it), 0);
    kv_copy(&h->model, &r->model);
    h->on = false;
}

/* The whole of what it shows, and its value, as they were. */
static void let_go(struct run *r, struct held *h)
{
    size_t i = 0;
    int at;

    for (at = lsm_iter_first(h->it); at > 0; at = lsm_iter_next(h->it))
        check_entry(r, h->it, at, &h->model, i++);
    check_entry(r, h->it, at, &h->model, i);
    i = h->model.count;
    for (at = lsm_iter_last(h->it); at > 0; at = lsm_iter_prev(h->it))
        check_entry(r, h->it, at, &h->model, --i);
    if (at || i)
        fail_step(r, "a held iterator ends early backwards");
    lsm_iter_free(h->it);
    if (h->has_value && !slice_eq(slice_of(h->value.data, h->value.len), buf_slice(&h->value_copy)))
        fail_step(r, "a held value has changed");
    lsm_value_done(&h->value);
    kv_clear(&h->model);
    h->it = NULL;
}

/* A few moves from where it stands, the last of which may have been long ago. */
static void move_held(struct run *r, struct held *h)
{
    for (int n = 0; n < 4; n++) {
        uint64_t op = rng_below(&r->rng, 6);
        char buf[32];
        int at;

        if (!h->on || op < 1) {
            struct slice key = random_key(r, buf);

            h->at = kv_find(&h->model, key);
            at = lsm_iter_seek(h->it, key.data, key.len);
        } else if (op < 3) {
            h->at++;
            at = lsm_iter_next(h->it);
        } else {
            h->at--;
            at = lsm_iter_prev(h->it);
        }
        h->on = h->at != SIZE_MAX && h->at < h->model.count;
        if (at < 0 || (at > 0) != h->on)
            fail_step(r, "a held iterator is at a wrong end");
        if (h->on)
            check_entry(r, h->it, at, &h->model, h->at);
    }
}

static void use_held(struct run *r)
{
    struct held *h = &r->held[rng_below(&r->rng, HELD_COUNT)];

    if (!h->it)
        hold(r, h);
    else if (rng_below(&r->rng, 30) == 0)
        let_go(r, h);
    else
        move_held(r, h);
}

static void drop_snapshot(struct run *r, struct taken *t)
{
    lsm_snapshot_close(r->db, t->snapshot);
    kv_clear(&t->model);
    t->snapshot = NULL;
}

static void change_snapshot(struct run *r)
{
    struct taken *t = &r->taken[rng_below(&r->rng, SNAPSHOT_COUNT)];

    if (t->snapshot) {
        scan(r, t->snapshot, &t->model);
        drop_snapshot(r, t);
    } else {
        assert_int_equal(lsm_snapshot_open(r->db, &t->snapshot), 0);
        kv_copy(&t->model, &r->model);
    }
}

static void reopen(struct run *r)
{
    for (int i = 0; i < SNAPSHOT_COUNT; i++) {
        if (r->taken[i].snapshot)
            drop_snapshot(r, &r->taken[i]);
    }
    for (int i = 0; i < HELD_COUNT; i++) {
        if (r->held[i].it)
            let_go(r, &r->held[i]);
    }
    if (r->db && lsm_close(r->db))
        fail_step(r, "close");
    r->db = NULL;
    if (lsm_open(r->dir, &r->options, &r->db))
        fail_step(r, "open");
}

static int damage(void *arg, const char *file, uint64_t offset, const char *text)
{
    (void)arg;
    fprintf(stderr, "damage: %s at %llu: %s\n", file, (unsigned long long)offset, text);
    return 0;
}

static void one_step(struct run *r)
{
    struct taken *t = &r->taken[rng_below(&r->rng, SNAPSHOT_COUNT)];
    uint64_t n = rng_below(&r->rng, 1000);

    write_some(r);
    check_get(r, NULL, &r->model);
    if (t->snapshot)
        check_get(r, t->snapshot, &t->model);
    if (n < 100)
        walk(r, t->snapshot, t->snapshot ? &t->model : &r->model);
    else if (n < 110)
        change_snapshot(r);
    else if (n < 114 && lsm_flush(r->db))
        fail_step(r, "flush");
    else if (n == 115)
        reopen(r);
    else if (n < 118)
        scan(r, NULL, &r->model);
    else if (n == 118 && lsm_compact_range(r->db, NULL, 0, NULL, 0))
        fail_step(r, "compact");
    else if (n == 119 && lsm_verify(r->db, damage, NULL, NULL) != 0)
        fail_step(r, "verify");
    else if (n >= 120 && n < 220)
        use_held(r);
}

static const struct mix usual = {
    .deletes = 19, .patches = 25, .range_deletes = 2, .patch_offset_max = 300};

static void run_model(uint64_t seed, unsigned steps, const struct lsm_options *options,
                      const struct mix *mix)
{
    struct run r = {.seed = seed, .rng = {seed}, .options = *options, .mix = *mix};

    r.dir = scratch_new();
    reopen(&r);
    for (r.step = 0; r.step < steps; r.step++)
        one_step(&r);
    scan(&r, NULL, &r.model);
    assert_int_equal(lsm_compact_range(r.db, NULL, 0, NULL, 0), 0);
    scan(&r, NULL, &r.model);
    reopen(&r);
    scan(&r, NULL, &r.model);
    for (int i = 0; i < SNAPSHOT_COUNT; i++)
        kv_clear(&r.taken[i].model);
    for (int i = 0; i < HELD_COUNT; i++)
        buf_free(&r.held[i].value_copy);
    assert_int_equal(lsm_close(r.db), 0);
    kv_clear(&r.model);
    scratch_free(r.dir);
}

static struct lsm_options small_options(void)
{
    struct lsm_options o;

    lsm_options_default(&o);
    o.create = true;
    o.memtable_len = 64 << 10;
    o.table_len = 64 << 10;
    o.level_base_len = 128 << 10;
    o.level_ratio = 3;
    o.block_len = 1024;
    o.cache_bytes = 1 << 20;
    o.log = log_line;
    return o;
}

static unsigned steps_wanted(unsigned fallback)
{
    const char *s = getenv("TEST_STEPS");

    return s ? (unsigned)strtoul(s, NULL, 0) : fallback;
}

static void store_agrees_with_the_model(void **state)
{
    struct lsm_options o = small_options();

    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        run_model(rng_seed(1) + i, steps_wanted(4000), &o, &usual);
}

static void store_without_compression_or_filters_agrees_too(void **state)
{
    struct lsm_options o = small_options();

    (void)state;
    o.compress = false;
    o.filter_bits_per_key = 0;
    o.l0_compact_count = 1;
    o.worker_count = 3;
    o.table_prefix_len = 2;
    run_model(rng_seed(100), steps_wanted(4000), &o, &usual);
}

static struct lsm_options blob_options(void)
{
    struct lsm_options o = small_options();

    o.blob_len_min = 256;
    o.blob_file_len = 64 << 10;
    o.blob_garbage_percent = 20;
    o.l0_compact_count = 2;
    return o;
}

static void store_with_large_values_agrees(void **state)
{
    struct lsm_options o = blob_options();

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        o.compress = i != 1;
        o.worker_count = (unsigned)i;
        run_model(rng_seed(400) + i, steps_wanted(4000), &o, &usual);
    }
}

/* Few deletions and many short patches: rows above references, folded now and then. */
static void patches_over_large_values_agree(void **state)
{
    static const struct mix mix = {
        .deletes = 3, .patches = 70, .range_deletes = 1, .patch_offset_max = 600};
    struct lsm_options o = blob_options();

    (void)state;
    run_model(rng_seed(500), steps_wanted(4000), &o, &mix);
}

static void copies_of_all_kinds_of_values_agree(void **state)
{
    static const struct mix mix = {
        .copies = 80, .deletes = 15, .patches = 20, .range_deletes = 1, .patch_offset_max = 300};
    struct lsm_options o = blob_options();

    (void)state;
    for (uint64_t i = 0; i < 2; i++) {
        o.worker_count = (unsigned)(2 * i);
        run_model(rng_seed(600) + i, steps_wanted(4000), &o, &mix);
    }
}

static void ranges_deleted_all_the_time_agree(void **state)
{
    static const struct mix mix = {
        .deletes = 10, .patches = 20, .range_deletes = 25, .patch_offset_max = 300};
    struct lsm_options o = small_options();

    (void)state;
    o.worker_count = 4;
    o.memtable_count_max = 8;
    o.l0_compact_count = 2;
    run_model(rng_seed(200), steps_wanted(4000), &o, &mix);
}

static void patches_far_beyond_the_end_agree(void **state)
{
    static const struct mix mix = {
        .deletes = 10, .patches = 60, .range_deletes = 5, .patch_offset_max = 20000};
    struct lsm_options o = small_options();

    (void)state;
    o.worker_count = 4;
    o.memtable_count_max = 2;
    o.l0_compact_count = 1;
    o.level_base_len = 64 << 10;
    o.level_ratio = 2;
    run_model(rng_seed(300), steps_wanted(2000), &o, &mix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_agrees_with_the_model),
        cmocka_unit_test(store_without_compression_or_filters_agrees_too),
        cmocka_unit_test(store_with_large_values_agrees),
        cmocka_unit_test(patches_over_large_values_agree),
        cmocka_unit_test(copies_of_all_kinds_of_values_agree),
        cmocka_unit_test(ranges_deleted_all_the_time_agree),
        cmocka_unit_test(patches_far_beyond_the_end_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
