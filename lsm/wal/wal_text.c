/*
 * A log as text, for people who look into a store: a line for the log, one for each record, and one
 * for how it ends.
 */
#include "lsm/wal/wal_format.h"

#include <inttypes.h>
#include <stdio.h>

#include "lsm/base/err.h"
#include "lsm/base/value_len.h"
#include "lsm/wal/batch.h"

enum {
    LINE_LEN = 320
};

struct text {
    int (*put)(void *arg, const char *line);
    void *arg;
};

static int put_record(const struct text *t, uint64_t offset, const struct wal_record *r)
{
    char line[LINE_LEN];
    const char *note = "";
    uint64_t count;

    if (!r->op_count && !r->payload.len) {
        snprintf(line, sizeof(line),
                 "offset %" PRIu64 ": mark before sequence %" PRIu64 ", synced to %" PRIu64, offset,
                 r->first_seqno, r->synced_seqno);
        return t->put(t->arg, line);
    }
    if (batch_check(r->payload, VALUE_LEN_MAX, &count))
        note = ", its batch is damaged";
    else if (count != r->op_count)
        note = ", its batch has another number of operations";
    snprintf(line, sizeof(line),
             "offset %" PRIu64 ": sequence %" PRIu64 " to %" PRIu64 ", %zu bytes, time %" PRIu64
             ".%09" PRIu64 ", synced to %" PRIu64 "%s",
             offset, r->first_seqno, r->first_seqno + r->op_count - 1, r->payload.len,
             r->time_ns / 1000000000, r->time_ns % 1000000000, r->synced_seqno, note);
    return t->put(t->arg, line);
}

static int put_end(const struct text *t, const struct wal_end *end)
{
    char line[LINE_LEN];

    if (end->kind == WAL_END_CLEAN)
        snprintf(line, sizeof(line), "offset %" PRIu64 ": end", end->offset);
    else if (!end->later_record_offset)
        snprintf(line, sizeof(line),
                 "offset %" PRIu64 ": torn, no valid record from here to the end of the file",
                 end->offset);
    else
        snprintf(line, sizeof(line),
                 "offset %" PRIu64 ": torn or damaged, but a valid record at offset %" PRIu64
                 "; later records say that sequence %" PRIu64 " was synced",
                 end->offset, end->later_record_offset, end->later_synced_seqno);
    return t->put(t->arg, line);
}

static int put_all(struct wal_reader *r, const struct text *t)
{
    uint64_t offset = wal_reader_offset(r);
    struct wal_record record;
    struct wal_end end;
    int more, err = 0;

    while (!err && (more = wal_reader_next(r, &record)) != 0) {
        if (more < 0)
            return more;
        err = put_record(t, offset, &record);
        offset = wal_reader_offset(r);
    }
    if (!err)
        err = wal_reader_end(r, &end);
    return err ? err : put_end(t, &end);
}

int wal_to_text(struct env *env, uint64_t number, int (*put)(void *arg, const char *line),
                void *arg)
{
    struct text t = {put, arg};
    struct wal_reader *r;
    char line[LINE_LEN];
    int err = wal_reader_open(env, number, &r);

    if (err)
        return err;
    if (wal_reader_header(r) == WAL_HEADER_WHOLE)
        snprintf(line, sizeof(line), "log %" PRIu64 ": begins after sequence %" PRIu64, number,
                 wal_reader_last_seqno(r));
    else
        snprintf(line, sizeof(line), "log %" PRIu64 ": header %s", number,
                 wal_reader_header(r) == WAL_HEADER_MISSING ? "missing" : "damaged");
    err = put(arg, line);
    if (!err)
        err = put_all(r, &t);
    wal_reader_close(r);
    return err;
}
