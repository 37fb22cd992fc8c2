/*
 * Reading contents.
 *
 * A read takes no lock. It asks for the inode record and all blocks of its range in one call, so
 * that it sees one moment of the store: never a length from before a write and blocks from after
 * it. The caller gets pointers into the values themselves; what no block holds (holes, the rest of
 * short blocks) points to a static area of zeros. Nothing is copied.
 *
 * Blocks that are asked for as a whole will be kept by whoever asks, that is by the kernel, and
 * need no place in the store's cache. Of others the next part is likely to be wanted. How long a
 * small file is is not known beforehand: what is read from its beginning counts as all of it.
 */
#include <limits.h>

#include "fs/data.h"

/* Ranges of more blocks than these ask for the length first, not to reserve memory for nothing. */
enum {
    READ_BLOCKS_UNASKED_MAX = 64
};

/* A read being made: one allocation, cut into arrays of `count` entries. Entry 0 is the inode. */
struct read_plan {
    size_t count;
    struct lsm_value *values;
    struct lsm_key *refs;
    struct iovec *iov;
    int *errs;
    uint8_t *keys;
};

static int plan_new(uint64_t block_count, struct read_plan *ret)
{
    struct read_plan p = {.count = (size_t)block_count + 1};
    size_t each =
        sizeof(*p.values) + sizeof(*p.refs) + 2 * sizeof(*p.iov) + sizeof(*p.errs) + KEY_BLOCK_LEN;
    uint8_t *at;

    /* The pieces are counted in an int; and no size below may overflow. */
    if (block_count > INT_MAX / 4 || p.count > SIZE_MAX / each)
        return -EINVAL;
    at = calloc(p.count, each);
    if (!at)
        return -ENOMEM;
    p.values = (struct lsm_value *)(void *)at;
    p.refs = (struct lsm_key *)(void *)(p.values + p.count);
    p.iov = (struct iovec *)(void *)(p.refs + p.count);
    p.errs = (int *)(void *)(p.iov + 2 * p.count);
    p.keys = (uint8_t *)(void *)(p.errs + p.count);
    *ret = p;
    return 0;
}

static void plan_keys(struct read_plan *p, uint64_t ino, uint64_t first)
{
    struct key k;

    key_ino(&k, KEY_INODE, ino);
    for (size_t i = 0; i < p->count; i++) {
        uint8_t *at = p->keys + i * KEY_BLOCK_LEN;

        if (i > 0)
            key_block(&k, ino, first + i - 1);
        memcpy(at, k.data, k.len);
        p->refs[i] = (struct lsm_key){at, k.len};
    }
}

static void iov_add(struct fs_read *r, const uint8_t *data, size_t len)
{
    if (len)
        r->iov[r->iov_count++] = (struct iovec){(void *)(uintptr_t)data, len};
}

/* Make the pieces of [offset, offset + len) from the blocks that were found. */
static int plan_pieces(const struct fs *fs, const struct read_plan *p, const struct inode *in,
                       uint64_t offset, size_t len, struct fs_read *ret)
{
    uint32_t block_len = fs->super.block_len;
    uint64_t first = offset / block_len;

    ret->len = len;
    while (len) {
        uint64_t block = offset / block_len;
        const struct lsm_value *v = &p->values[block - first + 1];
        size_t from = (size_t)(offset % block_len);
        size_t n = len < block_len - from ? len : block_len - from;
        size_t stored = 0;

        if (p->errs[block - first + 1] == 0) {
            if (v->len > block_len)
                return block_len_raise(fs, in->ino, block, v->data, v->len);
            stored = v->len > from ? v->len - from : 0;
        }
        if (stored > n)
            stored = n;
        if (stored)
            iov_add(ret, v->data + from, stored);
        iov_add(ret, file_zeros, n - stored);
        offset += n;
        len -= n;
    }
    return 0;
}

/* Fill *ret, which owns the plan's memory already. */
static int plan_run(struct fs *fs, const struct read_plan *p, uint64_t ino, uint64_t offset,
                    size_t len, struct fs_read *ret)
{
    bool whole = len >= fs->super.block_len || offset % fs->super.block_len == 0;
    struct inode in;
    int err = (whole ? lsm_multi_get_once : lsm_multi_get)(fs->db, NULL, p->refs, p->count,
                                                           p->values, p->errs);

    /* What was not read has a zeroed value, which may be released like any other. */
    if (err)
        return err;
    if (p->errs[0])
        return p->errs[0] == -ENOENT ? -ESTALE : p->errs[0];
    err = inode_decode(ino, p->values[0].data, p->values[0].len, &in);
    if (!err)
        err = file_check(&in);
    if (err)
        return err;
    if (offset >= in.size)
        len = 0;
    else if (len > in.size - offset)
        len = (size_t)(in.size - offset);
    return plan_pieces(fs, p, &in, offset, len, ret);
}

/* Cut a long range at the end of the file as it is now. */
static int clamp_len(struct fs *fs, uint64_t ino, uint64_t offset, size_t *len)
{
    struct inode in;
    int err = file_inode_get(fs, ino, &in);

    if (err)
        return err;
    if (offset >= in.size)
        *len = 0;
    else if (*len > in.size - offset)
        *len = (size_t)(in.size - offset);
    return 0;
}

int fs_read(struct fs *fs, uint64_t ino, uint64_t offset, size_t len, struct fs_read *ret)
{
    uint32_t block_len = fs->super.block_len;
    struct read_plan p;
    struct fs_read r;
    uint64_t count;
    int err;

    if (offset > FS_FILE_LEN_MAX)
        return -EINVAL;
    if (len > FS_FILE_LEN_MAX - offset)
        len = (size_t)(FS_FILE_LEN_MAX - offset);
    if (len / block_len > READ_BLOCKS_UNASKED_MAX) {
        err = clamp_len(fs, ino, offset, &len);
        if (err)
            return err;
    }
    count = len ? block_span(offset + len, block_len) - offset / block_len : 0;
    err = plan_new(count, &p);
    if (err)
        return err;
    plan_keys(&p, ino, offset / block_len);
    r = (struct fs_read){
        .iov = p.iov, .values = p.values, .value_count = p.count, .memory = p.values};
    err = plan_run(fs, &p, ino, offset, len, &r);
    if (err) {
        fs_read_done(&r);
        return err;
    }
    *ret = r;
    return 0;
}

void fs_read_done(struct fs_read *r)
{
    for (size_t i = 0; i < r->value_count; i++)
        lsm_value_done(&r->values[i]);
    free(r->memory);
    memset(r, 0, sizeof(*r));
}
