/*
 * The logs. First they are judged by recovery's own rules (recover.c): if it would replay them,
 * they are left to it. If it would refuse, or if there is no manifest to say where to begin, every
 * record that is valid is put into tables, in the order of the sequence numbers, also behind
 * damaged places, and an empty log takes over from the old ones. What is missing in between is
 * told.
 *
 * So behind a damaged place operations take effect though earlier ones do not: that is what salvage
 * means. Where nothing is damaged a torn end stays what it is, the end.
 */
#include "lsm/db/repair.h"

struct logs {
    struct repair *r;
    uint64_t seqno;  /* the last operation that was seen in order, or is in tables */
    bool ended;      /* judging: nothing more would be replayed */
    bool damaged;    /* recovery would refuse */
    char file[32];   /* the log at hand */
    int err;         /* judging: what ends the repair */
    bool told;       /* something is wrong with it, and was told */
    uint64_t number; /* of it */
    struct memtable *mem;
};

/* --- Judging --- */

static bool batch_whole(const struct wal_record *record, size_t value_len_max)
{
    uint64_t count;

    return batch_check(record->payload, value_len_max, &count) == 0 && count == record->op_count;
}

/* 1 when the record is one that recovery would replay or leave out. */
static bool would_replay(struct logs *l, const struct wal_record *record)
{
    uint64_t last = record->first_seqno + record->op_count - 1;
    int whole;

    if (last <= l->seqno)
        return true;
    if (record->first_seqno != l->seqno + 1)
        return false;
    if (!batch_whole(record, l->r->options.value_len_max))
        l->damaged = true;
    /* As a record that cannot be read: of one that was synced, the values were too. */
    whole = repair_batch_whole(l->r, record->payload);
    if (whole < 0)
        l->err = whole;
    if (whole <= 0)
        return false;
    l->seqno = last;
    return true;
}

static int judge_records(struct logs *l, struct wal_reader *reader)
{
    struct wal_record record;
    struct wal_end end;
    int more;

    while ((more = wal_reader_next(reader, &record)) > 0) {
        if (!l->ended && would_replay(l, &record))
            continue;
        l->ended = true;
        if (record.synced_seqno > l->seqno)
            l->damaged = true;
    }
    if (!more)
        more = wal_reader_end(reader, &end);
    if (more)
        return more;
    if (end.kind == WAL_END_TORN) {
        l->ended = true;
        if (end.later_synced_seqno > l->seqno)
            l->damaged = true;
    }
    return 0;
}

static int judge_log(struct logs *l, uint64_t number)
{
    struct wal_reader *reader;
    int err = wal_reader_open_since(l->r->env, number, l->r->state.log_number, &reader);

    if (!err) {
        if (wal_reader_last_seqno(reader) > l->seqno)
            l->ended = true;
        /* Its records can be read; but the damage would be found again and again. */
        l->damaged |= wal_reader_header(reader) == WAL_HEADER_DAMAGED;
        err = judge_records(l, reader);
        wal_reader_close(reader);
    }
    if (repair_is_damage(err)) {
        l->damaged = true;
        err = 0;
    }
    return err ? err : l->err;
}

/* Where the log begins, as far as it can tell. */
static int begin_of(struct repair *r, uint64_t number, uint64_t *ret)
{
    struct wal_reader *reader;
    struct wal_record record;
    uint64_t offset;
    int err = wal_reader_open_since(r->env, number, r->state.log_number, &reader);

    *ret = 0;
    if (err)
        return repair_is_damage(err) ? 0 : err;
    *ret = wal_reader_last_seqno(reader);
    if (wal_reader_header(reader) != WAL_HEADER_WHOLE) {
        int more = wal_reader_skip(reader, &record, &offset);

        if (more > 0)
            *ret = record.first_seqno - 1;
        else if (!repair_is_damage(more))
            err = more;
    }
    wal_reader_close(reader);
    return err;
}

static bool counts(const struct repair *r, uint64_t number)
{
    return number >= r->state.log_number;
}

/* With rebuild nobody knows where the logs began: with the oldest that is there. */
static int find_begin(struct logs *l)
{
    struct repair *r = l->r;
    int err = 0;

    l->seqno = r->state.flushed_seqno;
    for (size_t i = 0; r->rebuild && i < r->logs.count; i++) {
        uint64_t begin;

        if (!counts(r, r->logs.numbers[i]))
            continue;
        err = begin_of(r, r->logs.numbers[i], &begin);
        if (begin > l->seqno)
            l->seqno = begin;
        break;
    }
    return err;
}

static int judge_all(struct logs *l)
{
    struct repair *r = l->r;
    int err = find_begin(l);

    for (size_t i = 0; !err && i < r->logs.count; i++) {
        if (counts(r, r->logs.numbers[i]))
            err = judge_log(l, r->logs.numbers[i]);
    }
    /* The logs were durable up to a snapshot before it was named. */
    if (named_snapshots_newest(&r->state.snapshots) > l->seqno)
        l->damaged = true;
    return err;
}

/* --- Salvage --- */

/* The first thing that is wrong with a log is counted, and takes the log into `lost`. */
static int tell(struct logs *l, const char *text)
{
    int err;

    if (l->told)
        return repair_note(l->r, l->file, "%s", text);
    l->told = true;
    err = repair_found(l->r, l->file, "%s", text);
    return err ? err : repair_set_aside(l->r, l->file);
}

static int retire_memtable(struct logs *l)
{
    struct repair *r = l->r;
    struct compact_run run = {.store = &r->store,
                              .builder = r->builder,
                              .table_len = r->options.table_len,
                              .prefix_len = r->options.table_prefix_len,
                              .run = memtable_number(l->mem),
                              .snapshots = r->snapshots,
                              .snapshot_count = r->snapshot_count,
                              .new_number = repair_new_number,
                              .arg = r};
    const struct rangedel_list *list = NULL;
    struct rangedel *dels = NULL;
    struct iter *input = NULL;
    int err = memtable_iter_new(l->mem, &input);

    if (!err)
        err = memtable_rangedels_get(l->mem, &list);
    if (!err)
        err = rangedels_of_list(list, r->snapshots, r->snapshot_count, &dels, &run.del_count);
    run.input = input;
    run.dels = dels;
    if (!err)
        err = compact_run(&run);
    for (size_t i = 0; !err && i < run.table_count; i++) {
        atomic_store(&run.tables[i]->obsolete, true);
        if (r->rebuild) {
            table_meta_ref(run.tables[i]);
            err = repair_add_found(r, run.tables[i]);
        } else {
            err = edit_add_table(&r->edit, 0, run.tables[i]);
        }
    }
    compact_run_done(&run, &r->store);
    memtable_rangedels_put(l->mem, list);
    iter_free(input);
    free(dels);
    return err;
}

static int renew_memtable(struct logs *l)
{
    int err = l->mem && !memtable_empty(l->mem) ? retire_memtable(l) : 0;

    memtable_unref(l->mem);
    l->mem = NULL;
    return err ? err : memtable_new(repair_new_number(l->r), &l->mem);
}

static int apply(struct logs *l, const struct wal_record *record)
{
    uint64_t last = record->first_seqno + record->op_count - 1;
    char text[160];
    int err = 0;

    repair_saw_seqno(l->r, last);
    if (last <= l->seqno)
        return 0;
    if (record->first_seqno > l->seqno + 1) {
        snprintf(text, sizeof(text), "lost: the operations with sequence numbers %llu to %llu",
                 (unsigned long long)l->seqno + 1, (unsigned long long)record->first_seqno - 1);
        err = repair_note(l->r, l->file, "%s", text);
        if (!err)
            err = repair_lose_operations(l->r, l->file, l->seqno + 1, record->first_seqno - 1);
    }
    l->seqno = last;
    if (err)
        return err;
    if (!batch_whole(record, VALUE_LEN_MAX)) {
        snprintf(text, sizeof(text),
                 "lost: the operations with sequence numbers %llu to %llu cannot be decoded",
                 (unsigned long long)record->first_seqno, (unsigned long long)last);
        err = tell(l, text);
        return err ? err : repair_lose_operations(l->r, l->file, record->first_seqno, last);
    }
    if (!batch_whole(record, l->r->options.value_len_max)) {
        snprintf(text, sizeof(text), "%s", err_detail());
        err = tell(l, text);
        if (err)
            return err;
    }
    err = repair_batch_insert(l->r, l->file, l->mem, record->payload, record->first_seqno);
    if (!err && l->mem && memtable_len(l->mem) >= l->r->options.memtable_len)
        err = renew_memtable(l);
    return err;
}

/* Where no record follows: 1 with the next one behind a damaged place, 0 at the end. */
static int step_over(struct logs *l, struct wal_reader *reader, struct wal_record *ret)
{
    uint64_t from = wal_reader_offset(reader), to = 0;
    struct wal_end end;
    char text[160];
    int err, more = wal_reader_end(reader, &end);

    if (more || end.kind == WAL_END_CLEAN)
        return more;
    more = wal_reader_skip(reader, ret, &to);
    if (more < 0)
        return more;
    if (more)
        snprintf(text, sizeof(text), "no record can be read at offsets %llu to %llu",
                 (unsigned long long)from, (unsigned long long)to - 1);
    else
        snprintf(text, sizeof(text), "no record can be read from offset %llu on",
                 (unsigned long long)from);
    err = tell(l, text);
    /* Where a record follows, its numbers say what is missing. */
    if (!err && !more)
        err = repair_lose_operations(l->r, l->file, l->seqno + 1, UINT64_MAX);
    return err ? err : more;
}

static int salvage_records(struct logs *l, struct wal_reader *reader)
{
    struct wal_record record;
    int err = 0;

    while (!err) {
        int more = wal_reader_next(reader, &record);

        if (!more)
            more = step_over(l, reader, &record);
        if (more <= 0)
            return more;
        err = apply(l, &record);
    }
    return err;
}

static int salvage_log(struct logs *l)
{
    struct wal_reader *reader;
    int err = wal_reader_open_since(l->r->env, l->number, l->r->state.log_number, &reader);

    if (!err) {
        repair_saw_seqno(l->r, wal_reader_last_seqno(reader));
        if (wal_reader_header(reader) == WAL_HEADER_DAMAGED)
            err = tell(l, "the log's header is damaged");
        if (!err)
            err = salvage_records(l, reader);
        wal_reader_close(reader);
    }
    if (repair_is_damage(err))
        err = tell(l, *err_detail() ? err_detail() : err_text(err));
    return err;
}

/* Without damage: what recovery would replay, up to where it would end. */
static int replay_log(struct logs *l)
{
    struct wal_reader *reader;
    struct wal_record record;
    struct wal_end end;
    int more = 0,
        err = wal_reader_open_since(l->r->env, l->number, l->r->state.log_number, &reader);

    if (err)
        return err;
    repair_saw_seqno(l->r, wal_reader_last_seqno(reader));
    l->ended |= wal_reader_last_seqno(reader) > l->seqno;
    while (!err && (more = wal_reader_next(reader, &record)) > 0) {
        repair_saw_seqno(l->r, record.first_seqno + record.op_count - 1);
        l->ended |= record.first_seqno > l->seqno + 1;
        if (!l->ended)
            err = repair_batch_whole(l->r, record.payload);
        l->ended |= err == 0;
        err = err < 0 ? err : 0;
        if (!l->ended && !err)
            err = apply(l, &record);
    }
    if (!err && !more)
        more = wal_reader_end(reader, &end);
    if (!err && !more)
        l->ended |= end.kind == WAL_END_TORN;
    wal_reader_close(reader);
    return err ? err : more;
}

static int into_tables(struct logs *l, bool beyond)
{
    struct repair *r = l->r;
    int err = r->dry_run ? 0 : renew_memtable(l);

    for (size_t i = 0; !err && i < r->logs.count; i++) {
        l->number = r->logs.numbers[i];
        l->told = false;
        wal_file_name(l->number, l->file);
        if (counts(r, l->number))
            err = beyond ? salvage_log(l) : replay_log(l);
    }
    if (!err && l->mem && !memtable_empty(l->mem))
        err = retire_memtable(l);
    memtable_unref(l->mem);
    l->mem = NULL;
    return err;
}

/* --- The decision --- */

static int tell_missing(struct repair *r)
{
    char name[32];
    int err;

    wal_file_name(r->state.log_number, name);
    err = repair_found(r, name,
                       "missing; operations after sequence number %llu are lost where no other "
                       "log has them",
                       (unsigned long long)r->state.flushed_seqno);
    return err ? err : repair_lose_operations(r, name, r->state.flushed_seqno + 1, UINT64_MAX);
}

int repair_logs(struct repair *r)
{
    struct logs l = {.r = r};
    bool missing =
        !r->rebuild && r->state.log_number && !file_numbers_have(&r->logs, r->state.log_number);
    int before = r->count, err = judge_all(&l);
    bool damaged = l.damaged || missing;

    if (!err && missing)
        err = tell_missing(r);
    if (err || (!damaged && !r->rebuild))
        return err;
    r->new_log = r->new_manifest = true;
    l.ended = false;
    err = find_begin(&l);
    if (!err)
        err = into_tables(&l, damaged);
    /* Damage that no single log shows: records are missing between two of them. */
    if (!err && l.damaged && r->count == before) {
        err = repair_found(r, "", "operations are missing between the logs or at their end");
        if (!err)
            err = repair_lose_operations(r, "", l.seqno + 1, UINT64_MAX);
    }
    return err;
}
