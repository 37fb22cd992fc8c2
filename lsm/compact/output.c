/*
 * Tables are cut only where the user key changes, so that all versions of a key lie in one table
 * and tables of a level are disjoint in user keys. Table i covers the range from its start to the
 * start of table i+1; range tombstones are clipped to that range. The first table's range begins,
 * and the last one's ends, where the run does, or without a bound.
 *
 * A crash leaves files that no manifest names; recovery removes them.
 */
#include "lsm/compact/output.h"

#include <stdlib.h>

#include "lsm/base/err.h"
#include "lsm/compact/stale.h"

/* Below this a change of the key's prefix does not cut: it would make dwarf tables. */
enum {
    PREFIX_CUT_LEN_MIN = 256 * 1024
};

void output_done(struct output *o)
{
    sst_builder_free(o->builder);
    o->builder = NULL;
    buf_free(&o->start);
    buf_free(&o->first);
    buf_free(&o->last);
}

int output_begin(struct output *o)
{
    const struct compact_run *r = o->run;

    if (!r->begin)
        return 0;
    while (o->next_cut < r->cut_count && slice_cmp(r->cuts[o->next_cut], *r->begin) <= 0)
        o->next_cut++;
    o->has_start = true;
    return buf_assign(&o->start, r->begin->data, r->begin->len);
}

static int open_table(struct output *o)
{
    o->number = o->run->new_number(o->run->arg);
    o->first.len = o->last.len = 0;
    o->held_count = 0;
    return sst_builder_new(o->run->store->env, o->number, &o->run->builder, &o->builder);
}

/* What the tombstones written to a table add to its range. */
struct hull {
    struct slice smallest, largest;
    bool any;
};

/* Write the part of the kept tombstones in [start, end); NULL end: no bound. */
static int add_rangedels(struct output *o, const struct slice *end, struct hull *ret)
{
    struct slice start = buf_slice(&o->start);
    size_t i = o->has_start ? rangedel_list_find(o->kept, start) : 0;

    for (; i < o->kept->fragment_count; i++) {
        const struct rangedel_fragment *f = &o->kept->fragments[i];
        struct rangedel del = {.start = f->start, .end = f->end};

        if (end && slice_cmp(f->start, *end) >= 0)
            break;
        if (o->has_start && slice_cmp(del.start, start) < 0)
            del.start = start;
        if (end && slice_cmp(del.end, *end) > 0)
            del.end = *end;
        if (!o->builder) {
            int err = open_table(o);

            if (err)
                return err;
        }
        for (uint32_t k = 0; k < f->seqno_count;
             k = rangedel_next_stripe(f, k, o->run->snapshots, o->run->snapshot_count)) {
            int err;

            del.seqno = f->seqnos[k];
            err = sst_builder_add_rangedel(o->builder, &del);
            if (err)
                return err;
        }
        if (!ret->any)
            ret->smallest = del.start;
        ret->largest = del.end;
        ret->any = true;
    }
    return 0;
}

static int keep_table(struct compact_run *r, struct table_meta *meta)
{
    if (r->table_count == r->table_cap) {
        size_t cap = r->table_cap ? r->table_cap * 2 : 8;
        struct table_meta **tables = realloc(r->tables, cap * sizeof(*tables));

        if (!tables)
            return -ENOMEM;
        r->tables = tables;
        r->table_cap = cap;
    }
    r->tables[r->table_count++] = meta;
    return 0;
}

static void note_held(const struct output *o, struct table_meta *meta)
{
    meta->held_count = o->held_count;
    if (o->held_count)
        meta->held_snapshots = snapshots_between(o->run->snapshots, o->run->snapshot_count,
                                                 meta->stats.seqno_min, meta->stats.seqno_max);
}

/* Close the current table, whose range ends before `end` (NULL: no bound). */
static int close_table(struct output *o, const struct slice *end)
{
    struct hull hull = {0};
    struct slice smallest, largest;
    struct sst_stats stats;
    struct table_meta *meta;
    bool exclusive = false, points;
    int err = 0;

    if (o->kept)
        err = add_rangedels(o, end, &hull);
    if (err || !o->builder)
        return err;
    points = o->first.len > 0;
    smallest = points ? buf_slice(&o->first) : hull.smallest;
    largest = points ? buf_slice(&o->last) : hull.largest;
    if (hull.any && slice_cmp(hull.smallest, smallest) < 0)
        smallest = hull.smallest;
    /* An end equal to the last point is no wider than the point. */
    if (hull.any && (!points || slice_cmp(hull.largest, largest) > 0)) {
        largest = hull.largest;
        exclusive = true;
    }
    err = sst_builder_finish(o->builder, &stats);
    if (err)
        return err;
    o->run->written_len += stats.file_len;
    err = table_meta_new(o->number, o->run->run, &stats, smallest, largest, exclusive, &meta);
    if (!err) {
        note_held(o, meta);
        err = table_meta_set_blobs(meta, o->run->store, sst_builder_blobs(o->builder));
        if (!err)
            err = keep_table(o->run, meta);
        if (err)
            table_meta_unref(meta, o->run->store);
    }
    sst_builder_free(o->builder);
    o->builder = NULL;
    if (err) {
        char name[32];

        /* Finished, and nobody knows of it. */
        sst_file_name(o->number, name);
        env_remove(o->run->store->env, name);
    }
    return err;
}

/* Whether the table should end before this user key, which is not the one before. */
static bool should_cut(const struct output *o, struct slice user)
{
    uint64_t len = sst_builder_len(o->builder);
    size_t n = o->run->prefix_len;

    if (len >= o->run->table_len)
        return true;
    if (n == 0 || len < PREFIX_CUT_LEN_MIN)
        return false;
    return slice_cmp(slice_of(user.data, user.len < n ? user.len : n),
                     slice_of(o->last.data, o->last.len < n ? o->last.len : n)) != 0;
}

/* End the range of the current table here, whatever it holds, and begin the next one's. */
static int cut_at(struct output *o, struct slice key)
{
    int err = close_table(o, &key);

    if (!err)
        err = buf_assign(&o->start, key.data, key.len);
    o->has_start = true;
    return err;
}

/* Make the wanted cuts up to a user key, or with NULL all that are left. */
static int make_cuts(struct output *o, const struct slice *user)
{
    int err = 0;

    for (; !err && o->next_cut < o->run->cut_count; o->next_cut++) {
        struct slice cut = o->run->cuts[o->next_cut];

        if (user && slice_cmp(cut, *user) > 0)
            break;
        if (o->run->end && slice_cmp(cut, *o->run->end) >= 0)
            break;
        err = cut_at(o, cut);
    }
    return err;
}

/* Is a version, which comes after one of the same key or not, there for snapshots only? See
 * stale.c.
 */
static bool is_held(const struct output *o, struct slice user, uint64_t seqno, bool same_key)
{
    const struct compact_run *r = o->run;

    if (r->snapshot_count == 0)
        return false;
    return (same_key && snapshots_between(r->snapshots, r->snapshot_count, seqno, o->last_seqno)) ||
           (o->kept && rangedel_list_covering(o->kept, user, SEQNO_MAX) > seqno);
}

int output_add(struct output *o, struct slice user, uint64_t seqno, enum kind kind,
               struct slice value)
{
    uint8_t stack[256];
    struct buf ikey = {0};
    struct slice key;
    bool new_key, same_key;
    int err = make_cuts(o, &user);

    same_key = o->builder && o->first.len && slice_eq(user, buf_slice(&o->last));
    new_key = o->builder && o->first.len && !same_key;
    if (!err && new_key && should_cut(o, user))
        err = cut_at(o, user);
    if (!err && !o->builder)
        err = open_table(o);
    if (!err && o->first.len == 0)
        err = buf_assign(&o->first, user.data, user.len);
    if (!err && (o->last.len == 0 || new_key))
        err = buf_assign(&o->last, user.data, user.len);
    if (err)
        return err;
    if (user.len + IKEY_TRAILER_LEN <= sizeof(stack)) {
        memcpy(stack, user.data, user.len);
        put_le64(stack + user.len, ikey_trailer(seqno, kind));
        key = slice_of(stack, user.len + IKEY_TRAILER_LEN);
    } else {
        err = ikey_make(&ikey, user, seqno, (unsigned)kind);
        key = buf_slice(&ikey);
    }
    o->held_count += is_held(o, user, seqno, same_key);
    o->last_seqno = seqno;
    if (!err)
        err = sst_builder_add(o->builder, key, value);
    buf_free(&ikey);
    return err;
}

int output_finish(struct output *o)
{
    int err = make_cuts(o, NULL);

    return err ? err : close_table(o, o->run->end);
}
