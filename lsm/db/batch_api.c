/*
 * The public batch: checked when operations are added, so that what reaches the log is whole.
 */
#include "lsm/db/db.h"

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
    buf_free(&b->bytes);
    free(b);
}

void lsm_batch_clear(struct lsm_batch *b)
{
    b->bytes.len = 0;
    b->count = b->delete_count = 0;
}

size_t lsm_batch_count(const struct lsm_batch *b)
{
    return b->count;
}

static int add(struct lsm_batch *b, enum kind kind, struct slice key, struct slice value)
{
    int err;

    if (key.len == 0 || key.len > LSM_KEY_LEN_MAX || value.len > LSM_VALUE_LEN_MAX)
        return -EINVAL;
    if (b->bytes.len + key.len + value.len > WAL_PAYLOAD_LEN_MAX - 64)
        return -EINVAL;
    err = batch_append(&b->bytes, kind, key, value);
    b->count += !err;
    b->delete_count += !err && (kind == KIND_DELETE || kind == KIND_DELETE_RANGE);
    return err;
}

int lsm_batch_put(struct lsm_batch *b, const void *key, size_t key_len, const void *value,
                  size_t value_len)
{
    return add(b, KIND_PUT, slice_of(key, key_len), slice_of(value, value_len));
}

int lsm_batch_delete(struct lsm_batch *b, const void *key, size_t key_len)
{
    return add(b, KIND_DELETE, slice_of(key, key_len), slice_of(NULL, 0));
}

int lsm_batch_delete_range(struct lsm_batch *b, const void *start, size_t start_len,
                           const void *end, size_t end_len)
{
    if (end_len == 0 || end_len > LSM_KEY_LEN_MAX)
        return -EINVAL;
    return add(b, KIND_DELETE_RANGE, slice_of(start, start_len), slice_of(end, end_len));
}

int lsm_batch_patch(struct lsm_batch *b, const void *key, size_t key_len, uint64_t offset,
                    const void *value, size_t value_len)
{
    int err;

    if (key_len == 0 || key_len > LSM_KEY_LEN_MAX || value_len > LSM_VALUE_LEN_MAX ||
        offset > LSM_VALUE_LEN_MAX - value_len)
        return -EINVAL;
    if (b->bytes.len + key_len + value_len > WAL_PAYLOAD_LEN_MAX - 64)
        return -EINVAL;
    err = batch_append_patch(&b->bytes, slice_of(key, key_len), offset, slice_of(value, value_len));
    b->count += !err;
    return err;
}

int lsm_put(struct lsm_db *db, const void *key, size_t key_len, const void *value, size_t value_len,
            unsigned flags)
{
    struct lsm_batch b = {0};
    int err = lsm_batch_put(&b, key, key_len, value, value_len);

    if (!err)
        err = lsm_write(db, &b, flags);
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
