/*
 * The path of an inode, for messages: up from the inode to the root, asking the sorted names for
 * each directory and its place in it. It reads whatever the store says, damaged or not.
 *
 * What is told one after the other often lies together, so the path of the directory that was asked
 * for last is kept. However deep a tree is, or if it has loops: a way up ends after PATH_LEN_MAX
 * bytes or where it goes in a loop, and then no path is told. After LEVELS_MAX directories in all,
 * only paths are told that are not deep.
 */
#include <stdlib.h>

#include "fs/check/check_impl.h"

enum {
    PATH_LEN_MAX = 8192,
    LEVELS_MAX = 1 << 20,
    SHALLOW_MAX = 64,    /* directories up, which is nothing much */
    SAME_HASH_MAX = 1000 /* entries at one place that are looked through */
};

/* A path that grows towards its beginning. */
struct way {
    size_t start;
    char text[PATH_LEN_MAX];
};

static bool prepend(struct way *w, const void *text, size_t len)
{
    if (len > w->start)
        return false;
    w->start -= len;
    memcpy(w->text + w->start, text, len);
    return true;
}

/* The name of ino that the iterator stands on, with a slash before it; false when it is none. */
static bool take_name(const struct lsm_iter *it, uint64_t ino, struct way *w)
{
    size_t key_len, value_len, len;
    const uint8_t *key = lsm_iter_key(it, &key_len);
    const uint8_t *value = lsm_iter_value(it, &value_len);

    if (value_len != DIRENT_VALUE_LEN || get_le64(value) != ino || key_len <= KEY_DIRENT_HEAD_LEN ||
        key_len > KEY_DIRENT_HEAD_LEN + 255)
        return false;
    len = key_len - KEY_DIRENT_HEAD_LEN;
    if (!prepend(w, key + KEY_DIRENT_HEAD_LEN, len))
        return false;
    for (size_t i = 0; i < len; i++)
        w->text[w->start + i] = w->text[w->start + i] ? w->text[w->start + i] : '?';
    return prepend(w, "/", 1);
}

/* Add the name at the entry's place in front of the way. */
static bool name_at(struct check *c, const struct check_entry *entry, struct way *w)
{
    struct lsm_iter *it;
    struct key lower, upper;
    bool found = false;
    int rc;

    key_dirent_range(&lower, &upper, entry->parent, entry->hash);
    if (lsm_iter_new(c->db, c->snapshot, lower.data, lower.len, upper.data, upper.len, &it))
        return false;
    rc = lsm_iter_first(it);
    for (int i = 0; i < SAME_HASH_MAX && rc == 1 && !found; i++, rc = lsm_iter_next(it))
        found = take_name(it, entry->ino_type >> 4, w);
    lsm_iter_free(it);
    return found;
}

/* Where the path of a directory is known without going up: 1 when it is, then it is added. */
static int take_known(struct check *c, uint64_t dir, struct way *w)
{
    if (dir == FS_ROOT_INO)
        return 1;
    if (c->subtree && dir == c->top)
        return prepend(w, c->top_path.data, c->top_path.len - 1) ? 1 : -1;
    if (dir != c->dir)
        return 0;
    return c->dir_known && prepend(w, c->dir_path.data, c->dir_path.len) ? 1 : -1;
}

/* Up from the directory. A loop is noticed where the way comes to a directory that it marked. */
static bool go_up(struct check *c, uint64_t dir, struct way *w)
{
    uint64_t marked = 0, passed = 0, turn = 1;

    for (;;) {
        struct check_entry entry;
        int rc = take_known(c, dir, w);

        if (rc)
            return rc > 0;
        if (dir == marked || (c->level_count++ >= LEVELS_MAX && passed >= SHALLOW_MAX))
            return false;
        if (++passed == turn) {
            marked = dir;
            turn *= 2;
        }
        if (!check_entry_find(c, dir, &entry) || !name_at(c, &entry, w))
            return false;
        dir = entry.parent;
    }
}

/* The path of a directory into c->dir_path, without a NUL; that of the root is empty. */
static bool dir_path(struct check *c, uint64_t dir)
{
    struct way w = {.start = sizeof(w.text)};
    bool known;

    if (dir == c->dir)
        return c->dir_known;
    known =
        go_up(c, dir, &w) && !buf_assign(&c->dir_path, w.text + w.start, sizeof(w.text) - w.start);
    c->dir = dir;
    c->dir_known = known;
    return known;
}

bool check_path(struct check *c, uint64_t ino, const struct check_entry *entry)
{
    struct way w = {.start = sizeof(w.text)};
    struct check_entry any;

    if (ino == FS_ROOT_INO && !entry)
        return !buf_assign(&c->path, "/", 2);
    if (c->subtree && ino == c->top && (!entry || entry->parent == c->top_parent))
        return !buf_assign(&c->path, c->top_path.data, c->top_path.len);
    if (!c->names_known || (!entry && !check_entry_find(c, ino, &any)))
        return false;
    entry = entry ? entry : &any;
    return name_at(c, entry, &w) && dir_path(c, entry->parent) &&
           !buf_assign(&c->path, c->dir_path.data, c->dir_path.len) &&
           !buf_append(&c->path, w.text + w.start, sizeof(w.text) - w.start) &&
           !buf_append(&c->path, "", 1);
}
