/*
 * The checker's last pass, in memory: every directory hangs below the root, none holds itself, and
 * the groups of inode numbers belong to one directory each, whose next number lies above all that
 * are in use.
 *
 * Directories without a name, or named from what is no directory, were told before: what hangs
 * below them is told only as a loop when it is one.
 */
#include <stdlib.h>

#include "fs/check_impl.h"

enum dir_state {
    DIR_UNKNOWN,
    DIR_WALKED, /* on the way up that is being walked */
    DIR_REACHED,
    DIR_LOST
};

static struct check_dir *dir_at(const struct check *c, size_t i)
{
    return (struct check_dir *)c->dirs.items + i;
}

static struct check_dir *dir_find(const struct check *c, uint64_t ino)
{
    size_t low = 0, high = c->dirs.count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (dir_at(c, mid)->ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->dirs.count && dir_at(c, low)->ino == ino ? dir_at(c, low) : NULL;
}

/*
 * The loop is to be cut above the directory with the lowest number: numbers grow with time, so it
 * was likely the topmost one when all was well.
 */
static int tell_loop(struct check *c, const struct check_dir *in_loop)
{
    const struct check_dir *top = in_loop;

    for (const struct check_dir *dir = dir_find(c, in_loop->parent); dir && dir != in_loop;
         dir = dir_find(c, dir->parent))
        top = dir->ino < top->ino ? dir : top;
    return check_found(
        c,
        &(struct check_finding){
            .kind = CHECK_DIR_LOOP, .fix = FIX_LOOP, .ino = top->ino, .parent = top->parent},
        "directory inode %llu holds itself through the directories in it",
        (unsigned long long)top->ino);
}

/* Walk up from a directory until the answer is known, then write it down along the way. */
static int reach_root(struct check *c, struct check_dir *from)
{
    struct check_dir *dir = from;
    enum dir_state answer;
    int err = 0;

    while (dir && dir->state == DIR_UNKNOWN && dir->ino != FS_ROOT_INO) {
        dir->state = DIR_WALKED;
        dir = dir->parent ? dir_find(c, dir->parent) : NULL;
    }
    if (!dir || dir->state == DIR_LOST)
        answer = DIR_LOST;
    else
        answer = dir->state == DIR_WALKED ? DIR_LOST : DIR_REACHED;
    if (dir && dir->state == DIR_WALKED)
        err = tell_loop(c, dir);
    for (dir = from; dir && dir->state == DIR_WALKED; dir = dir_find(c, dir->parent))
        dir->state = (uint8_t)answer;
    return err;
}

static int group_cmp(const void *a, const void *b)
{
    const struct check_dir *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->ino > y->ino) - (x->ino < y->ino);
}

/* The highest slot in use of a group, or -1. *next walks along with ascending groups. */
static int64_t slot_max(const struct check *c, uint64_t group, size_t *next)
{
    const struct check_group *groups = c->groups.items;

    while (*next < c->groups.count && groups[*next].group < group)
        ++*next;
    if (*next == c->groups.count || groups[*next].group != group)
        return -1;
    return (int64_t)groups[*next].slot_max;
}

static int check_group(struct check *c, const struct check_dir *dir, const struct check_dir *before,
                       size_t *next)
{
    struct check_finding f = {.kind = CHECK_INODE_NUMBER, .fix = FIX_GROUP_RESET, .ino = dir->ino};
    int64_t slot = slot_max(c, dir->group, next);

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

int check_tree(struct check *c)
{
    const struct check_dir *before = NULL;
    size_t next = 0;
    int err = 0;

    for (size_t i = 0; i < c->dirs.count && !err; i++)
        err = reach_root(c, dir_at(c, i));
    if (err || !c->dirs.count)
        return err;
    qsort(c->dirs.items, c->dirs.count, sizeof(struct check_dir), group_cmp);
    for (size_t i = 0; i < c->dirs.count && !err; i++) {
        const struct check_dir *dir = dir_at(c, i);

        if (dir->group) {
            err = check_group(c, dir, before, &next);
            before = dir;
        }
    }
    return err;
}
