/*
 * The checker's sweep over the inodes: five streams in the order of inode numbers ('I', 'B', 'X',
 * 'O', and the sorted names with the sums of directories) are joined; whatever carries one number
 * is gathered, then judged by check_inode.c.
 */
#include "fs/check_item.h"
#include "fs/lost_mark.h"

struct join {
    struct check *check;
    struct check_stream inodes, blocks, xattrs, orphans;
    size_t entry_next; /* index of the first name not yet joined */
    size_t sum_next;   /* the same for sums */
};

static uint64_t min_ino(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The next number that anything carries. */
static uint64_t next_ino(const struct join *j)
{
    const struct check *c = j->check;
    uint64_t ino =
        min_ino(min_ino(j->inodes.ino, j->blocks.ino), min_ino(j->xattrs.ino, j->orphans.ino));

    if (j->entry_next < c->entries.count)
        ino = min_ino(ino, check_entry_at(c, j->entry_next)->ino_type >> 4);
    if (j->sum_next < c->sums.count)
        ino = min_ino(ino, ((const struct check_sum *)c->sums.items)[j->sum_next].dir);
    return ino;
}

static int bad_key(struct join *j, struct slice key, const char *what)
{
    return check_found(
        j->check, &(struct check_finding){.kind = CHECK_KEY, .fix = FIX_KEY_DELETE, .key = key},
        "%s has %zu bytes", what, key.len);
}

static int gather_record(struct join *j, struct check_item *item)
{
    struct check_stream *s = &j->inodes;
    int err = 0;

    item->record_unsure = check_stream_unsure(s, item->ino);
    while (!err && s->ino == item->ino) {
        if (s->key.len != KEY_INODE_LEN) {
            err = bad_key(j, s->key, "an inode key");
        } else {
            item->present = true;
            j->check->result->inode_count++;
            item->good = !inode_decode(item->ino, s->value.data, s->value.len, &item->in);
            item->in.target = (struct slice){0};
        }
        if (!err)
            err = check_stream_next(s);
    }
    return err;
}

/* Blocks can be judged one by one only against a good record of a regular file. */
static void gather_block(struct check *c, struct check_item *item, uint64_t number,
                         struct slice value)
{
    bool lost = c->block_len && block_is_lost(value.data, value.len, c->block_len);
    size_t len = lost ? 0 : value.len;
    uint64_t whole, rest; /* full blocks of the file, bytes in the last one */

    c->result->block_count++;
    c->result->block_len += len;
    item->block_count++;
    if (lost && !item->lost_count++)
        item->lost_first = number;
    c->result->lost_count += lost;
    if (!item->good || !c->block_len)
        return;
    whole = item->in.size / c->block_len;
    rest = item->in.size % c->block_len;
    if (len > c->block_len && !item->long_count++)
        item->long_first = number;
    if (number > whole || (number == whole && (!rest || len > rest))) {
        if (!item->behind_count++)
            item->behind_first = number;
    }
}

static int gather_blocks(struct join *j, struct check_item *item)
{
    struct check_stream *s = &j->blocks;
    int err = 0;

    item->blocks_unsure = check_stream_unsure(s, item->ino);
    while (!err && s->ino == item->ino) {
        if (s->key.len != KEY_BLOCK_LEN)
            err = bad_key(j, s->key, "a block key");
        else
            gather_block(j->check, item, get_be64(s->key.data + KEY_INODE_LEN), s->value);
        if (!err)
            err = check_stream_next(s);
    }
    item->blocks_unsure |= check_stream_unsure(s, item->ino);
    return err;
}

static int gather_xattrs(struct join *j, struct check_item *item)
{
    struct check_stream *s = &j->xattrs;
    int err = 0;

    item->xattrs_unsure = check_stream_unsure(s, item->ino);
    while (!err && s->ino == item->ino) {
        size_t name_len = s->key.len - KEY_INODE_LEN;
        struct check_finding f = {
            .kind = CHECK_XATTR_INVALID, .fix = FIX_KEY_DELETE, .ino = item->ino, .key = s->key};

        item->xattr_count++;
        j->check->result->xattr_count++;
        if (!name_len || name_len > FS_XATTR_NAME_LEN_MAX ||
            memchr(s->key.data + KEY_INODE_LEN, 0, name_len))
            err = check_found(j->check, &f, "an extended attribute has an illegal name");
        else if (s->value.len > FS_XATTR_VALUE_LEN_MAX)
            err = check_found(j->check, &f,
                              "an extended attribute has %zu bytes, at most %d are allowed",
                              s->value.len, FS_XATTR_VALUE_LEN_MAX);
        if (!err)
            err = check_stream_next(s);
    }
    item->xattrs_unsure |= check_stream_unsure(s, item->ino);
    return err;
}

static int gather_orphan(struct join *j, struct check_item *item)
{
    struct check_stream *s = &j->orphans;
    int err = 0;

    item->orphan_unsure = check_stream_unsure(s, item->ino);
    while (!err && s->ino == item->ino) {
        if (s->key.len != KEY_INODE_LEN)
            err = bad_key(j, s->key, "an orphan key");
        else
            item->orphan = true;
        if (!err)
            err = check_stream_next(s);
    }
    return err;
}

static void gather_names(struct join *j, struct check_item *item)
{
    const struct check *c = j->check;
    const struct check_sum *sums = c->sums.items;

    item->entries = c->entries.count ? check_entry_at(c, j->entry_next) : NULL;
    while (j->entry_next < c->entries.count &&
           check_entry_at(c, j->entry_next)->ino_type >> 4 == item->ino) {
        item->entry_count++;
        j->entry_next++;
    }
    if (j->sum_next < c->sums.count && sums[j->sum_next].dir == item->ino)
        item->sum = sums[j->sum_next++];
}

/* The record first: blocks are judged against it. */
static int join_one(struct join *j, uint64_t ino)
{
    struct check_item item = {.ino = ino};
    int err = gather_record(j, &item);

    if (!err)
        err = gather_blocks(j, &item);
    if (!err)
        err = gather_xattrs(j, &item);
    if (!err)
        err = gather_orphan(j, &item);
    if (err)
        return err;
    gather_names(j, &item);
    return check_item(j->check, &item);
}

static int join_all(struct join *j)
{
    bool root_seen = false;
    int err = 0;

    for (uint64_t ino = next_ino(j); !err && ino != CHECK_INO_NONE; ino = next_ino(j)) {
        root_seen |= ino == FS_ROOT_INO;
        err = join_one(j, ino);
        check_progress(j->check, CHECK_PHASE_INODES, ino);
    }
    if (!err && !root_seen && !j->inodes.hole_count)
        err = check_found(j->check, &(struct check_finding){.kind = CHECK_ROOT, .fix = FIX_ROOT},
                          "there is no root directory");
    return err;
}

int check_inodes(struct check *c)
{
    struct join j = {.check = c};
    int err = check_stream_open(c, KEY_INODE, &j.inodes);

    if (!err)
        err = check_stream_open(c, KEY_BLOCK, &j.blocks);
    if (!err)
        err = check_stream_open(c, KEY_XATTR, &j.xattrs);
    if (!err)
        err = check_stream_open(c, KEY_ORPHAN, &j.orphans);
    if (!err)
        err = join_all(&j);
    check_stream_done(&j.inodes);
    check_stream_done(&j.blocks);
    check_stream_done(&j.xattrs);
    check_stream_done(&j.orphans);
    return err;
}
