/* An input is the log 00000007.wal, of either version. */
#include "fuzz/fuzz.h"
#include "lsm/wal/batch.h"
#include "lsm/wal/wal.h"

static void check_record(const struct wal_record *r)
{
    uint64_t count;

    CHECK(r->op_count || !r->payload.len);
    CHECK(r->first_seqno && r->first_seqno <= SEQNO_MAX);
    CHECK(r->op_count <= SEQNO_MAX - r->first_seqno + 1);
    fuzz_read_all(r->payload);
    batch_check(r->payload, VALUE_LEN_MAX, &count);
}

/* As recovery does it. */
static void read_in_order(struct env *env)
{
    struct wal_reader *r;
    struct wal_record record;
    struct wal_end end;
    uint64_t next = 0;
    int answer = wal_reader_open(env, 7, &r);

    if (answer)
        return;
    while ((answer = wal_reader_next(r, &record)) > 0) {
        CHECK(!next || record.first_seqno == next);
        next = record.first_seqno + record.op_count;
        check_record(&record);
    }
    if (!answer && !wal_reader_end(r, &end))
        CHECK(end.offset <= wal_reader_file_len(r));
    wal_reader_close(r);
}

/* As repair does it. */
static void read_all_records(struct env *env)
{
    struct wal_reader *r;
    struct wal_record record;
    uint64_t offset, from = 0;

    if (wal_reader_open(env, 7, &r))
        return;
    while (wal_reader_skip(r, &record, &offset) > 0) {
        CHECK(offset >= from);
        from = wal_reader_offset(r);
        check_record(&record);
    }
    wal_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct env *env = env_memory_new();

    env_memory_put(env, "00000007.wal", slice_of(data, len));
    read_in_order(env);
    read_all_records(env);
    wal_to_text(env, 7, fuzz_put_line, NULL);
    env_memory_free(env);
    return 0;
}
