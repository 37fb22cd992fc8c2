/*
 * Edits as structures, bytes and text. Format: lsm/FORMAT.md, "Manifest".
 *
 * An edit is a sequence of fields: varint tag, varint length, that many bytes. A reader must
 * understand every tag below 64, and skips others: so a later program may add facts that an older
 * one can do without. No count is ever stored; memory grows with the bytes that are really there.
 */
#include "lsm/version/version.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lsm/base/codec.h"
#include "lsm/base/err.h"

/* On disk: numbers may never change. */
enum edit_tag {
    TAG_LOG_NUMBER = 1,
    TAG_FLUSHED_SEQNO = 2,
    TAG_NEXT_FILE = 3,
    TAG_REMOVE = 4,
    TAG_ADD = 5,
    TAG_BLOBS = 6, /* of a table that is added by the same edit */
    TAG_OPTIONAL_FIRST = 64,
    TAG_SNAPSHOT_ADD = 64, /* an older program may read on: a feature bit keeps it from writing */
    TAG_SNAPSHOT_REMOVE = 65,
    TAG_TIMES = 66,
    TAG_HELD = 67, /* of the table that was added last */
    TAG_LOG_NUMBERS_END = 68,
};

enum {
    ADD_LARGEST_EXCLUSIVE = 1, /* a flag of TAG_ADD */
};

/* --- Building --- */

static int reserve_one(struct edit_table **tables, size_t count, size_t *cap)
{
    size_t new_cap = *cap ? *cap * 2 : 8;
    struct edit_table *grown;

    if (count < *cap)
        return 0;
    if (new_cap > SIZE_MAX / sizeof(*grown))
        return -ENOMEM;
    grown = realloc(*tables, new_cap * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    *tables = grown;
    *cap = new_cap;
    return 0;
}

/* Takes over the caller's reference, but only on success. */
static int add_table_owned(struct version_edit *e, unsigned level, struct table_meta *meta)
{
    int err = reserve_one(&e->added, e->added_count, &e->added_cap);

    if (!err)
        e->added[e->added_count++] =
            (struct edit_table){.level = level, .meta = meta, .number = meta->number};
    return err;
}

int edit_add_table(struct version_edit *e, unsigned level, struct table_meta *meta)
{
    int err = add_table_owned(e, level, meta);

    if (!err)
        table_meta_ref(meta);
    return err;
}

int edit_remove_table(struct version_edit *e, unsigned level, uint64_t number)
{
    int err = reserve_one(&e->removed, e->removed_count, &e->removed_cap);

    if (!err)
        e->removed[e->removed_count++] = (struct edit_table){.level = level, .number = number};
    return err;
}

void edit_done(struct version_edit *e, struct table_store *store)
{
    for (size_t i = 0; i < e->added_count; i++)
        table_meta_unref(e->added[i].meta, store);
    free(e->added);
    free(e->removed);
    named_snapshots_done(&e->snapshots_added);
    named_snapshots_done(&e->snapshots_removed);
    time_points_done(&e->times);
    *e = (struct version_edit){0};
}

/* --- Encoding --- */

static int put_field(struct buf *ret, enum edit_tag tag, struct slice payload)
{
    int err = buf_put_varint64(ret, tag);

    return err ? err : buf_put_prefixed(ret, payload);
}

static int put_numbers(struct buf *ret, const uint64_t *numbers, size_t count)
{
    int err = 0;

    for (size_t i = 0; i < count && !err; i++)
        err = buf_put_varint64(ret, numbers[i]);
    return err;
}

/* A field of numbers; scratch is memory to build it in. */
static int put_number_field(struct buf *ret, struct buf *scratch, enum edit_tag tag,
                            const uint64_t *numbers, size_t count)
{
    int err;

    scratch->len = 0;
    err = put_numbers(scratch, numbers, count);
    return err ? err : put_field(ret, tag, buf_slice(scratch));
}

static int put_added(struct buf *ret, struct buf *scratch, unsigned level,
                     const struct table_meta *m)
{
    const struct sst_stats *s = &m->stats;
    const uint64_t numbers[] = {
        level,
        m->number,
        m->run,
        m->largest_exclusive ? ADD_LARGEST_EXCLUSIVE : 0,
        s->file_len,
        s->entry_count,
        s->delete_count,
        s->patch_count,
        s->rangedel_count,
        s->raw_len,
        s->seqno_min,
        s->seqno_max,
    };
    int err;

    scratch->len = 0;
    err = put_numbers(scratch, numbers, sizeof(numbers) / sizeof(numbers[0]));
    if (!err)
        err = buf_put_prefixed(scratch, m->smallest);
    if (!err)
        err = buf_put_prefixed(scratch, m->largest);
    if (!err)
        err = put_field(ret, TAG_ADD, buf_slice(scratch));
    if (err || m->blobs.count == 0)
        return err;
    scratch->len = 0;
    err = buf_put_varint64(scratch, m->number);
    if (!err)
        err = blob_uses_encode(&m->blobs, scratch);
    return err ? err : put_field(ret, TAG_BLOBS, buf_slice(scratch));
}

static int put_held(struct buf *ret, struct buf *scratch, const struct table_meta *m)
{
    const uint64_t numbers[] = {m->number, m->held_count, m->held_snapshots};

    return m->held_count ? put_number_field(ret, scratch, TAG_HELD, numbers, 3) : 0;
}

static int put_snapshots(struct buf *ret, struct buf *scratch, const struct version_edit *e)
{
    int err = 0;

    for (size_t i = 0; i < e->snapshots_removed.count && !err; i++)
        err =
            put_field(ret, TAG_SNAPSHOT_REMOVE, named_snapshot_name(&e->snapshots_removed.list[i]));
    for (size_t i = 0; i < e->snapshots_added.count && !err; i++) {
        scratch->len = 0;
        err = named_snapshot_encode(&e->snapshots_added.list[i], scratch);
        if (!err)
            err = put_field(ret, TAG_SNAPSHOT_ADD, buf_slice(scratch));
    }
    return err;
}

static int put_times(struct buf *ret, struct buf *scratch, const struct time_points *times)
{
    int err;

    if (times->count == 0)
        return 0;
    scratch->len = 0;
    err = time_points_encode(times, scratch);
    return err ? err : put_field(ret, TAG_TIMES, buf_slice(scratch));
}

int edit_encode(const struct version_edit *e, struct buf *ret)
{
    struct buf scratch = {0};
    size_t old_len = ret->len;
    int err = 0;

    if (e->has_log_number)
        err = put_number_field(ret, &scratch, TAG_LOG_NUMBER, &e->log_number, 1);
    if (e->has_flushed_seqno && !err)
        err = put_number_field(ret, &scratch, TAG_FLUSHED_SEQNO, &e->flushed_seqno, 1);
    if (e->has_next_file && !err)
        err = put_number_field(ret, &scratch, TAG_NEXT_FILE, &e->next_file, 1);
    if (e->has_log_numbers_end && !err)
        err = put_number_field(ret, &scratch, TAG_LOG_NUMBERS_END, &e->log_numbers_end, 1);
    for (size_t i = 0; i < e->removed_count && !err; i++) {
        const uint64_t numbers[] = {e->removed[i].level, e->removed[i].number};

        err = put_number_field(ret, &scratch, TAG_REMOVE, numbers, 2);
    }
    for (size_t i = 0; i < e->added_count && !err; i++) {
        err = put_added(ret, &scratch, e->added[i].level, e->added[i].meta);
        if (!err)
            err = put_held(ret, &scratch, e->added[i].meta);
    }
    if (!err)
        err = put_snapshots(ret, &scratch, e);
    if (!err)
        err = put_times(ret, &scratch, &e->times);
    if (err)
        ret->len = old_len;
    buf_free(&scratch);
    return err;
}

/* --- Decoding --- */

static int bad(const char *what)
{
    return err_raise(ERR_MANIFEST_RECORD, "manifest record: %s", what);
}

static int decode_scalar(struct slice in, bool *has, uint64_t *value)
{
    if (*has)
        return bad("a number is given twice");
    if (!take_varint64(&in, value) || in.len)
        return bad("a number cannot be decoded");
    *has = true;
    return 0;
}

static int decode_removed(struct slice in, struct version_edit *e)
{
    uint64_t level, number;

    if (!take_varint64(&in, &level) || !take_varint64(&in, &number) || in.len)
        return bad("a removed table cannot be decoded");
    if (level >= LEVEL_COUNT)
        return bad("a removed table's level does not exist");
    return edit_remove_table(e, (unsigned)level, number);
}

static int decode_added(struct slice in, struct version_edit *e, struct table_store *store)
{
    struct sst_stats s;
    uint64_t level, number, run, flags;
    uint64_t *const numbers[] = {
        &level,          &number,        &run,
        &flags,          &s.file_len,    &s.entry_count,
        &s.delete_count, &s.patch_count, &s.rangedel_count,
        &s.raw_len,      &s.seqno_min,   &s.seqno_max,
    };
    struct slice smallest, largest;
    struct table_meta *m;
    int err;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (!take_varint64(&in, numbers[i]))
            return bad("an added table's numbers cannot be decoded");
    }
    if (!take_prefixed(&in, &smallest) || !take_prefixed(&in, &largest) || in.len)
        return bad("an added table's keys cannot be decoded");
    if (level >= LEVEL_COUNT)
        return bad("an added table's level does not exist");
    if (flags & ~(uint64_t)ADD_LARGEST_EXCLUSIVE)
        return bad("an added table has unknown flags");
    err = table_meta_new(number, run, &s, smallest, largest, flags & ADD_LARGEST_EXCLUSIVE, &m);
    if (err == -EINVAL)
        return bad("an added table's key range or statistics are impossible");
    if (err)
        return err;
    err = add_table_owned(e, (unsigned)level, m);
    if (err)
        table_meta_unref(m, store);
    return err;
}

static int decode_held(struct slice in, struct version_edit *e)
{
    struct table_meta *m = e->added_count ? e->added[e->added_count - 1].meta : NULL;
    uint64_t number, held_count, held_snapshots;

    if (!take_varint64(&in, &number) || !take_varint64(&in, &held_count) ||
        !take_varint64(&in, &held_snapshots) || in.len)
        return bad("what snapshots hold cannot be decoded");
    if (!m || m->number != number)
        return bad("what snapshots hold is told of a table that was not just added");
    m->held_count = held_count;
    m->held_snapshots = held_snapshots;
    return 0;
}

static int decode_blobs(struct slice in, struct version_edit *e, struct table_store *store)
{
    struct table_meta *m = e->added_count ? e->added[e->added_count - 1].meta : NULL;
    struct blob_uses uses = {0};
    uint64_t number;
    int found, err;

    if (!take_varint64(&in, &number) || !m || m->number != number || m->blobs.count)
        return bad("blob files of a table that was not just added");
    found = blob_uses_decode(&in, &uses);
    if (found < 0)
        return found;
    if (!found || in.len || !uses.count) {
        blob_uses_done(&uses);
        return bad("a table's blob files cannot be decoded");
    }
    err = table_meta_set_blobs(m, store, &uses);
    blob_uses_done(&uses);
    return err;
}

static int add_snapshot(struct named_snapshots *s, const struct named_snapshot *one)
{
    int err = named_snapshots_add(s, one);

    return err == -EEXIST ? bad("a snapshot is named twice") : err;
}

static int decode_snapshot(struct slice in, struct version_edit *e)
{
    struct named_snapshot s;

    if (!named_snapshot_decode(in, &s))
        return bad("a snapshot cannot be decoded");
    return add_snapshot(&e->snapshots_added, &s);
}

static int decode_snapshot_removed(struct slice in, struct version_edit *e)
{
    struct named_snapshot s;

    if (named_snapshot_init(in, 0, 0, &s))
        return bad("a removed snapshot's name has an impossible length");
    return add_snapshot(&e->snapshots_removed, &s);
}

static int decode_field(uint64_t tag, struct slice in, struct version_edit *e,
                        struct table_store *store)
{
    switch (tag) {
    case TAG_LOG_NUMBER:
        return decode_scalar(in, &e->has_log_number, &e->log_number);
    case TAG_FLUSHED_SEQNO:
        return decode_scalar(in, &e->has_flushed_seqno, &e->flushed_seqno);
    case TAG_NEXT_FILE:
        return decode_scalar(in, &e->has_next_file, &e->next_file);
    case TAG_LOG_NUMBERS_END:
        return decode_scalar(in, &e->has_log_numbers_end, &e->log_numbers_end);
    case TAG_REMOVE:
        return decode_removed(in, e);
    case TAG_ADD:
        return decode_added(in, e, store);
    case TAG_BLOBS:
        return decode_blobs(in, e, store);
    case TAG_SNAPSHOT_ADD:
        return decode_snapshot(in, e);
    case TAG_SNAPSHOT_REMOVE:
        return decode_snapshot_removed(in, e);
    case TAG_TIMES:
        return time_points_decode(in, &e->times) ? 0 : bad("points of time cannot be decoded");
    case TAG_HELD:
        return decode_held(in, e);
    default:
        return tag >= TAG_OPTIONAL_FIRST ? 0 : bad("a field of an unknown kind");
    }
}

int edit_decode(struct slice in, struct version_edit *ret, struct table_store *store)
{
    struct version_edit e = {0};
    int err = 0;

    while (in.len && !err) {
        struct slice payload;
        uint64_t tag;

        if (!take_varint64(&in, &tag) || !take_prefixed(&in, &payload))
            err = bad("a field is cut short");
        else
            err = decode_field(tag, payload, &e, store);
    }
    if (err) {
        edit_done(&e, store);
        return err;
    }
    *ret = e;
    return 0;
}

/* --- Text --- */

static int added_to_text(const struct edit_table *t, struct buf *ret)
{
    const struct table_meta *m = t->meta;
    const struct sst_stats *s = &m->stats;
    int err = buf_printf(ret, "add level %u table %" PRIu64 " run %" PRIu64 " len %" PRIu64,
                         t->level, m->number, m->run, s->file_len);

    if (!err)
        err = buf_printf(ret,
                         " entries %" PRIu64 " deletes %" PRIu64 " patches %" PRIu64
                         " rangedels %" PRIu64 " raw %" PRIu64 " seqnos %" PRIu64 "..%" PRIu64
                         " keys [",
                         s->entry_count, s->delete_count, s->patch_count, s->rangedel_count,
                         s->raw_len, s->seqno_min, s->seqno_max);
    if (!err)
        err = buf_append_escaped(ret, m->smallest);
    if (!err)
        err = buf_append(ret, " .. ", 4);
    if (!err)
        err = buf_append_escaped(ret, m->largest);
    if (!err)
        err = buf_printf(ret, m->largest_exclusive ? ")" : "]");
    if (!err && m->held_count)
        err = buf_printf(ret, " holds %" PRIu64 " for %" PRIu64 " snapshots", m->held_count,
                         m->held_snapshots);
    if (!err)
        err = buf_append(ret, "\n", 1);
    for (size_t i = 0; !err && i < m->blobs.count; i++)
        err = buf_printf(ret,
                         "blob file %" PRIu64 ": %" PRIu64 " references, %" PRIu64
                         " bytes, of table %" PRIu64 "\n",
                         m->blobs.uses[i].number, m->blobs.uses[i].count, m->blobs.uses[i].len,
                         m->number);
    return err;
}

static int snapshots_to_text(const struct version_edit *e, struct buf *ret)
{
    int err = 0;

    for (size_t i = 0; i < e->snapshots_removed.count && !err; i++) {
        err = buf_printf(ret, "remove snapshot ");
        if (!err)
            err = buf_append_escaped(ret, named_snapshot_name(&e->snapshots_removed.list[i]));
        if (!err)
            err = buf_append(ret, "\n", 1);
    }
    for (size_t i = 0; i < e->snapshots_added.count && !err; i++) {
        const struct named_snapshot *s = &e->snapshots_added.list[i];

        err = buf_printf(ret, "add snapshot seqno %" PRIu64 " time %" PRIu64 ".%09" PRIu64 " name ",
                         s->seqno, s->time_ns / 1000000000, s->time_ns % 1000000000);
        if (!err)
            err = buf_append_escaped(ret, named_snapshot_name(s));
        if (!err)
            err = buf_append(ret, "\n", 1);
    }
    return err;
}

static int times_to_text(const struct time_points *times, struct buf *ret)
{
    const struct time_point *first = times->points, *last;

    if (times->count == 0)
        return 0;
    last = first + times->count - 1;
    return buf_printf(ret,
                      "times %zu points seqno %" PRIu64 " time %" PRIu64 ".%09" PRIu64
                      " .. seqno %" PRIu64 " time %" PRIu64 ".%09" PRIu64 "\n",
                      times->count, first->seqno, first->time_ns / 1000000000,
                      first->time_ns % 1000000000, last->seqno, last->time_ns / 1000000000,
                      last->time_ns % 1000000000);
}

int edit_to_text(const struct version_edit *e, struct buf *ret)
{
    int err = 0;

    if (e->has_log_number)
        err = buf_printf(ret, "log_number %" PRIu64 "\n", e->log_number);
    if (e->has_flushed_seqno && !err)
        err = buf_printf(ret, "flushed_seqno %" PRIu64 "\n", e->flushed_seqno);
    if (e->has_next_file && !err)
        err = buf_printf(ret, "next_file %" PRIu64 "\n", e->next_file);
    if (e->has_log_numbers_end && !err)
        err = buf_printf(ret, "log_numbers_end %" PRIu64 "\n", e->log_numbers_end);
    for (size_t i = 0; i < e->removed_count && !err; i++)
        err = buf_printf(ret, "remove level %u table %" PRIu64 "\n", e->removed[i].level,
                         e->removed[i].number);
    for (size_t i = 0; i < e->added_count && !err; i++)
        err = added_to_text(&e->added[i], ret);
    if (!err)
        err = snapshots_to_text(e, ret);
    return err ? err : times_to_text(&e->times, ret);
}
