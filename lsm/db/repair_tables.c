/*
 * Verifying the tables that count, and making a new one of what can be read of a damaged one.
 *
 * With a manifest the new table takes the old one's place in its level: it holds a part of the same
 * entries, so no rule of levels can be broken. What lies outside of the range that the manifest has
 * for the table is not taken. With rebuild all tables of the directory are collected, but for those
 * that are known to be obsolete.
 *
 * Salvage can bring back an older value of a key whose newer one was in a damaged block, and a key
 * whose deletion was there. The range of keys is told.
 */
#include "lsm/db/repair.h"
#include "lsm/db/table_range.h"
#include "lsm/table/sst_salvage.h"

/* --- Verification --- */

struct check {
    unsigned damage_count;
    char text[512]; /* of the first one */
};

static void note_damage(struct check *c, int err)
{
    if (c->damage_count++ == 0)
        snprintf(c->text, sizeof(c->text), "%s", *err_detail() ? err_detail() : err_text(err));
}

static int each_damage(void *arg, int err, uint64_t offset, uint64_t len)
{
    (void)offset;
    (void)len;
    note_damage(arg, err);
    return 0;
}

/* Damage goes into c; anything else is answered. */
static int judge(struct check *c, int err)
{
    if (!repair_is_damage(err))
        return err;
    note_damage(c, err);
    return 0;
}

/* Every large value that the table refers to. */
static int check_refs(struct repair *r, struct sst *t, struct check *c)
{
    struct iter *it;
    int err;

    if (sst_blobs(t)->count == 0)
        return 0;
    err = sst_iter_new(t, SST_ITER_NO_CACHE | SST_ITER_READAHEAD, &it);
    if (err)
        return err;
    for (iter_seek_first(it); it->valid && err >= 0; iter_next(it)) {
        if (ikey_kind(it->key) != KIND_BLOB_REF)
            continue;
        err = repair_ref_whole(r, ikey_user(it->key), it->value);
        if (err == 0)
            note_damage(c, -ERR_BLOB_REF);
    }
    if (err >= 0)
        err = it->err;
    iter_free(it);
    return err;
}

/* All of the file, and its range of keys; m (may be NULL) is what the manifest says of it. */
static int check_open(struct repair *r, struct sst *t, const struct table_meta *m, struct check *c,
                      struct table_range *ret)
{
    int err = judge(c, sst_verify(t, r->options.value_len_max, each_damage, c));

    if (err || c->damage_count)
        return err;
    err = judge(c, table_range_of(t, ret));
    if (!err && m && !table_range_within(ret, m))
        err = judge(c, err_raise(ERR_SST_STATS,
                                 "%08llu.sst: its keys lie outside of the range that the manifest "
                                 "says",
                                 (unsigned long long)m->number));
    return err || c->damage_count ? err : judge(c, check_refs(r, t, c));
}

/* Through a meta of its own, so that the file does not stay open. */
static int check_listed(struct repair *r, const struct table_meta *m, struct check *c)
{
    struct table_range range = {0};
    struct table_meta *copy;
    struct sst *t;
    int err = table_meta_new(m->number, m->run, &m->stats, m->smallest, m->largest,
                             m->largest_exclusive, &copy);

    if (err)
        return err;
    err = table_meta_set_blobs(copy, &r->store, &m->blobs);
    if (!err)
        err = table_meta_sst(copy, &r->store, &t);
    err = err ? judge(c, err) : check_open(r, t, m, c, &range);
    table_range_done(&range);
    table_meta_unref(copy, &r->store);
    return err;
}

/* --- Salvage --- */

struct salvaging {
    struct repair *r;
    const struct table_meta *old; /* NULL: not listed */
    int level;                    /* -1: not listed */
    char file[32];
    struct sst_builder *builder; /* NULL: nothing was added yet */
    uint64_t number;
    struct table_range range;
    struct buf deletion; /* internal key */
    uint64_t kept;       /* entries and range tombstones */
};

static int open_builder(struct salvaging *s)
{
    if (s->builder)
        return 0;
    s->number = repair_new_number(s->r);
    return sst_builder_new(s->r->env, s->number, &s->r->builder, &s->builder);
}

/* A value that cannot be read: the key is deleted, so that no older value takes its place. */
static int drop_value(struct salvaging *s, struct slice *ikey, struct slice *value)
{
    struct slice user = ikey_user(*ikey);
    int err = repair_tell_value(s->r, s->file, user, ikey_seqno(*ikey));

    if (!err)
        err = ikey_make(&s->deletion, user, ikey_seqno(*ikey), KIND_DELETE);
    *ikey = buf_slice(&s->deletion);
    *value = slice_of(NULL, 0);
    return err;
}

static int keep_entry(void *arg, struct slice ikey, struct slice value)
{
    struct salvaging *s = arg;
    struct slice user = ikey_user(ikey);
    int err;

    if (s->old && !table_meta_overlaps(s->old, &user, &user))
        return 0;
    err = repair_value_whole(s->r, ikey_kind(ikey), user, value);
    if (!err)
        err = drop_value(s, &ikey, &value);
    if (err < 0)
        return err;
    s->kept++;
    repair_saw_seqno(s->r, ikey_seqno(ikey));
    if (s->r->dry_run)
        return 0;
    err = open_builder(s);
    if (!err)
        err = sst_builder_add(s->builder, ikey, value);
    return err ? err : table_range_add_key(&s->range, user);
}

static int keep_rangedel(void *arg, const struct rangedel *del)
{
    struct salvaging *s = arg;
    struct rangedel d = *del;
    int err;

    if (s->old && slice_cmp(d.start, s->old->smallest) < 0)
        d.start = s->old->smallest;
    if (s->old && slice_cmp(d.end, s->old->largest) > 0)
        d.end = s->old->largest;
    if (slice_cmp(d.start, d.end) >= 0)
        return 0;
    s->kept++;
    repair_saw_seqno(s->r, d.seqno);
    if (s->r->dry_run)
        return 0;
    err = open_builder(s);
    if (!err)
        err = sst_builder_add_rangedel(s->builder, &d);
    return err ? err : table_range_add_del(&s->range, d.start, d.end);
}

static int tell_lost(void *arg, const struct sst_loss *loss)
{
    struct salvaging *s = arg;
    char from_text[REPAIR_KEY_TEXT_LEN], to_text[REPAIR_KEY_TEXT_LEN];
    struct slice first = s->old ? s->old->smallest : slice_of(NULL, 0);
    struct slice last = s->old ? s->old->largest : slice_of(NULL, 0);
    int err;

    if (loss->from)
        first = *loss->from;
    if (loss->to)
        last = *loss->to;
    err = repair_note(
        s->r, s->file, "lost: %llu bytes at offset %llu, with keys from \"%s\"%s to \"%s\"%s (%s)",
        (unsigned long long)loss->len, (unsigned long long)loss->offset,
        repair_key_text(first, from_text), loss->from || s->old ? "" : " (the first)",
        repair_key_text(last, to_text), loss->to || s->old ? "" : " (the last)", loss->text);
    return err ? err : losses_each_of_table(loss, s->file, s->level, s->old, repair_lose, s->r);
}

/* *ret_meta is NULL when there is nothing to make a table of. */
static int finish(struct salvaging *s, struct table_meta **ret_meta)
{
    struct sst_stats stats;
    int err;

    *ret_meta = NULL;
    if (!s->builder)
        return 0;
    err = sst_builder_finish(s->builder, &stats);
    if (!err)
        err = table_meta_new(s->number, s->old ? s->old->run : 0, &stats,
                             buf_slice(&s->range.smallest), buf_slice(&s->range.largest),
                             s->range.largest_exclusive, ret_meta);
    if (err)
        return err;
    atomic_store(&(*ret_meta)->obsolete, true); /* until a manifest names it */
    return table_meta_set_blobs(*ret_meta, &s->r->store, sst_builder_blobs(s->builder));
}

/* level: -1, and old NULL, for a table that no manifest lists. */
static int salvage(struct repair *r, uint64_t number, int level, const struct table_meta *old,
                   struct table_meta **ret_meta)
{
    struct salvaging s = {.r = r, .level = level, .old = old};
    struct sst_salvage_calls calls = {keep_entry, keep_rangedel, tell_lost, &s};
    int err;

    *ret_meta = NULL;
    sst_file_name(number, s.file);
    err = sst_salvage(r->env, number, &calls);
    if (repair_is_damage(err))
        err = 0;
    if (!err)
        err = finish(&s, ret_meta);
    if (!err)
        err = repair_note(r, s.file, "%llu entries of it can be read", (unsigned long long)s.kept);
    if (!err)
        err = repair_set_aside(r, s.file);
    sst_builder_free(s.builder);
    table_range_done(&s.range);
    buf_free(&s.deletion);
    return err;
}

/* --- The tables of a manifest --- */

static int drop_missing(struct repair *r, unsigned level, const struct table_meta *m)
{
    struct sst_loss all = {.entries = true, .deletions = m->stats.rangedel_count > 0};
    char name[32], from[REPAIR_KEY_TEXT_LEN], to[REPAIR_KEY_TEXT_LEN];
    int err;

    sst_file_name(m->number, name);
    err = repair_found(r, name, "missing; lost: %llu entries with keys from \"%s\" to \"%s\"",
                       (unsigned long long)m->stats.entry_count, repair_key_text(m->smallest, from),
                       repair_key_text(m->largest, to));
    return err ? err : losses_each_of_table(&all, name, (int)level, m, repair_lose, r);
}

static int replace_damaged(struct repair *r, unsigned level, const struct table_meta *m,
                           const struct check *c)
{
    struct table_meta *meta = NULL;
    char name[32];
    int err;

    sst_file_name(m->number, name);
    err = repair_found(r, name, "damaged in %u places: %s", c->damage_count, c->text);
    if (!err)
        err = salvage(r, m->number, (int)level, m, &meta);
    if (!err && meta)
        err = edit_add_table(&r->edit, level, meta);
    table_meta_unref(meta, &r->store);
    return err;
}

static int repair_listed(struct repair *r, unsigned level, const struct table_meta *m)
{
    struct check c = {0};
    bool missing = !file_numbers_have(&r->tables, m->number);
    int err = missing ? 0 : check_listed(r, m, &c);

    if (err || (!missing && c.damage_count == 0))
        return err;
    r->new_manifest = true;
    err = edit_remove_table(&r->edit, level, m->number);
    if (!err)
        err = missing ? drop_missing(r, level, m) : replace_damaged(r, level, m, &c);
    return err;
}

/* --- All tables --- */

static int collect_whole(struct repair *r, uint64_t number, struct check *c)
{
    struct table_range range = {0};
    struct table_meta *meta = NULL;
    struct sst *t;
    int err = sst_open(r->env, NULL, number, &t);

    if (err)
        return judge(c, err);
    err = check_open(r, t, NULL, c, &range);
    if (!err && c->damage_count == 0 && range.any) {
        err = table_meta_new(number, 0, sst_stats(t), buf_slice(&range.smallest),
                             buf_slice(&range.largest), range.largest_exclusive, &meta);
        repair_saw_seqno(r, sst_stats(t)->seqno_max);
        if (!err)
            err = table_meta_set_blobs(meta, &r->store, sst_blobs(t));
    }
    if (!err && meta)
        err = repair_add_found(r, meta);
    table_range_done(&range);
    sst_unref(t);
    return err;
}

static int collect(struct repair *r, uint64_t number)
{
    struct check c = {0};
    struct table_meta *meta = NULL;
    char name[32];
    int err = collect_whole(r, number, &c);

    if (err || c.damage_count == 0)
        return err;
    sst_file_name(number, name);
    err = repair_found(r, name, "damaged: %s", c.text);
    if (!err)
        err = salvage(r, number, -1, NULL, &meta);
    if (!err && meta)
        err = repair_add_found(r, meta);
    else
        table_meta_unref(meta, &r->store);
    return err;
}

static int collect_all(struct repair *r)
{
    int err = 0;

    for (size_t i = 0; !err && i < r->tables.count; i++) {
        if (!file_numbers_have(&r->removed, r->tables.numbers[i]))
            err = collect(r, r->tables.numbers[i]);
    }
    return err;
}

int repair_tables(struct repair *r)
{
    int err = 0;

    if (r->rebuild)
        return collect_all(r);
    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        const struct level *l = &r->state.version->levels[level];

        for (size_t i = 0; !err && i < l->count; i++)
            err = repair_listed(r, level, l->tables[i]);
    }
    return err;
}
