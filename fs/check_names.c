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
    switch (mode & S_IFMT) {
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

/* The sum of a directory; entries come in the order of their directories. */
static struct check_sum *sum_of(struct check *c, uint64_t dir)
{
    struct check_sum *sum;

    if (c->sums.count) {
        sum = (struct check_sum *)c->sums.items + c->sums.count - 1;
        if (sum->dir == dir)
            return sum;
    }
    sum = check_array_add(&c->sums, sizeof(*sum));
    if (sum)
        *sum = (struct check_sum){.dir = dir};
    return sum;
}

static int check_entry(struct check *c, uint64_t parent, struct slice key, struct slice value)
{
    struct check_finding f = {.parent = parent, .key = key, .value = value};
    struct slice name;
    struct check_sum *sum;
    struct check_entry *entry;
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
    sum = err ? NULL : sum_of(c, parent);
    if (!sum)
        return err ? err : -ENOMEM;
    sum->entry_count++;
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
    sum->subdir_count += value.data[8] == S_IFDIR >> 12;
    entry = check_array_add(&c->entries, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    *entry = (struct check_entry){ino << 4 | value.data[8], parent};
    return 0;
}

static int entry_cmp(const void *a, const void *b)
{
    const struct check_entry *x = a, *y = b;

    if (x->ino_type != y->ino_type)
        return x->ino_type < y->ino_type ? -1 : 1;
    return (x->parent > y->parent) - (x->parent < y->parent);
}

int check_names(struct check *c)
{
    struct check_stream s;
    int err = check_stream_open(c, KEY_DIRENT, &s);

    while (!err && s.ino != CHECK_INO_NONE) {
        err = check_entry(c, s.ino, s.key, s.value);
        check_progress(c, CHECK_PHASE_NAMES, s.ino);
        if (!err)
            err = check_stream_next(&s);
    }
    c->names_lost = s.hole_count > 0;
    check_stream_done(&s);
    if (err)
        return err;
    if (c->entries.count)
        qsort(c->entries.items, c->entries.count, sizeof(struct check_entry), entry_cmp);
    c->names_known = true;
    return 0;
}
