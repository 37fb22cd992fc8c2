/*
 * The list of named snapshots: a sorted array, as there are thousands at most and each change of it
 * costs a sync of the manifest anyway. Names are kept inside the entries, so that a copy is one
 * piece of memory: whoever commits a change makes it in a copy, which replaces the list when the
 * change is durable.
 */
#include "lsm/version/named_snapshots.h"

#include <errno.h>
#include <stdlib.h>

#include "lsm/base/codec.h"
#include "lsm/base/ikey.h"

int named_snapshot_init(struct slice name, uint64_t seqno, uint64_t time_ns,
                        struct named_snapshot *ret)
{
    if (name.len == 0 || name.len > sizeof(ret->name))
        return -EINVAL;
    *ret =
        (struct named_snapshot){.seqno = seqno, .time_ns = time_ns, .name_len = (uint8_t)name.len};
    memcpy(ret->name, name.data, name.len);
    return 0;
}

struct slice named_snapshot_name(const struct named_snapshot *s)
{
    return slice_of(s->name, s->name_len);
}

/* Index of the first whose name is not before `name`. */
static size_t position_of(const struct named_snapshots *s, struct slice name)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(named_snapshot_name(&s->list[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const struct named_snapshots *s, size_t i, struct slice name)
{
    return i < s->count && slice_eq(named_snapshot_name(&s->list[i]), name);
}

const struct named_snapshot *named_snapshots_find(const struct named_snapshots *s,
                                                  struct slice name)
{
    size_t i = position_of(s, name);

    return stands_at(s, i, name) ? &s->list[i] : NULL;
}

int named_snapshots_add(struct named_snapshots *s, const struct named_snapshot *one)
{
    size_t i = position_of(s, named_snapshot_name(one));

    if (stands_at(s, i, named_snapshot_name(one)))
        return -EEXIST;
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 4;
        struct named_snapshot *list = realloc(s->list, cap * sizeof(*list));

        if (!list)
            return -ENOMEM;
        s->list = list;
        s->cap = cap;
    }
    memmove(&s->list[i + 1], &s->list[i], (s->count - i) * sizeof(*s->list));
    s->list[i] = *one;
    s->count++;
    return 0;
}

int named_snapshots_remove(struct named_snapshots *s, struct slice name)
{
    size_t i = position_of(s, name);

    if (!stands_at(s, i, name))
        return -ENOENT;
    s->count--;
    memmove(&s->list[i], &s->list[i + 1], (s->count - i) * sizeof(*s->list));
    return 0;
}

int named_snapshots_copy(const struct named_snapshots *s, struct named_snapshots *ret)
{
    struct named_snapshots copy = {.count = s->count, .cap = s->count};

    if (s->count) {
        copy.list = malloc(s->count * sizeof(*copy.list));
        if (!copy.list)
            return -ENOMEM;
        memcpy(copy.list, s->list, s->count * sizeof(*copy.list));
    }
    *ret = copy;
    return 0;
}

static int older_first(const void *a, const void *b)
{
    const struct named_snapshot *x = a, *y = b;

    if (x->seqno != y->seqno)
        return x->seqno < y->seqno ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return slice_cmp(named_snapshot_name(x), named_snapshot_name(y));
}

void named_snapshots_sort_by_age(struct named_snapshots *s)
{
    if (s->count)
        qsort(s->list, s->count, sizeof(*s->list), older_first);
}

void named_snapshots_cut(struct named_snapshots *s, uint64_t seqno)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].seqno <= seqno)
            s->list[kept++] = s->list[i];
    }
    s->count = kept;
}

uint64_t named_snapshots_newest(const struct named_snapshots *s)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < s->count; i++)
        newest = s->list[i].seqno > newest ? s->list[i].seqno : newest;
    return newest;
}

void named_snapshots_done(struct named_snapshots *s)
{
    free(s->list);
    *s = (struct named_snapshots){0};
}

int named_snapshot_encode(const struct named_snapshot *s, struct buf *ret)
{
    int err = buf_put_varint64(ret, s->seqno);

    if (!err)
        err = buf_put_varint64(ret, s->time_ns);
    return err ? err : buf_append(ret, s->name, s->name_len);
}

bool named_snapshot_decode(struct slice in, struct named_snapshot *ret)
{
    uint64_t seqno, time_ns;

    return take_varint64(&in, &seqno) && take_varint64(&in, &time_ns) && seqno <= SEQNO_MAX &&
           named_snapshot_init(in, seqno, time_ns, ret) == 0;
}
