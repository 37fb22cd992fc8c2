/*
 * Writing a log.
 *
 * All records of a call go down in one append, so a crash can tear only the last call's records,
 * and a failed append leaves none of them. Records must follow each other without a gap in their
 * sequence numbers: a reader stops at a gap, so one is refused here.
 *
 * Small payloads are compressed, for which the appending thread pays little: a record that is half
 * as long is half of what every small write costs the disk until it becomes a table. Large ones are
 * not; their values are compressed where they go for good. Header and small payload of all records
 * of a call lie one after another in one buffer, so that mostly one piece is written.
 *
 * Space is reserved ahead in steps of a mebibyte, and what is appended without `urgent` always
 * leaves some of it: what a removal needs when the disk is full. A file system that cannot reserve
 * says so never, and then a full disk stops removals as well.
 *
 * A log that is synced again and again gets zeros written ahead, into what is reserved: a sync then
 * has the records to make durable, and not also where the disk keeps them.
 *
 * Threads: one appends while others sync or ask for the length. What they share is atomic.
 */
#include "lsm/wal/wal_format.h"

#include <inttypes.h>
#include <lz4.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/base/ikey.h"

enum {
    RESERVE_STEP_LEN = 1 << 20,
    RESERVE_KEEP_LEN = 256 << 10, /* left for urgent records */
    PARTS_PER_RECORD = 2,         /* what lies in the buffer, and a large payload */
    COPY_LEN_MAX = 4096,          /* longer payloads are written from where they are */
    COMPRESS_LEN_MIN = 48,        /* shorter and */
    COMPRESS_LEN_MAX = 1024,      /* longer payloads are not compressed */
    FAILURE_COUNT_MAX = 16,       /* payloads that would not shrink, after which */
    SKIP_COUNT = 256,             /* so many are not even tried */
    ZERO_STEP_LEN = 256 << 10,    /* zeros are written ahead in such steps, */
    ZERO_SYNC_COUNT = 8,          /* after so many syncs within one */
};

struct wal_writer {
    /* Constant after creation. */
    struct env_writer *file;
    uint64_t number;

    /* Atomic. */
    _Atomic uint64_t len; /* bytes */
    atomic_int sync_err;  /* the first failed sync's; nothing may follow it */
    atomic_uint_fast64_t sync_count;

    /* The appending thread's. */
    uint64_t next_seqno;
    uint64_t reserved;                  /* bytes of the file's length that the disk has granted */
    uint64_t zeroed;                    /* bytes up to which zeros were written ahead */
    uint64_t seen_len, seen_sync_count; /* when it was last asked whether to do so */
    struct slice *parts;
    unsigned part_cap;
    struct buf bytes;       /* of the records of a call */
    LZ4_stream_t lz4;       /* never used for more than one payload */
    unsigned failure_count; /* payloads in a row that did not shrink */
    unsigned skip_count;    /* payloads that will not be tried */
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

/* Are there so many syncs that it pays to prepare the file for them? */
static void zero_ahead(struct wal_writer *w, uint64_t more)
{
    uint64_t sync_count = atomic_load_explicit(&w->sync_count, memory_order_relaxed);
    uint64_t len = atomic_load_explicit(&w->len, memory_order_relaxed), end = len + ZERO_STEP_LEN;

    if (len + more <= w->zeroed)
        return;
    if (sync_count - w->seen_sync_count >= ZERO_SYNC_COUNT && end <= w->reserved) {
        env_writer_zero(w->file, end);
        w->zeroed = end;
    } else if (len - w->seen_len < ZERO_STEP_LEN) {
        return;
    }
    w->seen_len = len;
    w->seen_sync_count = sync_count;
}

static int append(struct wal_writer *w, const struct slice *parts, unsigned part_count,
                  uint64_t len)
{
    int err = env_writer_append(w->file, parts, part_count);

    if (err) {
        /* Undoing it may have given back what was reserved. */
        w->reserved = w->zeroed = 0;
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
    LZ4_initStream(&w->lz4, sizeof(w->lz4));
    atomic_init(&w->len, 0);
    atomic_init(&w->sync_err, 0);
    atomic_init(&w->sync_count, 0);
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

/* Room for the records of a call, so that nothing moves while it is filled. */
static int grow(struct wal_writer *w, const struct wal_record *records, unsigned record_count)
{
    unsigned part_count = record_count * PARTS_PER_RECORD;
    size_t len = 0;

    if (record_count > UINT32_MAX / PARTS_PER_RECORD)
        return -ENOMEM;
    if (part_count > w->part_cap) {
        struct slice *parts = realloc(w->parts, part_count * sizeof(*parts));

        if (!parts)
            return -ENOMEM;
        w->parts = parts;
        w->part_cap = part_count;
    }
    for (unsigned i = 0; i < record_count; i++) {
        len += WAL_RECORD_HEADER_LEN_MAX;
        if (records[i].payload.len <= COPY_LEN_MAX)
            len += records[i].payload.len;
    }
    w->bytes.len = 0;
    return buf_reserve(&w->bytes, len);
}

/* Whether a reader would take the record as the next one. */
static bool record_ok(const struct wal_record *r, uint64_t next_seqno)
{
    return r->first_seqno == next_seqno && r->first_seqno <= SEQNO_MAX &&
           (r->op_count > 0 || r->payload.len == 0) && r->op_count <= UINT32_MAX &&
           r->op_count <= SEQNO_MAX - r->first_seqno + 1 && r->synced_seqno < r->first_seqno &&
           r->payload.len <= WAL_PAYLOAD_LEN_MAX;
}

/* Compress the payload to `to`. Its length there, or 0 when it is stored as it is. */
static size_t compress(struct wal_writer *w, struct slice payload, uint8_t *to)
{
    int len;

    if (payload.len < COMPRESS_LEN_MIN || payload.len > COMPRESS_LEN_MAX)
        return 0;
    if (w->skip_count) {
        w->skip_count--;
        return 0;
    }
    LZ4_resetStream_fast(&w->lz4);
    len = LZ4_compress_fast_continue(&w->lz4, (const char *)payload.data, (char *)to,
                                     (int)payload.len, (int)(payload.len - payload.len / 8), 1);
    if (len > 0) {
        w->failure_count = 0;
        return (size_t)len;
    }
    /* It gave up in the middle, and what it knows of the stream is worth nothing now. */
    LZ4_initStream(&w->lz4, sizeof(w->lz4));
    if (++w->failure_count >= FAILURE_COUNT_MAX) {
        w->failure_count = 0;
        w->skip_count = SKIP_COUNT;
    }
    return 0;
}

/* Bytes that were put into the buffer: a part of their own, or the end of the last one. */
static unsigned add_bytes(struct wal_writer *w, unsigned part_count, size_t len)
{
    const uint8_t *at = w->bytes.data + w->bytes.len;

    w->bytes.len += len;
    if (part_count && w->parts[part_count - 1].data + w->parts[part_count - 1].len == at) {
        w->parts[part_count - 1].len += len;
        return part_count;
    }
    w->parts[part_count] = slice_of(at, len);
    return part_count + 1;
}

/* Put one record, which will stand at `offset`, into buffer and parts. */
static unsigned add_record(struct wal_writer *w, const struct wal_record *r, uint64_t offset,
                           unsigned part_count)
{
    uint8_t header[WAL_RECORD_HEADER_LEN_MAX];
    uint8_t *at = w->bytes.data + w->bytes.len, *body = at + sizeof(header);
    struct slice stored = r->payload;
    size_t header_len, compressed_len = compress(w, r->payload, body);

    if (compressed_len)
        stored = slice_of(body, compressed_len);
    header_len = wal_record_encode(r, stored, compressed_len > 0, w->number, offset, header);
    if (stored.len && stored.len <= COPY_LEN_MAX)
        memmove(at + header_len, stored.data, stored.len);
    memcpy(at, header, header_len);
    if (stored.len <= COPY_LEN_MAX)
        return add_bytes(w, part_count, header_len + stored.len);
    part_count = add_bytes(w, part_count, header_len);
    w->parts[part_count] = stored;
    return part_count + 1;
}

/* Fill buffer and parts; *ret_len gets the bytes in all. */
static int build(struct wal_writer *w, const struct wal_record *records, unsigned record_count,
                 uint64_t *ret_next_seqno, unsigned *ret_part_count, uint64_t *ret_len)
{
    uint64_t begin = w->len, offset = begin, next_seqno = w->next_seqno;
    unsigned part_count = 0;

    for (unsigned i = 0; i < record_count; i++) {
        const struct wal_record *r = &records[i];
        size_t before = w->bytes.len;

        if (!record_ok(r, next_seqno))
            return raise_writer(w, EINVAL, "a record that does not follow the one before it");
        part_count = add_record(w, r, offset, part_count);
        offset += w->bytes.len - before;
        if (r->payload.len > COPY_LEN_MAX)
            offset += r->payload.len;
        next_seqno += r->op_count;
    }
    *ret_next_seqno = next_seqno;
    *ret_part_count = part_count;
    *ret_len = offset - begin;
    return 0;
}

int wal_writer_append(struct wal_writer *w, const struct wal_record *records, unsigned record_count,
                      bool urgent)
{
    uint64_t next_seqno = 0, len = 0;
    unsigned part_count = 0;
    int err = atomic_load(&w->sync_err);

    if (err)
        return raise_writer(w, -err, "refused: an earlier sync failed");
    err = grow(w, records, record_count);
    if (!err)
        err = build(w, records, record_count, &next_seqno, &part_count, &len);
    if (err)
        return err;
    err = reserve(w, len);
    /* On a full disk what is reserved is for records. */
    if (!err)
        zero_ahead(w, len);
    if (err == -ENOSPC && urgent)
        err = 0;
    if (!err)
        err = append(w, w->parts, part_count, len);
    if (!err)
        w->next_seqno = next_seqno;
    return err;
}

int wal_writer_sync(struct wal_writer *w)
{
    int none = 0, err = atomic_load(&w->sync_err);

    if (err)
        return raise_writer(w, -err, "refused: an earlier sync failed");
    atomic_fetch_add_explicit(&w->sync_count, 1, memory_order_relaxed);
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
    w->reserved = w->zeroed = 0;
    return env_writer_truncate(w->file, atomic_load(&w->len));
}

int wal_writer_close(struct wal_writer *w)
{
    int err;

    if (!w)
        return 0;
    err = env_writer_close(w->file);
    free(w->parts);
    buf_free(&w->bytes);
    free(w);
    return err;
}
