/*
 * The judgement of one inode against all that carries its number: names, blocks, attributes, the
 * list of orphans, and for directories the sums of their entries. Where damage may have swallowed
 * what is missing, nothing is said of it: the damage itself is reported already.
 */
#include <stdio.h>

#include "fs/acl_xattr.h"
#include "fs/check/check_item.h"

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

/* A finding of the item as a whole. */
static struct check_finding item_finding(const struct check_item *item, enum check_kind kind,
                                         enum check_fix fix)
{
    return (struct check_finding){.kind = kind, .fix = fix, .ino = item->ino, .item = item};
}

/* The root's number without a record that could be a directory's. */
static int tell_root(struct check *c, const struct check_item *item, const char *text)
{
    struct check_finding f = item_finding(item, CHECK_ROOT, FIX_ROOT);

    f.ino = 0;
    return check_found(c, &f, "%s", text);
}

/* Whether a lost record leaves enough behind to make another one. */
static bool has_contents(const struct check_item *item)
{
    return item->block_count || item->sum.entry_count ||
           (item->xattr_count && (item->entry_count || item->present));
}

/* Make it a finding of one of the item's names. */
static int take_entry(struct check *c, const struct check_item *item, uint64_t i,
                      struct check_finding *f)
{
    struct check_entry entry;
    int err = check_item_entry(c, item, i, &entry);

    if (err)
        return err;
    f->parent = entry.parent;
    f->hash = entry.hash;
    return 0;
}

/* The entries that name an inode whose record is missing. */
static int tell_dangling(struct check *c, const struct check_item *item)
{
    struct check_finding f =
        item_finding(item, CHECK_ENTRY_INODE, has_contents(item) ? FIX_REBUILD : FIX_NAME_REMOVE);
    int err = 0;

    if (item->record_unsure) {
        f.kind = CHECK_UNREADABLE;
        f.fix = FIX_NONE;
    }
    for (uint64_t i = 0; i < item->entry_count && !err; i++) {
        err = take_entry(c, item, i, &f);
        if (!err)
            err = check_found(c, &f,
                              item->record_unsure
                                  ? "its inode %llu cannot be read: damaged"
                                  : "the entry names inode %llu, which does not exist",
                              (unsigned long long)item->ino);
    }
    return err;
}

/* Keys for a number that no inode has. */
static int check_missing(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_ENTRY_PARENT, FIX_REBUILD);
    unsigned long long ino = item->ino;
    int err;

    if (item->ino == FS_ROOT_INO)
        return tell_root(c, item,
                         item->record_unsure ? "the root directory's inode cannot be read"
                                             : "the root directory has no inode");
    err = tell_dangling(c, item);
    if (err || item->record_unsure)
        return err;
    if (item->sum.entry_count)
        err = check_found(c, &f, "%llu entries lie in directory inode %llu, which does not exist",
                          (unsigned long long)item->sum.entry_count, ino);
    f.kind = CHECK_BLOCK_OWNER;
    if (!err && item->block_count)
        err = check_found(c, &f, "%llu blocks belong to inode %llu, which does not exist",
                          (unsigned long long)item->block_count, ino);
    f.kind = CHECK_XATTR_OWNER;
    f.fix = has_contents(item) ? FIX_REBUILD : FIX_XATTRS_DELETE;
    if (!err && item->xattr_count)
        err = check_found(c, &f, "%llu attributes belong to inode %llu, which does not exist",
                          (unsigned long long)item->xattr_count, ino);
    f.kind = CHECK_ORPHAN;
    f.fix = FIX_ORPHAN_UNLIST;
    if (!err && item->orphan)
        err = check_found(c, &f, "inode %llu is listed as an orphan but does not exist", ino);
    return err;
}

/* Numbers come from groups, groups from a counter. */
static int check_number(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_INODE_NUMBER, FIX_NUMBER);
    uint64_t group = item->ino >> 16, slot = item->ino & 0xffff;
    int err = 0;

    if (c->group_next && group >= c->group_next)
        return check_found(c, &f, "inode number %llu was never handed out",
                           (unsigned long long)item->ino);
    if (c->group.group != group) {
        if (c->group.group != UINT64_MAX)
            err = sort_spill_add(c->groups, &c->group);
        c->group.group = group;
    }
    c->group.slot_max = slot;
    return err;
}

/* Known since a repair: no problem, but worth to be told each time. */
static void tell_lost(struct check *c, const struct check_item *item)
{
    char text[512];

    if (!item->lost_count || !c->options->info)
        return;
    snprintf(text, sizeof(text),
             "%s: inode %llu: %llu blocks of %u bytes are lost since an earlier repair, the first "
             "at byte %llu",
             check_path(c, item->ino, NULL) ? (const char *)c->path.data : "?",
             (unsigned long long)item->ino, (unsigned long long)item->lost_count, c->block_len,
             (unsigned long long)item->lost_first * c->block_len);
    for (char *p = text; *p; p++)
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
    c->options->info(c->options->arg, text);
}

static int check_block_places(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_BLOCK_PLACE, FIX_BLOCKS_MOVE);
    int err = 0;

    f.found = item->behind_first;
    f.expected = item->block_count - item->hidden_count;
    if (item->behind_count)
        err = check_found(
            c, &f, "%llu blocks reach behind the end of the file at %llu; the first is block %llu",
            (unsigned long long)item->behind_count, (unsigned long long)item->in.size,
            (unsigned long long)item->behind_first);
    f.kind = CHECK_BLOCK_LEN;
    f.fix = FIX_BLOCKS_TRIM;
    if (!err && item->long_count)
        err = check_found(c, &f, "%llu blocks are longer than %u bytes; the first is block %llu",
                          (unsigned long long)item->long_count, c->block_len,
                          (unsigned long long)item->long_first);
    return err;
}

static int check_blocks(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_BLOCK_OWNER, FIX_BLOCKS_MOVE);
    const struct inode *in = &item->in;
    int err;

    tell_lost(c, item);
    if (!S_ISREG(in->mode) && item->block_count)
        return check_found(c, &f, "a %s has blocks", type_name(in->mode));
    err = check_block_places(c, item);
    if (err || item->block_count == in->block_count)
        return err;
    f.kind = CHECK_UNREADABLE;
    f.fix = FIX_NONE;
    if (item->blocks_unsure)
        return check_found(c, &f, "parts of the contents cannot be read: damaged");
    /* What the count should be depends on what becomes of those behind the end. */
    if (item->behind_count)
        return 0;
    f.kind = CHECK_BLOCK_COUNT;
    f.fix = FIX_BLOCK_COUNT;
    f.found = in->block_count;
    f.expected = item->block_count;
    return check_found(c, &f, "the inode counts %llu blocks, but there are %llu",
                       (unsigned long long)in->block_count, (unsigned long long)item->block_count);
}

static int check_orphan(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_ORPHAN, FIX_ORPHAN_NAMED);
    const struct inode *in = &item->in;

    f.expected = S_ISDIR(in->mode) ? 2 + item->sum.subdir_count : item->entry_count;
    if (c->subtree && f.expected < in->nlink)
        f.expected = in->nlink; /* it may have names elsewhere */
    if (item->orphan && (item->entry_count || item->ino == FS_ROOT_INO))
        return check_found(c, &f, "listed as an orphan, but it has a name");
    f.fix = FIX_ORPHAN_CONNECT;
    if (item->orphan && in->nlink)
        return check_found(c, &f, "orphan inode %llu has a link count of %u instead of 0",
                           (unsigned long long)item->ino, in->nlink);
    /* Only an empty directory can be deleted; the next mount would delete what leads to these. */
    if (item->orphan && S_ISDIR(in->mode) && item->sum.entry_count)
        return check_found(c, &f, "orphan inode %llu is a directory with %llu entries",
                           (unsigned long long)item->ino,
                           (unsigned long long)item->sum.entry_count);
    if (item->orphan) {
        c->result->orphan_count++;
        return 0;
    }
    if (item->entry_count || item->ino == FS_ROOT_INO || item->orphan_unsure || c->names_lost)
        return 0;
    f.kind = CHECK_UNREACHABLE;
    f.fix = FIX_CONNECT;
    return check_found(c, &f, "no name leads to inode %llu, a %s", (unsigned long long)item->ino,
                       type_name(in->mode));
}

static int check_links(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_LINK_COUNT, FIX_LINK_COUNT);
    const struct inode *in = &item->in;

    if (item->orphan || c->names_lost)
        return 0;
    f.found = in->nlink;
    f.expected = item->entry_count;
    if (S_ISDIR(in->mode))
        f.expected = 2 + item->sum.subdir_count;
    else if (!item->entry_count)
        return 0; /* told as unreachable */
    else if (c->subtree && f.found > f.expected)
        return 0; /* it may have names elsewhere */
    if (f.found == f.expected)
        return 0;
    return check_found(c, &f, "the link count is %u, but it should be %llu", in->nlink,
                       (unsigned long long)f.expected);
}

static int check_entry_types(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_ENTRY_TYPE, FIX_ENTRY_TYPE);
    int err = 0;

    for (uint64_t i = 0; i < item->entry_count && !err; i++) {
        struct check_entry entry;
        uint32_t type;

        err = check_item_entry(c, item, i, &entry);
        if (err)
            break;
        type = check_entry_type(&entry);
        f.parent = entry.parent;
        f.hash = entry.hash;
        if (type != (item->in.mode & S_IFMT))
            err = check_found(c, &f, "the entry says %s, but the inode is a %s", type_name(type),
                              type_name(item->in.mode));
    }
    return err;
}

static int check_parent_field(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_DIR_PARENT, FIX_DIR_PARENT);

    f.found = item->in.parent;
    f.expected = item->entry_count ? item->entry.parent : 0;
    if (item->ino == FS_ROOT_INO)
        f.expected = FS_ROOT_INO;
    else if (item->entry_count > 1)
        return 0;
    if (!f.expected || f.found == f.expected)
        return 0;
    return check_found(c, &f, "the directory says that inode %llu holds it, but inode %llu does",
                       (unsigned long long)f.found, (unsigned long long)f.expected);
}

static int check_dir_names(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_ROOT, FIX_NAME_REMOVE);
    int err = 0;

    if (item->ino == FS_ROOT_INO) {
        for (uint64_t i = 0; i < item->entry_count && !err; i++) {
            err = take_entry(c, item, i, &f);
            if (!err)
                err = check_found(c, &f, "an entry names the root directory");
        }
        return err;
    }
    f.kind = CHECK_DIR_LINKS;
    f.fix = FIX_DIR_LINKS;
    if (item->entry_count > 1)
        err = check_found(c, &f, "%llu names lead to this directory",
                          (unsigned long long)item->entry_count);
    return err;
}

static int check_dir_size(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_DIR_SIZE, FIX_DIR_SIZE);

    f.found = item->in.size;
    f.expected = item->sum.entry_count;
    if (f.found == f.expected)
        return 0;
    if (f.found > f.expected && c->names_lost) {
        f.kind = CHECK_UNREADABLE;
        f.fix = FIX_NONE;
        return check_found(c, &f, "%llu of its %llu entries cannot be read: damaged",
                           (unsigned long long)(f.found - f.expected), (unsigned long long)f.found);
    }
    return check_found(c, &f, "the directory counts %llu entries, but it has %llu",
                       (unsigned long long)f.found, (unsigned long long)f.expected);
}

static int check_directory(struct check *c, const struct check_item *item)
{
    struct check_dir dir = {
        .ino = item->ino,
        .parent = item->entry_count ? item->entry.parent : 0,
        .group = item->in.group,
        .next_slot = item->in.next_slot,
    };
    int err = sort_spill_add(c->dirs, &dir);

    if (!err && dir.group)
        err = sort_spill_add(c->group_dirs, &dir);
    if (!err)
        err = check_dir_names(c, item);
    if (!err)
        err = check_parent_field(c, item);
    return err ? err : check_dir_size(c, item);
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
    struct check_finding f = item_finding(item, CHECK_XATTR_FLAG, FIX_XATTR_FLAG);

    if (!item->xattr_count || item->in.flags & INODE_HAS_XATTR)
        return 0;
    return check_found(c, &f, "%llu attributes are hidden: the inode says that it has none",
                       (unsigned long long)item->xattr_count);
}

/* Lists where there can be none. */
static int check_acl_places(struct check *c, const struct check_item *item, uint32_t misplaced)
{
    static const enum acl_kind kinds[] = {ACL_ACCESS, ACL_DEFAULT};
    struct check_finding f = item_finding(item, CHECK_ACL, FIX_KEY_DELETE);
    int err = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !err; i++) {
        struct key k;

        if (!(misplaced & (uint32_t)kinds[i]))
            continue;
        acl_key(&k, item->ino, kinds[i]);
        f.key = slice_of(k.data, k.len);
        err = check_found(c, &f, "a %s has %s access control list", type_name(item->in.mode),
                          kinds[i] == ACL_ACCESS ? "an" : "a default");
    }
    return err;
}

static int check_acls(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_ACL, FIX_ACL_FLAGS);
    uint32_t possible = acl_flags_possible(item->in.mode);
    int err = check_acl_places(c, item, item->acls & ~possible);

    f.found = item->in.flags & (INODE_HAS_ACL | INODE_HAS_DEFAULT_ACL);
    /* A list that is none asks for nothing: its flag stays until it is deleted. */
    f.expected = item->acls & possible & ~item->acls_faulty;
    f.expected |= f.found & item->acls_faulty;
    if (err || f.found == f.expected || (f.found & ~f.expected && item->xattrs_unsure))
        return err;
    return check_found(c, &f,
                       f.found & ~f.expected
                           ? "the inode says that it has an access control list, but there is none"
                           : "an access control list is hidden: the inode says that it has none");
}

/* What holds for inodes of every type but the number, in the order in which it is told. */
static int check_good(struct check *c, const struct check_item *item)
{
    static int (*const steps[])(struct check *, const struct check_item *) = {
        check_entry_types, check_orphan, check_links, check_blocks, check_xattrs, check_acls,
    };
    struct check_finding f = item_finding(item, CHECK_ENTRY_PARENT, FIX_ENTRIES_MOVE);
    int err = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++)
        err = steps[i](c, item);
    if (err)
        return err;
    if (S_ISDIR(item->in.mode))
        return check_directory(c, item);
    if (!item->sum.entry_count)
        return 0;
    return check_found(c, &f, "%llu entries lie in what is a %s",
                       (unsigned long long)item->sum.entry_count, type_name(item->in.mode));
}

/* A record that says nothing: what else carries the number decides what becomes of it. */
static int check_undecodable(struct check *c, const struct check_item *item)
{
    struct check_finding f = item_finding(item, CHECK_INODE_RECORD, FIX_RECORD_DROP);
    uint32_t type = item->entry_count ? check_entry_type(&item->entry) : 0;

    if (item->ino == FS_ROOT_INO)
        return tell_root(c, item, "the root directory's inode cannot be decoded");
    if (has_contents(item) || S_ISREG(type) || S_ISDIR(type))
        f.fix = FIX_REBUILD;
    return check_found(c, &f, "the record of inode %llu cannot be decoded",
                       (unsigned long long)item->ino);
}

int check_item(struct check *c, const struct check_item *item)
{
    char text[64];
    int err;

    if (!item->present)
        return check_missing(c, item);
    err = check_number(c, item);
    if (err)
        return err;
    if (!item->good)
        return check_undecodable(c, item);
    count_type(c->result, item->in.mode);
    if (item->ino != FS_ROOT_INO || S_ISDIR(item->in.mode))
        return check_good(c, item);
    snprintf(text, sizeof(text), "the root is a %s", type_name(item->in.mode));
    return tell_root(c, item, text);
}
