/*
 * The checker's last pass: no directory holds itself, and the groups of inode numbers belong to one
 * directory each, whose next number lies above all that are in use.
 *
 * Numbers grow with time, so a directory's parent has the lower one unless it was moved. Going
 * round a loop the numbers cannot fall all the way: every loop has a directory whose parent has a
 * higher number, or its own. So only from such directories the way up is walked; two bits for each
 * directory remember what was found, and no directory is passed twice.
 *
 * Directories without a name, or named from what is no directory, were told before: what hangs
 * below them is told only as a loop when it is one.
 */
#include <stdlib.h>

#include "fs/check/check_impl.h"

enum dir_state {
    DIR_UNKNOWN,
    DIR_WALKED, /* on the way up that is being walked */
    DIR_KNOWN,
};

struct tree {
    struct check *check;
    uint64_t count;
    uint8_t *states; /* two bits for each directory, by its place in the list */
};

static enum dir_state state_of(const struct tree *t, uint64_t place)
{
    return t->states[place / 4] >> place % 4 * 2 & 3;
}

static void set_state(struct tree *t, uint64_t place, enum dir_state state)
{
    unsigned shift = (unsigned)(place % 4 * 2);

    t->states[place / 4] =
        (uint8_t)((t->states[place / 4] & ~(3u << shift)) | (unsigned)state << shift);
}

/* 1 with the directory and its place, 0 when there is none with this number, or an error. */
static int dir_find(struct tree *t, uint64_t ino, struct check_dir *ret, uint64_t *ret_place)
{
    uint64_t low = 0, high = t->count;
    int err;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        err = check_dir_get(t->check->dirs, mid, ret);
        if (err)
            return err;
        if (ret->ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == t->count)
        return 0;
    err = check_dir_get(t->check->dirs, low, ret);
    *ret_place = low;
    return err ? err : ret->ino == ino;
}

/*
 * The loop is to be cut above the directory with the lowest number: it was likely the topmost one
 * when all was well.
 */
static int tell_loop(struct tree *t, const struct check_dir *in_loop)
{
    struct check_dir top = *in_loop, dir = *in_loop;
    struct check_finding f = {.kind = CHECK_DIR_LOOP, .fix = FIX_LOOP};
    struct check_entry entry;
    uint64_t place;
    int rc;

    while ((rc = dir_find(t, dir.parent, &dir, &place)) == 1 && dir.ino != in_loop->ino)
        top = dir.ino < top.ino ? dir : top;
    if (rc < 0)
        return rc;
    f.ino = top.ino;
    f.parent = top.parent;
    f.hash = check_entry_find(t->check, top.ino, &entry) ? entry.hash : 0;
    return check_found(t->check, &f,
                       "directory inode %llu holds itself through the directories in it",
                       (unsigned long long)top.ino);
}

/* From the directory on its way up: from WALKED to KNOWN. */
static int close_walk(struct tree *t, struct check_dir dir, uint64_t place)
{
    int rc = 1;

    while (rc == 1 && state_of(t, place) == DIR_WALKED) {
        set_state(t, place, DIR_KNOWN);
        rc = dir_find(t, dir.parent, &dir, &place);
    }
    return rc < 0 ? rc : 0;
}

/* Walk up to the root, to a directory that was passed before, or round a loop. */
static int walk_up(struct tree *t, const struct check_dir *from, uint64_t from_place)
{
    struct check_dir dir = *from;
    uint64_t place = from_place;
    int rc = 1, err = 0;

    while (rc == 1 && state_of(t, place) == DIR_UNKNOWN && dir.ino != FS_ROOT_INO) {
        set_state(t, place, DIR_WALKED);
        rc = dir.parent ? dir_find(t, dir.parent, &dir, &place) : 0;
    }
    if (rc < 0)
        return rc;
    if (rc == 1 && state_of(t, place) == DIR_WALKED)
        err = tell_loop(t, &dir);
    return err ? err : close_walk(t, *from, from_place);
}

static int check_loops(struct tree *t)
{
    int err = 0;

    for (uint64_t i = 0; i < t->count && !err; i++) {
        struct check_dir dir;

        err = check_dir_get(t->check->dirs, i, &dir);
        if (!err && dir.parent >= dir.ino && dir.ino != FS_ROOT_INO)
            err = walk_up(t, &dir, i);
    }
    return err;
}

/* The highest slot in use of a group, or -1. *next walks along with ascending groups. */
static int slot_max(struct check *c, uint64_t group, uint64_t *next, int64_t *ret)
{
    struct check_group g = {0};
    int err = 0;

    *ret = -1;
    for (; *next < sort_spill_count(c->groups); ++*next) {
        err = check_group_get(c, *next, &g);
        if (err || g.group >= group)
            break;
    }
    if (!err && *next < sort_spill_count(c->groups) && g.group == group)
        *ret = (int64_t)g.slot_max;
    return err;
}

static int check_group(struct check *c, const struct check_dir *dir, const struct check_dir *before,
                       uint64_t *next)
{
    struct check_finding f = {.kind = CHECK_INODE_NUMBER, .fix = FIX_GROUP_RESET, .ino = dir->ino};
    int64_t slot;
    int err = slot_max(c, dir->group, next, &slot);

    if (err)
        return err;
    if (before && before->group == dir->group)
        return check_found(c, &f, "it hands out numbers of group %llu, and so does inode %llu",
                           (unsigned long long)dir->group, (unsigned long long)before->ino);
    if (c->group_next && dir->group >= c->group_next)
        return check_found(c, &f, "its group %llu of numbers was never handed out",
                           (unsigned long long)dir->group);
    f.fix = FIX_NEXT_SLOT;
    f.expected = (uint64_t)(slot + 1);
    if (slot >= (int64_t)dir->next_slot)
        return check_found(c, &f, "its next number %llu is in use, or a higher one is",
                           (unsigned long long)(dir->group << 16 | dir->next_slot));
    return 0;
}

static int check_groups(struct check *c)
{
    struct check_dir dir, before = {0};
    uint64_t next = 0;
    int err = 0;

    for (uint64_t i = 0; i < sort_spill_count(c->group_dirs) && !err; i++) {
        err = check_dir_get(c->group_dirs, i, &dir);
        if (!err)
            err = check_group(c, &dir, i ? &before : NULL, &next);
        before = dir;
    }
    return err;
}

int check_tree(struct check *c)
{
    struct tree t = {.check = c, .count = sort_spill_count(c->dirs)};
    int err;

    t.states = calloc((size_t)(t.count / 4 + 1), 1);
    if (!t.states)
        return -ENOMEM;
    err = check_loops(&t);
    free(t.states);
    return err ? err : check_groups(c);
}
