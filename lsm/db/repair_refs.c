/*
 * Values that are lost though their entries can be read: those that are longer than the store
 * takes, and large ones, which entries only refer to. A reference whose record cannot be read, by
 * its checksum and for its key, must not stay: reading the key would be an error for ever, and so
 * would verification. It becomes a deletion with the same sequence number: the key is gone, and no
 * older value stands up as if it were the newest. Each such key is told.
 *
 * The blob file itself stays as it is, but for a damaged header: other values in it may be whole.
 */
#include "lsm/db/repair.h"

#include "lsm/blob/blob_format.h"

enum {
    BLOB_REWRITE_LEN_MAX = 1 << 30 /* a longer file keeps its damaged header */
};

static bool header_is_noted(const struct repair *r, uint64_t number)
{
    for (size_t i = 0; i < r->blob_headers.count; i++) {
        if (r->blob_headers.numbers[i] == number)
            return true;
    }
    return false;
}

/* A header says nothing that its records do not say, so it can be written anew. */
static int note_header(struct repair *r, uint64_t number)
{
    int err = blob_check_header(r->blob_store, number);
    char name[32];

    if (err != -ERR_BLOB_HEADER || header_is_noted(r, number))
        return 0; /* every other error shows with the first record */
    blob_file_name(number, name);
    err = repair_found(r, name, "the header is damaged, and is written anew");
    return err ? err : file_numbers_add(&r->blob_headers, number);
}

static int rewrite_header(struct repair *r, uint64_t number)
{
    struct buf file = {0};
    char name[32];
    int err;

    blob_file_name(number, name);
    err = env_read_small(r->env, name, BLOB_REWRITE_LEN_MAX, &file);
    if (!err && file.len >= BLOB_HEADER_LEN) {
        blob_header_encode(number, file.data);
        err = env_replace_small(r->env, name, buf_slice(&file));
    }
    buf_free(&file);
    if (!err || err == -ENOMEM)
        return err;
    if (err == -EFBIG)
        return repair_note(r, name, "it is too long to be written anew: the header stays damaged");
    /* A full disk, say. All values can be read without it, so the repair does not fail. */
    return repair_note(r, name, "it cannot be written anew, the header stays damaged: %s",
                       *err_detail() ? err_detail() : err_text(err));
}

int repair_blob_headers(struct repair *r)
{
    int err = 0;

    for (size_t i = 0; !err && i < r->blob_headers.count; i++)
        err = rewrite_header(r, r->blob_headers.numbers[i]);
    return err;
}

static int hold_file(struct repair *r, uint64_t number)
{
    int err = 0;

    if (!r->blob_store)
        err = blob_store_new(r->env, NULL, 0, &r->blob_store);
    if (!err)
        blob_store_set_value_len_max(r->blob_store, r->options.value_len_max);
    if (err || (r->blob_file && r->blob_file->number == number))
        return err;
    blob_meta_unref(r->blob_file, true);
    r->blob_file = NULL;
    err = blob_store_get(r->blob_store, number, &r->blob_file);
    return err ? err : note_header(r, number);
}

int repair_ref_whole(struct repair *r, struct slice user, struct slice bytes)
{
    bool shared = r->superblock.incompat & FEATURE_SHARED_BLOBS;
    struct blob_ref ref;
    int err;

    if (!blob_ref_decode(bytes, &ref)) {
        err_raise(ERR_BLOB_REF, "the reference cannot be decoded");
        return 0;
    }
    if (!file_numbers_have(&r->blobs, ref.file)) {
        err_raise(ERR_FILE_MISSING, "%08llu.blob is missing", (unsigned long long)ref.file);
        return 0;
    }
    err = hold_file(r, ref.file);
    if (!err)
        err = blob_check(r->blob_store, &ref, shared ? NULL : &user, &r->blob_buf);
    if (!err)
        return 1;
    return repair_is_damage(err) ? 0 : err;
}

int repair_value_whole(struct repair *r, enum kind kind, struct slice user, struct slice value)
{
    if (kind == KIND_BLOB_REF)
        return repair_ref_whole(r, user, value);
    return value_len_check(kind, value, r->options.value_len_max) == 0;
}

int repair_batch_whole(struct repair *r, struct slice batch)
{
    struct batch_op op;
    int whole = 1;

    while (whole == 1 && batch_next(&batch, &op) > 0) {
        if (op.kind == KIND_BLOB_REF)
            whole = repair_ref_whole(r, op.key, op.value);
    }
    return whole;
}

int repair_tell_value(struct repair *r, const char *file, struct slice user, uint64_t seqno)
{
    struct lsm_loss loss = loss_of_kind(LSM_LOSS_VALUE, file);
    char key[REPAIR_KEY_TEXT_LEN], why[512];
    int err;

    snprintf(why, sizeof(why), "%s", err_detail());
    err = repair_note(r, file, "lost: the value of \"%s\" (%s)", repair_key_text(user, key), why);
    loss.first = loss.last = user.data;
    loss.first_len = loss.last_len = user.len;
    loss.seqno_min = loss.seqno_max = seqno;
    return err ? err : repair_lose(r, &loss);
}

int repair_batch_insert(struct repair *r, const char *file, struct memtable *mt, struct slice batch,
                        uint64_t first_seqno)
{
    struct batch_op op;
    int more, err = 0;

    while (!err && (more = batch_next(&batch, &op)) != 0) {
        int whole;

        if (more < 0)
            return more;
        whole = repair_value_whole(r, op.kind, op.key, op.value);
        if (whole == 0) {
            err = repair_tell_value(r, file, op.key, first_seqno);
            op.kind = KIND_DELETE;
            op.value = slice_of(NULL, 0);
        }
        if (whole < 0)
            err = whole;
        if (!err && !r->dry_run)
            err = memtable_add(mt, first_seqno, op.kind, op.key, op.value);
        first_seqno++;
    }
    return err;
}

void repair_refs_done(struct repair *r)
{
    blob_meta_unref(r->blob_file, true);
    blob_store_free(r->blob_store);
    buf_free(&r->blob_buf);
    free(r->blob_headers.numbers);
}
