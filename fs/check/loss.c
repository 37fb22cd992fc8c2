/*
 * Judging losses. For each range of keys that the engine has lost, the inodes in it are walked, and
 * each block is asked for: may it have been among what was lost (the damaged table's filter knows,
 * but for one in a hundred), and is there something younger that decides what it holds? If not,
 * what a read gives is older than it should be, or nothing, and the block is lost.
 *
 * A block that nobody finds is a hole or was lost. In a dense file every block must be there; in
 * one with holes the count of blocks in the record says whether any is missing.
 *
 * Without a filter (a table that is gone, operations of a log) nothing is known of single keys.
 * Then a file that changed since the oldest of what was lost may have old contents: it is told, and
 * left as it is, because most of it is right.
 */
#include "fs/check/loss.h"

#include <stdlib.h>

#include "fs/data.h"
#include "fs/super.h"
#include "lsm/base/err.h"

enum {
    /* Blocks of one file that are asked for; the record may say anything. */
    SPARSE_WALK_MAX = 1 << 24,
    DENSE_WALK_MAX = 1 << 28,
};

struct judge {
    struct lsm_db *db;
    const struct lsm_loss *loss;
    struct lost_list *out;
};

/* --- The range of keys of one tag --- */

/* Of the keys with this tag, which may be concerned? False for none. Second numbers as in a 'B'. */
struct span {
    uint64_t ino_first, ino_last;
    uint64_t first, last; /* block of the first inode; of the last one */
};

static uint64_t number_at(const uint8_t *key, size_t len, size_t at, uint8_t fill)
{
    uint8_t bytes[8];

    memset(bytes, fill, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes) && at + i < len; i++)
        bytes[i] = key[at + i];
    return get_be64(bytes);
}

static bool span_of(const struct lsm_loss *loss, enum key_tag tag, struct span *ret)
{
    const uint8_t *first = loss->first, *last = loss->last;

    *ret = (struct span){0, INODE_NUMBER_END - 1, 0, UINT64_MAX};
    if (first && loss->first_len) {
        if (first[0] > (uint8_t)tag)
            return false;
        if (first[0] == (uint8_t)tag) {
            ret->ino_first = number_at(first, loss->first_len, 1, 0);
            ret->first = number_at(first, loss->first_len, KEY_INODE_LEN, 0);
        }
    }
    if (last) {
        if (!loss->last_len || last[0] < (uint8_t)tag)
            return false;
        if (last[0] == (uint8_t)tag) {
            ret->ino_last = number_at(last, loss->last_len, 1, 0);
            ret->last = number_at(last, loss->last_len, KEY_INODE_LEN, 0xff);
        }
    }
    return ret->ino_first <= ret->ino_last;
}

/* --- Contents --- */

/* Was this key among what was lost, with nothing younger in its place? 1, 0, or an error. */
static int key_is_lost(struct judge *j, const struct key *k)
{
    int covered;

    if (!lsm_loss_concerns(j->loss, k->data, k->len))
        return 0;
    covered = lsm_loss_is_covered(j->db, j->loss, k->data, k->len);
    return covered < 0 ? covered : !covered;
}

/* How many blocks of the inode are there, and how many should be. */
static int missing_count(struct judge *j, const struct inode *in, uint64_t *ret)
{
    struct key lower, upper;
    struct lsm_iter *it;
    uint64_t found = 0;
    int rc;

    key_ino(&lower, KEY_BLOCK, in->ino);
    key_ino(&upper, KEY_BLOCK, in->ino + 1);
    rc = lsm_iter_new(j->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it))
        found++;
    lsm_iter_free(it);
    if (rc < 0 && !lsm_is_damage(rc))
        return rc;
    /* Behind damage nobody knows; then any may be missing. */
    *ret = rc < 0 ? UINT64_MAX : found < in->block_count ? in->block_count - found : 0;
    return 0;
}

/* 1 when there is a value, or one that cannot be read; 0 when there is none. */
static int block_is_there(struct judge *j, const struct key *k)
{
    struct lsm_value v;
    int err = lsm_get(j->db, NULL, k->data, k->len, &v);

    if (!err)
        lsm_value_done(&v);
    if (err == -ENOENT)
        return 0;
    return !err || lsm_is_damage(err) ? 1 : err;
}

/* What the walk over one file needs. */
struct file_walk {
    struct inode in;
    bool dense;
    uint64_t seqno;   /* of the record */
    uint64_t missing; /* blocks that are; UINT64_MAX: not counted yet */
    bool counted;
};

static int judge_block(struct judge *j, struct file_walk *w, uint64_t block)
{
    enum lost_kind kind = LOST_BLOCKS;
    struct key k;
    int rc;

    key_block(&k, w->in.ino, block);
    rc = key_is_lost(j, &k);
    if (rc <= 0)
        return rc;
    rc = block_is_there(j, &k);
    if (rc < 0)
        return rc;
    /* Of what is there and may be right, only a filter says that it is not. */
    if (rc && !j->loss->filter && j->loss->kind == LSM_LOSS_ENTRIES)
        kind = OLD_BLOCKS;
    if (!rc && !w->dense && !w->counted) {
        rc = missing_count(j, &w->in, &w->missing);
        if (rc)
            return rc;
        w->counted = true;
    }
    if (!rc && !w->dense && !w->missing)
        return 0; /* a hole */
    w->missing -= !rc && !w->dense && w->missing != UINT64_MAX;
    return lost_add(j->out, kind, w->in.ino, block, block);
}

static int walk_file(struct judge *j, struct file_walk *w, const struct span *s)
{
    uint64_t span = block_span(w->in.size, j->out->block_len);
    uint64_t first = w->in.ino == s->ino_first ? s->first : 0;
    uint64_t last = w->in.ino == s->ino_last ? s->last : UINT64_MAX;
    int err = 0;

    /* Whatever was written to it before the loss began is older than its record. */
    if (!j->loss->filter && w->seqno < j->loss->seqno_min)
        return 0;
    if (!span || !w->in.block_count)
        return 0;
    last = last < span - 1 ? last : span - 1;
    if (first <= last && last - first > (w->dense ? DENSE_WALK_MAX : SPARSE_WALK_MAX)) {
        j->out->unknown = true;
        return lost_add(j->out, OLD_BLOCKS, w->in.ino, first, last);
    }
    for (uint64_t n = first; !err && n <= last; n++)
        err = judge_block(j, w, n);
    return err;
}

/*
 * May a block that is there be one that was deleted: 1, 0 or an error. The range of what was lost
 * has to reach it, and nothing younger may have written it since.
 */
static int may_be_returned(struct judge *j, struct slice key)
{
    int covered;

    if (!lsm_loss_concerns(j->loss, key.data, key.len))
        return 0;
    if (j->loss->kind == LSM_LOSS_ORDER)
        return 1;
    covered = lsm_loss_is_covered(j->db, j->loss, key.data, key.len);
    return covered < 0 ? covered : !covered;
}

/*
 * Range tombstones are gone: more blocks than the record counts have come back. Those behind the
 * end are shown by no read, and the check moves them; with no others there is nothing lost.
 */
static int judge_returned(struct judge *j, struct file_walk *w)
{
    enum lost_kind kind = j->loss->kind == LSM_LOSS_ORDER ? OLD_BLOCKS : LOST_BLOCKS;
    struct key lower, upper;
    struct lsm_iter *it;
    uint64_t found = 0;
    int rc, err = 0;

    key_ino(&lower, KEY_BLOCK, w->in.ino);
    key_block(&upper, w->in.ino, block_span(w->in.size, j->out->block_len));
    rc = lsm_iter_new(j->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1; rc = lsm_iter_next(it))
        found++;
    for (rc = found > w->in.block_count ? lsm_iter_first(it) : 0; rc == 1 && !err;
         rc = lsm_iter_next(it)) {
        struct slice key;

        key.data = lsm_iter_key(it, &key.len);
        if (key.len != KEY_BLOCK_LEN)
            continue;
        err = may_be_returned(j, key);
        if (err == 1) {
            uint64_t block = get_be64(key.data + KEY_INODE_LEN);

            err = lost_add(j->out, kind, w->in.ino, block, block);
        }
    }
    lsm_iter_free(it);
    return err ? err : rc < 0 && !lsm_is_damage(rc) ? rc : 0;
}

/* Operations are gone, whatever their keys. */
static int judge_operations(struct judge *j, struct file_walk *w)
{
    uint64_t span = block_span(w->in.size, j->out->block_len), missing = 0;
    int err = 0, there;

    /* A file that did not change since the loss is as it was at some moment. */
    if (!w->in.block_count || w->seqno <= j->loss->seqno_max)
        return 0;
    err = missing_count(j, &w->in, &missing);
    if (err)
        return err;
    for (uint64_t n = 0; !err && w->dense && missing && n < span && n < DENSE_WALK_MAX; n++) {
        struct key k;

        key_block(&k, w->in.ino, n);
        there = block_is_there(j, &k);
        if (there < 0)
            return there;
        if (!there)
            err = lost_add(j->out, LOST_BLOCKS, w->in.ino, n, n);
    }
    return err ? err : lost_add(j->out, OLD_BLOCKS, w->in.ino, 0, span - 1);
}

static int judge_file(struct judge *j, struct file_walk *w, const struct span *s)
{
    switch (j->loss->kind) {
    case LSM_LOSS_ENTRIES:
    case LSM_LOSS_VALUE:
        return walk_file(j, w, s);
    case LSM_LOSS_DELETIONS:
    case LSM_LOSS_ORDER:
        return judge_returned(j, w);
    case LSM_LOSS_OPERATIONS:
        return judge_operations(j, w);
    case LSM_LOSS_FACTS:
        break;
    }
    return 0;
}

/* The sequence number of a record; 0 when it cannot be read. */
static uint64_t seqno_of(struct judge *j, const void *key, size_t len)
{
    struct lsm_value v;
    uint64_t seqno = 0;

    if (!lsm_get(j->db, NULL, key, len, &v)) {
        seqno = v.seqno;
        lsm_value_done(&v);
    }
    return seqno;
}

/* Every regular file whose blocks may be concerned. */
static int judge_contents(struct judge *j)
{
    struct key lower, upper;
    struct lsm_iter *it;
    struct span s;
    int rc, err = 0;

    if (!j->out->block_len || !span_of(j->loss, KEY_BLOCK, &s))
        return 0;
    key_ino(&lower, KEY_INODE, s.ino_first);
    key_ino(&upper, KEY_INODE, s.ino_last + 1);
    rc = lsm_iter_new(j->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && !err; rc = lsm_iter_next(it)) {
        size_t key_len, len;
        const uint8_t *key = lsm_iter_key(it, &key_len);
        const void *value = lsm_iter_value(it, &len);
        struct file_walk w = {.missing = 0};

        if (key_len != KEY_INODE_LEN || inode_decode(get_be64(key + 1), value, len, &w.in) ||
            !S_ISREG(w.in.mode))
            continue;
        w.dense = inode_is_dense(&w.in, j->out->block_len);
        w.seqno = seqno_of(j, key, key_len);
        err = judge_file(j, &w, &s);
    }
    lsm_iter_free(it);
    if (!err && rc < 0 && lsm_is_damage(rc)) {
        j->out->unknown = true;
        rc = 0;
    }
    return err ? err : rc < 0 ? rc : 0;
}

/* --- Everything else --- */

/* Keys of this tag that are there but older than what was lost. */
static int judge_old(struct judge *j, enum key_tag tag, enum lost_kind kind)
{
    struct key lower, upper;
    struct lsm_iter *it;
    struct span s;
    int rc, err = 0;

    if (!span_of(j->loss, tag, &s))
        return 0;
    key_ino(&lower, tag, s.ino_first);
    key_ino(&upper, tag, s.ino_last + 1);
    rc = lsm_iter_new(j->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && !err; rc = lsm_iter_next(it)) {
        struct key k;
        const void *key = lsm_iter_key(it, &k.len);

        if (k.len < KEY_INODE_LEN || k.len > sizeof(k.data))
            continue;
        memcpy(k.data, key, k.len);
        err = key_is_lost(j, &k);
        if (err == 1)
            err = lost_add(j->out, kind, get_be64(k.data + 1), 0, 0);
    }
    lsm_iter_free(it);
    if (!err && rc < 0 && lsm_is_damage(rc)) {
        j->out->unknown = true;
        rc = 0;
    }
    return err ? err : rc < 0 ? rc : 0;
}

/*
 * The value of one key. Large ones are only of contents and attributes. Of other keys one is lost
 * when it claims to be longer than any; the tree then shows what is missing, but not whose it was.
 */
static int judge_value(struct judge *j)
{
    const uint8_t *key = j->loss->first;
    struct key k;
    int lost;

    if (!key || j->loss->first_len < KEY_INODE_LEN || j->loss->first_len > sizeof(k.data))
        return 0;
    if (key[0] == KEY_BLOCK)
        return judge_contents(j);
    if (key[0] != KEY_XATTR) {
        j->out->unknown = true;
        return 0;
    }
    k.len = j->loss->first_len;
    memcpy(k.data, key, k.len);
    lost = key_is_lost(j, &k);
    return lost == 1 ? lost_add(j->out, LOST_XATTRS, get_be64(key + 1), 0, 0) : lost;
}

static int judge_one(struct judge *j)
{
    int err;

    if (j->loss->kind == LSM_LOSS_FACTS)
        return 0;
    if (j->loss->kind == LSM_LOSS_VALUE)
        return judge_value(j);
    err = judge_contents(j);
    if (j->loss->kind != LSM_LOSS_ENTRIES) {
        j->out->unknown = true;
        return err;
    }
    /* Without a filter all would be told. */
    if (!j->loss->filter) {
        j->out->unknown = true;
        return err;
    }
    if (!err)
        err = judge_old(j, KEY_INODE, OLD_INODE);
    if (!err)
        err = judge_old(j, KEY_DIRENT, OLD_ENTRIES);
    return err ? err : judge_old(j, KEY_XATTR, OLD_XATTRS);
}

int loss_judge(struct lsm_db *db, const struct loss_list *losses, uint32_t block_len,
               struct lost_list *ret)
{
    struct super_facts facts;
    int err = super_get(db, true, &facts);

    *ret = (struct lost_list){.block_len = err ? block_len : facts.super.block_len};
    if (err && !lsm_is_damage(err) && err != -ERR_NO_FILE_SYSTEM)
        return err;
    ret->unknown = err != 0;
    err = 0;
    for (size_t i = 0; i < losses->count && !err; i++) {
        struct judge j = {db, &losses->losses[i], ret};

        err = judge_one(&j);
    }
    lost_sort(ret);
    return err;
}
