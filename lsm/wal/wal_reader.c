/*
 * Reading a log: through a window of the file, a mebibyte or one large record at a time.
 *
 * A record is valid if and only if its header is intact and at its place, its stored payload lies
 * within the file, the checksum is right, and what is compressed can be decompressed. The reader
 * returns valid records while each begins with the sequence number after the one before, and stops
 * at the first place where none does: after a gap nothing may be applied.
 *
 * What a crash leaves: a torn last append, or with a file system that writes pages in any order a
 * hole of zeros, and whole records behind it. Nothing there was synced. Damage to synced bytes
 * looks alike, except that later records were written after that sync and say so; wal_reader_end
 * looks for them. No length from the file is believed further than the file reaches.
 *
 * A search may meet headers that are right and payloads that are not: after damage each record once
 * at most. In a log that was made to harm they could be as many as its bytes, each with all that
 * follows as its payload. So what is read in vain is counted, and in a log that costs more than a
 * few times its length no further record is valid. Nobody knows then what was synced.
 */
#include "lsm/wal/wal_format.h"

#include <inttypes.h>
#include <lz4.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/base/ikey.h"

enum {
    WINDOW_LEN = 1 << 20,
    LZ4_RATIO_MAX = 256, /* no more than that comes out of a byte */
    VAIN_RATIO_MAX = 8,  /* times the file's length, of bytes that were read in vain */
};

struct wal_reader {
    struct env_reader *file;
    uint64_t number;
    uint64_t file_len;
    uint64_t last_seqno;          /* of the header; 0 without one */
    enum wal_header_state header; /* what is there of it */

    uint32_t version; /* of the records; 0: not known yet, nor from a header */

    uint64_t offset;     /* where the next record should begin */
    uint64_t next_seqno; /* and with which it should */

    struct buf window;
    uint64_t window_offset;
    struct buf payload; /* that was compressed */
    uint64_t vain_len;  /* bytes of payloads behind right headers that were not valid */
};

/* Bytes [offset, offset + len) of the file, which reaches so far. Valid until the next call. */
static int look(struct wal_reader *r, uint64_t offset, size_t len, const uint8_t **ret)
{
    size_t want = len > WINDOW_LEN ? len : WINDOW_LEN, got;
    int err;

    if (offset >= r->window_offset && offset - r->window_offset <= r->window.len &&
        len <= r->window.len - (size_t)(offset - r->window_offset)) {
        *ret = r->window.data + (offset - r->window_offset);
        return 0;
    }
    if (want > r->file_len - offset)
        want = (size_t)(r->file_len - offset);
    r->window.len = 0;
    err = buf_reserve(&r->window, want);
    if (!err)
        err = env_reader_read(r->file, offset, want, r->window.data, &got);
    if (err)
        return err;
    if (got < len)
        return err_raise(EIO, "%s/%s: became shorter while it was read", r->file->env->path,
                         r->file->name);
    r->window.len = got;
    r->window_offset = offset;
    *ret = r->window.data;
    return 0;
}

/* The payload of a verified record: 1, 0 when it cannot be decompressed, or an error. */
static int open_payload(struct wal_reader *r, const struct wal_record_header *h,
                        struct slice stored, struct slice *ret)
{
    int err, is;

    *ret = stored;
    if (!h->compressed)
        return 1;
    if (h->payload_len / LZ4_RATIO_MAX > h->stored_len)
        return 0;
    r->payload.len = 0;
    err = buf_reserve(&r->payload, (size_t)h->payload_len + 1);
    if (err)
        return err;
    is = LZ4_decompress_safe((const char *)stored.data, (char *)r->payload.data, (int)stored.len,
                             (int)h->payload_len);
    *ret = slice_of(r->payload.data, (size_t)h->payload_len);
    return is >= 0 && (uint64_t)is == h->payload_len;
}

/* Has too much been read in vain? */
static bool gave_up(const struct wal_reader *r)
{
    return r->vain_len / VAIN_RATIO_MAX > r->file_len;
}

/* As record_at, for one version. */
static int record_of_version(struct wal_reader *r, uint32_t version, uint64_t offset,
                             struct wal_record *ret, uint64_t *ret_len)
{
    uint64_t left = r->file_len - offset;
    struct wal_record_header h;
    struct slice stored;
    const uint8_t *p = NULL;
    size_t len = left < WAL_RECORD_HEADER_LEN_MAX ? (size_t)left : WAL_RECORD_HEADER_LEN_MAX;
    int answer = look(r, offset, len, &p);

    if (answer)
        return answer;
    if (!wal_record_decode(version, p, len, r->number, offset, &h) || h.record_len > left ||
        gave_up(r))
        return 0;
    answer = look(r, offset, h.header_len + (size_t)h.stored_len, &p);
    if (answer)
        return answer;
    stored = slice_of(p + h.header_len, (size_t)h.stored_len);
    if (wal_record_verify(version, &h, stored))
        answer = open_payload(r, &h, stored, &h.record.payload);
    if (answer <= 0) {
        r->vain_len += h.stored_len;
        return answer;
    }
    *ret = h.record;
    *ret_len = h.record_len;
    return 1;
}

/*
 * 1 when a valid record, whatever its sequence number, begins at the offset, with its length in the
 * file; 0 when not. Without a header the first record that is found tells the version.
 */
static int record_at(struct wal_reader *r, uint64_t offset, struct wal_record *ret,
                     uint64_t *ret_len)
{
    int found = 0;

    if (offset < WAL_HEADER_LEN || offset >= r->file_len)
        return 0;
    if (r->version)
        return record_of_version(r, r->version, offset, ret, ret_len);
    for (uint32_t version = WAL_FORMAT_VERSION; found == 0 && version > 0; version--) {
        if (offset % wal_align(version))
            continue;
        found = record_of_version(r, version, offset, ret, ret_len);
        if (found > 0)
            r->version = version;
    }
    return found;
}

static bool all_zeros(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/*
 * A header may be wrong because it never reached the disk, or only a part of it did, or because it
 * was damaged. Records tell for themselves which log and which place they belong to, so they are
 * read all the same; what cannot be right is a whole header of a newer format or of another log.
 * One of a log that is gone is what lay in the space before: the header itself never reached the
 * disk.
 */
static int read_header(struct wal_reader *r, uint64_t oldest)
{
    const char *wrong = NULL;
    const uint8_t *p;
    int err;

    r->offset = WAL_HEADER_LEN;
    r->header = WAL_HEADER_MISSING;
    if (r->file_len < WAL_HEADER_LEN)
        return 0;
    err = look(r, 0, WAL_HEADER_LEN, &p);
    if (err || all_zeros(p, WAL_HEADER_LEN))
        return err;
    r->header = WAL_HEADER_DAMAGED;
    if (!wal_header_intact(p) || wal_header_number(p) < oldest)
        return 0;
    wrong = wal_header_decode(p, r->number, &r->last_seqno, &r->version);
    if (wrong)
        return err_raise(ERR_WAL_HEADER, "%s/%s: the log's header cannot be used: %s",
                         r->file->env->path, r->file->name, wrong);
    r->header = WAL_HEADER_WHOLE;
    r->next_seqno = r->last_seqno + 1;
    return 0;
}

int wal_reader_open(struct env *env, uint64_t number, struct wal_reader **ret)
{
    return wal_reader_open_since(env, number, 0, ret);
}

int wal_reader_open_since(struct env *env, uint64_t number, uint64_t oldest,
                          struct wal_reader **ret)
{
    struct wal_reader *r = calloc(1, sizeof(*r));
    char name[32];
    int err;

    if (!r)
        return -ENOMEM;
    wal_file_name(number, name);
    r->number = number;
    err = env_reader_open(env, name, &r->file);
    if (!err)
        err = env_reader_len(r->file, &r->file_len);
    if (!err)
        err = read_header(r, oldest < number ? oldest : number);
    if (err) {
        wal_reader_close(r);
        return err;
    }
    *ret = r;
    return 0;
}

void wal_reader_limit(struct wal_reader *r, uint64_t len)
{
    if (len < r->file_len)
        r->file_len = len;
}

uint64_t wal_reader_file_len(const struct wal_reader *r)
{
    return r->file_len;
}

enum wal_header_state wal_reader_header(const struct wal_reader *r)
{
    return r->header;
}

uint64_t wal_reader_last_seqno(const struct wal_reader *r)
{
    return r->last_seqno;
}

int wal_reader_next(struct wal_reader *r, struct wal_record *ret)
{
    struct wal_record record;
    uint64_t len;
    int found = record_at(r, r->offset, &record, &len);

    if (found <= 0)
        return found;
    /* Without a header, and so with next_seqno 0, the first record tells where the log begins. */
    if (r->next_seqno && record.first_seqno != r->next_seqno)
        return 0;
    r->offset += len;
    r->next_seqno = record.first_seqno + record.op_count;
    *ret = record;
    return 1;
}

/* 1 when the file holds nothing but zeros from the offset on. */
static int zeros_follow(struct wal_reader *r, uint64_t offset)
{
    while (offset < r->file_len) {
        uint64_t left = r->file_len - offset;
        size_t len = left < WINDOW_LEN ? (size_t)left : WINDOW_LEN;
        const uint8_t *p;
        int err = look(r, offset, len, &p);

        if (err)
            return err;
        if (!all_zeros(p, len))
            return 0;
        offset += len;
    }
    return 1;
}

/*
 * The next valid record from *offset on, which is moved there: every place where one could begin is
 * tried. 1 with the record and its length in the file, 0 when there is none.
 */
static int search(struct wal_reader *r, uint64_t *offset, struct wal_record *ret, uint64_t *ret_len)
{
    for (;;) {
        uint64_t align = wal_align(r->version);
        int found;

        *offset = (*offset + align - 1) / align * align;
        if (*offset >= r->file_len)
            return 0;
        found = record_at(r, *offset, ret, ret_len);
        if (found)
            return found;
        ++*offset;
    }
}

static int find_later(struct wal_reader *r, struct wal_end *end)
{
    uint64_t offset = r->offset, len;
    struct wal_record record;
    int found;

    for (; (found = search(r, &offset, &record, &len)) > 0; offset += len) {
        if (!end->later_record_offset)
            end->later_record_offset = offset;
        if (record.synced_seqno > end->later_synced_seqno)
            end->later_synced_seqno = record.synced_seqno;
    }
    return found;
}

int wal_reader_end(struct wal_reader *r, struct wal_end *ret)
{
    struct wal_end end = {.kind = WAL_END_CLEAN, .offset = r->offset};
    bool begun = r->next_seqno != 0;
    int zeros = begun ? zeros_follow(r, r->offset) : 0, err = 0;

    /* Neither header nor record: torn from the start. */
    if (!begun)
        end.offset = 0;

    if (zeros < 0)
        return zeros;
    if (!zeros) {
        end.kind = WAL_END_TORN;
        err = find_later(r, &end);
        if (gave_up(r))
            end.later_synced_seqno = SEQNO_MAX;
    }
    if (!err)
        *ret = end;
    return err;
}

uint64_t wal_reader_offset(const struct wal_reader *r)
{
    return r->offset;
}

int wal_reader_skip(struct wal_reader *r, struct wal_record *ret, uint64_t *ret_offset)
{
    uint64_t offset = r->offset, len;
    struct wal_record record;
    int found;

    for (; (found = search(r, &offset, &record, &len)) > 0; offset += len) {
        if (record.first_seqno < r->next_seqno)
            continue;
        r->offset = offset + len;
        r->next_seqno = record.first_seqno + record.op_count;
        *ret = record;
        *ret_offset = offset;
        return 1;
    }
    return found;
}

void wal_reader_close(struct wal_reader *r)
{
    if (!r)
        return;
    env_reader_close(r->file);
    buf_free(&r->window);
    buf_free(&r->payload);
    free(r);
}
