/*
 * Values on their way into a table.
 *
 * Moving: the record is read and verified, and appended as it is, without being compressed anew. A
 * damaged one stays where it is: it is an error of its own value, which a reader will meet, and no
 * reason to stop. Its file is then left alone by collection, which could never empty it.
 */
#include "lsm/compact/values.h"

#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/blob/blob_format.h"
#include "lsm/blob/blob_writer.h"

void values_done(struct values *v)
{
    for (size_t i = 0; i < v->held_count; i++)
        blob_meta_unref(v->held[i], false);
    free(v->held);
    v->held = NULL;
    v->held_count = v->held_cap = 0;
    buf_free(&v->scratch);
    buf_free(&v->record);
}

/* Takes over the reference. */
static int hold(struct values *v, struct blob_meta *file)
{
    if (v->held_count && v->held[v->held_count - 1] == file) {
        blob_meta_unref(file, false);
        return 0;
    }
    if (v->held_count == v->held_cap) {
        size_t cap = v->held_cap ? v->held_cap * 2 : 4;
        struct blob_meta **held = realloc(v->held, cap * sizeof(struct blob_meta *));

        if (!held) {
            blob_meta_unref(file, false);
            return -ENOMEM;
        }
        v->held = held;
        v->held_cap = cap;
    }
    v->held[v->held_count++] = file;
    return 0;
}

static int append(struct values *v, struct slice user, uint64_t seqno, const struct blob_record *r)
{
    const struct compact_run *run = v->run;
    uint8_t bytes[BLOB_REF_LEN_MAX];
    struct blob_meta *file;
    struct blob_ref ref;
    int err = run->blobs.append(run->blobs.arg, r, &ref, &file);

    if (!err)
        err = hold(v, file);
    if (err)
        return err;
    v->run->blob_written_len += blob_padded(ref.len);
    return output_add(v->output, user, seqno, KIND_BLOB_REF,
                      slice_of(bytes, blob_ref_encode(&ref, bytes)));
}

int values_put(struct values *v, struct slice user, uint64_t seqno, struct slice value)
{
    const struct compact_blobs *b = &v->run->blobs;
    struct blob_record r;
    long long at;
    int err;

    if (b->len_min == 0 || value.len < b->len_min)
        return output_add(v->output, user, seqno, KIND_PUT, value);
    v->scratch.len = 0;
    err = blob_compress(user, value, b->compress, NULL, &v->scratch, &r, &at);
    return err ? err : append(v, user, seqno, &r);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool is_moved(const struct compact_blobs *b, uint64_t file)
{
    return b->moved_count &&
           bsearch(&file, b->moved, b->moved_count, sizeof(*b->moved), compare_numbers);
}

int values_put_ref(struct values *v, struct slice user, uint64_t seqno, struct slice bytes)
{
    const struct compact_blobs *b = &v->run->blobs;
    struct blob_record r;
    struct blob_ref ref;
    int err;

    if (!blob_ref_decode(bytes, &ref))
        return blob_raise_ref(bytes);
    if (!is_moved(b, ref.file))
        return output_add(v->output, user, seqno, KIND_BLOB_REF, bytes);
    err = blob_read_record(b->store, &ref, &v->record, &r);
    if (!err)
        return append(v, user, seqno, &r);
    if (!err_is_damage(err))
        return err;
    blob_store_note_damage(b->store, ref.file);
    return output_add(v->output, user, seqno, KIND_BLOB_REF, bytes);
}
