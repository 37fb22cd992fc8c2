/*
 * Walking down a tree without recursion. Each directory on the way has a level, which lists it in
 * pieces of CHUNK_COUNT entries: the files of a piece are given at once, its directories wait for
 * their turn.
 */
#include "tools/archive/tree_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lsm/base/slice.h"

enum {
    CHUNK_COUNT = 16384
};

struct item {
    char *name;
    uint64_t offset;
    struct fs_attr attr;
};

/* A directory that is being listed. */
struct level {
    uint64_t ino;
    size_t path_len;
    uint64_t offset; /* to go on behind */
    bool listed;     /* to its end */
    struct item *dirs;
    size_t dir_count, dir_next;
};

struct walk {
    struct fs *fs;
    const struct tree_list_calls *calls;
    struct buf path; /* with a NUL behind it, which does not count */
    struct level *levels;
    size_t count, cap;
    struct item *items; /* of the piece that is being listed */
    size_t item_count;
};

static void items_free(struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i].name);
}

static int on_entry(void *arg, const struct fs_dirent *d)
{
    struct walk *w = arg;
    struct item *i = &w->items[w->item_count];

    if (d->offset < 3)
        return 0; /* "." and ".." */
    if (w->item_count == CHUNK_COUNT)
        return 1;
    i->name = strdup(d->name);
    if (!i->name)
        return -ENOMEM;
    i->offset = d->offset;
    i->attr = *d->attr;
    w->item_count++;
    return 0;
}

/* Directories behind all others, and otherwise by number. */
static int by_place(const void *a, const void *b)
{
    const struct fs_attr *x = &((const struct item *)a)->attr, *y = &((const struct item *)b)->attr;
    bool x_dir = S_ISDIR(x->mode), y_dir = S_ISDIR(y->mode);

    if (x_dir != y_dir)
        return x_dir ? 1 : -1;
    return (x->ino > y->ino) - (x->ino < y->ino);
}

static int path_set(struct walk *w, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    int err = buf_reserve(&w->path, name_len + 2);

    if (err)
        return err;
    w->path.len = len;
    if (len)
        w->path.data[w->path.len++] = '/';
    memcpy(w->path.data + w->path.len, name, name_len + 1);
    w->path.len += name_len;
    return 0;
}

static const char *path_text(struct walk *w, size_t len)
{
    w->path.data[len] = 0;
    return (const char *)w->path.data;
}

static int give(struct walk *w, const struct level *l, const struct item *i)
{
    int err = path_set(w, l->path_len, i->name);

    return err ? err : w->calls->each(w->calls->arg, path_text(w, w->path.len), &i->attr);
}

/* Of the piece that was listed: give the files, keep the directories. */
static int sort_out(struct walk *w, struct level *l)
{
    size_t files = 0, dirs;
    int err = 0;

    if (w->item_count)
        qsort(w->items, w->item_count, sizeof(*w->items), by_place);
    while (files < w->item_count && !S_ISDIR(w->items[files].attr.mode))
        files++;
    for (size_t i = 0; i < files && !err; i++)
        err = give(w, l, &w->items[i]);
    items_free(w->items, files);
    dirs = w->item_count - files;
    l->dir_next = l->dir_count = 0;
    if (dirs && !err) {
        l->dirs = reallocarray(NULL, dirs, sizeof(*l->dirs));
        err = l->dirs ? 0 : -ENOMEM;
    }
    if (dirs && !err) {
        memcpy(l->dirs, w->items + files, dirs * sizeof(*l->dirs));
        l->dir_count = dirs;
    } else {
        items_free(w->items + files, dirs);
    }
    w->item_count = 0;
    return err;
}

static int list_piece(struct walk *w, struct level *l)
{
    unsigned undo = 0;
    int err = fs_readdir(w->fs, l->ino, l->offset, true, on_entry, w, &undo);

    if (err == -ENOMEM)
        return err;
    if (err) {
        w->calls->broken(w->calls->arg, path_text(w, l->path_len), err);
        undo = 0;
    }
    /* A full piece may not be the end. */
    l->listed = err || w->item_count < CHUNK_COUNT;
    while (undo && w->item_count) {
        free(w->items[--w->item_count].name);
        undo--;
    }
    if (w->item_count)
        l->offset = w->items[w->item_count - 1].offset;
    return sort_out(w, l);
}

static int descend(struct walk *w, uint64_t ino)
{
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 32;
        struct level *levels = reallocarray(w->levels, cap, sizeof(*levels));

        if (!levels)
            return -ENOMEM;
        w->levels = levels;
        w->cap = cap;
    }
    w->levels[w->count++] = (struct level){.ino = ino, .path_len = w->path.len};
    return 0;
}

static void ascend(struct walk *w)
{
    struct level *l = &w->levels[--w->count];

    items_free(l->dirs + l->dir_next, l->dir_count - l->dir_next);
    free(l->dirs);
}

/* The next directory of the level: give it, and go down into it. */
static int next_dir(struct walk *w, struct level *l)
{
    struct item i = l->dirs[l->dir_next++];
    int err = give(w, l, &i);

    free(i.name);
    return err ? err : descend(w, i.attr.ino);
}

static int step(struct walk *w)
{
    struct level *l = &w->levels[w->count - 1];

    if (l->dir_next < l->dir_count)
        return next_dir(w, l);
    free(l->dirs);
    l->dirs = NULL;
    l->dir_next = l->dir_count = 0;
    if (!l->listed)
        return list_piece(w, l);
    ascend(w);
    return 0;
}

int tree_list(struct fs *fs, uint64_t dir, const struct tree_list_calls *calls)
{
    struct walk w = {.fs = fs, .calls = calls};
    int err = buf_reserve(&w.path, 1);

    w.items = reallocarray(NULL, CHUNK_COUNT, sizeof(*w.items));
    if (!w.items)
        err = -ENOMEM;
    if (!err)
        err = descend(&w, dir);
    while (!err && w.count)
        err = step(&w);
    items_free(w.items, w.item_count);
    while (w.count)
        ascend(&w);
    free(w.levels);
    free(w.items);
    buf_free(&w.path);
    return err;
}
