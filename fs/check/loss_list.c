/*
 * The lists of losses: those of the engine, copied, and what they mean. Where a filter is that of
 * the loss before it, as for several blocks of one table, it is kept once.
 */
#include "fs/check/loss.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A copy that lives as long as the list; *data NULL stays so. */
static int keep(struct loss_list *l, const void **data, size_t len)
{
    void *copy;

    if (!*data)
        return 0;
    if (l->kept_count == l->kept_cap) {
        size_t cap = l->kept_cap ? l->kept_cap * 2 : 64;
        void **grown = reallocarray(l->kept, cap, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        l->kept = grown;
        l->kept_cap = cap;
    }
    copy = malloc(len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, *data, len);
    *data = l->kept[l->kept_count++] = copy;
    return 0;
}

/* Losses of one table often have one filter. */
static int keep_filter(struct loss_list *l, struct lsm_loss *loss)
{
    const struct lsm_loss *before = l->count ? &l->losses[l->count - 1] : NULL;

    if (before && before->filter && loss->filter && before->filter_len == loss->filter_len &&
        !memcmp(before->filter, loss->filter, loss->filter_len)) {
        loss->filter = before->filter;
        return 0;
    }
    return keep(l, &loss->filter, loss->filter_len);
}

int loss_list_add(struct loss_list *l, const struct lsm_loss *loss)
{
    struct lsm_loss copy = *loss;
    const void *file = loss->file;
    int err = keep(l, &copy.first, copy.first_len);

    if (!err)
        err = keep(l, &copy.last, copy.last_len);
    if (!err)
        err = keep(l, &file, strlen(loss->file) + 1);
    if (!err)
        err = keep_filter(l, &copy);
    if (!err && l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct lsm_loss *grown = reallocarray(l->losses, cap, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        l->losses = grown;
        l->cap = cap;
    }
    copy.file = file;
    if (!err)
        l->losses[l->count++] = copy;
    return err;
}

void loss_list_done(struct loss_list *l)
{
    for (size_t i = 0; i < l->kept_count; i++)
        free(l->kept[i]);
    free(l->kept);
    free(l->losses);
    *l = (struct loss_list){0};
}

int lost_add(struct lost_list *l, enum lost_kind kind, uint64_t ino, uint64_t first, uint64_t last)
{
    struct lost *before = l->count ? &l->items[l->count - 1] : NULL;

    if (before && before->kind == kind && before->ino == ino && first >= before->first &&
        first <= before->last + 1) {
        before->last = last > before->last ? last : before->last;
        return 0;
    }
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct lost *grown = reallocarray(l->items, cap, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->count++] = (struct lost){ino, kind, first, last};
    return 0;
}

void lost_list_done(struct lost_list *l)
{
    free(l->items);
    *l = (struct lost_list){0};
}

static int lost_cmp(const void *a, const void *b)
{
    const struct lost *x = a, *y = b;

    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

void lost_sort(struct lost_list *l)
{
    struct lost *items = l->items;
    size_t count = l->count;

    if (!count)
        return;
    qsort(items, count, sizeof(*items), lost_cmp);
    l->count = 1;
    /* It only gets shorter, so that no memory can be missing. */
    for (size_t i = 1; i < count; i++)
        (void)lost_add(l, items[i].kind, items[i].ino, items[i].first, items[i].last);
}
