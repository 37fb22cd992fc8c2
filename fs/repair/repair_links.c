/*
 * A directory with several names keeps one: that of the directory that it says holds it, else one
 * from which the way up ends at the root without passing the directory itself.
 */
#include "fs/repair/repair_impl.h"

enum {
    STEPS_MAX = 1 << 20 /* up, in one round; then the first name is as good as any */
};

/* The directory that holds `dir` by its record; 0: it has none, or is no directory. */
static uint64_t parent_of(struct repair *r, uint64_t dir)
{
    struct lsm_value v;
    struct inode in;
    struct key k;
    uint64_t parent = 0;

    key_ino(&k, KEY_INODE, dir);
    if (lsm_get(r->db, NULL, k.data, k.len, &v))
        return 0;
    if (!inode_decode(dir, v.data, v.len, &in) && S_ISDIR(in.mode))
        parent = in.parent;
    lsm_value_done(&v);
    return parent;
}

static uint64_t *good_place(struct repair *r, uint64_t dir)
{
    return &r->round_good[dir % REPAIR_GOOD_COUNT];
}

/* Remember that the directories from `dir` up reach the root. */
static void set_good(struct repair *r, uint64_t dir)
{
    while (dir && dir != FS_ROOT_INO && *good_place(r, dir) != dir) {
        *good_place(r, dir) = dir;
        dir = parent_of(r, dir);
    }
}

/*
 * Whether the way up from `dir`, by the parents that directories name, reaches the root without
 * passing the directory `without`; 0: none is to be avoided, so what is known of the way can be
 * used. One that goes in a loop comes back to a directory that was marked.
 */
static bool reaches_root(struct repair *r, uint64_t dir, uint64_t without)
{
    uint64_t from = dir, marked = 0, passed = 0, turn = 1;

    while (dir && dir != without && dir != marked && r->round_steps++ < STEPS_MAX) {
        if (dir == FS_ROOT_INO || (!without && *good_place(r, dir) == dir)) {
            set_good(r, from);
            return true;
        }
        if (++passed == turn) {
            marked = dir;
            turn *= 2;
        }
        dir = parent_of(r, dir);
    }
    return false;
}

/* The name to be kept: with `said`, one in the directory that the inode names. 1 when there is. */
static int find_good(struct repair *r, const struct check_item *item, bool said,
                     struct check_entry *ret)
{
    uint64_t before = 0;

    for (uint64_t i = 0; i < item->entry_count; i++) {
        struct check_entry entry;
        int err = check_item_entry(r->check, item, i, &entry);

        if (err)
            return err;
        if (entry.parent == before || (said && entry.parent != item->in.parent))
            continue;
        before = entry.parent;
        /* A way up from the parent that the inode names, through itself, would go in a loop. */
        if (reaches_root(r, entry.parent, said ? 0 : item->ino)) {
            *ret = entry;
            return 1;
        }
        if (said)
            *ret = entry; /* if there is no better one */
    }
    return 0;
}

static int choose(struct repair *r, const struct check_item *item, struct check_entry *ret)
{
    int rc;

    *ret = item->entry;
    rc = find_good(r, item, true, ret);
    if (!rc)
        rc = find_good(r, item, false, ret);
    return rc < 0 ? rc : 0;
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
    struct check_entry keep, entry;
    int rc = choose(r, item, &keep);

    if (!rc)
        rc = entries_at(r, keep.parent, keep.hash, take_first, &first);
    if (rc < 0)
        return rc;
    rc = rc ? set_parent(r, f->ino, keep.parent) : 0;
    for (uint64_t i = 0; i < item->entry_count && !rc; i++) {
        rc = check_item_entry(r->check, item, i, &entry);
        if (!rc)
            rc = entry_remove(r, &entry, slice_of(first.key.data, first.key.len));
    }
    return rc;
}
