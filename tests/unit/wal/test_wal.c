/*
 * The log: what was appended comes back, and of a torn or damaged log exactly the records before
 * the first bad byte.
 */
#include "unit/wal/small_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lib/rng.h"
#include "lsm/base/codec.h"
#include "lsm/base/err.h"
#include "lsm/wal/batch.h"

static void records_come_back(void **state)
{
    struct buf b = {0};
    struct wal_reader *r;
    struct wal_end end;

    (void)state;
    write_small(&b);
    assert_small(SMALL_COUNT, &end);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    assert_int_equal(end.offset, b.len);
    assert_int_equal(end.later_record_offset, 0);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    assert_int_equal(wal_reader_last_seqno(r), LAST_SEQNO);
    wal_reader_close(r);
    assert_int_equal(wal_reader_open(env, NUMBER + 1, &r), -ENOENT);
    buf_free(&b);
}

static void a_log_without_records_is_empty(void **state)
{
    struct wal_writer *w;
    struct wal_end end;

    (void)state;
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    assert_int_equal(wal_writer_close(w), 0);
    assert_small(0, &end);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    assert_int_equal(end.offset, WAL_HEADER_LEN);
}

static void bytes_are_as_the_format_says(void **state)
{
    struct wal_record record = {1001, 1, 1700000000000000000u, 1000, {0}};
    struct buf b = {0}, batch = {0};
    struct wal_writer *w;
    static const uint8_t want[] = {
        0x46, 0x4c, 0x55, 0x58, 0x57, 0x41, 0x4c, 0x31, 0x02, 0x00, 0x00, 0x00, 0x76, 0x24, 0x69,
        0x4c, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0xd6, 0x30, 0x14, 0x62, 0xa6, 0x95, 0x16, 0x00, 0x06, 0xe9, 0x07, 0x01, 0x80,
        0x80, 0xa8, 0xb1, 0xe3, 0x9f, 0xe7, 0xcb, 0x17, 0x01, 0x01, 0x01, 0x61, 0x02, 0x68, 0x69,
    };

    (void)state;
    assert_int_equal(batch_append(&batch, KIND_PUT, slice_str("a"), slice_str("hi")), 0);
    record.payload = buf_slice(&batch);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    assert_int_equal(wal_writer_append(w, &record, 1, false), 0);
    assert_int_equal(wal_writer_close(w), 0);
    assert_int_equal(env_read_small(env, "00000007.wal", 4096, &b), 0);
    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    buf_free(&b);
    buf_free(&batch);
}

/* Also without its header, and with the torn beginning of a second record. */
static void a_log_of_version_1_is_read(void **state)
{
    static const uint8_t bytes[] = {
        0x46, 0x4c, 0x55, 0x58, 0x57, 0x41, 0x4c, 0x31, 0x01, 0x00, 0x00, 0x00, 0xbf, 0xa8,
        0xa4, 0x08, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe8, 0x03, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0xc2, 0x82, 0xaa, 0xc9, 0x06, 0x00, 0x00, 0x00, 0xe5, 0x4b,
        0xba, 0x3d, 0x2c, 0x54, 0xcb, 0x1d, 0xe9, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a, 0x36, 0xfe, 0x9c,
        0x97, 0x17, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x61, 0x02, 0x68, 0x69, 0x00, 0x00,
    };
    struct buf b = {0};

    (void)state;
    assert_int_equal(buf_assign(&b, bytes, sizeof(bytes)), 0);
    for (unsigned round = 0; round < 3; round++) {
        struct wal_reader *r;
        struct wal_record got;
        struct wal_end end;

        if (round == 1)
            assert_int_equal(buf_append(&b, "\x01\x02", 2), 0);
        if (round == 2)
            b.data[3] ^= 1;
        put_log(NUMBER, buf_slice(&b));
        assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
        assert_int_equal(wal_reader_next(r, &got), 1);
        assert_int_equal(got.first_seqno, 1001);
        assert_int_equal(got.time_ns, 1700000000000000000u);
        assert_int_equal(got.synced_seqno, 1000);
        assert_true(slice_eq(got.payload, slice_of("\x01\x01\x61\x02hi", 6)));
        assert_int_equal(wal_reader_next(r, &got), 0);
        assert_int_equal(wal_reader_end(r, &end), 0);
        assert_int_equal(end.kind, round == 0 ? WAL_END_CLEAN : WAL_END_TORN);
        assert_int_equal(end.offset, sizeof(bytes));
        wal_reader_close(r);
    }
    buf_free(&b);
}

/* Every length around the limits, of bytes that shrink and of bytes that do not. */
static void compressed_payloads_come_back(void **state)
{
    enum {
        LEN_MAX = 6000
    };
    static uint8_t bytes[LEN_MAX];
    struct rng rng = {7};
    struct wal_writer *w;
    struct wal_reader *r;
    struct wal_record got;
    struct wal_end end;
    uint64_t raw_len = 0, written_len;

    (void)state;
    for (size_t i = 0; i < LEN_MAX; i++)
        bytes[i] = i % 100 < 50 ? (uint8_t)rng_next(&rng) : bytes[i - 50];
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    for (unsigned i = 0; i < LEN_MAX; i++) {
        struct wal_record record = {LAST_SEQNO + 1 + i, 1, i, 0, slice_of(bytes, i)};

        /* In the middle comes a time when nothing can be compressed. */
        if (i == 400 || i == 800) {
            for (size_t j = 0; j < LEN_MAX; j++)
                bytes[j] = i == 400 ? (uint8_t)rng_next(&rng) : (uint8_t)(j / 9);
        }
        assert_int_equal(wal_writer_append(w, &record, 1, false), 0);
        raw_len += i;
    }
    written_len = wal_writer_len(w);
    assert_int_equal(wal_writer_close(w), 0);
    /* Only what is between 48 and 1024 bytes long is compressed. */
    assert_true(written_len < raw_len + LEN_MAX * 23 - 20000);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    for (unsigned i = 0; i < LEN_MAX; i++) {
        assert_int_equal(wal_reader_next(r, &got), 1);
        assert_int_equal(got.time_ns, i);
        assert_int_equal(got.payload.len, i);
        if (i >= 800)
            assert_memory_equal(got.payload.data, bytes, i);
    }
    assert_int_equal(wal_reader_end(r, &end), 0);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    wal_reader_close(r);
}

static void every_truncation_keeps_the_records_before_it(void **state)
{
    struct buf b = {0};
    struct wal_end end;

    (void)state;
    write_small(&b);
    for (size_t len = 0; len <= b.len; len++) {
        unsigned count = 0;

        put_log(NUMBER, slice_of(b.data, len));
        while (count < SMALL_COUNT && small_offset(count + 1) <= len)
            count++;
        assert_small(count, &end);
        assert_int_equal(end.offset, len < WAL_HEADER_LEN ? 0 : small_offset(count));
        assert_int_equal(end.kind, len >= WAL_HEADER_LEN && len == small_offset(count)
                                       ? WAL_END_CLEAN
                                       : WAL_END_TORN);
        assert_int_equal(end.later_record_offset, 0);
        assert_int_equal(end.later_synced_seqno, 0);
    }
    buf_free(&b);
}

static unsigned record_of_byte(size_t at)
{
    unsigned i = 0;

    while (small_offset(i + 1) <= at)
        i++;
    return i;
}

static void every_flipped_byte_ends_the_log_there(void **state)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    struct buf b = {0};

    (void)state;
    write_small(&b);
    for (size_t at = 0; at < b.len * sizeof(flips); at++) {
        uint8_t *byte = &b.data[at / sizeof(flips)], old = *byte;
        struct wal_reader *r;
        struct wal_end end;
        unsigned i;

        *byte ^= flips[at % sizeof(flips)];
        put_log(NUMBER, buf_slice(&b));
        if (byte < b.data + WAL_HEADER_LEN) {
            assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
            assert_int_equal(wal_reader_header(r), WAL_HEADER_DAMAGED);
            wal_reader_close(r);
            /* Each record tells for itself what it belongs to. */
            assert_small(SMALL_COUNT, &end);
            assert_int_equal(end.kind, WAL_END_CLEAN);
        } else {
            i = record_of_byte((size_t)(byte - b.data));
            assert_small(i, &end);
            assert_int_equal(end.kind, WAL_END_TORN);
            assert_int_equal(end.offset, small_offset(i));
            assert_int_equal(end.later_record_offset,
                             i + 1 < SMALL_COUNT ? small_offset(i + 1) : 0);
            assert_int_equal(end.later_synced_seqno,
                             i + 1 < SMALL_COUNT ? LAST_SEQNO + SMALL_COUNT - 1 : 0);
        }
        *byte = old;
    }
    buf_free(&b);
}

static void zeros_behind_the_records_are_a_clean_end(void **state)
{
    struct buf b = {0};
    struct wal_end end;
    size_t len;

    (void)state;
    write_small(&b);
    len = b.len;
    assert_int_equal(buf_reserve(&b, 3 << 20), 0);
    memset(b.data + len, 0, 3 << 20);
    b.len += 3 << 20;
    put_log(NUMBER, buf_slice(&b));
    assert_small(SMALL_COUNT, &end);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    assert_int_equal(end.offset, len);
    b.data[b.len - 1] = 1;
    put_log(NUMBER, buf_slice(&b));
    assert_small(SMALL_COUNT, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.offset, len);
    assert_int_equal(end.later_record_offset, 0);
    buf_free(&b);
}

static void a_header_that_never_reached_the_disk_costs_no_record(void **state)
{
    struct buf b = {0};
    struct wal_end end;

    (void)state;
    write_small(&b);
    memset(b.data, 0, WAL_HEADER_LEN);
    put_log(NUMBER, buf_slice(&b));
    assert_small(SMALL_COUNT, &end);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    memset(b.data, 0, b.len);
    put_log(NUMBER, buf_slice(&b));
    assert_small(0, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.later_record_offset, 0);
    buf_free(&b);
}

static void a_missing_record_is_a_gap(void **state)
{
    struct buf b = {0};
    struct wal_end end;
    uint8_t *at;

    (void)state;
    write_small(&b);
    /* As a lost page would: zeros in the place of record 2. */
    at = b.data + small_offset(2);
    memset(at, 0, (size_t)(small_offset(3) - small_offset(2)));
    put_log(NUMBER, buf_slice(&b));
    assert_small(2, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.offset, small_offset(2));
    assert_int_equal(end.later_record_offset, small_offset(3));
    assert_int_equal(end.later_synced_seqno, LAST_SEQNO + SMALL_COUNT - 1);
    buf_free(&b);
}

static void a_record_with_another_sequence_number_is_not_next(void **state)
{
    struct buf b = {0};
    struct wal_record later = small_record(2);
    struct wal_end end;

    (void)state;
    write_small(&b);
    later.first_seqno += 10;
    wal_record_encode(&later, later.payload, false, NUMBER, small_offset(2),
                      b.data + small_offset(2));
    put_log(NUMBER, buf_slice(&b));
    assert_small(2, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.later_record_offset, small_offset(2));
    buf_free(&b);
}

static void records_of_another_log_are_none(void **state)
{
    struct buf b = {0};
    struct wal_reader *r;
    struct wal_record record;
    struct wal_end end;

    (void)state;
    write_small(&b);
    put_log(NUMBER + 1, buf_slice(&b));
    assert_int_equal(wal_reader_open(env, NUMBER + 1, &r), -ERR_WAL_HEADER);
    assert_non_null(strstr(err_detail(), "00000008.wal"));
    assert_non_null(strstr(err_detail(), "another log"));
    wal_header_encode(NUMBER + 1, LAST_SEQNO, b.data);
    put_log(NUMBER + 1, buf_slice(&b));
    assert_int_equal(wal_reader_open(env, NUMBER + 1, &r), 0);
    assert_int_equal(wal_reader_next(r, &record), 0);
    assert_int_equal(wal_reader_end(r, &end), 0);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.later_record_offset, 0);
    wal_reader_close(r);
    buf_free(&b);
}

/* A user may keep a log in a store: its records within a value are not the log's. */
static void a_log_within_a_payload_is_not_read(void **state)
{
    struct buf b = {0};
    struct wal_record r = small_record(0);
    struct wal_writer *w;
    struct wal_end end;

    (void)state;
    write_small(&b);
    r.payload = buf_slice(&b);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    assert_int_equal(wal_writer_append(w, &r, 1, false), 0);
    assert_int_equal(wal_writer_close(w), 0);
    buf_free(&b);
    assert_int_equal(env_read_small(env, "00000007.wal", 1 << 20, &b), 0);
    b.data[WAL_HEADER_LEN] ^= 1;
    put_log(NUMBER, buf_slice(&b));
    assert_small(0, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.later_record_offset, 0);
    buf_free(&b);
}

static void a_newer_version_is_named(void **state)
{
    uint8_t header[WAL_HEADER_LEN] = {0};
    struct wal_reader *r;
    uint32_t checksum;
    uint64_t seqno;
    uint32_t version;

    (void)state;
    wal_header_encode(NUMBER, LAST_SEQNO, header);
    assert_null(wal_header_decode(header, NUMBER, &seqno, &version));
    assert_int_equal(version, WAL_FORMAT_VERSION);
    put_le32(header + 8, WAL_FORMAT_VERSION + 1);
    put_le32(header + 12, 0);
    checksum = (uint32_t)XXH3_64bits(header, sizeof(header));
    put_le32(header + 12, checksum);
    put_log(NUMBER, slice_of(header, sizeof(header)));
    assert_int_equal(wal_reader_open(env, NUMBER, &r), -ERR_WAL_HEADER);
    assert_non_null(strstr(err_detail(), "newer than this program"));
}

/* A header with right checks, whose payload is said to be so long, in place of record 3's. */
static void put_lengths(struct buf *log, uint64_t stored_len, uint64_t payload_len, bool compressed)
{
    uint64_t offset = small_offset(3), seed = offset * UINT64_C(0x9e3779b97f4a7c15) + NUMBER, hash;
    struct wal_record r = small_record(3);
    uint8_t *p = log->data + offset, *at = put_varint64(p + 8, stored_len);

    if (compressed)
        at = put_varint64(at, payload_len);
    at = put_varint64(at, r.first_seqno);
    at = put_varint64(at, r.op_count);
    at = put_varint64(at, r.time_ns);
    at = put_varint64(at, r.first_seqno - r.synced_seqno);
    p[6] = (uint8_t)(at - p);
    p[7] = compressed;
    hash = XXH3_64bits_withSeed(p + 6, (size_t)(at - p) - 6, seed);
    put_le16(p + 4, (uint16_t)hash);
    if (stored_len < 100)
        put_le32(p, (uint32_t)XXH3_64bits_withSeed(at, stored_len, hash));
}

static void huge_lengths_are_not_believed(void **state)
{
    static const uint64_t lens[] = {(1 << 30) + 1, 1 << 30, 1000000, 0xffffffff, UINT64_MAX};
    struct buf b = {0};
    struct wal_end end;

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        for (unsigned compressed = 0; compressed < 3; compressed++) {
            write_small(&b);
            if (compressed < 2)
                put_lengths(&b, lens[i], lens[i], compressed);
            else
                put_lengths(&b, 10, lens[i], true);
            put_log(NUMBER, buf_slice(&b));
            assert_small(3, &end);
            assert_int_equal(end.kind, WAL_END_TORN);
            assert_int_equal(end.later_record_offset, small_offset(4));
        }
    }
    buf_free(&b);
}

static void garbage_is_never_a_record(void **state)
{
    struct rng rng = {rng_seed(5)};
    struct wal_reader *r;
    struct wal_record record;
    struct wal_end end;
    struct buf b = {0};

    (void)state;
    assert_int_equal(buf_reserve(&b, 3 << 20), 0);
    for (b.len = 0; b.len < 3 << 20; b.len += 8)
        put_le64(b.data + b.len, rng_next(&rng));
    put_log(NUMBER, buf_slice(&b));
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    assert_int_equal(wal_reader_header(r), WAL_HEADER_DAMAGED);
    assert_int_equal(wal_reader_next(r, &record), 0);
    assert_int_equal(wal_reader_end(r, &end), 0);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.offset, 0);
    wal_reader_close(r);
    wal_header_encode(NUMBER, LAST_SEQNO, b.data);
    b.len -= 3;
    put_log(NUMBER, buf_slice(&b));
    assert_small(0, &end);
    assert_int_equal(end.kind, WAL_END_TORN);
    assert_int_equal(end.later_record_offset, 0);
    buf_free(&b);
}

/* Payloads across and beyond the reader's window, and appends of many records. */
static void many_megabytes_come_back(void **state)
{
    enum {
        GROUP = 700
    };
    struct rng lens = {3}, again = {3};
    size_t big_len = 5 << 20;
    uint8_t *bytes = malloc(big_len);
    struct wal_record records[GROUP], got;
    struct wal_writer *w;
    struct wal_reader *r;
    struct wal_end end;
    uint64_t seqno = LAST_SEQNO + 1, count = 0;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < big_len; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned j = 0; j < GROUP; j++, seqno++) {
            uint64_t x = rng_next(&lens);
            size_t len = x % 40000 == 0 ? big_len : x % 200;

            records[j] =
                (struct wal_record){seqno, 1, x, 0, slice_of(bytes + x % 7, len - len / 9)};
        }
        assert_int_equal(wal_writer_append(w, records, GROUP, false), 0);
    }
    assert_int_equal(wal_writer_close(w), 0);
    assert_true(env_fault_calls(fault, ENV_FAULT_RESERVE) <= env_fault_used(fault) / (1 << 20) + 3);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    for (; wal_reader_next(r, &got) == 1; count++) {
        uint64_t x = rng_next(&again);
        size_t len = x % 40000 == 0 ? big_len : x % 200;

        assert_int_equal(got.time_ns, x);
        assert_true(slice_eq(got.payload, slice_of(bytes + x % 7, len - len / 9)));
    }
    assert_int_equal(count, 100 * GROUP);
    assert_int_equal(wal_reader_end(r, &end), 0);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    wal_reader_close(r);
    free(bytes);
}

static void what_does_not_follow_is_refused(void **state)
{
    struct wal_record r = small_record(0), bad;
    struct wal_writer *w;

    (void)state;
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    bad = r;
    bad.first_seqno++;
    assert_int_equal(wal_writer_append(w, &bad, 1, false), -EINVAL);
    bad = r;
    bad.op_count = 0;
    bad.payload = slice_of("x", 1);
    assert_int_equal(wal_writer_append(w, &bad, 1, false), -EINVAL);
    bad.op_count = UINT64_C(1) << 32;
    assert_int_equal(wal_writer_append(w, &bad, 1, false), -EINVAL);
    bad = r;
    bad.payload.len = (size_t)WAL_PAYLOAD_LEN_MAX + 1;
    assert_int_equal(wal_writer_append(w, &bad, 1, false), -EINVAL);
    assert_int_equal(wal_writer_len(w), WAL_HEADER_LEN);
    assert_int_equal(wal_writer_append(w, &r, 1, false), 0);
    assert_int_equal(wal_writer_close(w), 0);
}

static int add_line(void *arg, const char *line)
{
    return buf_printf(arg, "%s\n", line);
}

static int stop(void *arg, const char *line)
{
    (void)arg;
    (void)line;
    return -EXDEV;
}

static void a_log_can_be_read_by_people(void **state)
{
    struct buf b = {0}, text = {0};

    (void)state;
    write_small(&b);
    b.data[small_offset(2)] ^= 1;
    put_log(NUMBER, buf_slice(&b));
    assert_int_equal(wal_to_text(env, NUMBER, stop, NULL), -EXDEV);
    assert_int_equal(wal_to_text(env, NUMBER, add_line, &text), 0);
    assert_string_equal((char *)text.data,
                        "log 7: begins after sequence 1000\n"
                        "offset 32: sequence 1001 to 1001, 0 bytes, time 1700000000.000000000, "
                        "synced to 1000, its batch has another number of operations\n"
                        "offset 54: sequence 1002 to 1003, 7 bytes, time 1700000000.000000001, "
                        "synced to 1001, its batch is damaged\n"
                        "offset 83: torn or damaged, but a valid record at offset 119; later "
                        "records say that sequence 1005 was synced\n");
    buf_free(&b);
    buf_free(&text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_come_back),
        TEST(a_log_without_records_is_empty),
        TEST(bytes_are_as_the_format_says),
        TEST(a_log_of_version_1_is_read),
        TEST(compressed_payloads_come_back),
        TEST(every_truncation_keeps_the_records_before_it),
        TEST(every_flipped_byte_ends_the_log_there),
        TEST(zeros_behind_the_records_are_a_clean_end),
        TEST(a_header_that_never_reached_the_disk_costs_no_record),
        TEST(a_missing_record_is_a_gap),
        TEST(a_record_with_another_sequence_number_is_not_next),
        TEST(records_of_another_log_are_none),
        TEST(a_log_within_a_payload_is_not_read),
        TEST(a_newer_version_is_named),
        TEST(huge_lengths_are_not_believed),
        TEST(garbage_is_never_a_record),
        TEST(many_megabytes_come_back),
        TEST(what_does_not_follow_is_refused),
        TEST(a_log_can_be_read_by_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
