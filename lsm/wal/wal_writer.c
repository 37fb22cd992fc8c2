/*
 * Writing a log.
 *
 * All records of a call go down in one append, so a crash can tear only the last call's records,
 * and a failed append leaves none of them. Records must follow each other without a gap in their
 * sequence numbers: a reader stops at a gap, so one is refused here.
 *
 * Space is reserved ahead in steps of a mebibyte, and what is appended without `urgent` always
 * leaves some of it: what a removal needs when the disk is full. A file system that cannot reserve
 * says so never, and then a full disk stops removals as well.
 *
 * Threads: one appends while others sync or ask for the length. What they share is atomic.
 */
#include "lsm/wal/wal_format.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/base/ikey.h"

enum {
    RESERVE_STEP_LEN = 1 << 20,
    RESERVE_KEEP_LEN = 256 << 10, /* left for urgent records */
    PARTS_PER_RECORD = 3,         /* header, payload, padding */
};

struct wal_writer {
    /* Constant after creation. */
    struct env_writer *file;
    uint64_t number;

    /* Atomic. */
    _Atomic uint64_t len; /* bytes */
    atomic_int sync_err;  /* the first failed sync's; nothing may follow it */

    /* The appending thread's. */
    uint64_t next_seqno;
    uint64_t reserved; /* bytes of the file's length that the disk has granted */
    struct slice *parts;
    uint8_t *headers;
    unsigned record_cap; /* records that parts and headers have room for */
};

static int raise_writer(const struct wal_writer *w, int code, const char *what)
{
    return err_raise(code, "%s/%s: %s", w->file->env->path, w->file->name, what);
}

static int reserve(struct wal_writer *w, uint64_t more)
{
    uint64_t need = w->len + more + RESERVE_KEEP_LEN;
    int err;

    if (need <= w->reserved)
        return 0;
    need = (need + RESERVE_STEP_LEN - 1) / RESERVE_STEP_LEN * RESERVE_STEP_LEN;
    err = env_writer_reserve(w->file, need);
    if (!err)
        w->reserved = need;
    return err;
}

static int append(struct wal_writer *w, const struct slice *parts, unsigned part_count,
                  uint64_t len)
{
    int err = env_writer_append(w->file, parts, part_count);

    if (err) {
        /* Undoing it may have given back what was reserved. */
        w->reserved = 0;
        return err;
    }
    atomic_store(&w->len, w->len + len);
    return 0;
}

static int write_header(struct wal_writer *w, uint64_t last_seqno)
{
    uint8_t header[WAL_HEADER_LEN] = {0};
    struct slice part = slice_of(header, sizeof(header));
    int err = reserve(w, sizeof(header));

    /* Without a reserve a store on a full disk can at least be opened. */
    if (err && err != -ENOSPC)
        return err;
    wal_header_encode(w->number, last_seqno, header);
    return append(w, &part, 1, sizeof(header));
}

int wal_writer_create(struct env *env, uint64_t number, uint64_t last_seqno,
                      struct wal_writer **ret)
{
    struct wal_writer *w = calloc(1, sizeof(*w));
    char name[32];
    int err;

    if (!w)
        return -ENOMEM;
    wal_file_name(number, name);
    w->number = number;
    w->next_seqno = last_seqno + 1;
    atomic_init(&w->len, 0);
    atomic_init(&w->sync_err, 0);
    err = env_writer_create(env, name, &w->file);
    if (err) {
        free(w);
        return err;
    }
    err = write_header(w, last_seqno);
    if (err) {
        (void)wal_writer_close(w);
        (void)env_remove(env, name);
        return err;
    }
    *ret = w;
    return 0;
}

static int grow(struct wal_writer *w, unsigned record_count)
{
    struct slice *parts;
    uint8_t *headers;

    if (record_count <= w->record_cap)
        return 0;
    if (record_count > UINT32_MAX / PARTS_PER_RECORD)
        return -ENOMEM;
    parts = realloc(w->parts, (size_t)record_count * PARTS_PER_RECORD * sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    w->parts = parts;
    headers = realloc(w->headers, (size_t)record_count * WAL_RECORD_HEADER_LEN);
    if (!headers)
        return -ENOMEM;
    w->headers = headers;
    w->record_cap = record_count;
    return 0;
}

/* Whether a reader would take the record as the next one. */
static bool record_ok(const struct wal_record *r, uint64_t next_seqno)
{
    return r->first_seqno == next_seqno && r->first_seqno <= SEQNO_MAX && r->op_count >= 1 &&
           r->op_count <= UINT32_MAX && r->op_count - 1 <= SEQNO_MAX - r->first_seqno &&
           r->payload.len <= WAL_PAYLOAD_LEN_MAX;
}

/* Fill headers and parts; *ret_len gets the bytes in all. */
static int build(struct wal_writer *w, const struct wal_record *records, unsigned record_count,
                 uint64_t *ret_next_seqno, uint64_t *ret_len)
{
    static const uint8_t zeros[WAL_ALIGN];
    uint64_t begin = w->len, offset = begin, next_seqno = w->next_seqno;

    for (unsigned i = 0; i < record_count; i++) {
        const struct wal_record *r = &records[i];
        uint8_t *header = w->headers + (size_t)i * WAL_RECORD_HEADER_LEN;
        struct slice *parts = w->parts + (size_t)i * PARTS_PER_RECORD;

        if (!record_ok(r, next_seqno))
            return raise_writer(w, EINVAL, "a record that does not follow the one before it");
        wal_record_encode(r, w->number, offset, header);
        parts[0] = slice_of(header, WAL_RECORD_HEADER_LEN);
        parts[1] = r->payload;
        parts[2] = slice_of(zeros, (size_t)(wal_padded(r->payload.len) - r->payload.len));
        offset += wal_record_len(r->payload.len);
        next_seqno += r->op_count;
    }
    *ret_next_seqno = next_seqno;
    *ret_len = offset - begin;
    return 0;
}

int wal_writer_append(struct wal_writer *w, const struct wal_record *records, unsigned record_count,
                      bool urgent)
{
    uint64_t next_seqno = 0, len = 0;
    int err = atomic_load(&w->sync_err);

    if (err)
        return raise_writer(w, -err, "refused: an earlier sync failed");
    err = grow(w, record_count);
    if (!err)
        err = build(w, records, record_count, &next_seqno, &len);
    if (err)
        return err;
    err = reserve(w, len);
    if (err == -ENOSPC && urgent)
        err = 0;
    if (!err)
        err = append(w, w->parts, record_count * PARTS_PER_RECORD, len);
    if (!err)
        w->next_seqno = next_seqno;
    return err;
}

int wal_writer_sync(struct wal_writer *w)
{
    int none = 0, err = atomic_load(&w->sync_err);

    if (err)
        return raise_writer(w, -err, "refused: an earlier sync failed");
    err = env_writer_sync(w->file);
    if (err)
        atomic_compare_exchange_strong(&w->sync_err, &none, err);
    return err;
}

uint64_t wal_writer_number(const struct wal_writer *w)
{
    return w->number;
}

uint64_t wal_writer_len(const struct wal_writer *w)
{
    return atomic_load(&w->len);
}

int wal_writer_seal(struct wal_writer *w)
{
    w->reserved = 0;
    return env_writer_truncate(w->file, atomic_load(&w->len));
}

int wal_writer_close(struct wal_writer *w)
{
    int err;

    if (!w)
        return 0;
    err = env_writer_close(w->file);
    free(w->parts);
    free(w->headers);
    free(w);
    return err;
}
