/*
 * The checker's sweep over the inodes: five streams in the order of inode numbers ('I', 'B', 'X',
 * 'O', and the sorted names with the sums of directories) are joined; whatever carries one number
 * is gathered, then judged by check_inode.c.
 */
#include <stdlib.h>

#include "fs/acl_xattr.h"
#include "fs/check/check_item.h"
#include "fs/lost_mark.h"

struct join {
    struct check *check;
    struct check_stream inodes, blocks, xattrs, orphans;
    uint64_t entry_next;      /* index of the first name not yet joined */
    uint64_t sum_next;        /* the same for sums */
    struct check_entry entry; /* at entry_next; ino_type UINT64_MAX behind the last one */
    struct check_sum sum;     /* at sum_next; dir UINT64_MAX behind the last one */
};

static uint64_t min_ino(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The next number that anything carries. */
static uint64_t next_ino(const struct join *j)
{
    uint64_t ino = CHECK_INO_NONE;

    if (!j->check->subtree)
        ino =
            min_ino(min_ino(j->inodes.ino, j->blocks.ino), min_ino(j->xattrs.ino, j->orphans.ino));
    if (j->entry.ino_type != UINT64_MAX)
        ino = min_ino(ino, j->entry.ino_type >> 4);
    return min_ino(ino, j->sum.dir);
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
        item->hidden_count += number > whole || !rest;
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

/* The key is one of an attribute with a legal name. */
static int gather_acl(struct check *c, struct check_item *item, struct slice key,
                      struct slice value)
{
    struct check_finding f = {
        .kind = CHECK_ACL, .fix = FIX_KEY_DELETE, .ino = item->ino, .key = key};
    enum acl_kind kind =
        acl_kind_of((const char *)key.data + KEY_INODE_LEN, key.len - KEY_INODE_LEN);
    const char *fault = kind ? acl_stored_fault(kind, value.data, value.len) : NULL;

    item->acls |= (uint32_t)kind;
    if (!fault)
        return 0;
    item->acls_faulty |= (uint32_t)kind;
    return check_found(c, &f, "the %saccess control list %s", kind == ACL_ACCESS ? "" : "default ",
                       fault);
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
        else
            err = gather_acl(j->check, item, s->key, s->value);
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

static int load_entry(struct join *j)
{
    j->entry.ino_type = UINT64_MAX;
    return j->entry_next < sort_spill_count(j->check->entries)
               ? check_entry_get(j->check, j->entry_next, &j->entry)
               : 0;
}

static int load_sum(struct join *j)
{
    j->sum.dir = UINT64_MAX;
    return j->sum_next < sort_spill_count(j->check->sums)
               ? check_sum_get(j->check, j->sum_next, &j->sum)
               : 0;
}

static int gather_names(struct join *j, struct check_item *item)
{
    int err = 0;

    item->entry = j->entry;
    item->entry_first = j->entry_next;
    while (!err && j->entry.ino_type != UINT64_MAX && j->entry.ino_type >> 4 == item->ino) {
        item->entry_count++;
        j->entry_next++;
        err = load_entry(j);
    }
    if (!err && j->sum.dir == item->ino) {
        item->sum = j->sum;
        j->sum_next++;
        err = load_sum(j);
    }
    return err;
}

/* A part of the tree takes only the numbers that its names lead to. */
static int skip_to(struct join *j, uint64_t ino)
{
    struct check_stream *streams[] = {&j->inodes, &j->blocks, &j->xattrs, &j->orphans};
    int err = 0;

    for (int i = 0; i < 4 && !err; i++) {
        if (streams[i]->ino < ino)
            err = check_stream_seek(streams[i], ino);
    }
    return err;
}

/* The record first: blocks are judged against it. */
static int join_one(struct join *j, uint64_t ino)
{
    struct check_item item = {.ino = ino};
    int err = j->check->subtree ? skip_to(j, ino) : 0;

    if (!err)
        err = gather_record(j, &item);
    if (!err)
        err = gather_blocks(j, &item);
    if (!err)
        err = gather_xattrs(j, &item);
    if (!err)
        err = gather_orphan(j, &item);
    if (!err)
        err = gather_names(j, &item);
    return err ? err : check_item(j->check, &item);
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
    if (!err && !root_seen && !j->inodes.hole_count && !j->check->subtree)
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
        err = load_entry(&j);
    if (!err)
        err = load_sum(&j);
    if (!err)
        err = join_all(&j);
    if (!err)
        err = check_lists_inodes_done(c);
    check_stream_done(&j.inodes);
    check_stream_done(&j.blocks);
    check_stream_done(&j.xattrs);
    check_stream_done(&j.orphans);
    return err;
}
