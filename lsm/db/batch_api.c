/*
 * The public batch: checked when operations are added, so that what reaches the log is whole.
 */
#include "lsm/db/db.h"

enum {
    PUT_STACK_LEN = 1024
};

int lsm_batch_new(struct lsm_batch **ret)
{
    struct lsm_batch *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    *ret = b;
    return 0;
}

void lsm_batch_free(struct lsm_batch *b)
{
    if (!b)
        return;
    batch_files_done(b);
    buf_free(&b->bytes);
    free(b);
}

void lsm_batch_clear(struct lsm_batch *b)
{
    batch_files_done(b);
    b->bytes.len = 0;
    b->count = b->delete_count = b->patch_count = 0;
    b->put_len_max = 0;
    b->value_len = 0;
}

size_t lsm_batch_count(const struct lsm_batch *b)
{
    return b->count;
}

static int check_lengths(const struct lsm_batch *b, size_t key_len, size_t value_len)
{
    if (key_len == 0 || key_len > LSM_KEY_LEN_MAX)
        return err_raise(EINVAL, "a key of %zu bytes; it must have 1 to %d", key_len,
                         LSM_KEY_LEN_MAX);
    if (value_len > LSM_VALUE_LEN_MAX)
        return err_raise(EINVAL, "a value of %zu bytes; it may have %d", value_len,
                         LSM_VALUE_LEN_MAX);
    if (b->bytes.len + key_len + value_len > WAL_PAYLOAD_LEN_MAX - 64)
        return err_raise(EINVAL, "a batch of more than %d bytes", WAL_PAYLOAD_LEN_MAX - 64);
    return 0;
}

int db_check_value_len(const struct lsm_db *db, uint64_t len)
{
    if (len <= db->options.value_len_max)
        return 0;
    return err_raise(EFBIG, "%s: a value of %llu bytes, where the store takes %zu at most",
                     db->env->path, (unsigned long long)len, db->options.value_len_max);
}

static void note_value_len(struct lsm_batch *b, uint64_t len)
{
    b->value_len = len > b->value_len ? len : b->value_len;
}

int batch_add(struct lsm_batch *b, enum kind kind, struct slice key, struct slice value)
{
    int err = check_lengths(b, key.len, value.len);

    if (err)
        return err;
    err = batch_append(&b->bytes, kind, key, value);
    b->count += !err;
    if (!err)
        note_value_len(b, value_len_of(kind, value));
    if (!err && kind == KIND_PUT && value.len > b->put_len_max)
        b->put_len_max = value.len;
    b->delete_count += !err && (kind == KIND_DELETE || kind == KIND_DELETE_RANGE);
    return err;
}

int lsm_batch_put(struct lsm_batch *b, const void *key, size_t key_len, const void *value,
                  size_t value_len)
{
    return batch_add(b, KIND_PUT, slice_of(key, key_len), slice_of(value, value_len));
}

int lsm_batch_delete(struct lsm_batch *b, const void *key, size_t key_len)
{
    return batch_add(b, KIND_DELETE, slice_of(key, key_len), slice_of(NULL, 0));
}

int lsm_batch_delete_range(struct lsm_batch *b, const void *start, size_t start_len,
                           const void *end, size_t end_len)
{
    if (end_len == 0 || end_len > LSM_KEY_LEN_MAX)
        return err_raise(EINVAL, "a range's end of %zu bytes; it must have 1 to %d", end_len,
                         LSM_KEY_LEN_MAX);
    return batch_add(b, KIND_DELETE_RANGE, slice_of(start, start_len), slice_of(end, end_len));
}

int lsm_batch_patch(struct lsm_batch *b, const void *key, size_t key_len, uint64_t offset,
                    const void *value, size_t value_len)
{
    int err;

    err = check_lengths(b, key_len, value_len);
    if (!err && offset > LSM_VALUE_LEN_MAX - value_len)
        err = err_raise(EINVAL, "a patch that ends beyond %d bytes", LSM_VALUE_LEN_MAX);
    if (err)
        return err;
    err = batch_append_patch(&b->bytes, slice_of(key, key_len), offset, slice_of(value, value_len));
    b->count += !err;
    b->patch_count += !err;
    if (!err)
        note_value_len(b, offset + value_len);
    return err;
}

/* A batch of one small operation needs no memory of its own. */
static void put_on_stack(struct lsm_batch *b, uint8_t *stack, size_t stack_len, size_t len)
{
    if (len <= stack_len - BATCH_OP_HEADER_LEN_MAX)
        b->bytes = (struct buf){.data = stack, .cap = stack_len};
}

int lsm_put(struct lsm_db *db, const void *key, size_t key_len, const void *value, size_t value_len,
            unsigned flags)
{
    uint8_t stack[PUT_STACK_LEN];
    struct lsm_batch b = {0};
    int err = check_lengths(&b, key_len, value_len);

    if (!err)
        err = db_check_value_len(db, value_len);
    if (err)
        return err;
    if (db->options.blob_len_min && value_len >= db->options.blob_len_min)
        return db_put_large(db, slice_of(key, key_len), slice_of(value, value_len), flags);
    put_on_stack(&b, stack, sizeof(stack), key_len + value_len);
    err = lsm_batch_put(&b, key, key_len, value, value_len);
    if (!err)
        err = lsm_write(db, &b, flags);
    if (b.bytes.data != stack)
        buf_free(&b.bytes);
    return err;
}

int lsm_delete(struct lsm_db *db, const void *key, size_t key_len, unsigned flags)
{
    struct lsm_batch b = {0};
    int err = lsm_batch_delete(&b, key, key_len);

    if (!err)
        err = lsm_write(db, &b, flags);
    buf_free(&b.bytes);
    return err;
}
