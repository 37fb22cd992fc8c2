/*
 * Repairs of the superblock's facts, and of keys that no file system makes.
 *
 * A fact that is good stays. The secret can't be guessed: a new one is made, and the check then
 * finds every entry at a place where nobody looks for it, which is repaired entry by entry. The
 * block length follows from the blocks: none is longer, and none lies behind the end of its file.
 * Where these do not agree it stays lost, since a wrong one would cut blocks that are whole, unless
 * the user tells it. The other facts are written all the same.
 */
#include <stdio.h>
#include <sys/random.h>

#include "fs/lost_mark.h"
#include "fs/repair/repair_impl.h"
#include "fs/super.h"

/* A fact of len_min to len_max bytes into ret; false when there is none such. */
static bool fact_get(struct repair *r, const char *key, size_t len_min, size_t len_max, void *ret,
                     size_t *ret_len)
{
    struct lsm_value v;
    bool good;

    if (lsm_get(r->db, NULL, key, strlen(key), &v))
        return false;
    good = v.len >= len_min && v.len <= len_max;
    if (good && v.len)
        memcpy(ret, v.data, v.len);
    *ret_len = v.len;
    lsm_value_done(&v);
    return good;
}

static int fact_put(struct tx *tx, const char *key, const void *value, size_t len)
{
    return lsm_batch_put(tx->batch, key, strlen(key), value, len);
}

static int random_fact(struct tx *tx, const char *key, size_t len)
{
    uint8_t value[HASH_SECRET_LEN];
    size_t got;

    if (fact_get(tx->r, key, len, len, value, &got))
        return 0;
    if (getrandom(value, len, 0) != (ssize_t)len)
        return fix_cannot(tx->r, "no random bytes from the system");
    if (len == 16) { /* RFC 4122, version 4 */
        value[6] = (uint8_t)((value[6] & 0x0f) | 0x40);
        value[8] = (uint8_t)((value[8] & 0x3f) | 0x80);
    }
    return fact_put(tx, key, value, len);
}

static int fix_format(struct tx *tx)
{
    uint8_t value[SUPER_FORMAT_LEN] = {0};
    size_t got;

    if (fact_get(tx->r, "Sformat", sizeof(value), sizeof(value), value, &got))
        return 0;
    put_le32(value, SUPER_VERSION);
    return fact_put(tx, "Sformat", value, sizeof(value));
}

/* What is left of a label up to its first NUL. */
static int fix_label(struct tx *tx)
{
    struct lsm_value v;
    size_t len;
    int err = lsm_get(tx->r->db, NULL, "Slabel", 6, &v);

    if (err)
        return err == -ENOENT ? 0 : err;
    len = v.len < FS_LABEL_LEN_MAX ? v.len : FS_LABEL_LEN_MAX;
    len = strnlen((const char *)v.data, len);
    err = len == v.len ? 0 : fact_put(tx, "Slabel", v.data, len);
    lsm_value_done(&v);
    return err;
}

static int fix_created(struct tx *tx)
{
    uint8_t value[8];
    struct inode *root;
    struct timespec now;
    size_t got;

    if (fact_get(tx->r, "Screated", sizeof(value), sizeof(value), value, &got))
        return 0;
    inode_now(&now);
    if (!tx_inode(tx, FS_ROOT_INO, &root))
        now = root->btime;
    put_le64(value, (uint64_t)now.tv_sec);
    return fact_put(tx, "Screated", value, sizeof(value));
}

/* --- The block length --- */

enum {
    LEN_COUNT = 9 /* lengths that blocks can have */
};
_Static_assert(FS_BLOCK_LEN_MIN << (LEN_COUNT - 1) == FS_BLOCK_LEN_MAX, "lengths of blocks");

/* What the blocks and files of the store say of each length. In a healthy one no block is longer
 * than blocks are, and none lies behind the end of its file, so nothing is against the right one.
 */
struct evidence {
    uint64_t against[LEN_COUNT]; /* blocks that are longer, files with a block behind their end */
    uint64_t ends[LEN_COUNT];    /* files that end in their last block, which is not the first */
    uint64_t inner[LEN_COUNT];   /* blocks just as long that have another one behind them */
};

static uint64_t len_at(int i)
{
    return (uint64_t)FS_BLOCK_LEN_MIN << i;
}

/* The length of a block; when it is a lost one, that of what stands before the mark. */
static size_t len_of(const void *value, size_t len)
{
    for (int i = 0; i < LEN_COUNT; i++) {
        if (block_is_lost(value, len, (uint32_t)len_at(i)))
            return len - LOST_MARK_LEN;
    }
    return len;
}

/* The last block of an inode. */
static void weigh_file(struct repair *r, struct evidence *e, uint64_t ino, uint64_t last)
{
    struct inode *in;
    struct tx tx;

    if (!last || tx_begin(&tx, r))
        return;
    if (!tx_inode(&tx, ino, &in) && S_ISREG(in->mode) && in->size) {
        for (int i = 0; i < LEN_COUNT; i++) {
            e->against[i] += (in->size - 1) / len_at(i) < last;
            e->ends[i] += (in->size - 1) / len_at(i) == last;
        }
    }
    tx_end(&tx, -ECANCELED);
}

static int weigh_blocks(struct repair *r, struct evidence *ret)
{
    uint8_t lower = KEY_BLOCK, upper = KEY_BLOCK + 1;
    uint64_t ino = 0, last = 0;
    size_t last_len = 0;
    struct lsm_iter *it;
    int rc = lsm_iter_new(r->db, NULL, &lower, 1, &upper, 1, &it);

    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        const void *value = lsm_iter_value(it, &len);
        bool inner;

        if (key_len != KEY_BLOCK_LEN)
            continue;
        inner = get_be64(key + 1) == ino;
        if (!inner)
            weigh_file(r, ret, ino, last);
        len = len_of(value, len);
        for (int i = 0; i < LEN_COUNT; i++) {
            ret->inner[i] += inner && last_len == len_at(i);
            ret->against[i] += len > len_at(i);
        }
        ino = get_be64(key + 1);
        last = get_be64(key + KEY_INODE_LEN);
        last_len = len;
    }
    weigh_file(r, ret, ino, last);
    lsm_iter_free(it);
    return rc;
}

/* Which of two lengths with as little against them: negative for a, positive for b. */
static int prefer(const struct evidence *e, int a, int b)
{
    if (e->ends[a] != e->ends[b])
        return e->ends[a] > e->ends[b] ? -1 : 1;
    if (e->inner[a] != e->inner[b])
        return e->inner[a] > e->inner[b] ? -1 : 1;
    return len_at(a) == FS_BLOCK_LEN_DEFAULT ? -1 : 1;
}

/*
 * The length with the least against it: damage is rare, and all files speak against a wrong one.
 * Where several have nothing against them, what is for them decides, then the usual length, then
 * the largest. 0: there is something against all, and as much against several: the wrong choice
 * would cut blocks that are whole.
 */
static uint32_t choose_block_len(const struct evidence *e)
{
    bool tie = false;
    int best = 0;

    for (int i = 1; i < LEN_COUNT; i++) {
        if (e->against[i] > e->against[best])
            continue;
        tie = e->against[i] == e->against[best];
        if (!tie || prefer(e, best, i) > 0)
            best = i;
    }
    return tie && e->against[best] ? 0 : (uint32_t)len_at(best);
}

/* Which lengths have the least against them, so that the user can choose. */
static int tell_undecided(struct repair *r, const struct evidence *e)
{
    uint64_t least = e->against[0];
    char list[128] = "";
    size_t at = 0;

    for (int i = 1; i < LEN_COUNT; i++)
        least = e->against[i] < least ? e->against[i] : least;
    for (int i = 0; i < LEN_COUNT; i++) {
        if (e->against[i] == least)
            at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%lluK", at ? ", " : "",
                                   (unsigned long long)len_at(i) >> 10);
    }
    return fix_cannot(r,
                      "blocks and files do not agree on a block length, it may be any of %s; "
                      "see with -n what each finds, and tell it with --block-size",
                      list);
}

static int fix_block_len(struct tx *tx)
{
    struct evidence e = {{0}, {0}, {0}};
    uint8_t value[4];
    uint32_t len;
    size_t got;
    int err;

    if (fact_get(tx->r, "Sblock_len", sizeof(value), sizeof(value), value, &got) &&
        super_block_len_ok(get_le32(value)))
        return 0;
    len = tx->r->options->check.block_len;
    err = len ? 0 : weigh_blocks(tx->r, &e);
    if (err)
        return err;
    len = len ? len : choose_block_len(&e);
    if (!len)
        return tell_undecided(tx->r, &e);
    put_le32(value, len);
    return fact_put(tx, "Sblock_len", value, sizeof(value));
}

/* --- The groups that were handed out --- */

/* The highest group that an inode's number or a directory's record names. */
static int group_max(struct repair *r, uint64_t *ret)
{
    uint8_t lower = KEY_INODE, upper = KEY_INODE + 1;
    struct lsm_iter *it;
    int rc = lsm_iter_new(r->db, NULL, &lower, 1, &upper, 1, &it);

    if (rc)
        return rc;
    *ret = 0;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        const uint8_t *value = lsm_iter_value(it, &len);
        struct inode in;
        uint64_t ino = key_len == KEY_INODE_LEN ? get_be64(key + 1) : 0;

        if (!ino || ino >= INODE_NUMBER_END || inode_decode(ino, value, len, &in))
            continue;
        *ret = ino >> 16 > *ret ? ino >> 16 : *ret;
        *ret = in.group > *ret ? in.group : *ret;
    }
    lsm_iter_free(it);
    return rc;
}

static int fix_group_next(struct tx *tx)
{
    uint8_t value[8];
    uint64_t max;
    size_t got;
    int err;

    if (fact_get(tx->r, "Sgroup_next", sizeof(value), sizeof(value), value, &got) &&
        get_le64(value) > 0 && get_le64(value) <= INODE_GROUP_END)
        return 0;
    err = group_max(tx->r, &max);
    if (err)
        return err;
    put_le64(value, max + 1);
    return fact_put(tx, "Sgroup_next", value, sizeof(value));
}

int fix_facts(struct repair *r, const struct check_finding *f)
{
    static int (*const parts[])(struct tx *) = {fix_format, fix_label, fix_created, fix_group_next};
    struct tx tx;
    int err = tx_begin(&tx, r), block_err;

    (void)f;
    if (err)
        return err;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++)
        err = parts[i](&tx);
    if (!err)
        err = random_fact(&tx, "Suuid", 16);
    if (!err)
        err = random_fact(&tx, "Ssecret", HASH_SECRET_LEN);
    if (err)
        return tx_end(&tx, err);
    /* What else is bad is repaired without it; the next round finds, and tells, what is left. */
    block_err = fix_block_len(&tx);
    if (block_err == FIX_CANNOT && lsm_batch_count(tx.batch))
        block_err = 0;
    return tx_end(&tx, block_err);
}

/* Some groups are left unused by every crash, so raising the counter costs only numbers. */
int fix_number(struct repair *r, const struct check_finding *f)
{
    const uint64_t reserve = (uint64_t)1 << 20; /* groups that are kept for what is to come */
    uint64_t next = (f->ino >> 16) + 1, group_next;
    int err = super_get_group_next(r->db, &group_next);

    if (err)
        return err;
    if (group_next >= next)
        return 0;
    if (next > INODE_GROUP_END - reserve)
        return fix_cannot(r, "so high a number would leave none for new files");
    return super_write_group_next(r->db, next);
}

/* --- Keys --- */

int fix_key_delete(struct repair *r, const struct check_finding *f)
{
    return lsm_delete(r->db, f->key.data, f->key.len, LSM_WRITE_URGENT);
}

int fix_keys_delete(struct repair *r, const struct check_finding *f)
{
    struct lsm_iter *it;
    int rc = lsm_iter_new(r->db, NULL, f->key.data, f->key.len, f->value.len ? f->value.data : NULL,
                          f->value.len, &it);

    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it)) {
        size_t len;
        const void *key = lsm_iter_key(it, &len);
        int err = lsm_delete(r->db, key, len, LSM_WRITE_URGENT);

        if (err) {
            rc = err;
            break;
        }
    }
    lsm_iter_free(it);
    return rc;
}
