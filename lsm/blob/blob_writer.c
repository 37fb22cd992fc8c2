/*
 * Appending to a blob file.
 *
 * All records of a call go down in one append: a failed one leaves none of them, and what a crash
 * leaves behind the last whole record nothing refers to. A file that was open at a crash is never
 * appended to again.
 */
#include "lsm/blob/blob_writer.h"

#include <lz4.h>
#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/base/ikey.h"

enum {
    PARTS_PER_RECORD = 4, /* header, key, stored bytes, padding */
};

_Static_assert(BLOB_VALUE_LEN_MAX <= LZ4_MAX_INPUT_SIZE, "every value can be compressed");

struct blob_writer {
    struct blob_meta *meta; /* a reference */
    struct env_writer *file;
    struct slice *parts;
    uint8_t *headers;
    unsigned record_cap; /* records that parts and headers have room for */
};

static int write_header(struct blob_writer *w)
{
    uint8_t header[BLOB_HEADER_LEN];
    struct slice part;
    int err;

    blob_header_encode(w->meta->number, header);
    part = slice_of(header, sizeof(header));
    err = env_writer_append(w->file, &part, 1);
    if (!err)
        atomic_store(&w->meta->len, BLOB_HEADER_LEN);
    return err;
}

int blob_writer_new(struct blob_store *s, uint64_t number, struct blob_writer **ret)
{
    struct blob_writer *w = calloc(1, sizeof(*w));
    struct env *env;
    char name[32];
    int err;

    if (!w)
        return -ENOMEM;
    err = blob_store_get(s, number, &w->meta);
    if (err) {
        free(w);
        return err;
    }
    env = blob_store_env(s);
    atomic_store(&w->meta->writing, true);
    blob_file_name(number, name);
    err = env_writer_create(env, name, &w->file);
    if (!err)
        err = write_header(w);
    if (err) {
        blob_writer_free(w);
        return err;
    }
    *ret = w;
    return 0;
}

static int grow(struct blob_writer *w, unsigned count)
{
    struct slice *parts;
    uint8_t *headers;

    if (count <= w->record_cap)
        return 0;
    if (count > UINT32_MAX / PARTS_PER_RECORD)
        return -ENOMEM;
    parts = realloc(w->parts, (size_t)count * PARTS_PER_RECORD * sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    w->parts = parts;
    headers = realloc(w->headers, (size_t)count * BLOB_RECORD_HEADER_LEN);
    if (!headers)
        return -ENOMEM;
    w->headers = headers;
    w->record_cap = count;
    return 0;
}

/* Fill headers, parts and references; returns the file's length afterwards. */
static uint64_t build(struct blob_writer *w, const struct blob_record *records, unsigned count,
                      struct blob_ref *refs)
{
    static const uint8_t zeros[BLOB_ALIGN];
    uint64_t offset = w->file->len, number = w->meta->number;

    for (unsigned i = 0; i < count; i++) {
        const struct blob_record *r = &records[i];
        uint8_t *header = w->headers + (size_t)i * BLOB_RECORD_HEADER_LEN;
        struct slice *parts = w->parts + (size_t)i * PARTS_PER_RECORD;
        uint64_t len = blob_record_len(r->key.len, r->stored.len);

        refs[i] = (struct blob_ref){
            .file = number,
            .offset = offset,
            .len = len,
            .raw_len = r->raw_len,
            .checksum = blob_record_encode(r, number, offset, header),
        };
        parts[0] = slice_of(header, BLOB_RECORD_HEADER_LEN);
        parts[1] = r->key;
        parts[2] = r->stored;
        parts[3] = slice_of(zeros, (size_t)(blob_padded(len) - len));
        offset += blob_padded(len);
    }
    return offset;
}

int blob_writer_append(struct blob_writer *w, const struct blob_record *records, unsigned count,
                       struct blob_ref *ret_refs)
{
    int err = grow(w, count);
    uint64_t len;

    if (err)
        return err;
    len = build(w, records, count, ret_refs);
    err = env_writer_append(w->file, w->parts, count * PARTS_PER_RECORD);
    if (!err)
        atomic_store(&w->meta->len, len);
    return err;
}

int blob_writer_sync(struct blob_writer *w)
{
    return env_writer_sync(w->file);
}

uint64_t blob_writer_len(const struct blob_writer *w)
{
    return atomic_load(&w->meta->len);
}

struct blob_meta *blob_writer_meta(const struct blob_writer *w)
{
    return w->meta;
}

int blob_writer_free(struct blob_writer *w)
{
    int err;

    if (!w)
        return 0;
    err = env_writer_close(w->file);
    atomic_store(&w->meta->writing, false);
    blob_meta_unref(w->meta, false);
    free(w->parts);
    free(w->headers);
    free(w);
    return err;
}

int blob_compress(struct slice key, struct slice value, bool compress, struct blob_effort *effort,
                  struct buf *scratch, struct blob_record *ret, long long *ret_at)
{
    size_t room = value.len - value.len / 16;
    int len = 0, err;

    *ret = (struct blob_record){.key = key, .stored = value, .raw_len = (uint32_t)value.len};
    *ret_at = BLOB_NOT_IN_SCRATCH;
    if (compress) {
        err = buf_reserve(scratch, room);
        if (err)
            return err;
        len = LZ4_compress_fast((const char *)value.data, (char *)scratch->data + scratch->len,
                                (int)value.len, (int)room,
                                effort ? blob_effort_acceleration(effort, value) : 1);
    }
    if (len > 0) {
        *ret_at = (long long)scratch->len;
        ret->stored = slice_of(scratch->data + scratch->len, (size_t)len);
        ret->compression = BLOB_LZ4;
        scratch->len += (size_t)len;
    }
    ret->stored_hash = blob_hash(ret->stored);
    return 0;
}
