/*
 * Copying a value from key to key without its bytes: a large value's reference is put under the
 * other key too, so that two entries refer to one record.
 *
 * Why this is sound. Nothing in the store belongs to the key that a record was written for: a blob
 * file lives as long as any table, memtable or batch refers to it, and each of these counts what it
 * refers to, however often a record is meant. The batch holds the file from the moment in which the
 * reference is read, while a version holds it, until a memtable does. The record was appended
 * before, so every sync that covers the batch covers it. Recovery, as for any reference, ends the
 * log where the record is not whole; so the record is read and its checksum compared before it is
 * shared: one that has rotted must cost its own value only, and not what is written after the copy.
 *
 * Moving takes entries one by one, so a record that two keys share becomes two when its file is
 * emptied. That cannot make the store grow: a record counts as used once for each entry, and a file
 * is emptied only when what is used is a small part of it. It is also why a file may keep garbage
 * longer when some of its records are shared by many.
 *
 * Only the record's own key tells that it was written for another one. Programs that would take
 * that for damage are kept out by a feature bit. A value that is patched, or small, is put as it
 * is.
 */
#include <stdlib.h>

#include "lsm/db/db.h"

void batch_files_done(struct lsm_batch *b)
{
    for (size_t i = 0; i < b->file_count; i++)
        blob_meta_unref(b->files[i], false);
    free(b->files);
    b->files = NULL;
    b->file_count = b->file_cap = 0;
    b->db = NULL;
}

void batch_files_keep(const struct lsm_batch *b)
{
    for (size_t i = 0; i < b->file_count; i++) {
        blob_meta_ref(b->files[i]);
        blob_meta_unref(b->files[i], true);
    }
}

/* Room for one more file. */
static int files_reserve(struct lsm_batch *b)
{
    size_t cap = b->file_cap ? b->file_cap * 2 : 4;
    struct blob_meta **files;

    if (b->file_count < b->file_cap)
        return 0;
    files = realloc(b->files, cap * sizeof(struct blob_meta *));
    if (!files)
        return -ENOMEM;
    b->files = files;
    b->file_cap = cap;
    return 0;
}

static bool files_have(const struct lsm_batch *b, uint64_t number)
{
    for (size_t i = b->file_count; i > 0; i--) {
        if (b->files[i - 1]->number == number)
            return true;
    }
    return false;
}

/* Is the record whole? As recovery asks, which ends the log before a reference to one that is not.
 */
static int check_record(struct lsm_db *db, const struct blob_ref *ref)
{
    struct blob_record record;
    struct buf buf = {0};
    int err = blob_read_record(db->store.blobs, ref, &buf, &record);

    buf_free(&buf);
    return err;
}

/*
 * 1, or 0 when it cannot be shared. The caller holds the version that the reference comes from, and
 * so the file; where nobody does, something is damaged, which reading the value will tell.
 */
static int add_ref(struct lsm_batch *b, struct lsm_db *db, struct slice to, struct slice bytes,
                   uint64_t *ret_len)
{
    struct blob_meta *file = NULL;
    struct blob_ref ref;
    int err;

    if (!blob_ref_decode(bytes, &ref))
        return blob_raise_ref(bytes);
    err = files_reserve(b);
    if (!err && !atomic_load(&db->shares_blobs))
        err = db_need_features(db, 0, FEATURE_SHARED_BLOBS);
    if (err)
        return err;
    if (!files_have(b, ref.file)) {
        file = blob_store_hold(db->store.blobs, ref.file);
        if (!file)
            return 0;
    }
    err = check_record(db, &ref);
    if (!err)
        err = batch_add(b, KIND_BLOB_REF, to, bytes);
    if (err) {
        blob_meta_unref(file, false);
        return err;
    }
    if (file)
        b->files[b->file_count++] = file;
    b->db = db;
    atomic_store(&db->shares_blobs, true);
    *ret_len = ref.raw_len;
    return 1;
}

static int add_value(struct lsm_batch *b, struct lsm_db *db, struct slice to, struct fold *f,
                     uint64_t *ret_len)
{
    struct slice value;
    int err = blob_fetch(db->store.blobs, f, BLOB_LOOK, NULL);

    if (!err)
        err = fold_value(f, &value);
    if (err <= 0)
        return err;
    *ret_len = value.len;
    err = batch_add(b, KIND_PUT, to, value);
    return err ? err : 1;
}

int lsm_batch_copy(struct lsm_batch *b, struct lsm_db *db, const void *from, size_t from_len,
                   const void *to, size_t to_len, uint64_t *ret_len)
{
    struct superversion *sv;
    struct lookup l = {.key = slice_of(from, from_len)};
    struct memtable *mem;
    struct slice bytes;
    uint64_t len = 0;
    bool newest_first;
    int err;

    err_clear();
    if (b->db && b->db != db)
        return err_raise(EINVAL, "the batch holds copies of values of another store");
    err = db_writable(db);
    if (err)
        return err;
    sv = sv_get(db);
    err = sv_lookup(sv, atomic_load_explicit(&db->visible_seqno, memory_order_acquire), &l, &mem,
                    &newest_first);
    if (!err && l.fold.layer_count == 1 && fold_base_ref(&l.fold, &bytes))
        err = add_ref(b, db, slice_of(to, to_len), bytes, &len);
    if (!err)
        err = add_value(b, db, slice_of(to, to_len), &l.fold, &len);
    fold_done(&l.fold);
    sv_put(sv);
    if (err > 0 && ret_len)
        *ret_len = len;
    return err;
}
