/*
 * Marks: records without operations, which are there for what they say was synced.
 */
#include "unit/wal/small_log.h"

/* Before the first record, between two, and at the end; a log may also hold nothing else. */
static void marks_take_no_sequence_number(void **state)
{
    struct wal_record records[5], got;
    struct wal_reader *r;
    struct wal_writer *w;
    struct wal_end end;

    (void)state;
    records[1] = small_record(0);
    records[3] = small_record(1);
    records[0] = (struct wal_record){.first_seqno = LAST_SEQNO + 1, .synced_seqno = LAST_SEQNO};
    records[2] = (struct wal_record){.first_seqno = records[3].first_seqno,
                                     .time_ns = 5,
                                     .synced_seqno = records[3].first_seqno - 1};
    records[4] = (struct wal_record){.first_seqno = records[3].first_seqno + records[3].op_count,
                                     .synced_seqno = LAST_SEQNO};
    assert_int_equal(wal_writer_create(env, NUMBER, LAST_SEQNO, &w), 0);
    assert_int_equal(wal_writer_append(w, records, 1, false), 0);
    assert_int_equal(wal_writer_append(w, records + 1, 4, false), 0);
    assert_int_equal(wal_writer_close(w), 0);
    assert_int_equal(wal_reader_open(env, NUMBER, &r), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(wal_reader_next(r, &got), 1);
        assert_record(&got, &records[i]);
    }
    assert_int_equal(wal_reader_next(r, &got), 0);
    assert_int_equal(wal_reader_end(r, &end), 0);
    assert_int_equal(end.kind, WAL_END_CLEAN);
    wal_reader_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(marks_take_no_sequence_number, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
