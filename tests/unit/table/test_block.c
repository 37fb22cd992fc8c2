/*
 * Blocks: what the builder writes the iterator reads, both ways, and nothing that a block's bytes
 * can say makes the iterator leave it.
 */
#include "lib/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lib/rng.h"
#include "lsm/base/err.h"
#include "lsm/base/ikey.h"
#include "lsm/table/block_builder.h"
#include "lsm/table/block_iter.h"
#include "lsm/table/block_io.h"

/* Key i of the test blocks: even numbers, so that there are keys between, some with a long tail. */
static struct slice nth_key(size_t i, struct buf *ret)
{
    uint8_t user[6 + 400];
    char number[16];

    snprintf(number, sizeof(number), "%06zu", i * 2);
    memcpy(user, number, 6);
    memset(user + 6, 'p', sizeof(user) - 6);
    assert_int_equal(ikey_make(ret, slice_of(user, 6 + i % 5 * 100), 7, KIND_PUT), 0);
    return buf_slice(ret);
}

static struct slice nth_value(size_t i, char mem[32])
{
    return slice_of(mem, (size_t)snprintf(mem, 32, "%.*zu", (int)(i % 20), i));
}

static void build(struct block_builder *b, size_t count, unsigned interval, struct slice *ret)
{
    struct buf key = {0};
    char mem[32];

    b->restart_interval = interval;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(block_builder_add(b, nth_key(i, &key), nth_value(i, mem)), 0);
    assert_int_equal(b->entry_count, count);
    assert_int_equal(block_builder_finish(b, ret), 0);
    buf_free(&key);
}

static void assert_nth(const struct block_iter *it, size_t i, size_t count)
{
    struct buf key = {0};
    char mem[32];

    assert_int_equal(it->err, 0);
    assert_int_equal(it->valid, i < count);
    if (it->valid) {
        assert_true(slice_eq(it->key, nth_key(i, &key)));
        assert_true(slice_eq(it->value, nth_value(i, mem)));
    }
    buf_free(&key);
}

static void check_block(size_t count, unsigned interval)
{
    struct block_builder b = {0};
    struct block_iter it;
    struct slice contents;
    struct buf key = {0};
    size_t i = 0;

    build(&b, count, interval, &contents);
    block_iter_init(&it);
    assert_int_equal(block_iter_set(&it, contents), 0);
    assert_int_equal(block_iter_check(&it), 0);
    for (block_iter_seek_first(&it); it.valid; block_iter_next(&it))
        assert_nth(&it, i++, count);
    assert_int_equal(it.err, 0);
    assert_int_equal(i, count);
    for (block_iter_seek_last(&it); it.valid; block_iter_prev(&it))
        assert_nth(&it, --i, count);
    assert_int_equal(it.err, 0);
    assert_int_equal(i, 0);
    for (i = 0; i < count; i++) {
        block_iter_seek(&it, nth_key(i, &key));
        assert_nth(&it, i, count);
        /* The same user key at an older sequence number comes behind it. */
        put_le64(key.data + key.len - 8, ikey_trailer(6, KIND_PUT));
        block_iter_seek(&it, buf_slice(&key));
        assert_nth(&it, i + 1, count);
        if (it.valid) {
            block_iter_prev(&it);
            assert_nth(&it, i, count);
            block_iter_next(&it);
            assert_nth(&it, i + 1, count);
        }
    }
    assert_int_equal(ikey_make(&key, slice_str(""), 0, 0), 0);
    block_iter_seek(&it, buf_slice(&key));
    assert_nth(&it, 0, count);
    block_iter_done(&it);
    block_builder_done(&b);
    buf_free(&key);
}

static void blocks_of_all_shapes_come_back(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++)
        for (unsigned interval = 1; interval < 20; interval += 3)
            check_block(count, interval);
    check_block(3000, 16);
}

static void a_builder_is_empty_again_after_reset(void **state)
{
    struct block_builder b = {0};
    struct slice first, second;
    struct buf copy = {0};

    (void)state;
    build(&b, 33, 16, &first);
    assert_int_equal(buf_assign(&copy, first.data, first.len), 0);
    block_builder_reset(&b);
    assert_int_equal(block_builder_len(&b), 4);
    build(&b, 33, 16, &second);
    assert_true(slice_eq(second, buf_slice(&copy)));
    buf_free(&copy);
    block_builder_done(&b);
}

/* All moves, in exactly sized memory, so that a sanitizer sees each byte too far. */
static void exercise(struct slice contents, struct slice target)
{
    uint8_t *exact = malloc(contents.len ? contents.len : 1);
    struct block_iter it;
    size_t steps = 0;

    memcpy(exact, contents.data, contents.len);
    block_iter_init(&it);
    if (block_iter_set(&it, slice_of(exact, contents.len)) == 0) {
        for (block_iter_seek_first(&it); it.valid; block_iter_next(&it))
            assert_true(steps++ < contents.len);
        steps = 0;
        for (block_iter_seek_last(&it); it.valid; block_iter_prev(&it))
            assert_true(steps++ < contents.len);
        block_iter_seek(&it, target);
        if (it.valid)
            block_iter_prev(&it);
        block_iter_seek(&it, target);
        if (it.valid)
            block_iter_next(&it);
        (void)block_iter_check(&it);
    }
    block_iter_done(&it);
    free(exact);
}

static void damaged_blocks_are_walked_safely(void **state)
{
    struct rng r = {rng_seed(11)};
    struct block_builder b = {0};
    struct slice contents;
    struct buf bytes = {0}, target = {0};

    (void)state;
    build(&b, 40, 4, &contents);
    nth_key(21, &target);
    for (size_t len = 0; len <= contents.len; len++)
        exercise(slice_of(contents.data, len), buf_slice(&target));
    for (size_t at = 0; at < contents.len; at++) {
        for (unsigned n = 0; n < 4; n++) {
            assert_int_equal(buf_assign(&bytes, contents.data, contents.len), 0);
            bytes.data[at] = n == 0 ? 0xff : n == 1 ? 0 : (uint8_t)rng_next(&r);
            exercise(buf_slice(&bytes), buf_slice(&target));
        }
    }
    for (unsigned n = 0; n < 20000; n++) {
        size_t len = (size_t)rng_below(&r, 60);

        bytes.len = 0;
        for (size_t i = 0; i < len; i++) {
            uint8_t byte = (uint8_t)(rng_next(&r) & (rng_below(&r, 3) ? 0x0f : 0xff));

            assert_int_equal(buf_append(&bytes, &byte, 1), 0);
        }
        assert_int_equal(buf_put_le32(&bytes, (uint32_t)rng_below(&r, 4)), 0);
        exercise(buf_slice(&bytes), buf_slice(&target));
    }
    buf_free(&bytes);
    buf_free(&target);
    block_builder_done(&b);
}

static struct env fake_env = {.path = "store"};

static struct block_source source(struct env_reader *reader, uint64_t number, uint64_t end)
{
    *reader = (struct env_reader){.env = &fake_env, .name = "00000007.sst"};
    return (struct block_source){.reader = reader, .number = number, .blocks_end = end};
}

static void encoded_blocks_decode_to_themselves(void **state)
{
    struct rng r = {rng_seed(12)};
    struct env_reader reader;
    struct block_source s = source(&reader, 7, 1 << 30);
    struct buf contents = {0}, out = {0};

    (void)state;
    for (size_t len = 1; len < 200000; len = len * 3 + 1) {
        for (unsigned n = 0; n < 4; n++) {
            struct block_handle h = {100 + len, 0};
            struct cache_block *block;

            contents.len = out.len = 0;
            for (size_t i = 0; i < len; i++) {
                uint8_t byte = n & 1 ? (uint8_t)rng_next(&r) : (uint8_t)(i / 50);

                assert_int_equal(buf_append(&contents, &byte, 1), 0);
            }
            assert_int_equal(buf_append(&out, "before", 6), 0);
            assert_int_equal(block_encode(buf_slice(&contents), n & 2, 7, h.offset, &out, &h.len),
                             0);
            assert_int_equal(out.len, 6 + h.len + BLOCK_TRAILER_LEN);
            /* What does not shrink is stored as it is. */
            if (n != 2)
                assert_int_equal(h.len, len);
            else if (len > 100)
                assert_true(h.len < len);
            assert_int_equal(out.data[6 + h.len], h.len < len ? BLOCK_TYPE_LZ4 : BLOCK_TYPE_PLAIN);
            assert_int_equal(block_decode(&s, h, out.data + 6, &block), 0);
            assert_true(slice_eq(block_contents(block), buf_slice(&contents)));
            cache_block_unref(block);
        }
    }
    buf_free(&contents);
    buf_free(&out);
}

static void a_block_of_another_file_or_place_is_refused(void **state)
{
    struct env_reader reader;
    struct block_source s = source(&reader, 7, 1 << 30), other = source(&reader, 8, 1 << 30);
    struct block_handle h = {4096, 0}, elsewhere;
    struct cache_block *block;
    struct buf out = {0};

    (void)state;
    assert_int_equal(block_encode(slice_str("contents"), true, 7, h.offset, &out, &h.len), 0);
    assert_int_equal(block_decode(&other, h, out.data, &block), -ERR_SST_BLOCK_CHECKSUM);
    elsewhere = (struct block_handle){8192, h.len};
    assert_int_equal(block_decode(&s, elsewhere, out.data, &block), -ERR_SST_BLOCK_CHECKSUM);
    assert_non_null(strstr(err_detail(), "store/00000007.sst: block at offset 8192, 8 bytes"));
    assert_int_equal(block_decode(&s, h, out.data, &block), 0);
    cache_block_unref(block);
    buf_free(&out);
}

static void addresses_outside_of_the_file_are_refused(void **state)
{
    struct env_reader reader;
    struct block_source s = source(&reader, 7, 1000);
    const struct block_handle bad[] = {
        {0, 0},
        {992, 1},
        {991, 1},
        {0, 992},
        {1000, 1},
        {UINT64_MAX, 1},
        {1, UINT64_MAX},
        {UINT64_MAX, UINT64_MAX},
        {UINT64_MAX - 8, 9},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(block_check_handle(&s, bad[i]), -ERR_SST_HANDLE);
    assert_int_equal(block_check_handle(&s, (struct block_handle){0, 991}), 0);
    assert_int_equal(block_check_handle(&s, (struct block_handle){990, 1}), 0);
    s.blocks_end = 5;
    assert_int_equal(block_check_handle(&s, (struct block_handle){0, 1}), -ERR_SST_HANDLE);
}

/* A file made on purpose may claim any length with the right checksum. */
static void impossible_lengths_are_refused_before_allocating(void **state)
{
    static const uint64_t claims[] = {
        0, 10, 4000, (uint64_t)BLOCK_LEN_MAX, (uint64_t)1 << 40, UINT64_MAX};
    struct env_reader reader;
    struct block_source s = source(&reader, 7, 1 << 30);
    struct cache_block *block;

    (void)state;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        uint8_t raw[64] = {0}, *p = put_varint64(raw, claims[i]);
        struct block_handle h = {0, (uint64_t)(p - raw) + 6};
        struct buf out = {0};
        uint64_t len;

        memcpy(p, "\x50hello", 6);
        /* A plain block has the checksum; the type goes in before it is made. */
        assert_int_equal(block_encode(slice_of(raw, (size_t)h.len), false, 7, 0, &out, &len), 0);
        out.data[len] = BLOCK_TYPE_LZ4;
        assert_int_equal(block_decode(&s, h, out.data, &block), -ERR_SST_BLOCK_CHECKSUM);
        put_le64(out.data + len + 1, XXH3_64bits_withSeed(out.data, (size_t)len + 1, 7));
        assert_int_equal(block_decode(&s, h, out.data, &block), -ERR_SST_BLOCK_COMPRESSION);
        out.data[len] = 9;
        put_le64(out.data + len + 1, XXH3_64bits_withSeed(out.data, (size_t)len + 1, 7));
        assert_int_equal(block_decode(&s, h, out.data, &block), -ERR_SST_BLOCK_COMPRESSION);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_all_shapes_come_back),
        cmocka_unit_test(a_builder_is_empty_again_after_reset),
        cmocka_unit_test(damaged_blocks_are_walked_safely),
        cmocka_unit_test(encoded_blocks_decode_to_themselves),
        cmocka_unit_test(a_block_of_another_file_or_place_is_refused),
        cmocka_unit_test(addresses_outside_of_the_file_are_refused),
        cmocka_unit_test(impossible_lengths_are_refused_before_allocating),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
