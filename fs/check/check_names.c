/*
 * The checker's pass over the names: every 'D' key by itself, and the sums of each directory.
 * What each entry names is collected and sorted by inode, for the pass that joins them. Paths are
 * found by the sorted names, so that what is wrong with an entry itself is told after them.
 */
#include <stdlib.h>

#include "fs/check/check_impl.h"

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

int check_name_collect(struct check *c, uint64_t ino, uint32_t type, uint64_t parent, uint64_t hash)
{
    struct check_entry entry = {ino << 4 | type >> 12, parent, hash};

    return sort_spill_add(c->entries, &entry);
}

/* What is wrong with an entry's value; false for nothing. */
static bool value_fault(struct slice value, struct check_finding *ret)
{
    uint64_t ino;

    ret->kind = CHECK_ENTRY_RECORD;
    ret->fix = FIX_ENTRY_RECORD;
    if (value.len != DIRENT_VALUE_LEN || !type_known((uint32_t)value.data[8] << 12))
        return true;
    ino = get_le64(value.data);
    ret->kind = CHECK_ENTRY_INODE;
    ret->fix = FIX_ENTRY_REMOVE;
    return !ino || ino >= CHECK_INO_END;
}

static bool hash_is_wrong(const struct check *c, uint64_t hash, struct slice name)
{
    return c->has_secret && dirent_hash(c->hash_secret, (const char *)name.data, name.len) != hash;
}

int check_entry_add(struct check *c, uint64_t parent, struct slice key, struct slice value)
{
    struct check_finding f = {.parent = parent, .key = key, .value = value};
    struct check_fault fault = {.parent = parent};
    struct slice name;
    bool bad_value;
    int err;

    if (key.len < KEY_DIRENT_HEAD_LEN) {
        f.kind = CHECK_KEY;
        f.fix = FIX_KEY_DELETE;
        return check_found(c, &f, "an entry of directory inode %llu has no name",
                           (unsigned long long)parent);
    }
    name = slice_of(key.data + KEY_DIRENT_HEAD_LEN, key.len - KEY_DIRENT_HEAD_LEN);
    fault.hash = get_be64(key.data + KEY_INODE_LEN);
    bad_value = value_fault(value, &f);
    err = begin_sum(c, parent);
    if (!err && (bad_value || name_fault(name) || hash_is_wrong(c, fault.hash, name)))
        err = sort_spill_add(c->faults, &fault);
    if (err)
        return err;
    c->sum.entry_count++;
    c->result->name_count++;
    if (bad_value)
        return 0;
    c->sum.subdir_count += value.data[8] == S_IFDIR >> 12;
    return check_name_collect(c, get_le64(value.data), (uint32_t)value.data[8] << 12, parent,
                              fault.hash);
}

/* --- Telling --- */

static int tell_name(struct check *c, uint64_t hash, struct slice name, struct check_finding *f)
{
    const char *fault = name_fault(name);

    f->kind = CHECK_NAME;
    f->fix = FIX_ENTRY_RENAME;
    if (fault)
        return check_found(c, f, "%s (in directory inode %llu)", fault,
                           (unsigned long long)f->parent);
    f->kind = CHECK_NAME_HASH;
    f->fix = FIX_ENTRY_REHASH;
    if (hash_is_wrong(c, hash, name))
        return check_found(c, f, "stored under hash %016llx, where no look-up finds it",
                           (unsigned long long)hash);
    return 0;
}

static int tell_entry(struct check *c, const struct check_fault *fault, struct slice key,
                      struct slice value)
{
    struct check_finding f = {.parent = fault->parent, .key = key, .value = value};
    int err =
        tell_name(c, fault->hash,
                  slice_of(key.data + KEY_DIRENT_HEAD_LEN, key.len - KEY_DIRENT_HEAD_LEN), &f);

    if (err || !value_fault(value, &f))
        return err;
    if (f.kind == CHECK_ENTRY_RECORD)
        return check_found(c, &f, "the entry cannot be decoded");
    return check_found(c, &f, "the entry names inode %llu, which cannot exist",
                       (unsigned long long)get_le64(value.data));
}

/* All that is wrong at one place of a directory. What cannot be read was told before. */
static int tell_fault(struct check *c, const struct check_fault *fault)
{
    struct lsm_iter *it;
    struct key lower, upper;
    int err = 0, rc;

    key_dirent_range(&lower, &upper, fault->parent, fault->hash);
    rc = lsm_iter_new(c->db, c->snapshot, lower.data, lower.len, upper.data, upper.len, &it);
    if (rc)
        return rc;
    for (rc = lsm_iter_first(it); rc == 1 && !err; rc = lsm_iter_next(it)) {
        struct slice key, value;

        key.data = lsm_iter_key(it, &key.len);
        value.data = lsm_iter_value(it, &value.len);
        if (key.len >= KEY_DIRENT_HEAD_LEN)
            err = tell_entry(c, fault, key, value);
    }
    lsm_iter_free(it);
    return err ? err : rc < 0 && !lsm_is_damage(rc) ? rc : 0;
}

/* Several at one place follow each other. */
static int tell_faults(struct check *c)
{
    struct check_fault fault, before = {0};
    int err = 0;

    for (uint64_t i = 0; i < sort_spill_count(c->faults) && !err; i++) {
        err = check_fault_get(c, i, &fault);
        if (!err && (fault.parent != before.parent || fault.hash != before.hash))
            err = tell_fault(c, &fault);
        before = fault;
    }
    return err;
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
    return err ? err : tell_faults(c);
}
