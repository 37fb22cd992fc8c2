/*
 * The checker's lists: what each is ordered by, and its share of the memory. Names are the longest
 * list by far. The two that come in order, one item a directory or group of numbers, keep their
 * last item aside as long as it grows; but a part of the tree is read level by level, so its sums
 * come in no order. Together they take less than the budget: a repair remembers what it left.
 */
#include "fs/check/check_item.h"

enum {
    MEMORY_LEN_DEFAULT = 256 << 20
};

int check_entry_cmp(const void *a, const void *b)
{
    const struct check_entry *x = a, *y = b;

    if (x->ino_type != y->ino_type)
        return x->ino_type < y->ino_type ? -1 : 1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int sum_cmp(const void *a, const void *b)
{
    const struct check_sum *x = a, *y = b;

    return (x->dir > y->dir) - (x->dir < y->dir);
}

static int group_cmp(const void *a, const void *b)
{
    const struct check_dir *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->ino > y->ino) - (x->ino < y->ino);
}

int check_lists_new(struct check *c)
{
    size_t memory_len = c->options->memory_len ? c->options->memory_len : MEMORY_LEN_DEFAULT;
    const struct {
        struct sort_spill **list;
        struct sort_spill_options options;
    } lists[] = {
        {&c->entries, {sizeof(struct check_entry), memory_len / 2, check_entry_cmp}},
        {&c->faults, {sizeof(struct check_fault), memory_len / 16, NULL}},
        {&c->sums, {sizeof(struct check_sum), memory_len / 16, c->subtree ? sum_cmp : NULL}},
        {&c->dirs, {sizeof(struct check_dir), memory_len / 16, NULL}},
        {&c->groups, {sizeof(struct check_group), memory_len / 16, NULL}},
        {&c->group_dirs, {sizeof(struct check_dir), memory_len / 16, group_cmp}},
    };
    int err = 0;

    c->sum.dir = c->group.group = UINT64_MAX;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && !err; i++)
        err = sort_spill_new(&lists[i].options, lists[i].list);
    return err;
}

void check_lists_free(struct check *c)
{
    sort_spill_free(c->entries);
    sort_spill_free(c->faults);
    sort_spill_free(c->sums);
    sort_spill_free(c->dirs);
    sort_spill_free(c->groups);
    sort_spill_free(c->group_dirs);
}

int check_lists_names_done(struct check *c)
{
    int err = c->sum.dir != UINT64_MAX ? sort_spill_add(c->sums, &c->sum) : 0;

    if (!err)
        err = sort_spill_finish(c->sums);
    if (!err)
        err = sort_spill_finish(c->faults);
    return err ? err : sort_spill_finish(c->entries);
}

int check_lists_inodes_done(struct check *c)
{
    int err = c->group.group != UINT64_MAX ? sort_spill_add(c->groups, &c->group) : 0;

    if (!err)
        err = sort_spill_finish(c->groups);
    if (!err)
        err = sort_spill_finish(c->dirs);
    return err ? err : sort_spill_finish(c->group_dirs);
}

static int get(struct sort_spill *list, uint64_t i, void *ret, size_t len)
{
    const void *item;
    int err = sort_spill_get(list, i, &item);

    if (!err)
        memcpy(ret, item, len);
    return err;
}

int check_entry_get(struct check *c, uint64_t i, struct check_entry *ret)
{
    return get(c->entries, i, ret, sizeof(*ret));
}

bool check_entry_find(struct check *c, uint64_t ino, struct check_entry *ret)
{
    uint64_t low = 0, high = sort_spill_count(c->entries);

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        if (check_entry_get(c, mid, ret))
            return false;
        if (ret->ino_type >> 4 < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low < sort_spill_count(c->entries) && !check_entry_get(c, low, ret) &&
           ret->ino_type >> 4 == ino;
}

int check_item_entry(struct check *c, const struct check_item *item, uint64_t i,
                     struct check_entry *ret)
{
    if (i)
        return check_entry_get(c, item->entry_first + i, ret);
    *ret = item->entry;
    return 0;
}

int check_fault_get(struct check *c, uint64_t i, struct check_fault *ret)
{
    return get(c->faults, i, ret, sizeof(*ret));
}

int check_sum_get(struct check *c, uint64_t i, struct check_sum *ret)
{
    return get(c->sums, i, ret, sizeof(*ret));
}

int check_dir_get(struct sort_spill *list, uint64_t i, struct check_dir *ret)
{
    return get(list, i, ret, sizeof(*ret));
}

int check_group_get(struct check *c, uint64_t i, struct check_group *ret)
{
    return get(c->groups, i, ret, sizeof(*ret));
}
