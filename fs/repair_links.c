/*
 * A directory with several names keeps one: that of the directory that it says holds it, else one
 * from which the way up ends at the root without passing the directory itself.
 */
#include "fs/repair_impl.h"

enum {
    DEPTH_MAX = 100000 /* steps up; a loop ends the walk here */
};

/* Whether the way up from `dir`, by the parents that directories name, reaches the root. */
static bool reaches_root(struct repair *r, uint64_t dir, uint64_t without)
{
    for (int i = 0; i < DEPTH_MAX && dir != without; i++) {
        struct inode *in;
        struct tx tx;
        bool found;

        if (dir == FS_ROOT_INO)
            return true;
        if (tx_begin(&tx, r))
            return false;
        found = !tx_dir(&tx, dir, &in);
        dir = found ? in->parent : 0;
        tx_end(&tx, -ECANCELED);
        if (!found)
            return false;
    }
    return false;
}

static uint64_t choose_parent(struct repair *r, const struct check_item *item)
{
    uint64_t best = item->entries[0].parent;
    int best_rank = -1;

    for (size_t i = 0; i < item->kept_count; i++) {
        uint64_t parent = item->entries[i].parent;
        int rank = 2 * reaches_root(r, parent, item->ino) + (parent == item->in.parent);

        if (rank > best_rank) {
            best = parent;
            best_rank = rank;
        }
    }
    return best;
}

struct first {
    uint64_t ino;
    struct key key;
};

static int take_first(void *arg, struct slice key, struct slice value)
{
    struct first *first = arg;
    uint64_t ino;
    uint32_t type;

    if (!dirent_value_decode(value.data, value.len, &ino, &type) || ino != first->ino ||
        key.len > KEY_LEN_MAX)
        return 0;
    memcpy(first->key.data, key.data, key.len);
    first->key.len = key.len;
    return 1;
}

/* Remove its names from one directory, in a transaction of its own. */
static int remove_from(struct repair *r, uint64_t parent, uint64_t ino, struct slice keep)
{
    struct tx tx;
    int err = tx_begin(&tx, r);

    return err ? err : tx_end(&tx, entries_remove(&tx, parent, ino, keep));
}

static int set_parent(struct repair *r, uint64_t ino, uint64_t parent)
{
    struct inode *in;
    struct tx tx;
    int err = tx_begin(&tx, r);

    if (err)
        return err;
    err = tx_dir(&tx, ino, &in);
    if (!err)
        in->parent = parent;
    return tx_end(&tx, err);
}

int fix_dir_links(struct repair *r, const struct check_finding *f)
{
    const struct check_item *item = f->item;
    struct first first = {.ino = f->ino};
    uint64_t keep = choose_parent(r, item);
    int rc = entries_each(r, keep, take_first, &first);

    if (rc < 0)
        return rc;
    rc = rc ? set_parent(r, f->ino, keep) : 0;
    for (size_t i = 0; i < item->kept_count && !rc; i++)
        rc = remove_from(r, item->entries[i].parent, f->ino,
                         slice_of(first.key.data, first.key.len));
    return rc;
}
