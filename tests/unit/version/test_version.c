/*
 * Versions of real tables: look-ups ask the tables in the right order; level iterators walk both
 * ways, also over tables without entries; a missing or foreign file is named.
 */
#include "version_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scratch.h"

static char *dir;
static struct env *env;

static int setup(void **state)
{
    (void)state;
    dir = scratch_new();
    if (env_posix_open(dir, 0, &env) || block_cache_new(1 << 20, &store.cache))
        return -1;
    store.env = env;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    block_cache_free(store.cache);
    env_close(env);
    scratch_free(dir);
    return 0;
}

struct row {
    const char *key;
    uint64_t seqno;
    enum kind kind;
    const char *value; /* for KIND_DELETE_RANGE: the end */
};

/* Build table `number` from rows in order; its meta with one reference. */
static struct table_meta *build(uint64_t number, const struct row *rows, size_t count)
{
    const struct sst_builder_options options = {.block_len = 1024,
                                                .partition_len = 1024,
                                                .restart_interval = 4,
                                                .filter_bits_per_key = 10,
                                                .compress = true};
    struct slice smallest = {0}, largest = {0};
    bool exclusive = false;
    struct sst_builder *b;
    struct sst_stats stats;
    struct buf ikey = {0};
    struct table_meta *m;

    assert_int_equal(sst_builder_new(env, number, &options, &b), 0);
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_str(rows[i].key), value = slice_str(rows[i].value), end = key;
        bool is_range = rows[i].kind == KIND_DELETE_RANGE;
        struct rangedel del = {key, value, rows[i].seqno};

        assert_int_equal(ikey_make(&ikey, key, rows[i].seqno, rows[i].kind), 0);
        if (is_range)
            assert_int_equal(sst_builder_add_rangedel(b, &del), 0);
        else
            assert_int_equal(sst_builder_add(b, buf_slice(&ikey), value), 0);
        end = is_range ? value : key;
        if (!smallest.data || slice_cmp(key, smallest) < 0)
            smallest = key;
        if (!largest.data || slice_cmp(end, largest) > 0) {
            largest = end;
            exclusive = is_range;
        } else if (slice_eq(end, largest) && !is_range) {
            exclusive = false;
        }
    }
    assert_int_equal(sst_builder_finish(b, &stats), 0);
    sst_builder_free(b);
    buf_free(&ikey);
    assert_int_equal(table_meta_new(number, number, &stats, smallest, largest, exclusive, &m), 0);
    return m;
}

#define BUILD(number, rows) build(number, rows, sizeof(rows) / sizeof((rows)[0]))

/* Look a key up as of a snapshot: its value, or NULL. */
static const char *get(struct version *v, const char *key, uint64_t snapshot)
{
    static char text[64];
    struct lookup l = {.key = slice_str(key), .snapshot = snapshot};
    const char *found = NULL;
    struct slice value;
    int err;

    fold_begin(&l.fold);
    assert_int_equal(version_lookup(v, &l), 0);
    if (!lookup_done(&l))
        fold_end(&l.fold);
    err = fold_value(&l.fold, &value);
    assert_true(err == 0 || err == 1);
    if (err == 1) {
        assert_true(value.len < sizeof(text));
        memcpy(text, value.data, value.len);
        text[value.len] = 0;
        found = text;
    }
    fold_done(&l.fold);
    return found;
}

static void drop(struct version *v)
{
    for (unsigned n = 0; n < LEVEL_COUNT; n++) {
        for (size_t i = 0; i < v->levels[n].count; i++)
            atomic_store(&v->levels[n].tables[i]->obsolete, true);
    }
    version_unref(v);
}

static int count_tables(void *arg, const char *name)
{
    *(unsigned *)arg += strstr(name, ".sst") != NULL;
    return 0;
}

static unsigned table_files(void)
{
    unsigned count = 0;

    assert_int_equal(env_list(env, count_tables, &count), 0);
    return count;
}

static struct version *layered(void)
{
    static const struct row newest[] = {
        {"b", 52, KIND_PUT, "b52"}, {"d", 50, KIND_DELETE, ""}, {"m", 55, KIND_DELETE_RANGE, "p"}};
    static const struct row older[] = {{"a", 31, KIND_PUT, "a31"},
                                       {"b", 32, KIND_PUT, "b32"},
                                       {"d", 33, KIND_PUT, "d33"},
                                       {"n", 34, KIND_PUT, "n34"}};
    static const struct row deep1[] = {{"a", 11, KIND_PUT, "a11"}, {"c", 12, KIND_PUT, "c12"}};
    static const struct row deep2[] = {
        {"m", 13, KIND_PUT, "m13"}, {"o", 14, KIND_PUT, "o14"}, {"p", 15, KIND_PUT, "p15"}};
    static const struct row last[] = {{"a", 1, KIND_PUT, "a1"},
                                      {"k", 2, KIND_PUT, "k2"},
                                      {"n", 3, KIND_PUT, "n3"},
                                      {"q", 4, KIND_PUT, "q4"}};
    struct version_edit e = {0};

    add(&e, 0, BUILD(101, older));
    add(&e, 0, BUILD(102, newest));
    add(&e, 4, BUILD(103, deep1));
    add(&e, 4, BUILD(104, deep2));
    add(&e, 6, BUILD(105, last));
    return step(NULL, &e);
}

static void a_look_up_finds_the_newest_version_that_it_may_see(void **state)
{
    struct version *v = layered();

    (void)state;
    assert_string_equal(get(v, "a", 100), "a31");
    assert_string_equal(get(v, "a", 30), "a11");
    assert_string_equal(get(v, "a", 10), "a1");
    assert_null(get(v, "a", 0));
    assert_string_equal(get(v, "b", 100), "b52");
    assert_string_equal(get(v, "b", 51), "b32");
    assert_null(get(v, "b", 31));
    assert_string_equal(get(v, "c", 100), "c12");
    assert_null(get(v, "d", 100));
    assert_string_equal(get(v, "d", 49), "d33");
    assert_string_equal(get(v, "k", 100), "k2");
    assert_null(get(v, "zz", 100));
    drop(v);
    assert_int_equal(table_files(), 0);
}

static void a_range_tombstone_above_hides_what_lies_in_every_level_below(void **state)
{
    struct version *v = layered();

    (void)state;
    assert_null(get(v, "m", 100));
    assert_null(get(v, "n", 100));
    assert_null(get(v, "o", 100));
    assert_string_equal(get(v, "p", 100), "p15");
    assert_string_equal(get(v, "m", 54), "m13");
    assert_string_equal(get(v, "n", 54), "n34");
    assert_string_equal(get(v, "n", 33), "n3");
    assert_string_equal(get(v, "o", 54), "o14");
    drop(v);
}

static void a_look_up_needs_no_table_that_it_cannot_see(void **state)
{
    struct version *v = layered();

    (void)state;
    assert_string_equal(get(v, "k", 100), "k2");
    /* Only the tables whose range holds k. */
    assert_null(atomic_load(&v->levels[4].tables[0]->sst));
    assert_null(atomic_load(&v->levels[4].tables[1]->sst));
    assert_non_null(atomic_load(&v->levels[6].tables[0]->sst));
    drop(v);
}

static struct version *one_level(void)
{
    static const struct row first[] = {{"b", 9, KIND_PUT, ""},
                                       {"b", 5, KIND_PUT, ""},
                                       {"d", 5, KIND_DELETE, ""},
                                       {"d", 6, KIND_DELETE_RANGE, "f"}};
    static const struct row empty[] = {{"f", 7, KIND_DELETE_RANGE, "h"}};
    static const struct row third[] = {{"h", 5, KIND_PUT, ""}, {"k", 5, KIND_PUT, ""}};
    static const struct row fourth[] = {{"m", 5, KIND_PUT, ""}};
    static const struct row empty2[] = {{"p", 7, KIND_DELETE_RANGE, "r"}};
    struct version_edit e = {0};

    add(&e, 3, BUILD(201, first));
    add(&e, 3, BUILD(202, empty));
    add(&e, 3, BUILD(203, third));
    add(&e, 3, BUILD(204, fourth));
    add(&e, 3, BUILD(205, empty2));
    return step(NULL, &e);
}

static const char *const walk[] = {"b9", "b5", "d5", "h5", "k5", "m5"};
enum {
    WALK = 6
};

static void stands_on(const struct iter *it, int index)
{
    char text[16];

    assert_int_equal(it->err, 0);
    assert_int_equal(it->valid, index >= 0 && index < WALK);
    if (!it->valid)
        return;
    snprintf(text, sizeof(text), "%c%d", it->key.data[0], (int)ikey_seqno(it->key));
    assert_string_equal(text, walk[index]);
}

static struct iter *level_iter_of(struct version *v, const char *lower, const char *upper)
{
    struct slice lo = slice_str(lower ? lower : ""), hi = slice_str(upper ? upper : "");
    struct iter **children = NULL, *it;
    unsigned count = 0, cap = 0;

    assert_int_equal(
        version_add_iters(v, lower ? &lo : NULL, upper ? &hi : NULL, 0, &children, &count, &cap),
        0);
    assert_int_equal(count, 1);
    it = children[0];
    free(children);
    return it;
}

static void a_level_iterator_walks_both_ways(void **state)
{
    struct version *v = one_level();
    struct iter *it = level_iter_of(v, NULL, NULL);
    int i = 0;

    (void)state;
    for (iter_seek_first(it); it->valid; iter_next(it))
        stands_on(it, i++);
    assert_int_equal(i, WALK);
    for (iter_seek_last(it); it->valid; iter_prev(it))
        stands_on(it, --i);
    assert_int_equal(i, 0);
    /* Turn round at every entry. */
    for (i = 0; i < WALK; i++) {
        iter_seek_first(it);
        for (int j = 0; j < i; j++)
            iter_next(it);
        iter_prev(it);
        stands_on(it, i - 1);
    }
    iter_free(it);
    drop(v);
}

static void a_level_iterator_seeks_to_and_before_every_key(void **state)
{
    struct version *v = one_level();
    struct iter *it = level_iter_of(v, NULL, NULL);
    struct buf ikey = {0};

    (void)state;
    for (char c = 'a'; c <= 's'; c++) {
        for (uint64_t seqno = 3; seqno < 12; seqno++) {
            int want = 0;

            assert_int_equal(ikey_make(&ikey, slice_of(&c, 1), seqno, IKEY_SEEK_KIND), 0);
            while (want < WALK &&
                   (walk[want][0] < c || (walk[want][0] == c && walk[want][1] - '0' > (int)seqno)))
                want++;
            iter_seek(it, buf_slice(&ikey));
            stands_on(it, want);
            iter_seek_prev(it, buf_slice(&ikey));
            stands_on(it, want - 1);
        }
    }
    buf_free(&ikey);
    iter_free(it);
    drop(v);
}

static void bounds_leave_out_tables(void **state)
{
    struct version *v = one_level();
    struct iter *it = level_iter_of(v, "h", "k"), **children = NULL;
    struct slice e = slice_str("i"), w = slice_str("w");
    unsigned count = 0, cap = 0;

    (void)state;
    iter_seek_first(it);
    stands_on(it, 3);
    iter_seek_last(it);
    stands_on(it, 4);
    iter_free(it);
    assert_int_equal(version_add_iters(v, &w, NULL, 0, &children, &count, &cap), 0);
    assert_int_equal(count, 0);
    assert_int_equal(version_add_iters(v, &e, &e, 0, &children, &count, &cap), 0);
    assert_int_equal(count, 1);
    iter_free(children[0]);
    free(children);
    drop(v);
}

static void an_iterator_outlives_its_version(void **state)
{
    struct version *v = one_level();
    struct iter *it = level_iter_of(v, NULL, NULL), *own;
    unsigned n = 0;

    (void)state;
    assert_int_equal(level_iter_new(&store, v->levels[3].tables, 3, 0, &own), 0);
    drop(v);
    assert_int_equal(table_files(), 5);
    for (iter_seek_first(it); it->valid; iter_next(it))
        n++;
    assert_int_equal(n, WALK);
    iter_free(it);
    assert_int_equal(table_files(), 3);
    for (n = 0, iter_seek_last(own); own->valid; iter_prev(own))
        n++;
    assert_int_equal(n, 5);
    iter_free(own);
    assert_int_equal(table_files(), 0);
}

static void a_missing_table_is_named(void **state)
{
    struct version *v = one_level();
    struct iter *it;

    (void)state;
    assert_int_equal(env_remove(env, "00000203.sst"), 0);
    it = level_iter_of(v, NULL, NULL);
    for (iter_seek_first(it); it->valid;)
        iter_next(it);
    assert_int_equal(it->err, -ERR_FILE_MISSING);
    assert_non_null(strstr(err_detail(), "00000203.sst"));
    iter_seek_last(it);
    assert_true(it->valid && it->err == 0);
    iter_free(it);
    drop(v);
}

static void a_table_that_is_not_the_one_meant_is_refused(void **state)
{
    static const struct row rows[] = {{"a", 5, KIND_PUT, "x"}};
    struct table_meta *m = BUILD(301, rows), *other;
    struct sst_stats stats = m->stats;
    struct sst *t;

    (void)state;
    stats.file_len++;
    assert_int_equal(table_meta_new(301, 0, &stats, m->smallest, m->largest, false, &other), 0);
    assert_int_equal(table_meta_sst(other, &store, &t), -ERR_SST_STATS);
    assert_non_null(strstr(err_detail(), "00000301.sst"));
    table_meta_unref(other, &store);
    assert_int_equal(table_files(), 1);
    atomic_store(&m->obsolete, true);
    table_meta_unref(m, &store);
    assert_int_equal(table_files(), 0);
}

struct opener {
    struct table_meta *m;
    pthread_barrier_t *start;
    struct sst *found;
    int err;
};

static void *open_one(void *arg)
{
    struct opener *o = arg;

    pthread_barrier_wait(o->start);
    o->err = table_meta_sst(o->m, &store, &o->found);
    return NULL;
}

static void threads_that_open_a_table_at_once_get_the_same_one(void **state)
{
    static const struct row rows[] = {{"a", 5, KIND_PUT, "x"}};
    enum {
        THREADS = 4
    };

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        struct table_meta *m = BUILD(400 + round, rows);
        struct opener o[THREADS];
        pthread_t threads[THREADS];
        pthread_barrier_t start;

        pthread_barrier_init(&start, NULL, THREADS);
        for (unsigned i = 0; i < THREADS; i++) {
            o[i] = (struct opener){.m = m, .start = &start};
            assert_int_equal(pthread_create(&threads[i], NULL, open_one, &o[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(o[i].err, 0);
            assert_ptr_equal(o[i].found, o[0].found);
        }
        pthread_barrier_destroy(&start);
        atomic_store(&m->obsolete, true);
        table_meta_unref(m, &store);
    }
    assert_int_equal(table_files(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_up_finds_the_newest_version_that_it_may_see),
        cmocka_unit_test(a_range_tombstone_above_hides_what_lies_in_every_level_below),
        cmocka_unit_test(a_look_up_needs_no_table_that_it_cannot_see),
        cmocka_unit_test(a_level_iterator_walks_both_ways),
        cmocka_unit_test(a_level_iterator_seeks_to_and_before_every_key),
        cmocka_unit_test(bounds_leave_out_tables),
        cmocka_unit_test(an_iterator_outlives_its_version),
        cmocka_unit_test(a_missing_table_is_named),
        cmocka_unit_test(a_table_that_is_not_the_one_meant_is_refused),
        cmocka_unit_test(threads_that_open_a_table_at_once_get_the_same_one),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
