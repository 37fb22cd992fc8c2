/*
 * Repairs of blocks that their inode does not show: behind the end of a file, or of what is no
 * regular file. They move to a new file in lost+found, "#INO.blocks", at the offsets that they
 * had, so that the file itself stays what it was and nothing is lost. Many blocks move in several
 * transactions, each of which leaves the new inode right. The old one has the number of blocks that
 * it will have in the end from the first of them on: nobody judges it as long as one is behind.
 *
 * This is not among the repairs that are safe. Where a newer record is lost, what is behind the end
 * belongs to the file, and only whoever knows the file can tell. So -p leaves such a file as it is,
 * with its number of blocks.
 *
 * And blocks that are longer than blocks are: what is too much is cut off.
 */
#include "fs/lost_mark.h"
#include "fs/repair/repair_impl.h"

enum {
    MOVE_LEN_MAX = 8 << 20 /* bytes of blocks in one transaction */
};

struct move {
    struct tx tx;
    uint64_t from;
    uint64_t to;         /* 0: not made yet */
    uint64_t left_count; /* blocks that a file has in the end */
    uint32_t block_len;
    size_t moved_len; /* by this transaction */
};

/* The file in lost+found, made when the first block needs it. */
static int target(struct move *m, struct inode **ret)
{
    struct tx *tx = &m->tx;
    struct inode *from, *lost, *in;
    uint64_t ino;
    int err;

    if (m->to)
        return tx_inode(tx, m->to, ret);
    err = tx_inode(tx, m->from, &from);
    if (!err)
        err = lost_dir(tx, &lost);
    if (!err)
        err = tx_number(tx, lost, &ino);
    if (err)
        return err;
    in = tx_inode_new(tx, ino);
    in->mode = S_IFREG | 0600;
    in->uid = from->uid;
    in->gid = from->gid;
    m->to = ino;
    *ret = in;
    return lost_connect(tx, in, m->from, ".blocks");
}

/*
 * Blocks come in ascending order; one that no file can hold at its place goes behind the others. A
 * block that damage has taken moves with its mark.
 */
static int copy_block(struct move *m, uint64_t number, struct slice value)
{
    uint32_t len = value.len < m->block_len ? (uint32_t)value.len : m->block_len;
    struct inode *to;
    struct key k;
    int err = target(m, &to);

    if (err)
        return err;
    if (block_is_lost(value.data, value.len, m->block_len))
        len = m->block_len + LOST_MARK_LEN;
    if (number >= FS_FILE_LEN_MAX / m->block_len)
        number = to->size / m->block_len + (to->size % m->block_len != 0);
    to->size = number * m->block_len + (len < m->block_len ? len : m->block_len);
    to->block_count++;
    key_block(&k, m->to, number);
    return lsm_batch_put(m->tx.batch, k.data, k.len, value.data, len);
}

/* Whether the inode does not show the whole block; how many bytes of it, it does. */
static bool is_hidden(const struct move *m, const struct inode *from, uint64_t number, size_t len,
                      size_t *ret_shown_len)
{
    uint64_t whole = from->size / m->block_len, rest = from->size % m->block_len;

    *ret_shown_len = 0;
    if (!S_ISREG(from->mode) || number > whole)
        return true;
    if (number < whole || (rest && len <= rest))
        return false;
    *ret_shown_len = (size_t)rest;
    return true;
}

static int move_block(struct move *m, struct slice key, struct slice value)
{
    uint64_t number = get_be64(key.data + KEY_INODE_LEN);
    struct inode *from;
    size_t shown_len;
    bool lost = block_is_lost(value.data, value.len, m->block_len);
    int err = tx_inode(&m->tx, m->from, &from);

    if (err || !is_hidden(m, from, number, lost ? 0 : value.len, &shown_len))
        return err;
    if (value.len)
        err = copy_block(m, number, value);
    m->moved_len += value.len + 64;
    if (err)
        return err;
    if (S_ISREG(from->mode))
        from->block_count = m->left_count;
    if (shown_len)
        return lsm_batch_put(m->tx.batch, key.data, key.len, value.data, shown_len);
    return lsm_batch_delete(m->tx.batch, key.data, key.len);
}

/* Move some blocks from number *first on. *ret_more: there are others, from *first on. */
static int move_some(struct move *m, uint64_t *first, bool *ret_more)
{
    struct lsm_iter *it;
    struct key lower, upper;
    int err = 0, rc;

    *ret_more = false;
    key_block(&lower, m->from, *first);
    key_ino(&upper, KEY_BLOCK, m->from + 1);
    rc = lsm_iter_new(m->tx.r->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && m->moved_len < MOVE_LEN_MAX; rc = lsm_iter_next(it)) {
        struct slice key, value;

        key.data = lsm_iter_key(it, &key.len);
        value.data = lsm_iter_value(it, &value.len);
        err = key.len == KEY_BLOCK_LEN ? move_block(m, key, value) : 0;
        if (err)
            break;
        *first = key.len >= KEY_BLOCK_LEN ? get_be64(key.data + KEY_INODE_LEN) : *first;
    }
    lsm_iter_free(it);
    *ret_more = !err && rc == 1;
    return err ? err : rc < 0 ? rc : 0;
}

int fix_blocks_move(struct repair *r, const struct check_finding *f)
{
    struct move m = {.from = f->ino, .left_count = f->expected, .block_len = r->check->block_len};
    uint64_t first = f->kind == CHECK_BLOCK_PLACE ? f->found : 0;
    bool more;

    if (!m.block_len)
        return fix_cannot(r, "the block length of the file system is lost");
    do {
        int err = tx_begin(&m.tx, r);

        if (err)
            return err;
        m.moved_len = 0;
        err = tx_end(&m.tx, move_some(&m, &first, &more));
        if (err)
            return err == -ENOENT ? 0 : err;
    } while (more);
    return 0;
}

/* Cut some blocks from number *first on. *ret_more: there are others, from *first on. */
static int trim_some(struct tx *tx, uint64_t ino, uint64_t *first, bool *ret_more)
{
    uint32_t block_len = tx->r->check->block_len;
    struct lsm_iter *it;
    struct key lower, upper;
    size_t cut_len = 0;
    int err = 0, rc;

    *ret_more = false;
    key_block(&lower, ino, *first);
    key_ino(&upper, KEY_BLOCK, ino + 1);
    rc = lsm_iter_new(tx->r->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && cut_len < MOVE_LEN_MAX; rc = lsm_iter_next(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        const void *value = lsm_iter_value(it, &len);

        if (key_len != KEY_BLOCK_LEN || len <= block_len || block_is_lost(value, len, block_len))
            continue;
        err = lsm_batch_put(tx->batch, key, key_len, value, block_len);
        if (err)
            break;
        cut_len += block_len;
        *first = get_be64(key + KEY_INODE_LEN);
    }
    lsm_iter_free(it);
    *ret_more = !err && rc == 1;
    return err ? err : rc < 0 ? rc : 0;
}

int fix_blocks_trim(struct repair *r, const struct check_finding *f)
{
    uint64_t first = 0;
    bool more;

    if (!r->check->block_len)
        return fix_cannot(r, "the block length of the file system is lost");
    do {
        struct tx tx;
        int err = tx_begin(&tx, r);

        if (!err)
            err = tx_end(&tx, trim_some(&tx, f->ino, &first, &more));
        if (err)
            return err;
    } while (more);
    return 0;
}
