/*
 * Listing directories. The offset of an entry is a fixed property of its name, so that listings
 * need no state here and survive whatever is added and removed in between.
 *
 * A reply holds as many entries as fit. Entries that share an offset go into the same reply or not
 * at all, because a listing can't continue between them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fuse/session.h"
#include "fs/fuse/workers.h"

enum {
    REPLY_LEN_MAX = 1 << 20 /* bytes */
};

struct listing {
    fuse_req_t req;
    const struct mount *m;
    bool plus;
    char *data;
    size_t len, cap;
    size_t run_start; /* bytes before the first entry that has the offset of the last one */
    uint64_t run_offset;
};

static bool is_dots(const struct fs_dirent *entry)
{
    return entry->name[0] == '.' &&
           (entry->name_len == 1 || (entry->name_len == 2 && entry->name[1] == '.'));
}

/* How many bytes the entry needs; it is written when they fit. */
static size_t entry_add(struct listing *l, const struct fs_dirent *entry)
{
    struct fuse_entry_param e = {.attr = {.st_ino = entry->ino, .st_mode = entry->type}};
    char *at = l->data + l->len;
    size_t room = l->cap - l->len;

    if (!l->plus)
        return fuse_add_direntry(l->req, at, room, entry->name, &e.attr, (off_t)entry->offset);
    /* An entry without an inode number of its own is listed but not looked up. */
    if (entry->attr && !is_dots(entry))
        attr_to_entry(l->m, entry->attr, &e);
    return fuse_add_direntry_plus(l->req, at, room, entry->name, &e, (off_t)entry->offset);
}

static int listing_each(void *arg, const struct fs_dirent *entry)
{
    struct listing *l = arg;
    size_t need = entry_add(l, entry);

    if (need > l->cap - l->len)
        return 1;
    if (entry->offset != l->run_offset) {
        l->run_offset = entry->offset;
        l->run_start = l->len;
    }
    l->len += need;
    return 0;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset, bool plus)
{
    struct mount *m = req_mount(req);
    struct listing l = {.req = req, .m = m, .plus = plus};
    unsigned undo = 0;
    int err;

    l.cap = len < REPLY_LEN_MAX ? len : REPLY_LEN_MAX;
    l.data = malloc(l.cap ? l.cap : 1);
    if (!l.data) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    err = fs_readdir(m->fs, ino, (uint64_t)offset, plus, listing_each, &l, &undo);
    if (err >= 0 && undo) {
        l.len = l.run_start;
        /* An empty reply would mean the end of the directory. */
        if (l.len == 0)
            err = -EOVERFLOW;
    }
    if (err < 0)
        reply_err(req, "readdir", ino, err);
    else
        fuse_reply_buf(req, l.data, l.len);
    free(l.data);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = req_mount(req);
    struct fs_attr attr;
    int err;

    if (atomic_load(&m->no_opendir)) {
        fuse_reply_err(req, ENOSYS);
        return;
    }
    err = fs_getattr(m->fs, ino, &attr);
    if (err < 0) {
        reply_err(req, "opendir", ino, err);
        return;
    }
    fi->fh = 0;
    fi->keep_cache = 1;
    fi->cache_readdir = 1;
    fuse_reply_open(req, fi);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset, struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, len, offset, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t len, off_t offset,
                    struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, len, offset, true);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
    (void)data_only;
    (void)fi;
    workers_may_wait();
    reply_err(req, "fsyncdir", ino, fs_sync(req_mount(req)->fs));
}
