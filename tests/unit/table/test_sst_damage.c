/*
 * Damaged tables: right bytes or an error, never wrong bytes, never a crash. Damage under a right
 * checksum, which only somebody who means it can make, may give wrong bytes, but no crash.
 */
#include "table_fixture.h"

#include <unistd.h>
#include <xxhash.h>

#include "lsm/table/sst_impl.h"

enum {
    NUMBER = 3
};

static char *dir;
static struct env *env;
static const char *path; /* of the table */
static struct model model;
static struct sst_stats stats;
static struct block_cache *cache; /* NULL but in the test of damage under right checksums */

static int set_up(void **state)
{
    (void)state;
    dir = scratch_new();
    path = strdup(scratch_path(dir, "00000003.sst"));
    return env_posix_open(dir, ENV_CREATE, &env);
}

static int tear_down(void **state)
{
    (void)state;
    env_close(env);
    scratch_free(dir);
    free((char *)path);
    return 0;
}

/* Blocks and partitions enough to have several of each, and still a file of a few thousand bytes.
 */
static void make_table(bool compress, struct buf *ret)
{
    struct sst_builder_options o = {150, 45, 3, 10, compress};
    struct buf value = {0};

    model = (struct model){0};
    for (uint64_t i = 0; i < 24; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key%02u", (unsigned)i);
        value.len = 0;
        for (uint64_t k = 0; k <= i; k++)
            assert_int_equal(buf_append(&value, key, 2), 0);
        model_add(&model, slice_str(key), 100 + i, i % 5 ? KIND_PUT : KIND_DELETE,
                  i % 5 ? buf_slice(&value) : slice_of("", 0));
        model_add(&model, slice_str(key), 50 + i, KIND_PUT, slice_str("old"));
    }
    model_sort(&model);
    model.dels[model.del_count++] = (struct rangedel){slice_str("key07"), slice_str("key09"), 200};
    model_write(&model, env, NUMBER, &o, &stats);
    assert_int_equal(env_read_small(env, "00000003.sst", 1 << 20, ret), 0);
    buf_free(&value);
}

static void write_file(struct slice bytes)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    if (bytes.len)
        assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

/* Give the file other bytes at a place, as a bad disk would. */
static void poke(size_t at, uint8_t byte)
{
    FILE *f = fopen(path, "r+b");

    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(byte, f), byte);
    assert_int_equal(fclose(f), 0);
}

static void read_lookups(struct sst *t, bool strict)
{
    for (unsigned i = 0; i < 25; i++) {
        struct buf is = {0}, want = {0};
        char key[16];
        int err;

        snprintf(key, sizeof(key), "key%02u", i);
        err = table_get(t, slice_str(key), i % 2 ? SEQNO_MAX : 99, &is);
        if (err >= 0 && strict) {
            assert_int_equal(err, model_get(&model, slice_str(key), i % 2 ? SEQNO_MAX : 99, &want));
            assert_true(slice_eq(buf_slice(&is), buf_slice(&want)));
        }
        assert_true(err >= 0 || err_is_damage(err));
        buf_free(&is);
        buf_free(&want);
    }
}

static void read_scans(struct sst *t, bool strict)
{
    struct iter *it;
    size_t i = 0, steps = 0;

    assert_int_equal(sst_iter_new(t, 0, &it), 0);
    for (iter_seek_first(it); it->valid; iter_next(it), i++) {
        if (!strict)
            continue;
        assert_true(i < model.count);
        assert_true(slice_eq(it->key, buf_slice(&model.pairs[i].key)));
        assert_true(slice_eq(it->value, buf_slice(&model.pairs[i].value)));
    }
    assert_true(it->err || !strict || i == model.count);
    i = model.count;
    for (iter_seek_last(it); it->valid && steps < 100000; iter_prev(it), steps++) {
        if (!strict)
            continue;
        assert_true(i-- > 0);
        assert_true(slice_eq(it->key, buf_slice(&model.pairs[i].key)));
        assert_true(slice_eq(it->value, buf_slice(&model.pairs[i].value)));
    }
    assert_true(it->err || !strict || i == 0);
    for (i = 0; i < model.count; i += 5) {
        for (unsigned step = 0; i % 2 && step < ITER_SEEK_STEPS; step++)
            iter_seek_step(it, buf_slice(&model.pairs[i].key), step);
        iter_seek(it, buf_slice(&model.pairs[i].key));
        if (strict && !it->err)
            assert_true(slice_eq(it->value, buf_slice(&model.pairs[i].value)));
        iter_seek_prev(it, buf_slice(&model.pairs[i].key));
        if (strict && !it->err && i)
            assert_true(slice_eq(it->value, buf_slice(&model.pairs[i - 1].value)));
    }
    iter_free(it);
}

static int count_damage(void *arg, int err, uint64_t offset, uint64_t len)
{
    assert_true(err_is_damage(err));
    assert_true(*err_detail() != 0);
    (void)offset;
    (void)len;
    ++*(int *)arg;
    return 0;
}

static int ignore_line(void *arg, const char *line)
{
    (void)arg;
    (void)line;
    return 0;
}

/* Read everything in every way. Whether damage was noticed. */
static bool read_all(bool strict)
{
    struct sst *t;
    int damages = 0, err = sst_open(env, cache, NUMBER, &t);

    if (err) {
        assert_true(err_is_damage(err) || err == -ERR_SST_VERSION);
        assert_non_null(strstr(err_detail(), "/00000003.sst: "));
        return true;
    }
    if (strict) {
        assert_memory_equal(sst_stats(t), &stats, sizeof(stats));
        assert_int_equal(rangedel_list_covering(sst_rangedels(t), slice_str("key08"), 300), 200);
    }
    read_lookups(t, strict);
    read_scans(t, strict);
    assert_int_equal(sst_verify(t, VALUE_LEN_MAX, count_damage, &damages), 0);
    assert_int_equal(sst_verify(t, VALUE_LEN_MAX, NULL, NULL) != 0, damages > 0);
    err = sst_to_text(t, true, ignore_line, NULL);
    assert_true(err == 0 || (err_is_damage(err) && damages > 0));
    sst_unref(t);
    return damages > 0;
}

static void flip_all(bool compress)
{
    struct buf file = {0};

    make_table(compress, &file);
    assert_true(file.len > 1000 && file.len < 8000);
    assert_false(read_all(true));
    for (size_t at = 0; at < file.len; at++) {
        poke(at, file.data[at] ^ (uint8_t)(1u << at % 8));
        if (!read_all(true))
            fail_msg("the change at %zu of %zu was not noticed", at, file.len);
        poke(at, file.data[at]);
    }
    assert_false(read_all(true));
    buf_free(&file);
    model_free(&model);
}

static void no_flipped_bit_goes_unnoticed(void **state)
{
    (void)state;
    flip_all(false);
    flip_all(true);
}

/* The file changes while the table is open: the footer is then not looked at again. */
static void damage_that_comes_later_is_noticed_too(void **state)
{
    struct buf file = {0};
    struct sst *t;

    (void)state;
    make_table(true, &file);
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), 0);
    for (size_t at = 0; at < file.len; at++) {
        int damages = 0;

        poke(at, (uint8_t)~file.data[at]);
        read_lookups(t, true);
        read_scans(t, true);
        assert_int_equal(sst_verify(t, VALUE_LEN_MAX, count_damage, &damages), 0);
        assert_int_equal(damages, 1);
        poke(at, file.data[at]);
    }
    for (size_t len = file.len; len-- > 0;) {
        int damages = 0;

        assert_int_equal(truncate(path, (off_t)len), 0);
        if (len % 16 == 0) {
            read_lookups(t, true);
            read_scans(t, true);
        }
        assert_int_equal(sst_verify(t, VALUE_LEN_MAX, count_damage, &damages), 0);
        assert_true(damages > 0);
    }
    sst_unref(t);
    buf_free(&file);
    model_free(&model);
}

static void a_shortened_or_lengthened_table_is_refused(void **state)
{
    struct buf file = {0};
    struct sst *t;

    (void)state;
    make_table(false, &file);
    for (size_t len = 0; len < file.len; len++) {
        write_file(slice_of(file.data, len));
        assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_FOOTER);
        write_file(slice_of(file.data + file.len - len, len));
        assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_FOOTER);
    }
    assert_int_equal(buf_append(&file, "", 1), 0);
    write_file(buf_slice(&file));
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_FOOTER);
    buf_free(&file);
    model_free(&model);
}

static void a_table_under_another_name_is_refused(void **state)
{
    struct buf file = {0};
    struct sst *t;

    (void)state;
    make_table(false, &file);
    assert_int_equal(rename(path, scratch_path(dir, "00000004.sst")), 0);
    assert_int_equal(sst_open(env, NULL, NUMBER + 1, &t), -ERR_SST_FOOTER);
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ENOENT);
    buf_free(&file);
    model_free(&model);
}

static void garbage_is_refused(void **state)
{
    struct rng r = {rng_seed(21)};
    struct buf file = {0};
    struct sst *t;

    (void)state;
    for (unsigned n = 0; n < 2000; n++) {
        size_t len = (size_t)rng_below(&r, 400);

        file.len = 0;
        for (size_t i = 0; i < len; i++) {
            uint8_t byte = (uint8_t)rng_next(&r);

            assert_int_equal(buf_append(&file, &byte, 1), 0);
        }
        if (len >= FOOTER_LEN && n % 2)
            memcpy(file.data + len - 8, "FLUXSST1", 8);
        write_file(buf_slice(&file));
        assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_FOOTER);
    }
    buf_free(&file);
}

static void seal_footer(uint8_t *footer)
{
    put_le64(footer + FOOTER_CHECKSUM, XXH3_64bits_withSeed(footer, FOOTER_CHECKSUM, NUMBER));
}

static void a_newer_table_is_told_from_a_damaged_one(void **state)
{
    struct buf file = {0};
    uint8_t *footer;
    struct sst *t;

    (void)state;
    make_table(false, &file);
    footer = file.data + file.len - FOOTER_LEN;
    put_le32(footer + FOOTER_VERSION, 2);
    seal_footer(footer);
    write_file(buf_slice(&file));
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_VERSION);
    put_le32(footer + FOOTER_VERSION, 1);
    put_le32(footer + FOOTER_INCOMPAT, 4);
    seal_footer(footer);
    write_file(buf_slice(&file));
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), -ERR_SST_VERSION);
    buf_free(&file);
    model_free(&model);
}

struct places {
    struct block_handle at[256];
    size_t count;
};

static void note_entries(struct sst *t, struct block_handle h, struct places *ret, bool is_top)
{
    struct cache_block *block;
    struct block_iter it;

    assert_int_equal(block_read(&t->src, h, BLOCK_DIRECT, CACHE_NORMAL, &block), 0);
    block_iter_init(&it);
    assert_int_equal(block_iter_set(&it, block_contents(block)), 0);
    for (block_iter_seek_first(&it); it.valid; block_iter_next(&it)) {
        struct block_handle index, filter;

        assert_true(ret->count + 2 <= 256);
        if (is_top) {
            assert_true(top_value_decode(it.value, &index, &filter));
            ret->at[ret->count++] = filter;
            ret->at[ret->count++] = index;
            note_entries(t, index, ret, false);
        } else {
            assert_true(index_value_decode(it.value, &index));
            ret->at[ret->count++] = index;
        }
    }
    block_iter_done(&it);
    cache_block_unref(block);
}

/* Every block of the file. */
static void note_places(struct places *ret)
{
    struct sst *t;

    assert_int_equal(sst_open(env, NULL, NUMBER, &t), 0);
    ret->count = 0;
    ret->at[ret->count++] = t->footer.top;
    ret->at[ret->count++] = t->footer.rangedels;
    ret->at[ret->count++] = t->footer.properties;
    note_entries(t, t->footer.top, ret, true);
    assert_int_equal(ret->count,
                     3 + 2 * t->properties.partition_count + t->properties.data_block_count);
    assert_true(t->properties.partition_count > 3);
    sst_unref(t);
}

static size_t count_lz4(const struct buf *file, const struct places *places)
{
    size_t count = 0;

    for (size_t i = 0; i < places->count; i++)
        count += file->data[places->at[i].offset + places->at[i].len] == BLOCK_TYPE_LZ4;
    return count;
}

static void seal_block(uint8_t *file, struct block_handle h)
{
    put_le64(file + h.offset + h.len + BLOCK_TRAILER_CHECKSUM,
             XXH3_64bits_withSeed(file + h.offset, (size_t)h.len + 1, NUMBER ^ h.offset));
}

static void sealed_damage(bool compress, unsigned rounds, struct rng *r)
{
    struct buf file = {0}, bytes = {0};
    struct places places;

    make_table(compress, &file);
    note_places(&places);
    assert_int_equal(count_lz4(&file, &places) > 3, compress);
    for (unsigned n = 0; n < rounds; n++) {
        struct block_handle h = places.at[rng_below(r, places.count)];
        unsigned changes = 1 + (unsigned)rng_below(r, 3);

        assert_int_equal(buf_assign(&bytes, file.data, file.len), 0);
        for (unsigned k = 0; k < changes; k++) {
            uint8_t *p = bytes.data + h.offset + rng_below(r, h.len + (compress ? 0 : 1));

            *p = rng_below(r, 2) ? (uint8_t)rng_next(r) : (uint8_t)(*p + rng_below(r, 5) - 2);
        }
        seal_block(bytes.data, h);
        if (n % 16 == 0) {
            uint8_t *footer = bytes.data + bytes.len - FOOTER_LEN;

            footer[rng_below(r, FOOTER_FILE_LEN)] = (uint8_t)rng_next(r);
            seal_footer(footer);
        }
        write_file(buf_slice(&bytes));
        block_cache_drop_file(cache, NUMBER);
        read_all(false);
    }
    buf_free(&file);
    buf_free(&bytes);
    model_free(&model);
}

static void damage_under_right_checksums_does_not_crash(void **state)
{
    struct rng r = {rng_seed(22)};

    (void)state;
    assert_int_equal(block_cache_new(1 << 20, &cache), 0);
    sealed_damage(false, 6000, &r);
    sealed_damage(true, 6000, &r);
    block_cache_free(cache);
    cache = NULL;
}

/* What one block's damage costs is that block, for verification and for the text. */
static void verification_goes_on_behind_damage(void **state)
{
    struct buf file = {0};
    struct places places;
    struct sst *t;
    int damages = 0;

    (void)state;
    make_table(true, &file);
    note_places(&places);
    assert_int_equal(sst_open(env, NULL, NUMBER, &t), 0);
    for (size_t i = 0; i < places.count; i++)
        poke((size_t)places.at[i].offset, (uint8_t)~file.data[places.at[i].offset]);
    assert_int_equal(sst_verify(t, VALUE_LEN_MAX, count_damage, &damages), 0);
    /* Behind a damaged partition there are no addresses; all others are reported. */
    assert_int_equal(damages, 3 + 2 * t->properties.partition_count);
    for (size_t i = 0; i < places.count; i++)
        poke((size_t)places.at[i].offset, file.data[places.at[i].offset]);
    damages = 0;
    assert_int_equal(sst_verify(t, VALUE_LEN_MAX, count_damage, &damages), 0);
    assert_int_equal(damages, 0);
    sst_unref(t);
    buf_free(&file);
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flipped_bit_goes_unnoticed),
        cmocka_unit_test(damage_that_comes_later_is_noticed_too),
        cmocka_unit_test(a_shortened_or_lengthened_table_is_refused),
        cmocka_unit_test(a_table_under_another_name_is_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_newer_table_is_told_from_a_damaged_one),
        cmocka_unit_test(damage_under_right_checksums_does_not_crash),
        cmocka_unit_test(verification_goes_on_behind_damage),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
