/*
 * A blob file as text: a line for the file, one for each record, and one for each place that holds
 * none. Behind damage every multiple of 8 is tried; a record's header tells for itself which file
 * and place it belongs to.
 */
#include <inttypes.h>

#include "lsm/base/err.h"
#include "lsm/blob/blob_writer.h"

enum {
    VALUE_SHORT_LEN = 32,
    WINDOW_LEN = 64 << 10
};

struct text {
    struct env_reader *file;
    uint64_t number, file_len;
    bool full_values;
    int (*put)(void *arg, const char *line);
    void *arg;
    struct buf line, record, window;
    uint64_t window_at; /* place of the window in the file */
};

/* End the line and hand it over. err: of what built it. */
static int put_line(struct text *x, int err)
{
    if (!err)
        err = buf_append(&x->line, "", 1);
    if (!err)
        err = x->put(x->arg, (const char *)x->line.data);
    x->line.len = 0;
    return err;
}

/* Bytes at the offset through a window, so that a search does not read each place alone. */
static int look(struct text *x, uint64_t offset, size_t len, const uint8_t **ret)
{
    size_t got;
    int err = 0;

    if (x->window.len == 0 || offset < x->window_at ||
        offset + len > x->window_at + x->window.len) {
        x->window.len = 0;
        err = buf_reserve(&x->window, WINDOW_LEN);
        if (!err)
            err = env_reader_read(x->file, offset, WINDOW_LEN, x->window.data, &got);
        if (err)
            return err;
        x->window_at = offset;
        x->window.len = got;
        if (got < len)
            return err_raise(EIO, "%s: the file became shorter", x->file->name);
    }
    *ret = x->window.data + (offset - x->window_at);
    return 0;
}

/* 1 when a record's header stands at the offset and the record lies within the file. */
static int header_at(struct text *x, uint64_t offset, struct blob_record_header *ret)
{
    const uint8_t *p;
    int err;

    if (offset >= x->file_len || x->file_len - offset < BLOB_RECORD_HEADER_LEN)
        return 0;
    err = look(x, offset, BLOB_RECORD_HEADER_LEN, &p);
    if (err)
        return err;
    return blob_record_header_decode(p, x->number, offset, ret) &&
           blob_record_len(ret->key_len, ret->stored_len) <= x->file_len - offset;
}

static int print_value(struct text *x, struct slice stored)
{
    bool cut = !x->full_values && stored.len > VALUE_SHORT_LEN;
    int err = buf_printf(&x->line, ": \"");

    if (!err)
        err =
            buf_append_escaped(&x->line, slice_of(stored.data, cut ? VALUE_SHORT_LEN : stored.len));
    return err ? err : buf_printf(&x->line, cut ? "\"..." : "\"");
}

static int put_record(struct text *x, uint64_t offset, const struct blob_record_header *h)
{
    size_t len = (size_t)blob_record_len(h->key_len, h->stored_len), got;
    struct slice key, stored;
    bool intact;
    int err;

    x->record.len = 0;
    err = buf_reserve(&x->record, len);
    if (!err)
        err = env_reader_read(x->file, offset, len, x->record.data, &got);
    if (!err && got < len)
        err = err_raise(EIO, "%s: the file became shorter", x->file->name);
    if (err)
        return err;
    key = slice_of(x->record.data + BLOB_RECORD_HEADER_LEN, h->key_len);
    stored = slice_of(key.data + key.len, h->stored_len);
    intact = blob_record_intact(x->record.data, key, stored, x->number, offset);
    err = buf_printf(&x->line, "offset %" PRIu64 ": \"", offset);
    if (!err)
        err = buf_append_escaped(&x->line, key);
    if (!err)
        err = buf_printf(&x->line, "\", %u bytes stored as %u, %s%s", h->raw_len, h->stored_len,
                         h->compression == BLOB_LZ4 ? "lz4" : "plain",
                         intact ? "" : ", damaged: checksum mismatch");
    if (!err && intact && h->compression == BLOB_PLAIN)
        err = print_value(x, stored);
    return put_line(x, err);
}

/* No record stands at the offset: say up to where. */
static int put_gap(struct text *x, uint64_t *offset)
{
    struct blob_record_header h;
    uint64_t from = *offset, at = from + BLOB_ALIGN;
    int found = 0;

    while (at < x->file_len && (found = header_at(x, at, &h)) == 0)
        at += BLOB_ALIGN;
    if (found < 0)
        return found;
    *offset = found ? at : x->file_len;
    return put_line(x,
                    buf_printf(&x->line,
                               "offset %" PRIu64 ": torn or damaged: no record up to %" PRIu64 "%s",
                               from, *offset, found ? "" : ", the end of the file"));
}

static int put_head(struct text *x)
{
    static const char *const states[] = {"good", "of a newer format", "damaged"};
    enum blob_header_state state = BLOB_HEADER_DAMAGED;
    const uint8_t *p;
    int err = 0;

    if (x->file_len >= BLOB_HEADER_LEN) {
        err = look(x, 0, BLOB_HEADER_LEN, &p);
        if (!err)
            state = blob_header_check(p, x->number);
    }
    if (!err)
        err = buf_printf(&x->line, "blob file %" PRIu64 ": %" PRIu64 " bytes, header %s", x->number,
                         x->file_len, states[state]);
    return put_line(x, err);
}

static int put_all(struct text *x)
{
    uint64_t offset = BLOB_HEADER_LEN;
    int err = env_reader_len(x->file, &x->file_len);

    if (!err)
        err = put_head(x);
    while (!err && offset < x->file_len) {
        struct blob_record_header h;
        int found = header_at(x, offset, &h);

        if (found < 0)
            return found;
        if (!found) {
            err = put_gap(x, &offset);
            continue;
        }
        err = put_record(x, offset, &h);
        offset += blob_padded(blob_record_len(h.key_len, h.stored_len));
    }
    return err;
}

int blob_to_text(struct env *env, uint64_t number, bool full_values,
                 int (*put)(void *arg, const char *line), void *arg)
{
    struct text x = {.number = number, .full_values = full_values, .put = put, .arg = arg};
    char name[32];
    int err;

    blob_file_name(number, name);
    err = env_reader_open(env, name, &x.file);
    if (err)
        return err;
    err = put_all(&x);
    env_reader_close(x.file);
    buf_free(&x.line);
    buf_free(&x.record);
    buf_free(&x.window);
    return err;
}
