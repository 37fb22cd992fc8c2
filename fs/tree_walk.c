/*
 * Walking down a path without ever following a symbolic link or leaving the root. See tree_walk.h.
 *
 * A remembered directory may be removed by somebody else meanwhile; then the commit refuses what
 * was to be made in it.
 */
#include "fs/tree_walk.h"

#include <stdlib.h>

void tree_walk_reset(struct tree_walk *w)
{
    w->count = 0;
    w->path.len = 0;
}

void tree_walk_done(struct tree_walk *w)
{
    free(w->levels);
    w->levels = NULL;
    w->count = w->cap = 0;
    buf_free(&w->path);
}

/* Keep of the remembered levels those that begin this path, too. */
static void keep_common(struct tree_walk *w, const char *path, size_t dir_len)
{
    size_t keep = 0;

    while (keep < w->count) {
        size_t end = w->levels[keep].end;
        size_t start = keep ? w->levels[keep - 1].end : 0;

        if (end > dir_len || path[end] != '/' ||
            memcmp(w->path.data + start, path + start, end - start))
            break;
        keep++;
    }
    w->count = keep;
    w->path.len = keep ? w->levels[keep - 1].end : 0;
}

static int push(struct tree_walk *w, const char *path, size_t end, uint64_t ino)
{
    int err;

    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 16;
        struct tree_level *levels = reallocarray(w->levels, cap, sizeof(*levels));

        if (!levels)
            return -ENOMEM;
        w->levels = levels;
        w->cap = cap;
    }
    err = buf_append(&w->path, path + w->path.len, end - w->path.len);
    if (err)
        return err;
    w->levels[w->count++] = (struct tree_level){ino, end};
    return 0;
}

/* `path`, cut to the directory that is to be made. */
static int make_dir(struct tree_walk *w, uint64_t parent, const char *path, size_t end,
                    uint64_t *ret)
{
    struct inode in = w->implied;
    char *dir = strndup(path, end);
    int err = dir ? bulk_number(w->bulk, parent, &in.ino) : -ENOMEM;

    in.parent = parent;
    in.atime = in.mtime = in.ctime = in.btime = w->bulk->op.now;
    if (!err)
        err = bulk_add(w->bulk, BULK_NEW, parent, dir, &in, NULL, 0, 0);
    if (!err)
        *ret = in.ino;
    free(dir);
    return err;
}

/* One step down from `parent`: path[start..end) is the name. */
static int step(struct tree_walk *w, uint64_t parent, const char *path, size_t start, size_t end,
                bool make)
{
    char name[FS_NAME_LEN_MAX + 1];
    uint64_t ino;
    uint32_t type;
    int err;

    memcpy(name, path + start, end - start);
    name[end - start] = 0;
    err = bulk_lookup(w->bulk, parent, name, &ino, &type);
    if (err == -ENOENT && make)
        err = make_dir(w, parent, path, end, &ino);
    else if (!err && type != S_IFDIR)
        err = -ENOTDIR;
    return err ? err : push(w, path, end, ino);
}

int tree_walk_parent(struct tree_walk *w, const char *path, bool make, uint64_t *ret,
                     size_t *ret_len)
{
    const char *slash = strrchr(path, '/');
    size_t dir_len = slash ? (size_t)(slash - path) : 0;

    keep_common(w, path, dir_len);
    while (w->path.len < dir_len) {
        uint64_t parent = w->count ? w->levels[w->count - 1].ino : w->root;
        size_t start = w->path.len + (w->count > 0);
        size_t end = start + strcspn(path + start, "/");
        int err = step(w, parent, path, start, end, make);

        if (err) {
            *ret_len = end;
            return err;
        }
    }
    *ret = w->count ? w->levels[w->count - 1].ino : w->root;
    return 0;
}
