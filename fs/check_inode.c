/*
 * The judgement of one inode against all that carries its number: names, blocks, attributes, the
 * list of orphans, and for directories the sums of their entries. Where damage may have swallowed
 * what is missing, nothing is said of it: the damage itself is reported already.
 */
#include "fs/check_item.h"

static const char *type_name(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "regular file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symbolic link";
    case S_IFCHR:
        return "character device";
    case S_IFBLK:
        return "block device";
    case S_IFIFO:
        return "FIFO";
    case S_IFSOCK:
        return "socket";
    default:
        return NULL;
    }
}

/* Keys for a number that no inode has. */
static int check_missing(struct check *c, const struct check_item *item)
{
    unsigned long long ino = item->ino;
    int err = 0;

    if (item->ino == FS_ROOT_INO)
        err = check_problem(c, CHECK_ROOT,
                            item->record_unsure ? "the root directory's inode cannot be read"
                                                : "the root directory has no inode");
    for (size_t i = 0; i < item->entry_count && !err; i++) {
        if (item->record_unsure)
            err = check_link_problem(c, CHECK_UNREADABLE, item->ino, item->entries[i].parent,
                                     "its inode %llu cannot be read: damaged", ino);
        else
            err = check_link_problem(c, CHECK_ENTRY_INODE, item->ino, item->entries[i].parent,
                                     "the entry names inode %llu, which does not exist", ino);
    }
    if (err || item->record_unsure)
        return err;
    if (item->sum.entry_count && item->ino != FS_ROOT_INO)
        err = check_inode_problem(c, CHECK_ENTRY_PARENT, item->ino,
                                  "%llu entries lie in directory inode %llu, which does not exist",
                                  (unsigned long long)item->sum.entry_count, ino);
    if (!err && item->block_count)
        err = check_inode_problem(c, CHECK_BLOCK_OWNER, item->ino,
                                  "%llu blocks belong to inode %llu, which does not exist",
                                  (unsigned long long)item->block_count, ino);
    if (!err && item->xattr_count)
        err = check_inode_problem(c, CHECK_XATTR_OWNER, item->ino,
                                  "%llu attributes belong to inode %llu, which does not exist",
                                  (unsigned long long)item->xattr_count, ino);
    if (!err && item->orphan)
        err = check_inode_problem(c, CHECK_ORPHAN, item->ino,
                                  "inode %llu is listed as an orphan but does not exist", ino);
    return err;
}

static int check_record(struct check *c, const struct check_item *item)
{
    const struct inode *in = &item->in;

    if (S_ISREG(in->mode) && in->size > FS_FILE_LEN_MAX)
        return check_inode_problem(c, CHECK_INODE_RECORD, item->ino,
                                   "the size %llu is larger than a file can be",
                                   (unsigned long long)in->size);
    if (S_ISLNK(in->mode) && (in->size != item->target_len || !in->size))
        return check_inode_problem(c, CHECK_INODE_RECORD, item->ino,
                                   "the size %llu is not the length %zu of the link's target",
                                   (unsigned long long)in->size, item->target_len);
    if (S_ISDIR(in->mode) && in->next_slot > INODE_SLOT_COUNT)
        return check_inode_problem(c, CHECK_INODE_RECORD, item->ino,
                                   "the next slot %u is impossible", in->next_slot);
    return 0;
}

/* Numbers come from groups, groups from a counter. */
static int check_number(struct check *c, const struct check_item *item)
{
    uint64_t group = item->ino >> 16, slot = item->ino & 0xffff;
    struct check_group *last = NULL;

    if (!item->ino || (c->group_next && group >= c->group_next))
        return check_inode_problem(c, CHECK_INODE_NUMBER, item->ino,
                                   "inode number %llu was never handed out",
                                   (unsigned long long)item->ino);
    if (c->groups.count)
        last = (struct check_group *)c->groups.items + c->groups.count - 1;
    if (!last || last->group != group) {
        last = check_array_add(&c->groups, sizeof(*last));
        if (!last)
            return -ENOMEM;
        last->group = group;
    }
    last->slot_max = slot;
    return 0;
}

static int check_blocks(struct check *c, const struct check_item *item)
{
    const struct inode *in = &item->in;
    int err = 0;

    if (!S_ISREG(in->mode) && (item->block_count || in->block_count))
        return check_inode_problem(c, CHECK_BLOCK_OWNER, item->ino, "a %s has blocks",
                                   type_name(in->mode));
    if (item->behind_count)
        err = check_inode_problem(c, CHECK_BLOCK_PLACE, item->ino,
                                  "%llu blocks reach behind the end of the file at %llu; the first "
                                  "is block %llu",
                                  (unsigned long long)item->behind_count,
                                  (unsigned long long)in->size,
                                  (unsigned long long)item->behind_first);
    if (!err && item->long_count)
        err = check_inode_problem(c, CHECK_BLOCK_LEN, item->ino,
                                  "%llu blocks are longer than %u bytes; the first is block %llu",
                                  (unsigned long long)item->long_count, c->block_len,
                                  (unsigned long long)item->long_first);
    if (err || item->block_count == in->block_count)
        return err;
    if (item->blocks_unsure)
        return check_inode_problem(c, CHECK_UNREADABLE, item->ino,
                                   "parts of the contents cannot be read: damaged");
    return check_inode_problem(
        c, CHECK_BLOCK_COUNT, item->ino, "the inode counts %llu blocks, but there are %llu",
        (unsigned long long)in->block_count, (unsigned long long)item->block_count);
}

static int check_orphan(struct check *c, const struct check_item *item)
{
    const struct inode *in = &item->in;

    if (item->orphan && item->entry_count)
        return check_inode_problem(c, CHECK_ORPHAN, item->ino,
                                   "listed as an orphan, but it has a name");
    if (item->orphan && in->nlink)
        return check_inode_problem(c, CHECK_ORPHAN, item->ino,
                                   "orphan inode %llu has a link count of %u instead of 0",
                                   (unsigned long long)item->ino, in->nlink);
    if (item->orphan) {
        c->result->orphan_count++;
        return 0;
    }
    if (item->entry_count || item->ino == FS_ROOT_INO || item->orphan_unsure || c->names_lost)
        return 0;
    return check_inode_problem(c, CHECK_UNREACHABLE, item->ino, "no name leads to inode %llu, a %s",
                               (unsigned long long)item->ino, type_name(in->mode));
}

static int check_links(struct check *c, const struct check_item *item)
{
    const struct inode *in = &item->in;
    uint64_t expected = item->entry_count;

    if (item->orphan || c->names_lost)
        return 0;
    if (S_ISDIR(in->mode))
        expected = 2 + item->sum.subdir_count;
    else if (!item->entry_count)
        return 0; /* told as unreachable */
    if (in->nlink == expected)
        return 0;
    return check_inode_problem(c, CHECK_LINK_COUNT, item->ino,
                               "the link count is %u, but it should be %llu", in->nlink,
                               (unsigned long long)expected);
}

static int check_entry_types(struct check *c, const struct check_item *item)
{
    int err = 0;

    for (size_t i = 0; i < item->entry_count && !err; i++) {
        uint32_t type = (uint32_t)(item->entries[i].ino_type & 0xf) << 12;

        if (type != (item->in.mode & S_IFMT))
            err = check_link_problem(c, CHECK_ENTRY_TYPE, item->ino, item->entries[i].parent,
                                     "the entry says %s, but the inode is a %s", type_name(type),
                                     type_name(item->in.mode));
    }
    return err;
}

static int check_parent_field(struct check *c, const struct check_item *item)
{
    uint64_t parent = item->entry_count ? item->entries[0].parent : 0;

    if (item->ino == FS_ROOT_INO)
        parent = FS_ROOT_INO;
    if (!parent || item->entry_count > 1 || parent == item->in.parent)
        return 0;
    return check_inode_problem(c, CHECK_DIR_PARENT, item->ino,
                               "the directory says that inode %llu holds it, but inode %llu does",
                               (unsigned long long)item->in.parent, (unsigned long long)parent);
}

static int check_directory(struct check *c, const struct check_item *item)
{
    const struct inode *in = &item->in;
    struct check_dir *dir = check_array_add(&c->dirs, sizeof(*dir));
    int err = 0;

    if (!dir)
        return -ENOMEM;
    *dir = (struct check_dir){
        .ino = item->ino,
        .parent = item->entry_count ? item->entries[0].parent : 0,
        .group = in->group,
        .next_slot = in->next_slot,
    };
    if (item->ino == FS_ROOT_INO && item->entry_count)
        err = check_link_problem(c, CHECK_ROOT, item->ino, item->entries[0].parent,
                                 "an entry names the root directory");
    else if (item->entry_count > 1)
        err = check_inode_problem(c, CHECK_DIR_LINKS, item->ino, "%zu names lead to this directory",
                                  item->entry_count);
    if (!err)
        err = check_parent_field(c, item);
    if (!err && in->size > item->sum.entry_count && c->names_lost)
        err = check_inode_problem(
            c, CHECK_UNREADABLE, item->ino, "%llu of its %llu entries cannot be read: damaged",
            (unsigned long long)(in->size - item->sum.entry_count), (unsigned long long)in->size);
    else if (!err && in->size != item->sum.entry_count)
        err = check_inode_problem(
            c, CHECK_DIR_SIZE, item->ino, "the directory counts %llu entries, but it has %llu",
            (unsigned long long)in->size, (unsigned long long)item->sum.entry_count);
    return err;
}

static void count_type(struct check_result *r, uint32_t mode)
{
    if (S_ISREG(mode))
        r->file_count++;
    else if (S_ISDIR(mode))
        r->directory_count++;
    else if (S_ISLNK(mode))
        r->symlink_count++;
    else
        r->special_count++;
}

static int check_xattrs(struct check *c, const struct check_item *item)
{
    if (!item->xattr_count || item->in.flags & INODE_HAS_XATTR)
        return 0;
    return check_inode_problem(c, CHECK_XATTR_FLAG, item->ino,
                               "%llu attributes are hidden: the inode says that it has none",
                               (unsigned long long)item->xattr_count);
}

/* What holds for inodes of every type but the number, in the order in which it is told. */
static int check_good(struct check *c, const struct check_item *item)
{
    static int (*const steps[])(struct check *, const struct check_item *) = {
        check_record, check_entry_types, check_orphan, check_links, check_blocks, check_xattrs,
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++)
        err = steps[i](c, item);
    if (err)
        return err;
    if (S_ISDIR(item->in.mode))
        return check_directory(c, item);
    if (item->ino == FS_ROOT_INO)
        return check_problem(c, CHECK_ROOT, "the root is a %s", type_name(item->in.mode));
    if (item->sum.entry_count)
        return check_inode_problem(
            c, CHECK_ENTRY_PARENT, item->ino, "%llu entries lie in what is a %s",
            (unsigned long long)item->sum.entry_count, type_name(item->in.mode));
    return 0;
}

int check_item(struct check *c, const struct check_item *item)
{
    int err;

    if (!item->present)
        return check_missing(c, item);
    err = check_number(c, item);
    if (err)
        return err;
    if (!item->good || !type_name(item->in.mode)) {
        if (item->ino == FS_ROOT_INO)
            err = check_problem(c, CHECK_ROOT, "the root directory's inode cannot be decoded");
        return err ? err
                   : check_inode_problem(c, CHECK_INODE_RECORD, item->ino,
                                         "the record of inode %llu cannot be decoded",
                                         (unsigned long long)item->ino);
    }
    count_type(c->result, item->in.mode);
    return check_good(c, item);
}
