/*
 * The checker's pass over the names of a part of the tree: what is below one path. Directories are
 * read level by level; what they name is collected as for the whole store, and the passes behind
 * take only what was collected.
 *
 * What a part cannot tell is not judged: whether a file has names elsewhere, what no name leads to,
 * and everything outside.
 */
#include <stdlib.h>

#include "fs/check/check_impl.h"

/* One step down from the directory c->top. */
static int step(struct check *c, const char *name, size_t len)
{
    struct lsm_value v;
    struct key k;
    uint64_t ino;
    int err;

    if (c->top_type != S_IFDIR)
        return -ENOTDIR;
    if (len > FS_NAME_LEN_MAX)
        return -ENAMETOOLONG;
    key_dirent(&k, c->top, dirent_hash(c->hash_secret, name, len), name, len);
    err = lsm_get(c->db, c->snapshot, k.data, k.len, &v);
    if (err)
        return err;
    c->top_parent = c->top;
    c->top_hash = get_be64(k.data + KEY_INODE_LEN);
    if (!dirent_value_decode(v.data, v.len, &ino, &c->top_type))
        err = err_raise(ERR_DIRENT_RECORD, "an entry of the path cannot be decoded; check the "
                                           "directory above it");
    else
        c->top = ino;
    lsm_value_done(&v);
    if (!err)
        err = buf_append(&c->top_path, "/", 1);
    return err ? err : buf_append(&c->top_path, name, len);
}

/* The next component of a path but "."; NULL at the end. */
static const char *next_part(const char *p, size_t *ret_len)
{
    for (;;) {
        p += strspn(p, "/");
        *ret_len = strcspn(p, "/");
        if (*ret_len != 1 || *p != '.')
            return *p ? p : NULL;
        p++;
    }
}

bool check_path_is_part(const char *path)
{
    size_t len;

    return path && next_part(path, &len);
}

/* Find what the path names. A path is that of fs_resolve, without "..". */
static int find_top(struct check *c)
{
    const char *p = c->options->path;
    size_t len;
    int err = 0;

    if (!c->has_secret || !c->block_len)
        return err_raise(ERR_SUPER_RECORD,
                         "the superblock's facts are damaged: the whole store must be checked");
    c->top = FS_ROOT_INO;
    c->top_parent = 0;
    c->top_type = S_IFDIR;
    for (p = next_part(p, &len); p && !err; p = next_part(p + len, &len))
        err = len == 2 && !memcmp(p, "..", 2) ? -EINVAL : step(c, p, len);
    return err ? err : buf_append(&c->top_path, "", 1);
}

/* --- Level by level --- */

static int ino_cmp(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int add_ino(struct check_array *a, uint64_t ino)
{
    uint64_t *item = check_array_add(a, sizeof(*item));

    if (!item)
        return -ENOMEM;
    *item = ino;
    return 0;
}

static int read_dir(struct check *c, struct check_stream *s, uint64_t dir, struct check_array *next)
{
    int err = check_stream_seek(s, dir);

    while (!err && s->ino == dir) {
        uint64_t ino;
        uint32_t type;

        if (dirent_value_decode(s->value.data, s->value.len, &ino, &type) && S_ISDIR(type))
            err = add_ino(next, ino);
        if (!err)
            err = check_entry_add(c, s->ino, s->key, s->value);
        if (!err)
            err = check_stream_next(s);
    }
    return err;
}

/* Sort the numbers, each once, without those that were seen; then count them as seen. */
static int settle_level(struct check_array *level, struct check_array *seen)
{
    uint64_t *inos = level->items;
    size_t count = 0, seen_count = seen->count;
    int err = 0;

    if (level->count)
        qsort(inos, level->count, sizeof(*inos), ino_cmp);
    for (size_t i = 0; i < level->count && !err; i++) {
        if ((i && inos[i] == inos[i - 1]) ||
            (seen_count && bsearch(&inos[i], seen->items, seen_count, sizeof(*inos), ino_cmp)))
            continue;
        err = add_ino(seen, inos[i]);
        inos[count++] = inos[i];
    }
    level->count = count;
    if (seen->count)
        qsort(seen->items, seen->count, sizeof(uint64_t), ino_cmp);
    return err;
}

static int read_levels(struct check *c, struct check_stream *s)
{
    struct check_array level = {0}, next = {0}, seen = {0}, spare;
    int err = S_ISDIR(c->top_type) ? add_ino(&level, c->top) : 0;

    while (!err && level.count) {
        err = settle_level(&level, &seen);
        for (size_t i = 0; i < level.count && !err; i++)
            err = read_dir(c, s, ((const uint64_t *)level.items)[i], &next);
        spare = level;
        level = next;
        next = spare;
        next.count = 0;
    }
    free(level.items);
    free(next.items);
    free(seen.items);
    return err;
}

int check_subtree_names(struct check *c)
{
    struct check_stream s;
    int err = find_top(c);

    if (err)
        return err;
    err = check_stream_open(c, KEY_DIRENT, &s);
    if (!err)
        err = read_levels(c, &s);
    c->names_lost = s.hole_count > 0;
    check_stream_done(&s);
    if (!err && c->top != FS_ROOT_INO)
        err = check_name_collect(c, c->top, c->top_type, c->top_parent, c->top_hash);
    return err;
}
