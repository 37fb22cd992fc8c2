/*
 * Edits: encoding and decoding are inverse, unknown fields follow the rule, and no bytes whatever
 * make the decoder read beyond them or accept what no table can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lsm/base/codec.h"
#include "lsm/base/err.h"
#include "lsm/version/version.h"

static struct table_store store;

static const struct sst_stats stats = {
    .file_len = 123456,
    .entry_count = 1000,
    .delete_count = 10,
    .patch_count = 20,
    .rangedel_count = 3,
    .raw_len = UINT64_C(1) << 40,
    .seqno_min = 5,
    .seqno_max = 77777,
};

static void name_snapshot(struct named_snapshots *s, const char *name, uint64_t seqno,
                          uint64_t time_ns)
{
    struct named_snapshot one;

    assert_int_equal(named_snapshot_init(slice_str(name), seqno, time_ns, &one), 0);
    assert_int_equal(named_snapshots_add(s, &one), 0);
}

static struct version_edit full_edit(void)
{
    struct version_edit e = {.has_log_number = true,
                             .log_number = 12,
                             .has_flushed_seqno = true,
                             .flushed_seqno = UINT64_C(1) << 55,
                             .has_next_file = true,
                             .next_file = UINT64_MAX,
                             .has_log_numbers_end = true,
                             .log_numbers_end = 12345};
    struct table_meta *m;

    assert_int_equal(
        table_meta_new(42, 9, &stats, slice_str("alpha"), slice_of("be\0ta", 5), true, &m), 0);
    m->held_count = 300;
    m->held_snapshots = 2;
    assert_int_equal(edit_add_table(&e, 3, m), 0);
    table_meta_unref(m, &store);
    assert_int_equal(table_meta_new(43, 0, &stats, slice_str("x"), slice_str("x"), false, &m), 0);
    assert_int_equal(edit_add_table(&e, 0, m), 0);
    table_meta_unref(m, &store);
    assert_int_equal(edit_remove_table(&e, 6, 40), 0);
    assert_int_equal(edit_remove_table(&e, 0, UINT64_MAX), 0);
    name_snapshot(&e.snapshots_added, "daily", 77, 1700000000123456789);
    name_snapshot(&e.snapshots_added, "\nodd", 78, UINT64_MAX);
    name_snapshot(&e.snapshots_removed, "old", 0, 0);
    time_points_add(&e.times, (struct time_point){5, 1700000000000000001});
    time_points_add(&e.times, (struct time_point){9, 1700000001000000001});
    return e;
}

static struct buf encoded(const struct version_edit *e)
{
    struct buf b = {0};

    assert_int_equal(edit_encode(e, &b), 0);
    return b;
}

static void what_was_encoded_is_decoded(void **state)
{
    struct version_edit e = full_edit(), d;
    struct buf b = encoded(&e), again;

    (void)state;
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), 0);
    assert_true(d.has_log_number && d.log_number == 12);
    assert_true(d.has_flushed_seqno && d.flushed_seqno == UINT64_C(1) << 55);
    assert_true(d.has_next_file && d.next_file == UINT64_MAX);
    assert_true(d.has_log_numbers_end && d.log_numbers_end == 12345);
    assert_int_equal(d.added_count, 2);
    assert_int_equal(d.removed_count, 2);
    assert_int_equal(d.removed[0].level, 6);
    assert_true(d.removed[1].number == UINT64_MAX);
    assert_int_equal(d.added[0].level, 3);
    assert_true(d.added[0].meta->number == 42 && d.added[0].meta->run == 9);
    assert_true(d.added[0].meta->largest_exclusive && !d.added[1].meta->largest_exclusive);
    assert_true(slice_eq(d.added[0].meta->largest, slice_of("be\0ta", 5)));
    assert_memory_equal(&d.added[0].meta->stats, &stats, sizeof(stats));
    assert_true(d.added[0].meta->held_count == 300 && d.added[0].meta->held_snapshots == 2);
    assert_true(d.added[1].meta->held_count == 0);
    assert_true(d.times.count == 2 && d.times.points[1].seqno == 9);
    assert_true(d.snapshots_added.count == 2 && d.snapshots_removed.count == 1);
    assert_true(named_snapshots_find(&d.snapshots_added, slice_str("daily"))->time_ns ==
                1700000000123456789);
    assert_true(named_snapshots_find(&d.snapshots_added, slice_str("\nodd"))->seqno == 78);
    assert_non_null(named_snapshots_find(&d.snapshots_removed, slice_str("old")));
    again = encoded(&d);
    assert_true(slice_eq(buf_slice(&b), buf_slice(&again)));
    buf_free(&b);
    buf_free(&again);
    edit_done(&e, &store);
    edit_done(&d, &store);
}

static void an_empty_edit_is_no_bytes(void **state)
{
    struct version_edit e = {0}, d;
    struct buf b = encoded(&e);

    (void)state;
    assert_int_equal(b.len, 0);
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), 0);
    assert_false(d.has_log_number || d.has_flushed_seqno || d.has_next_file);
    buf_free(&b);
}

static void put_field(struct buf *b, uint64_t tag, const char *payload)
{
    assert_int_equal(buf_put_varint64(b, tag), 0);
    assert_int_equal(buf_put_prefixed(b, slice_str(payload)), 0);
}

static void unknown_fields_are_skipped_only_from_64_on(void **state)
{
    struct version_edit e = full_edit(), d;
    struct buf b = encoded(&e);
    size_t len = b.len;

    (void)state;
    put_field(&b, 1000, "of the future");
    put_field(&b, UINT64_MAX, "");
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), 0);
    assert_int_equal(d.added_count, 2);
    edit_done(&d, &store);
    b.len = len;
    put_field(&b, 63, "");
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    b.len = len;
    put_field(&b, 0, "");
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    buf_free(&b);
    edit_done(&e, &store);
}

static void a_truncated_edit_is_refused_or_a_prefix_of_fields(void **state)
{
    struct version_edit e = full_edit(), d;
    struct buf b = encoded(&e);
    size_t whole = 0;

    (void)state;
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that the sanitizer sees a read beyond */
        int err;

        memcpy(exact, b.data, len);
        err = edit_decode(slice_of(exact, len), &d, &store);
        assert_true(err == 0 || err == -ERR_MANIFEST_RECORD);
        if (!err) {
            whole++;
            edit_done(&d, &store);
        }
        free(exact);
    }
    assert_int_equal(whole, 13); /* before each of the fields */
    buf_free(&b);
    edit_done(&e, &store);
}

static void flipped_bytes_never_break_the_decoder(void **state)
{
    struct version_edit e = full_edit(), d;
    struct buf b = encoded(&e);

    (void)state;
    for (size_t i = 0; i < b.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            int err;

            b.data[i] ^= (uint8_t)(1u << bit);
            err = edit_decode(buf_slice(&b), &d, &store);
            assert_true(err == 0 || err == -ERR_MANIFEST_RECORD);
            if (!err)
                edit_done(&d, &store);
            b.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    buf_free(&b);
    edit_done(&e, &store);
}

static void random_bytes_never_break_the_decoder(void **state)
{
    uint64_t seed = 20240601;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        struct version_edit d;
        size_t len;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            bytes[i] = (uint8_t)(seed >> 58 << (seed >> 33 & 3));
        }
        len = seed >> 40 & 63;
        if (edit_decode(slice_of(bytes, len), &d, &store) == 0)
            edit_done(&d, &store);
    }
}

static void impossible_tables_are_refused(void **state)
{
    struct sst_stats s = stats;
    struct slice a = slice_str("a"), b = slice_str("b");
    struct table_meta *m;

    (void)state;
    assert_int_equal(table_meta_new(0, 1, &s, a, b, false, &m), -EINVAL);
    assert_int_equal(table_meta_new(1, 1, &s, b, a, false, &m), -EINVAL);
    assert_int_equal(table_meta_new(1, 1, &s, a, a, true, &m), -EINVAL);
    s.seqno_min = s.seqno_max + 1;
    assert_int_equal(table_meta_new(1, 1, &s, a, b, false, &m), -EINVAL);
    s = stats;
    s.delete_count = s.entry_count;
    assert_int_equal(table_meta_new(1, 1, &s, a, b, false, &m), -EINVAL);
    s = stats;
    s.file_len = UINT64_MAX;
    assert_int_equal(table_meta_new(1, 1, &s, a, b, false, &m), -EINVAL);
}

static void impossible_snapshots_are_refused(void **state)
{
    static const char *const payloads[] = {
        "\x01",                                        /* no time */
        "\x01\x01",                                    /* no name */
        "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01name" /* seqno too large */
    };
    char long_name[300];
    struct version_edit d;
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        b.len = 0;
        put_field(&b, 64, payloads[i]);
        assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    }
    b.len = 0;
    put_field(&b, 65, "");
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    memset(long_name, 'n', sizeof(long_name));
    long_name[256] = 0;
    b.len = 0;
    put_field(&b, 65, long_name);
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    b.len = 0;
    put_field(&b, 64, "\x01\x01twice");
    put_field(&b, 64, "\x02\x02twice");
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    buf_free(&b);
}

static void what_is_held_is_told_right_behind_its_table(void **state)
{
    struct version_edit e = full_edit(), d;
    struct buf b = encoded(&e);

    (void)state;
    put_field(&b, 67, "\x2a\x01\x01"); /* of table 42, which is not the last */
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    b.len = 0;
    put_field(&b, 67, "\x2a\x01\x01");
    assert_int_equal(edit_decode(buf_slice(&b), &d, &store), -ERR_MANIFEST_RECORD);
    buf_free(&b);
    edit_done(&e, &store);
}

static void the_text_says_it_all(void **state)
{
    struct version_edit e = full_edit();
    struct buf b = {0};

    (void)state;
    assert_int_equal(edit_to_text(&e, &b), 0);
    assert_int_equal(buf_append(&b, "", 1), 0);
    assert_non_null(strstr((char *)b.data, "log_number 12\n"));
    assert_non_null(strstr((char *)b.data, "remove level 6 table 40\n"));
    assert_non_null(strstr((char *)b.data, "add level 3 table 42 run 9 len 123456"));
    assert_non_null(strstr((char *)b.data, "[alpha .. be\\x00ta) holds 300 for 2 snapshots\n"));
    assert_non_null(strstr((char *)b.data, "remove snapshot old\n"));
    assert_non_null(strstr((char *)b.data, "times 2 points seqno 5 time 1700000000.000000001 .. "));
    assert_non_null(
        strstr((char *)b.data, "add snapshot seqno 77 time 1700000000.123456789 name daily\n"));
    buf_free(&b);
    edit_done(&e, &store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(an_empty_edit_is_no_bytes),
        cmocka_unit_test(unknown_fields_are_skipped_only_from_64_on),
        cmocka_unit_test(a_truncated_edit_is_refused_or_a_prefix_of_fields),
        cmocka_unit_test(flipped_bytes_never_break_the_decoder),
        cmocka_unit_test(random_bytes_never_break_the_decoder),
        cmocka_unit_test(impossible_tables_are_refused),
        cmocka_unit_test(impossible_snapshots_are_refused),
        cmocka_unit_test(what_is_held_is_told_right_behind_its_table),
        cmocka_unit_test(the_text_says_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
