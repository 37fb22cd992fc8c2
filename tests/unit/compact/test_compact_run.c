/*
 * A compaction in pieces, each over a range of user keys, makes what one over everything makes: the
 * same versions, and range tombstones that cover the same, whatever versions, patches, tombstones
 * and snapshots there are.
 */
#include "lib/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/rng.h"
#include "lib/scratch.h"
#include "lsm/compact/run.h"
#include "lsm/mem/memtable.h"

enum {
    KEY_COUNT = 200,
    OP_COUNT = 1500,
    SNAPSHOT_COUNT_MAX = 4,
    PIECE_COUNT_MAX = 5
};

struct scene {
    char *dir;
    struct env *env;
    struct table_store store;
    struct memtable *mt;
    struct rangedel dels[OP_COUNT];
    size_t del_count;
    uint64_t snapshots[SNAPSHOT_COUNT_MAX];
    size_t snapshot_count;
    uint64_t next_number;
    unsigned yields;
    char keys[KEY_COUNT][16];
};

static struct slice key_of(struct scene *s, uint64_t i)
{
    return slice_of(s->keys[i], 4);
}

static uint64_t new_number(void *arg)
{
    return ++((struct scene *)arg)->next_number;
}

static int count_yield(void *arg, const struct compact_run *r)
{
    assert_true(r->read_count > 0);
    ((struct scene *)arg)->yields++;
    return 0;
}

static void add_op(struct scene *s, struct rng *rng, uint64_t seqno)
{
    uint64_t k = rng_below(rng, KEY_COUNT), what = rng_below(rng, 20);
    uint8_t value[64];
    size_t len = rng_below(rng, sizeof(value) - 1) + 1;

    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)rng_next(rng);
    if (what == 0) {
        uint64_t end = k + rng_below(rng, 30) + 1;
        struct slice to = end < KEY_COUNT ? key_of(s, end) : slice_of("z", 1);

        s->dels[s->del_count++] = (struct rangedel){key_of(s, k), to, seqno};
    } else if (what < 4) {
        assert_int_equal(memtable_add(s->mt, seqno, KIND_DELETE, key_of(s, k), slice_of("", 0)), 0);
    } else if (what < 10) {
        value[0] = (uint8_t)rng_below(rng, 40); /* varint: where the patch begins */
        assert_int_equal(memtable_add(s->mt, seqno, KIND_PATCH, key_of(s, k), slice_of(value, len)),
                         0);
    } else {
        assert_int_equal(memtable_add(s->mt, seqno, KIND_PUT, key_of(s, k), slice_of(value, len)),
                         0);
    }
}

static void scene_init(struct scene *s, struct rng *rng)
{
    *s = (struct scene){.dir = scratch_new()};
    assert_int_equal(env_posix_open(s->dir, ENV_CREATE, &s->env), 0);
    s->store.env = s->env;
    assert_int_equal(memtable_new(1, &s->mt), 0);
    for (int i = 0; i < KEY_COUNT; i++)
        snprintf(s->keys[i], sizeof(s->keys[i]), "k%03d", i);
    for (uint64_t seqno = 1; seqno <= OP_COUNT; seqno++) {
        add_op(s, rng, seqno);
        if (s->snapshot_count < SNAPSHOT_COUNT_MAX && rng_below(rng, 500) == 0)
            s->snapshots[s->snapshot_count++] = seqno;
    }
}

static void scene_done(struct scene *s)
{
    memtable_unref(s->mt);
    env_close(s->env);
    scratch_free(s->dir);
}

static struct compact_run run_of(struct scene *s, bool bottom)
{
    struct compact_run r = {.store = &s->store,
                            .builder = {.block_len = 1024,
                                        .partition_len = 1024,
                                        .restart_interval = 4,
                                        .filter_bits_per_key = 10},
                            .table_len = 8 << 10,
                            .dels = s->dels,
                            .del_count = s->del_count,
                            .snapshots = s->snapshots,
                            .snapshot_count = s->snapshot_count,
                            .bottom = bottom,
                            .new_number = new_number,
                            .yield = count_yield,
                            .arg = s};

    assert_int_equal(memtable_iter_new(s->mt, &r.input), 0);
    return r;
}

/* Everything that tables hold, one behind the other. */
struct contents {
    struct buf points; /* length, internal key, length, value */
    struct rangedel_list *dels;
};

static void append(struct buf *b, struct slice s)
{
    uint8_t len[8];

    put_le64(len, s.len);
    assert_int_equal(buf_append(b, len, sizeof(len)), 0);
    assert_int_equal(buf_append(b, s.data, s.len), 0);
}

static void read_tables(struct scene *s, const struct compact_run *runs, size_t count,
                        struct contents *ret)
{
    struct rangedel *dels = calloc(OP_COUNT * 1000, sizeof(*dels));
    const struct table_meta *last = NULL;
    size_t del_count = 0;

    assert_non_null(dels);
    *ret = (struct contents){0};
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < runs[n].table_count; i++) {
            struct table_meta *m = runs[n].tables[i];
            const struct rangedel_list *list;
            struct iter *it;
            struct sst *sst;

            if (last)
                assert_true(table_meta_ends_before(last, m->smallest));
            last = m;
            assert_false(runs[n].begin && slice_cmp(m->smallest, *runs[n].begin) < 0);
            assert_false(runs[n].end && !table_meta_ends_before(m, *runs[n].end));
            assert_int_equal(table_meta_sst(m, &s->store, &sst), 0);
            assert_int_equal(sst_iter_new(sst, 0, &it), 0);
            for (iter_seek_first(it); it->valid; iter_next(it)) {
                append(&ret->points, it->key);
                append(&ret->points, it->value);
            }
            assert_int_equal(it->err, 0);
            iter_free(it);
            list = sst_rangedels(sst);
            for (size_t k = 0; list && k < list->fragment_count; k++) {
                const struct rangedel_fragment *f = &list->fragments[k];

                for (uint32_t j = 0; j < f->seqno_count; j++)
                    dels[del_count++] = (struct rangedel){f->start, f->end, f->seqnos[j]};
            }
        }
    }
    assert_int_equal(rangedel_list_new(dels, del_count, &ret->dels), 0);
    free(dels);
}

static void assert_same(struct scene *s, const struct contents *a, const struct contents *b)
{
    assert_int_equal(a->points.len, b->points.len);
    assert_memory_equal(a->points.data, b->points.data, a->points.len);
    for (int i = 0; i < KEY_COUNT; i++) {
        for (size_t n = 0; n <= s->snapshot_count; n++) {
            uint64_t at = n < s->snapshot_count ? s->snapshots[n] : SEQNO_MAX;

            assert_int_equal(rangedel_list_covering(a->dels, key_of(s, (uint64_t)i), at),
                             rangedel_list_covering(b->dels, key_of(s, (uint64_t)i), at));
        }
    }
}

static void contents_done(struct contents *c)
{
    buf_free(&c->points);
    rangedel_list_free(c->dels);
}

static int cmp_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void compare_once(struct rng *rng, bool bottom)
{
    struct scene *s = malloc(sizeof(*s));
    struct compact_run whole, pieces[PIECE_COUNT_MAX];
    struct slice bounds[PIECE_COUNT_MAX];
    int cuts[PIECE_COUNT_MAX];
    size_t count = rng_below(rng, PIECE_COUNT_MAX - 1) + 2;
    struct contents one, many;

    assert_non_null(s);
    scene_init(s, rng);
    whole = run_of(s, bottom);
    assert_int_equal(compact_run(&whole), 0);
    assert_true(s->yields > 0);
    for (size_t i = 1; i < count; i++)
        cuts[i] = (int)rng_below(rng, KEY_COUNT);
    qsort(cuts + 1, count - 1, sizeof(cuts[0]), cmp_number);
    for (size_t i = 1; i < count; i++)
        bounds[i] = key_of(s, (uint64_t)cuts[i]);
    for (size_t i = 0; i < count; i++) {
        pieces[i] = run_of(s, bottom);
        pieces[i].begin = i ? &bounds[i] : NULL;
        pieces[i].end = i + 1 < count ? &bounds[i + 1] : NULL;
        assert_int_equal(compact_run(&pieces[i]), 0);
    }
    read_tables(s, &whole, 1, &one);
    read_tables(s, pieces, count, &many);
    assert_same(s, &one, &many);
    contents_done(&one);
    contents_done(&many);
    iter_free(whole.input);
    compact_run_done(&whole, &s->store);
    for (size_t i = 0; i < count; i++) {
        iter_free(pieces[i].input);
        compact_run_done(&pieces[i], &s->store);
    }
    scene_done(s);
    free(s);
}

static void pieces_make_what_the_whole_makes(void **state)
{
    uint64_t seed = rng_seed(11);
    struct rng rng = {seed};

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 12; i++)
        compare_once(&rng, i % 2);
}

static int refuse(void *arg, const struct compact_run *r)
{
    (void)r;
    return ++((struct scene *)arg)->yields == 3 ? -ECANCELED : 0;
}

static int count_file(void *arg, const char *name)
{
    *(int *)arg += strstr(name, ".sst") != NULL;
    return 0;
}

static void a_run_that_is_ended_leaves_no_file(void **state)
{
    struct scene *s = malloc(sizeof(*s));
    struct rng rng = {5};
    struct compact_run r;
    int files = 0;

    (void)state;
    assert_non_null(s);
    scene_init(s, &rng);
    r = run_of(s, false);
    r.table_len = 2 << 10;
    r.yield = refuse;
    assert_int_equal(compact_run(&r), -ECANCELED);
    assert_int_equal(r.table_count, 0);
    assert_true(s->next_number > 1);
    assert_int_equal(env_list(s->env, count_file, &files), 0);
    assert_int_equal(files, 0);
    iter_free(r.input);
    scene_done(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_what_the_whole_makes),
        cmocka_unit_test(a_run_that_is_ended_leaves_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
