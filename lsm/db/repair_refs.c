/*
 * References to large values. One whose record cannot be read, by its checksum and for its key,
 * must not stay: reading the key would be an error for ever, and so would verification. It becomes
 * a deletion with the same sequence number: the key is gone, and no older value stands up as if it
 * were the newest. Each such key is told.
 *
 * The blob file itself stays as it is: other values in it may be whole.
 */
#include "lsm/db/repair.h"

static int hold_file(struct repair *r, uint64_t number)
{
    int err = 0;

    if (!r->blob_store)
        err = blob_store_new(r->env, NULL, 0, &r->blob_store);
    if (err || (r->blob_file && r->blob_file->number == number))
        return err;
    blob_meta_unref(r->blob_file, true);
    r->blob_file = NULL;
    return blob_store_get(r->blob_store, number, &r->blob_file);
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

int repair_tell_ref(struct repair *r, const char *file, struct slice user)
{
    char key[REPAIR_KEY_TEXT_LEN], why[512];

    snprintf(why, sizeof(why), "%s", err_detail());
    return repair_note(r, file, "lost: the large value of \"%s\" (%s)", repair_key_text(user, key),
                       why);
}

int repair_batch_insert(struct repair *r, const char *file, struct memtable *mt, struct slice batch,
                        uint64_t first_seqno)
{
    struct batch_op op;
    int more, err = 0;

    while (!err && (more = batch_next(&batch, &op)) != 0) {
        int whole = 1;

        if (more < 0)
            return more;
        if (op.kind == KIND_BLOB_REF)
            whole = repair_ref_whole(r, op.key, op.value);
        if (whole == 0) {
            err = repair_tell_ref(r, file, op.key);
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
}
