/*
 * The batch's bytes: operations one after another, nothing before, between or after them. Their
 * number is not stored here; the log record that carries a batch has it.
 *
 * Bytes come from disk, so every length is checked before it is used, and an operation that the
 * engine would not write is damage, even where it could be carried out. The same rules are applied
 * when a batch is built: what is accepted can be read again. A failed append leaves the batch as it
 * was. Format: lsm/FORMAT.md, "Batch".
 */
#include "lsm/wal/batch.h"

#include "lsm/base/blob_ref.h"
#include "lsm/base/err.h"
#include "lsm/base/value_len.h"

static bool key_ok(struct slice key)
{
    return key.len >= 1 && key.len <= USER_KEY_LEN_MAX;
}

static bool patch_ok(struct slice record)
{
    struct slice bytes;
    uint64_t offset;

    return patch_decode(record, &offset, &bytes);
}

static bool ref_ok(struct slice bytes)
{
    struct blob_ref ref;

    return blob_ref_decode(bytes, &ref);
}

/* What is wrong with the operation, NULL when nothing is. */
static const char *wrong_with(const struct batch_op *op)
{
    if (!key_ok(op->key))
        return "a key's length is out of range";
    switch (op->kind) {
    case KIND_DELETE:
        return op->value.len == 0 ? NULL : "a deletion has a value";
    case KIND_PUT:
        return op->value.len <= VALUE_LEN_MAX ? NULL : "a value is too long";
    case KIND_PATCH:
        return patch_ok(op->value) ? NULL : "a patch lies out of range";
    case KIND_DELETE_RANGE:
        return key_ok(op->value) ? NULL : "the length of a range's end is out of range";
    case KIND_BLOB_REF:
        return ref_ok(op->value) ? NULL : "a reference to a large value cannot be decoded";
    }
    return "an operation is of an unknown kind";
}

static int damaged(const char *what, size_t left)
{
    return err_raise(ERR_BATCH_DAMAGED, "write batch: %s, %zu bytes before the end", what, left);
}

int batch_next(struct slice *in, struct batch_op *ret)
{
    struct slice rest = *in;
    struct batch_op op = {.value = {0}};
    const char *wrong;

    if (rest.len == 0)
        return 0;
    op.kind = (enum kind)rest.data[0];
    rest.data++;
    rest.len--;
    if (!take_prefixed(&rest, &op.key))
        return damaged("a key does not end", in->len);
    if (op.kind != KIND_DELETE && !take_prefixed(&rest, &op.value))
        return damaged("a value does not end", in->len);
    wrong = wrong_with(&op);
    if (wrong)
        return damaged(wrong, in->len);
    *in = rest;
    *ret = op;
    return 1;
}

/* Room for everything at once, so that what follows cannot fail half way. */
static int begin(struct buf *batch, enum kind kind, struct slice key, size_t value_len)
{
    uint8_t byte = (uint8_t)kind;
    int err = buf_reserve(batch, BATCH_OP_HEADER_LEN_MAX + key.len + value_len);

    if (!err)
        err = buf_append(batch, &byte, 1);
    return err ? err : buf_put_prefixed(batch, key);
}

int batch_append(struct buf *batch, enum kind kind, struct slice key, struct slice value)
{
    struct batch_op op = {kind, key, value};
    int err;

    if (wrong_with(&op))
        return -EINVAL;
    err = begin(batch, kind, key, value.len);
    if (!err && kind != KIND_DELETE)
        err = buf_put_prefixed(batch, value);
    return err;
}

int batch_append_patch(struct buf *batch, struct slice key, uint64_t offset, struct slice bytes)
{
    int err;

    if (!key_ok(key) || offset > VALUE_LEN_MAX || bytes.len > VALUE_LEN_MAX - offset)
        return -EINVAL;
    err = begin(batch, KIND_PATCH, key, VARINT64_LEN_MAX + bytes.len);
    if (!err)
        err = buf_put_varint64(batch, varint64_len(offset) + bytes.len);
    if (!err)
        err = buf_put_varint64(batch, offset);
    return err ? err : buf_append(batch, bytes.data, bytes.len);
}

int batch_check(struct slice batch, size_t value_len_max, uint64_t *ret_count)
{
    struct batch_op op;
    uint64_t count = 0;
    int more, err = 0;

    while (!err && (more = batch_next(&batch, &op)) != 0) {
        err = more < 0 ? more : value_len_check(op.kind, op.value, value_len_max);
        count++;
    }
    if (err)
        return err;
    *ret_count = count;
    return 0;
}
