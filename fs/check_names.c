/*
 * The checker's pass over the names: every 'D' key by itself, and the sums of each directory.
 * What each entry names is collected and sorted by inode, for the pass that joins them.
 */
#include <stdlib.h>

#include "fs/check_impl.h"

/* Why a name may not be one; NULL when it may. */
static const char *name_fault(struct slice name)
{
    if (!name.len)
        return "an empty name";
    if (name.len > FS_NAME_LEN_MAX)
        return "a name that is too long";
    if (memchr(name.data, 0, name.len))
        return "a name with a NUL in it";
    if (memchr(name.data, '/', name.len))
        return "a name with a slash in it";
    if ((name.len == 1 && name.data[0] == '.') || (name.len == 2 && !memcmp(name.data, "..", 2)))
        return "an entry called \".\" or \"..\"";
    return NULL;
}

static int check_name(struct check *c, uint64_t hash, struct slice name, struct check_finding *f)
{
    const char *fault = name_fault(name);

    f->kind = CHECK_NAME;
    f->fix = FIX_ENTRY_RENAME;
    if (fault)
        return check_found(c, f, "%s (in directory inode %llu)", fault,
                           (unsigned long long)f->parent);
    f->kind = CHECK_NAME_HASH;
    f->fix = FIX_ENTRY_REHASH;
    if (c->has_secret && dirent_hash(c->hash_secret, (const char *)name.data, name.len) != hash)
        return check_found(c, f, "stored under hash %016llx, where no look-up finds it",
                           (unsigned long long)hash);
    return 0;
}

static bool type_known(uint32_t mode)
{
    switch (mode) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return true;
    default:
        return false;
    }
}

/* Begin the sum of a directory; entries come in the order of their directories. */
static int begin_sum(struct check *c, uint64_t dir)
{
    int err = 0;

    if (c->sum.dir == dir)
        return 0;
    if (c->sum.dir != UINT64_MAX)
        err = sort_spill_add(c->sums, &c->sum);
    c->sum = (struct check_sum){.dir = dir};
    return err;
}

int check_name_collect(struct check *c, uint64_t ino, uint32_t type, uint64_t parent)
{
    struct check_entry entry = {ino << 4 | type >> 12, parent};

    return sort_spill_add(c->entries, &entry);
}

int check_entry_add(struct check *c, uint64_t parent, struct slice key, struct slice value)
{
    struct check_finding f = {.parent = parent, .key = key, .value = value};
    struct slice name;
    uint64_t ino;
    int err;

    if (key.len < KEY_DIRENT_HEAD_LEN) {
        f.kind = CHECK_KEY;
        f.fix = FIX_KEY_DELETE;
        return check_found(c, &f, "an entry of directory inode %llu has no name",
                           (unsigned long long)parent);
    }
    name = slice_of(key.data + KEY_DIRENT_HEAD_LEN, key.len - KEY_DIRENT_HEAD_LEN);
    err = check_name(c, get_be64(key.data + KEY_INODE_LEN), name, &f);
    if (!err)
        err = begin_sum(c, parent);
    if (err)
        return err;
    c->sum.entry_count++;
    c->result->name_count++;
    f.kind = CHECK_ENTRY_RECORD;
    f.fix = FIX_ENTRY_RECORD;
    if (value.len != DIRENT_VALUE_LEN || !type_known((uint32_t)value.data[8] << 12))
        return check_found(c, &f, "the entry cannot be decoded");
    ino = get_le64(value.data);
    f.kind = CHECK_ENTRY_INODE;
    f.fix = FIX_ENTRY_REMOVE;
    if (!ino || ino >= CHECK_INO_END)
        return check_found(c, &f, "the entry names inode %llu, which cannot exist",
                           (unsigned long long)ino);
    c->sum.subdir_count += value.data[8] == S_IFDIR >> 12;
    return check_name_collect(c, ino, (uint32_t)value.data[8] << 12, parent);
}

static int read_all(struct check *c)
{
    struct check_stream s;
    int err = check_stream_open(c, KEY_DIRENT, &s);

    while (!err && s.ino != CHECK_INO_NONE) {
        err = check_entry_add(c, s.ino, s.key, s.value);
        check_progress(c, CHECK_PHASE_NAMES, s.ino);
        if (!err)
            err = check_stream_next(&s);
    }
    c->names_lost = s.hole_count > 0;
    check_stream_done(&s);
    return err;
}

int check_names(struct check *c)
{
    int err = c->subtree ? check_subtree_names(c) : read_all(c);

    if (!err)
        err = check_lists_names_done(c);
    c->names_known = !err;
    return err;
}
