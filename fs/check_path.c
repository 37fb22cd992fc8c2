/*
 * The path of an inode, for messages: up from the inode to the root, asking the sorted names (or,
 * before there are any, the parent fields of directories) for each directory, and the directory for
 * the name. It reads whatever the store says, damaged or not, and stops after PATH_LEN_MAX bytes,
 * so that a loop of directories cannot hold it.
 */
#include <stdlib.h>

#include "fs/check_impl.h"

enum {
    PATH_LEN_MAX = 8192
};

/* The first of the sorted names of ino. */
static bool find_entry(struct check *c, uint64_t ino, struct check_entry *ret)
{
    uint64_t low = 0, high = sort_spill_count(c->entries);

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        if (check_entry_get(c, mid, ret))
            return false;
        if (ret->ino_type >> 4 < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low < sort_spill_count(c->entries) && !check_entry_get(c, low, ret) &&
           ret->ino_type >> 4 == ino;
}

/* The directory that holds ino; 0 when it is not known. */
static uint64_t parent_of(struct check *c, uint64_t ino)
{
    struct check_entry entry;
    struct lsm_value v;
    struct inode in;
    struct key k;
    uint64_t parent = 0;

    if (c->names_known && find_entry(c, ino, &entry))
        return entry.parent;
    key_ino(&k, KEY_INODE, ino);
    if (lsm_get(c->db, c->snapshot, k.data, k.len, &v))
        return 0;
    if (!inode_decode(ino, v.data, v.len, &in) && S_ISDIR(in.mode))
        parent = in.parent;
    lsm_value_done(&v);
    return parent;
}

/* The name of the entry that the iterator stands on when it names ino; its length, or 0. */
static size_t take_name(const struct lsm_iter *it, uint64_t ino, uint8_t name[256])
{
    size_t key_len, value_len, len;
    const uint8_t *key = lsm_iter_key(it, &key_len);
    const uint8_t *value = lsm_iter_value(it, &value_len);

    if (value_len != DIRENT_VALUE_LEN || get_le64(value) != ino || key_len <= KEY_DIRENT_HEAD_LEN ||
        key_len > KEY_DIRENT_HEAD_LEN + 255)
        return 0;
    len = key_len - KEY_DIRENT_HEAD_LEN;
    memcpy(name, key + KEY_DIRENT_HEAD_LEN, len);
    return len;
}

/*
 * The name of ino in directory parent, copied to name; its length, 0 when there is none. Where the
 * directory is damaged, it is looked for from both ends.
 */
static size_t name_in(struct check *c, uint64_t parent, uint64_t ino, uint8_t name[256])
{
    struct lsm_iter *it;
    struct key lower, upper;
    size_t found = 0;
    int rc;

    key_ino(&lower, KEY_DIRENT, parent);
    key_ino(&upper, KEY_DIRENT, parent + 1);
    if (lsm_iter_new(c->db, c->snapshot, lower.data, lower.len, upper.data, upper.len, &it))
        return 0;
    for (rc = lsm_iter_first(it); rc == 1 && !found; rc = lsm_iter_next(it))
        found = take_name(it, ino, name);
    if (lsm_is_damage(rc) && !found) {
        for (rc = lsm_iter_last(it); rc == 1 && !found; rc = lsm_iter_prev(it))
            found = take_name(it, ino, name);
    }
    lsm_iter_free(it);
    return found;
}

bool check_path(struct check *c, uint64_t ino, uint64_t parent)
{
    char path[PATH_LEN_MAX];
    size_t start = sizeof(path);

    if (ino == FS_ROOT_INO && !parent)
        return !buf_assign(&c->path, "/", 2);
    do {
        uint8_t name[256];
        size_t len;

        parent = parent ? parent : parent_of(c, ino);
        len = parent ? name_in(c, parent, ino, name) : 0;
        if (!len || len + 1 > start)
            return false;
        for (size_t i = 0; i < len; i++)
            name[i] = name[i] ? name[i] : '?';
        start -= len;
        memcpy(path + start, name, len);
        path[--start] = '/';
        ino = parent;
        parent = 0;
    } while (ino != FS_ROOT_INO);
    return !buf_assign(&c->path, path + start, sizeof(path) - start) &&
           !buf_append(&c->path, "", 1);
}
