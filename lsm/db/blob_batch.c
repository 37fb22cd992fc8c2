/*
 * A batch on its way into the log: large values are compressed by the thread that writes, appended
 * to a blob file, and replaced by references in a copy of the batch. Operations keep their order
 * and their number, so sequence numbers are those of the caller's batch, which stays as it is.
 *
 * It is done piece by piece, so that a batch of any length needs little memory for what is
 * compressed. When the write fails later, what was appended is garbage.
 */
#include <stdlib.h>

#include "lsm/db/blobs.h"
#include "lsm/db/db.h"

enum {
    PIECE_LEN_MAX = 4 << 20, /* bytes of values in one append */
    PIECE_COUNT_MAX = 64     /* values in one append */
};

void blob_scratch_free(struct blob_scratch *s)
{
    if (!s)
        return;
    buf_free(&s->stored);
    buf_free(&s->batch.bytes);
    free(s->records);
    free(s->refs);
    free(s->at);
    free(s);
}

static int reserve_piece(struct blob_scratch *s)
{
    if (s->records)
        return 0;
    s->records = calloc(PIECE_COUNT_MAX, sizeof(*s->records));
    s->refs = calloc(PIECE_COUNT_MAX, sizeof(*s->refs));
    s->at = calloc(PIECE_COUNT_MAX, sizeof(*s->at));
    if (s->records && s->refs && s->at)
        return 0;
    free(s->records);
    free(s->refs);
    free(s->at);
    s->records = NULL;
    s->refs = NULL;
    s->at = NULL;
    return -ENOMEM;
}

static bool is_large(const struct lsm_db *db, const struct batch_op *op)
{
    return op->kind == KIND_PUT && op->value.len >= db->options.blob_len_min;
}

/* Compress the large values from the front of *in on, until the piece is full; *in moves on. */
static int compress_piece(struct lsm_db *db, struct slice *in, struct blob_scratch *s,
                          unsigned *ret_count)
{
    size_t len = 0;
    struct batch_op op;
    int more = 0, err = reserve_piece(s);

    s->stored.len = 0;
    *ret_count = 0;
    while (!err && *ret_count < PIECE_COUNT_MAX && len < PIECE_LEN_MAX &&
           (more = batch_next(in, &op)) > 0) {
        unsigned n = *ret_count;

        if (!is_large(db, &op))
            continue;
        err = blob_compress(op.key, op.value, db->options.compress, &db->blob_effort, &s->stored,
                            &s->records[n], &s->at[n]);
        len += op.value.len;
        ++*ret_count;
    }
    /* Only now does the buffer stay where it is. */
    for (unsigned i = 0; i < *ret_count; i++) {
        if (s->at[i] != BLOB_NOT_IN_SCRATCH)
            s->records[i].stored.data = s->stored.data + s->at[i];
    }
    return err ? err : more < 0 ? more : 0;
}

static int hold(struct blob_batch *bb, struct blob_meta *file)
{
    if (bb->file_count == bb->file_cap) {
        size_t cap = bb->file_cap ? bb->file_cap * 2 : 4;
        struct blob_meta **files = realloc(bb->files, cap * sizeof(struct blob_meta *));

        if (!files) {
            blob_meta_unref(file, false);
            return -ENOMEM;
        }
        bb->files = files;
        bb->file_cap = cap;
    }
    bb->files[bb->file_count++] = file;
    return 0;
}

/* Copy the operations of a piece, with references for what was appended. */
static int emit_piece(struct lsm_db *db, struct slice piece, const struct blob_ref *refs,
                      struct lsm_batch *ret)
{
    struct batch_op op;
    int more, err = 0;

    while (!err && (more = batch_next(&piece, &op)) != 0) {
        uint8_t bytes[BLOB_REF_LEN_MAX];

        if (more < 0)
            return more;
        if (is_large(db, &op)) {
            op.kind = KIND_BLOB_REF;
            op.value = slice_of(bytes, blob_ref_encode(refs++, bytes));
        }
        err = batch_append(&ret->bytes, op.kind, op.key, op.value);
    }
    return err;
}

/* Append the first `count` records of the scratch, which gets their references. */
static int append_piece(struct lsm_db *db, struct blob_batch *bb, unsigned count, bool urgent)
{
    struct blob_scratch *s = bb->scratch;
    struct blob_meta *file;
    uint64_t len = 0;
    int err = 0;

    for (unsigned i = 0; i < count; i++)
        len += blob_record_len(s->records[i].key.len, s->records[i].stored.len);
    if (!urgent)
        err = db_check_space(db, (size_t)len);
    if (!err)
        err = blobs_append(db, BLOB_HOT, s->records, count, s->refs, &file);
    return err ? err : hold(bb, file);
}

static int move_piece(struct lsm_db *db, struct slice *in, bool urgent, struct blob_batch *bb)
{
    struct slice piece = *in;
    unsigned count;
    int err = compress_piece(db, in, bb->scratch, &count);

    piece.len -= in->len;
    if (!err && count)
        err = append_piece(db, bb, count, urgent);
    return err ? err : emit_piece(db, piece, bb->scratch->refs, &bb->scratch->batch);
}

static int begin(struct lsm_db *db, struct blob_batch *bb)
{
    bb->scratch = blobs_scratch_get(db);
    if (!bb->scratch)
        return -ENOMEM;
    lsm_batch_clear(&bb->scratch->batch);
    bb->batch = &bb->scratch->batch;
    return 0;
}

int blob_batch_make(struct lsm_db *db, const struct lsm_batch *b, bool urgent,
                    struct blob_batch *ret)
{
    struct slice in = buf_slice(&b->bytes);
    int err = 0;

    *ret = (struct blob_batch){.batch = b};
    if (db->options.blob_len_min == 0 || b->put_len_max < db->options.blob_len_min)
        return 0;
    err = begin(db, ret);
    if (err)
        return err;
    while (!err && in.len)
        err = move_piece(db, &in, urgent, ret);
    ret->scratch->batch.count = b->count;
    ret->scratch->batch.delete_count = b->delete_count;
    ret->scratch->batch.patch_count = b->patch_count;
    if (err)
        blob_batch_done(db, ret, -ENOSPC);
    return err;
}

/* The value's bytes go from the caller's memory into the compression. */
static int move_put(struct lsm_db *db, struct slice key, struct slice value, bool urgent,
                    struct blob_batch *bb)
{
    struct blob_scratch *s = bb->scratch;
    uint8_t bytes[BLOB_REF_LEN_MAX];
    int err = reserve_piece(s);

    s->stored.len = 0;
    if (!err)
        err = blob_compress(key, value, db->options.compress, &db->blob_effort, &s->stored,
                            &s->records[0], &s->at[0]);
    if (!err)
        err = append_piece(db, bb, 1, urgent);
    if (err)
        return err;
    return batch_append(&s->batch.bytes, KIND_BLOB_REF, key,
                        slice_of(bytes, blob_ref_encode(&s->refs[0], bytes)));
}

int blob_batch_make_put(struct lsm_db *db, struct slice key, struct slice value, bool urgent,
                        struct blob_batch *ret)
{
    int err;

    *ret = (struct blob_batch){0};
    err = begin(db, ret);
    if (err)
        return err;
    ret->scratch->batch.count = 1;
    err = move_put(db, key, value, urgent, ret);
    if (err)
        blob_batch_done(db, ret, -ENOSPC);
    return err;
}

void blob_batch_done(struct lsm_db *db, struct blob_batch *bb, int err)
{
    /* After a failure the log may have the batch, which then needs the files when it is replayed.
     */
    bool kept = err && err != -ENOSPC;

    for (size_t i = 0; i < bb->file_count; i++)
        blob_meta_unref(bb->files[i], kept);
    free(bb->files);
    blobs_scratch_put(db, bb->scratch);
    *bb = (struct blob_batch){0};
}
