/*
 * A tree as a list of objects.
 */
#include "fault/archive_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fault/fs_text.h"
#include "lsm/base/check.h"

struct reading {
    struct fs *fs;
    struct archive_tree *tree;
};

static void note_xattrs(struct fs *fs, uint64_t ino, struct buf *text)
{
    char names[1024], value[1024];
    ssize_t len = fs_listxattr(fs, ino, names, sizeof(names));

    CHECK(len >= 0);
    for (char *name = names; name < names + len; name += strlen(name) + 1) {
        ssize_t n = fs_getxattr(fs, ino, name, value, sizeof(value));

        CHECK(n >= 0);
        text_line(text, " %s=%zd:%llx", name, n, (unsigned long long)XXH3_64bits(value, (size_t)n));
    }
}

static void note_contents(struct fs *fs, const struct fs_attr *a, struct buf *text)
{
    XXH3_state_t *hash = XXH3_createState();
    uint64_t at = 0;

    CHECK(hash && XXH3_64bits_reset(hash) == XXH_OK);
    while (at < a->size) {
        struct fs_read r;

        CHECK(!fs_read(fs, a->ino, at, 1 << 20, &r));
        CHECK(r.len);
        for (int i = 0; i < r.iov_count; i++)
            XXH3_64bits_update(hash, r.iov[i].iov_base, r.iov[i].iov_len);
        at += r.len;
        fs_read_done(&r);
    }
    text_line(text, " size %llu contents %llx", (unsigned long long)a->size,
              (unsigned long long)XXH3_64bits_digest(hash));
    XXH3_freeState(hash);
}

static char *times_text(const struct fs_attr *a)
{
    char text[64];

    snprintf(text, sizeof(text), " mtime %lld.%09ld", (long long)a->mtime.tv_sec, a->mtime.tv_nsec);
    return strdup(text);
}

static void read_object(struct reading *r, const char *path, const struct fs_attr *a)
{
    struct archive_object *o = &r->tree->objects[r->tree->count++];
    char target[FS_SYMLINK_LEN_MAX + 1];
    char *times = times_text(a);
    struct buf text = {0};

    CHECK(r->tree->count < ARCHIVE_TREE_COUNT_MAX);
    text_line(&text, "mode %o owner %u:%u device %llx", a->mode, a->uid, a->gid,
              (unsigned long long)a->rdev);
    note_xattrs(r->fs, a->ino, &text);
    if (S_ISREG(a->mode))
        note_contents(r->fs, a, &text);
    if (S_ISLNK(a->mode)) {
        CHECK(fs_readlink(r->fs, a->ino, target, sizeof(target)) >= 0);
        text_line(&text, " -> %s", target);
    }
    if (!S_ISDIR(a->mode))
        text_line(&text, "%s", times);
    text_bytes(&text, "", 1);
    *o = (struct archive_object){strdup(path), (char *)text.data, times, a->ino, a->mode, a->nlink};
}

static void read_dir(struct reading *r, const char *path, uint64_t ino)
{
    struct names n;

    CHECK(names_list(r->fs, ino, false, &n) >= 0);
    for (unsigned i = 0; i < n.count; i++) {
        struct fs_attr a;
        char below[512];

        snprintf(below, sizeof(below), "%s/%s", path, n.names[i]);
        CHECK(fs_lookup(r->fs, ino, n.names[i], &a) == 1);
        read_object(r, below, &a);
        if (S_ISDIR(a.mode))
            read_dir(r, below, a.ino);
    }
    names_done(&n);
}

struct archive_tree *archive_tree_read(struct fs *fs)
{
    struct reading r = {fs, calloc(1, sizeof(*r.tree))};
    struct fs_attr root;

    CHECK(r.tree);
    CHECK(fs_getattr(fs, FS_ROOT_INO, &root) >= 0);
    read_object(&r, "", &root);
    read_dir(&r, "", FS_ROOT_INO);
    return r.tree;
}

void archive_tree_free(struct archive_tree *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        free(t->objects[i].path);
        free(t->objects[i].text);
        free(t->objects[i].times);
    }
    free(t);
}

const struct archive_object *archive_tree_find(const struct archive_tree *t, const char *path)
{
    for (unsigned i = 0; i < t->count; i++)
        if (!strcmp(t->objects[i].path, path))
            return &t->objects[i];
    return NULL;
}

bool archive_object_same(const struct archive_object *a, const struct archive_object *b)
{
    return b && !strcmp(a->text, b->text);
}

bool archive_tree_same(const struct archive_tree *a, const struct archive_tree *b, bool dir_times)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++) {
        const struct archive_object *x = &a->objects[i], *y = archive_tree_find(b, x->path);

        if (!archive_object_same(x, y) || x->nlink != y->nlink)
            return false;
        if (dir_times && strcmp(x->times, y->times))
            return false;
    }
    return true;
}
