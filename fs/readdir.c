/*
 * Listing a directory: its 'D' keys in order of the hashes of names, which are the offsets. An
 * entry that is there from the start of a listing to its end is given exactly once, whatever is
 * added or removed meanwhile.
 *
 * Entries are gathered in chunks, so that the inodes of a whole chunk are asked for at once, in
 * order of their numbers, where attributes are wanted.
 *
 * Names with equal hashes share an offset. A listing that went on behind one of them would miss
 * the others; so such a group is given whole or taken back (ret_undo).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "fs/impl.h"

/* About what one reply to the kernel holds with attributes. */
enum {
    CHUNK_COUNT = 32
};

struct entry {
    struct fs_dirent d; /* d.name points to name, d.attr to attr */
    bool gone;          /* its inode has been removed meanwhile */
    struct fs_attr attr;
    char name[FS_NAME_LEN_MAX + 1];
};

/* What has been given to the caller, and how to give more. */
struct listing {
    struct fs *fs;
    uint64_t ino;
    bool with_attr;
    int (*each)(void *arg, const struct fs_dirent *entry);
    void *arg;
    uint64_t last_offset; /* of the last entry given; 0: none */
    unsigned same_count;  /* so many of the last entries have that offset */
    unsigned undo;
    struct entry entries[CHUNK_COUNT];
    size_t count;
};

/* What `each` answers. */
static int give(struct listing *l, const struct fs_dirent *d)
{
    int answer = l->each(l->arg, d);

    if (answer > 0 && d->offset == l->last_offset)
        l->undo = l->same_count;
    if (answer)
        return answer;
    l->same_count = d->offset == l->last_offset ? l->same_count + 1 : 1;
    l->last_offset = d->offset;
    return 0;
}

/* "." or "..", told apart by the offset. */
static int give_dots(struct listing *l, uint64_t offset, uint64_t ino)
{
    struct inode in;
    struct fs_attr attr;
    struct fs_dirent d = {
        .name = offset == 1 ? "." : "..",
        .name_len = (size_t)offset,
        .ino = ino,
        .type = S_IFDIR,
        .offset = offset,
    };

    if (l->with_attr) {
        int err = inode_get(l->fs, ino, &in);

        if (err)
            return err == -ESTALE ? 0 : err;
        inode_attr(l->fs, &in, &attr);
        d.attr = &attr;
    }
    return give(l, &d);
}

static int entry_fill(struct listing *l, const struct lsm_iter *it, struct entry *e)
{
    size_t key_len, value_len;
    const void *key = lsm_iter_key(it, &key_len);
    const void *value = lsm_iter_value(it, &value_len);
    struct slice name;
    uint64_t parent;

    if (!dirent_key_decode(key, key_len, &parent, &e->d.offset, &name))
        return fs_report(l->fs, err_raise(ERR_DIRENT_RECORD,
                                          "directory %" PRIu64 ": an entry has a damaged key of "
                                          "%zu bytes",
                                          l->ino, key_len));
    memcpy(e->name, name.data, name.len);
    e->name[name.len] = 0;
    if (!dirent_value_decode(value, value_len, &e->d.ino, &e->d.type))
        return fs_report(l->fs, err_raise(ERR_DIRENT_RECORD,
                                          "directory %" PRIu64 ": the entry \"%s\" has a value of "
                                          "%zu bytes that names no inode",
                                          l->ino, e->name, value_len));
    e->d.name = e->name;
    e->d.name_len = name.len;
    e->d.attr = NULL;
    e->gone = false;
    return 0;
}

/* The next entries, from the one that the iterator stands on; *more as from a move of it. */
static int chunk_fill(struct listing *l, struct lsm_iter *it, int *more)
{
    for (l->count = 0; *more == 1 && l->count < CHUNK_COUNT; l->count++) {
        int err = entry_fill(l, it, &l->entries[l->count]);

        if (err)
            return err;
        *more = lsm_iter_next(it);
    }
    return *more < 0 ? *more : 0;
}

static int by_ino(const void *a, const void *b)
{
    uint64_t x = (*(struct entry *const *)a)->d.ino, y = (*(struct entry *const *)b)->d.ino;

    return (x > y) - (x < y);
}

static int entry_attr(struct listing *l, struct entry *e, int err, const struct lsm_value *v)
{
    struct inode in;

    if (err == -ENOENT) {
        e->gone = true;
        return 0;
    }
    if (!err)
        err = fs_report(l->fs, inode_decode(e->d.ino, v->data, v->len, &in));
    if (err)
        return err;
    inode_attr(l->fs, &in, &e->attr);
    e->d.attr = &e->attr;
    return 0;
}

/* The attributes of all entries of the chunk. */
static int chunk_attr(struct listing *l)
{
    struct entry *sorted[CHUNK_COUNT];
    struct key inode_keys[CHUNK_COUNT];
    struct lsm_key keys[CHUNK_COUNT];
    struct lsm_value values[CHUNK_COUNT];
    int errs[CHUNK_COUNT], err;

    for (size_t i = 0; i < l->count; i++)
        sorted[i] = &l->entries[i];
    qsort(sorted, l->count, sizeof(*sorted), by_ino);
    for (size_t i = 0; i < l->count; i++) {
        key_ino(&inode_keys[i], KEY_INODE, sorted[i]->d.ino);
        keys[i] = (struct lsm_key){inode_keys[i].data, inode_keys[i].len};
        values[i] = (struct lsm_value){0};
        errs[i] = 0;
    }
    err = lsm_multi_get(l->fs->db, NULL, keys, l->count, values, errs);
    for (size_t i = 0; i < l->count; i++) {
        if (!err)
            err = entry_attr(l, sorted[i], errs[i], &values[i]);
        lsm_value_done(&values[i]);
    }
    return err;
}

static int chunk_give(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        int answer = l->entries[i].gone ? 0 : give(l, &l->entries[i].d);

        if (answer)
            return answer;
    }
    return 0;
}

/* All entries behind the offset. 1 when one did not fit. */
static int give_entries(struct listing *l, uint64_t offset)
{
    struct key lower, upper;
    struct lsm_iter *it;
    int err, more;

    key_dirent(&lower, l->ino, offset + 1, NULL, 0);
    key_ino(&upper, KEY_DIRENT, l->ino + 1);
    err = lsm_iter_new(l->fs->db, NULL, lower.data, lower.len, upper.data, upper.len, &it);
    if (err)
        return err;
    more = lsm_iter_first(it);
    err = more < 0 ? more : 0;
    while (!err && more == 1) {
        err = chunk_fill(l, it, &more);
        if (!err && l->with_attr)
            err = chunk_attr(l);
        if (!err)
            err = chunk_give(l);
    }
    lsm_iter_free(it);
    return err;
}

int fs_readdir(struct fs *fs, uint64_t ino, uint64_t offset, bool with_attr,
               int (*each)(void *arg, const struct fs_dirent *entry), void *arg, unsigned *ret_undo)
{
    struct inode dir;
    struct listing *l;
    int err = inode_get(fs, ino, &dir);

    if (err)
        return err;
    if (!S_ISDIR(dir.mode))
        return -ENOTDIR;
    l = malloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->fs = fs;
    l->ino = ino;
    l->with_attr = with_attr;
    l->each = each;
    l->arg = arg;
    l->last_offset = 0;
    l->same_count = l->undo = 0;
    l->count = 0;
    if (offset < 1)
        err = give_dots(l, 1, ino);
    if (!err && offset < 2)
        err = give_dots(l, 2, dir.parent);
    if (!err && offset < INT64_MAX)
        err = give_entries(l, offset < DIRENT_OFFSET_FIRST ? DIRENT_OFFSET_FIRST - 1 : offset);
    if (err >= 0)
        *ret_undo = l->undo;
    free(l);
    return err < 0 ? err : 0;
}
