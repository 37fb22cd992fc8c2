/*
 * Ranges of user keys, collected key by key. See struct table_meta: the largest key is exclusive if
 * it is the end of a range tombstone behind all points.
 */
#include "lsm/db/table_range.h"

static int widen_down(struct table_range *r, struct slice key)
{
    if (r->any && slice_cmp(buf_slice(&r->smallest), key) <= 0)
        return 0;
    return buf_assign(&r->smallest, key.data, key.len);
}

static int widen_up(struct table_range *r, struct slice key, bool exclusive)
{
    int c = r->any ? slice_cmp(key, buf_slice(&r->largest)) : 1;

    if (c < 0 || (c == 0 && (exclusive || !r->largest_exclusive)))
        return 0;
    r->largest_exclusive = exclusive;
    return buf_assign(&r->largest, key.data, key.len);
}

static int widen(struct table_range *r, struct slice smallest, struct slice largest, bool exclusive)
{
    int err = widen_down(r, smallest);

    if (!err)
        err = widen_up(r, largest, exclusive);
    r->any |= !err;
    return err;
}

int table_range_add_key(struct table_range *range, struct slice user)
{
    return widen(range, user, user, false);
}

int table_range_add_del(struct table_range *range, struct slice start, struct slice end)
{
    return slice_cmp(start, end) < 0 ? widen(range, start, end, true) : 0;
}

int table_range_of(struct sst *t, struct table_range *ret)
{
    const struct rangedel_list *dels = sst_rangedels(t);
    struct iter *it;
    int err = sst_iter_new(t, SST_ITER_NO_CACHE, &it);

    if (err)
        return err;
    iter_seek_first(it);
    if (it->valid)
        err = table_range_add_key(ret, ikey_user(it->key));
    if (!err && it->valid) {
        iter_seek_last(it);
        err = it->valid ? table_range_add_key(ret, ikey_user(it->key)) : 0;
    }
    if (!err)
        err = it->err;
    for (size_t i = 0; !err && dels && i < dels->fragment_count; i++)
        err = table_range_add_del(ret, dels->fragments[i].start, dels->fragments[i].end);
    iter_free(it);
    return err;
}

bool table_range_within(const struct table_range *range, const struct table_meta *m)
{
    int c;

    if (!range->any)
        return true;
    c = slice_cmp(buf_slice(&range->largest), m->largest);
    return slice_cmp(m->smallest, buf_slice(&range->smallest)) <= 0 &&
           (c < 0 || (c == 0 && (range->largest_exclusive || !m->largest_exclusive)));
}

void table_range_done(struct table_range *range)
{
    buf_free(&range->smallest);
    buf_free(&range->largest);
    *range = (struct table_range){0};
}
