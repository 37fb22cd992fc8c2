/*
 * What a file system shows, as text: the contents of files, names in order, the whole tree.
 */
#include "fault/fs_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/call_faults.h"
#include "lsm/base/check.h"

/* What the test notes is no allocation of the product. */
void text_bytes(struct buf *out, const void *data, size_t len)
{
    call_faults_pause();
    CHECK(!buf_append(out, data, len));
    call_faults_resume();
}

void text_line(struct buf *out, const char *fmt, ...)
{
    char line[600];
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    CHECK(len >= 0 && (size_t)len < sizeof(line));
    text_bytes(out, line, (size_t)len);
}

int text_contents(struct fs *fs, const char *path, uint64_t offset, size_t len, struct buf *out)
{
    struct fs_read r;
    struct fs_attr attr;
    int err = fs_resolve(fs, path, &attr);

    if (err >= 0)
        err = fs_read(fs, attr.ino, offset, len, &r);
    if (err < 0)
        return err;
    text_line(out, "%zu bytes\n", r.len);
    for (int i = 0; i < r.iov_count; i++)
        text_bytes(out, r.iov[i].iov_base, r.iov[i].iov_len);
    fs_read_done(&r);
    return 0;
}

struct walk {
    struct fs *fs;
    struct buf *out;
    char path[512];
};

static int note_xattrs(struct walk *w, uint64_t ino)
{
    char names[1024], value[1024];
    ssize_t len = fs_listxattr(w->fs, ino, names, sizeof(names));

    if (len < 0)
        return (int)len;
    for (char *name = names; name < names + len; name += strlen(name) + 1) {
        ssize_t value_len = fs_getxattr(w->fs, ino, name, value, sizeof(value));

        if (value_len < 0)
            return (int)value_len;
        text_line(w->out, " %s=", name);
        text_bytes(w->out, value, (size_t)value_len);
        text_bytes(w->out, "\n", 1);
    }
    return 0;
}

static int walk_dir(struct walk *w, uint64_t ino);

static int note_object(struct walk *w, const struct fs_attr *a)
{
    char target[FS_SYMLINK_LEN_MAX + 1];
    int err;

    text_line(w->out, "%s mode %o links %u size %llu\n", w->path, a->mode, a->nlink,
              (unsigned long long)a->size);
    err = note_xattrs(w, a->ino);
    if (!err && S_ISREG(a->mode))
        err = text_contents(w->fs, w->path, 0, (size_t)a->size, w->out);
    if (!err && S_ISLNK(a->mode)) {
        err = fs_readlink(w->fs, a->ino, target, sizeof(target));
        if (err >= 0)
            text_line(w->out, " -> %s\n", target);
    }
    return err < 0 || !S_ISDIR(a->mode) ? err : walk_dir(w, a->ino);
}

static int add_name(void *arg, const struct fs_dirent *e)
{
    struct names *n = arg;

    if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
        return 0;
    call_faults_pause();
    CHECK(n->count < 256);
    n->names[n->count++] = strdup(e->name);
    call_faults_resume();
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int names_list(struct fs *fs, uint64_t ino, bool with_attr, struct names *ret)
{
    unsigned undo;
    int err;

    ret->count = 0;
    err = fs_readdir(fs, ino, 0, with_attr, add_name, ret, &undo);
    qsort(ret->names, ret->count, sizeof(ret->names[0]), compare_names);
    return err;
}

void names_done(struct names *n)
{
    for (unsigned i = 0; i < n->count; i++)
        free(n->names[i]);
}

static int walk_dir(struct walk *w, uint64_t ino)
{
    size_t len = strlen(w->path);
    struct names n;
    int err = names_list(w->fs, ino, false, &n);

    for (unsigned i = 0; err >= 0 && i < n.count; i++) {
        struct fs_attr a;

        snprintf(w->path + len, sizeof(w->path) - len, "/%s", n.names[i]);
        err = fs_lookup(w->fs, ino, n.names[i], &a);
        if (err >= 0)
            err = note_object(w, &a);
        w->path[len] = 0;
    }
    names_done(&n);
    return err;
}

int fs_tree_text(struct fs *fs, struct buf *ret)
{
    struct walk w = {.fs = fs, .out = ret};
    struct fs_attr root;
    int err = fs_getattr(fs, FS_ROOT_INO, &root);

    return err < 0 ? err : note_object(&w, &root);
}
